/**
 * The UET CRC: last four bytes of an IP packet without security (uet:pds/1.7, uet:pds/8 D3 and D4).
 *
 * It covers everything from the IP source address on, so routers may change what stands before it (TTL, DSCP, ECN,
 * header checksum) and address translation breaks it. With a UDP checksum the two sums would cover each other; D4
 * says that the checksum then counts as zero.
 */
import { CRC32C_START, crc32cEnd, crc32cUpdate } from '../crc32c.ts';
import { bits, header } from '../header.ts';
import { IpProtocol } from '../ip/protocols.ts';

/** The trailer as it lies in the packet; the number in it is little-endian, so this is its byte-swapped form. */
export const UetCrcTrailer = header('UET CRC', 'uet:pds/1.7', { crc: bits(32, 'CRC-32C, as stored').hex() });

/** Bytes that the CRC adds to a packet. */
export const UET_CRC_BYTES = 4;

/**
 * CRC of an IP packet.
 *
 * @param packet - begins with the IP header (4 or 6 in its first nibble), at least 20 or 40 bytes
 * @param end - where the CRC stands: one past the last byte that it covers
 * @returns the number; it is stored little-endian
 */
export function uetCrc(packet: Uint8Array, end: number): number {
  const v6 = packet[0]! >> 4 === 6;
  const ipEnd = v6 ? 40 : (packet[0]! & 15) * 4;
  const checksum = ipEnd + UDP_CHECKSUM_OFFSET;
  const isUdp = packet[v6 ? 6 : 9] === IpProtocol.UDP && checksum + 2 <= end;
  const start = v6 ? 8 : 12;
  if (!isUdp) return crc32cEnd(crc32cUpdate(CRC32C_START, packet, start, end));
  let state = crc32cUpdate(CRC32C_START, packet, start, checksum);
  state = crc32cUpdate(state, NO_CHECKSUM, 0, 2);
  return crc32cEnd(crc32cUpdate(state, packet, checksum + 2, end));
}

/** Stores the CRC behind a packet that ends at `end`; four more bytes must be there. */
export function sealUetCrc(packet: Uint8Array, end: number): void {
  viewOf(packet).setUint32(end, uetCrc(packet, end), true);
}

/** Whether the last four bytes of an IP packet are its CRC. */
export function checkUetCrc(packet: Uint8Array): boolean {
  const end = packet.length - UET_CRC_BYTES;
  return end >= MIN_IP_BYTES && viewOf(packet).getUint32(end, true) === uetCrc(packet, end);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const UDP_CHECKSUM_OFFSET = 6;
const MIN_IP_BYTES = 20;
const NO_CHECKSUM = new Uint8Array(2);
