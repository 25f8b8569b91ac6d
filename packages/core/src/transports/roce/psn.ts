/** Serial-number arithmetic modulo 2^24. @spec IBTA vol. 1 §9.7.2 */

export const PSN_MASK = 0xff_ffff;

/** `a + n`, wrapped. */
export const psnAdd = (a: number, n: number): number => (a + n) & PSN_MASK;

/** How far `a` is behind `b`: negative when it is ahead; -2^23 .. 2^23-1. */
export const psnDelta = (a: number, b: number): number => ((b - a) << 8) >> 8;
