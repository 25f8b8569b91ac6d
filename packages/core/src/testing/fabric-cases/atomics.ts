/** Atomics on memory of peers. */

import { AtomicOp, type AtomicOpName, AtomicType, type AtomicTypeName, isCompare } from '../../engine/atomics.ts';
import { ANY_SOURCE } from '../../fabric/address-vector.ts';
import { OperationFlag } from '../../fabric/flags.ts';
import type { FabricHints } from '../../fabric/hints.ts';
import type { MemoryOptions } from '../../fabric/memory-region.ts';
import type { FabricEnd } from '../fabric-bed.ts';
import { check, checkEqual } from '../suite-case.ts';
import { checkError, checkOk, codeOf, type FabricCase, fabricCase } from './fabric-case.ts';

const ATOMIC = ['atomic'] as const;
const HINTS: FabricHints = { caps: { msg: true, rma: true, atomic: true }, endpoint: { type: 'rdm' } };
const SHARED: MemoryOptions = { read: true, remoteRead: true, remoteWrite: true, remoteAtomic: true };

const word = (bytes: Uint8Array, at = 0): bigint => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);
const setWord = (bytes: Uint8Array, value: bigint, at = 0): void =>
  new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(at, value, true);

export const FABRIC_ATOMIC_CASES: readonly FabricCase[] = [
  fabricCase('atomics/apply-fetch-compare', ATOMIC, (suite) => {
    const bed = suite.bed({ hints: HINTS });
    const { a, b } = bed;
    const far = b.memory(64, undefined, SHARED);
    const [operand, result, comparand] = [a.memory(64), a.memory(64), a.memory(64)];
    setWord(far.bytes, 100n, 16);
    setWord(operand.bytes, 5n, 8);
    const { atomics } = a.endpoint;
    atomics.apply('SUM', 'UINT64', operand, 8, 1, a.to(b), 16, far.key, 'plain');
    bed.completed(a, 1, 0);
    checkOk(a.sent[0]);
    checkEqual(a.sent[0].flags, OperationFlag.ATOMIC | OperationFlag.WRITE, 'flags');
    checkEqual(word(far.bytes, 16), 105n, 'the sum');
    atomics.fetch('SUM', 'UINT64', operand, 8, 1, result, 24, a.to(b), 16, far.key, 'fetch');
    bed.completed(a, 2, 0);
    checkOk(a.sent[1]);
    checkEqual(a.sent[1].flags, OperationFlag.ATOMIC | OperationFlag.READ, 'flags of one that fetches');
    checkEqual([word(far.bytes, 16), word(result.bytes, 24)], [110n, 105n], 'the sum, and what was there');
    setWord(comparand.bytes, 110n);
    setWord(operand.bytes, 7n);
    atomics.compare('CSWAP', 'UINT64', operand, 0, comparand, 0, result, 0, a.to(b), 16, far.key, 'swap');
    bed.completed(a, 3, 0);
    checkOk(a.sent[2]);
    checkEqual([word(far.bytes, 16), word(result.bytes)], [7n, 110n], 'swapped');
    atomics.compare('CSWAP', 'UINT64', operand, 0, comparand, 0, result, 0, a.to(b), 16, far.key, 'no swap');
    bed.completed(a, 4, 0);
    checkEqual([word(far.bytes, 16), word(result.bytes)], [7n, 7n], 'left alone');
    atomics.fetch('READ', 'UINT64', undefined, 0, 1, result, 8, a.to(b), 16, far.key, 'read');
    bed.completed(a, 5, 0);
    checkOk(a.sent[4]);
    checkEqual(word(result.bytes, 8), 7n, 'read');
    checkEqual(word(far.bytes, 8) + word(far.bytes, 24), 0n, 'what is beside');
    bed.close();
  }),
  fabricCase('atomics/valid-tells-what-works', ATOMIC, (suite) => {
    const bed = suite.bed({ hints: HINTS });
    const { a, b } = bed;
    const far = b.memory(4096, undefined, SHARED);
    const [operand, result, comparand] = [a.memory(4096, 3), a.memory(4096), a.memory(4096, 3)];
    const { atomics } = a.endpoint;
    let due = 0;
    let offered = 0;
    for (const op of Object.keys(AtomicOp) as AtomicOpName[]) {
      for (const type of Object.keys(AtomicType) as AtomicTypeName[]) {
        const [plain, fetching, compared] = [
          atomics.valid(op, type),
          atomics.fetchValid(op, type),
          atomics.compareValid(op, type),
        ];
        checkEqual(isCompare(AtomicOp[op]) ? plain + fetching : compared, 0, `${op} is of one kind`);
        if (plain > 0) {
          atomics.apply(op, type, operand, 0, plain, a.to(b), 0, far.key, `${op} ${type}`);
          due++;
        } else checkRefused(() => atomics.apply(op, type, operand, 0, 1, a.to(b), 0, far.key));
        if (fetching > 0) {
          atomics.fetch(op, type, operand, 0, fetching, result, 0, a.to(b), 0, far.key, `fetch ${op} ${type}`);
          due++;
        } else checkRefused(() => atomics.fetch(op, type, operand, 0, 1, result, 0, a.to(b), 0, far.key));
        if (compared > 0) {
          const context = `compare ${op} ${type}`;
          atomics.compare(op, type, operand, 0, comparand, 0, result, 0, a.to(b), 0, far.key, context);
          due++;
        }
        offered += plain + fetching + compared;
        bed.completed(a, due, 0);
      }
    }
    for (const one of a.sent) checkOk(one, String(one.context));
    check(offered > 0 && due >= 100, `only ${due} kinds work`);
    checkEqual(
      codeOf(() => atomics.apply('SUM', 'UINT64', operand, 0, atomics.valid('SUM', 'UINT64') + 1, a.to(b), 0, far.key)),
      'EINVAL',
      'more elements than fit',
    );
    bed.close();
  }),
  fabricCase('atomics/every-fetch-add-counts-once', ATOMIC, (suite) => {
    const bed = suite.bed({ hints: HINTS, ends: 3, seed: 31, faults: { loss: 0.05, duplicate: 0.05, reorder: 0.1 } });
    const [a, b, c] = bed.ends as [FabricEnd, FabricEnd, FabricEnd];
    const far = b.memory(8, undefined, SHARED);
    const each = 100;
    const results = [a, c].map((end) => {
      const [operand, result] = [end.memory(8), end.memory(8 * each)];
      setWord(operand.bytes, 1n);
      for (let i = 0; i < each; i++) {
        end.endpoint.atomics.fetch('SUM', 'UINT64', operand, 0, 1, result, 8 * i, end.to(b), 0, far.key, i);
      }
      return result;
    });
    bed.completed(a, each, 0);
    bed.completed(c, each, 0);
    for (const one of [...a.sent, ...c.sent]) checkOk(one);
    checkEqual(word(far.bytes), BigInt(2 * each), 'the sum');
    const seen = results.flatMap(({ bytes }) => Array.from({ length: each }, (_, i) => Number(word(bytes, 8 * i))));
    checkEqual(
      seen.sort((x, y) => x - y),
      Array.from({ length: 2 * each }, (_, i) => i),
      'what was there before each',
    );
    bed.close();
  }),
  fabricCase('atomics/on-the-receive-that-takes-a-tag', ['atomic', 'tagged'], (suite) => {
    const bed = suite.bed({ hints: { ...HINTS, caps: { msg: true, tagged: true, atomic: true } } });
    const { a, b } = bed;
    const [operand, result, into] = [a.memory(64), a.memory(64), b.memory(64)];
    setWord(operand.bytes, 5n);
    setWord(into.bytes, 100n, 8);
    b.endpoint.tagged.receive(into, 8, 8, ANY_SOURCE, 77, 0, 'changed');
    const add = { op: 'SUM', type: 'UINT64', operand: { region: operand }, to: a.to(b), tag: 77 } as const;
    a.endpoint.atomics.message({ ...add, result: { region: result }, context: 'adds' });
    bed.completed(a, 1, 0);
    if (!suite.transport.attributes.operations.includes('tagged-atomic')) {
      checkError(a.sent[0], 'EINVAL', 'EOPNOTSUPP');
      bed.close();
      return;
    }
    checkOk(a.sent[0]);
    checkEqual([word(into.bytes, 8), word(result.bytes)], [105n, 100n], 'the sum, and what was there');
    bed.completed(b, 0, 1);
    checkOk(b.received[0]);
    checkEqual([b.received[0].context as string, b.received[0].tag], ['changed', 77n], 'the receive');
    bed.close();
  }),
  fabricCase('atomics/refusals', ATOMIC, (suite) => {
    const bed = suite.bed({ hints: HINTS });
    const { a, b } = bed;
    const readable = b.memory(64, undefined, { remoteRead: true });
    const far = b.memory(64, undefined, SHARED);
    const [operand, result] = [a.memory(64), a.memory(64)];
    const { atomics } = a.endpoint;
    atomics.fetch('SUM', 'UINT64', operand, 0, 1, result, 0, a.to(b), 0, readable.key, 'no right');
    bed.completed(a, 1, 0);
    checkError(a.sent[0], 'EACCES');
    atomics.fetch('SUM', 'UINT64', operand, 0, 1, result, 0, a.to(b), 4, far.key, 'not aligned');
    bed.completed(a, 2, 0);
    checkError(a.sent[1], 'EINVAL', 'EOPNOTSUPP');
    atomics.fetch('SUM', 'UINT64', operand, 0, 1, result, 0, a.to(b), 64, far.key, 'beyond');
    bed.completed(a, 3, 0);
    checkError(a.sent[2], 'EFAULT', 'EACCES');
    checkEqual(
      codeOf(() => atomics.message({ op: 'SUM', type: 'UINT64', operand: { region: operand }, to: a.to(b) })),
      'EINVAL',
      'neither key nor tag',
    );
    // injected, and in message form
    atomics.inject('SUM', 'UINT32', Uint8Array.of(9, 0, 0, 0), a.to(b), 8, far.key);
    atomics.message({
      ...{ op: 'MAX', type: 'INT32', count: 2, operand: { region: operand }, to: a.to(b), key: far.key },
      ...{ remoteOffset: 32, context: 'message' },
    });
    bed.completed(a, 4, 0);
    checkOk(a.sent[3]);
    bed.until('the injected one', () => far.bytes[8] === 9);
    bed.close();
  }),
];

const checkRefused = (run: () => void): void => checkEqual(codeOf(run), 'EOPNOTSUPP', 'what does not exist');
