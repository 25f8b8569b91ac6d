/** Reader for classic pcap files: microseconds and nanoseconds, both byte orders. */
import { type CapturedFrame, CaptureError } from './capture.ts';
import { isPcapng, readPcapng } from './pcapng-reader.ts';

/**
 * Frames of a pcapng or pcap file, told apart by their first bytes.
 *
 * Damage shows when the reader gets there: frames before it have been yielded by then.
 *
 * @throws CaptureError for a damaged file, and for one that is no capture
 */
export function readCapture(file: Uint8Array): Generator<CapturedFrame, void, void> {
  return isPcapng(file) ? readPcapng(file) : readPcap(file);
}

/**
 * Frames of a pcap file.
 *
 * @throws CaptureError
 */
export function* readPcap(file: Uint8Array): Generator<CapturedFrame, void, void> {
  if (file.length < FILE_HEADER_BYTES) throw new CaptureError(0, 'too short for a pcap file header');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const kind = KINDS.find(({ magic, little }) => view.getUint32(0, little) === magic);
  if (kind === undefined) throw new CaptureError(0, 'neither pcap nor pcapng: unknown first bytes');
  const { little, fractionNs } = kind;
  // The upper bits of the word tell the length of the frame check sequence.
  const linkType = view.getUint32(LINK_TYPE_OFFSET, little) & 0xffff;
  for (let at = FILE_HEADER_BYTES; at < file.length; ) {
    if (file.length - at < RECORD_HEADER_BYTES) throw new CaptureError(at, 'record header is cut off');
    const seconds = view.getUint32(at, little);
    const fraction = view.getUint32(at + 4, little);
    const length = view.getUint32(at + 8, little);
    const originalLength = view.getUint32(at + 12, little);
    const start = at + RECORD_HEADER_BYTES;
    if (length > file.length - start) throw new CaptureError(at, `record of ${length} bytes is cut off`);
    const timestampNs = BigInt(seconds) * 1_000_000_000n + BigInt(fraction) * fractionNs;
    yield { data: file.subarray(start, start + length), originalLength, linkType, timestampNs, interface: 0 };
    at = start + length;
  }
}

const FILE_HEADER_BYTES = 24;
const LINK_TYPE_OFFSET = 20;
const RECORD_HEADER_BYTES = 16;
const KINDS = [
  { magic: 0xa1b2_c3d4, little: true, fractionNs: 1000n },
  { magic: 0xa1b2_c3d4, little: false, fractionNs: 1000n },
  { magic: 0xa1b2_3c4d, little: true, fractionNs: 1n },
  { magic: 0xa1b2_3c4d, little: false, fractionNs: 1n },
];
