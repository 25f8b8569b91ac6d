/**
 * Packets on their way in: a few slots of 64 KiB, filled by one system call. With receive offload a slot holds a
 * whole burst, cut up by the segment size that the kernel reports beside it.
 */
import { type Engine, type Nanos, Packet } from '@verbena/core';
import { LINUX, type Libc, type Pointer } from '../memory/libc.ts';
import type { MappedMemory, MemoryPool } from '../memory/mapped-memory.ts';
import type { PeerTable } from './peer-table.ts';
import type { Sealer } from './sealer.ts';
import type { TrafficClasses } from './traffic-classes.ts';
import { SOCKET_ADDRESS_BYTES } from './udp-socket.ts';

export interface ReceiveOptions {
  readonly v4: boolean;
  readonly sealer: Sealer | undefined;
  /** Packets directly over IP: with IPv4 the system leaves the IP header in front. */
  readonly native: boolean;
  readonly classes: TrafficClasses;
}

export class ReceiveBatch {
  datagrams = 0;
  bytes = 0;
  truncated = 0;
  /** Packets directly over IP that end before their entropy header does. */
  malformed = 0;
  /** Packets of sources that the full path table could not take. */
  unknown = 0;

  readonly #libc: Libc;
  readonly #fd: number;
  readonly #v4: boolean;
  readonly #peers: PeerTable;
  readonly #sealer: Sealer | undefined;
  readonly #native: boolean;
  /** DSCP of packets that switches have cut; -1 for none. */
  readonly #trimmed: number;
  readonly #trimmedLastHop: number;
  readonly #arena: MappedMemory;
  readonly #control: MappedMemory;
  readonly #headers: Pointer;
  readonly #words: Int32Array;
  readonly #view: DataView;
  readonly #packet: Packet;
  /** The last call brought something: the next may bring several. */
  #busy = false;
  // The source of the last slot and its path: bursts of one peer follow each other.
  #lastPath = 0;
  readonly #lastWords = new Int32Array(4);
  #lastPort = -1;
  #renamed = 0;

  constructor(libc: Libc, pool: MemoryPool, fd: number, peers: PeerTable, options: ReceiveOptions) {
    this.#libc = libc;
    this.#fd = fd;
    this.#v4 = options.v4;
    this.#peers = peers;
    this.#sealer = options.sealer;
    this.#native = options.native;
    this.#trimmed = options.classes.trimmed ?? -1;
    this.#trimmedLastHop = options.classes.trimmedLastHop ?? -1;
    this.#arena = pool.allocate(SLOTS * SLOT_BYTES);
    this.#control = pool.allocate(SLOTS * SLOT_STRIDE);
    this.#headers = [this.#control.address, null];
    this.#words = new Int32Array(this.#control.bytes.buffer);
    this.#view = new DataView(this.#control.bytes.buffer);
    this.#packet = new Packet(this.#arena.bytes);
    for (let slot = 0; slot < SLOTS; slot++) this.#prepare(slot);
  }

  /** Hands what waits to the engine, at most {@link SLOTS} bursts. @returns packets; negative: nothing was there */
  receive(now: Nanos, engine: Engine): number {
    const libc = this.#libc;
    const headers = this.#headers[0];
    let slots: number;
    if (this.#busy) {
      slots = libc.recvmmsg(this.#fd, headers, SLOTS, LINUX.MSG_DONTWAIT, 0);
    } else {
      const length = libc.recvmsg(this.#fd, headers, LINUX.MSG_DONTWAIT);
      slots = length < 0 ? -1 : 1;
      if (length >= 0) this.#words[HEADER_LENGTH] = length;
    }
    if (slots <= 0) {
      this.#busy = false;
      return slots;
    }
    this.#busy = true;
    let packets = 0;
    for (let slot = 0; slot < slots; slot++) packets += this.#deliver(now, engine, slot);
    return packets;
  }

  close(): void {
    this.#arena.release();
    this.#control.release();
  }

  #deliver(now: Nanos, engine: Engine, slot: number): number {
    const words = this.#words;
    const base = (slot * HEADER_STRIDE) >> 2;
    const length = words[base + HEADER_LENGTH]!;
    const flags = words[base + HEADER_FLAGS]!;
    const path = this.#source((NAMES_AT + slot * SOCKET_ADDRESS_BYTES) >> 2);
    const packet = this.#packet;
    packet.reset();
    let segment = length;
    const controlBytes = words[base + HEADER_CONTROL_LENGTH]!;
    if (controlBytes > 0) segment = this.#options(slot, controlBytes, length);
    // The kernel overwrites lengths: set them back for the next call.
    words[base + HEADER_NAME_LENGTH] = SOCKET_ADDRESS_BYTES;
    words[base + HEADER_CONTROL_LENGTH] = CONTROL_BYTES;
    if ((flags & LINUX.MSG_TRUNC) !== 0) {
      this.truncated++;
      return 0;
    }
    this.bytes += length;
    if (path === 0) {
      this.unknown++;
      return 0;
    }
    packet.path = path;
    const start = slot * SLOT_BYTES;
    if (this.#native) return this.#single(now, engine, start, length);
    if (length <= segment) {
      packet.at = start;
      packet.length = length;
      this.#sealer?.open(packet, this.#lastPort);
      engine.receive(now, packet);
      this.datagrams++;
      return 1;
    }
    const { ecn, trimmed, trimmedLastHop } = packet;
    let packets = 0;
    for (let at = 0; at < length; at += segment) {
      packet.at = start + at;
      packet.length = Math.min(length - at, segment);
      packet.path = path;
      packet.ecn = ecn;
      packet.trimmed = trimmed;
      packet.trimmedLastHop = trimmedLastHop;
      this.#sealer?.open(packet, this.#lastPort);
      engine.receive(now, packet);
      packets++;
    }
    this.datagrams += packets;
    return packets;
  }

  /** Takes off what stands in front of a packet directly over IP. @spec uet:pds/1.3 */
  #single(now: Nanos, engine: Engine, start: number, length: number): number {
    const packet = this.#packet;
    const ip = this.#v4 ? 4 * (packet.bytes[start]! & 15) : 0;
    const front = ip + ENTROPY_BYTES;
    if (length <= front) {
      this.malformed++;
      return 0;
    }
    packet.at = start + front;
    packet.length = length - front;
    packet.entropy = packet.view.getUint16(start + ip);
    // what was cut off took the seal with it
    if (!packet.trimmed) this.#sealer?.open(packet, packet.entropy);
    engine.receive(now, packet);
    this.datagrams++;
    return 1;
  }

  /** Reads segment size and traffic class from the control messages. @returns the segment size */
  #options(slot: number, controlBytes: number, length: number): number {
    const view = this.#view;
    const start = CONTROL_AT + slot * CONTROL_BYTES;
    let segment = length;
    for (let at = start; at + CONTROL_HEADER <= start + controlBytes; ) {
      const size = view.getUint32(at, true);
      if (size < CONTROL_HEADER) break;
      const level = view.getInt32(at + 8, true);
      const type = view.getInt32(at + 12, true);
      if (level === LINUX.SOL_UDP && type === LINUX.UDP_GRO) {
        const value = view.getInt32(at + CONTROL_HEADER, true);
        if (value > 0) segment = value;
      } else if (type === (this.#v4 ? LINUX.IP_TOS : LINUX.IPV6_TCLASS)) {
        const trafficClass = view.getUint8(at + CONTROL_HEADER);
        const dscp = trafficClass >> 2;
        this.#packet.ecn = trafficClass & 3;
        this.#packet.trimmedLastHop = dscp === this.#trimmedLastHop;
        this.#packet.trimmed = dscp === this.#trimmed || dscp === this.#trimmedLastHop;
      }
      at += (size + 7) & ~7;
    }
    return segment;
  }

  /** The path of the socket address at word `at`. */
  #source(at: number): number {
    const words = this.#words;
    const last = this.#lastWords;
    const port = this.#view.getUint16(4 * at + 2);
    const v4 = this.#v4;
    const w0 = v4 ? 0 : words[at + 2]!;
    const w1 = v4 ? 0 : words[at + 3]!;
    const w2 = v4 ? MAPPED : words[at + 4]!;
    const w3 = v4 ? words[at + 1]! : words[at + 5]!;
    if (
      port === this.#lastPort &&
      this.#peers.renamed === this.#renamed &&
      w3 === last[3] &&
      w2 === last[2] &&
      w1 === last[1] &&
      w0 === last[0]
    ) {
      return this.#lastPath;
    }
    const path = this.#peers.arrival(w0, w1, w2, w3, port);
    if (path !== 0) {
      last[0] = w0;
      last[1] = w1;
      last[2] = w2;
      last[3] = w3;
      this.#lastPort = port;
      this.#lastPath = path;
      this.#renamed = this.#peers.renamed;
    }
    return path;
  }

  #prepare(slot: number): void {
    const view = this.#view;
    const pointer = (at: number, value: number) => {
      view.setUint32(at, value % 2 ** 32, true);
      view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
    };
    const { address } = this.#control;
    const iov = IOVS_AT + slot * 16;
    pointer(iov, this.#arena.address + slot * SLOT_BYTES);
    view.setUint32(iov + 8, SLOT_BYTES, true);
    const header = slot * HEADER_STRIDE;
    pointer(header, address + NAMES_AT + slot * SOCKET_ADDRESS_BYTES);
    view.setUint32(header + 8, SOCKET_ADDRESS_BYTES, true);
    pointer(header + 16, address + iov);
    view.setUint32(header + 24, 1, true);
    pointer(header + 32, address + CONTROL_AT + slot * CONTROL_BYTES);
    view.setUint32(header + 40, CONTROL_BYTES, true);
  }
}

/** Bursts of one system call. */
export const SLOTS = 4;
const SLOT_BYTES = 65_536;

// One page of structures. struct mmsghdr: msghdr of 56 bytes, then the length received; 64 bytes each.
const HEADER_STRIDE = 64;
const IOVS_AT = SLOTS * HEADER_STRIDE;
const NAMES_AT = IOVS_AT + SLOTS * 16;
const CONTROL_AT = NAMES_AT + SLOTS * SOCKET_ADDRESS_BYTES;
const CONTROL_BYTES = 64;
const SLOT_STRIDE = 256;

// In words of struct mmsghdr.
const HEADER_NAME_LENGTH = 2;
const HEADER_CONTROL_LENGTH = 10;
const HEADER_FLAGS = 12;
const HEADER_LENGTH = 14;

/** Entropy, and two bytes that say nothing. */
export const ENTROPY_BYTES = 4;
/** struct cmsghdr: length (8 bytes), level, type. */
const CONTROL_HEADER = 16;
/** The word in front of the four bytes of a mapped IPv4 address, as it lies in memory. */
const MAPPED = new Int32Array(Uint8Array.of(0, 0, 0xff, 0xff).buffer)[0]!;
