import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../base/random.ts';
import { ATOMIC_TYPE_BYTES, AtomicOp, type AtomicOpName, AtomicType, type AtomicTypeName } from '../atomics.ts';
import { applyAtomic } from './arithmetic.ts';
import { reverseEach } from './byte-order.ts';
import { ElementKind, isAtomicDefined, kindOf, partBytes } from './element-kinds.ts';
import { FloatSignal } from './float-signals.ts';
import { BFLOAT16_FRACTION, decodeShort, encodeShort, FLOAT16_FRACTION } from './short-float.ts';

const OPS = Object.keys(AtomicOp) as AtomicOpName[];
const TYPES = Object.keys(AtomicType) as AtomicTypeName[];
const size = (type: AtomicTypeName): number => ATOMIC_TYPE_BYTES[AtomicType[type]]!;
const view = (bytes: number): DataView => new DataView(new ArrayBuffer(bytes));
const integers = TYPES.filter((type) => kindOf(AtomicType[type]) === ElementKind.SIGNED || type.startsWith('UINT'));
const reals = TYPES.filter((type) => kindOf(AtomicType[type]) === ElementKind.REAL);
const complexes = TYPES.filter((type) => kindOf(AtomicType[type]) === ElementKind.COMPLEX);

// ------------------------------------------------------------------ integers, against bigint

function setBig(to: DataView, at: number, bytes: number, value: bigint): void {
  for (let i = 0; i < bytes; i++) to.setUint8(at + i, Number((value >> BigInt(8 * i)) & 255n));
}

function getBig(from: DataView, at: number, bytes: number, isSigned: boolean): bigint {
  let value = 0n;
  for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(from.getUint8(at + i));
  return isSigned ? BigInt.asIntN(8 * bytes, value) : value;
}

/** Zero, one, both ends of the range, their neighbours, and any number. */
function anyInteger(random: SeededRandom, bits: number): bigint {
  const edges = [0n, 1n, 2n, -1n, -2n, 1n << BigInt(bits - 1), (1n << BigInt(bits - 1)) - 1n];
  if (random.chance(0.4)) return edges[random.below(edges.length)]!;
  let value = 0n;
  for (let i = 0; i < bits; i += 32) value = (value << 32n) | BigInt(random.uint32());
  return random.chance(0.3) ? value >> BigInt(random.below(bits)) : value;
}

function modelInteger(op: AtomicOpName, there: bigint, given: bigint, compared: bigint): bigint {
  const truth = (value: boolean) => (value ? 1n : 0n);
  const swapIf = (condition: boolean) => (condition ? given : there);
  const model: Record<AtomicOpName, () => bigint> = {
    MIN: () => (given < there ? given : there),
    MAX: () => (given > there ? given : there),
    SUM: () => there + given,
    DIFF: () => there - given,
    PROD: () => there * given,
    LOR: () => truth(there !== 0n || given !== 0n),
    LAND: () => truth(there !== 0n && given !== 0n),
    LXOR: () => truth((there !== 0n) !== (given !== 0n)),
    BOR: () => there | given,
    BAND: () => there & given,
    BXOR: () => there ^ given,
    READ: () => there,
    WRITE: () => given,
    CSWAP: () => swapIf(compared === there),
    CSWAP_NE: () => swapIf(compared !== there),
    CSWAP_LE: () => swapIf(compared <= there),
    CSWAP_LT: () => swapIf(compared < there),
    CSWAP_GE: () => swapIf(compared >= there),
    CSWAP_GT: () => swapIf(compared > there),
    MSWAP: () => (given & compared) | (there & ~compared),
  };
  return model[op]();
}

describe('atomic operations on integers wrap and compare by their sign (uet:ses/2.10)', () => {
  for (const type of integers) {
    it(`${type}, all operations, arrays of three, against bigint (seed 11)`, () => {
      const random = new SeededRandom(11);
      const [bytes, isSigned] = [size(type), type.startsWith('INT')];
      const bits = 8 * bytes;
      const [target, operand, comparand] = [view(3 * bytes), view(3 * bytes), view(3 * bytes)];
      for (const op of OPS) {
        expect(isAtomicDefined(AtomicOp[op], AtomicType[type])).toBe(true);
        for (let n = 0; n < 80; n++) {
          const expected: bigint[] = [];
          for (let i = 0; i < 3; i++) {
            const there = anyInteger(random, bits);
            setBig(target, i * bytes, bytes, there);
            setBig(operand, i * bytes, bytes, anyInteger(random, bits));
            setBig(comparand, i * bytes, bytes, random.chance(0.3) ? there : anyInteger(random, bits));
            const [a, b, c] = [target, operand, comparand].map((one) => getBig(one, i * bytes, bytes, isSigned));
            expected.push(BigInt.asUintN(bits, modelInteger(op, a!, b!, c!)));
          }
          const given = new Uint8Array(operand.buffer).slice();
          expect(applyAtomic(AtomicOp[op], AtomicType[type], 3, target, operand, comparand, 15)).toBe(0);
          expect([0, 1, 2].map((i) => getBig(target, i * bytes, bytes, false))).toEqual(expected);
          expect(new Uint8Array(operand.buffer)).toEqual(given);
        }
      }
    });
  }
});

// ------------------------------------------------------------------ floating point

const get = (type: AtomicTypeName, from: DataView, at: number): number => {
  if (type === 'FLOAT16') return decodeShort(from.getUint16(at, true), FLOAT16_FRACTION);
  if (type === 'BFLOAT16') return decodeShort(from.getUint16(at, true), BFLOAT16_FRACTION);
  return type.startsWith('FLOAT') ? from.getFloat32(at, true) : from.getFloat64(at, true);
};
const set = (type: AtomicTypeName, to: DataView, at: number, value: number): void => {
  if (type === 'FLOAT16') to.setUint16(at, encodeShort(value, FLOAT16_FRACTION), true);
  else if (type === 'BFLOAT16') to.setUint16(at, encodeShort(value, BFLOAT16_FRACTION), true);
  else if (type.startsWith('FLOAT')) to.setFloat32(at, value, true);
  else to.setFloat64(at, value, true);
};

/** Rounds a double to the type, by another route than the one under test. */
function round(type: AtomicTypeName, value: number): number {
  const scratch = view(8);
  set(type, scratch, 0, value);
  return type.startsWith('FLOAT') && type !== 'FLOAT16' ? Math.fround(value) : get(type, scratch, 0);
}

const EDGES = [0, -0, 1, -1, 1.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
const LARGEST: Record<string, number> = {
  FLOAT16: 65_504,
  BFLOAT16: (2 - 2 ** -7) * 2 ** 127,
  FLOAT: (2 - 2 ** -23) * 2 ** 127,
  DOUBLE: Number.MAX_VALUE,
};
const DENORMAL: Record<string, number> = {
  FLOAT16: 2 ** -24,
  BFLOAT16: 2 ** -133,
  FLOAT: 2 ** -149,
  DOUBLE: 2 ** -1074,
};

function anyReal(random: SeededRandom, type: AtomicTypeName): number {
  const edges = [...EDGES, LARGEST[type]!, -LARGEST[type]!, DENORMAL[type]!, 3 * DENORMAL[type]!];
  if (random.chance(0.4)) return edges[random.below(edges.length)]!;
  return round(type, (random.next() - 0.5) * 2 ** (random.below(24) - 12));
}

/** What C's expressions say of numbers. */
function modelReal(op: AtomicOpName, there: number, given: number, compared: number): number {
  const truth = (value: boolean) => (value ? 1 : 0);
  const isTrue = (value: number) => value !== 0; // NaN is
  const swapIf = (condition: boolean) => (condition ? given : there);
  const model: Partial<Record<AtomicOpName, number>> = {
    MIN: swapIf(given < there),
    MAX: swapIf(given > there),
    SUM: there + given,
    DIFF: there - given,
    PROD: there * given,
    LOR: truth(isTrue(there) || isTrue(given)),
    LAND: truth(isTrue(there) && isTrue(given)),
    LXOR: truth(isTrue(there) !== isTrue(given)),
    READ: there,
    WRITE: given,
    CSWAP: swapIf(compared === there),
    CSWAP_NE: swapIf(compared !== there),
    CSWAP_LE: swapIf(compared <= there),
    CSWAP_LT: swapIf(compared < there),
    CSWAP_GE: swapIf(compared >= there),
    CSWAP_GT: swapIf(compared > there),
  };
  return model[op]!;
}

describe('atomic operations on floating-point numbers follow IEEE 754 and C (uet:ses/2.10)', () => {
  for (const type of reals) {
    it(`${type}: sums, products, order and swaps; NaN, infinities, denormals, both zeros (seed 12)`, () => {
      const random = new SeededRandom(12);
      const bytes = size(type);
      const [target, operand, comparand] = [view(bytes), view(bytes), view(bytes)];
      for (const op of OPS.filter((one) => isAtomicDefined(AtomicOp[one], AtomicType[type]))) {
        for (let n = 0; n < 300; n++) {
          const there = anyReal(random, type);
          const given = anyReal(random, type);
          const compared = random.chance(0.3) ? there : anyReal(random, type);
          set(type, target, 0, there);
          set(type, operand, 0, given);
          set(type, comparand, 0, compared);
          applyAtomic(AtomicOp[op], AtomicType[type], 1, target, operand, comparand);
          expect(get(type, target, 0), `${op} ${there} ${given} ${compared}`).toBe(
            round(type, modelReal(op, there, given, compared)),
          );
        }
      }
      expect(isAtomicDefined(AtomicOp.BXOR, AtomicType[type])).toBe(false);
      expect(isAtomicDefined(AtomicOp.MSWAP, AtomicType[type])).toBe(false);
    });

    it(`${type}: a comparison with NaN is false: MIN and MAX leave what was there, bits and all`, () => {
      const bytes = size(type);
      for (const op of [AtomicOp.MIN, AtomicOp.MAX]) {
        for (const [there, given] of [
          [Number.NaN, 1],
          [1, Number.NaN],
        ] as const) {
          const [target, operand] = [view(bytes), view(bytes)];
          set(type, target, 0, there);
          set(type, operand, 0, given);
          target.setUint8(0, target.getUint8(0) | (Number.isNaN(there) ? 5 : 0)); // a NaN with something to lose
          const before = new Uint8Array(target.buffer).slice();
          expect(applyAtomic(op, AtomicType[type], 1, target, operand, operand, 15)).toBe(FloatSignal.NAN);
          expect(new Uint8Array(target.buffer)).toEqual(before);
        }
      }
    });

    it(`${type}: tells of NaN, underflow, overflow and inexact results, and only of what is asked for`, () => {
      const bytes = size(type);
      const [most, least] = [LARGEST[type]!, DENORMAL[type]!];
      const ulp = { FLOAT16: 2 ** -10, BFLOAT16: 2 ** -7, FLOAT: 2 ** -23, DOUBLE: 2 ** -52 }[type as 'FLOAT'];
      const signals = (op: AtomicOpName, there: number, given: number, watched = 15): number => {
        const [target, operand] = [view(bytes), view(bytes)];
        set(type, target, 0, there);
        set(type, operand, 0, given);
        return applyAtomic(AtomicOp[op], AtomicType[type], 1, target, operand, operand, watched);
      };
      const { NAN, UNDERFLOW, OVERFLOW, INEXACT } = FloatSignal;
      expect(signals('SUM', 1, 2)).toBe(0);
      expect(signals('PROD', 1.5, -2)).toBe(0);
      expect(signals('SUM', Number.POSITIVE_INFINITY, 1)).toBe(0);
      expect(signals('SUM', Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)).toBe(NAN);
      expect(signals('DIFF', Number.NaN, 1)).toBe(NAN);
      expect(signals('SUM', most, most)).toBe(OVERFLOW | INEXACT);
      expect(signals('PROD', most, -most)).toBe(OVERFLOW | INEXACT);
      expect(signals('SUM', 1, ulp / 4)).toBe(INEXACT);
      expect(signals('DIFF', 1, ulp / 8)).toBe(INEXACT);
      expect(signals('PROD', 1 + ulp, 1 + ulp)).toBe(INEXACT);
      expect(signals('PROD', least, 0.5)).toBe(UNDERFLOW | INEXACT);
      expect(signals('PROD', 3 * least, 0.5)).toBe(UNDERFLOW | INEXACT);
      expect(signals('PROD', 4 * least, 0.5)).toBe(0); // denormal and exact
      expect(signals('SUM', least, least)).toBe(0);
      expect(signals('SUM', most, most, INEXACT)).toBe(INEXACT);
      expect(signals('SUM', most, most, NAN)).toBe(0);
      expect(signals('WRITE', 1, Number.NaN)).toBe(0); // a copy is not an operation
    });
  }

  it('FLOAT: whether a result is inexact, against products and sums of bigints (seed 13)', () => {
    const random = new SeededRandom(13);
    const exactly = (value: number): [bigint, number] => {
      let shift = 0;
      let v = value;
      while (!Number.isInteger(v)) {
        v *= 2;
        shift++;
      }
      return [BigInt(v), shift];
    };
    for (let n = 0; n < 1_000; n++) {
      const a = Math.fround((random.next() - 0.5) * 2 ** random.below(30));
      const b = random.chance(0.5) ? Math.fround(random.next() * 2 ** random.below(30)) : random.below(64) - 32;
      for (const op of ['SUM', 'PROD'] as const) {
        const [target, operand] = [view(4), view(4)];
        target.setFloat32(0, a, true);
        operand.setFloat32(0, b, true);
        const signals = applyAtomic(AtomicOp[op], AtomicType.FLOAT, 1, target, operand, operand, 15);
        const [x, xs] = exactly(a);
        const [y, ys] = exactly(b);
        const [r, rs] = exactly(target.getFloat32(0, true));
        const [e, es] = op === 'PROD' ? [x * y, xs + ys] : [(x << BigInt(ys)) + (y << BigInt(xs)), xs + ys];
        expect(signals, `${op} ${a} ${b}`).toBe(r << BigInt(es) === e << BigInt(rs) ? 0 : FloatSignal.INEXACT);
      }
    }
  });
});

describe('atomic operations on complex numbers (uet:ses/2.10)', () => {
  for (const type of complexes) {
    const real = type === 'FLOAT_COMPLEX' ? 'FLOAT' : 'DOUBLE';
    const half = size(type) / 2;
    const put = (to: DataView, [re, im]: readonly [number, number]) => {
      set(real, to, 0, re);
      set(real, to, half, im);
    };
    const run = (
      op: AtomicOpName,
      there: readonly [number, number],
      given: readonly [number, number],
      compared = given,
    ) => {
      const [target, operand, comparand] = [view(2 * half), view(2 * half), view(2 * half)];
      put(target, there);
      put(operand, given);
      put(comparand, compared);
      const signals = applyAtomic(AtomicOp[op], AtomicType[type], 1, target, operand, comparand, 15);
      return [get(real, target, 0), get(real, target, half), signals];
    };

    it(`${type}: sums, products, logic, equality`, () => {
      expect(run('SUM', [1, 2], [10, 20])).toEqual([11, 22, 0]);
      expect(run('DIFF', [1, 2], [10, 20])).toEqual([-9, -18, 0]);
      expect(run('PROD', [1, 2], [3, 4])).toEqual([-5, 10, 0]);
      expect(run('LOR', [0, 0], [0, 3])).toEqual([1, 0, 0]);
      expect(run('LAND', [0, 2], [0, 0])).toEqual([0, 0, 0]);
      expect(run('LXOR', [5, 0], [0, -0])).toEqual([1, 0, 0]);
      expect(run('WRITE', [5, 0], [7, 8])).toEqual([7, 8, 0]);
      expect(run('READ', [5, 1], [7, 8])).toEqual([5, 1, 0]);
      expect(run('CSWAP', [5, 1], [7, 8], [5, 1])).toEqual([7, 8, 0]);
      expect(run('CSWAP', [5, 1], [7, 8], [5, 2])).toEqual([5, 1, 0]);
      expect(run('CSWAP_NE', [5, 1], [7, 8], [5, 2])).toEqual([7, 8, 0]);
      expect(run('CSWAP_NE', [5, 1], [7, 8], [5, 1])).toEqual([5, 1, 0]);
      expect(run('CSWAP', [5, Number.NaN], [7, 8], [5, Number.NaN])).toEqual([5, Number.NaN, FloatSignal.NAN]);
      expect(run('SUM', [LARGEST[real]!, 0], [LARGEST[real]!, 0])[2]).toBe(FloatSignal.OVERFLOW | FloatSignal.INEXACT);
      expect(run('PROD', [Number.POSITIVE_INFINITY, 0], [0, 1])[2]! & FloatSignal.NAN).toBe(FloatSignal.NAN);
    });

    it(`${type}: has no order and no bits`, () => {
      for (const op of ['MIN', 'MAX', 'CSWAP_LE', 'CSWAP_LT', 'CSWAP_GE', 'CSWAP_GT', 'BOR', 'MSWAP'] as const) {
        expect(isAtomicDefined(AtomicOp[op], AtomicType[type])).toBe(false);
      }
    });
  }
});

describe('what is not offered (uet:ses/2.10)', () => {
  it('LONG_DOUBLE differs from host to host; numbers out of the tables name nothing', () => {
    for (const op of OPS) {
      expect(isAtomicDefined(AtomicOp[op], AtomicType.LONG_DOUBLE)).toBe(false);
      expect(isAtomicDefined(AtomicOp[op], AtomicType.LONG_DOUBLE_COMPLEX)).toBe(false);
    }
    for (const wrong of [-1, 20, 32, 34, 255, Number.NaN]) {
      expect(isAtomicDefined(wrong, AtomicType.UINT64)).toBe(false);
      expect(isAtomicDefined(AtomicOp.SUM, wrong)).toBe(false);
    }
  });
});

describe('byte order of elements (uet:ses/9 D-13)', () => {
  it('turns each number round, of complex ones each part, and leaves the rest', () => {
    const bytes = Uint8Array.from({ length: 18 }, (_, i) => i);
    reverseEach(bytes, 1, 16, partBytes(AtomicType.DOUBLE_COMPLEX));
    expect([...bytes]).toEqual([0, 8, 7, 6, 5, 4, 3, 2, 1, 16, 15, 14, 13, 12, 11, 10, 9, 17]);
    reverseEach(bytes, 1, 16, partBytes(AtomicType.FLOAT_COMPLEX));
    expect([...bytes].slice(0, 9)).toEqual([0, 5, 6, 7, 8, 1, 2, 3, 4]);
    const before = [...bytes];
    reverseEach(bytes, 0, 18, partBytes(AtomicType.UINT8));
    expect([...bytes]).toEqual(before);
  });
});
