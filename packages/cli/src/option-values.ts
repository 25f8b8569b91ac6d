/** Values of command-line options: parsed, not validated later. A bad one is bad input, exit status 2. */
import { InvalidArgumentError } from 'commander';

/** A whole number within bounds. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** Bytes, with an optional suffix K, M or G (binary): `4096`, `64K`, `1MiB`. */
export function byteCount(min: number, max: number): (text: string) => number {
  return (text) => {
    const match = /^(\d{1,15})(?:([kmg])(?:i?b)?|b)?$/i.exec(text);
    const value = match === null ? Number.NaN : Number(match[1]) * SUFFIXES[(match[2] ?? '').toLowerCase()]!;
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(`Give a number of bytes from ${min} to ${max}, such as 4096, 64K or 1M.`);
    }
    return value;
  };
}

/** A probability: `0.01` or `1%`. */
export function probability(text: string): number {
  const match = /^(\d*\.?\d+)\s*(%?)$/.exec(text);
  const value = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
  if (!(value >= 0 && value <= 1)) {
    throw new InvalidArgumentError('Give a probability from 0 to 1, or in per cent: 0.01 and 1% mean the same.');
  }
  return value;
}

/** Seconds, with fractions. */
export function seconds(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`Give seconds from ${min} to ${max}.`);
    return value;
  };
}

/** One of a few words. */
export function oneOf<const T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((known) => known === text);
    if (word === undefined) throw new InvalidArgumentError(`Give one of: ${words.join(', ')}.`);
    return word;
  };
}

const SUFFIXES: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
