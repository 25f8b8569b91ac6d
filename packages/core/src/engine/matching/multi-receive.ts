/** A receive that takes message after message: how much of it is given away, and to how many still in arrival. @spec uet:ses/4.2 */
export class MultiReceive {
  readonly #length: number;
  readonly #minBytes: number;
  #used = 0;
  #pending = 0;
  /** It may take another message. */
  isOpen = true;

  /** @param minBytes - with fewer bytes left it ends */
  constructor(length: number, minBytes: number) {
    this.#length = length;
    this.#minBytes = minBytes;
  }

  /** Bytes that are left. */
  get room(): number {
    return this.#length - this.#used;
  }

  /** Nothing of it is given away yet. */
  get fresh(): boolean {
    return this.#used === 0 && this.#pending === 0;
  }

  /** Messages in arrival. */
  get pending(): number {
    return this.#pending;
  }

  /** Gives a message its place. @returns where it begins, bytes */
  reserve(bytes: number): number {
    const at = this.#used;
    this.#used += Math.min(bytes, this.room);
    this.#pending++;
    if (this.room < this.#minBytes || this.room === 0) this.isOpen = false;
    return at;
  }

  /** A message is done. @returns true when that was the last one */
  settle(): boolean {
    this.#pending--;
    return !this.isOpen && this.#pending === 0;
  }
}
