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
  readonly sharedReceiveQueues: number;
  readonly windows: number;
  readonly counters: number;
  /** Entries of one work queue. */
  readonly workRequests: number;
  readonly jobs: number;
  readonly jobKeys: number;
  /** Entries of one address table. */
  readonly addresses: number;
}

/** What a device with these transports holds unless told otherwise. */
export function deviceLimits(transports: readonly TransportLimits[], given: Partial<DeviceLimits> = {}): DeviceLimits {
  const limits = { ...DEFAULTS, ...given };
  const most = (of: (one: TransportLimits) => number) => transports.reduce((sum, one) => Math.max(sum, of(one)), 0);
  const queuePairs = Math.min(
    limits.queuePairs,
    most((one) => one.maxQueuePairs),
    DOORBELL_SLOTS,
  );
  return {
    ...limits,
    queuePairs,
    // each has a bell, and so has each queue pair
    sharedReceiveQueues: Math.min(limits.sharedReceiveQueues, DOORBELL_SLOTS - queuePairs),
    workRequests: Math.min(
      limits.workRequests,
      most((one) => one.maxWorkRequests),
    ),
    jobs: Math.min(
      limits.jobs,
      most((one) => one.maxJobs),
    ),
  };
}

const DEFAULTS: DeviceLimits = {
  contexts: 4096,
  protectionDomains: 16_384,
  regions: 32_768,
  regionBytes: 2 ** 40,
  addressHandles: 32_768,
  completionQueues: 16_384,
  completionEntries: 1 << 20,
  queuePairs: 16_384,
  sharedReceiveQueues: 4096,
  windows: 16_384,
  counters: 4096,
  workRequests: 16_384,
  jobs: 4096,
  jobKeys: 4096,
  addresses: 4096,
};
