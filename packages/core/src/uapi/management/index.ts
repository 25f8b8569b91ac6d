/**
 * The management channel: looking at everything, and changing how the system runs. It has numbers of its own and no
 * context, so it cannot make or use objects of programs.
 */
import { RESOURCE } from './resource.ts';
import { STATISTIC } from './statistic.ts';

export const MANAGEMENT = { RESOURCE, STATISTIC } as const;
export type ManagementObject = keyof typeof MANAGEMENT;
