/**
 * Reader for pcapng: both byte orders (also within one file), several sections and interfaces, enhanced and simple
 * packets. Other blocks are stepped over. Files are untrusted: each length is checked before it is used, and memory
 * is bounded by the number of interfaces.
 */

import { decodeUtf8 } from '../base/utf8.ts';
import { type CapturedFrame, CaptureError } from './capture.ts';
import { PCAPNG } from './pcapng.ts';

/** Whether a file begins like pcapng. */
export function isPcapng(file: Uint8Array): boolean {
  return file[0] === 0x0a && file[1] === 0x0d && file[2] === 0x0d && file[3] === 0x0a;
}

/**
 * Frames of a pcapng file. Damage shows when the reader gets there: frames before it have been yielded by then.
 *
 * @throws CaptureError
 */
export function* readPcapng(file: Uint8Array): Generator<CapturedFrame, void, void> {
  if (!isPcapng(file)) throw new CaptureError(0, 'not a pcapng section header');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let little = true;
  let interfaces: Interface[] = [];
  for (let at = 0; at < file.length; ) {
    if (file.length - at < MIN_BLOCK_BYTES) throw new CaptureError(at, 'block is cut off');
    // The section header reads the same in both byte orders, and tells the order of all that follows.
    const isSection = view.getUint32(at) === PCAPNG.SECTION;
    if (isSection) little = sectionOrder(view, at);
    const type = view.getUint32(at, little);
    const total = view.getUint32(at + 4, little);
    if (total < MIN_BLOCK_BYTES || total % 4 !== 0) throw new CaptureError(at + 4, `block length ${total}`);
    if (total > file.length - at) throw new CaptureError(at + 4, `block of ${total} bytes is cut off`);
    if (view.getUint32(at + total - 4, little) !== total) {
      throw new CaptureError(at + total - 4, 'length at the end of the block differs from the one at its start');
    }
    const body: Body = { file, view, little, at: at + 8, end: at + total - 4 };
    if (isSection) interfaces = [];
    else if (type === PCAPNG.INTERFACE) {
      if (interfaces.length === MAX_INTERFACES) throw new CaptureError(at, `more than ${MAX_INTERFACES} interfaces`);
      interfaces.push(readInterface(body));
    } else if (type === PCAPNG.ENHANCED_PACKET) yield readEnhanced(body, interfaces);
    else if (type === PCAPNG.SIMPLE_PACKET) yield readSimple(body, interfaces);
    at += total;
  }
}

function sectionOrder(view: DataView, at: number): boolean {
  const little = view.getUint32(at + 8, true) === PCAPNG.BYTE_ORDER;
  if (!little && view.getUint32(at + 8) !== PCAPNG.BYTE_ORDER) throw new CaptureError(at + 8, 'unknown byte order');
  const total = view.getUint32(at + 4, little);
  if (total < 28 || view.byteLength - at < 28) throw new CaptureError(at + 4, 'section header is too short');
  const major = view.getUint16(at + 12, little);
  if (major !== 1) throw new CaptureError(at + 12, `version ${major} is not known`);
  return little;
}

function readInterface(body: Body): Interface {
  const { view, little, at } = body;
  need(body, 8);
  const made = { linkType: view.getUint16(at, little), snapLength: view.getUint32(at + 4, little) };
  let resolution = 6;
  let offsetNs = 0n;
  for (const { code, at: value, length } of options(body, at + 8)) {
    if (code === PCAPNG.INTERFACE_RESOLUTION && length >= 1) resolution = view.getUint8(value);
    if (code === PCAPNG.INTERFACE_OFFSET && length >= 8) {
      offsetNs = view.getBigInt64(value, little) * 1_000_000_000n;
    }
  }
  const exponent = BigInt(resolution & 0x7f);
  return { ...made, ticksPerSecond: (resolution & 0x80) === 0 ? 10n ** exponent : 2n ** exponent, offsetNs };
}

function readEnhanced(body: Body, interfaces: readonly Interface[]): CapturedFrame {
  const { file, view, little, at } = body;
  need(body, 20);
  const number = view.getUint32(at, little);
  const from = interfaces[number];
  if (from === undefined) throw new CaptureError(at, `interface ${number} has not been described`);
  const ticks = (BigInt(view.getUint32(at + 4, little)) << 32n) | BigInt(view.getUint32(at + 8, little));
  const length = view.getUint32(at + 12, little);
  const start = at + 20;
  if (length > body.end - start) throw new CaptureError(at + 12, `packet of ${length} bytes does not fit its block`);
  const notes: { direction?: 'in' | 'out'; comment?: string } = {};
  for (const { code, at: value, length: size } of options(body, start + ((length + 3) & ~3))) {
    if (code === PCAPNG.OPTION_COMMENT) notes.comment = decodeUtf8(file.subarray(value, value + size));
    if (code === PCAPNG.PACKET_FLAGS && size >= 4) {
      const flag = view.getUint32(value, little) & 3;
      if (flag === PCAPNG.FLAG_IN) notes.direction = 'in';
      if (flag === PCAPNG.FLAG_OUT) notes.direction = 'out';
    }
  }
  return {
    data: file.subarray(start, start + length),
    originalLength: view.getUint32(at + 16, little),
    linkType: from.linkType,
    timestampNs: (ticks * 1_000_000_000n) / from.ticksPerSecond + from.offsetNs,
    interface: number,
    ...notes,
  };
}

/** A simple packet belongs to interface 0 and does not say how much of it was kept. */
function readSimple(body: Body, interfaces: readonly Interface[]): CapturedFrame {
  const { file, view, little, at } = body;
  need(body, 4);
  const from = interfaces[0];
  if (from === undefined) throw new CaptureError(at, 'simple packet without an interface');
  const originalLength = view.getUint32(at, little);
  const kept = from.snapLength === 0 ? originalLength : Math.min(originalLength, from.snapLength);
  if (kept > body.end - at - 4) throw new CaptureError(at, `packet of ${kept} bytes does not fit its block`);
  return { data: file.subarray(at + 4, at + 4 + kept), originalLength, linkType: from.linkType, interface: 0 };
}

/** Options from `at` to the end of the block; a missing end mark is tolerated, as other readers do. */
function* options({ view, little, end }: Body, at: number): Generator<{ code: number; at: number; length: number }> {
  while (end - at >= 4) {
    const code = view.getUint16(at, little);
    const length = view.getUint16(at + 2, little);
    if (code === PCAPNG.OPTION_END) return;
    if (length > end - at - 4) throw new CaptureError(at + 2, `option of ${length} bytes does not fit its block`);
    yield { code, at: at + 4, length };
    at += 4 + ((length + 3) & ~3);
  }
}

function need({ at, end }: Body, length: number): void {
  if (end - at < length) throw new CaptureError(at, 'block is too short for its type');
}

interface Interface {
  readonly linkType: number;
  readonly snapLength: number;
  readonly ticksPerSecond: bigint;
  readonly offsetNs: bigint;
}

/** The inside of a block. */
interface Body {
  readonly file: Uint8Array;
  readonly view: DataView;
  readonly little: boolean;
  readonly at: number;
  readonly end: number;
}

const MIN_BLOCK_BYTES = 12;
const MAX_INTERFACES = 4096;
