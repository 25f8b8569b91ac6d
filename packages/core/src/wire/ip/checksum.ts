/** The Internet checksum (RFC 1071), in parts so that pseudo-headers can be summed with the rest. */

/** Sum of big-endian 16-bit words; an odd last byte counts as the upper half of a word. Exact up to 2^37 bytes. */
export function onesSum(view: DataView, at: number, length: number): number {
  let sum = 0;
  const even = at + (length & ~1);
  for (let i = at; i < even; i += 2) sum += view.getUint16(i);
  return (length & 1) === 0 ? sum : sum + (view.getUint8(even) << 8);
}

/** Adds the carries back in until the sum fits 16 bits. */
export function foldSum(sum: number): number {
  while (sum > 0xffff) sum = (sum % 0x1_0000) + Math.floor(sum / 0x1_0000);
  return sum;
}
