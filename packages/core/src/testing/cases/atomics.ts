/** Atomic operations: what was there comes back, each one happens once, and eight bytes change as one. */
import type { MemoryRegion } from '../../verbs/memory-region.ts';
import { RemoteMemory } from '../../verbs/remote-memory.ts';
import type { WorkRequest } from '../../verbs/work-request.ts';
import type { Bed, End } from '../bed.ts';
import type { EndQueuePair } from '../peer-queue-pairs.ts';
import { check, checkEqual, checkStatus, type SuiteCase, testCase } from '../suite-case.ts';

const ATOMIC = ['local-write', 'remote-write', 'remote-read', 'remote-atomic'] as const;
const NEEDS = { operations: ['cmp-swap', 'fetch-add'] } as const;

/** Eight-byte words that peers may change, and where results go. */
class Words {
  readonly region: MemoryRegion;
  readonly remote: RemoteMemory;
  readonly #view: DataView;

  constructor(end: End, count: number, access: Parameters<End['pd']['registerMemory']>[1]['access'] = ATOMIC) {
    this.region = end.pd.registerMemory(end.context.allocate(8 * count), { access });
    this.remote = new RemoteMemory(this.region.rkey);
    const { bytes } = this.region;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get(index: number): bigint {
    return this.#view.getBigUint64(8 * index, true);
  }

  set(index: number, value: bigint): void {
    this.#view.setBigUint64(8 * index, value, true);
  }

  part(index: number): { region: MemoryRegion; offset: number; length: number } {
    return { region: this.region, offset: 8 * index, length: 8 };
  }
}

type Asked = Pick<WorkRequest, 'compare' | 'swap' | 'add'>;

/** One operation on a word of `b`, and what was there. */
function ask(bed: Bed, target: Words, index: number, asked: Asked): bigint {
  const { a, b } = bed;
  const result = new Words(a, 1);
  const before = a.sent.length;
  const opcode = asked.add === undefined ? 'cmp-swap' : 'fetch-add';
  const request = { to: a.to(b), ...result.part(0), remote: target.remote, remoteOffset: 8 * index };
  a.qp.post({ opcode, ...request, ...asked });
  bed.completed(a, before + 1, 0);
  checkStatus(a.sent[before], 'SUCCESS');
  checkEqual(a.sent[before]!.opcode, opcode, 'what has completed');
  return result.get(0);
}

function add(from: End, to: End, target: Words, results: Words, index: number, qp: EndQueuePair = from.qp): void {
  qp.post({
    ...{ opcode: 'fetch-add', id: index, to: from.to(to), add: 1, remote: target.remote },
    ...results.part(index),
  });
}

export const ATOMIC_CASES: readonly SuiteCase[] = [
  testCase(
    'atomics/compare-and-swap',
    (suite) => {
      const bed = suite.bed();
      const words = new Words(bed.b, 3);
      const [old, fresh] = [0x0123_4567_89ab_cdefn, 0xfedc_ba98_7654_3210n];
      words.set(1, old);
      checkEqual(ask(bed, words, 1, { compare: old ^ 1n, swap: fresh }), old, 'what was there');
      checkEqual(words.get(1), old, 'the word after a comparison that failed');
      checkEqual(ask(bed, words, 1, { compare: old, swap: fresh }), old, 'what was there');
      checkEqual(words.get(1), fresh, 'the word after one that did not');
      checkEqual([words.get(0), words.get(2)], [0n, 0n], 'the words beside it');
      checkEqual(ask(bed, words, 2, { compare: 0, swap: 2n ** 64n - 1n }), 0n, 'what was there');
      checkEqual(words.get(2), 2n ** 64n - 1n, 'all bits');
      checkEqual(bed.b.received.length, 0, 'completions at the peer');
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'atomics/fetch-and-add',
    (suite) => {
      const bed = suite.bed();
      const words = new Words(bed.b, 2);
      words.set(0, 2n ** 32n - 1n);
      checkEqual(ask(bed, words, 0, { add: 1 }), 2n ** 32n - 1n, 'what was there');
      checkEqual(words.get(0), 2n ** 32n, 'the sum');
      checkEqual(ask(bed, words, 0, { add: 2n ** 64n - 2n }), 2n ** 32n, 'what was there');
      checkEqual(words.get(0), 2n ** 32n - 2n, 'the sum, modulo 2^64');
      checkEqual(words.get(1), 0n, 'the word beside it');
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'atomics/in-the-order-of-posting',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [words, results] = [new Words(b, 1), new Words(a, 100)];
      for (let i = 0; i < 100; i++) add(a, b, words, results, i);
      bed.completed(a, 100, 0);
      for (const [i, one] of a.sent.entries()) {
        checkStatus(one, 'SUCCESS');
        checkEqual([one.id, results.get(i)], [BigInt(i), BigInt(i)], 'request and what was there');
      }
      bed.close();
    },
    { ...NEEDS, kinds: ['RC'] },
  ),
  testCase(
    'atomics/on-two-queue-pairs-at-once',
    (suite) => {
      const bed = suite.bed({ ends: 3, faults: { jitterNs: 1500 } });
      const [a, b, c] = bed.ends as [End, End, End];
      const words = new Words(b, 1);
      const results = [a, c].map((end) => new Words(end, 40));
      for (let i = 0; i < 40; i++) for (const [k, end] of [a, c].entries()) add(end, b, words, results[k]!, i);
      for (const end of [a, c]) bed.completed(end, 40, 0);
      const seen = results.flatMap((list) => Array.from({ length: 40 }, (_, i) => list.get(i)));
      checkEqual(words.get(0), 80n, 'the sum');
      checkEqual(new Set(seen).size, 80, 'values that came back');
      bed.close();
    },
    NEEDS,
  ),
  ...(['loss', 'duplicates', 'everything'] as const).map((what) =>
    testCase(
      `faults/atomics-exactly-once/${what}`,
      (suite) => {
        const faults = {
          loss: { loss: 0.15 },
          duplicates: { duplicate: 0.4, reorder: 0.2 },
          everything: { loss: 0.08, duplicate: 0.2, reorder: 0.2, jitterNs: 1900, corrupt: 0.02 },
        };
        const bed = suite.bed({ faults: faults[what], seed: 5 });
        const { a, b } = bed;
        const [words, results] = [new Words(b, 1), new Words(a, 60)];
        const [source, sink] = [a.buffer(3 * bed.mtu, { salt: 1 }), b.buffer(3 * bed.mtu)];
        for (let i = 0; i < 60; i++) {
          add(a, b, words, results, i);
          if (i % 5 === 0) {
            a.qp.post({ opcode: 'write', id: 1000, to: a.to(b), ...source.part(), remote: sink.remote });
          }
        }
        bed.completed(a, 72, 0);
        bed.pass(1e9);
        for (const one of a.sent) checkStatus(one, 'SUCCESS');
        checkEqual(words.get(0), 60n, 'the sum');
        const seen = Array.from({ length: 60 }, (_, i) => results.get(i));
        checkEqual(new Set(seen).size, 60, 'values that came back');
        check(seen.every((value) => value < 60n) === true, 'each is one that was there');
        sink.expectPattern(1);
        bed.close();
      },
      NEEDS,
    ),
  ),
  testCase(
    'atomics/refused',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const result = new Words(a, 2);
      const target = new Words(b, 3);
      const closed = new Words(b, 2, ['local-write', 'remote-write', 'remote-read']);
      const refused = (words: Words, remoteOffset: number, status: 'REM_ACCESS_ERR' | 'REM_INV_REQ_ERR') => {
        for (const asked of [{ add: 1 }, { compare: 0, swap: 1 }]) {
          const before = a.sent.length;
          const opcode = 'add' in asked ? 'fetch-add' : 'cmp-swap';
          a.qp.post({ opcode, to: a.to(b), ...result.part(0), remote: words.remote, remoteOffset, ...asked });
          bed.completed(a, before + 1, 0);
          checkStatus(a.sent[before], status);
          checkEqual([words.get(0), words.get(1), result.get(0)], [0n, 0n, 0n], 'all words');
        }
      };
      refused(closed, 0, 'REM_ACCESS_ERR'); // no right
      refused(target, 24, 'REM_ACCESS_ERR'); // behind the end
      refused(target, 2 ** 40, 'REM_ACCESS_ERR');
      for (const offset of [1, 4, 7, 9]) refused(target, offset, 'REM_INV_REQ_ERR'); // not aligned
      target.region.deregister();
      refused(target, 0, 'REM_ACCESS_ERR');
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'atomics/of-eight-bytes-only',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [result, target] = [new Words(a, 2), new Words(b, 2)];
      for (const length of [0, 4, 16]) {
        const before = a.sent.length;
        const local = { region: result.region, offset: 0, length };
        a.qp.post({ opcode: 'fetch-add', to: a.to(b), ...local, remote: target.remote, add: 1 });
        bed.completed(a, before + 1, 0);
        checkStatus(a.sent[before], 'LOC_LEN_ERR');
      }
      checkEqual(target.get(0), 0n, 'the word');
      bed.close();
    },
    NEEDS,
  ),
];
