/** Random changes to bytes, most of them at the borders of things. */
import type { SeededRandom } from '@verbena/core';

/** One to four changes. `others` give bytes to splice in. */
export function mutate(random: SeededRandom, original: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let bytes: Uint8Array = original.slice();
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    bytes = CHANGES[random.below(CHANGES.length)]!(random, bytes, others);
  }
  return bytes.length > MAX_BYTES ? bytes.slice(0, MAX_BYTES) : bytes;
}

type Change = (random: SeededRandom, bytes: Uint8Array, others: readonly Uint8Array[]) => Uint8Array;

const LIMITS = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** A place in the bytes, near the start more often than not: headers are there. */
const place = (random: SeededRandom, length: number): number =>
  random.below(random.chance(0.7) ? Math.min(length, HEAD) : length);

const CHANGES: readonly Change[] = [
  // a bit
  (random, bytes) => {
    if (bytes.length > 0) bytes[place(random, bytes.length)]! ^= 1 << random.below(8);
    return bytes;
  },
  // a byte
  (random, bytes) => {
    if (bytes.length > 0) bytes[place(random, bytes.length)] = random.below(256);
    return bytes;
  },
  // a word at a limit, big- or little-endian
  (random, bytes) => {
    const width = random.chance(0.5) ? 2 : 4;
    if (bytes.length < width) return bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const at = Math.min(bytes.length - width, place(random, bytes.length) & ~1);
    const value = LIMITS[random.below(LIMITS.length)]!;
    const little = random.chance(0.2);
    if (width === 2) view.setUint16(at, value & 0xffff, little);
    else view.setUint32(at, value, little);
    return bytes;
  },
  // a word a little more or less
  (random, bytes) => {
    if (bytes.length < 4) return bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const at = Math.min(bytes.length - 4, place(random, bytes.length) & ~1);
    view.setUint32(at, view.getUint32(at) + random.below(33) - 16);
    return bytes;
  },
  (random, bytes) => bytes.slice(0, random.below(bytes.length + 1)),
  (random, bytes) => {
    const longer = new Uint8Array(bytes.length + 1 + random.below(64));
    longer.set(bytes);
    return longer;
  },
  // the head of one and the tail of another
  (random, bytes, others) => {
    const other = others[random.below(others.length)];
    if (other === undefined) return bytes;
    const cut = random.below(Math.min(bytes.length, other.length) + 1);
    const spliced = other.slice();
    spliced.set(bytes.subarray(0, cut));
    return spliced;
  },
  // a stretch of another one at the same place
  (random, bytes, others) => {
    const other = others[random.below(others.length)];
    const shared = Math.min(bytes.length, other?.length ?? 0);
    if (other === undefined || shared === 0) return bytes;
    const at = place(random, shared);
    bytes.set(other.subarray(at, Math.min(shared, at + 1 + random.below(8))), at);
    return bytes;
  },
];
const HEAD = 64;
const MAX_BYTES = 4096;
