/** How long calls wait, and what ends their waiting. */
import { VerbsError } from '../base/verbs-error.ts';
import type { AbortSignalLike } from './abort-signal.ts';
import type { KernelPort } from './kernel-port.ts';

export interface WaitOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignalLike;
}

/** When a wait ends, ns. @throws VerbsError EINVAL no time */
export function endOfWait(port: KernelPort, timeoutMs: number | undefined): number {
  if (timeoutMs === undefined) return Number.POSITIVE_INFINITY;
  if (!(timeoutMs >= 0)) throw new VerbsError('EINVAL', 'wait', `${timeoutMs} is not a time`, { try: '0 or more' });
  return port.now() + timeoutMs * 1e6;
}

/**
 * Sleeps until a number is woken, until `end`, or until aborted. Waking early is harmless.
 *
 * @param background - without keeping the program alive
 */
export async function sleep(
  port: KernelPort,
  wake: number,
  end: number,
  signal: AbortSignalLike | undefined,
  background = false,
): Promise<void> {
  const left = end - port.now();
  if (left <= 0) return;
  if (signal === undefined) return port.wait(wake, left, background);
  const abort = () => port.wake(wake);
  signal.addEventListener('abort', abort);
  try {
    if (!signal.aborted) await port.wait(wake, left, background);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
