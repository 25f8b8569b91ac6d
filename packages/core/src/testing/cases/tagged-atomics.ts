/** Atomics on the receive that matches a tag: they use it up as a message would. */
import { type Bed, type End, type GuardedBuffer, patternByte } from '../bed.ts';
import type { EndQueuePair } from '../peer-queue-pairs.ts';
import { checkEqual, checkStatus, type SuiteCase, type SuiteContext, testCase } from '../suite-case.ts';

const NEEDS = { operations: ['tagged', 'tagged-atomic'] } as const;

/** A word at the end of `a` that holds 5, and a queue pair of `b` that matches. */
class TaggedAdds {
  readonly bed: Bed;
  readonly to: EndQueuePair;
  readonly operand: GuardedBuffer;
  readonly result: GuardedBuffer;

  constructor(suite: SuiteContext, options: { ordered?: boolean; seed?: number; faults?: object } = {}) {
    this.bed = suite.bed(options);
    const { ordered = false } = options;
    this.to = this.b.queuePair({ ordered, sendDepth: 16, receiveDepth: 256, matching: true });
    this.operand = this.a.buffer(4);
    this.operand.bytes.set([5, 0, 0, 0]);
    this.result = this.a.buffer(4 * ROOM);
  }

  get a(): End {
    return this.bed.a;
  }

  get b(): End {
    return this.bed.b;
  }

  receive(tag: number, id = tag, length = 16, more: object = {}): GuardedBuffer {
    const buffer = this.b.buffer(length, { salt: id });
    this.to.postReceive({ id, tag, ...buffer.part(), ...more });
    return buffer;
  }

  /** Adds 5 to the 32 bits at `remoteOffset` of the receive that takes the tag. */
  add(tag: number, remoteOffset = 0, id = 0, isFetching = true): void {
    const { a, b, to } = this;
    a.qp.post({
      ...{ opcode: isFetching ? 'fetching-atomic' : 'atomic', id, to: a.to(b), qpn: to.qpn, tag, remoteOffset },
      ...{ atomicOp: 'SUM', atomicType: 'UINT32', ...this.operand.part() },
      ...(isFetching ? { result: this.result.part(4 * id, 4) } : {}),
    });
  }
}

const ROOM = 64;
const wordOf = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
const patternWord = (at: number, salt: number): number =>
  wordOf(
    Uint8Array.from({ length: 4 }, (_, i) => patternByte(at + i, salt)),
    0,
  );

export const TAGGED_ATOMIC_CASES: readonly SuiteCase[] = [
  ...[true, false].map((ordered) =>
    testCase(
      `tagged-atomics/change-the-receive-that-matches/${ordered ? 'ordered' : 'unordered'}`,
      (suite) => {
        const run = new TaggedAdds(suite, { ordered });
        const { bed, a, b } = run;
        const [other, one, next] = [run.receive(1), run.receive(2), run.receive(2, 3)];
        run.add(2, 8);
        bed.completed(a, 1, 0);
        run.add(2, 0, 1, false);
        bed.completed(a, 2, 0);
        bed.completed(b, 0, 2);
        for (const done of a.sent) checkStatus(done, 'SUCCESS');
        checkEqual(
          a.sent.map(({ opcode }) => opcode),
          ['fetching-atomic', 'atomic'],
          'what has completed',
        );
        for (const done of b.received) checkStatus(done, 'SUCCESS');
        checkEqual(
          b.received.map(({ id, byteLength, tag }) => `${id} ${byteLength} ${tag}`),
          ['2 4 2', '3 4 2'],
          'receives',
        );
        checkEqual(wordOf(run.result.bytes, 0), patternWord(8, 2), 'what was there');
        checkEqual(
          [wordOf(one.bytes, 8), wordOf(one.bytes, 0)],
          [patternWord(8, 2) + 5, patternWord(0, 2)],
          'the first',
        );
        checkEqual(wordOf(next.bytes, 0), patternWord(0, 3) + 5, 'the second');
        other.expectPattern(1);
        for (const buffer of [one, next]) buffer.expectGuards();
        bed.close();
      },
      NEEDS,
    ),
  ),
  testCase(
    'tagged-atomics/wait-for-a-receive',
    (suite) => {
      const run = new TaggedAdds(suite);
      const { bed, a, b } = run;
      run.add(7);
      bed.pass(500_000);
      checkEqual([a.sent.length, b.received.length], [0, 0], 'completions without a receive');
      const buffer = run.receive(7);
      bed.completed(a, 1, 0);
      bed.completed(b, 0, 1);
      checkStatus(a.sent[0], 'SUCCESS');
      checkEqual(wordOf(buffer.bytes, 0), patternWord(0, 7) + 5, 'the word');
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'tagged-atomics/refused',
    (suite) => {
      const run = new TaggedAdds(suite);
      const { bed, a, b } = run;
      const buffer = run.receive(7);
      for (const [offset, status] of [
        [2, 'REM_INV_REQ_ERR'], // not aligned
        [16, 'REM_ACCESS_ERR'], // behind the end
        [13, 'REM_ACCESS_ERR'],
        [2 ** 52, 'REM_ACCESS_ERR'],
      ] as const) {
        const before = a.sent.length;
        run.add(7, offset);
        bed.completed(a, before + 1, 0);
        checkStatus(a.sent[before], status);
      }
      run.receive(8, 8, 16, { multi: 1 });
      run.add(8);
      bed.completed(a, 5, 0);
      checkStatus(a.sent[4], 'REM_ACCESS_ERR');
      // the receive is still there
      buffer.expectPattern(7);
      checkEqual(b.received.length, 0, 'completions at the peer');
      run.add(7, 12);
      bed.completed(a, 6, 0);
      bed.completed(b, 0, 1);
      checkEqual(wordOf(buffer.bytes, 12), patternWord(12, 7) + 5, 'the word');
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'faults/tagged-atomics-exactly-once',
    (suite) => {
      const faults = { loss: 0.1, duplicate: 0.3, reorder: 0.2 };
      const run = new TaggedAdds(suite, { faults, seed: 4 });
      const { bed, a, b } = run;
      const buffers = Array.from({ length: ROOM }, (_, id) => run.receive(id % 3, id));
      for (let id = 0; id < ROOM; id++) run.add(id % 3, 4, id, id % 4 !== 0);
      bed.completed(a, ROOM, 0);
      bed.pass(1e9);
      for (const done of a.sent) checkStatus(done, 'SUCCESS');
      checkEqual(b.received.length, ROOM, 'receives that were used');
      for (const [id, buffer] of buffers.entries()) {
        checkEqual(wordOf(buffer.bytes, 4), patternWord(4, id) + 5, `word ${id}`);
        checkEqual(wordOf(buffer.bytes, 0), patternWord(0, id), `the word beside word ${id}`);
        buffer.expectGuards();
      }
      bed.close();
    },
    NEEDS,
  ),
];
