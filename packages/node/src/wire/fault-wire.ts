/**
 * A wire that misbehaves on purpose: packets are lost, doubled, delayed, overtaken or corrupted, going out and coming
 * in, by chances that a seed makes repeatable. Between an engine and any other wire.
 *
 *   engine ── send ───► lost? doubled? held? ──► wire ──► peer
 *   engine ◄─ receive ─ held? doubled? lost? ◄── wire ◄── peer
 */
import {
  type DmaSpace,
  type Engine,
  HEADER_ROOM,
  type Nanos,
  NEVER,
  Packet,
  type PeerAddress,
  type Seal,
  SeededRandom,
  type WireHost,
} from '@verbena/core';
import { HeldPackets } from './held-packets.ts';

/**
 * What befalls packets. Chances are 0 to 1 and apply to each packet of the chosen directions, so one device with
 * faults is enough to hurt a transfer, whichever way the data goes. A packet between two devices with faults in both
 * directions meets them twice. What cannot be held back passes unharmed and is counted: at most 256 packets of 9408
 * bytes wait for each direction.
 */
export interface Faults {
  /** Which packets: those that this device sends, those that it receives, or `both`, the default. */
  readonly direction?: FaultDirection;
  readonly drop?: number;
  readonly duplicate?: number;
  /** Chance that later packets overtake this one, by up to {@link Faults.reorderNs}. */
  readonly reorder?: number;
  /** Default 200,000. */
  readonly reorderNs?: Nanos;
  readonly delay?: number;
  /** Default 1,000,000. */
  readonly delayNs?: Nanos;
  /**
   * Chance that one bit is flipped. As on a real link, a packet with a seal then has one that does not fit, unless the
   * bit is one that the seal does not cover.
   */
  readonly corrupt?: number;
  /**
   * Default: the device's. Each direction has a sequence of its own: what happens to the n-th packet going out does
   * not depend on what came in.
   */
  readonly seed?: number;
}

export type FaultDirection = 'both' | 'out' | 'in';

export class FaultWire implements WireHost {
  /** Both directions together, except for the last. */
  readonly counts = {
    faultDropped: 0,
    faultDuplicated: 0,
    faultReordered: 0,
    faultDelayed: 0,
    faultCorrupted: 0,
    faultSkipped: 0,
    faultDroppedIn: 0,
  };
  #inner: WireHost;
  /** Of drop, corrupt, duplicate, delay and reorder. */
  readonly #chances: Float64Array;
  readonly #delayNs: Nanos;
  readonly #reorderNs: Nanos;
  readonly #dma: DmaSpace;
  readonly #seal: Seal | undefined;
  readonly #out: Way | undefined;
  readonly #in: Way | undefined;
  /** The held outgoing packets, as payload. */
  readonly #region: number = 0;
  readonly #proxy: Engine;
  readonly #arrival: Packet | undefined;
  #engine: Engine | undefined;
  #slot: Packet | undefined;

  /**
   * @param dma - the space that payload slices name; held packets become a region of it
   * @param seal - that a wire below puts behind packets, and takes off them
   */
  constructor(inner: WireHost, dma: DmaSpace, faults: Faults, seal?: Seal) {
    this.#inner = inner;
    this.#seal = seal;
    this.#dma = dma;
    const { direction = 'both', seed = 1, drop = 0, corrupt = 0, duplicate = 0, delay = 0, reorder = 0 } = faults;
    this.#chances = Float64Array.of(drop, corrupt, duplicate, delay, reorder);
    this.#delayNs = faults.delayNs ?? 1_000_000;
    this.#reorderNs = faults.reorderNs ?? 200_000;
    if (direction !== 'in') {
      this.#out = { random: new SeededRandom(seed), held: new HeldPackets() };
      this.#region = dma.attach({ bytes: this.#out.held.bytes, address: 0 });
    }
    if (direction !== 'out') {
      this.#in = { random: new SeededRandom(seed ^ INWARD), held: new HeldPackets() };
      this.#arrival = new Packet(this.#in.held.bytes);
    }
    // A wire only ever calls `receive` of the engine that it is given.
    this.#proxy = { receive: (now: Nanos, packet: Packet) => this.#arrived(now, packet) } as unknown as Engine;
  }

  /** Packets held back now, both directions. */
  get held(): number {
    return (this.#out?.held.count ?? 0) + (this.#in?.held.count ?? 0);
  }

  /** Puts another wire below, between batches: one that leads to the same peers under the same paths. */
  replaceInner(inner: WireHost): void {
    this.#inner = inner;
  }

  /** @returns packets that came off the wire or out of the store, lost ones too: there may be more */
  receive(now: Nanos, engine: Engine): number {
    const way = this.#in;
    if (way === undefined) return this.#inner.receive(now, engine);
    this.#engine = engine;
    let packets = this.#deliver(way.held, now, engine);
    packets += this.#inner.receive(now, this.#proxy);
    return packets + this.#deliver(way.held, now, engine);
  }

  slot(): Packet | undefined {
    this.#slot = this.#inner.slot();
    return this.#slot;
  }

  send(now: Nanos): void {
    const packet = this.#slot;
    if (packet === undefined) return;
    // A slot that is not sent is simply not taken: the next packet is written over this one.
    if (this.#out === undefined || this.#passes(this.#out, packet, now)) this.#inner.send(now);
  }

  flush(now: Nanos): void {
    if (this.#out !== undefined) while (this.#depart(this.#out.held, now));
    this.#inner.flush(now);
  }

  deadline(): Nanos {
    return Math.min(this.#out?.held.earliest ?? NEVER, this.#in?.held.earliest ?? NEVER, this.#inner.deadline());
  }

  path(address: PeerAddress): number {
    return this.#inner.path(address);
  }

  peer(path: number): PeerAddress | undefined {
    return this.#inner.peer(path);
  }

  close(): void {
    if (this.#out !== undefined) this.#dma.detach(this.#region);
    this.#out?.held.clear();
    this.#in?.held.clear();
  }

  /** Draws what befalls one packet. @returns whether it goes on at once and as it is */
  #passes(way: Way, packet: Packet, now: Nanos): boolean {
    const chances = this.#chances;
    let fate = 0;
    // One place that draws, so that the drawn number is never boxed; and each packet draws the same number of times.
    for (let kind = 0; kind < chances.length; kind++) if (way.random.chance(chances[kind]!)) fate |= 1 << kind;
    return fate === 0 || this.#befalls(fate, way, packet, now);
  }

  #befalls(fate: number, way: Way, packet: Packet, now: Nanos): boolean {
    const { counts } = this;
    const { random, held } = way;
    if ((fate & DROP) !== 0) {
      counts.faultDropped++;
      if (way === this.#in) counts.faultDroppedIn++;
      return false;
    }
    if ((fate & CORRUPT) !== 0) {
      // Of a copy: the payload of a packet going out is the program's memory.
      const place = this.#hold(way, packet, now);
      if (place >= 0) {
        this.#corrupt(held, place, random);
        counts.faultCorrupted++;
        return false;
      }
    }
    if ((fate & DUPLICATE) !== 0 && this.#hold(way, packet, now + random.below(DUPLICATE_NS)) >= 0) {
      counts.faultDuplicated++;
    }
    if ((fate & DELAY) !== 0 && this.#hold(way, packet, now + this.#delayNs) >= 0) {
      counts.faultDelayed++;
      return false;
    }
    if ((fate & REORDER) !== 0 && this.#hold(way, packet, now + 1 + random.below(this.#reorderNs)) >= 0) {
      counts.faultReordered++;
      return false;
    }
    return true;
  }

  /** Flips a bit of what is held, or of its seal, which a wire below makes: that is told to spoil it. */
  #corrupt(held: HeldPackets, place: number, random: SeededRandom): void {
    const seal = this.#seal;
    const bits = 8 * held.lengthOf(place);
    const bit = random.below(bits + 8 * (seal?.bytes ?? 0));
    if (seal === undefined) return held.flip(place, bit);
    const before = sumOf(seal, held, place);
    if (bit < bits) held.flip(place, bit);
    if (bit >= bits || sumOf(seal, held, place) !== before) held.damage(place);
  }

  #hold(way: Way, packet: Packet, due: Nanos): number {
    const place = way.held.hold(packet, this.#dma, due);
    if (place < 0) this.counts.faultSkipped++;
    return place;
  }

  #arrived(now: Nanos, packet: Packet): void {
    if (this.#in !== undefined && this.#passes(this.#in, packet, now)) this.#engine?.receive(now, packet);
  }

  /** Hands the held packets that are due to the engine. @returns how many */
  #deliver(held: HeldPackets, now: Nanos, engine: Engine): number {
    const packet = this.#arrival;
    let packets = 0;
    if (packet === undefined) return packets;
    for (let place = held.due(now); place >= 0; place = held.due(now)) {
      packet.reset();
      packet.at = held.startOf(place);
      packet.length = held.lengthOf(place);
      held.describe(place, packet);
      held.release(place);
      engine.receive(now, packet);
      packets++;
    }
    return packets;
  }

  /** Sends the held packet that is due first. @returns false when there is none, or the wire below is full */
  #depart(held: HeldPackets, now: Nanos): boolean {
    const place = held.due(now);
    if (place < 0) return false;
    let slot = this.#inner.slot();
    if (slot === undefined) {
      this.#inner.flush(now);
      slot = this.#inner.slot();
      if (slot === undefined) return false;
    }
    const start = held.startOf(place);
    const headers = Math.min(held.headersOf(place), HEADER_ROOM);
    for (let i = 0; i < headers; i++) slot.bytes[slot.at + i] = held.bytes[start + i]!;
    slot.length = headers;
    const rest = held.lengthOf(place) - headers;
    if (rest > 0) slot.gather(this.#region, start + headers, rest);
    held.describe(place, slot);
    this.#inner.send(now);
    held.release(place);
    return true;
  }
}

/** The seal's sum over a packet, but for what stands in front of it. */
function sumOf(seal: Seal, held: HeldPackets, place: number): number {
  const { bytes } = held;
  const start = held.startOf(place);
  const length = held.lengthOf(place);
  const headers = Math.min(seal.headerLength(bytes, start, length), length);
  return seal.update(seal.headers(0, bytes, start, headers), bytes, start + headers, length - headers);
}

/** One direction: what decides, and what waits. */
interface Way {
  readonly random: SeededRandom;
  readonly held: HeldPackets;
}

// Bits of a fate, in the order of the chances.
const DROP = 1;
const CORRUPT = 2;
const DUPLICATE = 4;
const DELAY = 8;
const REORDER = 16;
/** Makes the sequence of arrivals another one than that of departures. */
const INWARD = 0x5bd1_e995;
/** A second copy comes at most this much later. */
const DUPLICATE_NS: Nanos = 100_000;
