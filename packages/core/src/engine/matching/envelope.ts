/** What of a message decides which receive takes it. @spec uet:ses/4.1 */
import type { ReceiveWork } from '../work.ts';

export class Envelope {
  /** Has a tag; otherwise only receives without one take it. */
  tagged = false;
  tagLo = 0;
  tagHi = 0;
  sourceId = 0;
  /** The host's path to the sender. */
  path = 0;
  jobId = 0;
}

/** What a receive is found by: receives that agree in this can be told apart by a hash. */
export const Select = { SOURCE: 1, PATH: 2 } as const;

/** Bits of `Select` that a receive asks for. */
export const selectsOf = (receive: ReceiveWork): number =>
  (receive.directed ? Select.SOURCE : 0) | (receive.path !== 0 ? Select.PATH : 0);
