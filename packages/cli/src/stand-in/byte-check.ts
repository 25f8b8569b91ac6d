/** Are these the bytes that should have come? */
import { VerbsError } from '@verbena/core';

/** @throws VerbsError EIO with the first wrong byte */
export function checkSame(found: Uint8Array, wanted: Uint8Array, what: string): void {
  if (Buffer.compare(found, wanted) === 0) return;
  let at = 0;
  while (at < wanted.length && found[at] === wanted[at]) at++;
  const hex = (value: number | undefined) =>
    value === undefined ? 'nothing' : `0x${value.toString(16).padStart(2, '0')}`;
  throw new VerbsError(
    'EIO',
    'standIn',
    `wrong data: byte ${at} of ${what} is ${hex(found[at])}, not ${hex(wanted[at])}`,
    {
      given: `${found.length} bytes`,
    },
  );
}

/** What the pingpong programs send unless they are this one: one value, and zeros at the start of pages where it checks. */
export function toolPattern(size: number, value: number, isMarked: boolean): Uint8Array {
  const bytes = new Uint8Array(size).fill(value);
  if (isMarked) for (let at = 0; at < size; at += PAGE_BYTES) bytes[at] = 0;
  return bytes;
}

/** Bytes of no pattern that can be told from all others; zeros at the start of pages, where the tools check for them. */
export function ownPattern(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let x = seed | 1;
  for (let i = 0; i < size; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x >>> 11;
  }
  for (let at = 0; at < size; at += PAGE_BYTES) bytes[at] = 0;
  return bytes;
}

export const PAGE_BYTES = 4096;
