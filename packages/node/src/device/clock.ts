/** The clock of live devices: monotonic nanoseconds, the same for all devices of a thread. */
import type { Nanos } from '@verbena/core';

export class Clock {
  /** About 50 ns, and no allocation, unlike both forms of `process.hrtime`. */
  now(): Nanos {
    return Math.round((performance.now() - EPOCH) * 1e6);
  }
}

const EPOCH = performance.now();
