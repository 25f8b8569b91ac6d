/**
 * Writes and checks the seals of one wire: checksums behind packets that only a host can make, see `Seal`.
 *
 * A seal covers fields that the system writes. Behind a UDP socket all of them are known but one, the identification
 * of IPv4. Linux writes 0 there for a socket that is not connected and may not fragment (`IP_PMTUDISC_DO`), and the
 * number of the packet in its burst, from 0, for one that segments (`UDP_SEGMENT`), whether the kernel cuts the burst
 * up early, late, or not at all. `seal-on-the-wire.test.ts` looks at real frames. What another system wrote is not
 * seen on receive; the seal says whether some identification explains the packet.
 */
import { crc32 } from 'node:zlib';
import { Datagram, type Packet, type Seal } from '@verbena/core';
import { type LocalAddress, MAX_PACKETS } from './live-wire.ts';
import type { PeerTable } from './peer-table.ts';

export class Sealer {
  /** Bytes of a seal. */
  readonly bytes: number;
  readonly #seal: Seal;
  readonly #local: LocalAddress;
  readonly #ports: readonly number[] | undefined;
  readonly #peers: PeerTable;
  readonly #sent = new Beginnings();
  readonly #received = new Beginnings();
  readonly #datagram = new Datagram();
  readonly #windows = new Windows();

  /** @param ports - UDP source port of each route; undefined where packets carry the route itself, directly over IP */
  constructor(seal: Seal, local: LocalAddress, ports: readonly number[] | undefined, peers: PeerTable) {
    this.bytes = seal.bytes;
    this.#seal = seal;
    this.#local = local;
    this.#ports = ports;
    this.#peers = peers;
  }

  /**
   * Seals a packet that lies in one piece, behind its last byte. A packet that is said to be damaged gets a seal that does
   * not fit.
   *
   * @param packet - says path and bytes of headers
   * @param length - bytes of headers, payload and padding
   * @param route - that it leaves by, unless its path leads to our own address
   * @param identification - of IPv4, that the system will write
   */
  write(packet: Packet, bytes: Uint8Array, at: number, length: number, route: number, identification: number): void {
    const { path } = packet;
    if (!this.#leaves(path, length, route, identification)) return; // it will not be sent either
    const sum = this.#sum(this.#sent, path, bytes, at, packet.length, length);
    this.#seal.write(sum, bytes, at + length);
    if (packet.damaged) this.#spoil(sum, bytes, at + length, length);
  }

  /**
   * Makes the seal right for a packet of a burst that leaves alone after all. One that does not fit stays so.
   *
   * @param length - bytes of the packet, seal included
   * @param identification - that it was sealed for
   */
  single(bytes: Uint8Array, at: number, length: number, path: number, route: number, identification: number): void {
    const seal = this.#seal;
    const covered = length - this.bytes;
    if (identification === 0 || !this.#leaves(path, covered, route, identification)) return;
    const headers = seal.headerLength(bytes, at, covered);
    const sum = this.#sum(this.#sent, path, bytes, at, headers, covered);
    if (!seal.matches(sum, this.#datagram, bytes, at + covered, covered)) return;
    this.#datagram.identification = 0;
    seal.write(this.#sum(this.#sent, path, bytes, at, headers, covered), bytes, at + covered);
  }

  /** Takes the seal off a packet that came in, and says of it whether it is damaged. */
  open(packet: Packet, sourcePort: number): void {
    const { bytes, at, path } = packet;
    const length = packet.length - this.bytes;
    const peer = this.#peers.peer(path);
    packet.length = Math.max(0, length);
    packet.damaged = true;
    if (length <= 0 || peer === undefined) return;
    const seal = this.#seal;
    const headers = seal.headerLength(bytes, at, length);
    if (headers > length) return;
    const datagram = this.#datagram;
    datagram.source = peer.address;
    datagram.destination = this.#local.address;
    datagram.sourcePort = sourcePort;
    datagram.destinationPort = this.#local.port;
    datagram.length = length + this.bytes;
    datagram.identification = UNKNOWN;
    const sum = this.#sum(this.#received, path, bytes, at, headers, length);
    packet.damaged = !seal.matches(sum, datagram, bytes, at + length, length);
  }

  /** Describes a packet that goes out. @returns false when its path leads nowhere */
  #leaves(path: number, length: number, route: number, identification: number): boolean {
    const peer = this.#peers.peer(path);
    if (peer === undefined) return false;
    const datagram = this.#datagram;
    datagram.source = this.#local.address;
    datagram.destination = peer.address;
    datagram.sourcePort = this.#ports === undefined ? route : this.#ports[this.#peers.own[path] === 1 ? 0 : route]!;
    datagram.destinationPort = peer.port;
    datagram.length = length + this.bytes;
    datagram.identification = identification;
    return true;
  }

  #sum(known: Beginnings, path: number, bytes: Uint8Array, at: number, headers: number, length: number): number {
    const seal = this.#seal;
    const behind = seal.headers(known.state(seal, this.#datagram, path), bytes, at, headers);
    const rest = length - headers;
    if (rest < NATIVE_FROM || seal.checksum !== 'crc32') return seal.update(behind, bytes, at + headers, rest);
    return crc32(this.#windows.of(bytes, at + headers, rest), behind >>> 0);
  }

  /** Flips a bit of a seal, one that no identification explains. */
  #spoil(sum: number, bytes: Uint8Array, at: number, length: number): void {
    this.#datagram.identification = UNKNOWN;
    spoilSeal(this.#seal, sum, this.#datagram, bytes, at, length);
  }
}

/**
 * Flips a bit of a seal so that no receiver takes the packet for whole.
 *
 * @param sum - of the packet, finished
 * @param datagram - with identification -1
 * @param at - where the seal is
 * @param length - bytes behind UDP, without the seal
 */
export function spoilSeal(
  seal: Seal,
  sum: number,
  datagram: Datagram,
  bytes: Uint8Array,
  at: number,
  length: number,
): void {
  for (let bit = 0; bit < 8 * seal.bytes; bit++) {
    bytes[at + (bit >> 3)]! ^= 1 << (bit & 7);
    if (!seal.matches(sum, datagram, bytes, at, length)) return;
    bytes[at + (bit >> 3)]! ^= 1 << (bit & 7);
  }
}

/** States behind the headers of IP and UDP, which are the same for all packets of a flow that have one length. */
class Beginnings {
  /** Path, port at our or the other end, length, identification. */
  readonly #keys = new Int32Array(4 * BEGINNINGS);
  readonly #states = new Int32Array(BEGINNINGS);

  state(seal: Seal, datagram: Datagram, path: number): number {
    const { sourcePort, length, identification } = datagram;
    const hash = Math.imul(path, 0x9e37_79b1) ^ Math.imul(sourcePort, 0x85eb_ca6b) ^ Math.imul(length, 0xc2b2_ae35);
    const entry = ((hash >>> 24) + identification) & (BEGINNINGS - 1);
    const keys = this.#keys;
    const at = 4 * entry;
    if (
      keys[at] !== path ||
      keys[at + 1] !== sourcePort ||
      keys[at + 2] !== length ||
      keys[at + 3] !== identification
    ) {
      keys[at] = path; // never 0 for a packet
      keys[at + 1] = sourcePort;
      keys[at + 2] = length;
      keys[at + 3] = identification;
      this.#states[entry] = seal.begin(datagram);
    }
    return this.#states[entry]!;
  }
}

/** Views on payload. Packets lie at few distinct places of an arena, so a view is mostly there already. */
class Windows {
  readonly #views: Uint8Array[] = Array.from({ length: WINDOWS }, () => NOTHING);

  of(bytes: Uint8Array, at: number, length: number): Uint8Array {
    const entry = (Math.imul(at, 0x9e37_79b1) ^ Math.imul(length, 0x85eb_ca6b)) >>> (32 - WINDOW_BITS);
    const known = this.#views[entry]!;
    const start = bytes.byteOffset + at;
    if (known.length === length && known.byteOffset === start && known.buffer === bytes.buffer) return known;
    const made = new Uint8Array(bytes.buffer, start, length);
    this.#views[entry] = made;
    return made;
  }
}

/** From here the checksum of Node is faster than one in JavaScript, bytes: `npm run bench -- icrc`. */
const NATIVE_FROM = 256;
const UNKNOWN = -1;
const BEGINNINGS = 2 * MAX_PACKETS;
const WINDOW_BITS = 10;
const WINDOWS = 1 << WINDOW_BITS;
const NOTHING = new Uint8Array(0);
