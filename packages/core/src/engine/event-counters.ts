/** What an engine counts: what happened, and why packets were dropped, each by its position in one array. */
import { Counters } from '../base/counters.ts';
import type { DropReason } from './engine.ts';

/** A reason to drop a packet; the name stays a literal type. @param advice - what a user can do about it */
export const drop = <const N extends string>(
  name: N,
  text: string,
  section: string,
  advice = '',
): DropReason & { readonly name: N } => ({ name, text, advice, section });

/**
 * @param events - names of counters
 * @param drops - reasons; each is counted under `dropped_<name>`
 */
export function eventCounters<const E extends string, const D extends readonly DropReason[]>(
  events: readonly E[],
  drops: D,
) {
  const names = [...events, ...drops.map(({ name }) => `dropped_${name}`)];
  type Drop = D[number]['name'];
  return {
    create: (): Counters => new Counters(names),
    /** Position of each event counter. */
    event: Object.fromEntries(events.map((name, i) => [name, i])) as Readonly<Record<E, number>>,
    /** Position of each drop counter. */
    drop: Object.fromEntries(drops.map(({ name }, i) => [name, events.length + i])) as Readonly<Record<Drop, number>>,
  };
}
