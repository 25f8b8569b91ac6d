/** RoCEv2 wire format: declarations and code points. */

export * from './bth.ts';
export * from './cm.ts';
export * from './extended.ts';
export * from './icrc.ts';
export * from './mad.ts';
export * from './opcodes.ts';
export * from './syndrome.ts';
