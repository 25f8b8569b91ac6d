/**
 * CRC-32C (Castagnoli), eight bytes at a time.
 *
 * Used by UET without security, by MPA (iWARP) and by tools. Eight tables of 256 words are made at the first use.
 */

/** CRC-32C of a range: initial value and final inversion included. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  return crc32cEnd(crc32cUpdate(CRC32C_START, bytes, start, end));
}

/** State before the first byte, for sums over several pieces. */
export const CRC32C_START = 0xffff_ffff;

/** Continues a sum with a range; the state is not yet the checksum. */
export function crc32cUpdate(state: number, bytes: Uint8Array, start: number, end: number): number {
  if (start < 0 || end > bytes.length) throw new RangeError('CRC range is outside of the buffer');
  let crc = state | 0;
  let i = start;
  const t = TABLES ?? (TABLES = makeTables());
  for (const last = end - 8; i <= last; i += 8) {
    crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    crc =
      t[0x700 + (crc & 255)]! ^
      t[0x600 + ((crc >>> 8) & 255)]! ^
      t[0x500 + ((crc >>> 16) & 255)]! ^
      t[0x400 + (crc >>> 24)]! ^
      t[0x300 + bytes[i + 4]!]! ^
      t[0x200 + bytes[i + 5]!]! ^
      t[0x100 + bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!;
  }
  for (; i < end; i++) crc = (crc >>> 8) ^ t[(crc ^ bytes[i]!) & 255]!;
  return crc >>> 0;
}

/** The checksum of a finished sum. */
export function crc32cEnd(state: number): number {
  return ~state >>> 0;
}

/** Table k advances a byte that has k more bytes behind it in its group of eight. */
function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let i = 0; i < 8; i++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL_REFLECTED;
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256]!;
    tables[i] = (before >>> 8) ^ tables[before & 255]!;
  }
  return tables;
}

const POLYNOMIAL_REFLECTED = 0x82f6_3b78;
let TABLES: Int32Array | undefined;
