export * from './envelope.ts';
export * from './multi-receive.ts';
export * from './posted-receives.ts';
export * from './unexpected-messages.ts';
