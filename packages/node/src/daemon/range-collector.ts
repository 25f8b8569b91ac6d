/**
 * Address ranges of memory that was given back stay taken until the last view on them is collected, because touching a
 * range that is gone would end the process. A daemon whose clients come and go would run out of mappings before the
 * collector of the language sees a reason to run: it is asked to when many ranges wait.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { rangesAwaitingCollection } from '../memory/mapped-memory.ts';

export class RangeCollector {
  #timer: NodeJS.Timeout | undefined;
  #collect: (() => void) | undefined;

  /** To be called when memory was given back. */
  look(): void {
    if (this.#timer !== undefined || rangesAwaitingCollection() < MANY) return;
    this.#timer = setTimeout(() => this.#run(), PAUSE_MS).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #run(): void {
    this.#timer = undefined;
    this.#collect ??= collector();
    this.#collect();
  }
}

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

/** Ranges that may wait. */
const MANY = 64;
/** Between two runs, each of which takes a few milliseconds. */
const PAUSE_MS = 1_000;
