/** A rule of the specification, and how to find out whether an endpoint keeps it. */
import type { Tester } from './tester/tester.ts';

/**
 * How binding a rule is. `must`, `should`: as its section says, or as its sources agree. `choice`: the sources are silent or
 * disagree, and this is what the engine here does; an endpoint that differs may be right.
 */
export type Level = 'must' | 'should' | 'choice';
/** Which part the endpoint under test plays: the tester plays the other one. */
export type Role = 'target' | 'initiator';

export interface Rule {
  /** Unique: topic and name, such as `pds-close/ack`. */
  readonly id: string;
  /** Where it stands, such as `uet:pds/3.7`. */
  readonly section: string;
  readonly level: Level;
  readonly role: Role;
  /** In words of our own. */
  readonly text: string;
  /** Which of the target's endpoints it is run against; most need the one called `main`. */
  readonly on: string;
  /** What the target must have, by name: see `lacks` in `target.ts`. */
  readonly needs: readonly string[];
  /** Returns when the rule is kept; throws {@link Broken} when not, {@link Skipped} when that cannot be found out. */
  run(t: Tester): Promise<void>;
}

/** The rule is broken. */
export class Broken extends Error {
  readonly expected: string;
  readonly seen: string;

  constructor(expected: string, seen: string) {
    super(`expected ${expected}; seen ${seen}`);
    this.expected = expected;
    this.seen = seen;
  }
}

/** Whether the rule is kept cannot be found out. */
export class Skipped extends Error {}

type Extra = Partial<Pick<Rule, 'level' | 'role' | 'on' | 'needs'>>;

/** Makes the rules of a topic: what they have in common is said once. @param page - of the description that sections are of */
export function topic(name: string, page: 'pds' | 'ses' | 'tss', common: Extra = {}) {
  return (id: string, section: string, text: string, run: Rule['run'], extra: Extra = {}): Rule => ({
    id: `${name}/${id}`,
    section: `uet:${page}/${section}`,
    text,
    level: 'must',
    role: 'target',
    on: 'main',
    needs: [],
    ...common,
    ...extra,
    run,
  });
}

/** @throws Broken when the claim does not hold */
export function claim(holds: boolean, expected: string, seen: unknown): void {
  if (!holds) throw new Broken(expected, String(seen));
}
