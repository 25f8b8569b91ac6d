import { createCipheriv, createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { SeededRandom } from '@verbena/core';
import { describe, expect, it } from 'vitest';
import { loadLibc } from '../memory/libc.ts';
import { NodeCipher } from './node-cipher.ts';
import { hostCipher } from './openssl-cipher.ts';

const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** Both ways to the same functions; where OpenSSL cannot be called directly, the first one twice. */
const CIPHERS = [
  ['through Node', new NodeCipher()],
  ['of the host', hostCipher()],
] as const;

const ZERO_KEY = '00'.repeat(32);
const KEY_197 = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const MESSAGE =
  '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51' +
  '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710';

describe.each(CIPHERS)('AES-CMAC %s', (_name, cipher) => {
  for (const [bytes, tag] of [
    [0, '028962f61b7bf89efc6b551f4667d983'],
    [16, '28a7023f452e8f82bd4bf28d8c37c35c'],
    [40, 'aaf3d8f1de5640c232f5b169b9c911e6'],
    [64, 'e1992190549f6ed5696a2c056c315410'],
  ] as const) {
    it(`makes the example of SP 800-38B appendix D, AES-256, ${bytes} bytes (uet:tss/18.1)`, () => {
      const key = cipher.importKey(unhex('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4'));
      const into = new Uint8Array(20).fill(0xee);
      key.cmac(unhex(MESSAGE), bytes, into, 2);
      expect(hex(into)).toBe(`eeee${tag}eeee`);
    });
  }
});

// the section with a counter of 8 bits, which this key derivation uses, was not at hand; its vectors are those of `uet:tss/17.1`
const KDF = [
  {
    ...{
      name: 'RLEN=32, COUNT=0',
      key: 'd0b1b3b70b2393c48ca05159e7e28cbeadea93f28a7cdae964e5136070c45d5c',
      counters: 4,
    },
    fixed:
      'dd2f151a3f173492a6fbbb602189d51ddf8ef79fc8e96b8fcbe6dabe73a35b48104f9dff2d63d48786d2b3af177091d646a9efae005bdfacb61a1214',
    output: '8c449fb474d1c1d4d2a33827103b656a',
  },
  {
    ...{
      name: 'RLEN=24, COUNT=6',
      key: '4d71923280fb4a11b25f9d58d67704d8f8bb2d64d89edb9ee6f3de32e4601efc',
      counters: 3,
    },
    fixed:
      'e27b8f350bc1360ddc476cb0cae886f0161da22ee8159c330f545af1d782a0f0aacc3c3de6215807161df09336d470b5b4db1cc0ce73ed1d3ea24380',
    output: 'b5b2bb675fe7b04a52340bd5cf248d5258a1f837dad747ee8a4e904608a8977d',
  },
];

describe.each(CIPHERS)('AES-CMAC %s as the function of SP 800-108', (_name, cipher) => {
  for (const { name, key: keyHex, counters, fixed, output } of KDF) {
    it(`makes KDFCTR_gen, CMAC_AES256, BEFORE_FIXED, ${name} (uet:tss/18.1)`, () => {
      const key = cipher.importKey(unhex(keyHex));
      const made = new Uint8Array(output.length / 2);
      for (let i = 0; i * 16 < made.length; i++) {
        const message = unhex((i + 1).toString(16).padStart(2 * counters, '0') + fixed);
        key.cmac(message, message.length, made, i * 16);
      }
      expect(hex(made)).toBe(output);
    });
  }
});

const GCM_KEY = 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308';
const GCM_TEXT =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255';
const GCM_SEALED =
  '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad';

// cases 17 and 18 have other lengths of the initialisation vector, which nobody uses here
const GCM = [
  {
    name: '13',
    key: '00'.repeat(32),
    iv: '00'.repeat(12),
    aad: '',
    text: '',
    sealed: '',
    tag: '530f8afbc74536b9a963b4f1c4cb738b',
  },
  {
    ...{ name: '14', key: '00'.repeat(32), iv: '00'.repeat(12), aad: '', text: '00'.repeat(16) },
    ...{ sealed: 'cea7403d4d606b6e074ec5d3baf39d18', tag: 'd0d1c8a799996bf0265b98b5d48ab919' },
  },
  {
    ...{ name: '15', key: GCM_KEY, iv: 'cafebabefacedbaddecaf888', aad: '', text: GCM_TEXT, sealed: GCM_SEALED },
    tag: 'b094dac5d93471bdec1a502270e3cc6c',
  },
  {
    ...{ name: '16', key: GCM_KEY, iv: 'cafebabefacedbaddecaf888', aad: 'feedfacedeadbeeffeedfacedeadbeefabaddad2' },
    ...{ text: GCM_TEXT.slice(0, 120), sealed: GCM_SEALED.slice(0, 120), tag: '76fc6ece0f4e1768cddf8853bb2d551b' },
  },
];

describe.each(CIPHERS)('AES-GCM %s', (_name, cipher) => {
  for (const { name, key: keyHex, iv, aad, text, sealed, tag } of GCM) {
    it(`seals and opens test case ${name} of the submission in place (uet:tss/18.1)`, () => {
      const key = cipher.importKey(unhex(keyHex));
      const length = text.length / 2;
      const aadRoom = unhex(`${aad}eeee`);
      const bytes = unhex(`aabb${text}${'00'.repeat(16)}ccdd`);
      key.seal(unhex(iv), aadRoom, aad.length / 2, bytes, 2, length);
      expect(hex(bytes)).toBe(`aabb${sealed}${tag}ccdd`);
      expect(key.open(unhex(iv), aadRoom, aad.length / 2, bytes, 2, length)).toBe(true);
      expect(hex(bytes)).toBe(`aabb${text}${tag}ccdd`);
    });
  }

  it('refuses any changed bit and overwrites the text; no tag is taken for less than its length (uet:tss/18.2)', () => {
    const key = cipher.importKey(unhex(GCM_KEY));
    const iv = unhex('cafebabefacedbaddecaf888');
    const aad = unhex('feedface');
    const sealed = unhex(`${GCM_TEXT.slice(0, 32)}${'00'.repeat(16)}`);
    key.seal(iv, aad, 4, sealed, 0, 16);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = sealed.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(key.open(iv, aad, 4, changed, 0, 16), `bit ${bit}`).toBe(false);
      expect(changed.subarray(0, 16).every((byte) => byte === 0)).toBe(true);
    }
    for (let left = 0; left < 16; left++) {
      expect(key.open(iv, aad, 4, sealed.slice(0, 16 + left), 0, 16)).toBe(false);
    }
    expect(key.open(iv, aad, 3, sealed.slice(), 0, 16)).toBe(false);
    expect(key.open(iv, aad, 4, sealed.slice(), 0, 16)).toBe(true);
  });
});

describe.each(CIPHERS)('keys %s', (_name, cipher) => {
  it('show in no dump, and do not follow the bytes that they came from (uet:tss/18.2, uet:tss/20)', () => {
    const bytes = unhex(GCM_KEY);
    const key = cipher.importKey(bytes);
    const before = new Uint8Array(16);
    key.cmac(bytes, 32, before, 0);
    const shown = inspect(key, { depth: 10, showHidden: true }) + JSON.stringify(key) + String(key);
    for (let at = 0; at < 32; at += 4) expect(shown).not.toContain(hex(bytes.subarray(at, at + 4)));
    const message = bytes.slice();
    bytes.fill(0);
    const after = new Uint8Array(16);
    key.cmac(message, 32, after, 0);
    expect(after).toEqual(before);
    for (const length of [0, 16, 31, 33, 44])
      expect(() => cipher.importKey(new Uint8Array(length))).toThrow('32 bytes');
  });
});

describe('the cipher of the host', () => {
  it('is OpenSSL where that can be called, and does what Node does for every length and place (uet:tss/18.2)', async () => {
    const libc = await loadLibc();
    expect(hostCipher()).toBe(hostCipher());
    if (libc !== undefined) expect(hostCipher()).not.toBeInstanceOf(NodeCipher);
    const random = new SeededRandom(18);
    const secret = Uint8Array.from({ length: 32 }, () => random.below(256));
    const [slow, fast] = CIPHERS.map(([, cipher]) => cipher.importKey(secret));
    for (let n = 0; n < 2000; n++) {
      const length = random.below(n % 3 === 0 ? 9000 : 300);
      const at = random.below(40);
      const aadLength = random.below(57);
      const iv = Uint8Array.from({ length: 12 }, () => random.below(256));
      const aad = new Uint8Array(60).fill(n);
      const mine = new Uint8Array(at + length + 16 + random.below(9)).fill(random.below(256));
      const theirs = mine.slice();
      const text = mine.slice();
      fast!.seal(iv, aad, aadLength, mine, at, length);
      slow!.seal(iv, aad, aadLength, theirs, at, length);
      expect(Buffer.compare(mine, theirs), `seal ${length} at ${at}`).toBe(0);
      expect(fast!.open(iv, aad, aadLength, mine, at, length)).toBe(true);
      expect(Buffer.compare(mine.subarray(0, at + length), text.subarray(0, at + length)), `open ${length}`).toBe(0);
      theirs[at + random.below(length + 16)]! ^= 1 << random.below(8);
      expect(fast!.open(iv, aad, aadLength, theirs, at, length)).toBe(false);
      expect(theirs.subarray(at, at + length).every((byte) => byte === 0)).toBe(true);
    }
    // what failed there is not found by whoever uses OpenSSL next
    expect(createHash('sha256').update('').digest('hex')).toMatch(/^e3b0c442/);
  });

  it('touches nothing outside of the buffer that it is given (uet:tss/20)', () => {
    const key = hostCipher().importKey(unhex(GCM_KEY));
    const [iv, aad] = [new Uint8Array(12), new Uint8Array(97)];
    for (const [size, at, length] of [
      [100, 0, 85],
      [100, -1, 20],
      [5000, 4000, 1000],
      [0, 0, 4096],
      [5000, 0, -1],
    ] as const) {
      expect(() => key.seal(iv, aad, 8, new Uint8Array(size), at, length), `${size} ${at} ${length}`).toThrow(
        RangeError,
      );
    }
    expect(() => key.seal(iv, aad, 97, new Uint8Array(100), 0, 20)).toThrow(RangeError);
    const gone = new Uint8Array(new ArrayBuffer(4096));
    key.seal(iv, aad, 8, gone, 0, 4000);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    expect(() => key.seal(iv, aad, 8, gone, 0, 4000)).toThrow(RangeError);
    expect(() => key.open(iv, aad, 8, gone, 0, 4000)).toThrow(TypeError);
  });
});

// AES-256 as a block cipher: what everything above rests on. `ECBGFSbox256`, `ECBKeySbox256`, `ECBVarKey256` and
// `ECBVarTxt256` are files of hundreds of vectors; their first ones stand here, with the example of FIPS 197
describe('AES-256', () => {
  it.each([
    ['FIPS 197 C.3', KEY_197, '00112233445566778899aabbccddeeff', '8ea2b7ca516745bfeafc49904b496089'],
    ['ECBGFSbox256, 0', ZERO_KEY, '014730f80ac625fe84f026c60bfd547d', '5c9d844ed46f9885085e5d6a4f94c7d7'],
    [
      'ECBKeySbox256, 0',
      'c47b0294dbbbee0fec4757f22ffeee3587ca4730c3d33b691df38bab076bc558',
      '00'.repeat(16),
      '46f2fb342d6f0ab477476fc501242c5f',
    ],
    ['ECBVarKey256, 0', `80${ZERO_KEY.slice(2)}`, '00'.repeat(16), 'e35a6dcb19b201a01ebcfa8aa22b5759'],
    ['ECBVarTxt256, 0', ZERO_KEY, `80${'00'.repeat(15)}`, 'ddc6bf790c15760d8d9aeb6f9a75fd4e'],
  ])('is as %s says (uet:tss/18.1)', (_name, key, text, sealed) => {
    const cipher = createCipheriv('aes-256-ecb', unhex(key), null).setAutoPadding(false);
    expect(cipher.update(text, 'hex', 'hex')).toBe(sealed);
  });
});
