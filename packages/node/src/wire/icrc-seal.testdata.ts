/** The seal of RoCEv2 for stand-ins whose headers are 20 bytes, whatever they mean, and its checksum by other means. */
import { crc32 } from 'node:zlib';
import type { Seal } from '@verbena/core';
import { ICRC_BYTES, icrcBegin, icrcHeaders, icrcMatches, icrcUpdate, writeIcrc } from '@verbena/core/wire';

export const STAND_IN_HEADERS = 20;

export const icrcSeal: Seal = {
  bytes: ICRC_BYTES,
  checksum: 'crc32',
  begin: icrcBegin,
  headers: icrcHeaders,
  update: icrcUpdate,
  headerLength: (_bytes, _at, length) => Math.min(STAND_IN_HEADERS, length),
  write: writeIcrc,
  matches: icrcMatches,
};

/** What a frame says of itself, from its IP header on. */
export interface SealedFrame {
  /** Of IPv4; -1 for IPv6. */
  readonly identification: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Bytes behind UDP, without the seal. */
  readonly transport: Uint8Array;
  /** The ICRC is the one of this frame. */
  readonly whole: boolean;
}

/** Reads a frame that begins with its IP header and carries UDP; undefined for others. */
export function readSealedFrame(frame: Uint8Array): SealedFrame | undefined {
  const v4 = frame[0]! >> 4 === 4;
  const udp = v4 ? 20 : 40;
  if (frame[v4 ? 9 : 6] !== 17) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset);
  const end = v4 ? view.getUint16(2) : 40 + view.getUint16(4);
  const masked = Uint8Array.from(frame.subarray(0, end - 4));
  // IBTA annex A17: fields that change on the way count as ones
  for (const at of v4 ? [1, 8, 10, 11] : [1, 2, 3, 7]) masked[at] = 0xff;
  if (!v4) masked[0]! |= 0x0f;
  for (const at of [6, 7, 8 + 4]) masked[udp + at] = 0xff;
  const icrc = crc32(masked, crc32(new Uint8Array(8).fill(0xff)));
  return {
    identification: v4 ? view.getUint16(4) : -1,
    sourcePort: view.getUint16(udp),
    destinationPort: view.getUint16(udp + 2),
    transport: Uint8Array.from(frame.subarray(udp + 8, end - 4)),
    whole: icrc === view.getUint32(end - 4, true),
  };
}
