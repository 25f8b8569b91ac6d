/** Frames from a capture file or from hexadecimal text, each with what it begins with. */
import {
  type CapturedFrame,
  CaptureError,
  type Dissected,
  type DissectOptions,
  dissectFrame,
  dissectRoce,
  dissectUet,
  Ipv4,
  ipv4Checksum,
  LinkType,
  readCapture,
} from '@verbena/core/wire';
import { BadInput, refusal } from '../failure.ts';
import { parseHexPackets } from './hex-text.ts';

/** Where the bytes of a packet begin. */
export const STARTS = ['uet', 'roce', 'ip', 'eth'] as const;
export type Start = (typeof STARTS)[number];

export interface Frame {
  /** From 1. */
  readonly number: number;
  readonly data: Uint8Array;
  readonly originalLength: number;
  readonly timestampNs?: bigint | undefined;
  readonly direction?: 'in' | 'out' | undefined;
  readonly comment?: string | undefined;
  dissect(): Dissected;
}

/**
 * The frames of a file.
 *
 * @param options - with `open` protected packets are opened in the bytes of the frame
 * @param as - where packets begin; captures know it, for text it is guessed
 * @throws BadInput when the file is neither a capture nor text · VerbsError when a capture is damaged
 */
export function* framesOf(file: Uint8Array, as: Start | undefined, options: DissectOptions): Generator<Frame> {
  if (file.length === 0) throw new BadInput('the input is empty', 'a pcap or pcapng file, or bytes in hexadecimal');
  let number = 0;
  if (isCapture(file)) {
    try {
      for (const frame of readCapture(file)) yield frameOf(++number, frame, as, options);
    } catch (thrown) {
      if (!(thrown instanceof CaptureError)) throw thrown;
      throw refusal('EIO', 'decode', `the capture is damaged behind frame ${number}: ${thrown.message}`, {
        given: `${number} frames were read`,
      });
    }
    return;
  }
  const text = asText(file);
  if (text === undefined)
    throw new BadInput('the input is neither pcap nor pcapng nor text', 'a capture, or bytes in hexadecimal');
  const packets = parseHexPackets(text);
  if (packets.length === 0) throw new BadInput('the input has no packet in it', 'bytes such as 10 03 00 00');
  for (const data of packets) {
    const linkType = as === undefined ? guessLink(data) : LINKS[as];
    yield frameOf(++number, { data, originalLength: data.length, linkType, interface: 0 }, as, options);
  }
}

function frameOf(number: number, frame: CapturedFrame, as: Start | undefined, options: DissectOptions): Frame {
  const { data, originalLength, timestampNs, direction, comment } = frame;
  const link = as === undefined ? frame.linkType : LINKS[as];
  const dissect = () =>
    link === UET_BYTES
      ? dissectUet(data, 0, data.length, options)
      : link === ROCE_BYTES
        ? dissectRoce(data, 0, data.length, options)
        : dissectFrame(data, link, options);
  return { number, data, originalLength, timestampNs, direction, comment, dissect };
}

function isCapture(file: Uint8Array): boolean {
  if (file.length < 4) return false;
  const magic = new DataView(file.buffer, file.byteOffset, 4).getUint32(0);
  return CAPTURE_MAGICS.has(magic);
}

function asText(file: Uint8Array): string | undefined {
  if (file.subarray(0, 4096).includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(file);
  } catch {
    return undefined;
  }
}

/** An IP header with a right checksum or length is one; everything else is taken for UET. */
function guessLink(data: Uint8Array): number {
  if (looksLikeIp(data, 0)) return LinkType.RAW;
  if (data.length > 14) {
    const type = (data[12]! << 8) | data[13]!;
    if ((type === 0x0800 || type === 0x86dd) && looksLikeIp(data, 14)) return LinkType.ETHERNET;
  }
  return UET_BYTES;
}

function looksLikeIp(data: Uint8Array, at: number): boolean {
  const left = data.length - at;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (left >= 20 && data[at]! >> 4 === 4 && (data[at]! & 15) >= 5) {
    return Ipv4.totalLength.get(view, at) === left || ipv4Checksum(view, at, 20) === Ipv4.checksum.get(view, at);
  }
  return left >= 40 && data[at]! >> 4 === 6 && view.getUint16(at + 4) === left - 40;
}

/** Not a link type: bytes that begin at the PDS prologue. */
const UET_BYTES = -1;
/** The same for bytes that begin at the BTH, and end before the ICRC. */
const ROCE_BYTES = -2;
const LINKS: Readonly<Record<Start, number>> = {
  uet: UET_BYTES,
  roce: ROCE_BYTES,
  ip: LinkType.RAW,
  eth: LinkType.ETHERNET,
};
/** pcap in both byte orders and resolutions, pcapng. */
const CAPTURE_MAGICS = new Set([0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0x0a0d0d0a]);
