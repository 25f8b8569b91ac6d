/** Simulated networks and conformance suites, for those who add transports and hosts. */
export * from './agenda.ts';
export * from './bed.ts';
export * from './engine-rig.ts';
export * from './faults.ts';
export * from './hostile-packets.ts';
export type { Link } from './network.ts';
export * from './pump.ts';
export * from './schedules.ts';
export { SimNode } from './sim-node.ts';
export * from './suite-case.ts';
export * from './trace.ts';
export * from './transport-suite.ts';
