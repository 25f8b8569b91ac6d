/** How much a device holds. Every table has a limit; reaching it is answered with ENOMEM or ENOSPC. */

import { DOORBELL_SLOTS } from '../abi/doorbell-page.ts';
import type { TransportLimits } from '../engine/engine.ts';

export interface DeviceLimits {
  readonly contexts: number;
  readonly protectionDomains: number;
  readonly regions: number;
  /** Bytes of one region. */
  readonly regionBytes: number;
  readonly addressHandles: number;
  readonly completionQueues: number;
  /** Entries of one completion queue. */
  readonly completionEntries: number;
  readonly queuePairs: number;
  /** Entries of one work queue. */
  readonly workRequests: number;
  readonly jobs: number;
  readonly jobKeys: number;
  /** Entries of one address table. */
  readonly addresses: number;
  /** Events that wait for one context; the oldest go first. */
  readonly events: number;
}

/** What a device of this transport holds unless told otherwise. */
export function deviceLimits(transport: TransportLimits, given: Partial<DeviceLimits> = {}): DeviceLimits {
  const limits = { ...DEFAULTS, ...given };
  return {
    ...limits,
    queuePairs: Math.min(limits.queuePairs, transport.maxQueuePairs, DOORBELL_SLOTS),
    workRequests: Math.min(limits.workRequests, transport.maxWorkRequests),
    jobs: Math.min(limits.jobs, transport.maxJobs),
  };
}

const DEFAULTS: DeviceLimits = {
  contexts: 256,
  protectionDomains: 1024,
  regions: 32_768,
  regionBytes: 2 ** 40,
  addressHandles: 32_768,
  completionQueues: 4096,
  completionEntries: 1 << 20,
  queuePairs: 4096,
  workRequests: 16_384,
  jobs: 4096,
  jobKeys: 4096,
  addresses: 4096,
  events: 256,
};
