/** What a session is told as it happens: bounded, oldest lost first. Numbers have gaps where something was lost. */
import type { Row } from '../uapi/rows.ts';

export class Feed {
  /** What is woken when there is something to read again. */
  readonly wake: number;
  readonly #wakeReader: (wake: number) => void;
  readonly #rows: Row[] = [];
  #stop: () => void = () => {};
  #next = 1;
  #lost = 0;

  constructor(wake: number, wakeReader: (wake: number) => void) {
    this.wake = wake;
    this.#wakeReader = wakeReader;
  }

  /** @param begin - starts what pushes, and returns what stops it */
  start(begin: (push: (row: Row) => void) => () => void): void {
    this.#stop = begin((row) => this.#push(row));
  }

  /** Takes the oldest rows that wait, and how many were lost since the last time. */
  take(): { readonly rows: readonly Row[]; readonly lost: number } {
    const lost = this.#lost;
    this.#lost = 0;
    return { rows: this.#rows.splice(0, MAX_TAKEN), lost };
  }

  /** What was taken did not reach the reader: it is there again, in front. */
  putBack({ rows, lost }: { readonly rows: readonly Row[]; readonly lost: number }): void {
    this.#rows.unshift(...rows);
    this.#lost += lost;
  }

  end(): void {
    this.#stop();
    this.#stop = () => {};
    this.#rows.length = 0;
  }

  #push(row: Row): void {
    if (this.#rows.length >= MAX_WAITING) {
      this.#rows.shift();
      this.#lost++;
    }
    this.#rows.push({ seq: this.#next++, ...row });
    if (this.#rows.length === 1) this.#wakeReader(this.wake);
  }
}

const MAX_WAITING = 256;
/** A part that fits into one answer. */
const MAX_TAKEN = 32;
