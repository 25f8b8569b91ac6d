/** Structured logs on stderr, at a bounded rate: a client must not be able to fill a disk. */
import { destination, type Logger, pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Values are JSON, so a hostile name cannot forge a line. */
export function daemonLog(level: LogLevel): Logger {
  return pino({ name: 'verbenad', level, base: { pid: process.pid } }, destination({ dest: 2, sync: true }));
}

/** Lets so many lines through in a second; the next one says how many it left out. */
export class LineLimit {
  readonly #perSecond: number;
  #second = 0;
  #lines = 0;
  #left = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** @returns how many lines were left out before this one; undefined: leave this one out, too */
  pass(nowMs: number): number | undefined {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
    }
    if (++this.#lines > this.#perSecond) {
      this.#left++;
      return undefined;
    }
    const left = this.#left;
    this.#left = 0;
    return left;
  }
}
