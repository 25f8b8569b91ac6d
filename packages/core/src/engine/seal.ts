/**
 * A checksum over the whole packet, which only the host can make: it alone has headers, payload and addresses together.
 * The host makes it while it gathers, and checks it before the engine sees the packet.
 */

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
  /** The checksum underneath: a host that has it natively uses its own instead of `update`. State is what zlib's takes. */
  readonly checksum: 'crc32';
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

const NOWHERE = new Uint8Array(16);
