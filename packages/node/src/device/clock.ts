/** The clock of live devices: monotonic nanoseconds since the device was opened. */
import type { Nanos } from '@verbena/core';

export class Clock {
  readonly #epoch = performance.now();

  /** About 50 ns, and no allocation, unlike both forms of `process.hrtime`. */
  now(): Nanos {
    return Math.round((performance.now() - this.#epoch) * 1e6);
  }
}
