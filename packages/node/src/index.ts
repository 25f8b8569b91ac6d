/** The live host: opens RDMA devices on this machine's network. */
export {
  connectManagement,
  type DaemonDevice,
  daemonDevices,
  daemonSocket,
  type ManagementConnection,
} from './client/management-client.ts';
export * from './crypto/index.ts';
export { type DeviceOptions, type Encapsulation, type LiveDeviceHandle, openDevice } from './device/open-device.ts';
export { openFabric } from './device/open-fabric.ts';
export * from './exchange/index.ts';
export { defaultSocketPath } from './ipc/socket-path.ts';
export type { FaultDirection, Faults } from './wire/fault-wire.ts';
export { interfaceMtu } from './wire/interface-mtu.ts';
export type { LocalAddress } from './wire/live-wire.ts';
export type { IoChoice } from './wire/open-wire.ts';
export type { TrafficClasses } from './wire/traffic-classes.ts';
