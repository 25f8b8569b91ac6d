/**
 * The management channel: looking at everything, and changing how the system runs. It has numbers of its own and no
 * context, so it cannot make or use objects of programs.
 */
import { CAPTURE } from './capture.ts';
import { DEV } from './dev.ts';
import { JOBS } from './jobs.ts';
import { LINK } from './link.ts';
import { MONITOR, TRACE } from './monitor.ts';
import { RESOURCE } from './resource.ts';
import { SECDOM } from './secdom.ts';
import { STATISTIC } from './statistic.ts';
import { SYSTEM } from './system.ts';

export const MANAGEMENT = { DEV, LINK, RESOURCE, STATISTIC, SYSTEM, JOBS, MONITOR, TRACE, SECDOM, CAPTURE } as const;
export type ManagementObject = keyof typeof MANAGEMENT;
export { NETNS_MODES } from './system.ts';
