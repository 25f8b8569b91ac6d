/**
 * Remote keys: as many random bits as every transport of the device can carry, or chosen by the program; unique within a
 * protection domain. Bit 63 says that every access may be repeated.
 * @spec uet:ses/5.1
 */
import { VerbsError } from '../base/verbs-error.ts';
import type { Call } from '../device/call.ts';
import type { KernelParts } from './kernel-parts.ts';
import type { Link } from './link.ts';
import type { SoftPd, SoftRegion, SoftWindow } from './objects.ts';

export interface KeyWords {
  readonly lo: number;
  readonly hi: number;
}

/** An unused key of the domain that nobody can guess. @param isSafe - accesses under it may be repeated */
export function randomKey({ host, registry, links }: KernelParts, pd: SoftPd, isSafe = false): KeyWords {
  const upper = 2 ** (keyBits(links) - 32) - 1;
  for (;;) {
    host.randomWords(words);
    const [lo, hi] = [words[0]!, words[1]! & upper];
    if (lo === 0 && hi === 0) continue; // programs take 0 for none
    const made = { lo, hi: isSafe ? (hi | SAFE_HI) >>> 0 : hi };
    if (registry.keys.get(pd.handle, made.lo, made.hi) === 0) return made;
  }
}

/**
 * The key that a program asks for, checked.
 *
 * @param isSafe - accesses under it may be repeated; so they may when the key has that bit already
 * @throws VerbsError `EINVAL` more bits than the transports carry · `EEXIST` taken in the domain
 */
export function chosenKey(
  { registry, links }: KernelParts,
  call: Call,
  pd: SoftPd,
  asked: bigint,
  isSafe = false,
): KeyWords {
  const given = `key 0x${asked.toString(16)}`;
  const bits = keyBits(links);
  const key = offersSafeKeys(links) ? asked & ~SAFE_KEY : asked;
  const isIndex = (key & ~MAX_INDEX) === INDEX_KEY && links.every(({ transport }) => transport.attributes.indexKeys);
  if (key >> BigInt(bits) !== 0n && !isIndex) {
    throw new VerbsError('EINVAL', call.name, `a memory key of this device has ${bits} bits`, {
      given,
      try: `a key below 2^${bits}`,
    });
  }
  const whole = isSafe || key !== asked ? key | SAFE_KEY : key;
  const chosen = { lo: Number(whole & 0xffff_ffffn), hi: Number(whole >> 32n) };
  if (registry.keys.get(pd.handle, chosen.lo, chosen.hi) === 0) return chosen;
  throw new VerbsError('EEXIST', call.name, 'this key is taken in the protection domain', {
    given,
    try: 'another key, or leave `key` out',
  });
}

/** @throws VerbsError `EOPNOTSUPP` not every transport of the device has keys that say so */
export function checkSafeKeys({ links }: KernelParts, call: Call): void {
  if (offersSafeKeys(links)) return;
  throw new VerbsError('EOPNOTSUPP', call.name, 'keys of this device cannot say that accesses may be repeated', {
    given: 'the flag IDEMPOTENT_SAFE',
    object: `transports ${[...new Set(links.map(({ transport }) => transport.name))].join(', ')}`,
    try: 'the region without the flag: requests to it are executed once',
  });
}

/** Accesses to the region may be repeated. */
export const isSafeRegion = ({ keyHi }: SoftRegion): boolean => (keyHi & SAFE_HI) !== 0;

export const keyOf = ({ keyLo, keyHi }: SoftRegion | SoftWindow): bigint => (BigInt(keyHi) << 32n) | BigInt(keyLo);

/** Bit 62: the key is an index. */
const INDEX_KEY = 1n << 62n;
const MAX_INDEX = 0xfffn;

/** Bit 63: every access may be repeated. */
const SAFE_KEY = 1n << 63n;
const SAFE_HI = 0x8000_0000;

const offersSafeKeys = (links: readonly Link[]): boolean =>
  links.every(({ transport }) => transport.attributes.idempotentKeys === true);

const keyBits = (links: readonly Link[]): number =>
  links.reduce((least, { transport }) => Math.min(least, transport.attributes.keyBits), 48);

const words = new Uint32Array(2);
