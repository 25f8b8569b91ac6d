/**
 * The destination side of one direction: which PSNs arrived, which are held back until the source has seen their
 * guaranteed response, and how far everything is done (CACK_PSN). @spec uet:pds/4.1 uet:pds/4.4 uet:pds/4.6
 */
import { psnAdd, psnAfter, psnDelta } from '../../../base/psn.ts';

/** Where a PSN stands relative to the window. */
export const Place = { NEW: 0, DUPLICATE: 1, OUTSIDE: 2 } as const;

/** A response that must be repeated to duplicates until the source clears it. */
export class StoredResponse {
  psn = 0;
  used = false;
  opcode = 0;
  code = 0;
  messageId = 0;
  generation = 0;
  jobId = 0;
  modifiedLength = 0;
  /** Read data that rides in the acknowledgement: next header RESPONSE_DATA. */
  withData = false;
  /** The request had no message id: RESPONSE_DATA_SMALL, which names it by its PSN. */
  small = false;
  dataLength = 0;
  readonly data = new Uint8Array(16);
}

export class ReceiveWindow {
  /** Packets. */
  readonly range: number;
  cack = 0;
  /** Highest PSN that arrived. */
  highest = 0;
  clearSeen = 0;
  /** Arrived packets ahead of CACK. */
  ahead = 0;
  /** Packets that wait for their turn, not executed: ordered contexts only. */
  early = 0;
  /** Highest PSN among them. */
  earlyHighest = 0;
  readonly #early: Uint32Array;
  readonly #bits: Uint32Array;
  readonly #held: Uint32Array;
  readonly #mask: number;
  readonly stored: StoredResponse[] = [];
  storedCount = 0;
  /** By PSN: 1 and the place of its response in `stored`; 0 where there is none. */
  readonly #places: Uint16Array;
  /** Places in `stored` that are not in use. */
  readonly #free: number[] = [];

  constructor(range: number) {
    this.range = range;
    let size = 64;
    while (size < range + 64) size *= 2;
    this.#mask = size - 1;
    this.#bits = new Uint32Array(size / 32);
    this.#held = new Uint32Array(size / 32);
    this.#early = new Uint32Array(size / 32);
    this.#places = new Uint16Array(size);
  }

  reset(start: number): void {
    this.#bits.fill(0);
    this.#held.fill(0);
    if (this.early > 0) this.#early.fill(0);
    this.early = 0;
    this.cack = this.highest = this.clearSeen = psnAdd(start, -1);
    this.ahead = 0;
    if (this.storedCount > 0) {
      for (const response of this.stored) if (response.used) this.#drop(response.psn);
    }
  }

  place(psn: number): number {
    const delta = psnDelta(this.cack, psn);
    if (delta > 0) {
      if (delta > this.range) return Place.OUTSIDE;
      return this.has(psn) ? Place.DUPLICATE : Place.NEW;
    }
    return delta > -this.range ? Place.DUPLICATE : Place.OUTSIDE;
  }

  /** The packet waits for its turn. */
  isEarly(psn: number): boolean {
    const i = psn & this.#mask;
    return this.early > 0 && ((this.#early[i >>> 5]! >>> (i & 31)) & 1) === 1;
  }

  /** The packet waits for its turn, or does no more. */
  setEarly(psn: number, waits: boolean): void {
    const i = psn & this.#mask;
    const bit = 1 << (i & 31);
    if (waits) {
      if (this.early++ === 0 || psnAfter(psn, this.earlyHighest)) this.earlyHighest = psn;
      this.#early[i >>> 5] = this.#early[i >>> 5]! | bit;
    } else {
      this.early--;
      this.#early[i >>> 5] = this.#early[i >>> 5]! & ~bit;
    }
  }

  /** Highest PSN that is here, executed or not. */
  get top(): number {
    return this.early > 0 && psnAfter(this.earlyHighest, this.highest) ? this.earlyHighest : this.highest;
  }

  /** Arrived, above CACK. */
  has(psn: number): boolean {
    const i = psn & this.#mask;
    return ((this.#bits[i >>> 5]! >>> (i & 31)) & 1) === 1;
  }

  get storeFull(): boolean {
    return this.storedCount >= MAX_STORED;
  }

  /** Takes a new PSN. A held one stops CACK until it is cleared. */
  accept(psn: number, held: boolean): void {
    const i = psn & this.#mask;
    this.#bits[i >>> 5] = this.#bits[i >>> 5]! | (1 << (i & 31));
    this.ahead++;
    if (held) this.#held[i >>> 5] = this.#held[i >>> 5]! | (1 << (i & 31));
    if (psnAfter(psn, this.highest)) this.highest = psn;
    if (!held && psn === psnAdd(this.cack, 1)) this.#advance();
  }

  /** A slot for the response to `psn`; call only while the store is not full. */
  store(psn: number): StoredResponse {
    const at = this.#free.pop() ?? this.stored.push(new StoredResponse()) - 1;
    const response = this.stored[at]!;
    response.used = true;
    response.psn = psn;
    this.#places[psn & this.#mask] = at + 1;
    this.storedCount++;
    return response;
  }

  /** The stored response to `psn`, if it is still kept. */
  response(psn: number): StoredResponse | undefined {
    const response = this.stored[this.#places[psn & this.#mask]! - 1];
    return response?.psn === psn ? response : undefined;
  }

  /** The source has seen all responses up to `clear`. */
  cleared(clear: number): void {
    if (!psnAfter(clear, this.clearSeen)) return;
    // a clear beyond what arrived is a lie; taking it would move CACK over packets that are missing
    if (psnAfter(clear, this.highest)) return;
    // what is at or before CACK has no response, and what was cleared before has none
    let psn = psnAfter(this.clearSeen, this.cack) ? this.clearSeen : this.cack;
    this.clearSeen = clear;
    if (this.storedCount === 0) return;
    while (psnAfter(clear, psn)) {
      psn = psnAdd(psn, 1);
      const i = psn & this.#mask;
      if (this.#places[i] === 0) continue;
      this.#drop(psn);
      this.#held[i >>> 5] = this.#held[i >>> 5]! & ~(1 << (i & 31));
    }
    this.#advance();
  }

  #drop(psn: number): void {
    const i = psn & this.#mask;
    const at = this.#places[i]! - 1;
    this.stored[at]!.used = false;
    this.#places[i] = 0;
    this.#free.push(at);
    this.storedCount--;
  }

  /** The 32 arrival bits from `psn` on; bit 0 = `psn`. PSNs at or below CACK count as arrived. */
  arrivals(psn: number): number {
    let bits = 0;
    const { top } = this;
    for (let n = 0; n < 32; n++) {
      const p = psnAdd(psn, n);
      if (psnAfter(p, top)) break;
      if (!psnAfter(p, this.cack) || this.has(p) || this.isEarly(p)) bits |= 1 << n;
    }
    return bits >>> 0;
  }

  #advance(): void {
    for (let psn = psnAdd(this.cack, 1); ; psn = psnAdd(psn, 1)) {
      const i = psn & this.#mask;
      const bit = 1 << (i & 31);
      const word = this.#bits[i >>> 5]!;
      if ((word & bit) === 0 || (this.#held[i >>> 5]! & bit) !== 0) return;
      this.#bits[i >>> 5] = word & ~bit;
      this.ahead--;
      this.cack = psn;
    }
  }
}

/**
 * Stored responses per direction; beyond, requests are refused with NO_GTD_DEL_AVAIL. As many as a source has in flight by
 * default: each message of a burst that meets no receive has an answer that must be kept.
 */
export const MAX_STORED = 512;
