/** All codes that this build knows, from the tables of those who define them; and finding one in them. */
import {
  type CodeRow,
  type CodeTable,
  ERROR_CODES,
  EVENT_CODES,
  STATUS_CODES,
  STATUS_ROWS,
  TRANSPORTS,
  type Transport,
} from '@verbena/core';
import { REJECT_CODES } from '@verbena/core/cm';

/** A code, with the table that it stands in. */
export interface Meaning {
  /** Name of the transport; undefined for what all share. */
  readonly transport: string | undefined;
  readonly table: CodeTable;
  readonly row: CodeRow;
}

export class CodeBook {
  readonly #shelves: readonly Shelf[];

  /** @param transports - whose codes and drop reasons belong in it */
  constructor(transports: readonly Transport[] = TRANSPORTS) {
    this.#shelves = [
      ...[STATUS_CODES, EVENT_CODES, ERROR_CODES, REJECT_CODES].map((table) => shelf(undefined, table)),
      ...transports.flatMap((one) => [...(one.codes ?? []), dropTable(one)].map((table) => shelf(one.name, table))),
    ];
  }

  /** Words for kinds: `status`, `nack`. */
  get kinds(): readonly string[] {
    return [...new Set(this.#shelves.map(({ table }) => table.kind))];
  }

  /** Every code of the tables that all of the words speak of: a kind, a transport, a layer. */
  list(words: readonly string[]): readonly Meaning[] {
    return this.#shelvesAbout(words).flatMap(({ all }) => all);
  }

  /**
   * What the words mean: a name or a number, with or without words in front that say of what.
   *
   * @returns several where several have it; none where it is unknown
   */
  find(words: readonly string[]): readonly Meaning[] {
    const number = numberOf(words.at(-1) ?? '');
    if (number !== undefined) {
      const numbered = this.list(words.slice(0, -1)).filter((one) => numbersOf(one).includes(number));
      if (numbered.length > 0) return numbered;
    }
    for (let front = 0; front < words.length; front++) {
      const name = canonical(words.slice(front).join(' '));
      const named = this.#shelvesAbout(words.slice(0, front)).flatMap(({ byName }) => byName.get(name) ?? []);
      if (named.length > 0) return named;
    }
    return [];
  }

  /** Why {@link find} found nothing: what would be found. */
  hint(words: readonly string[]): string {
    const front = words.slice(0, -1);
    if (numberOf(words.at(-1) ?? '') === undefined) {
      const near = this.nearest(words);
      return near.length > 0 ? `nearest: ${near.join(', ')}` : '`verbena explain --list` lists all there is';
    }
    const values = this.list(front).flatMap(({ row }) => row.value ?? []);
    if (values.length === 0) {
      const numbered = this.kinds.filter((kind) => this.list([kind]).some(({ row }) => row.value !== undefined));
      return `a number may follow one of: ${numbered.join(', ')}`;
    }
    return `numbers go from ${Math.min(...values)} to ${Math.max(...values)}, with gaps`;
  }

  /** Names like the last word, best first, at most a handful. */
  nearest(words: readonly string[]): readonly string[] {
    for (const front of [words.length - 1, 0]) {
      const text = canonical(words.slice(front).join(' '));
      const scored = new Map<string, number>();
      for (const one of this.list(words.slice(0, front))) {
        const score = Math.min(...namesOf(one).map((name) => unlikeness(text, name)));
        if (score <= Math.max(1, text.length / 3)) {
          scored.set(one.row.name, Math.min(score, scored.get(one.row.name) ?? score));
        }
      }
      if (scored.size > 0) {
        const best = [...scored].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
        return best.slice(0, MAX_NEAREST).map(([name]) => name);
      }
    }
    return [];
  }

  #shelvesAbout(words: readonly string[]): readonly Shelf[] {
    const wanted = words.flatMap(parts);
    return this.#shelves.filter(({ about }) => wanted.every((word) => about.has(word)));
  }
}

/** What a user can do: the advice of the code, else that of the status that it ends in. */
export function adviceOf({ row }: Meaning): string {
  return row.advice || statusRow(row)?.advice || '';
}

/** The status that a request with this code fails with. */
export const statusRow = ({ status }: CodeRow) =>
  status === undefined ? undefined : STATUS_ROWS.find(({ value }) => value === status);

interface Shelf {
  readonly table: CodeTable;
  readonly all: readonly Meaning[];
  /** By each of the names that it goes by; usually one. */
  readonly byName: ReadonlyMap<string, readonly Meaning[]>;
  /** Words that it answers to. */
  readonly about: ReadonlySet<string>;
}

function shelf(transport: string | undefined, table: CodeTable): Shelf {
  const about = new Set([table.kind, table.name, table.layer, transport ?? ''].flatMap(parts));
  const all = table.rows.map((row) => ({ transport, table, row }));
  const byName = new Map<string, Meaning[]>();
  for (const one of all) {
    for (const name of namesOf(one)) byName.set(name, [...(byName.get(name) ?? []), one]);
  }
  return { table, about, all, byName };
}

/** Reasons to drop packets have names only: those of their counters. */
function dropTable({ name, drops }: Transport): CodeTable {
  return {
    kind: 'drop',
    name: 'reason to drop a packet',
    layer: 'engine',
    prefixes: [DROP_PREFIX],
    section: '',
    rows: drops.map((one) => ({ ...one, cause: `counted as ${DROP_PREFIX}${one.name} of ${name}` })),
  };
}

/** Its own, and the one that completions show. */
function numbersOf({ table, row }: Meaning): readonly number[] {
  return row.value === undefined ? [] : [row.value, row.value + (table.vendorBase ?? 0)];
}

/** A name as given, and without what stands in front of it elsewhere. */
function namesOf({ table, row }: Meaning): readonly string[] {
  const name = canonical(row.name);
  return [name, ...table.prefixes.map((prefix) => canonical(prefix + row.name))];
}

/** Without regard to case, and to what parts the words. */
const canonical = (text: string): string => text.toLowerCase().replace(/[^a-z0-9.]+/g, '');

const parts = (text: string): string[] =>
  text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');

const numberOf = (text: string): number | undefined =>
  /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : undefined;

/** Edits that make one of the other; part of the other counts as near. */
function unlikeness(a: string, b: string): number {
  if (a.length >= LEAST_PART && b.includes(a)) return 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

const DROP_PREFIX = 'dropped_';
const MAX_NEAREST = 6;
const LEAST_PART = 3;
