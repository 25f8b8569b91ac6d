/**
 * Writer for pcapng capture files. Each function makes one whole block; a file is a section header, one block per
 * interface, then packets. Little-endian, timestamps in nanoseconds. The reader is in `pcapng-reader.ts`.
 */
import { encodeUtf8 } from '../base/utf8.ts';

/** Block types and option codes (IETF opsawg-pcapng §4). */
export const PCAPNG = Object.freeze({
  SECTION: 0x0a0d_0d0a,
  INTERFACE: 1,
  SIMPLE_PACKET: 3,
  ENHANCED_PACKET: 6,
  BYTE_ORDER: 0x1a2b_3c4d,
  OPTION_END: 0,
  OPTION_COMMENT: 1,
  SECTION_APPLICATION: 4,
  INTERFACE_NAME: 2,
  INTERFACE_DESCRIPTION: 3,
  INTERFACE_RESOLUTION: 9,
  INTERFACE_OFFSET: 14,
  PACKET_FLAGS: 2,
  FLAG_IN: 1,
  FLAG_OUT: 2,
});

/** Section header: the first block of a file. */
export function pcapngSection(about: { application?: string; comment?: string } = {}): Uint8Array {
  return block(
    PCAPNG.SECTION,
    16,
    0,
    [...textOption(PCAPNG.SECTION_APPLICATION, about.application), ...textOption(PCAPNG.OPTION_COMMENT, about.comment)],
    (view, at) => {
      view.setUint32(at, PCAPNG.BYTE_ORDER, true);
      view.setUint16(at + 4, 1, true);
      // Length of the section: unknown, as everywhere where a file is written while it grows.
      view.setUint32(at + 8, 0xffff_ffff, true);
      view.setUint32(at + 12, 0xffff_ffff, true);
    },
  );
}

/** Interface description; interfaces are numbered from 0 in the order of their blocks. */
export function pcapngInterface(about: {
  linkType: number;
  name?: string;
  description?: string;
  /** Longest part of a frame that is kept; 0 means no limit. */
  snapLength?: number;
}): Uint8Array {
  const options = [
    ...textOption(PCAPNG.INTERFACE_NAME, about.name),
    ...textOption(PCAPNG.INTERFACE_DESCRIPTION, about.description),
    { code: PCAPNG.INTERFACE_RESOLUTION, value: Uint8Array.of(9) },
  ];
  return block(PCAPNG.INTERFACE, 8, 0, options, (view, at) => {
    view.setUint16(at, about.linkType, true);
    view.setUint32(at + 4, about.snapLength ?? 0, true);
  });
}

/** One frame of an interface. */
export function pcapngPacket(packet: {
  /** Number of the interface; 0 unless told. */
  interface?: number;
  /** Nanoseconds since the epoch, or since the start of a simulation. */
  timestampNs: number | bigint;
  /** The frame, in one piece or as pieces that follow each other. */
  data: Uint8Array | readonly Uint8Array[];
  /** Length on the wire when the frame was cut. */
  originalLength?: number;
  direction?: 'in' | 'out';
  comment?: string;
}): Uint8Array {
  const pieces = packet.data instanceof Uint8Array ? [packet.data] : packet.data;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const options = [...flagsOption(packet.direction), ...textOption(PCAPNG.OPTION_COMMENT, packet.comment)];
  return block(PCAPNG.ENHANCED_PACKET, 20, length, options, (view, at, bytes) => {
    const time = BigInt(packet.timestampNs);
    view.setUint32(at, packet.interface ?? 0, true);
    view.setUint32(at + 4, Number(BigInt.asUintN(32, time >> 32n)), true);
    view.setUint32(at + 8, Number(BigInt.asUintN(32, time)), true);
    view.setUint32(at + 12, length, true);
    view.setUint32(at + 16, packet.originalLength ?? length, true);
    let to = at + 20;
    for (const piece of pieces) {
      bytes.set(piece, to);
      to += piece.length;
    }
  });
}

/** Type, length, fixed part, data padded to a word, options, length again. */
function block(
  type: number,
  fixed: number,
  dataLength: number,
  options: readonly Option[],
  fill: (view: DataView, at: number, bytes: Uint8Array) => void,
): Uint8Array {
  const optionBytes = options.reduce((sum, { value }) => sum + 4 + padded(value.length), options.length === 0 ? 0 : 4);
  const total = 8 + fixed + padded(dataLength) + optionBytes + 4;
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, total, true);
  fill(view, 8, bytes);
  let at = 8 + fixed + padded(dataLength);
  for (const { code, value } of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  view.setUint32(total - 4, total, true);
  return bytes;
}

function textOption(code: number, text: string | undefined): Option[] {
  return text === undefined ? [] : [{ code, value: encodeUtf8(text).subarray(0, MAX_OPTION_BYTES) }];
}

function flagsOption(direction: 'in' | 'out' | undefined): Option[] {
  if (direction === undefined) return [];
  const flag = direction === 'in' ? PCAPNG.FLAG_IN : PCAPNG.FLAG_OUT;
  return [{ code: PCAPNG.PACKET_FLAGS, value: Uint8Array.of(flag, 0, 0, 0) }];
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

interface Option {
  readonly code: number;
  readonly value: Uint8Array;
}

const MAX_OPTION_BYTES = 0xffff;
