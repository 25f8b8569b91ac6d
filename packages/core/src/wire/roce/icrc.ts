/**
 * The invariant CRC: last four bytes of a RoCEv2 packet (IBTA vol. 1 §7.8.1, annex A17).
 *
 * It covers IP header, UDP header, transport headers, payload and padding. What routers may change counts as ones:
 * type of service, TTL and header checksum of IPv4; traffic class, flow label and hop limit of IPv6; the UDP
 * checksum; and the byte of the BTH with the congestion marks. Eight bytes of ones stand in front, in place of a link
 * header that RoCEv2 does not have.
 *
 * So the sum begins with headers that a program behind a UDP socket neither writes nor sees. All but one field of them
 * follow from addresses, ports and length; packets of RoCEv2 are never fragmented and have the bit that says so. The one
 * is the identification of IPv4. *Sending*: a Linux socket that is not connected and has `IP_PMTUDISC_DO` or
 * `IP_PMTUDISC_PROBE` writes 0, and with `UDP_SEGMENT` the number of the segment in its burst, from 0. Other sockets
 * write numbers that cannot be foreseen; over them ICRCs are right only for IPv6. *Receiving*: a CRC is linear, so the
 * difference between the ICRC that came and the one for identification 0, taken back over the bytes behind the field,
 * is the identification itself, if the packet is whole. A damaged packet passes with a chance of 1 in 65,536 then,
 * instead of 1 in 4,294,967,296.
 */
import { isIpv4 } from '../../base/ip-address.ts';
import { CRC32_POLYNOMIAL, crc32 } from '../crc32.ts';
import { bits, header } from '../header.ts';
import { IpProtocol } from '../ip/protocols.ts';

/** The trailer as it lies in the packet; the number in it is little-endian, so this is its byte-swapped form. */
export const IcrcTrailer = header('ICRC', 'IBTA annex A17', { icrc: bits(32, 'CRC-32, as stored').hex() });

/** Bytes that the ICRC adds to a packet. */
export const ICRC_BYTES = 4;

/** What stands in front of the transport's bytes. */
export interface IcrcDatagram {
  /** 16 bytes each, IPv4 as ::ffff:a.b.c.d. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Bytes behind UDP, ICRC included. */
  readonly length: number;
  /** IPv4: the identification field; {@link UNKNOWN_IDENTIFICATION} where it is not seen. */
  readonly identification: number;
}

/** The state behind IP and UDP headers. An unknown identification counts as 0. */
export function icrcBegin(datagram: IcrcDatagram): number {
  const v4 = isIpv4(datagram.destination);
  const at = v4 ? beginV4(datagram) : beginV6(datagram);
  const { sourcePort, destinationPort } = datagram;
  put16(at, sourcePort);
  put16(at + 2, destinationPort);
  put16(at + 4, datagram.length + UDP_BYTES);
  put16(at + 6, MASKED);
  return crc32(AFTER_LINK_HEADER, PREFIX, 0, at + UDP_BYTES);
}

/**
 * Continues with transport headers that begin with a BTH.
 *
 * @param length - bytes of headers; payload may be among them. Fewer than a BTH has are no packet, but harm nothing
 */
export function icrcHeaders(state: number, bytes: Uint8Array, at: number, length: number): number {
  if (length <= MARKS_AT) return crc32(state, bytes, at, at + length);
  const before = crc32(state, bytes, at, at + MARKS_AT);
  const marks = crc32(before, ONES, 0, 1);
  return crc32(marks, bytes, at + MARKS_AT + 1, at + length);
}

/** Continues with payload and padding. After the last of it, the state is the ICRC. */
export function icrcUpdate(state: number, bytes: Uint8Array, at: number, length: number): number {
  return crc32(state, bytes, at, at + length);
}

/**
 * ICRC of a packet that lies in one piece.
 *
 * @param at - where the BTH begins
 * @param length - bytes from there on without the ICRC, at least those of the BTH
 */
export function icrcOf(datagram: IcrcDatagram, bytes: Uint8Array, at: number, length: number): number {
  return icrcHeaders(icrcBegin(datagram), bytes, at, length);
}

/**
 * ICRC of a whole IP packet, with whatever its headers say. Cold paths: tools and tests.
 *
 * @param packet - begins with the IP header (4 or 6 in its first nibble) and ends before the ICRC
 * @param bth - where the BTH begins, right behind UDP; all of it is there
 */
export function icrcOfIpPacket(packet: Uint8Array, bth: number): number {
  // Not slice(): on a Node buffer that would be the same memory.
  const masked = new Uint8Array(packet);
  const masks = packet[0]! >> 4 === 6 ? IPV6_MASKED : IPV4_MASKED;
  if (masks === IPV6_MASKED) masked[0]! |= 0x0f;
  for (const at of masks) masked[at] = 0xff;
  masked.fill(0xff, bth - 2, bth);
  masked[bth + MARKS_AT] = 0xff;
  return crc32(AFTER_LINK_HEADER, masked);
}

/** Stores a finished ICRC. */
export function writeIcrc(icrc: number, bytes: Uint8Array, at: number): void {
  bytes[at] = icrc;
  bytes[at + 1] = icrc >>> 8;
  bytes[at + 2] = icrc >>> 16;
  bytes[at + 3] = icrc >>> 24;
}

/** The ICRC that is stored at an offset, signed. */
export function readIcrc(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/**
 * Whether a stored ICRC is that of the packet.
 *
 * @param icrc - the finished sum
 * @param at - where the ICRC is stored
 * @param length - bytes behind UDP, without the ICRC
 */
export function icrcMatches(
  icrc: number,
  datagram: IcrcDatagram,
  bytes: Uint8Array,
  at: number,
  length: number,
): boolean {
  const stored = readIcrc(bytes, at);
  if (stored === (icrc | 0)) return true;
  if (datagram.identification !== UNKNOWN_IDENTIFICATION || !isIpv4(datagram.destination)) return false;
  return identificationOf(stored, icrc, length) >= 0;
}

/**
 * The IPv4 identification with which a packet has the ICRC that it came with.
 *
 * @param stored - the ICRC that came
 * @param icrc - the ICRC that it would have with identification 0
 * @param length - bytes behind UDP, without the ICRC
 * @returns 0 to 65535, or -1 when there is none, and so the packet is damaged, or longer than any of RoCEv2
 */
export function identificationOf(stored: number, icrc: number, length: number): number {
  if (length < 0 || length > MAX_COVERED_BYTES) return -1;
  const powers = INVERSE_POWERS ?? (INVERSE_POWERS = makeInversePowers());
  const field = multiply(stored ^ icrc, powers[length + BEHIND_IDENTIFICATION]!);
  return field >>> 16 === 0 ? ((field & 255) << 8) | (field >>> 8) : -1;
}

/** Stands for an IPv4 identification that the host does not see. */
export const UNKNOWN_IDENTIFICATION = -1;

/** @returns where UDP begins */
function beginV4({ source, destination, length, identification }: IcrcDatagram): number {
  PREFIX[0] = 0x45;
  PREFIX[1] = 0xff;
  put16(2, length + UDP_BYTES + IPV4_BYTES);
  put16(4, identification === UNKNOWN_IDENTIFICATION ? 0 : identification);
  put16(6, DONT_FRAGMENT);
  PREFIX[8] = 0xff;
  PREFIX[9] = IpProtocol.UDP;
  put16(10, MASKED);
  for (let i = 0; i < 4; i++) {
    PREFIX[12 + i] = source[12 + i]!;
    PREFIX[16 + i] = destination[12 + i]!;
  }
  return IPV4_BYTES;
}

/** @returns where UDP begins */
function beginV6({ source, destination, length }: IcrcDatagram): number {
  PREFIX[0] = 0x6f;
  PREFIX[1] = 0xff;
  put16(2, MASKED);
  put16(4, length + UDP_BYTES);
  PREFIX[6] = IpProtocol.UDP;
  PREFIX[7] = 0xff;
  for (let i = 0; i < 16; i++) {
    PREFIX[8 + i] = source[i]!;
    PREFIX[24 + i] = destination[i]!;
  }
  return IPV6_BYTES;
}

function put16(at: number, value: number): void {
  PREFIX[at] = value >>> 8;
  PREFIX[at + 1] = value;
}

/** Product of two polynomials modulo that of the CRC; bit 31 stands for x^0. */
function multiply(left: number, right: number): number {
  let a = left | 0;
  let b = right | 0;
  let product = 0;
  for (let bit = 0; bit < 32; bit++) {
    product ^= b & (a >> 31);
    a <<= 1;
    b = timesX(b);
  }
  return product;
}

function timesX(value: number): number {
  return (value >>> 1) ^ (CRC32_POLYNOMIAL & -(value & 1));
}

function overX(value: number): number {
  return value < 0 ? ((value ^ CRC32_POLYNOMIAL) << 1) | 1 : value << 1;
}

/** Entry n takes a difference back over n bytes: x^(-8n). */
function makeInversePowers(): Int32Array {
  const powers = new Int32Array(MAX_COVERED_BYTES + BEHIND_IDENTIFICATION + 1);
  let value = 1 << 31;
  for (let n = 0; n < powers.length; n++) {
    powers[n] = value;
    for (let bit = 0; bit < 8; bit++) value = overX(value);
  }
  return powers;
}

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const UDP_BYTES = 8;
/** From the identification of IPv4 to the end of UDP. */
const BEHIND_IDENTIFICATION = IPV4_BYTES - 4 + UDP_BYTES;
/** Type of service, TTL and header checksum. */
const IPV4_MASKED: readonly number[] = [1, 8, 10, 11];
/** Traffic class with the nibble before it, flow label and hop limit. */
const IPV6_MASKED: readonly number[] = [1, 2, 3, 7];
const DONT_FRAGMENT = 0x4000;
const MASKED = 0xffff;
/** Byte of the BTH with FECN, BECN and reserved bits. */
const MARKS_AT = 4;
/** The sum over eight bytes of ones. */
const AFTER_LINK_HEADER = 0x2144_df1c;
/** Largest payload and more than all headers of any opcode. */
const MAX_COVERED_BYTES = 4096 + 512;
const PREFIX = new Uint8Array(IPV6_BYTES + UDP_BYTES);
const ONES = Uint8Array.of(0xff);
let INVERSE_POWERS: Int32Array | undefined;
