/** The program's side of a ring of receives: of one queue pair, or shared by many. */
import { ReceiveEntry, ReceiveFlag } from '../abi/entries.ts';
import { Ring } from '../abi/ring.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { RequestFault } from './request-faults.ts';
import { writeData } from './segment-writer.ts';
import { WordPair } from './word-pair.ts';
import type { ReceiveRequest } from './work-request.ts';

const { segments, idLo, idHi, flags, tagLo, tagHi, ignoreLo, ignoreHi } = ReceiveEntry.fields;
const { sourceId, address, jobId, minBytes } = ReceiveEntry.fields;

export class ReceiveRing {
  readonly ring: Ring;
  readonly #pd: ProtectionDomain;
  readonly #words = new WordPair();
  readonly #matching: boolean;
  #posted = 0;
  #done = 0;

  /**
   * @param size - entries, a power of two
   * @param matching - receives may say what they take
   */
  constructor(pd: ProtectionDomain, bytes: Uint8Array, size: number, matching = false) {
    this.#matching = matching;
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
    if (this.#matching) {
      const fault = this.#writeSelection(request, view, at);
      if (fault !== RequestFault.NONE) return fault;
    } else if (selects(request)) return RequestFault.NOT_MATCHING;
    this.#posted = (this.#posted + 1) | 0;
    ring.publish(this.#posted);
    return RequestFault.NONE;
  }

  #writeSelection(request: ReceiveRequest, view: DataView, at: number): number {
    const words = this.#words;
    const { tag, ignore, from, multi } = request;
    let flag = 0;
    if (tag !== undefined) flag |= ReceiveFlag.TAGGED;
    if (!words.set(tag ?? 0)) return RequestFault.TAG;
    tagLo.set(view, at, words.lo);
    tagHi.set(view, at, words.hi);
    if (!words.set(ignore ?? 0)) return RequestFault.TAG;
    ignoreLo.set(view, at, words.lo);
    ignoreHi.set(view, at, words.hi);
    if (request.sourceId !== undefined) flag |= ReceiveFlag.DIRECTED;
    sourceId.set(view, at, request.sourceId ?? 0);
    if (from !== undefined && (from.pd !== this.#pd || !from.isOpen)) return RequestFault.FOREIGN_ADDRESS;
    address.set(view, at, from?.number ?? 0);
    jobId.set(view, at, request.jobId ?? 0);
    if (multi !== undefined) flag |= ReceiveFlag.MULTI;
    minBytes.set(view, at, multi ?? 0);
    if (request.operation === 'peek') flag |= ReceiveFlag.PEEK;
    if (request.operation === 'cancel') flag |= ReceiveFlag.CANCEL;
    if (request.claim === true) flag |= ReceiveFlag.CLAIM;
    if (request.discard === true) flag |= ReceiveFlag.DISCARD;
    flags.set(view, at, flag);
    return RequestFault.NONE;
  }
}

/** Asks for what only matching queue pairs do. */
function selects({ tag, operation, multi, sourceId: source, from, jobId: job }: ReceiveRequest): boolean {
  const selector = tag ?? operation ?? multi ?? source ?? from ?? job;
  return selector !== undefined;
}
