import { describe, expect, it } from 'vitest';
import { ERRNO, type ErrorCode } from '../base/errno.ts';
import { SeededRandom } from '../base/random.ts';
import { isVerbsError, VerbsError } from '../base/verbs-error.ts';
import { UAPI } from './index.ts';
import { MEMORY } from './layouts.ts';
import { MANAGEMENT } from './management/index.ts';
import {
  answerBytes,
  answerCookie,
  checkRoom,
  decodeAnswer,
  decodeRequestHeader,
  decodeValue,
  encodeAnswer,
  encodeError,
  encodeRequest,
  Fault,
  MAX_MESSAGE_BYTES,
  REQUEST_BYTES,
  splitAttributes,
} from './message.ts';
import { decodeRows, encodeRows, type Row } from './rows.ts';
import type { AttributeType, Method, ObjectSchema } from './schema.ts';

const SEED = Number(process.env.SEED ?? 1);
const OBJECTS: readonly ObjectSchema[] = [...Object.values(UAPI), ...Object.values(MANAGEMENT)];
const METHODS = OBJECTS.flatMap((of) =>
  Object.entries(of.methods).map(([name, method]) => [`${of.name}.${name}`, of, method] as const),
);

/** A random value that an attribute can hold. */
function valueFor(random: SeededRandom, type: AttributeType): unknown {
  const word = () => random.uint32();
  switch (type.kind) {
    case 'u32':
      return type.max === undefined ? word() : word() % (type.max + 1);
    case 'handle':
      return word();
    case 'u64':
      return (BigInt(word()) << 32n) | BigInt(word());
    case 'size':
      return Math.min(random.below(0x20_0000) * 0x1_0000_0000 + word(), type.max ?? Number.MAX_SAFE_INTEGER);
    case 'flags':
      return Object.values(type.bits).reduce((all, bit) => (random.chance(0.5) ? all | bit : all), 0) >>> 0;
    case 'choice':
      return Object.values(type.values)[random.below(Object.keys(type.values).length)];
    case 'text':
      return [...'Zwölf Boxkämpfer 🥊 '.repeat(9)].slice(0, random.below(Math.min(type.max / 4, 150))).join('');
    case 'bytes':
      return Uint8Array.from({ length: type.min + random.below(type.max - type.min + 1) }, () => random.below(256));
    case 'handles':
    case 'numbers':
      return Array.from({ length: random.below(Math.min(type.max, 300) + 1) }, word);
    case 'struct':
      return Object.fromEntries(
        Object.entries(type.layout.members).map(([name, kind]) => [
          name,
          kind === 'address'
            ? Uint8Array.from({ length: 16 }, () => random.below(256))
            : kind === 'u32'
              ? word()
              : word() * 2 ** random.below(21),
        ]),
      );
    case 'row':
      return randomRow(random);
    case 'rows':
      return Array.from({ length: random.below(20) }, () => randomRow(random));
  }
}

function randomRow(random: SeededRandom): Row {
  const cells = [
    () => random.uint32(),
    () => random.uint32() * 2 ** random.below(21),
    () => -random.next() * 1e9,
    () => random.chance(0.5),
    () => 'text'.repeat(random.below(9)),
    () => (1n << 63n) + BigInt(random.uint32()),
    () => Array.from({ length: random.below(4) }, (_, i) => `part ${i}`),
  ];
  const names = Array.from({ length: random.below(8) }, (_, i) => `name_${i}`);
  return Object.fromEntries(names.map((name) => [name, cells[random.below(cells.length)]!()]));
}

function valuesFor(random: SeededRandom, method: Method, direction: 'in' | 'out'): Record<string, unknown> {
  const chosen = Object.entries(method.attributes).filter(
    ([, one]) => one.direction === direction && (one.mandatory || random.chance(0.7)),
  );
  return Object.fromEntries(chosen.map(([name, { type }]) => [name, valueFor(random, type)]));
}

const fail = (work: () => unknown): VerbsError => {
  try {
    work();
  } catch (thrown) {
    if (isVerbsError(thrown)) return thrown;
  }
  throw new Error('nothing was refused');
};

describe('messages', () => {
  it.each(METHODS)('%s: what is encoded is decoded, both ways (R054 R058)', (_, of, method) => {
    const random = new SeededRandom(SEED);
    for (let i = 0; i < 20; i++) {
      const input = valuesFor(random, method, 'in');
      const options = {
        context: random.uint32(),
        driver: random.uint32(),
        cookie: random.uint32(),
        room: random.uint32(),
      };
      const bytes = encodeRequest(of, method, input as never, options);
      expect(bytes.length % 8).toBe(0);
      const header = decodeRequestHeader(bytes);
      expect(header).toMatchObject({ object: of.id, method: method.id, ...options });
      const raw = splitAttributes(bytes, REQUEST_BYTES, header.attributes);
      const decoded = Object.fromEntries(
        raw.map(({ id, value }) => {
          const [name, { type }] = Object.entries(method.attributes).find(([, one]) => one.id === id)!;
          return [name, decodeValue(type, value)];
        }),
      );
      expect(decoded).toEqual(input);
      const output = valuesFor(random, method, 'out');
      const answer = encodeAnswer(method, output, options.cookie);
      expect(answerCookie(answer)).toBe(options.cookie);
      expect(decodeAnswer(method, answer)).toEqual(output);
      const most = answerBytes(method);
      if (most !== undefined) expect(answer.length).toBeLessThanOrEqual(most);
    }
  });

  it('an error keeps its code and all that it explains, with the attribute that is meant (R060)', () => {
    for (const code of Object.keys(ERRNO) as ErrorCode[]) {
      const facts = { object: 'qp 0x11', given: 'attribute 3', missing: 'grün', try: 'this', see: 'there' };
      const answer = encodeError(new VerbsError(code, 'QP.MODIFY', `${code} in the text`, facts), 77);
      expect(answerCookie(answer)).toBe(77);
      const error = fail(() => decodeAnswer(UAPI.QP.methods.MODIFY, answer));
      expect(error).toMatchObject({ code, call: 'QP.MODIFY', facts });
      expect(error.message).toBe(`${code} in QP.MODIFY: ${code} in the text`);
    }
  });

  it('a very long explanation is cut, and the answer stays small', () => {
    const error = new VerbsError('EINVAL', 'x'.repeat(9000), 'y'.repeat(9000), { try: 'z'.repeat(9000) });
    expect(encodeError(error, 0).length).toBeLessThan(3 * 2048 + 64);
  });

  it.each([-1, 1.5, 2 ** 32, Number.NaN, '7', undefined])('a word cannot be %s', (value) => {
    const input = { port: value } as never;
    const work = () => encodeRequest(UAPI.DEVICE, UAPI.DEVICE.methods.QUERY_PORT, input);
    if (value === undefined) expect(work().length).toBe(REQUEST_BYTES);
    else expect(fail(work)).toMatchObject({ code: 'EINVAL', call: 'DEVICE' });
  });

  it('what is too long for a message is refused before it is sent, with the size (R057)', () => {
    const extra = [{ id: 0x1000, flags: 0, value: new Uint8Array(MAX_MESSAGE_BYTES) }];
    const error = fail(() => encodeRequest(UAPI.PD, UAPI.PD.methods.ALLOC, {}, { extra }));
    expect(error.code).toBe('EMSGSIZE');
  });

  it('room for the answer is a promise of the caller, and never above the limit of a message', () => {
    const header = decodeRequestHeader(encodeRequest(UAPI.PD, UAPI.PD.methods.ALLOC, {}, { room: 0xffff_ffff }));
    checkRoom(MAX_MESSAGE_BYTES, header, 'x');
    expect(fail(() => checkRoom(MAX_MESSAGE_BYTES + 1, header, 'x')).code).toBe('ENOSPC');
    const small = decodeRequestHeader(encodeRequest(UAPI.PD, UAPI.PD.methods.ALLOC, {}, { room: 24 }));
    checkRoom(24, small, 'x');
    expect(fail(() => checkRoom(25, small, 'x'))).toMatchObject({ code: 'ENOSPC', call: 'x' });
  });

  it('no bytes make a decoder throw anything but an error of the table (R058)', () => {
    const random = new SeededRandom(SEED);
    const types = METHODS.flatMap(([, , method]) => Object.values(method.attributes).map(({ type }) => type));
    let good = 0;
    for (let i = 0; i < 20_000; i++) {
      const bytes = Uint8Array.from({ length: random.below(80) }, () => (random.chance(0.6) ? 0 : random.below(256)));
      const value = decodeValue(types[random.below(types.length)]!, bytes);
      if (!(value instanceof Fault)) good++;
      for (const work of [
        () => decodeRequestHeader(bytes),
        () => splitAttributes(bytes, 0, random.below(6)),
        () => decodeAnswer(UAPI.DEVICE.methods.OPEN, bytes),
      ]) {
        try {
          work();
        } catch (thrown) {
          expect(isVerbsError(thrown)).toBe(true);
        }
      }
    }
    expect(good).toBeGreaterThan(1000);
  });

  it('a structure that grew is still read by an older reader when the rest is zero (R059)', () => {
    const type = { kind: 'struct', layout: MEMORY } as const;
    const bytes = new Uint8Array(MEMORY.bytes + 16);
    bytes[0] = 1;
    expect(decodeValue(type, bytes)).toEqual({ kind: 1, index: 0, offset: 0, length: 0 });
    bytes[MEMORY.bytes + 15] = 1;
    expect(decodeValue(type, bytes)).toMatchObject({ code: 'EOPNOTSUPP' });
  });

  it('a name that is too long is refused, not cut', () => {
    const error = fail(() => encodeRequest(UAPI.DEVICE, UAPI.DEVICE.methods.OPEN, { device: 'n'.repeat(65) }));
    expect(error.message).toContain('`device`');
    expect(error.facts.try).toContain('64');
  });
});

describe('rows', () => {
  it('come back as they were', () => {
    const random = new SeededRandom(SEED);
    for (let i = 0; i < 200; i++) {
      const rows = Array.from({ length: random.below(10) }, () => randomRow(random));
      expect(decodeRows(encodeRows(rows))).toEqual(rows);
    }
  });

  it('with any byte changed or cut off are rows or are refused, and never throw (R058)', () => {
    const random = new SeededRandom(SEED);
    const whole = encodeRows(Array.from({ length: 8 }, () => randomRow(random)));
    let refused = 0;
    for (let i = 0; i < 4000; i++) {
      const bytes = whole.slice(0, random.chance(0.3) ? random.below(whole.length) : whole.length);
      if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
      if (decodeRows(bytes) === undefined) refused++;
    }
    expect(refused).toBeGreaterThan(500);
  });

  it('a name that the language knows is a name like any other', () => {
    const row = Object.fromEntries([
      ['__proto__', 'x'],
      ['constructor', 1],
    ]) as Row;
    const [back] = decodeRows(encodeRows([row]))!;
    expect(Object.keys(back!)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
  });

  it('a name of 256 bytes or more is cut, not written as another length', () => {
    const [back] = decodeRows(encodeRows([{ ['n'.repeat(300)]: 1, after: 2 }]))!;
    expect(Object.values(back!)).toEqual([1, 2]);
  });

  it('a count that lies costs nothing', () => {
    const bytes = encodeRows([{ list: ['a', 'b'] }]);
    new DataView(bytes.buffer).setUint32(4 + 2 + 4, 0xffff_ffff, true);
    expect(decodeRows(bytes)).toBeUndefined();
  });
});
