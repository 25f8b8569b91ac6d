export type { KernelHost, MappedPage } from './kernel-host.ts';
export type { DeviceLimits } from './limits.ts';
export type { LinkOptions } from './link.ts';
export { ABSOLUTE_QPN } from './queue-pair-number.ts';
export { SoftDevice, type SoftDeviceOptions } from './soft-device.ts';
