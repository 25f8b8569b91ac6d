/** Memory of a peer: what its owner calls `rkey`, split once, so that requests need no bigint. */
import { VerbsError } from '../base/verbs-error.ts';
import { WordPair } from './word-pair.ts';

export class RemoteMemory {
  readonly rkey: bigint;
  /** Added to the offset of every request, bytes. */
  readonly base: number;
  readonly keyLo: number;
  readonly keyHi: number;

  /**
   * @param rkey - as the peer's `MemoryRegion.rkey` says
   * @throws VerbsError EINVAL no key of 64 bits, or no whole base
   */
  constructor(rkey: bigint, base = 0) {
    const words = new WordPair();
    if (!words.set(rkey)) throw new VerbsError('EINVAL', 'RemoteMemory', `${rkey} is not a key of 64 bits`);
    if (!Number.isSafeInteger(base) || base < 0) {
      throw new VerbsError('EINVAL', 'RemoteMemory', `${base} is not an offset`, { try: 'a whole number from 0' });
    }
    this.rkey = rkey;
    this.base = base;
    this.keyLo = words.lo;
    this.keyHi = words.hi;
  }
}

/** A key that a program chose, for calls. @throws VerbsError EINVAL no number of 64 bits */
export function keyInput(call: string, key: bigint | undefined): bigint | undefined {
  if (key === undefined || (key >= 0n && key >> 64n === 0n)) return key;
  throw new VerbsError('EINVAL', call, `${key} is not a key`, { try: 'a key below 2^48' });
}
