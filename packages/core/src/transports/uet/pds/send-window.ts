/**
 * The source side of one direction of a delivery context: which PSNs are out, and what became of each.
 *
 *        base                 next              base + slots
 *   ......|A|S|I|I|L|S|I|N|I|..|..................|
 *          ^ oldest without an acknowledgement      I in flight, S arrived (selective), A acknowledged,
 *                                                   L to be sent again, N refused, waiting
 *
 * Slots are typed arrays indexed by the PSN's low bits. What a slot stands for is told by `kind` and `ref`; a
 * packet is rebuilt from them when it must be sent again, so no bytes are kept. @spec uet:pds/4.1 uet:pds/4.10
 */
import { psnAdd, psnAfter, psnBefore, psnDelta } from '../../../base/psn.ts';
import type { Nanos } from '../../../engine/time.ts';

/** What a PSN carries. */
export const Kind = {
  /** A packet of message `ref` at `offset`. */
  REQUEST: 1,
  /** MSG_ERROR: the early end of message `ref`. */
  ABORT: 2,
  /** Read data; the answer's particulars are in the {@link ReturnSlots}. */
  RETURN: 3,
  /** A control packet that consumes a PSN; `ref` is its type. */
  CONTROL: 4,
} as const;

export const Sent = { EMPTY: 0, IN_FLIGHT: 1, ARRIVED: 2, LOST: 3, REFUSED: 4, ACKED: 5 } as const;

export class SendWindow {
  readonly slots: number;
  readonly mask: number;
  readonly kind: Uint8Array;
  readonly state: Uint8Array;
  /** Time-outs. */
  readonly retries: Uint8Array;
  /** 1: left more than once. */
  readonly again: Uint8Array;
  readonly refusals: Uint8Array;
  readonly ref: Int32Array;
  readonly offset: Float64Array;
  readonly length: Uint16Array;
  readonly sentAt: Float64Array;
  /** Order of (re)transmission over the whole window: tells whether a gap is old enough to be a loss. */
  readonly serial: Float64Array;

  start = 0;
  /** No honest acknowledgement is older than this; it follows `base` at a distance, so that 2^31 PSNs are no limit. */
  floor = 0;
  base = 0;
  next = 0;
  /** Highest CACK_PSN seen from the peer. */
  cackSeen = 0;
  /** The peer's window, packets. */
  range = 0;
  inFlight = 0;
  lost = 0;
  refused = 0;
  /** Serial of the youngest packet known to have arrived. */
  arrivedSerial = 0;
  #serials = 0;
  #lostFrom = 0;

  constructor(slots: number) {
    this.slots = slots;
    this.mask = slots - 1;
    this.kind = new Uint8Array(slots);
    this.state = new Uint8Array(slots);
    this.retries = new Uint8Array(slots);
    this.again = new Uint8Array(slots);
    this.refusals = new Uint8Array(slots);
    this.ref = new Int32Array(slots);
    this.offset = new Float64Array(slots);
    this.length = new Uint16Array(slots);
    this.sentAt = new Float64Array(slots);
    this.serial = new Float64Array(slots);
  }

  reset(start: number, range: number): void {
    this.state.fill(Sent.EMPTY);
    this.start = this.base = this.next = start;
    this.cackSeen = this.floor = psnAdd(start, -1);
    this.range = range;
    this.inFlight = this.lost = this.refused = 0;
    this.arrivedSerial = this.#serials = 0;
    this.#lostFrom = start;
  }

  /** PSNs without an acknowledgement. */
  get outstanding(): number {
    return psnDelta(this.base, this.next);
  }

  /** CLEAR_PSN: everything up to here is acknowledged and its response delivered. */
  get clear(): number {
    return psnAdd(this.base, -1);
  }

  /** The last serial given out. */
  get serials(): number {
    return this.#serials;
  }

  /** A new PSN may be sent: the peer's window and the slots allow it. */
  get open(): boolean {
    return this.outstanding < this.slots && psnDelta(this.cackSeen, this.next) <= this.range;
  }

  /** Takes the next PSN for a packet that leaves now. */
  push(now: Nanos, kind: number, ref: number, offset: number, length: number): number {
    const psn = this.next;
    const i = psn & this.mask;
    this.kind[i] = kind;
    this.ref[i] = ref;
    this.offset[i] = offset;
    this.length[i] = length;
    this.retries[i] = 0;
    this.again[i] = 0;
    this.refusals[i] = 0;
    this.state[i] = Sent.IN_FLIGHT;
    this.inFlight++;
    this.sentAt[i] = now;
    this.serial[i] = ++this.#serials;
    this.next = psnAdd(psn, 1);
    return psn;
  }

  /** The packet leaves once more. */
  resent(now: Nanos, psn: number): void {
    const i = psn & this.mask;
    this.again[i] = 1;
    this.#move(i, Sent.IN_FLIGHT);
    this.sentAt[i] = now;
    this.serial[i] = ++this.#serials;
  }

  /** The peer's window allows that PSN now. */
  inRange(psn: number): boolean {
    return psnDelta(this.cackSeen, psn) <= this.range;
  }

  holds(psn: number): boolean {
    return psnDelta(this.base, psn) >= 0 && psnBefore(psn, this.next);
  }

  /** Not acknowledged yet. */
  pending(psn: number): boolean {
    if (!this.holds(psn)) return false;
    return this.state[psn & this.mask] !== Sent.ACKED;
  }

  /** Number of PSNs of one kind without an acknowledgement. Cold paths only. */
  pendingOf(kind: number): number {
    let count = 0;
    for (let psn = this.base; psnBefore(psn, this.next); psn = psnAdd(psn, 1)) {
      if (this.kind[psn & this.mask] === kind && this.pending(psn)) count++;
    }
    return count;
  }

  /** Marks one PSN acknowledged. @returns false when it was before, or is not outstanding */
  acknowledge(psn: number): boolean {
    if (!this.pending(psn)) return false;
    const i = psn & this.mask;
    if (this.serial[i]! > this.arrivedSerial) this.arrivedSerial = this.serial[i]!;
    this.#move(i, Sent.ACKED);
    return true;
  }

  /** Frees acknowledged slots at the front: raises CLEAR_PSN. */
  advance(): void {
    let base = this.base;
    while (base !== this.next && this.state[base & this.mask] === Sent.ACKED) {
      this.state[base & this.mask] = Sent.EMPTY;
      base = psnAdd(base, 1);
    }
    this.base = base;
    if (psnBefore(this.#lostFrom, base)) this.#lostFrom = base;
    if (psnDelta(this.floor, base) > FLOOR_LAG) this.floor = psnAdd(base, -FLOOR_LAG >> 1);
  }

  /** One bit of a SACK bitmap. It says "arrived", not "answered", so the slot stays. */
  arrived(psn: number): void {
    if (!this.holds(psn)) return;
    const i = psn & this.mask;
    const state = this.state[i]!;
    if (state === Sent.ACKED) return;
    if (state !== Sent.ARRIVED) this.#move(i, Sent.ARRIVED);
    if (this.serial[i]! > this.arrivedSerial) this.arrivedSerial = this.serial[i]!;
  }

  /**
   * Declares lost what is still in flight although `distance` packets sent after it have arrived.
   * @returns how many
   */
  inferLosses(distance: number): number {
    const limit = this.arrivedSerial - distance;
    return this.#loseWhere(this.base, (i) => this.serial[i]! <= limit);
  }

  /** Declares lost everything in flight that was sent at or before `time`. */
  loseSentBefore(time: Nanos): number {
    return this.#loseWhere(this.base, (i) => this.sentAt[i]! <= time);
  }

  /** Declares lost what is in flight below PSN `end` and was sent no later than serial `serial`. */
  loseUnprobed(end: number, serial: number): number {
    return this.#loseWhere(this.base, (i) => this.serial[i]! <= serial, end);
  }

  /** Declares lost everything from `psn` on, arrived or not: the go-back-N of ordered delivery. */
  loseFrom(psn: number): number {
    let count = 0;
    for (let p = psnBefore(psn, this.base) ? this.base : psn; psnBefore(p, this.next); p = psnAdd(p, 1)) {
      const i = p & this.mask;
      if (this.state[i] === Sent.ACKED || this.state[i] === Sent.LOST) continue;
      this.#lose(p, i);
      count++;
    }
    return count;
  }

  /** The same, but for what is known to have arrived: the peer keeps it until its turn comes. */
  loseMissing(psn: number): number {
    return this.#loseWhere(psnBefore(psn, this.base) ? this.base : psn, () => true);
  }

  /** Declares one PSN lost, whatever was known about it. */
  lose(psn: number): void {
    const i = psn & this.mask;
    if (this.pending(psn) && this.state[i] !== Sent.LOST) this.#lose(psn, i);
  }

  /** The peer refused the PSN for now. */
  refuse(psn: number): void {
    const i = psn & this.mask;
    if (this.pending(psn) && this.state[i] !== Sent.LOST) this.#move(i, Sent.REFUSED);
  }

  /** The wait after refusals is over. */
  retryRefused(): void {
    if (this.refused === 0) return;
    for (let p = this.base; this.refused > 0 && psnBefore(p, this.next); p = psnAdd(p, 1)) {
      if (this.state[p & this.mask] === Sent.REFUSED) this.#lose(p, p & this.mask);
    }
  }

  /** The peer wants other numbers: all PSNs move, and everything is to be sent again. Before the first answer only. */
  renumber(start: number): void {
    const delta = psnDelta(this.start, start);
    const { outstanding } = this;
    const arrays = [this.kind, this.state, this.ref, this.offset, this.length, this.sentAt, this.serial] as const;
    for (const array of arrays) {
      const before = array.slice();
      for (let i = 0; i < this.slots; i++) array[(i + delta) & this.mask] = before[i]!;
    }
    this.retries.fill(0);
    this.again.fill(0);
    this.refusals.fill(0);
    this.start = this.base = start;
    this.cackSeen = this.floor = psnAdd(start, -1);
    this.next = psnAdd(start, outstanding);
    this.#lostFrom = start;
    this.loseFrom(start);
  }

  /** The lowest PSN that must be sent again; call only while `lost` > 0. */
  firstLost(): number {
    let psn = this.#lostFrom;
    while (this.state[psn & this.mask] !== Sent.LOST) {
      psn = psnAdd(psn, 1);
      if (!psnBefore(psn, this.next)) psn = this.base; // the hint was past it
    }
    this.#lostFrom = psn;
    return psn;
  }

  #loseWhere(from: number, test: (i: number) => boolean, end = this.next): number {
    let count = 0;
    for (let p = from; psnBefore(p, end) && psnBefore(p, this.next); p = psnAdd(p, 1)) {
      const i = p & this.mask;
      if (this.state[i] !== Sent.IN_FLIGHT || !test(i)) continue;
      this.#lose(p, i);
      count++;
    }
    return count;
  }

  #lose(psn: number, i: number): void {
    this.#move(i, Sent.LOST);
    if (psnAfter(this.#lostFrom, psn)) this.#lostFrom = psn;
  }

  #move(i: number, to: number): void {
    const from = this.state[i]!;
    if (from === Sent.IN_FLIGHT) this.inFlight--;
    else if (from === Sent.LOST) this.lost--;
    else if (from === Sent.REFUSED) this.refused--;
    if (to === Sent.IN_FLIGHT) this.inFlight++;
    else if (to === Sent.LOST) this.lost++;
    else if (to === Sent.REFUSED) this.refused++;
    this.state[i] = to;
  }
}

const FLOOR_LAG = 1 << 30;
