/** The structures that both halves share, for user halves other than the one of this library. */
export * from './doorbell-page.ts';
export * from './entries.ts';
export * from './ring.ts';
export * from './struct.ts';
