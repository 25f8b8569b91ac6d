/**
 * Packets without payload that outlive the queue pair that they are from: congestion notifications, and what a queue pair
 * still owed when it went away. A bounded ring; what does not fit is dropped, which the peer's repetition repairs.
 */
import type { Packet } from '../../engine/packet.ts';

export class Outbox {
  #head = 0;
  #tail = 0;
  readonly #path = new Int32Array(SIZE);
  readonly #entropy = new Int32Array(SIZE);
  readonly #words = new Int32Array(SIZE * MAX_WORDS);
  readonly #length = new Uint8Array(SIZE);

  get isEmpty(): boolean {
    return this.#head === this.#tail;
  }

  get length(): number {
    return this.#tail - this.#head;
  }

  /**
   * Queues a packet of a BTH and up to four words behind it.
   * @param length - bytes, 12 to 28
   * @returns false when too many wait
   */
  add(
    path: number,
    entropy: number,
    length: number,
    w0: number,
    w1: number,
    w2: number,
    w3 = 0,
    w4 = 0,
    w5 = 0,
  ): boolean {
    if (this.length === SIZE) return false;
    const i = this.#tail++ & (SIZE - 1);
    this.#path[i] = path;
    this.#entropy[i] = entropy;
    this.#length[i] = length;
    const at = i * MAX_WORDS;
    this.#words.fill(0, at, at + MAX_WORDS);
    this.#words[at] = w0;
    this.#words[at + 1] = w1;
    this.#words[at + 2] = w2;
    this.#words[at + 3] = w3;
    this.#words[at + 4] = w4;
    this.#words[at + 5] = w5;
    return true;
  }

  /** Moves the oldest packet to a transmit slot. @returns false when there is none */
  take(out: Packet): boolean {
    if (this.isEmpty) return false;
    const i = this.#head++ & (SIZE - 1);
    out.path = this.#path[i]!;
    out.entropy = this.#entropy[i]!;
    out.length = this.#length[i]!;
    out.control = true;
    for (let n = 0; n * 4 < out.length; n++) out.view.setInt32(out.at + n * 4, this.#words[i * MAX_WORDS + n]!);
    return true;
  }
}

const SIZE = 1024;
const MAX_WORDS = 7;
