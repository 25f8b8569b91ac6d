/** Ends a device in order: the transports close what peers hold state for. */
import type { Nanos, Stepped } from '@verbena/core';
import type { Clock } from './clock.ts';
import type { Driver } from './driver.ts';

/**
 * @param timeoutNs - how long peers get to answer
 * @param progress - one step of this device, and of others where they wait for each other
 * @returns whether all was closed in time
 */
export async function shutDown(
  kernel: Pick<Stepped, 'close' | 'quiet'>,
  driver: Pick<Driver, 'hold' | 'release'>,
  clock: Clock,
  timeoutNs: Nanos,
  progress: () => number,
): Promise<boolean> {
  const end = clock.now() + timeoutNs;
  kernel.close(clock.now());
  driver.hold();
  try {
    while (!kernel.quiet()) {
      if (clock.now() >= end) return false;
      if (progress() === 0) await pause();
    }
    progress(); // what was said last is on its way
    return true;
  } finally {
    driver.release();
  }
}

/** The event loop takes in what Node's own sockets have, and rests a little. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
