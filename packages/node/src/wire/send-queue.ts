/**
 * Packets on their way out, gathered into bursts: one system call carries up to 64 packets of equal size.
 *
 * Headers are written into one arena, one behind the other. Payload of mapped memory is gathered in place; small
 * payload, and payload that the kernel cannot reach, is copied behind its header, so that a burst of small packets is
 * one stretch of memory. Nothing here is allocated per packet.
 *
 * With a seal all payload is copied: a program may write to its memory between the checksum and the system call, and
 * the packet would be lost.
 *
 *     arena   [header|small payload][header][header|small payload]...      <- bump
 *     iovecs  {one stretch           }{mapped payload}{one stretch  }
 *     bursts  {path, route, traffic class: iovecs i..j, segment size, packets, bytes}
 *
 * Directly over IP, an entropy header of four bytes goes in front of each packet.
 */
import { type DmaSpace, HEADER_ROOM, Packet, targetLength } from '@verbena/core';
import { LINUX, type Libc } from '../memory/libc.ts';
import type { MappedMemory, MemoryPool } from '../memory/mapped-memory.ts';
import { MAX_DATAGRAM, MAX_PACKETS } from './live-wire.ts';
import type { Sealer } from './sealer.ts';

export class SendQueue {
  /** Packets in one burst; 1 where the system has no segmentation. */
  maxSegments = MAX_SEGMENTS_OF_BURST;
  dma: DmaSpace;
  /** Bursts waiting. */
  bursts = 0;
  readonly path = new Int32Array(MAX_PACKETS);
  readonly entropy = new Int32Array(MAX_PACKETS);
  /** Traffic class byte of IP: DSCP and ECN. */
  readonly trafficClass = new Uint8Array(MAX_PACKETS);
  /** Length of each packet but the last, bytes. */
  readonly segment = new Int32Array(MAX_PACKETS);
  readonly segments = new Int32Array(MAX_PACKETS);
  readonly bytes = new Int32Array(MAX_PACKETS);
  readonly firstIov = new Int32Array(MAX_PACKETS + 1);

  readonly #libc: Libc;
  readonly #pool: MemoryPool;
  readonly #arena: MappedMemory;
  readonly #iovMemory: MappedMemory;
  readonly #iov: Uint32Array;
  readonly #packet: Packet;
  readonly #sealer: Sealer | undefined;
  readonly #classes: SendClasses;
  /** Bytes in front of each packet. */
  readonly #front: number;
  /** Payload up to here is copied behind its header, bytes. */
  readonly #maxCopy: number;
  #hold: MappedMemory | undefined;
  #held = 0;
  #packets = 0;
  #iovs = 0;
  /** The last burst takes no more packets. */
  #closed = true;
  /** Where the last iovec ends: memory that begins there extends it. */
  #end = 0;

  /** @param front - bytes of the entropy header; 0 behind UDP */
  constructor(libc: Libc, pool: MemoryPool, dma: DmaSpace, classes: SendClasses, sealer?: Sealer, front = 0) {
    this.#libc = libc;
    this.#classes = classes;
    this.#front = front;
    this.#pool = pool;
    this.dma = dma;
    this.#sealer = sealer;
    this.#maxCopy = sealer === undefined ? MAX_COPY : MAX_DATAGRAM;
    this.#arena = pool.allocate(ARENA_BYTES);
    this.#iovMemory = pool.allocate(MAX_IOVS * IOV_BYTES);
    this.#iov = new Uint32Array(this.#iovMemory.bytes.buffer);
    this.#packet = new Packet(this.#arena.bytes);
    this.#packet.at = front;
  }

  /** Packets waiting. */
  get packets(): number {
    return this.#packets;
  }

  slot(): Packet | undefined {
    const packet = this.#packet;
    if (this.#packets === MAX_PACKETS || packet.at > ARENA_BYTES - SLOT_BYTES) return undefined;
    packet.reset();
    return packet;
  }

  /** Takes the slot. @returns false when it names memory that is gone, or is longer than a datagram */
  push(maxEntropy: number): boolean {
    const packet = this.#packet;
    const slices = packet.slices;
    const at = packet.at;
    const front = this.#front;
    const trailer = packet.padding + (this.#sealer?.bytes ?? 0);
    let total = front + packet.length + trailer;
    let end = at + packet.length;
    for (let i = 0; i < slices; i++) {
      const length = packet.sliceLength[i]!;
      const region = packet.sliceRegion[i]!;
      const target = this.dma.target(region);
      if (target === undefined || packet.sliceOffset[i]! > targetLength(target) - length) return false;
      total += length;
      if (total > MAX_DATAGRAM) return false;
      // memory of another process may be gone by now: what cannot be read must not leave as something else
      if (target.remote !== undefined && !this.dma.fetch(region, packet.sliceOffset[i]!, packet.bytes, end, length)) {
        return false;
      }
      if (target.address === 0 || length <= this.#maxCopy) end += length;
    }
    if (total === front) return false;

    const entropy = packet.entropy < maxEntropy ? packet.entropy : packet.entropy % maxEntropy;
    const trafficClass = (packet.control ? this.#classes.control : this.#classes.data) * 4 + packet.ecn;
    if (!this.#joins(packet.path, entropy, trafficClass, total)) this.#open(packet.path, entropy, trafficClass, total);
    if (front > 0) packet.view.setUint32(at - front, entropy * 0x1_0000);
    this.#append(this.#arena.address + at - front, packet.length + front);
    end = at + packet.length;
    for (let i = 0; i < slices; i++) end = this.#payload(packet, i, end);
    const burst = this.bursts - 1;
    // the system identifies the packets of a burst by their number in it
    packet.at = front + (trailer === 0 ? end : this.#trailer(packet, entropy, this.segments[burst]!, end));
    this.#packets++;
    const segments = this.segments[burst]! + 1;
    this.segments[burst] = segments;
    this.bytes[burst] = this.bytes[burst]! + total;
    this.firstIov[this.bursts] = this.#iovs;
    if (total < this.segment[burst]! || segments >= this.maxSegments) this.#closed = true;
    return true;
  }

  iovAddress(burst: number): number {
    return this.#iovMemory.address + IOV_BYTES * this.firstIov[burst]!;
  }

  iovCount(burst: number): number {
    return this.firstIov[burst + 1]! - this.firstIov[burst]!;
  }

  /** Everything has left. */
  clear(): void {
    this.bursts = 0;
    this.#packets = 0;
    this.#iovs = 0;
    this.#closed = true;
    this.#end = 0;
    this.#packet.at = this.#front;
    this.#held = 0;
  }

  /**
   * Copies what bursts from `first` on gather from programs' memory: the system would not take them now, and by the
   * time it does, that memory may be gone or hold something else.
   */
  settle(first: number): void {
    if (first >= this.bursts) return;
    this.#hold ??= this.#pool.allocate(HOLD_BYTES);
    const hold = this.#hold;
    const iov = this.#iov;
    for (let i = this.firstIov[first]!; i < this.#iovs; i++) {
      const address = iov[4 * i]! + iov[4 * i + 1]! * WORD;
      const length = iov[4 * i + 2]!;
      if (this.#own(address)) continue;
      const inHold = hold.address + this.#held;
      this.#libc.memcpy(inHold, address, length);
      iov[4 * i] = inHold % WORD;
      iov[4 * i + 1] = (inHold / WORD) | 0;
      this.#held += length;
    }
    this.#end = 0;
    this.#closed = true;
  }

  /** Copies a burst into one stretch at `to`, for a system that refuses to cut it up itself. */
  flatten(burst: number, to: number): void {
    const iov = this.#iov;
    for (let i = this.firstIov[burst]!; i < this.firstIov[burst + 1]!; i++) {
      const length = iov[4 * i + 2]!;
      this.#libc.memcpy(to, iov[4 * i]! + iov[4 * i + 1]! * WORD, length);
      to += length;
    }
  }

  close(): void {
    this.#arena.release();
    this.#iovMemory.release();
    this.#hold?.release();
  }

  #own(address: number): boolean {
    const inArena = address - this.#arena.address;
    if (inArena >= 0 && inArena < ARENA_BYTES) return true;
    const hold = this.#hold;
    return hold !== undefined && address >= hold.address && address < hold.address + HOLD_BYTES;
  }

  #joins(path: number, entropy: number, trafficClass: number, total: number): boolean {
    const last = this.bursts - 1;
    return (
      !this.#closed &&
      this.path[last] === path &&
      this.entropy[last] === entropy &&
      this.trafficClass[last] === trafficClass &&
      total <= this.segment[last]! &&
      this.bytes[last]! + total <= MAX_DATAGRAM
    );
  }

  #open(path: number, entropy: number, trafficClass: number, total: number): void {
    const burst = this.bursts++;
    this.path[burst] = path;
    this.entropy[burst] = entropy;
    this.trafficClass[burst] = trafficClass;
    this.segment[burst] = total;
    this.segments[burst] = 0;
    this.bytes[burst] = 0;
    this.firstIov[burst] = this.#iovs;
    this.#closed = false;
    this.#end = 0; // an iovec belongs to one burst
  }

  /** @returns where the next header may begin in the arena */
  #payload(packet: Packet, slice: number, end: number): number {
    const length = packet.sliceLength[slice]!;
    if (length === 0) return end;
    const offset = packet.sliceOffset[slice]!;
    const target = this.dma.target(packet.sliceRegion[slice]!)!;
    const address = target.address;
    if (address !== 0 && length > this.#maxCopy) {
      this.#append(address + offset, length);
      return end;
    }
    const here = this.#arena.address + end;
    if (address !== 0 && length > LOOP_COPY) this.#libc.memcpy(here, address + offset, length);
    else if (target.remote === undefined) {
      this.dma.fetch(packet.sliceRegion[slice]!, offset, packet.bytes, end, length);
    } // else it is there already
    this.#append(here, length);
    return end + length;
  }

  /** Padding and seal, behind the payload. @returns where the next header may begin in the arena */
  #trailer(packet: Packet, entropy: number, identification: number, end: number): number {
    const { bytes, at } = packet;
    let length = packet.padding;
    for (let i = 0; i < length; i++) bytes[end + i] = 0;
    const sealer = this.#sealer;
    if (sealer !== undefined) {
      sealer.write(packet, bytes, at, end + length - at, entropy, identification);
      length += sealer.bytes;
    }
    this.#append(this.#arena.address + end, length);
    return end + length;
  }

  #append(address: number, length: number): void {
    const iov = this.#iov;
    if (address === this.#end) {
      const last = 4 * this.#iovs - 2;
      iov[last] = iov[last]! + length;
    } else {
      const i = 4 * this.#iovs++;
      const high = (address / WORD) | 0;
      iov[i] = address - high * WORD;
      iov[i + 1] = high;
      iov[i + 2] = length;
      iov[i + 3] = 0;
    }
    this.#end = address + length;
  }
}

/** DSCP of the two classes of packets. */
export interface SendClasses {
  readonly data: number;
  readonly control: number;
}

/** Most segments that every kernel with UDP_SEGMENT takes. */
const MAX_SEGMENTS_OF_BURST = 64;
/** Payload up to here is copied behind its header, bytes. */
const MAX_COPY = 256;
/** Up to here a loop beats a call, bytes. */
const LOOP_COPY = 48;
/** Room that a slot may need: headers and a payload that must be copied. */
const SLOT_BYTES = HEADER_ROOM + MAX_DATAGRAM;
const ARENA_BYTES = 2 * 2 ** 20;
/** All that waiting packets can gather, when every one is a full burst of its own. */
const HOLD_BYTES = MAX_PACKETS * 65_536;
const IOV_BYTES = 16;
/** A header, eight slices and a trailer for each packet. */
const MAX_IOVS = 10 * MAX_PACKETS;
const WORD = 2 ** 32;

export const SEGMENT_CONTROL_BYTES = 24;
/** The control messages of a send: segment size (u16), then traffic class (int). Written once, patched per burst. */
export function writeSendControl(view: DataView, at: number, v4: boolean): void {
  view.setUint32(at, 16 + 2, true);
  view.setInt32(at + 8, LINUX.SOL_UDP, true);
  view.setInt32(at + 12, LINUX.UDP_SEGMENT, true);
  const next = at + SEGMENT_CONTROL_BYTES;
  view.setUint32(next, 16 + 4, true);
  view.setInt32(next + 8, v4 ? LINUX.SOL_IP : LINUX.SOL_IPV6, true);
  view.setInt32(next + 12, v4 ? LINUX.IP_TOS : LINUX.IPV6_TCLASS, true);
}
