/** A network in simulated time: every node reaches every other one over a link of its own, in each direction. */
import { SeededRandom } from '../base/random.ts';
import { HEADER_ROOM, Packet } from '../engine/packet.ts';
import type { Nanos } from '../engine/time.ts';
import { Agenda } from './agenda.ts';
import { CLEAN, type LinkFaults } from './faults.ts';
import type { Fate, Trace } from './trace.ts';

/** One direction between two nodes. */
export interface Link {
  readonly from: number;
  readonly to: number;
  readonly faults: LinkFaults;
  readonly random: SeededRandom;
  carried: number;
}

/** A packet on its way. */
export interface InFlight {
  readonly packet: Packet;
  readonly slot: number;
  from: number;
  to: number;
}

export interface NetworkOptions {
  readonly seed: number;
  /** Header and payload bytes of the largest packet. */
  readonly mtuBytes: number;
  /** What a switch leaves of a packet that it trims. */
  readonly trimBytes: number;
  /** Packets have a checksum that the host checks: what does not fit it is delivered, and marked as damaged. */
  readonly sealed?: boolean;
  readonly faults: Partial<LinkFaults>;
  readonly trace: Trace;
}

export class Network {
  /** Packets lost because too many were in flight at a time. */
  overflows = 0;
  readonly #options: NetworkOptions;
  readonly #links = new Map<number, Link>();
  readonly #agenda = new Agenda(MAX_IN_FLIGHT);
  readonly #slots: InFlight[] = [];
  readonly #free: number[] = [];

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** The link in one direction, made on first use. */
  link(from: number, to: number): Link {
    const key = from * MAX_NODES + to;
    let link = this.#links.get(key);
    if (link === undefined) {
      const { seed, faults } = this.#options;
      const random = new SeededRandom(Math.imul(seed ^ (key + 1), 0x9e3779b1));
      link = { from, to, faults: { ...CLEAN, ...faults }, random, carried: 0 };
      this.#links.set(key, link);
    }
    return link;
  }

  links(): Iterable<Link> {
    return this.#links.values();
  }

  get inFlight(): number {
    return this.#agenda.size;
  }

  earliest(): Nanos {
    return this.#agenda.earliest();
  }

  /** Takes a packet's bytes, and what goes with them, on their way. */
  send(now: Nanos, from: number, to: number, bytes: Uint8Array, length: number, entropy: number, ecn: number): void {
    const link = this.link(from, to);
    const { faults, random } = link;
    link.carried++;
    this.#note(now, link, 'sent', bytes, length);
    const copies = random.chance(faults.duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (copy > 0) this.#note(now, link, 'duplicated', bytes, length);
      if (faults.blackout || random.chance(faults.loss)) {
        this.#note(now, link, 'lost', bytes, length);
        continue;
      }
      let due = now + faults.delayNs;
      if (faults.jitterNs > 0) due += random.below(faults.jitterNs);
      if (random.chance(faults.reorder)) due += random.below(faults.reorderNs);
      const slot = this.#slot();
      if (slot < 0) {
        this.overflows++;
        this.#note(now, link, 'lost', bytes, length);
        continue;
      }
      const one = this.#slots[slot]!;
      one.from = from;
      one.to = to;
      const { packet } = one;
      packet.reset();
      packet.bytes.set(bytes.subarray(0, length), packet.at);
      packet.length = length;
      packet.entropy = entropy;
      packet.ecn = ecn !== 0 && random.chance(faults.mark) ? 3 : ecn;
      if (random.chance(faults.corrupt) && !this.#corrupt(now, link, packet)) {
        this.#free.push(slot);
        continue;
      }
      if (length > this.#options.trimBytes && random.chance(faults.trim)) {
        packet.length = this.#options.trimBytes;
        packet.trimmed = true;
        this.#note(now, link, 'trimmed', packet.bytes, packet.length);
      }
      this.#agenda.add(due, slot);
    }
  }

  /** Puts a packet on its way that nobody sent. */
  inject(due: Nanos, from: number, to: number, bytes: Uint8Array): void {
    const slot = this.#slot();
    if (slot < 0) return;
    const one = this.#slots[slot]!;
    one.from = from;
    one.to = to;
    one.packet.reset();
    const length = Math.min(bytes.length, this.#options.mtuBytes + INJECT_EXTRA);
    one.packet.bytes.set(bytes.subarray(0, length), one.packet.at);
    one.packet.length = length;
    this.#agenda.add(due, slot);
  }

  /** The next packet that has arrived by now; undefined when there is none. Give it back with `release`. */
  arrived(now: Nanos): InFlight | undefined {
    if (this.#agenda.earliest() > now) return undefined;
    const one = this.#slots[this.#agenda.take()]!;
    this.#options.trace.add(now, one.from, one.to, 'delivered', one.packet.bytes, one.packet.at, one.packet.length);
    return one;
  }

  /** The bytes are overwritten: an engine that still looks at them will be found out. */
  release(one: InFlight): void {
    one.packet.bytes.fill(GARBAGE, one.packet.at, one.packet.at + one.packet.length);
    this.#free.push(one.slot);
  }

  /** @returns false when the packet is dropped for its wrong checksum, which is the one of UDP */
  #corrupt(now: Nanos, link: Link, packet: Packet): boolean {
    const { faults, random } = link;
    for (let flips = 1 + random.below(3); flips > 0; flips--) {
      packet.bytes[packet.at + random.below(packet.length)]! ^= 1 << random.below(8);
    }
    this.#note(now, link, 'corrupted', packet.bytes, packet.length);
    packet.damaged = faults.checksum && this.#options.sealed === true;
    return packet.damaged || !faults.checksum;
  }

  #slot(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#slots.length >= MAX_IN_FLIGHT) return -1;
    const packet = new Packet(new Uint8Array(this.#options.mtuBytes + HEADER_ROOM + INJECT_EXTRA));
    const slot = this.#slots.length;
    this.#slots.push({ packet, slot, from: 0, to: 0 });
    return slot;
  }

  #note(now: Nanos, link: Link, fate: Fate, bytes: Uint8Array, length: number): void {
    this.#options.trace.add(now, link.from, link.to, fate, bytes, 0, length);
  }
}

export const MAX_NODES = 64;
/** Packets in flight at a time, over all links. */
const MAX_IN_FLIGHT = 16_384;
/** An injected packet may be longer than the MTU by so much. */
const INJECT_EXTRA = 512;
const GARBAGE = 0xdd;
