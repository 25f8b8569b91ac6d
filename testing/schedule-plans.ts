/** How each transport's random schedules are run, here and from the command line. */
import type { Transport } from '@verbena/core';
import type { ScheduleOptions } from '@verbena/core/testing';
import { roceInspector } from './invariants/roce-inspector.ts';
import { uetInspector } from './invariants/uet-inspector.ts';
import { RELIABLE_KINDS } from './reliable-kinds.ts';

export interface SchedulePlan {
  readonly transport: Transport;
  readonly options: Pick<ScheduleOptions, 'settings' | 'kind' | 'faults' | 'inspector'>;
}

/** Small tables make a run cheap; what is full is a case of its own. */
const OPTIONS: Readonly<Record<string, SchedulePlan['options']>> = {
  loop: { faults: false }, // it is for links that lose, repeat and reorder nothing
  roce: { inspector: roceInspector },
  uet: { settings: { maxContexts: 32, maxMessages: 128, maxInboundMessages: 128 }, inspector: uetInspector },
};

export const SCHEDULE_PLANS: readonly SchedulePlan[] = RELIABLE_KINDS.map(({ transport, kind }) => ({
  transport,
  options: { ...OPTIONS[transport.name], kind },
}));

/** One line of `regressions/schedules.json`: a seed that once failed. */
export interface Regression {
  readonly transport: string;
  /** Kind of queue pair; default RU. */
  readonly kind?: string;
  readonly seed: number;
  readonly what: string;
}
