/** Packets held back for a while: copied into bounded memory, in places that are used again, and found by when due. */
import { type DmaSpace, HEADER_ROOM, type Nanos, NEVER, type Packet } from '@verbena/core';

/** At most {@link MAX_HELD} packets, of at most {@link HELD_BYTES} each. Holding and letting go allocate nothing. */
export class HeldPackets {
  /** What is held: the packet in place n begins at `startOf(n)`, headers, payload and padding in one stretch. */
  readonly bytes = new Uint8Array(MAX_HELD * HELD_BYTES);
  readonly #due = new Float64Array(MAX_HELD).fill(NEVER);
  readonly #order = new Float64Array(MAX_HELD);
  readonly #headers = new Int32Array(MAX_HELD);
  readonly #lengths = new Int32Array(MAX_HELD);
  readonly #paths = new Int32Array(MAX_HELD);
  readonly #entropies = new Int32Array(MAX_HELD);
  /** Bit 0 and 1: ECN; then {@link CONTROL}, {@link TRIMMED} and {@link DAMAGED}. */
  readonly #flags = new Uint8Array(MAX_HELD);
  #count = 0;
  #sequence = 0;
  /** When the first packet is due, or earlier. */
  #earliest = NEVER;

  get count(): number {
    return this.#count;
  }

  /** No packet is due before; NEVER when none is held. */
  get earliest(): Nanos {
    return this.#earliest;
  }

  startOf(place: number): number {
    return place * HELD_BYTES;
  }

  /** Header bytes of the packet in `place`; all of them for one that came in. */
  headersOf(place: number): number {
    return this.#headers[place]!;
  }

  lengthOf(place: number): number {
    return this.#lengths[place]!;
  }

  /** Copies the packet, and the payload that it names in `dma`. @returns where; -1 when there is no room for it */
  hold(packet: Packet, dma: DmaSpace, due: Nanos): number {
    const length = packet.length + packet.payloadLength() + packet.padding;
    const place = length <= HELD_BYTES && length > 0 ? this.#due.indexOf(NEVER) : -1;
    if (place < 0 || !this.#copy(packet, dma, this.startOf(place))) return -1;
    this.#headers[place] = packet.length;
    this.#lengths[place] = length;
    this.#paths[place] = packet.path;
    this.#entropies[place] = packet.entropy;
    this.#flags[place] =
      packet.ecn | (packet.control ? CONTROL : 0) | (packet.trimmed ? TRIMMED : 0) | (packet.damaged ? DAMAGED : 0);
    this.#due[place] = due;
    this.#order[place] = this.#sequence++;
    this.#count++;
    if (due < this.#earliest) this.#earliest = due;
    return place;
  }

  /** Flips one bit, counted from the packet's first. */
  flip(place: number, bit: number): void {
    const at = this.startOf(place) + (bit >> 3);
    this.bytes[at] = this.bytes[at]! ^ (1 << (bit & 7));
  }

  /** Its seal does not fit, or shall not. */
  damage(place: number): void {
    this.#flags[place] = this.#flags[place]! | DAMAGED;
  }

  /** The place of the packet that is due first, among equals of the one held first; -1 when none is due by `now`. */
  due(now: Nanos): number {
    if (this.#earliest > now) return -1;
    let first = 0;
    for (let place = 1; place < MAX_HELD; place++) {
      const sooner = this.#due[place]! - this.#due[first]!;
      if (sooner < 0 || (sooner === 0 && this.#order[place]! < this.#order[first]!)) first = place;
    }
    this.#earliest = this.#due[first]!;
    return this.#earliest <= now ? first : -1;
  }

  /** Says of `into` what was said of the packet, except for its bytes. */
  describe(place: number, into: Packet): void {
    const flags = this.#flags[place]!;
    into.path = this.#paths[place]!;
    into.entropy = this.#entropies[place]!;
    into.ecn = flags & ECN;
    into.control = (flags & CONTROL) !== 0;
    into.trimmed = (flags & TRIMMED) !== 0;
    into.damaged = (flags & DAMAGED) !== 0;
  }

  release(place: number): void {
    if (this.#due[place] === NEVER) return;
    this.#due[place] = NEVER;
    if (--this.#count === 0) this.#earliest = NEVER;
  }

  clear(): void {
    this.#due.fill(NEVER);
    this.#count = 0;
    this.#earliest = NEVER;
  }

  // Byte by byte: a view for each packet would cost an object, and few packets come here.
  #copy(packet: Packet, dma: DmaSpace, start: number): boolean {
    const into = this.bytes;
    const from = packet.bytes;
    for (let i = 0; i < packet.length; i++) into[start + i] = from[packet.at + i]!;
    let at = start + packet.length;
    for (let i = 0; i < packet.slices; i++) {
      const target = dma.target(packet.sliceRegion[i]!);
      const source = target?.bytes;
      const offset = packet.sliceOffset[i]!;
      const length = packet.sliceLength[i]!;
      if (target?.remote !== undefined) {
        if (!dma.fetch(packet.sliceRegion[i]!, offset, into, at, length)) return false;
        at += length;
        continue;
      }
      if (source === undefined || offset > source.length - length) return false;
      for (let k = 0; k < length; k++) into[at + k] = source[offset + k]!;
      at += length;
    }
    into.fill(0, at, at + packet.padding);
    return true;
  }
}

/** Packets held at a time. */
export const MAX_HELD = 256;
/** Longest packet that can be held, bytes: a jumbo frame's payload behind headers. */
export const HELD_BYTES = 9216 + HEADER_ROOM;
const ECN = 3;
const CONTROL = 4;
const TRIMMED = 8;
const DAMAGED = 16;
