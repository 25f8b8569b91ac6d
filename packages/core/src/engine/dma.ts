/**
 * How a device reaches registered memory. Engines name memory by (region, offset); only this knows where it is.
 * A region is one contiguous stretch of bytes, held from `attach` to `detach`.
 */
import type { Packet } from './packet.ts';

export interface DmaTarget {
  /** The memory; empty where `remote` reaches it. */
  readonly bytes: Uint8Array;
  /** Address for system calls that gather from this region; 0 where the host must copy instead. */
  readonly address: number;
  /** Memory of another process, which is copied to and from. */
  readonly remote?: RemoteMemoryAccess;
  /** Where the region begins there. */
  readonly base?: number;
  /** Bytes, where `bytes` does not say. */
  readonly length?: number;
}

/** Reaches memory of another process. Every transfer is whole or has failed. */
export interface RemoteMemoryAccess {
  /** @returns false when it could not be read, wholly or in part */
  read(address: number, into: Uint8Array, at: number, length: number): boolean;
  /** @returns false when it could not be written, wholly or in part */
  write(address: number, from: Uint8Array, at: number, length: number): boolean;
  /** What its owner may do with a range itself, now. Asked when memory is registered. */
  rights?(address: number, length: number): 'none' | 'read' | 'write';
}

/** Bytes of a target. */
export const targetLength = (target: DmaTarget): number => target.length ?? target.bytes.length;

/**
 * Region numbers carry a generation above a 16-bit slot, so a number that outlives its region names nothing
 * instead of somebody else's memory. At most {@link MAX_REGIONS} regions at a time.
 */
export class DmaSpace {
  readonly #probe = new Uint8Array(1);
  readonly #targets: (DmaTarget | undefined)[] = [undefined]; // slot 0 is never valid: no region has number 0
  readonly #generations: number[] = [0];
  readonly #free: number[] = [];
  #regions = 0;

  /** Regions attached now. */
  get regions(): number {
    return this.#regions;
  }

  /** @returns the region's number; 0 when there are too many */
  attach(target: DmaTarget): number {
    const slot = this.#free.pop() ?? this.#targets.length;
    if (slot > MAX_REGIONS) return 0;
    const generation = ((this.#generations[slot] ?? 0) + 1) & GENERATIONS;
    this.#generations[slot] = generation;
    this.#targets[slot] = target;
    this.#regions++;
    return (generation << SLOT_BITS) | slot;
  }

  detach(region: number): void {
    if (this.target(region) === undefined) return;
    const slot = region & MAX_REGIONS;
    this.#targets[slot] = undefined;
    this.#free.push(slot);
    this.#regions--;
  }

  /** The region's memory; undefined when it is gone. */
  target(region: number): DmaTarget | undefined {
    const slot = region & MAX_REGIONS;
    return this.#generations[slot] === region >>> SLOT_BITS ? this.#targets[slot] : undefined;
  }

  /**
   * Copies received payload to where it belongs: the one payload copy.
   * @returns false when the region is gone or too short; nothing was written then
   */
  place(region: number, offset: number, packet: Packet, at: number, length: number): boolean {
    return this.store(region, offset, packet.bytes, at, length);
  }

  /** The same for bytes that an engine made. */
  store(region: number, offset: number, source: Uint8Array, at: number, length: number): boolean {
    if (length === 0) return true;
    const found = this.target(region);
    if (found === undefined) return false;
    if (found.remote !== undefined) {
      if (offset > (found.length ?? 0) - length) return false;
      return found.remote.write((found.base ?? 0) + offset, source, at, length);
    }
    const target = found.bytes;
    if (offset > target.length - length) return false;
    if (length <= SMALL_COPY) {
      for (let i = 0; i < length; i++) target[offset + i] = source[at + i]!;
    } else {
      target.set(this.#window(source, at, length), offset);
    }
    return true;
  }

  /** Copies memory out, for hosts that do not gather. @returns false when the region is gone or too short */
  fetch(region: number, offset: number, into: Uint8Array, at: number, length: number): boolean {
    if (length === 0) return true;
    const found = this.target(region);
    if (found === undefined) return false;
    if (found.remote !== undefined) {
      if (offset > (found.length ?? 0) - length) return false;
      return found.remote.read((found.base ?? 0) + offset, into, at, length);
    }
    const source = found.bytes;
    if (offset > source.length - length) return false;
    if (length <= SMALL_COPY) {
      for (let i = 0; i < length; i++) into[at + i] = source[offset + i]!;
    } else {
      into.set(source.subarray(offset, offset + length), at);
    }
    return true;
  }

  /**
   * Whether memory can be read now. Memory of another process may be gone, or be another program's: a byte of each page
   * is tried, so that an answer or a status can say so before a packet is made of it. @spec threats L07 L24
   */
  readable(region: number, offset: number, length: number): boolean {
    const found = this.target(region);
    if (found === undefined) return false;
    const { remote, base = 0 } = found;
    if (remote === undefined || length === 0) return true;
    for (let at = 0; at < length; at += PAGE_BYTES)
      if (!remote.read(base + offset + at, this.#probe, 0, 1)) return false;
    return remote.read(base + offset + length - 1, this.#probe, 0, 1);
  }

  // A receive arena delivers payload at few distinct places, so the views are made once and kept.
  readonly #windows = new Map<ArrayBufferLike, (Uint8Array | undefined)[]>();

  #window(source: Uint8Array, at: number, length: number): Uint8Array {
    let views = this.#windows.get(source.buffer);
    if (views === undefined) {
      if (this.#windows.size >= MAX_ARENAS) this.#windows.clear();
      views = [];
      this.#windows.set(source.buffer, views);
    }
    const start = source.byteOffset + at;
    const known = views[start];
    if (known !== undefined && known.length === length) return known;
    const made = new Uint8Array(source.buffer, start, length);
    views[start] = made;
    return made;
  }
}

const PAGE_BYTES = 4096;
const SLOT_BITS = 16;
/** Most regions at a time. */
export const MAX_REGIONS = (1 << SLOT_BITS) - 1;
const GENERATIONS = 0x7fff;
/** Up to here a loop beats making or finding a view, bytes. */
const SMALL_COPY = 16;
/** Receive arenas whose views are kept. */
const MAX_ARENAS = 16;
