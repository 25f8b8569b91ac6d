/** The program's side of a ring of receives: of one queue pair, or shared by many. */
import { ReceiveEntry } from '../abi/entries.ts';
import { Ring } from '../abi/ring.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { RequestFault } from './request-faults.ts';
import { writeData } from './segment-writer.ts';
import { WordPair } from './word-pair.ts';
import type { ReceiveRequest } from './work-request.ts';

const { segments, idLo, idHi } = ReceiveEntry.fields;

export class ReceiveRing {
  readonly ring: Ring;
  readonly #pd: ProtectionDomain;
  readonly #words = new WordPair();
  #posted = 0;
  #done = 0;

  /** @param size - entries, a power of two */
  constructor(pd: ProtectionDomain, bytes: Uint8Array, size: number) {
    this.#pd = pd;
    this.ring = new Ring(bytes, size, ReceiveEntry.bytes);
  }

  /** Receives that can be posted now. */
  get space(): number {
    return this.ring.size - ((this.#posted - this.ring.consumer()) | 0);
  }

  /** @returns false when there is no room; look before {@link write} */
  hasRoom(): boolean {
    const { ring } = this;
    if (((this.#posted - this.#done) | 0) < ring.size) return true;
    this.#done = ring.consumer();
    return ((this.#posted - this.#done) | 0) < ring.size;
  }

  /** Posts a receive. @returns one of `RequestFault`; nothing was posted unless NONE */
  write(request: ReceiveRequest): number {
    const { ring } = this;
    const { view } = ring;
    const at = ring.at(this.#posted);
    const words = this.#words;
    if (!words.set(request.id ?? 0)) return RequestFault.ID;
    idLo.set(view, at, words.lo);
    idHi.set(view, at, words.hi);
    const count = writeData(this.#pd, view, at, request.region, request.offset, request.length, request.segments);
    if (count < 0) return -count;
    segments.set(view, at, count);
    this.#posted = (this.#posted + 1) | 0;
    ring.publish(this.#posted);
    return RequestFault.NONE;
  }
}
