import { describe, expect, it } from 'vitest';
import { diagram } from './diagram.ts';
import { dissect } from './dissect.ts';
import { bits, byteLength, bytes, describe as describeHeader, header, u64 } from './header.ts';
import { names } from './names.ts';
import { emit, extract } from './record.ts';

const Colour = names({ RED: 1, GREEN: 2 });
const Sample = header('Sample', 'none', {
  colour: bits(3, 'Its colour', Colour),
  _r1: bits(5),
  delta: bits(16, 'Signed distance').signed().unit('bytes'),
  tail: bits(8, 'Last byte of the word').hex(),
  wide: u64('Large number'),
  id: bytes(3, 'Raw', (raw) => raw.join('-')),
  time: bits(8, 'Time').unit('128 ns'),
});

describe('header', () => {
  it('gives a frozen plain object with the fields in wire order', () => {
    expect(Object.keys(Sample)).toEqual(['colour', '_r1', 'delta', 'tail', 'wide', 'id', 'time']);
    expect(Object.isFrozen(Sample)).toBe(true);
    expect(Object.getPrototypeOf(Sample)).toBe(Object.prototype);
    expect(byteLength(Sample)).toBe(16);
  });

  it('refuses bits that do not fill bytes', () => {
    expect(() => header('H', 's', { a: bits(7) })).toThrow('header H (s): 7 bits are not whole bytes');
    expect(() => header('H', 's', {})).toThrow('0 bits');
  });

  it.each([
    ['a field across a word', { a: bits(8), b: bits(20), c: bits(12), d: bits(24) }],
    ['a 64-bit field off a byte boundary', { a: bits(4), b: u64(), c: bits(4) }],
    ['raw bytes off a byte boundary', { a: bits(4), b: bytes(2), c: bits(4) }],
    ['a signed field that is not 16 bits on a byte boundary', { a: bits(12).signed(), b: bits(4) }],
    ['a field of more than 32 bits', { a: bits(40) }],
    ['a field of no bits', { a: bits(8), b: bits(0) }],
    [
      'a word that would reach beyond the header',
      { a: bits(8), b: bits(8), c: bits(3), d: bits(10), e: bits(3), f: bits(4), g: bits(17), h: bits(3) },
    ],
  ])('refuses %s', (_what, fields) => {
    expect(() => header('H', 's', fields)).toThrow(/crosses a word/);
  });

  it('refuses names that would not be readable', () => {
    expect(() => header('H', 's', { Upper: bits(8) })).toThrow("bad field name 'Upper'");
    expect(() => header('H', 's', { _reserved: bits(8) })).toThrow("bad field name '_reserved'");
  });

  it('describes itself and nothing else', () => {
    const info = describeHeader(Sample);
    expect(info.fields.map(({ name, bit }) => [name, bit])).toEqual([
      ['colour', 0],
      ['_r1', 3],
      ['delta', 8],
      ['tail', 24],
      ['wide', 32],
      ['id', 96],
      ['time', 120],
    ]);
    expect(() => describeHeader({})).toThrow(TypeError);
  });
});

describe('64-bit fields', () => {
  it('read as halves, as a double below 2^53 and as a bigint', () => {
    const view = new DataView(new ArrayBuffer(16));
    Sample.wide.setNum(view, 0, 2 ** 53 - 1);
    expect([Sample.wide.hi.get(view, 0), Sample.wide.lo.get(view, 0)]).toEqual([0x1f_ffff, 0xffff_ffff]);
    expect(Sample.wide.num(view, 0)).toBe(2 ** 53 - 1);
    Sample.wide.set(view, 0, 0x8000_0000, 1);
    expect(Sample.wide.big(view, 0)).toBe(2n ** 63n + 1n);
  });
});

describe('emit and extract', () => {
  it('overwrite garbage, reserved bits included', () => {
    const view = new DataView(new ArrayBuffer(18));
    new Uint8Array(view.buffer).fill(0xff);
    expect(emit(Sample, view, 1, { colour: 2, delta: -2, wide: 5, id: Uint8Array.of(1, 2, 3) })).toBe(17);
    expect([...new Uint8Array(view.buffer)]).toEqual([255, 0x40, 255, 254, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 0, 255]);
    expect(extract(Sample, view, 1)).toEqual({
      colour: 2,
      delta: -2,
      tail: 0,
      wide: 5n,
      id: Uint8Array.of(1, 2, 3),
      time: 0,
    });
  });

  it('refuse what would not arrive', () => {
    const view = new DataView(new ArrayBuffer(16));
    expect(() => emit(Sample, view, 0, { colour: 8 })).toThrow(
      "header Sample: 8 does not fit field 'colour' of 3 bits",
    );
    expect(() => emit(Sample, view, 0, { delta: 32768 })).toThrow(RangeError);
    expect(() => emit(Sample, view, 0, { wide: 2n ** 64n })).toThrow(RangeError);
    expect(() => emit(Sample, view, 0, { colour: 1.5 })).toThrow(RangeError);
    expect(() => emit(Sample, view, 0, { nothing: 1 } as object)).toThrow("has no field 'nothing'");
    expect(() => emit(Sample, view, 0, { _r1: 1 } as object)).toThrow("has no field '_r1'");
  });
});

describe('dissect', () => {
  it('shows values, texts and places; reserved bits only when set', () => {
    const view = new DataView(new ArrayBuffer(18));
    emit(Sample, view, 2, { colour: 7, delta: -2, tail: 10, wide: 2n ** 60n, id: Uint8Array.of(1, 2, 3), time: 9 });
    const tree = dissect(Sample, view, 2);
    expect(tree).toMatchObject({ header: 'Sample', offset: 2, length: 16 });
    expect(tree.fields.map(({ name, value, text, offset, bit }) => [name, value, text, offset, bit])).toEqual([
      ['colour', 7, '0x7 (unknown)', 2, 0],
      ['delta', -2, '-2 bytes', 3, 0],
      ['tail', 10, '0x0a', 5, 0],
      ['wide', '0x1000000000000000', '0x1000000000000000', 6, 0],
      ['id', '010203', '1-2-3', 14, 0],
      ['time', 9, '9 × 128 ns', 17, 0],
    ]);
    Sample._r1.set(view, 2, 1);
    expect(dissect(Sample, view, 2).fields[1]).toMatchObject({ name: '_r1', value: 1, bit: 3 });
  });
});

describe('diagram', () => {
  it('draws words of 32 bits and a table', () => {
    expect(diagram(Sample)).toMatchInlineSnapshot(`
      "Sample: 16 bytes (none)

      \`\`\`
       0                   1                   2                   3
       0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
      +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
      |colou|         |             delta             |     tail      |
      +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
      |                             wide                              |
      +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
      |                               …                               |
      +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
      |                      id                       |     time      |
      +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
      \`\`\`

      | byte | bits | field | meaning |
      | --- | --- | --- | --- |
      | 0 | 3 | \`colour\` | Its colour |
      | 0.3 | 5 | reserved | sent as 0, ignored on receipt |
      | 1 | 16 signed | \`delta\` | Signed distance (unit: bytes) |
      | 3 | 8 | \`tail\` | Last byte of the word |
      | 4 | 64 | \`wide\` | Large number |
      | 12 | 24 | \`id\` | Raw |
      | 15 | 8 | \`time\` | Time (unit: 128 ns) |"
    `);
  });
});
