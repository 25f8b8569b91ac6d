/** Memory that a context handed out. Allocations may share a buffer: hosts cut them out of larger mappings. */
export interface Allocation {
  readonly bytes: Uint8Array;
  /** Regions registered on it. */
  regions: number;
}

export class MemoryList {
  /** By buffer, then by where they start in it. */
  readonly #buffers = new Map<ArrayBufferLike, Map<number, Allocation>>();

  add(bytes: Uint8Array): void {
    let inside = this.#buffers.get(bytes.buffer);
    if (inside === undefined) this.#buffers.set(bytes.buffer, (inside = new Map()));
    inside.set(bytes.byteOffset, { bytes, regions: 0 });
  }

  /** The allocation that a view lies in. */
  find(view: Uint8Array): Allocation | undefined {
    const inside = this.#buffers.get(view.buffer);
    if (inside === undefined) return undefined;
    const exact = inside.get(view.byteOffset);
    if (exact !== undefined && view.length <= exact.bytes.length) return exact;
    for (const one of inside.values()) {
      const start = view.byteOffset - one.bytes.byteOffset;
      if (start >= 0 && start + view.length <= one.bytes.length) return one;
    }
    return undefined;
  }

  delete({ bytes }: Allocation): void {
    const inside = this.#buffers.get(bytes.buffer);
    inside?.delete(bytes.byteOffset);
    if (inside?.size === 0) this.#buffers.delete(bytes.buffer);
  }

  *values(): IterableIterator<Allocation> {
    for (const inside of this.#buffers.values()) yield* inside.values();
  }

  clear(): void {
    this.#buffers.clear();
  }
}
