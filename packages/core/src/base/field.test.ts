import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Field, S16, U8, U16, U16Le, U24, U32, U32Le, Within8, Within16, Within32 } from './field.ts';

const FIELDS: readonly [string, Field][] = [
  ['U8', new U8(24, 8)],
  ['U16', new U16(8, 16)],
  ['U24 across a word', new U24(24, 24)],
  ['U32', new U32(32, 32)],
  ['U32 off a word boundary', new U32(16, 32)],
  ['Within8, upper bits', new Within8(8, 2)],
  ['Within8, lower bits', new Within8(13, 3)],
  ['Within16', new Within16(5, 4)],
  ['Within16, all but one bit', new Within16(17, 15)],
  ['Within32', new Within32(40, 24)],
  ['Within32, upper bits', new Within32(32, 24)],
  ['Within32, 31 bits', new Within32(1, 31)],
];

describe.each(FIELDS)('%s', (_name, field) => {
  const values = fc.integer({ min: 0, max: 2 ** field.width - 1 });

  it('lies at its bits, most significant first', () => {
    fc.assert(
      fc.property(values, (value) => {
        const view = new DataView(new ArrayBuffer(10));
        field.set(view, 1, value);
        expect(bitsOf(view).slice(8 + field.bit, 8 + field.bit + field.width)).toBe(
          value.toString(2).padStart(field.width, '0'),
        );
        expect(field.get(view, 1)).toBe(value);
      }),
    );
  });

  it('leaves the bits beside it alone', () => {
    fc.assert(
      fc.property(values, fc.uint8Array({ minLength: 10, maxLength: 10 }), (value, bytes) => {
        const view = new DataView(bytes.buffer);
        const before = bitsOf(view);
        field.set(view, 1, value);
        const after = bitsOf(view);
        expect(after.slice(0, 8 + field.bit)).toBe(before.slice(0, 8 + field.bit));
        expect(after.slice(8 + field.bit + field.width)).toBe(before.slice(8 + field.bit + field.width));
      }),
    );
  });

  it('stores the low bits of a value that is too large', () => {
    const view = new DataView(new ArrayBuffer(10));
    field.set(view, 0, 2 ** field.width + 1);
    expect(field.get(view, 0)).toBe(1);
  });
});

describe('S16', () => {
  it('reads and writes two’s complement', () => {
    const view = new DataView(new ArrayBuffer(4));
    const field = new S16(16, 16);
    for (const [value, raw] of [
      [-1, 0xffff],
      [-32768, 0x8000],
      [32767, 0x7fff],
    ] as const) {
      field.set(view, 0, value);
      expect(view.getUint16(2)).toBe(raw);
      expect(field.get(view, 0)).toBe(value);
    }
  });
});

describe('little-endian words', () => {
  it('have their least significant byte first', () => {
    const view = new DataView(new ArrayBuffer(8));
    const [half, word] = [new U16Le(0, 16), new U32Le(32, 32)];
    half.set(view, 0, 0x0102);
    word.set(view, 0, 0xf1f2f3f4);
    expect([...new Uint8Array(view.buffer)]).toEqual([2, 1, 0, 0, 0xf4, 0xf3, 0xf2, 0xf1]);
    expect([half.get(view, 0), word.get(view, 0)]).toEqual([0x0102, 0xf1f2f3f4]);
  });
});

function bitsOf(view: DataView): string {
  return Array.from(new Uint8Array(view.buffer), (byte) => byte.toString(2).padStart(8, '0')).join('');
}
