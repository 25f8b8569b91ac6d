/**
 * Remote keys: as many random bits as every transport of the device can carry, or chosen by the program; unique within a
 * protection domain.
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

/** An unused key of the domain that nobody can guess. */
export function randomKey({ host, registry, links }: KernelParts, pd: SoftPd): KeyWords {
  const upper = 2 ** (keyBits(links) - 32) - 1;
  for (;;) {
    host.randomWords(words);
    const made = { lo: words[0]!, hi: words[1]! & upper };
    if (made.lo === 0 && made.hi === 0) continue; // programs take 0 for none
    if (registry.keys.get(pd.handle, made.lo, made.hi) === 0) return made;
  }
}

/**
 * The key that a program asks for, checked.
 *
 * @throws VerbsError `EINVAL` more bits than the transports carry · `EEXIST` taken in the domain
 */
export function chosenKey({ registry, links }: KernelParts, call: Call, pd: SoftPd, key: bigint): KeyWords {
  const given = `key 0x${key.toString(16)}`;
  const bits = keyBits(links);
  const isIndex = (key & ~MAX_INDEX) === INDEX_KEY && links.every(({ transport }) => transport.attributes.indexKeys);
  if (key >> BigInt(bits) !== 0n && !isIndex) {
    throw new VerbsError('EINVAL', call.name, `a memory key of this device has ${bits} bits`, {
      given,
      try: `a key below 2^${bits}`,
    });
  }
  const chosen = { lo: Number(key & 0xffff_ffffn), hi: Number(key >> 32n) };
  if (registry.keys.get(pd.handle, chosen.lo, chosen.hi) === 0) return chosen;
  throw new VerbsError('EEXIST', call.name, 'this key is taken in the protection domain', {
    given,
    try: 'another key, or leave `key` out',
  });
}

export const keyOf = ({ keyLo, keyHi }: SoftRegion | SoftWindow): bigint => (BigInt(keyHi) << 32n) | BigInt(keyLo);

/** Bit 62: the key is an index. */
const INDEX_KEY = 1n << 62n;
const MAX_INDEX = 0xfffn;

const keyBits = (links: readonly Link[]): number =>
  links.reduce((least, { transport }) => Math.min(least, transport.attributes.keyBits), 48);

const words = new Uint32Array(2);
