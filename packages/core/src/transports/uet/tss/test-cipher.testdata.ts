/**
 * A cipher for tests that remembers each pair of key and initialisation vector that it has sealed under, and fails at the
 * first one that comes again.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import type { Cipher, CipherKey } from '../../../engine/cipher.ts';

export class TestCipher implements Cipher {
  /** Pairs that were used to seal. Shared by every cipher that must not repeat what another one did. */
  readonly nonces: Set<string>;

  constructor(nonces = new Set<string>()) {
    this.nonces = nonces;
  }

  importKey(bytes: Uint8Array): CipherKey {
    return new TestKey(bytes, this.nonces);
  }
}

class TestKey implements CipherKey {
  readonly #key: KeyObject;
  readonly #name: string;
  readonly #nonces: Set<string>;

  constructor(bytes: Uint8Array, nonces: Set<string>) {
    this.#key = createSecretKey(Buffer.from(bytes));
    this.#name = hex(bytes);
    this.#nonces = nonces;
  }

  seal(iv: Uint8Array, aad: Uint8Array, aadLength: number, bytes: Uint8Array, at: number, length: number): void {
    const nonce = `${this.#name} ${hex(iv)}`;
    if (this.#nonces.has(nonce)) throw new Error(`nonce repeated: ${nonce}`);
    this.#nonces.add(nonce);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv, { authTagLength: 16 });
    cipher.setAAD(aad.subarray(0, aadLength));
    bytes.set(cipher.update(bytes.subarray(at, at + length)), at);
    cipher.final();
    bytes.set(cipher.getAuthTag(), at + length);
  }

  open(iv: Uint8Array, aad: Uint8Array, aadLength: number, bytes: Uint8Array, at: number, length: number): boolean {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, iv, { authTagLength: 16 });
    decipher.setAAD(aad.subarray(0, aadLength));
    decipher.setAuthTag(bytes.slice(at + length, at + length + 16));
    const text = decipher.update(bytes.subarray(at, at + length));
    bytes.fill(0, at, at + length);
    try {
      decipher.final();
    } catch {
      return false;
    }
    bytes.set(text, at);
    return true;
  }

  cmac(message: Uint8Array, length: number, into: Uint8Array, at: number): void {
    if (length === 0 || length % 16 !== 0) throw new Error('only whole blocks are used here');
    const ecb = createCipheriv('aes-256-ecb', this.#key, null).setAutoPadding(false);
    const zero = ecb.update(new Uint8Array(16));
    const blocks = Buffer.from(message.subarray(0, length));
    for (let i = 0; i < 16; i++) {
      const doubled = (zero[i]! << 1) | ((zero[i + 1] ?? 0) >> 7);
      blocks[length - 16 + i]! ^= (doubled ^ (i === 15 && zero[0]! >= 0x80 ? 0x87 : 0)) & 0xff;
    }
    const cbc = createCipheriv('aes-256-cbc', this.#key, new Uint8Array(16)).setAutoPadding(false);
    into.set(cbc.update(blocks).subarray(length - 16), at);
  }
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
