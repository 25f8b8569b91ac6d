/**
 * CRC-32 of Ethernet, sixteen bytes at a time: the checksum of RoCEv2.
 *
 * The state is the checksum of what came before, 0 for nothing, as in zlib's `crc32(data, state)`: a host that has that
 * natively may use it in the middle of a sum. Sixteen tables of 256 words are made at the first use.
 */

/**
 * Continues a sum with a range.
 *
 * @param state - checksum of the bytes before, 0 for none
 * @returns checksum of those and these, signed: a number above 2^31 would be an object
 */
export function crc32(state: number, bytes: Uint8Array, start = 0, end = bytes.length): number {
  if (start < 0 || end > bytes.length) throw new RangeError('CRC range is outside of the buffer');
  const t = TABLES ?? (TABLES = makeTables());
  if (end - start >= LONG) return long(t, state, bytes, start, end);
  let crc = ~state;
  for (let i = start; i < end; i++) crc = (crc >>> 8) ^ t[(crc ^ bytes[i]!) & 255]!;
  return ~crc;
}

/** Whole words are read through a view, which is made once for each buffer. */
function long(t: Int32Array, state: number, bytes: Uint8Array, start: number, end: number): number {
  const view = viewOf(bytes.buffer);
  const offset = bytes.byteOffset;
  const last = offset + end;
  let crc = ~state;
  let i = offset + start;
  for (; i <= last - 16; i += 16) {
    const a = crc ^ view.getInt32(i, true);
    const b = view.getInt32(i + 4, true);
    const c = view.getInt32(i + 8, true);
    const d = view.getInt32(i + 12, true);
    crc =
      t[0xf00 + (a & 255)]! ^
      t[0xe00 + ((a >>> 8) & 255)]! ^
      t[0xd00 + ((a >>> 16) & 255)]! ^
      t[0xc00 + (a >>> 24)]! ^
      t[0xb00 + (b & 255)]! ^
      t[0xa00 + ((b >>> 8) & 255)]! ^
      t[0x900 + ((b >>> 16) & 255)]! ^
      t[0x800 + (b >>> 24)]! ^
      t[0x700 + (c & 255)]! ^
      t[0x600 + ((c >>> 8) & 255)]! ^
      t[0x500 + ((c >>> 16) & 255)]! ^
      t[0x400 + (c >>> 24)]! ^
      t[0x300 + (d & 255)]! ^
      t[0x200 + ((d >>> 8) & 255)]! ^
      t[0x100 + ((d >>> 16) & 255)]! ^
      t[d >>> 24]!;
  }
  for (; i < last; i++) crc = (crc >>> 8) ^ t[(crc ^ view.getUint8(i)) & 255]!;
  return ~crc;
}

function viewOf(buffer: ArrayBufferLike): DataView {
  let view = VIEWS.get(buffer);
  if (view === undefined) {
    view = new DataView(buffer);
    VIEWS.set(buffer, view);
  }
  return view;
}

/** Table k advances a byte that has k more bytes behind it in its group of sixteen. */
function makeTables(): Int32Array {
  const tables = new Int32Array(16 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let i = 0; i < 8; i++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ CRC32_POLYNOMIAL;
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256]!;
    tables[i] = (before >>> 8) ^ tables[before & 255]!;
  }
  return tables;
}

/** The polynomial, bit 31 standing for x^0. */
export const CRC32_POLYNOMIAL = 0xedb8_8320 | 0;
/** Bytes from which a view pays. */
const LONG = 64;
const VIEWS = new WeakMap<ArrayBufferLike, DataView>();
let TABLES: Int32Array | undefined;
