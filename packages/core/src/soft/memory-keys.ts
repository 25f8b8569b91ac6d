/** Remote keys: 48 random bits, or chosen by the program, unique within a protection domain. @spec uet:ses/5.1 */
import { VerbsError } from '../base/verbs-error.ts';
import type { Call } from '../device/call.ts';
import type { KernelParts } from './kernel-parts.ts';
import type { SoftPd, SoftRegion, SoftWindow } from './objects.ts';

export interface KeyWords {
  readonly lo: number;
  readonly hi: number;
}

/** An unused key of the domain that nobody can guess. */
export function randomKey({ host, registry }: KernelParts, pd: SoftPd): KeyWords {
  for (;;) {
    host.randomWords(words);
    const made = { lo: words[0]!, hi: words[1]! & 0xffff };
    if (registry.keys.get(pd.handle, made.lo, made.hi) === 0) return made;
  }
}

/**
 * The key that a program asks for, checked.
 *
 * @throws VerbsError `EINVAL` 2^48 or more · `EEXIST` taken in the domain
 */
export function chosenKey({ registry }: KernelParts, call: Call, pd: SoftPd, key: bigint): KeyWords {
  const given = `key 0x${key.toString(16)}`;
  if (key >> 48n !== 0n) {
    throw new VerbsError('EINVAL', call.name, 'the upper 16 bits of a memory key are reserved', {
      given,
      try: 'a key below 2^48',
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

const words = new Uint32Array(2);
