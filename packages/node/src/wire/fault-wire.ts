/**
 * A wire that misbehaves on purpose: packets going out are lost, doubled, delayed, overtaken or corrupted, by chances
 * that a seed makes repeatable. Between an engine and any other wire.
 */
import {
  type DmaSpace,
  type Engine,
  HEADER_ROOM,
  type Nanos,
  NEVER,
  type Packet,
  type PeerAddress,
  SeededRandom,
  type WireHost,
} from '@verbena/core';

/** Chances are 0 to 1 and apply to each packet going out. */
export interface Faults {
  readonly drop?: number;
  readonly duplicate?: number;
  /** Chance that later packets overtake this one, by up to {@link Faults.reorderNs}. */
  readonly reorder?: number;
  readonly reorderNs?: Nanos;
  readonly delay?: number;
  readonly delayNs?: Nanos;
  /** Chance that one bit is flipped. */
  readonly corrupt?: number;
  readonly seed?: number;
}

export class FaultWire implements WireHost {
  readonly counts = {
    faultDropped: 0,
    faultDuplicated: 0,
    faultReordered: 0,
    faultDelayed: 0,
    faultCorrupted: 0,
    faultSkipped: 0,
  };
  readonly #inner: WireHost;
  readonly #faults: Required<Omit<Faults, 'seed'>>;
  readonly #random: SeededRandom;
  readonly #dma: DmaSpace;
  readonly #held: Uint8Array;
  readonly #region: number;
  readonly #due = new Float64Array(MAX_HELD).fill(NEVER);
  readonly #order = new Float64Array(MAX_HELD);
  readonly #headers = new Int32Array(MAX_HELD);
  readonly #lengths = new Int32Array(MAX_HELD);
  readonly #paths = new Int32Array(MAX_HELD);
  readonly #entropies = new Int32Array(MAX_HELD);
  /** Bit 0 and 1: ECN. Bit 2: control class. */
  readonly #flags = new Uint8Array(MAX_HELD);
  #count = 0;
  #sequence = 0;
  #earliest = NEVER;
  #slot: Packet | undefined;

  /** @param dma - the space that payload slices name; held packets become a region of it */
  constructor(inner: WireHost, dma: DmaSpace, faults: Faults) {
    this.#inner = inner;
    this.#dma = dma;
    this.#faults = {
      drop: 0,
      duplicate: 0,
      reorder: 0,
      reorderNs: 200_000,
      delay: 0,
      delayNs: 1_000_000,
      corrupt: 0,
      ...faults,
    };
    this.#random = new SeededRandom(faults.seed ?? 1);
    this.#held = new Uint8Array(MAX_HELD * HELD_BYTES);
    this.#region = dma.attach({ bytes: this.#held, address: 0 });
  }

  /** Packets held back now. */
  get held(): number {
    return this.#count;
  }

  receive(now: Nanos, engine: Engine): number {
    return this.#inner.receive(now, engine);
  }

  slot(): Packet | undefined {
    this.#slot = this.#inner.slot();
    return this.#slot;
  }

  send(now: Nanos): void {
    const packet = this.#slot;
    if (packet === undefined) return;
    const faults = this.#faults;
    const random = this.#random;
    if (random.chance(faults.drop)) {
      // The slot is simply not taken: the next packet is written over this one.
      this.counts.faultDropped++;
      return;
    }
    if (random.chance(faults.corrupt)) {
      const held = this.#hold(packet, now);
      if (held >= 0) {
        const bit = random.below(8 * this.#lengths[held]!);
        const at = held * HELD_BYTES + (bit >> 3);
        this.#held[at] = this.#held[at]! ^ (1 << (bit & 7));
        this.counts.faultCorrupted++;
        return;
      }
    }
    if (random.chance(faults.duplicate) && this.#hold(packet, now + random.below(DUPLICATE_NS)) >= 0) {
      this.counts.faultDuplicated++;
    }
    if (random.chance(faults.delay) && this.#hold(packet, now + faults.delayNs) >= 0) this.counts.faultDelayed++;
    else if (random.chance(faults.reorder) && this.#hold(packet, now + 1 + random.below(faults.reorderNs)) >= 0) {
      this.counts.faultReordered++;
    } else this.#inner.send(now);
  }

  flush(now: Nanos): void {
    while (this.#earliest <= now && this.#release(now));
    this.#inner.flush(now);
  }

  deadline(): Nanos {
    return Math.min(this.#earliest, this.#inner.deadline());
  }

  path(address: PeerAddress): number {
    return this.#inner.path(address);
  }

  peer(path: number): PeerAddress | undefined {
    return this.#inner.peer(path);
  }

  close(): void {
    this.#dma.detach(this.#region);
    this.#due.fill(NEVER);
    this.#count = 0;
    this.#earliest = NEVER;
  }

  /** Copies the packet, headers and payload, to send it when `due`. @returns where; -1 when there is no room */
  #hold(packet: Packet, due: Nanos): number {
    const length = packet.length + packet.payloadLength();
    const place = length <= HELD_BYTES && length > 0 ? this.#due.indexOf(NEVER) : -1;
    const start = place * HELD_BYTES;
    if (place < 0 || !this.#copy(packet, start)) {
      this.counts.faultSkipped++;
      return -1;
    }
    this.#headers[place] = packet.length;
    this.#lengths[place] = length;
    this.#paths[place] = packet.path;
    this.#entropies[place] = packet.entropy;
    this.#flags[place] = packet.ecn | (packet.control ? CONTROL : 0);
    this.#due[place] = due;
    this.#order[place] = this.#sequence++;
    this.#count++;
    if (due < this.#earliest) this.#earliest = due;
    return place;
  }

  #copy(packet: Packet, start: number): boolean {
    const from = packet.bytes;
    let at = start + packet.length;
    for (let i = 0; i < packet.length; i++) this.#held[start + i] = from[packet.at + i]!;
    for (let i = 0; i < packet.slices; i++) {
      const length = packet.sliceLength[i]!;
      if (!this.#dma.fetch(packet.sliceRegion[i]!, packet.sliceOffset[i]!, this.#held, at, length)) return false;
      at += length;
    }
    return true;
  }

  /** Sends the held packet that is due first. @returns false when the wire below is full */
  #release(now: Nanos): boolean {
    let place = -1;
    for (let i = 0; i < MAX_HELD; i++) {
      if (this.#due[i]! === NEVER) continue;
      if (place < 0 || this.#before(i, place)) place = i;
    }
    if (place < 0) {
      this.#earliest = NEVER;
      return false;
    }
    if (this.#due[place]! > now) {
      this.#earliest = this.#due[place]!;
      return false;
    }
    let slot = this.#inner.slot();
    if (slot === undefined) {
      this.#inner.flush(now);
      slot = this.#inner.slot();
      if (slot === undefined) return false;
    }
    const start = place * HELD_BYTES;
    const headers = Math.min(this.#headers[place]!, HEADER_ROOM);
    for (let i = 0; i < headers; i++) slot.bytes[slot.at + i] = this.#held[start + i]!;
    slot.length = headers;
    const rest = this.#lengths[place]! - headers;
    if (rest > 0) slot.gather(this.#region, start + headers, rest);
    slot.path = this.#paths[place]!;
    slot.entropy = this.#entropies[place]!;
    slot.ecn = this.#flags[place]! & 3;
    slot.control = (this.#flags[place]! & CONTROL) !== 0;
    this.#inner.send(now);
    this.#due[place] = NEVER;
    this.#count--;
    return true;
  }

  #before(a: number, b: number): boolean {
    const dueA = this.#due[a]!;
    const dueB = this.#due[b]!;
    return dueA < dueB || (dueA === dueB && this.#order[a]! < this.#order[b]!);
  }
}

/** Packets held back at a time; what does not fit passes unharmed and is counted as skipped. */
export const MAX_HELD = 256;
/** Longest packet that can be held, bytes. */
const HELD_BYTES = 9216 + HEADER_ROOM;
/** A second copy comes at most this much later. */
const DUPLICATE_NS: Nanos = 100_000;
const CONTROL = 4;
