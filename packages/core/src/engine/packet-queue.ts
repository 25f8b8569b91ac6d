/** Packets that wait to be sent: a ring, for engines that make a packet whole as soon as they know that they want it. */
import type { DmaSpace } from './dma.ts';
import { Packet } from './packet.ts';

export class PacketQueue {
  /** Made when they are first needed, and kept. */
  readonly #packets: Packet[] = [];
  readonly #dma: DmaSpace;
  readonly #capacity: number;
  readonly #headerBytes: number;
  #added = 0;
  #taken = 0;

  constructor(dma: DmaSpace, capacity: number, headerBytes: number) {
    this.#dma = dma;
    this.#capacity = capacity;
    this.#headerBytes = headerBytes;
  }

  /** Packets that wait. */
  get length(): number {
    return this.#added - this.#taken;
  }

  /** A packet to fill, empty, behind all others; undefined when too many wait. */
  add(): Packet | undefined {
    if (this.length === this.#capacity) return undefined;
    const slot = this.#added++ % this.#capacity;
    const packet = (this.#packets[slot] ??= new Packet(new Uint8Array(this.#headerBytes)));
    packet.reset();
    return packet;
  }

  /** Moves the first packet to a transmit slot; those whose memory has gone are left out. @returns false: none waits */
  take(out: Packet): boolean {
    while (this.length > 0) {
      const packet = this.#packets[this.#taken++ % this.#capacity]!;
      out.copyFrom(packet, packet.length);
      for (let i = 0; i < packet.slices; i++) {
        out.gather(packet.sliceRegion[i]!, packet.sliceOffset[i]!, packet.sliceLength[i]!);
      }
      if (this.#isThere(out)) return true;
    }
    return false;
  }

  #isThere(packet: Packet): boolean {
    for (let i = 0; i < packet.slices; i++) {
      if (this.#dma.target(packet.sliceRegion[i]!) === undefined) return false;
    }
    return true;
  }
}
