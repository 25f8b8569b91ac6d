/**
 * A thread of an attacker: writes into the memory that the program shares with the daemon, as fast as it can, while
 * another thread posts work in it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { SeededRandom } from '@verbena/core';
import { viewAt } from './system-calls.ts';

/** Where rings are: words of a table that the other thread writes. */
export const RangeTable = {
  /** 1: goes on. */
  RUN: 0,
  /** Ranges in use. */
  COUNT: 1,
  /** Writes so far. */
  WRITES: 2,
  /** From here: address in two halves, and length. */
  RANGES: 4,
  WORDS_PER_RANGE: 3,
} as const;

function scribble(table: Uint32Array, random: SeededRandom): void {
  const views = new Map<number, Uint32Array>();
  while (Atomics.load(table, RangeTable.RUN) === 1) {
    const count = Atomics.load(table, RangeTable.COUNT);
    if (count === 0) continue;
    const at = RangeTable.RANGES + random.below(count) * RangeTable.WORDS_PER_RANGE;
    const address = table[at]! * 2 ** 32 + table[at + 1]!;
    const length = table[at + 2]!;
    let words = views.get(address);
    if (words === undefined || words.byteLength !== (length & ~3)) {
      const bytes = viewAt(address, length & ~3);
      words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
      views.set(address, words);
    }
    for (let i = 0; i < BURST; i++) {
      const kind = random.below(16);
      // indices and flags of a ring, or bells, stand at the front; entries behind them
      const place =
        kind < 1
          ? 16 * random.below(4)
          : kind < 12
            ? 64 + random.below(Math.max(1, words.length - 64))
            : random.below(words.length);
      if (place >= words.length) continue;
      const value = random.below(8);
      if (value < 3) words[place]! ^= 1 << random.below(32);
      else if (value < 5) words[place] = random.below(300);
      else if (value < 6) words[place] = random.uint32();
      else words[place] = words[random.below(words.length)]!;
    }
    Atomics.add(table, RangeTable.WRITES, BURST);
  }
}

const BURST = 64;

if (parentPort !== null) {
  const { table, seed } = workerData as { readonly table: SharedArrayBuffer; readonly seed: number };
  scribble(new Uint32Array(table), new SeededRandom(seed));
}
