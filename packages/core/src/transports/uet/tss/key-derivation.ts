/**
 * The key schedule: NIST SP 800-108 in counter mode over AES-CMAC, 352 bits: the key of packets, then the mask of
 * initialisation vectors.
 *
 * @spec uet:tss/6 uet:tss/7
 */
import { type Cipher, type CipherKey, IV_BYTES, KEY_BYTES } from '../../../engine/cipher.ts';
import { isMapped, writeWord } from './packet-frame.ts';

/** Whose key it is. @spec uet:tss/6 */
export const LABEL = { CLUSTER: 1, SERVER: 2 } as const;

/** Derives keys. Holds buffers, so that nothing is allocated for a key. */
export class KeyDerivation {
  /** Key and mask of the last {@link derive}; overwritten by the next one. */
  readonly output = new Uint8Array(3 * BLOCK_BYTES);
  readonly #input = new Uint8Array(2 * BLOCK_BYTES);
  readonly #view = new DataView(this.#input.buffer);

  /**
   * Makes key and mask for a source.
   *
   * @param label - one of `LABEL`
   * @param rekey - bits of the packet counter, 32; 0 in server mode
   * @param identity - 4 bytes (source identifier, IPv4 address) or 16 (IPv6 address), at `at`
   */
  derive(
    key: CipherKey,
    label: number,
    epoch: number,
    rekey: number,
    identity: Uint8Array,
    at: number,
    identityBytes: number,
  ): void {
    const length = this.#write(label, epoch, rekey, identity, at, identityBytes);
    for (let i = 0; i < 3; i++) {
      this.#input[0] = i + 1;
      key.cmac(this.#input, length, this.output, i * BLOCK_BYTES);
    }
  }

  /** Forgets the last key. */
  wipe(): void {
    this.output.fill(0);
  }

  #write(label: number, epoch: number, rekey: number, identity: Uint8Array, at: number, identityBytes: number): number {
    const input = this.#input;
    const view = this.#view;
    input[1] = LABEL_LETTER;
    input[2] = LABEL_DIGIT + label;
    input[3] = 0;
    let end = 4;
    if (identityBytes === IPV6_BYTES) {
      view.setUint32(end, 0);
      end += 4;
    }
    view.setUint16(end, epoch);
    view.setUint32(end + 2, rekey);
    end += 6;
    for (let i = 0; i < identityBytes; i++) input[end + i] = identity[at + i]!;
    end += identityBytes;
    view.setUint16(end, OUTPUT_BITS);
    return end + 2;
  }
}

/**
 * What the server of a domain hands to a client: key and mask, for whoever provisions both. @spec uet:tss/5 uet:tss/16
 *
 * @param key - of the server, 32 bytes
 * @param client - its source identifier, or its address: 16 bytes, IPv4 as ::ffff:a.b.c.d
 * @returns 44 bytes, for the same epoch
 */
export function clientKey(cipher: Cipher, key: Uint8Array, client: number | Uint8Array, epoch = 0): Uint8Array {
  const kdf = new KeyDerivation();
  let identity = new Uint8Array(4);
  if (typeof client === 'number') writeWord(identity, client);
  else identity = client.slice(isMapped(client) ? 12 : 0);
  kdf.derive(cipher.importKey(key), LABEL.SERVER, epoch, 0, identity, 0, identity.length);
  const made = kdf.output.slice(0, KEY_BYTES + IV_BYTES);
  kdf.wipe();
  return made;
}

/** Bits of the packet counter that choose the key. Arithmetic, since a counter has 48 bits. @spec uet:tss/7 */
export class RekeyRule {
  readonly #modulus: number;
  readonly #divisor: number;

  /**
   * @param mask - contiguous bits of the counter, at most 32
   * @param shift - where they begin
   * @throws RangeError for a mask that names no such bits
   */
  constructor(mask: number, shift: number) {
    const bits = Math.log2(mask / 2 ** shift + 1);
    if (!Number.isInteger(shift) || shift < 0 || !Number.isInteger(bits) || bits < 1 || bits > 32 || shift + bits > 48)
      throw new RangeError(`rekey mask 0x${mask.toString(16)} and shift ${shift} name no bits of a 48-bit counter`);
    this.#divisor = 2 ** shift;
    this.#modulus = 2 ** bits;
  }

  of(tsc: number): number {
    return Math.floor(tsc / this.#divisor) % this.#modulus;
  }
}

const BLOCK_BYTES = 16;
const IPV6_BYTES = 16;
const LABEL_LETTER = 0x55;
const LABEL_DIGIT = 0x30;
const OUTPUT_BITS = (KEY_BYTES + IV_BYTES) * 8;
