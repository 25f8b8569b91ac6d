/**
 * Takes frames of a capture and hands them on in the clear, for whoever may see that: without security header and check
 * value, with lengths and checksums that fit, and with a comment that says under which key the packet was. What cannot be
 * opened goes on as it came. @spec uet:tss/11
 */
import type { CaptureSink, PacketOpener } from '@verbena/core';
import { IpProtocol, Ipv4, Ipv6, ipv4Checksum, PCAPNG, pcapngPacket, Udp, udpChecksum } from '@verbena/core/wire';

export class DecryptingSink implements CaptureSink {
  readonly #inner: CaptureSink;
  readonly #opener: PacketOpener;
  readonly #bytes = new Uint8Array(MAX_RECORD);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(inner: CaptureSink, opener: PacketOpener) {
    this.#inner = inner;
    this.#opener = opener;
  }

  room(bytes: number): boolean {
    return this.#inner.room(bytes + COMMENT_ROOM);
  }

  write(record: Uint8Array): void {
    this.#inner.write(this.#opened(record) ?? record);
  }

  /** The record of the packet in the clear; undefined when it is none, or cannot be opened. */
  #opened(record: Uint8Array): Uint8Array | undefined {
    if (record.length < DATA || record.length > MAX_RECORD) return undefined;
    // the sink does not own the record
    this.#bytes.set(record);
    const bytes = this.#bytes;
    const view = this.#view;
    const length = view.getUint32(20, true);
    if (view.getUint32(0, true) !== PCAPNG.ENHANCED_PACKET || length > record.length - DATA || length < 40) {
      return undefined;
    }
    const v4 = bytes[DATA]! >> 4 === 4;
    const upper = DATA + (v4 ? IPV4_BYTES : IPV6_BYTES);
    const isUdp = bytes[DATA + (v4 ? 9 : 6)] === IpProtocol.UDP;
    const at = upper + (isUdp ? UDP_BYTES : ENTROPY_BYTES);
    const end = DATA + length;
    if (this.#opener.open({ bytes, view, ip: DATA, at, end }) !== '') return undefined;
    const { sdi, an, epoch, tsc, hasSsi, ssi, length: headerBytes } = this.#opener.fields;
    const text = end - at - headerBytes - ICV_BYTES;
    bytes.copyWithin(at, at + headerBytes, at + headerBytes + text);
    this.#fit(upper, at + text, v4, isUdp);
    const source = hasSsi ? ` ssi 0x${ssi.toString(16)}` : '';
    const timestampNs = (BigInt(view.getUint32(12, true)) << 32n) | BigInt(view.getUint32(16, true));
    const direction = directionOf(view, DATA + ((length + 3) & ~3), record.length - 4);
    return pcapngPacket({
      timestampNs,
      data: bytes.subarray(DATA, at + text),
      ...(direction === undefined ? {} : { direction }),
      comment: `opened: domain 0x${sdi.toString(16)}${source} an ${an} epoch ${epoch} tsc ${tsc}`,
    });
  }

  /** Lengths and checksums of a packet that ends at `end`. */
  #fit(upper: number, end: number, v4: boolean, isUdp: boolean): void {
    const view = this.#view;
    if (v4) {
      Ipv4.totalLength.set(view, DATA, end - DATA);
      Ipv4.checksum.set(view, DATA, 0);
      Ipv4.checksum.set(view, DATA, ipv4Checksum(view, DATA, IPV4_BYTES));
    } else Ipv6.payloadLength.set(view, DATA, end - upper);
    if (!isUdp) return;
    Udp.length.set(view, upper, end - upper);
    Udp.checksum.set(view, upper, 0);
    const addresses = DATA + (v4 ? 12 : 8);
    Udp.checksum.set(view, upper, udpChecksum(view, addresses, v4 ? 8 : 32, upper, end - upper));
  }
}

/** What the options of a record say. */
function directionOf(view: DataView, from: number, end: number): 'in' | 'out' | undefined {
  for (let at = from; at + 8 <= end; ) {
    const code = view.getUint16(at, true);
    if (code === PCAPNG.OPTION_END) return undefined;
    const flags = view.getUint32(at + 4, true) & 3;
    if (code === PCAPNG.PACKET_FLAGS)
      return flags === PCAPNG.FLAG_IN ? 'in' : flags === PCAPNG.FLAG_OUT ? 'out' : undefined;
    at += 4 + ((view.getUint16(at + 2, true) + 3) & ~3);
  }
  return undefined;
}

/** Where the frame begins in a record. */
const DATA = 28;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const UDP_BYTES = 8;
const ENTROPY_BYTES = 4;
const ICV_BYTES = 16;
const MAX_RECORD = 66_000;
/** The comment is longer than what is left out by no more than this. */
const COMMENT_ROOM = 96;
