/** A daemon as a library: `verbenad` in a program of one's own. */
export { configJsonSchema, type DaemonConfig, type DeviceSpec, parseConfig, readConfig } from './config.ts';
export { Daemon, type DaemonOptions } from './daemon.ts';
export { DAEMON_LIMITS, type DaemonCounters, type DaemonLimits, type DropReason } from './daemon-limits.ts';
export { daemonLog, type LogLevel } from './daemon-log.ts';
export { parseDeviceFlag } from './device-flag.ts';
export { type RunOptions, runDaemon } from './run-daemon.ts';
