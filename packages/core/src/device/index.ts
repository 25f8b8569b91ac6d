export type { DeviceAttributes, GidEntry, PortAttributes } from './attributes.ts';
export { EVENTS, type EventRow, EventValue } from './events.ts';
export * from './kernel-calls.ts';
export * from './kernel-device.ts';
export * from './kernel-host.ts';
export type { DeviceLimits } from './limits.ts';
export { ABSOLUTE_QPN } from './queue-pair-number.ts';
