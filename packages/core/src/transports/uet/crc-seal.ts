/**
 * The UET CRC as the stage that hosts run: addresses, UDP header, and everything behind it. The UDP checksum counts as
 * zero, because the two sums would cover each other. @spec uet:pds/1.7 uet:pds/8 D3 uet:pds/8 D4
 */
import { isIpv4 } from '../../base/ip-address.ts';
import type { Datagram, Seal } from '../../engine/seal.ts';
import { CRC32C_START, crc32cEnd, crc32cUpdate } from '../../wire/crc32c.ts';
import { UET_CRC_BYTES } from '../../wire/uet/crc.ts';

const update = (state: number, bytes: Uint8Array, at: number, length: number): number =>
  crc32cUpdate(state, bytes, at, at + length);

export const uetCrcSeal: Seal = crcSeal(beginUdp);

/** For packets directly over IP, with the entropy header in the place of UDP's. @spec uet:pds/1.3 */
export const nativeCrcSeal: Seal = crcSeal(beginNative);

function crcSeal(begin: Seal['begin']): Seal {
  return {
    bytes: UET_CRC_BYTES,
    checksum: 'crc32c',
    begin,
    headers: update,
    update,
    // nothing in it changes on the way: headers are as good as payload
    headerLength: () => 0,
    write(state, bytes, at) {
      const crc = crc32cEnd(state);
      for (let i = 0; i < UET_CRC_BYTES; i++) bytes[at + i] = (crc >>> (8 * i)) & 0xff;
    },
    matches(state, _datagram, bytes, at) {
      const crc = crc32cEnd(state);
      for (let i = 0; i < UET_CRC_BYTES; i++) if (bytes[at + i] !== ((crc >>> (8 * i)) & 0xff)) return false;
      return true;
    },
  };
}

function beginUdp(datagram: Datagram): number {
  put16(4, datagram.length + UDP_BYTES);
  return begin(datagram, UDP_BYTES);
}

function beginNative(datagram: Datagram): number {
  return begin(datagram, ENTROPY_BYTES);
}

/** Addresses, and the header in front of the transport's, which begins with two ports. */
function begin({ source, destination, sourcePort, destinationPort }: Datagram, headerBytes: number): number {
  const from = isIpv4(destination) ? IPV4_AT : 0;
  let state = crc32cUpdate(CRC32C_START, source, from, ADDRESS_BYTES);
  state = crc32cUpdate(state, destination, from, ADDRESS_BYTES);
  put16(0, sourcePort);
  put16(2, destinationPort);
  return crc32cUpdate(state, FRONT, 0, headerBytes);
}

function put16(at: number, value: number): void {
  FRONT[at] = value >>> 8;
  FRONT[at + 1] = value & 0xff;
}

const ADDRESS_BYTES = 16;
/** Where the four bytes of ::ffff:a.b.c.d begin. */
const IPV4_AT = 12;
const UDP_BYTES = 8;
const ENTROPY_BYTES = 4;
/** The last two bytes of a UDP header, the checksum, stay zero. */
const FRONT = new Uint8Array(UDP_BYTES);
