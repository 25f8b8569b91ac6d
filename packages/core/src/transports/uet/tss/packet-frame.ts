/**
 * What a packet's protection depends on beside the packet: addresses and what stands between them and the security
 * header. From it come the authenticated bytes and the initialisation vector.
 *
 * @spec uet:tss/8 uet:tss/9
 */
import { IV_BYTES } from '../../../engine/cipher.ts';
import type { Datagram } from '../../../engine/seal.ts';
import type { SecurityFields } from './security-fields.ts';

/**
 * What stands between the addresses and the security header, and is authenticated with them.
 *
 * `native`: the entropy header; its two halves are the ports of the datagram. `udp`: the UDP header, with a checksum of 0.
 * `addresses`: nothing. Behind a UDP socket neither the port of a packet's route nor its checksum is seen, so that is what
 * UDP uses unless told. @spec uet:tss/9.3
 */
export type Framing = 'native' | 'udp' | 'addresses';

/** Writes the authenticated bytes. @returns how many */
export function writeAad(
  into: Uint8Array,
  datagram: Datagram,
  framing: Framing,
  header: Uint8Array,
  at: number,
  headerBytes: number,
): number {
  const { source, destination } = datagram;
  const from = isMapped(source) ? 12 : 0;
  let end = 0;
  for (let i = from; i < 16; i++) into[end++] = source[i]!;
  for (let i = from; i < 16; i++) into[end++] = destination[i]!;
  if (framing !== 'addresses') {
    end = writeHalf(into, end, datagram.sourcePort);
    end = writeHalf(into, end, datagram.destinationPort);
    if (framing === 'udp') {
      end = writeHalf(into, end, datagram.length + UDP_BYTES);
      end = writeHalf(into, end, 0);
    }
  }
  for (let i = 0; i < headerBytes; i++) into[end++] = header[at + i]!;
  return end;
}

/** Writes the initialisation vector, and applies the mask. @param mask - zeros for none */
export function writeIv(
  into: Uint8Array,
  fields: SecurityFields,
  source: Uint8Array,
  mask: Uint8Array,
  header: Uint8Array,
  at: number,
): void {
  if (fields.hasSsi) writeWord(into, fields.ssi);
  else if (isMapped(source)) for (let i = 0; i < 4; i++) into[i] = source[12 + i]!;
  else writeWord(into, fields.sdi);
  // epoch and counter are the last eight bytes of the header
  const counters = at + fields.length - 8;
  for (let i = 0; i < 8; i++) into[4 + i] = header[counters + i]!;
  for (let i = 0; i < IV_BYTES; i++) into[i]! ^= mask[i]!;
}

/** An IPv4 address in its 16-byte form. */
export function isMapped(address: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return false;
  return address[10] === 0xff && address[11] === 0xff;
}

function writeHalf(into: Uint8Array, at: number, value: number): number {
  into[at] = value >>> 8;
  into[at + 1] = value;
  return at + 2;
}

export function writeWord(into: Uint8Array, value: number, at = 0): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

const UDP_BYTES = 8;
/** Two IPv6 addresses, a UDP header and the longer security header. */
export const MAX_AAD_BYTES = 2 * 16 + 8 + 16;
