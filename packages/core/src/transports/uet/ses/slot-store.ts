/** A bounded number of places for the payload of a packet that is in no program's memory; they are made when needed. */
import type { DmaSpace } from '../../../engine/dma.ts';

export class SlotStore {
  readonly #dma: DmaSpace;
  readonly #slotBytes: number;
  readonly #limit: number;
  readonly #free: number[] = [];
  readonly #chunks: Uint8Array[] = [];
  readonly #regions: number[] = [];
  #made = 0;

  constructor(dma: DmaSpace, slotBytes: number, limit: number) {
    this.#dma = dma;
    this.#slotBytes = slotBytes;
    this.#limit = limit;
  }

  /** Places in use. */
  get used(): number {
    return this.#made - this.#free.length;
  }

  /** @returns a place; -1 when all are in use */
  take(): number {
    const slot = this.#free.pop();
    if (slot !== undefined) return slot;
    if (this.#made >= this.#limit) return -1;
    if (this.#made === this.#chunks.length * CHUNK_SLOTS) {
      const bytes = new Uint8Array(this.#slotBytes * Math.min(CHUNK_SLOTS, this.#limit - this.#made));
      const region = this.#dma.attach({ bytes, address: 0 });
      if (region === 0) return -1;
      this.#chunks.push(bytes);
      this.#regions.push(region);
    }
    return this.#made++;
  }

  release(slot: number): void {
    this.#free.push(slot);
  }

  /** The region that a place is in. */
  region(slot: number): number {
    return this.#regions[Math.floor(slot / CHUNK_SLOTS)]!;
  }

  /** Where in its region, and in {@link bytes}, a place begins. */
  offset(slot: number): number {
    return (slot % CHUNK_SLOTS) * this.#slotBytes;
  }

  /** The bytes of the region that a place is in. */
  bytes(slot: number): Uint8Array {
    return this.#chunks[Math.floor(slot / CHUNK_SLOTS)]!;
  }

  /** @returns the place that begins there; -1: none */
  find(region: number, offset: number): number {
    const chunk = this.#regions.indexOf(region);
    return chunk < 0 ? -1 : chunk * CHUNK_SLOTS + Math.floor(offset / this.#slotBytes);
  }

  /** Gives all memory back. */
  end(): void {
    for (const region of this.#regions) this.#dma.detach(region);
    this.#regions.length = this.#chunks.length = this.#free.length = this.#made = 0;
  }
}

const CHUNK_SLOTS = 16;
