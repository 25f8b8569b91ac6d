/** Waiting for numbered chunks: they may arrive in any order, and are awaited one by one. */
import { refusal } from '../failure.ts';

export class SequenceGate {
  /** The chunk that is waited for, or will be next. */
  next = 0;
  readonly #arrived = new Set<number>();
  readonly #limit: number;
  readonly #onError: (error: unknown) => void;
  #waiting: { sequence: number; resolve: () => void; reject: (error: unknown) => void } | undefined;
  #error: unknown;

  /**
   * @param limit - chunks that may be ahead of the one that is waited for
   * @param onError - told when the peer counts wrongly or is gone
   */
  constructor(limit: number, onError: (error: unknown) => void) {
    this.#limit = limit;
    this.#onError = onError;
  }

  /** The chunk is there. A peer that counts wrongly fails the transfer. */
  arrive(sequence: number): void {
    if (this.#waiting?.sequence === sequence) {
      const { resolve } = this.#waiting;
      this.#waiting = undefined;
      resolve();
      return;
    }
    if (this.#arrived.has(sequence) || this.#arrived.size >= this.#limit) {
      this.#onError(refusal('EIO', 'cp', `the peer reported chunk ${sequence} out of turn`));
      return;
    }
    this.#arrived.add(sequence);
  }

  /** All waiting, now and later, ends with this error. The first one counts. */
  fail(error: unknown): void {
    this.#error ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#error);
  }

  /** Throws what the gate failed with, if it did. */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /**
   * Waits for a chunk.
   *
   * @param whenSilent - asked again and again while nothing comes; throws when it is not worth waiting any longer
   */
  async wait(sequence: number, whenSilent?: () => Promise<void>): Promise<void> {
    this.check();
    this.next = sequence;
    if (this.#arrived.delete(sequence)) return;
    const timer = setInterval(() => void whenSilent?.().catch(this.#onError), SILENCE_MS);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#waiting = { sequence, resolve, reject };
      });
    } finally {
      clearInterval(timer);
    }
  }
}

/** Without news for so long, the peer is asked whether it still lives. */
const SILENCE_MS = 6_000;
