/** How many requests a queue holds. */
import { ringSize } from '../abi/ring.ts';
import { VerbsError } from '../base/verbs-error.ts';

/**
 * A depth as a ring has it: a power of two.
 *
 * @throws VerbsError EINVAL not from 1 to the limit
 */
export function queueDepth(call: string, asked: number | undefined, name: string, limit: number): number {
  const entries = asked ?? Math.min(DEFAULT_DEPTH, limit);
  if (Number.isInteger(entries) && entries >= 1 && ringSize(entries) <= limit) return ringSize(entries);
  throw new VerbsError('EINVAL', call, `${name} cannot be ${entries}`, { try: `1 to ${limit}` });
}

const DEFAULT_DEPTH = 1024;
