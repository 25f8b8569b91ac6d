/** UET wire format: declarations and code points. */

export * from './crc.ts';
export * from './entropy.ts';
export * from './pds.ts';
export * from './security.ts';
export * from './ses.ts';
