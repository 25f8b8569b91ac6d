/**
 * A window on memory that the host owns. An engine reads or fills it during one call and never keeps it.
 *
 * Received: `at` and `length` bound the transport's bytes (behind UDP), headers and payload in one stretch.
 * Transmitted: the engine writes headers at `at`, sets `length` to their size, and names the payload by slices,
 * which the host gathers. A host reuses its packets: an engine sets every field that it means.
 */
export class Packet {
  /** View on the arena that holds the bytes. */
  view: DataView;
  /** The same arena as bytes. */
  bytes: Uint8Array;
  /** Offset in the arena, bytes. */
  at = 0;
  /** Received: all bytes of the packet. Transmitted: header bytes, at most {@link HEADER_ROOM}. */
  length = 0;
  /** The host's handle for (local address, remote address). */
  path = 0;
  /** Which of the path's routes to take, or was taken: 0 up to the host's number of routes. */
  entropy = 0;
  /** ECN field, 0..3 as in the IP header. */
  ecn = 0;
  /** A switch cut the payload off. */
  trimmed = false;
  /** Beside `trimmed`: it was the last switch before this endpoint, so the network in between is not to blame. */
  trimmedLastHop = false;
  /** Received: the seal does not fit the bytes. */
  damaged = false;
  /** Transmitted: zeros behind the payload, bytes. Received: they are part of the packet. */
  padding = 0;
  /** Transmitted: belongs to the control class (acknowledgements and the like), not to the data class. */
  control = false;
  /** Transmitted: number of payload slices in use, at most {@link MAX_SLICES}. */
  slices = 0;
  readonly sliceRegion = new Int32Array(MAX_SLICES);
  /** Bytes from the region's start; below 2^53. */
  readonly sliceOffset = new Float64Array(MAX_SLICES);
  readonly sliceLength = new Int32Array(MAX_SLICES);

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  /** Forgets what the previous user of the slot said. Headers are not erased. */
  reset(): void {
    this.length = 0;
    this.path = 0;
    this.entropy = 0;
    this.ecn = 0;
    this.trimmed = this.trimmedLastHop = false;
    this.damaged = false;
    this.padding = 0;
    this.control = false;
    this.slices = 0;
  }

  /** Becomes a packet for the same path that begins with the same bytes. @param length - bytes of headers */
  copyFrom(from: Packet, length: number): void {
    this.reset();
    this.length = length;
    this.path = from.path;
    for (let i = 0; i < length; i++) this.bytes[this.at + i] = from.bytes[from.at + i]!;
  }

  /** Adds a payload slice. */
  gather(region: number, offset: number, length: number): void {
    const i = this.slices++;
    this.sliceRegion[i] = region;
    this.sliceOffset[i] = offset;
    this.sliceLength[i] = length;
  }

  /** Bytes of payload that the slices name, without padding. */
  payloadLength(): number {
    let sum = 0;
    for (let i = 0; i < this.slices; i++) sum += this.sliceLength[i]!;
    return sum;
  }
}

/** Room for headers in a transmit slot, bytes. */
export const HEADER_ROOM = 192;

/** Payload slices of one packet: a packet may straddle this many segments of a work request. */
export const MAX_SLICES = 8;
