/**
 * The cipher of core on the OpenSSL that Node itself consists of, called directly: for each packet Node's own interface makes
 * a cipher object, two buffers and a copy, which costs several times what encryption does.
 *
 * Works with memory by address, so every range is checked before. Keys are inside OpenSSL's contexts, which it wipes when
 * they are freed: that is, when nobody has the key any more.
 */
import { type KeyObject, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:process';
import { type Cipher, type CipherKey, IV_BYTES, KEY_BYTES, TAG_BYTES } from '@verbena/core';
import { NodeCipher, secretOf } from './node-cipher.ts';

/** The fastest cipher that this Node has. */
export function hostCipher(): Cipher {
  if (found === undefined) {
    const ssl = load();
    found = ssl === undefined || !works(ssl) ? new NodeCipher() : new OpenSslCipher(ssl);
  }
  return found;
}

let found: Cipher | undefined;

class OpenSslCipher implements Cipher {
  readonly #ssl: OpenSsl;
  readonly #node = new NodeCipher();

  constructor(ssl: OpenSsl) {
    this.#ssl = ssl;
  }

  importKey(bytes: Uint8Array): CipherKey {
    return new OpenSslKey(this.#ssl, secretOf(bytes), this.#node.importKey(bytes));
  }
}

class OpenSslKey implements CipherKey {
  readonly #ssl: OpenSsl;
  readonly #key: KeyObject;
  /** For what is not done for each packet. */
  readonly #slow: CipherKey;
  /** One for each direction; made when first needed, since many keys are used in one only. */
  #sealing: Context | undefined;
  #opening: Context | undefined;

  constructor(ssl: OpenSsl, key: KeyObject, slow: CipherKey) {
    this.#ssl = ssl;
    this.#key = key;
    this.#slow = slow;
  }

  seal(iv: Uint8Array, aad: Uint8Array, aadLength: number, bytes: Uint8Array, at: number, length: number): void {
    checkRange(bytes, at, length);
    const ssl = this.#ssl;
    const { calls, memory } = ssl;
    const context = (this.#sealing ??= this.#context(SEAL))[0];
    const text = ssl.begin(iv, aad, aadLength, bytes, at, length);
    const isSealed =
      calls.EVP_CipherInit_ex(context, 0, 0, 0, ssl.ivAt, SEAL) === 1 &&
      calls.EVP_CipherUpdate(context, 0, ssl.countAt, ssl.aadAt, aadLength) === 1 &&
      calls.EVP_CipherUpdate(context, text, ssl.countAt, text, length) === 1 &&
      calls.EVP_CipherFinal_ex(context, ssl.tagAt, ssl.countAt) === 1 &&
      calls.EVP_CIPHER_CTX_ctrl(context, GET_TAG, TAG_BYTES, ssl.tagAt) === 1;
    // whoever asked must not send the bytes as they are
    if (!isSealed) throw new Error('OpenSSL did not seal a packet');
    ssl.end(bytes, at, length);
    for (let i = 0; i < TAG_BYTES; i++) bytes[at + length + i] = memory[TAG + i]!;
  }

  open(iv: Uint8Array, aad: Uint8Array, aadLength: number, bytes: Uint8Array, at: number, length: number): boolean {
    if (at + length + TAG_BYTES > bytes.length) {
      bytes.fill(0, at);
      return false;
    }
    checkRange(bytes, at, length);
    const ssl = this.#ssl;
    const { calls, memory } = ssl;
    const context = (this.#opening ??= this.#context(OPEN))[0];
    for (let i = 0; i < TAG_BYTES; i++) memory[TAG + i] = bytes[at + length + i]!;
    const text = ssl.begin(iv, aad, aadLength, bytes, at, length);
    const isOpen =
      calls.EVP_CipherInit_ex(context, 0, 0, 0, ssl.ivAt, OPEN) === 1 &&
      calls.EVP_CIPHER_CTX_ctrl(context, SET_TAG, TAG_BYTES, ssl.tagAt) === 1 &&
      calls.EVP_CipherUpdate(context, 0, ssl.countAt, ssl.aadAt, aadLength) === 1 &&
      calls.EVP_CipherUpdate(context, text, ssl.countAt, text, length) === 1 &&
      calls.EVP_CipherFinal_ex(context, ssl.tagAt, ssl.countAt) === 1;
    if (isOpen) {
      ssl.end(bytes, at, length);
      return true;
    }
    calls.ERR_clear_error(); // it is no business of whoever uses OpenSSL next
    ssl.wipeText();
    bytes.fill(0, at, at + length);
    return false;
  }

  cmac(message: Uint8Array, length: number, into: Uint8Array, at: number): void {
    this.#slow.cmac(message, length, into, at);
  }

  #context(direction: number): Context {
    const { calls, memory, keyAt } = this.#ssl;
    const context: Context = [calls.EVP_CIPHER_CTX_new(), null];
    const key = this.#key.export();
    memory.set(key, KEY);
    key.fill(0);
    const isMade =
      context[0] !== 0 &&
      calls.EVP_CipherInit_ex(context[0], calls.EVP_aes_256_gcm(), 0, 0, 0, direction) === 1 &&
      calls.EVP_CipherInit_ex(context[0], 0, 0, keyAt, 0, direction) === 1;
    memory.fill(0, KEY, KEY + KEY_BYTES);
    this.#ssl.freeWith(this, context);
    if (!isMade) throw new Error('OpenSSL has no AES-256-GCM');
    return context;
  }
}

/** OpenSSL, and memory to speak with it. */
class OpenSsl {
  readonly calls: Calls;
  readonly memory: Uint8Array;
  readonly ivAt: number;
  readonly aadAt: number;
  readonly countAt: number;
  readonly tagAt: number;
  readonly keyAt: number;
  readonly #textAt: number;
  readonly #addressOf: (bytes: Uint8Array) => number;
  /** Where buffers are. Those of more than 64 bytes do not move. */
  readonly #addresses = new WeakMap<Uint8Array, Context>();
  readonly #freed: FinalizationRegistry<Context>;
  /** The text is small, and was copied. */
  #copied = false;

  constructor(calls: Calls, address: number, memory: Uint8Array, addressOf: (bytes: Uint8Array) => number) {
    this.calls = calls;
    this.memory = memory;
    this.ivAt = address + IV;
    this.aadAt = address + AAD;
    this.countAt = address + COUNT;
    this.tagAt = address + TAG;
    this.keyAt = address + KEY;
    this.#textAt = address + TEXT;
    this.#addressOf = addressOf;
    this.#freed = new FinalizationRegistry(([context]) => calls.EVP_CIPHER_CTX_free(context));
  }

  /** Frees a context when nobody has its key any more. */
  freeWith(key: object, context: Context): void {
    this.#freed.register(key, context);
  }

  /** Puts in place what a packet's protection depends on. @returns where its text is */
  begin(iv: Uint8Array, aad: Uint8Array, aadLength: number, bytes: Uint8Array, at: number, length: number): number {
    const { memory } = this;
    if (aadLength > AAD_BYTES) throw new RangeError(`${aadLength} authenticated bytes are too many`);
    for (let i = 0; i < IV_BYTES; i++) memory[IV + i] = iv[i]!;
    for (let i = 0; i < aadLength; i++) memory[AAD + i] = aad[i]!;
    this.#copied = length <= SMALL;
    if (!this.#copied) return this.#place(bytes) + at;
    for (let i = 0; i < length; i++) memory[TEXT + i] = bytes[at + i]!;
    return this.#textAt;
  }

  /** Hands the result back, where it is elsewhere. */
  end(bytes: Uint8Array, at: number, length: number): void {
    if (!this.#copied) return;
    const { memory } = this;
    for (let i = 0; i < length; i++) bytes[at + i] = memory[TEXT + i]!;
  }

  wipeText(): void {
    if (this.#copied) this.memory.fill(0, TEXT);
  }

  #place(bytes: Uint8Array): number {
    let known = this.#addresses.get(bytes);
    if (known === undefined) {
      known = [this.#addressOf(bytes), null];
      this.#addresses.set(bytes, known);
    }
    return known[0];
  }
}

/** Nothing outside of the buffer is given to OpenSSL. */
function checkRange(bytes: Uint8Array, at: number, length: number): void {
  if (at >= 0 && length >= 0 && at + length + TAG_BYTES <= bytes.length) return;
  throw new RangeError(`${length} bytes at ${at} and a tag do not lie in ${bytes.length} bytes`);
}

/** A pointer. The second element keeps the number from being boxed for each call. */
type Context = readonly [address: number, beside: null];

interface Calls {
  EVP_CIPHER_CTX_new(): number;
  EVP_CIPHER_CTX_free(context: number): void;
  EVP_aes_256_gcm(): number;
  EVP_CipherInit_ex(context: number, type: number, engine: number, key: number, iv: number, direction: number): number;
  EVP_CipherUpdate(context: number, out: number, count: number, input: number, length: number): number;
  EVP_CipherFinal_ex(context: number, out: number, count: number): number;
  EVP_CIPHER_CTX_ctrl(context: number, command: number, value: number, pointer: number): number;
  ERR_clear_error(): void;
}

/** Undefined where koffi is not installed, where this Node shows no OpenSSL, or where pointers are not known to be numbers. */
function load(): OpenSsl | undefined {
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) return undefined;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi').default;
    const process = koffi.load(null);
    const calls = Object.fromEntries(
      Object.entries(PROTOTYPES).map(([name, [result, ...parameters]]) => [
        name,
        process.func(name, result as string, [...parameters]),
      ]),
    );
    const memory: unknown = koffi.alloc('uint8_t', MEMORY_BYTES);
    const address = Number(koffi.address(memory));
    const view = new Uint8Array(koffi.view(memory, MEMORY_BYTES));
    return new OpenSsl(calls as unknown as Calls, address, view, (bytes) => Number(koffi.address(bytes)));
  } catch {
    return undefined;
  }
}

/** Whether it does what Node's own interface does: what is called by name could have another meaning one day. */
function works(ssl: OpenSsl): boolean {
  try {
    const [bytes, iv, aad] = [randomBytes(KEY_BYTES), randomBytes(IV_BYTES), randomBytes(AAD_BYTES)];
    const [fast, slow] = [new OpenSslCipher(ssl), new NodeCipher()].map((cipher) => cipher.importKey(bytes));
    return [0, 1, SMALL, SMALL + 1, 4096].every((length) => {
      const mine = Buffer.alloc(length + 2 * TAG_BYTES, 7);
      const theirs = Buffer.from(mine);
      fast!.seal(iv, aad, 24, mine, 1, length);
      slow!.seal(iv, aad, 24, theirs, 1, length);
      if (!mine.equals(theirs) || !fast!.open(iv, aad, 24, mine, 1, length)) return false;
      theirs[1 + length]! ^= 1;
      return mine.subarray(1, 1 + length).every((byte) => byte === 7) && !fast!.open(iv, aad, 24, theirs, 1, length);
    });
  } catch {
    return false;
  }
}

const PROTOTYPES: Readonly<Record<keyof Calls, readonly string[]>> = {
  EVP_CIPHER_CTX_new: ['uintptr_t'],
  EVP_CIPHER_CTX_free: ['void', 'uintptr_t'],
  EVP_aes_256_gcm: ['uintptr_t'],
  EVP_CipherInit_ex: ['int', 'uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t', 'int'],
  EVP_CipherUpdate: ['int', 'uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t', 'int'],
  EVP_CipherFinal_ex: ['int', 'uintptr_t', 'uintptr_t', 'uintptr_t'],
  EVP_CIPHER_CTX_ctrl: ['int', 'uintptr_t', 'int', 'int', 'uintptr_t'],
  ERR_clear_error: ['void'],
};

const SEAL = 1;
const OPEN = 0;
const GET_TAG = 0x10;
const SET_TAG = 0x11;
/** Texts up to this size are copied, which costs less than looking up where they are; and those that may move are smaller. */
const SMALL = 256;
/** Parts of the memory. */
const IV = 0;
const AAD = 16;
const AAD_BYTES = 96;
const COUNT = 112;
const TAG = 128;
const KEY = 160;
const TEXT = 192;
const MEMORY_BYTES = TEXT + SMALL;
