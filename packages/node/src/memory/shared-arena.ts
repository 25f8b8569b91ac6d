/**
 * What `context.allocate()` gives to a client of the daemon: pieces of a few large memory files, each of which the
 * daemon maps once.
 *
 * Pieces of one arena share an `ArrayBuffer`: the buffer does not identify an allocation, its buffer and offset do.
 * A view that a program keeps after `release` shows whatever the next allocation writes there, or zeros.
 */
import { VerbsError } from '@verbena/core';
import { type Libc, requireLibc } from './libc.ts';
import { createMemoryFile, type MemoryFile } from './memory-file.ts';

/** Counts from 1; never used again. */
export type ArenaId = number;

export interface Arena {
  readonly id: ArenaId;
  /** To hand over; stays the arena's. */
  readonly fd: number;
  readonly bytes: Uint8Array;
}

export interface ArenaPiece {
  readonly arena: ArenaId;
  readonly offset: number;
}

export interface SharedArenaOptions {
  /** Most bytes in all arenas together. Default 64 GiB. */
  readonly limitBytes?: number;
  /** Called before an arena is first used, so that the daemon can be told. What it throws, `allocate` throws. */
  readonly onArena?: (arena: Arena) => void;
  /** Called when an arena is gone here; the daemon may unmap it. */
  readonly dropped?: (arena: ArenaId) => void;
}

export class SharedArena {
  readonly #libc: Libc;
  readonly #limitBytes: number;
  readonly #onArena: ((arena: Arena) => void) | undefined;
  readonly #dropped: ((arena: ArenaId) => void) | undefined;
  readonly #arenas = new Map<ArrayBufferLike, Region>();
  #bytes = 0;
  #lastId = 0;

  /** @throws VerbsError `EOPNOTSUPP` no system calls */
  constructor(libc: Libc | undefined, options: SharedArenaOptions = {}) {
    this.#libc = requireLibc(libc, 'allocate');
    this.#limitBytes = options.limitBytes ?? DEFAULT_LIMIT_BYTES;
    this.#onArena = options.onArena;
    this.#dropped = options.dropped;
  }

  /** Bytes of all arenas, used or not. */
  get mappedBytes(): number {
    return this.#bytes;
  }

  get arenas(): number {
    return this.#arenas.size;
  }

  /**
   * Zeroed memory that starts on a page.
   *
   * @throws VerbsError `EINVAL` no sensible size · `ENOMEM` over the limit, or the system has none
   */
  allocate(bytes: number): ArenaPiece & { readonly bytes: Uint8Array } {
    if (!Number.isSafeInteger(bytes) || bytes < 1) {
      throw new VerbsError('EINVAL', 'allocate', `${bytes} is not a number of bytes`, { try: 'a whole number from 1' });
    }
    const size = Math.ceil(bytes / PAGE) * PAGE;
    for (const region of this.#arenas.values()) {
      const offset = region.take(size);
      if (offset >= 0) return piece(region, offset, bytes);
    }
    const region = this.#open(size);
    return piece(region, region.take(size), bytes);
  }

  /** @returns false for what `allocate` did not give, or was released already */
  release(bytes: Uint8Array): boolean {
    const region = this.#arenas.get(bytes.buffer);
    if (region === undefined || !region.give(bytes.byteOffset)) return false;
    if (region.usedBytes === 0 && !this.#keeps(region)) this.#drop(region);
    return true;
  }

  /** Where a view lies: on an allocation, or on a part of one. Undefined for anything else. */
  locate(view: Uint8Array): (ArenaPiece & { readonly length: number }) | undefined {
    const region = this.#arenas.get(view.buffer);
    if (region?.holds(view.byteOffset, view.length) !== true) return undefined;
    return { arena: region.id, offset: view.byteOffset, length: view.length };
  }

  /** Gives everything back. Views that a program kept read zeros. */
  close(): void {
    for (const region of [...this.#arenas.values()]) this.#drop(region);
  }

  #open(size: number): Region {
    const arenaBytes = Math.max(ARENA_BYTES, size);
    if (this.#bytes + arenaBytes > this.#limitBytes) {
      throw new VerbsError('ENOMEM', 'allocate', `${size} bytes do not fit into the memory of this client`, {
        given: `${this.#bytes} of ${this.#limitBytes} bytes are in use`,
        try: 'release memory that is no longer needed, or open the device with a larger `memoryBytes`',
      });
    }
    const file = createMemoryFile(this.#libc, arenaBytes);
    const region = new Region(++this.#lastId, file);
    try {
      this.#onArena?.({ id: region.id, fd: file.fd, bytes: file.bytes });
    } catch (error) {
      file.release();
      throw error;
    }
    this.#arenas.set(file.bytes.buffer, region);
    this.#bytes += arenaBytes;
    return region;
  }

  /** One empty arena of the usual size stays, so that a program at the edge does not map and unmap all the time. */
  #keeps(region: Region): boolean {
    if (region.file.bytes.length !== ARENA_BYTES) return false;
    for (const other of this.#arenas.values()) {
      if (other !== region && other.usedBytes === 0) return false;
    }
    return true;
  }

  #drop(region: Region): void {
    this.#arenas.delete(region.file.bytes.buffer);
    this.#bytes -= region.file.bytes.length;
    region.file.release();
    this.#dropped?.(region.id);
  }
}

/** One arena: extents that are free and extents that are used, each list by offset. */
class Region {
  readonly id: ArenaId;
  readonly file: MemoryFile;
  usedBytes = 0;
  readonly #free: Extent[];
  readonly #used: Extent[] = [];
  /** Bytes from here on were never used and are still zero. */
  #fresh = 0;

  constructor(id: ArenaId, file: MemoryFile) {
    this.id = id;
    this.file = file;
    this.#free = [{ offset: 0, length: file.bytes.length }];
  }

  /** First fit. @returns the offset of zeroed bytes, or -1 */
  take(size: number): number {
    if (this.file.bytes.length - this.usedBytes < size) return -1;
    const at = this.#free.findIndex((extent) => extent.length >= size);
    const extent = this.#free[at];
    if (extent === undefined) return -1;
    const { offset } = extent;
    if (extent.length === size) this.#free.splice(at, 1);
    else {
      extent.offset += size;
      extent.length -= size;
    }
    this.#used.splice(firstAfter(this.#used, offset), 0, { offset, length: size });
    this.usedBytes += size;
    const end = offset + size;
    this.file.bytes.fill(0, offset, Math.min(end, this.#fresh));
    this.#fresh = Math.max(this.#fresh, end);
    return offset;
  }

  /** Frees the extent that starts at `offset`. @returns false when none does */
  give(offset: number): boolean {
    const at = firstAfter(this.#used, offset) - 1;
    const extent = this.#used[at];
    if (extent === undefined || extent.offset !== offset) return false;
    this.#used.splice(at, 1);
    this.usedBytes -= extent.length;
    const free = this.#free;
    const next = firstAfter(free, offset);
    const before = free[next - 1];
    const after = free[next];
    const joinsAfter = after !== undefined && offset + extent.length === after.offset;
    if (before !== undefined && before.offset + before.length === offset) {
      before.length += extent.length;
      if (!joinsAfter) return true;
      before.length += after.length;
      free.splice(next, 1);
    } else if (joinsAfter) {
      after.offset = offset;
      after.length += extent.length;
    } else free.splice(next, 0, extent);
    return true;
  }

  /** The range lies within one used extent. */
  holds(offset: number, length: number): boolean {
    const extent = this.#used[firstAfter(this.#used, offset) - 1];
    return extent !== undefined && length <= extent.length - (offset - extent.offset);
  }
}

interface Extent {
  offset: number;
  length: number;
}

/** The index of the first extent that starts after `offset`. */
function firstAfter(extents: readonly Extent[], offset: number): number {
  let low = 0;
  let high = extents.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (extents[middle]!.offset <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function piece(region: Region, offset: number, length: number): ArenaPiece & { readonly bytes: Uint8Array } {
  const { buffer } = region.file.bytes;
  return { bytes: new Uint8Array(buffer, offset, length), arena: region.id, offset };
}

/** Size of an arena, unless one allocation is larger. */
export const ARENA_BYTES = 16 * 2 ** 20;
const DEFAULT_LIMIT_BYTES = 64 * 2 ** 30;
const PAGE = 4096;
