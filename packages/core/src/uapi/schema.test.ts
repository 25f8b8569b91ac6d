import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { UAPI } from './index.ts';
import { layout } from './layout.ts';
import { MANAGEMENT } from './management/index.ts';
import {
  type Attribute,
  DRIVER_IDS,
  give,
  type Method,
  maybe,
  method,
  need,
  type ObjectSchema,
  object,
  schemaFaults,
} from './schema.ts';
import { lostLines, snapshotOf } from './snapshot.ts';

const PROGRAMS: readonly ObjectSchema[] = Object.values(UAPI);
const TOOLS: readonly ObjectSchema[] = Object.values(MANAGEMENT);
const ALL = [...PROGRAMS, ...TOOLS];

const thing = (methods: Readonly<Record<string, Method>>): ObjectSchema =>
  object({ id: 1, name: 'THING', text: 'A thing.', plural: 'things', short: 'thing', methods });
const faultsOf = (attributes: Readonly<Record<string, Attribute>>) =>
  schemaFaults([thing({ DO: method(0, 'Does.', attributes) })]);

describe('the schema', () => {
  it('has no faults: numbers and names once, flat attributes, one new or destroyed handle (R056 R057)', () => {
    expect(schemaFaults(PROGRAMS)).toEqual([]);
    expect(schemaFaults(TOOLS)).toEqual([]);
    // only objects of programs are counted under their plural
    expect(schemaFaults(ALL).filter((fault) => !fault.includes('the plural'))).toEqual([]);
  });

  it('stays in the core’s range of numbers (R056)', () => {
    for (const one of ALL) {
      expect(one.id).toBeLessThan(DRIVER_IDS);
      for (const { id, attributes } of Object.values(one.methods)) {
        expect(id).toBeLessThan(DRIVER_IDS);
        for (const attribute of Object.values(attributes)) expect(attribute.id).toBeLessThan(DRIVER_IDS);
      }
    }
  });

  it('every text ends: objects and methods are described (R057)', () => {
    for (const one of ALL) {
      expect(one.text).toMatch(/[.]$/);
      for (const { text } of Object.values(one.methods)) expect(text).toMatch(/[.]$/);
    }
  });

  it.each<readonly [string, Readonly<Record<string, Attribute>>, string]>([
    ['a number twice', { a: need.u32(0, 'a'), b: need.u32(0, 'b') }, 'twice'],
    ['a number above 16 bits', { a: need.u32(0x1_0000, 'a') }, '16 bits'],
    ['a nested attribute', { a: { ...need.u32(0, 'a'), type: { kind: 'attributes' } as never } }, 'flat'],
    ['two new objects', { a: give.handle(0, 'THING', 'a'), b: give.handle(1, 'THING', 'b') }, 'one is the most'],
    [
      'a new handle that is taken',
      { a: { ...give.handle(0, 'THING', 'a'), direction: 'in' } },
      'new objects are given',
    ],
    ['a handle that is given', { a: { ...need.read(0, 'THING', 'a'), direction: 'out' } }, 'new objects are given'],
    ['a new object that is optional', { a: { ...give.handle(0, 'THING', 'a'), mandatory: false } }, 'mandatory'],
    ['a destroyed object that is optional', { a: maybe(need.destroy(0, 'THING', 'a')) }, 'mandatory'],
    ['an object that does not exist', { a: need.read(0, 'PART', 'a') }, 'does not exist'],
    ['no text', { a: need.u32(0, '') }, 'no text'],
    ['a name that is not ASCII', { grün: need.u32(0, 'a') }, 'ASCII'],
  ])('lint: %s (R056 R057)', (_, attributes, text) => {
    expect(faultsOf(attributes).join('; ')).toContain(text);
  });

  it('lint: an object of another kind, two ways to destroy, and equal names of objects (R057)', () => {
    const other = { ...thing({}), id: 2 };
    expect(schemaFaults([thing({}), other]).join()).toContain('THING twice');
    const end = (id: number) => method(id, 'Ends.', { handle: need.destroy(0, 'THING', 'it') });
    expect(schemaFaults([thing({ END: end(0), STOP: end(1) })]).join()).toContain('2 methods that destroy');
    const part = { ...thing({ MAKE: method(0, 'Makes.', { a: give.handle(0, 'THING', 'a') }) }), id: 2 };
    expect(schemaFaults([thing({}), { ...part, name: 'PART', plural: 'parts', short: 'part' }]).join()).toContain(
      'no PART',
    );
  });
});

describe('the snapshot of the ABI', () => {
  const now = snapshotOf(ALL);
  const committed = readFileSync(new URL('./abi-snapshot.txt', import.meta.url), 'utf8').split('\n');

  it('numbers are only added: nothing of abi-snapshot.txt is gone or changed (R065)', () => {
    expect(committed.length).toBeGreaterThan(300);
    expect(lostLines(committed, now)).toEqual([]);
  });

  it.each<
    readonly [string, (attributes: Readonly<Record<string, Attribute>>) => Readonly<Record<string, Attribute>>, boolean]
  >([
    ['a new optional attribute', (all) => ({ ...all, more: maybe(need.u32(9, 'more')) }), true],
    ['an attribute that is gone', ({ word: _, ...rest }) => rest, false],
    ['another number', ({ word, ...rest }) => ({ ...rest, word: { ...word!, id: 7 } }), false],
    ['another type', ({ word, ...rest }) => ({ ...rest, word: need.u64(word!.id, 'word') }), false],
    ['mandatory now', ({ place, ...rest }) => ({ ...rest, place: { ...place!, mandatory: true } }), false],
    ['a flag of another bit', (all) => ({ ...all, bits: need.flags(2, 'bits', { RED: 2 }) }), false],
    ['one more flag', (all) => ({ ...all, bits: need.flags(2, 'bits', { RED: 1, BLUE: 2 }) }), true],
  ])('finds: %s (R065)', (_, change, isCompatible) => {
    const attributes = {
      word: need.u32(0, 'word'),
      place: maybe(need.struct(1, 'place', layout('spot', 'a spot', { x: 'u32' }))),
      bits: need.flags(2, 'bits', { RED: 1 }),
    };
    const old = snapshotOf([thing({ DO: method(0, 'Does.', attributes) })]);
    const changed = snapshotOf([thing({ DO: method(0, 'Does.', change(attributes)) })]);
    expect(lostLines(old, changed).length === 0).toBe(isCompatible);
  });
});
