/**
 * Cryptography that a host injects. Core has none of its own: what is fast is native, and what is slow should not be there.
 *
 * Keys go in and never come out: whoever holds a {@link CipherKey} can use it, and can neither read nor print it.
 */

export interface Cipher {
  /**
   * Takes an AES-256 key.
   *
   * @param bytes - {@link KEY_BYTES}, copied; the caller may overwrite them afterwards
   */
  importKey(bytes: Uint8Array): CipherKey;
}

/** An AES-256 key in the hands of the host. */
export interface CipherKey {
  /**
   * AES-GCM in place: the text becomes ciphertext, and the tag of {@link TAG_BYTES} is written behind it.
   *
   * @param iv - {@link IV_BYTES}, never the same twice for a key
   * @param aad - authenticated and not encrypted, `aadLength` bytes of it
   */
  seal(iv: Uint8Array, aad: Uint8Array, aadLength: number, bytes: Uint8Array, at: number, length: number): void;
  /**
   * The way back, in place; the tag stands behind the ciphertext.
   *
   * @returns false when the tag does not fit. Nothing of the text may be used then: it has been overwritten
   */
  open(iv: Uint8Array, aad: Uint8Array, aadLength: number, bytes: Uint8Array, at: number, length: number): boolean;
  /** AES-CMAC of `length` bytes; 16 bytes are written at `at` of `into`. @spec NIST SP 800-38B */
  cmac(message: Uint8Array, length: number, into: Uint8Array, at: number): void;
}

/** Bytes of an AES-256 key. */
export const KEY_BYTES = 32;
export const IV_BYTES = 12;
export const TAG_BYTES = 16;
