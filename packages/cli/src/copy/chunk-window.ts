/** A window of memory in slots: chunks of a file pass through it, chunk `n` through slot `n` modulo the slots. */
import type { MemoryRegion } from '@verbena/core';
import type { Endpoint } from '../session/endpoint.ts';

export class ChunkWindow {
  readonly slots: number;
  readonly slotBytes: number;
  readonly region: MemoryRegion;
  readonly #endpoint: Endpoint;
  readonly #views: Uint8Array[];

  constructor(
    endpoint: Endpoint,
    shape: WindowShape,
    access: readonly ('local-write' | 'remote-write' | 'remote-read')[],
  ) {
    this.slots = shape.slots;
    this.slotBytes = shape.slotBytes;
    this.#endpoint = endpoint;
    this.region = endpoint.register(shape.slots * shape.slotBytes, access);
    this.#views = Array.from({ length: shape.slots }, (_, slot) =>
      this.region.bytes.subarray(slot * shape.slotBytes, (slot + 1) * shape.slotBytes),
    );
  }

  /** Where a chunk lies in the window. */
  offset(sequence: number): number {
    return (sequence % this.slots) * this.slotBytes;
  }

  /** The slot of a chunk, as many bytes of it as the chunk has. */
  chunk(sequence: number, length: number): Uint8Array {
    const view = this.#views[sequence % this.slots]!;
    return length === view.length ? view : view.subarray(0, length);
  }

  release(): void {
    this.#endpoint.unregister(this.region);
  }
}

export interface WindowShape {
  readonly slots: number;
  readonly slotBytes: number;
}

/** How a file of `bytes` is cut: small files need little memory. */
export function shapeFor(bytes: number): WindowShape {
  const slotBytes = Math.min(SLOT_BYTES, Math.max(MIN_SLOT_BYTES, 2 ** Math.ceil(Math.log2(Math.max(1, bytes)))));
  return { slots: Math.max(1, Math.min(SLOTS, Math.ceil(bytes / slotBytes))), slotBytes };
}

/** Bytes of chunk `sequence` of a file. */
export function chunkLength(sequence: number, size: number, slotBytes: number): number {
  return Math.min(slotBytes, size - sequence * slotBytes);
}

export function chunkCount(size: number, slotBytes: number): number {
  return Math.ceil(size / slotBytes);
}

/** Whether a peer's window is one that this side is ready to serve. */
export function isFairShape(slots: number, slotBytes: number): boolean {
  return slots >= 1 && slots <= MAX_SLOTS && slotBytes >= MIN_SLOT_BYTES && slotBytes <= MAX_SLOT_BYTES;
}

const SLOTS = 6;
const SLOT_BYTES = 2 ** 20;
const MIN_SLOT_BYTES = 4096;
const MAX_SLOTS = 16;
const MAX_SLOT_BYTES = 4 * 2 ** 20;
