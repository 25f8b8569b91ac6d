/** Numbers in memory are little-endian, on most wires big-endian. */

/** Turns the bytes of each number of `size` bytes round, in place. */
export function reverseEach(bytes: Uint8Array, at: number, length: number, size: number): void {
  if (size < 2) return;
  for (let start = at; start < at + length; start += size) {
    for (let low = start, high = start + size - 1; low < high; low++, high--) {
      const byte = bytes[low]!;
      bytes[low] = bytes[high]!;
      bytes[high] = byte;
    }
  }
}
