/**
 * A checksum over the whole packet, which only the host can make: it alone has headers, payload and addresses together.
 * The host makes it while it gathers, and checks it before the engine sees the packet.
 */

import type { Packet } from './packet.ts';
import type { Nanos } from './time.ts';

/** What stands in front of the transport's bytes. */
export class Datagram {
  /** 16 bytes each, IPv4 as ::ffff:a.b.c.d. */
  source: Uint8Array = NOWHERE;
  destination: Uint8Array = NOWHERE;
  sourcePort = 0;
  destinationPort = 0;
  /** Bytes behind UDP, seal included. */
  length = 0;
  /** IPv4: the identification field; -1 where the host does not see it. */
  identification = 0;
}

export interface Seal {
  /** Bytes behind payload and padding. */
  readonly bytes: number;
  /**
   * The checksum underneath: a host that has it natively may use its own instead of `update`. State of `crc32` is what
   * zlib's takes; that of `crc32c` is not yet inverted.
   */
  readonly checksum: 'crc32' | 'crc32c';
  /** Begins a packet. @returns the state */
  begin(datagram: Datagram): number;
  /** Adds the transport's headers, without what changes on the way. @returns the state */
  headers(state: number, bytes: Uint8Array, at: number, length: number): number;
  /** Adds payload and padding. @returns the state */
  update(state: number, bytes: Uint8Array, at: number, length: number): number;
  /** Bytes of a received packet that `headers` must see; payload follows. */
  headerLength(bytes: Uint8Array, at: number, length: number): number;
  /** Writes the seal. */
  write(state: number, bytes: Uint8Array, at: number): void;
  /**
   * Whether the seal at `at` is the one of a packet with this state.
   *
   * @param length - bytes between the IPv4 identification and the seal matter where it is unknown: those behind UDP, without the seal
   */
  matches(state: number, datagram: Datagram, bytes: Uint8Array, at: number, length: number): boolean;
}

/**
 * A seal with state: encrypts whole packets, under keys that only it knows, with counters that never go back. It needs a
 * packet in one piece with room around it, and may not leave one unsealed. What it costs is far more than a copy.
 *
 * A domain is a group of endpoints with common keys. Outside it is known by an identifier, inside by a handle, which is
 * never used for another domain. @see decisions/0018-encryption-in-the-seal-stage.md
 */
export interface PacketSeal {
  /** Most bytes that it puts in front of a packet, and behind. */
  readonly headBytes: number;
  readonly tailBytes: number;
  /** Packets in the clear pass, in both directions, for queue pairs without a domain. */
  readonly acceptsClear: boolean;
  /** Ports are covered as well as addresses: only who knows the port of each packet can seal then. */
  readonly coversPorts: boolean;
  /** Requests pass for which the transport itself promises nothing about repetitions: a recorded one works again. */
  readonly acceptsReplays: boolean;
  /** Domain of the packet that `open` took last; 0 for one in the clear. */
  readonly domain: number;
  /** @param identifier - undefined: the usual one. @returns a handle; 0 for no domain, -1 for one that is not there */
  handleOf(identifier: number | undefined): number;
  /** @returns 0 where the domain is gone */
  identifierOf(handle: number): number;
  /**
   * Seals `length` bytes at `at`, in place, with a header in front of `at` and a check value behind.
   *
   * @param datagram - its addresses and ports; the length is filled in here
   * @returns bytes in front; 0: the packet may not leave
   */
  seal(
    domain: number,
    path: number,
    datagram: Datagram,
    view: DataView,
    bytes: Uint8Array,
    at: number,
    length: number,
  ): number;
  /** Opens a packet in place and moves its window to what was sealed. @returns '', or the name of the reason to drop it */
  open(now: Nanos, packet: Packet, datagram: Datagram): string;
}

const NOWHERE = new Uint8Array(16);
