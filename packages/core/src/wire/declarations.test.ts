/** What holds for each declared header, without a word about any of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitrary } from './arbitrary.ts';
import { diagram } from './diagram.ts';
import { dissect } from './dissect.ts';
import { type AnyHeader, byteLength, describe as describeHeader } from './header.ts';
import * as wire from './index.ts';
import { isNamed } from './names.ts';
import { emit, extract, type HeaderValues } from './record.ts';

const HEADERS = Object.entries(wire).flatMap(([name, value]) => {
  try {
    return [[name, value as AnyHeader, describeHeader(value as AnyHeader)] as const];
  } catch {
    return [];
  }
});

it('finds all declarations', () => {
  expect(HEADERS.length).toBeGreaterThan(45);
  expect(new Set(HEADERS.map(([, , info]) => info.name)).size).toBe(HEADERS.length);
});

describe.each(HEADERS)('%s', (_name, declared, info) => {
  const length = byteLength(declared);
  const records = arbitrary(fc, declared) as fc.Arbitrary<HeaderValues<AnyHeader>>;
  const garbage = fc.uint8Array({ minLength: length + 4, maxLength: length + 4 });

  it('returns the values that were stored, and touches nothing beside itself', () => {
    fc.assert(
      fc.property(records, garbage, (values, bytes) => {
        const before = bytes.slice();
        const view = new DataView(bytes.buffer);
        expect(emit(declared, view, 2, values)).toBe(length + 2);
        expect(extract(declared, view, 2)).toEqual(values);
        expect([...bytes.subarray(0, 2), ...bytes.subarray(length + 2)]).toEqual([
          ...before.subarray(0, 2),
          ...before.subarray(length + 2),
        ]);
      }),
    );
  });

  it('sends reserved bits as zero', () => {
    fc.assert(
      fc.property(records, garbage, (values, bytes) => {
        emit(declared, new DataView(bytes.buffer), 0, values);
        for (const { name, reserved, bit, bits } of info.fields) {
          if (reserved) expect([name, bitsOf(bytes).slice(bit, bit + bits)]).toEqual([name, '0'.repeat(bits)]);
        }
      }),
    );
  });

  it('has fields that cover each bit once', () => {
    let next = 0;
    for (const { bit, bits } of info.fields) {
      expect(bit).toBe(next);
      next += bits;
    }
    expect(next).toBe(length * 8);
  });

  it('dissects any bytes, and unknown code points survive', () => {
    fc.assert(
      fc.property(garbage, (bytes) => {
        const view = new DataView(bytes.buffer);
        const tree = dissect(declared, view, 0);
        JSON.stringify(tree);
        for (const node of tree.fields) {
          const names = info.fields.find(({ name }) => name === node.name)!.names;
          if (names !== undefined && !isNamed(names, Number(node.value))) {
            expect(node.text).toBe(`0x${node.value.toString(16)} (unknown)`);
          }
        }
      }),
    );
  });

  it('is documented', () => {
    expect(info.section).not.toBe('');
    for (const { name, reserved, doc } of info.fields) expect([name, reserved || doc !== '']).toEqual([name, true]);
    expect(diagram(declared)).toContain(info.name);
  });
});

function bitsOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
}
