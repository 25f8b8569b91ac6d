export * from './dma.ts';
export * from './engine.ts';
export * from './packet.ts';
export * from './seal.ts';
export * from './status.ts';
export * from './time.ts';
export * from './wire-host.ts';
export * from './work.ts';
