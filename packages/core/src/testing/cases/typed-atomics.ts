/** Atomics on arrays of elements of any type: what they do, what comes back, that each happens once. */

import { applyAtomic } from '../../engine/atomics/arithmetic.ts';
import { isAtomicDefined, partBytes } from '../../engine/atomics/element-kinds.ts';
import {
  ATOMIC_TYPE_BYTES,
  AtomicOp,
  type AtomicOpName,
  AtomicType,
  type AtomicTypeName,
  isCompare,
} from '../../engine/atomics.ts';
import type { Transport } from '../../engine/engine.ts';
import type { MemoryRegion } from '../../verbs/memory-region.ts';
import { RemoteMemory } from '../../verbs/remote-memory.ts';
import type { Segment } from '../../verbs/work-request.ts';
import { type Bed, type End, patternByte } from '../bed.ts';
import { check, checkEqual, checkStatus, type SuiteCase, testCase } from '../suite-case.ts';

const NEEDS = { operations: ['atomic', 'fetching-atomic'] } as const;

/** Aligned memory. */
class Cells {
  readonly region: MemoryRegion;
  readonly remote: RemoteMemory;
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(
    end: End,
    length: number,
    access = ['local-write', 'remote-write', 'remote-read', 'remote-atomic'] as const,
  ) {
    this.region = end.pd.registerMemory(end.context.allocate(length), { access });
    this.remote = new RemoteMemory(this.region.rkey);
    this.bytes = this.region.bytes;
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, length);
  }

  fill(salt: number): void {
    for (let i = 0; i < this.bytes.length; i++) this.bytes[i] = patternByte(i, salt);
  }

  part(offset: number, length: number): Segment {
    return { region: this.region, offset, length };
  }
}

/** A request that is not fetching has no place for a result. */
function completedNext(bed: Bed, end: End): (typeof end.sent)[number] {
  const { length } = end.sent;
  bed.completed(end, length + 1, 0);
  return end.sent[length]!;
}

const offered = ({ attributes: { atomics } }: Transport): readonly [AtomicOpName, AtomicTypeName][] =>
  (Object.keys(AtomicOp) as AtomicOpName[]).flatMap((op) =>
    (Object.keys(AtomicType) as AtomicTypeName[])
      .filter((type) => atomics?.ops.includes(AtomicOp[op]) && atomics.types.includes(AtomicType[type]))
      .filter((type) => isAtomicDefined(AtomicOp[op], AtomicType[type]))
      .map((type): [AtomicOpName, AtomicTypeName] => [op, type]),
  );

/** Room for the elements, and one more on either side. */
const ROOM = 16;

export const TYPED_ATOMIC_CASES: readonly SuiteCase[] = [
  testCase(
    'atomics/every-operation-on-every-type',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [target, operand, comparand, result] = [
        new Cells(b, 5 * ROOM),
        new Cells(a, 3 * ROOM),
        new Cells(a, ROOM),
        new Cells(a, 3 * ROOM),
      ];
      const pairs = offered(suite.transport);
      check(pairs.length > 200, `only ${pairs.length} operations are offered`);
      for (const [n, [atomicOp, atomicType]] of pairs.entries()) {
        const [op, type] = [AtomicOp[atomicOp], AtomicType[atomicType]];
        const size = ATOMIC_TYPE_BYTES[type]!;
        const count = isCompare(op) ? 1 : 3;
        const length = count * size;
        const what = `${atomicOp} of ${atomicType}`;
        target.fill(n);
        operand.fill(n + 100);
        comparand.fill(n % 3 === 0 ? n + 7 : n);
        if (n % 2 === 0) comparand.bytes.set(target.bytes.subarray(ROOM, ROOM + size)); // they are equal
        const before = target.bytes.slice();
        const [there, given, compared] = [
          view(before.slice(ROOM)),
          view(operand.bytes.slice()),
          view(comparand.bytes.slice()),
        ];
        applyAtomic(op, type, count, there, given, compared);
        const expected = before.slice();
        expected.set(new Uint8Array(there.buffer).subarray(0, length), ROOM);
        const isBare = atomicOp === 'READ';
        a.qp.post({
          ...{
            opcode: 'fetching-atomic',
            to: a.to(b),
            atomicOp,
            atomicType,
            remote: target.remote,
            remoteOffset: ROOM,
          },
          ...(isBare ? {} : operand.part(0, length)),
          ...(isCompare(op) ? { comparand: comparand.part(0, size) } : {}),
          result: result.part(0, length),
        });
        const completion = completedNext(bed, a);
        checkStatus(completion, 'SUCCESS');
        checkEqual(completion.opcode, 'fetching-atomic', 'what has completed');
        checkEqual(
          [...result.bytes.subarray(0, length)],
          [...before.subarray(ROOM, ROOM + length)],
          `${what}: what was there`,
        );
        checkEqual([...target.bytes], [...expected], `${what}: what is there`);
        if (isBare) continue;
        target.bytes.set(before);
        a.qp.post({
          ...{ opcode: 'atomic', to: a.to(b), atomicOp, atomicType, remote: target.remote, remoteOffset: ROOM },
          ...operand.part(0, length),
          ...(isCompare(op) ? { comparand: comparand.part(0, size) } : {}),
        });
        checkStatus(completedNext(bed, a), 'SUCCESS');
        checkEqual([...target.bytes], [...expected], `${what} without a result: what is there`);
      }
      checkEqual(bed.b.received.length, 0, 'completions at the peer');
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'atomics/arrays-as-long-as-a-packet',
    (suite) => {
      const bed = suite.bed();
      const { a, b, mtu } = bed;
      const count = mtu / 4;
      const [target, operand, result] = [new Cells(b, mtu), new Cells(a, mtu + 4), new Cells(a, mtu + 4)];
      for (let i = 0; i < count; i++) {
        target.view.setInt32(4 * i, i, true);
        operand.view.setInt32(4 * i, -1000 * i, true);
      }
      const sum = {
        opcode: 'fetching-atomic',
        to: a.to(b),
        atomicOp: 'SUM',
        atomicType: 'INT32',
        remote: target.remote,
      } as const;
      // the operands in two segments, split in the middle of an element
      const segments = [operand.part(0, 401), operand.part(401, mtu - 401)];
      for (let n = 1; n <= 20; n++) a.qp.post({ ...sum, id: n, segments, result: result.part(0, mtu) });
      bed.completed(a, 20, 0);
      for (const one of a.sent) checkStatus(one, 'SUCCESS');
      for (let i = 0; i < count; i++) checkEqual(target.view.getInt32(4 * i, true), i - 20_000 * i, `element ${i}`);
      a.qp.post({ ...sum, ...operand.part(0, mtu + 4), result: result.part(0, mtu + 4) });
      checkStatus(completedNext(bed, a), 'LOC_LEN_ERR');
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'atomics/inline-operands',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const target = new Cells(b, 64);
      target.view.setFloat64(8, 0.5, true);
      const inline = new Uint8Array(8);
      view(inline).setFloat64(0, 0.25, true);
      const request = {
        opcode: 'atomic',
        to: a.to(b),
        inline,
        atomicType: 'DOUBLE',
        remote: target.remote,
        remoteOffset: 8,
      } as const;
      for (const atomicOp of ['SUM', 'PROD', 'SUM'] as const) a.qp.post({ ...request, atomicOp });
      inline.fill(0xff);
      bed.completed(a, 3, 0);
      for (const one of a.sent) checkStatus(one, 'SUCCESS');
      const value = target.view.getFloat64(8, true);
      // in which order they are done is not said
      check([0.4375, 0.25, 0.3125].includes(value), `the number is ${value}`);
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'atomics/wrong-requests-complete-here',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [target, local, result] = [new Cells(b, 64), new Cells(a, 64), new Cells(a, 64)];
      const request = {
        opcode: 'fetching-atomic',
        to: a.to(b),
        remote: target.remote,
        atomicType: 'UINT32',
        atomicOp: 'SUM',
      } as const;
      const wrong = (asked: object, status: 'LOC_LEN_ERR' | 'LOC_QP_OP_ERR', operands = 4, results = operands) => {
        a.qp.post({ ...request, ...local.part(0, operands), result: result.part(0, results), ...asked });
        checkStatus(completedNext(bed, a), status);
      };
      wrong({}, 'LOC_LEN_ERR', 6); // no whole elements
      wrong({}, 'LOC_LEN_ERR', 0);
      wrong({}, 'LOC_LEN_ERR', 8, 4);
      wrong({ atomicOp: 'READ' }, 'LOC_LEN_ERR', 4); // takes no operands
      wrong({ atomicOp: 'CSWAP' }, 'LOC_LEN_ERR'); // compares with nothing
      wrong({ atomicOp: 'CSWAP', comparand: local.part(8, 8) }, 'LOC_LEN_ERR');
      wrong({ atomicOp: 'BXOR', atomicType: 'FLOAT' }, 'LOC_QP_OP_ERR');
      wrong({ atomicOp: 'MAX', atomicType: 'FLOAT_COMPLEX' }, 'LOC_QP_OP_ERR', 8);
      checkEqual(
        [...target.bytes, ...result.bytes].every((byte) => byte === 0),
        true,
        'nothing changed',
      );
      bed.close();
    },
    { ...NEEDS, kinds: ['RU'] },
  ),
  testCase(
    'atomics/refused-whatever-the-type',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [target, local] = [new Cells(b, 64), new Cells(a, 64)];
      for (const [atomicType, offset, status] of [
        ['UINT16', 1, 'REM_INV_REQ_ERR'],
        ['FLOAT', 6, 'REM_INV_REQ_ERR'],
        ['INT128', 8, 'REM_INV_REQ_ERR'],
        ['DOUBLE_COMPLEX', 4, 'REM_INV_REQ_ERR'],
        ['UINT8', 64, 'REM_ACCESS_ERR'],
        ['UINT64', 2 ** 52, 'REM_ACCESS_ERR'],
      ] as const) {
        const length = ATOMIC_TYPE_BYTES[AtomicType[atomicType]]!;
        const request = { to: a.to(b), ...local.part(0, length), remote: target.remote, remoteOffset: offset } as const;
        a.qp.post({ opcode: 'atomic', atomicOp: 'WRITE', atomicType, ...request });
        checkStatus(completedNext(bed, a), status);
      }
      for (const atomicType of ['DOUBLE_COMPLEX', 'FLOAT_COMPLEX'] as const) {
        // a complex number is aligned like its parts
        const length = ATOMIC_TYPE_BYTES[AtomicType[atomicType]]!;
        const remoteOffset = partBytes(AtomicType[atomicType]);
        local.fill(3);
        a.qp.post({
          opcode: 'atomic',
          atomicOp: 'WRITE',
          atomicType,
          to: a.to(b),
          ...local.part(0, length),
          remote: target.remote,
          remoteOffset,
        });
        checkStatus(completedNext(bed, a), 'SUCCESS');
        checkEqual(
          [...target.bytes.subarray(remoteOffset, remoteOffset + length)],
          [...local.bytes.subarray(0, length)],
          atomicType,
        );
      }
      bed.close();
    },
    { ...NEEDS, kinds: ['RU'] },
  ),
  ...(['loss', 'duplicates', 'everything'] as const).map((what) =>
    testCase(
      `faults/typed-atomics-exactly-once/${what}`,
      (suite) => {
        const faults = {
          loss: { loss: 0.15 },
          duplicates: { duplicate: 0.4, reorder: 0.2 },
          everything: { loss: 0.08, duplicate: 0.2, reorder: 0.2, jitterNs: 1900, corrupt: 0.02 },
        };
        const bed = suite.bed({ faults: faults[what], seed: 9 });
        const { a, b } = bed;
        const total = 90;
        // alone, and as an array whose result needs a packet of its own
        const [alone, array, silent] = [new Cells(b, 16), new Cells(b, 200), new Cells(b, 8)];
        const [one, ones, results, lists] = [
          new Cells(a, 8),
          new Cells(a, 200),
          new Cells(a, 8 * total),
          new Cells(a, 200 * total),
        ];
        one.view.setUint32(0, 1, true);
        for (let i = 0; i < 50; i++) ones.view.setUint32(4 * i, i + 1, true);
        const sum = { to: a.to(b), atomicOp: 'SUM', atomicType: 'UINT32' } as const;
        for (let i = 0; i < total; i++) {
          const fetch = { ...sum, opcode: 'fetching-atomic', id: i } as const;
          if (i % 3 === 0)
            a.qp.post({ ...fetch, ...one.part(0, 4), remote: alone.remote, result: results.part(8 * i, 4) });
          else if (i % 3 === 1)
            a.qp.post({ ...fetch, ...ones.part(0, 200), remote: array.remote, result: lists.part(200 * i, 200) });
          else a.qp.post({ ...sum, opcode: 'atomic', ...one.part(0, 4), remote: silent.remote });
        }
        bed.completed(a, total, 0);
        bed.pass(1e9);
        for (const done of a.sent) checkStatus(done, 'SUCCESS');
        const due = Array.from({ length: total / 3 }, (_, i) => i);
        const sorted = (values: number[]) => values.toSorted((x, y) => x - y);
        checkEqual(sorted(due.map((i) => results.view.getUint32(24 * i, true))), due, 'what was there');
        for (const i of [0, 49]) {
          const seen = due.map((n) => lists.view.getUint32(200 * (3 * n + 1) + 4 * i, true) / (i + 1));
          checkEqual(sorted(seen), due, `what was there in element ${i}`);
          checkEqual(array.view.getUint32(4 * i, true), (total / 3) * (i + 1), `element ${i}`);
        }
        checkEqual([alone.view.getUint32(0, true), silent.view.getUint32(0, true)], [total / 3, total / 3], 'the sums');
        bed.close();
      },
      NEEDS,
    ),
  ),
];

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
