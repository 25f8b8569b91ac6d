/**
 * The cipher of core on Node's own cryptography: AES-256-GCM, and AES-CMAC put together from AES-CBC.
 *
 * Keys are `KeyObject`s, which neither `inspect` nor `JSON.stringify` shows.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { type Cipher, type CipherKey, KEY_BYTES, TAG_BYTES } from '@verbena/core';

export class NodeCipher implements Cipher {
  importKey(bytes: Uint8Array): CipherKey {
    return new NodeKey(secretOf(bytes));
  }
}

/** A key as an object that nobody can look into. @throws RangeError it has another length */
export function secretOf(bytes: Uint8Array): KeyObject {
  if (bytes.length !== KEY_BYTES) throw new RangeError(`an AES-256 key has ${KEY_BYTES} bytes, not ${bytes.length}`);
  // a buffer of its own: small ones share a pool with their neighbours
  const copy = Buffer.alloc(KEY_BYTES);
  copy.set(bytes);
  const key = createSecretKey(copy);
  copy.fill(0);
  return key;
}

class NodeKey implements CipherKey {
  readonly #key: KeyObject;
  /** The first subkey of CMAC, and the second; made when first needed. */
  #subkeys: readonly [Uint8Array, Uint8Array] | undefined;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  seal(iv: Uint8Array, aad: Uint8Array, aadLength: number, bytes: Uint8Array, at: number, length: number): void {
    const cipher = createCipheriv(GCM, this.#key, iv, GCM_OPTIONS);
    cipher.setAAD(aad.subarray(0, aadLength));
    bytes.set(cipher.update(bytes.subarray(at, at + length)), at);
    cipher.final();
    bytes.set(cipher.getAuthTag(), at + length);
  }

  open(iv: Uint8Array, aad: Uint8Array, aadLength: number, bytes: Uint8Array, at: number, length: number): boolean {
    if (at + length + TAG_BYTES > bytes.length) {
      bytes.fill(0, at);
      return false;
    }
    // without the length a tag of four bytes would do
    const decipher = createDecipheriv(GCM, this.#key, iv, GCM_OPTIONS);
    decipher.setAAD(aad.subarray(0, aadLength));
    decipher.setAuthTag(bytes.subarray(at + length, at + length + TAG_BYTES));
    const text = decipher.update(bytes.subarray(at, at + length));
    try {
      decipher.final();
    } catch {
      text.fill(0);
      bytes.fill(0, at, at + length);
      return false;
    }
    bytes.set(text, at);
    return true;
  }

  cmac(message: Uint8Array, length: number, into: Uint8Array, at: number): void {
    const [k1, k2] = (this.#subkeys ??= this.#makeSubkeys());
    const whole = length > 0 && length % BLOCK_BYTES === 0;
    const blocks = whole ? length / BLOCK_BYTES : Math.floor(length / BLOCK_BYTES) + 1;
    const padded = new Uint8Array(blocks * BLOCK_BYTES);
    padded.set(message.subarray(0, length));
    if (!whole) padded[length] = 0x80;
    const last = padded.length - BLOCK_BYTES;
    const subkey = whole ? k1 : k2;
    for (let i = 0; i < BLOCK_BYTES; i++) padded[last + i]! ^= subkey[i]!;
    const cipher = createCipheriv('aes-256-cbc', this.#key, ZERO_BLOCK).setAutoPadding(false);
    into.set(cipher.update(padded).subarray(last), at);
  }

  /** @spec NIST SP 800-38B 6.1 */
  #makeSubkeys(): readonly [Uint8Array, Uint8Array] {
    const cipher = createCipheriv('aes-256-ecb', this.#key, null).setAutoPadding(false);
    const k1 = doubled(cipher.update(ZERO_BLOCK));
    return [k1, doubled(k1)];
  }
}

/** A block times x, in the field that CMAC uses. */
function doubled(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(BLOCK_BYTES);
  for (let i = 0; i < BLOCK_BYTES; i++) out[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >>> 7);
  if ((block[0]! & 0x80) !== 0) out[BLOCK_BYTES - 1]! ^= 0x87;
  return out;
}

const GCM = 'aes-256-gcm';
const GCM_OPTIONS = { authTagLength: TAG_BYTES };
const BLOCK_BYTES = 16;
const ZERO_BLOCK = new Uint8Array(BLOCK_BYTES);
