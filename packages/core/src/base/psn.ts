/** Serial-number arithmetic modulo 2^32. PSNs are unsigned numbers, 0 to 2^32-1. */

/** `a + n`, wrapped. */
export const psnAdd = (a: number, n: number): number => (a + n) >>> 0;

/** How far `a` is behind `b`: negative when it is ahead; -2^31 .. 2^31-1. */
export const psnDelta = (a: number, b: number): number => (b - a) | 0;

/** `a` comes before `b`. */
export const psnBefore = (a: number, b: number): boolean => ((b - a) | 0) > 0;

/** `a` comes after `b`. */
export const psnAfter = (a: number, b: number): boolean => ((a - b) | 0) > 0;
