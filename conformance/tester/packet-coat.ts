/** What stands around a packet for some endpoints: the CRC, or the protection of a secure domain. */
import { CRC32C_START, crc32cEnd, crc32cUpdate, parseAddress } from '@verbena/core/wire';
import type { Route } from './lane.ts';
import { join } from './packets.ts';

export interface PacketCoat {
  put(bytes: Uint8Array, route: Route): Uint8Array;
  /** @returns undefined for a packet that does not check */
  take(bytes: Uint8Array, route: Route): Uint8Array | undefined;
}

/** @spec uet:pds/1.7 · uet:pds/8 D3, D4 */
export const CRC_COAT: PacketCoat = {
  put(bytes, route) {
    const trailer = new DataView(new ArrayBuffer(CRC_BYTES));
    trailer.setUint32(0, crcOf(bytes, route), true);
    return join(bytes, new Uint8Array(trailer.buffer));
  },
  take(bytes, route) {
    const end = bytes.length - CRC_BYTES;
    if (end < 0) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const body = bytes.subarray(0, end);
    return view.getUint32(end, true) === crcOf(body, route) ? body : undefined;
  },
};

/** The addresses of a route, 4 or 16 bytes each. */
export const addressesOf = (route: Route): [Uint8Array, Uint8Array] => [
  addressBytes(route.source.address),
  addressBytes(route.destination.address),
];

function crcOf(body: Uint8Array, route: Route): number {
  const udp = new DataView(new ArrayBuffer(UDP_BYTES));
  udp.setUint16(0, route.source.port);
  udp.setUint16(2, route.destination.port);
  udp.setUint16(4, UDP_BYTES + body.length + CRC_BYTES);
  const covered = join(...addressesOf(route), new Uint8Array(udp.buffer), body);
  return crc32cEnd(crc32cUpdate(CRC32C_START, covered, 0, covered.length));
}

function addressBytes(text: string): Uint8Array {
  const bytes = parseAddress(text)!;
  return text.includes(':') ? bytes : bytes.slice(12);
}

const CRC_BYTES = 4;
const UDP_BYTES = 8;
