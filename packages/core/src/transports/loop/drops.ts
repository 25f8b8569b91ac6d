/** Why the loop transport drops packets, and its counters. */
import { Counters } from '../../base/counters.ts';
import type { DropReason } from '../../engine/engine.ts';

const drop = <const N extends string>(name: N, text: string): DropReason & { readonly name: N } => ({
  name,
  text,
  section: 'docs/transports/loop',
});

export const DROPS = [
  drop('short', 'shorter than the header'),
  drop('trimmed', 'a switch cut the payload off'),
  drop('opcode', 'unknown kind of packet'),
  drop('answer', 'answers a request that nobody waits for'),
  drop('duplicate', 'arrived before; answered again, not executed again'),
  drop('stale', 'older than the last request of its sender'),
  drop('closing', 'new work for an engine that closes'),
  drop('full', 'no room to remember another sender'),
] as const satisfies readonly DropReason[];

const EVENTS = [
  'sent_packets',
  'received_packets',
  'retransmitted_packets',
  'rnr_retries',
  'executed_requests',
] as const;
const NAMES = [...EVENTS, ...DROPS.map(({ name }) => `dropped_${name}` as const)];

export const createCounters = (): Counters => new Counters(NAMES);
/** Position of each counter. */
export const COUNT = Object.fromEntries(NAMES.map((name, i) => [name, i])) as Record<(typeof NAMES)[number], number>;
