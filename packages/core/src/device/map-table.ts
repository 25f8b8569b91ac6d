/**
 * What a device offers to be mapped: doorbell pages and queues, by offsets that only the device gives out. An entry
 * that is removed while it is mapped keeps its offset until the mapping ends, so an old offset never means something
 * new; and what a program still has mapped afterwards is memory that nobody looks at.
 * @spec rdma-core 14
 */
import { VerbsError } from '../base/verbs-error.ts';

interface Entry {
  readonly length: number;
  /** What travels to the program: a descriptor, a shared buffer, or the bytes themselves. */
  readonly attachment: unknown;
  /** Called when the entry is removed and no mapping is left. */
  readonly free: () => void;
  mappings: number;
  removed: boolean;
}

export class MapTable {
  readonly #entries = new Map<number, Entry>();
  #next = PAGE;

  /** Entries and mappings that are left. */
  get size(): number {
    return this.#entries.size;
  }

  /** What can be mapped now. */
  *values(): IterableIterator<{ readonly offset: number; readonly length: number; readonly mappings: number }> {
    for (const [offset, { length, mappings, removed }] of this.#entries) {
      if (!removed) yield { offset, length, mappings };
    }
  }

  /** @returns the offset by which the program may map it */
  insert(length: number, attachment: unknown, free: () => void): number {
    const offset = this.#next;
    this.#next += Math.ceil(length / PAGE) * PAGE;
    this.#entries.set(offset, { length, attachment, free, mappings: 0, removed: false });
    return offset;
  }

  /** @returns the attachment. @throws VerbsError EINVAL no entry with exactly this offset and length */
  map(offset: number, length: number): unknown {
    const entry = this.#entries.get(offset);
    if (entry === undefined || entry.removed || entry.length !== length) {
      throw new VerbsError('EINVAL', 'MAP', `nothing of ${length} bytes can be mapped at offset ${offset}`, {
        try: 'offset and length exactly as a call of this context gave them',
      });
    }
    entry.mappings++;
    return entry.attachment;
  }

  /** The program gave a mapping back. */
  unmap(offset: number): void {
    const entry = this.#entries.get(offset);
    if (entry === undefined || entry.mappings === 0) {
      throw new VerbsError('EINVAL', 'UNMAP', `nothing is mapped at offset ${offset}`, {
        try: 'an offset that is mapped',
      });
    }
    entry.mappings--;
    this.#freeWhenUnused(offset, entry);
  }

  /** Cannot be mapped any more; mappings that exist live on. */
  remove(offset: number): void {
    const entry = this.#entries.get(offset);
    if (entry === undefined) return;
    entry.removed = true;
    this.#freeWhenUnused(offset, entry);
  }

  /** The context or the device is gone: every entry and every mapping with it. */
  clear(): void {
    for (const entry of this.#entries.values()) entry.free();
    this.#entries.clear();
  }

  #freeWhenUnused(offset: number, entry: Entry): void {
    if (!entry.removed || entry.mappings > 0) return;
    this.#entries.delete(offset);
    entry.free();
  }
}

const PAGE = 4096;
