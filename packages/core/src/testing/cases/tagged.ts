/** Messages with a tag, and receives that say what they take: over any transport that matches. */
import type { Completion } from '../../verbs/completion.ts';
import type { ReceiveRequest, WorkRequest } from '../../verbs/work-request.ts';
import type { Bed, BedOptions, End, GuardedBuffer } from '../bed.ts';
import type { EndQueuePair } from '../peer-queue-pairs.ts';
import {
  check,
  checkEqual,
  checkStatus,
  checkThrows,
  type SuiteCase,
  type SuiteContext,
  testCase,
} from '../suite-case.ts';

/** Two ends, the second of which has a queue pair that matches. */
export class Match {
  readonly bed: Bed;
  readonly to: EndQueuePair;
  readonly ordered: boolean;
  readonly buffers: GuardedBuffer[] = [];
  #ids = 1;

  constructor(suite: SuiteContext, options: Omit<BedOptions, 'transport'> = {}) {
    const { ordered = true, ...rest } = options;
    this.ordered = ordered;
    this.bed = suite.bed({ ordered, ...rest });
    this.to = this.b.queuePair({ ordered, sendDepth: 16, receiveDepth: 256, matching: true });
  }

  get a(): End {
    return this.bed.a;
  }

  get b(): End {
    return this.bed.b;
  }

  /** Sends `length` bytes of a pattern named by its number, which it returns. */
  send(tag: number | bigint | undefined, length = 8, more: Partial<WorkRequest> = {}, from: End = this.a): number {
    const id = this.#ids++;
    const opcode = tag === undefined ? 'send' : 'tagged-send';
    const what = tag === undefined ? {} : { tag };
    const part = length === 0 ? {} : from.buffer(length, { salt: id }).part();
    from.qp.post({ opcode, id, to: from.to(this.b), qpn: this.to.qpn, ...what, ...part, ...more } as WorkRequest);
    return id;
  }

  /** Posts a receive; its number is that of its buffer. */
  receive(tag: number | bigint | undefined, length = 8, more: Partial<ReceiveRequest> = {}): number {
    const id = this.buffers.length;
    const buffer = this.b.buffer(length);
    this.buffers.push(buffer);
    this.to.postReceive({ id, ...(tag === undefined ? {} : { tag }), ...buffer.part(), ...more });
    return id;
  }

  /** The next completions of the receiving side. */
  take(count: number): Completion[] {
    const { b } = this;
    const before = b.received.length;
    this.bed.until(`${count} receives to complete`, () => b.received.length >= before + count);
    return b.received.slice(before);
  }

  /** Lets everything that is under way arrive. */
  settle(): void {
    const sent = this.#ids - 1;
    this.bed.until('all sends to complete', () => this.bed.ends.reduce((sum, end) => sum + end.sent.length, 0) >= sent);
  }
}

const ids = (list: readonly Completion[]): number[] => list.map(({ id }) => Number(id));
const needs = { operations: ['send', 'tagged'] as const };

export const TAGGED_CASES: readonly SuiteCase[] = [
  ...[true, false].map((ordered) =>
    testCase(
      `tagged/exact-tags/${ordered ? 'ordered' : 'unordered'} (R122)`,
      (suite) => {
        const match = new Match(suite, { ordered });
        const tags = [5n, 0n, 0xffff_ffff_ffff_ffffn, 1n << 40n];
        for (const tag of tags) match.receive(tag, 3000);
        const lengths = new Map([...tags].reverse().map((tag, n) => [match.send(tag, 1 + n * 900), tag]));
        const got = match.take(tags.length);
        for (const one of got) {
          checkStatus(one, 'SUCCESS');
          checkEqual(one.opcode, 'recv-tagged', 'opcode');
          checkEqual(one.tag, tags[Number(one.id)]!, 'tag of the receive');
          const id = [...lengths].find(([, tag]) => tag === one.tag)![0];
          match.buffers[Number(one.id)]!.expectPattern(id, one.byteLength);
          checkEqual(one.sourceId, match.a.qp.sourceId, 'source');
        }
        match.settle();
        for (const one of match.a.sent) {
          checkStatus(one, 'SUCCESS');
          checkEqual(one.opcode, 'tagged-send', 'opcode of the send');
        }
        match.bed.close();
      },
      needs,
    ),
  ),
  testCase(
    'tagged/wildcards-take-in-order-of-posting',
    (suite) => {
      const match = new Match(suite);
      match.receive(0x1234, 8, { ignore: 0xff }); // 0: takes 0x12..
      match.receive(0x1277); // 1
      match.receive(0, 8, { ignore: 0xffff_ffff_ffff_ffffn }); // 2: takes all
      match.receive(0x1277); // 3
      for (const tag of [0x1277, 0x1277, 0x1277, 0x1277]) match.send(tag);
      checkEqual(ids(match.take(4)), [0, 1, 2, 3], 'receives in the order of messages');
      match.bed.close();
    },
    needs,
  ),
  testCase(
    'tagged/unexpected-messages-wait (R122)',
    (suite) => {
      const match = new Match(suite);
      const [one, two, large] = [match.send(7, 100), match.send(9, 0), match.send(7, 5000, { imm: 77n })];
      match.settle();
      for (const sent of match.a.sent) checkStatus(sent, 'SUCCESS');
      match.receive(9);
      match.receive(7, 100);
      match.receive(7, 6000);
      const got = match.take(3);
      checkEqual(ids(got), [0, 1, 2], 'receives');
      checkEqual(
        got.map(({ byteLength }) => byteLength),
        [0, 100, 5000],
        'lengths',
      );
      checkEqual(got[2]!.imm, 77n, 'immediate data');
      match.buffers[1]!.expectPattern(one);
      match.buffers[2]!.expectPattern(large, 5000);
      check(two > 0, 'sent');
      match.bed.close();
    },
    needs,
  ),
  testCase(
    'tagged/matched-while-it-arrives',
    (suite) => {
      const match = new Match(suite, { ordered: false });
      const id = match.send(3, 200_000);
      let found = false;
      for (let n = 0; n < 1000 && !found; n++) {
        match.to.postReceive({ id: 200, tag: 3, operation: 'peek' });
        found = match.take(1)[0]!.ok;
        if (!found) match.bed.pass(1_000);
      }
      check(match.a.sent.length === 0, 'the message is still under way');
      match.receive(3, 200_000);
      const [got] = match.take(1);
      checkStatus(got, 'SUCCESS');
      match.buffers[0]!.expectPattern(id);
      match.bed.close();
    },
    needs,
  ),
  ...[true, false].map((ordered) =>
    testCase(
      `tagged/over-a-bad-link/${ordered ? 'ordered' : 'unordered'} (R122)`,
      (suite) => {
        const faults = { loss: 0.03, duplicate: 0.03, reorder: 0.05 };
        const match = new Match(suite, { ordered, faults, seed: 5 });
        const count = 60;
        const sent = new Map<number, number>();
        // some receives come before their message, some while it arrives, some after
        for (let n = 0; n < count; n++) {
          if (n % 3 === 0) match.receive(n, 4000);
          sent.set(n, match.send(n, (n * 67) % 4000));
          if (n % 10 === 9) match.bed.pass(20_000);
        }
        for (let n = 0; n < count; n++) if (n % 3 === 1) match.receive(n, 4000);
        match.settle();
        for (let n = 0; n < count; n++) if (n % 3 === 2) match.receive(n, 4000);
        match.bed.completed(match.b, 0, count);
        checkEqual(new Set(match.b.received.map(({ tag }) => tag)).size, count, 'tags received');
        for (const one of match.b.received) {
          checkStatus(one, 'SUCCESS');
          match.buffers[Number(one.id)]!.expectPattern(sent.get(Number(one.tag))!, one.byteLength);
        }
        for (const one of match.a.sent) checkStatus(one, 'SUCCESS');
        match.bed.close();
      },
      needs,
    ),
  ),
  testCase(
    'tagged/classes-are-apart',
    (suite) => {
      const match = new Match(suite);
      match.receive(undefined);
      match.send(0);
      match.settle();
      match.receive(0);
      match.send(undefined);
      const got = match.take(2);
      checkEqual(
        got.map(({ id, opcode }) => `${id} ${opcode}`),
        ['1 recv-tagged', '0 recv'],
        'completions',
      );
      match.bed.close();
    },
    needs,
  ),
  testCase(
    'tagged/directed',
    (suite) => {
      const match = new Match(suite, { ends: 3 });
      const { a, b, bed } = match;
      const third = bed.ends[2]!;
      match.receive(1, 8, { from: b.to(third) });
      match.receive(1, 8, { sourceId: a.qp.sourceId });
      match.receive(undefined, 8, { sourceId: third.qp.sourceId, from: b.to(third) });
      match.receive(undefined, 8);
      match.send(1);
      const [first] = match.take(1);
      match.send(undefined);
      const [second] = match.take(1);
      match.send(1, 8, {}, third);
      match.send(undefined, 8, {}, third);
      const rest = match.take(2);
      checkEqual(ids([first!, second!, ...rest]), [1, 3, 0, 2], 'receives');
      bed.close();
    },
    needs,
  ),
  testCase(
    'tagged/cut-and-told',
    (suite) => {
      const match = new Match(suite);
      match.receive(1, 10);
      const id = match.send(1, 3000);
      match.send(2, 3000);
      const [cut] = match.take(1);
      checkStatus(cut, 'LOC_LEN_ERR');
      checkEqual([cut!.byteLength, cut!.extra], [10, 2990], 'bytes with and without room');
      match.buffers[0]!.expectPattern(id);
      match.settle();
      match.receive(2, 10);
      const [late] = match.take(1);
      checkStatus(late, 'LOC_LEN_ERR');
      checkEqual([late!.byteLength, late!.extra], [10, 2990], 'bytes of one that waited');
      for (const one of match.a.sent) checkStatus(one, 'SUCCESS');
      match.bed.close();
    },
    needs,
  ),
  testCase(
    'tagged/receives-for-many',
    (suite) => {
      const match = new Match(suite);
      match.send(undefined, 30);
      match.settle();
      match.receive(undefined, 100, { multi: 20 });
      match.receive(undefined, 100, { multi: 20 });
      match.send(undefined, 40);
      match.send(undefined, 50); // does not fit the rest of the first
      match.send(undefined, 50);
      const got = match.take(5);
      checkEqual(
        got.map(({ id, byteLength, extra, isReleased }) => `${id} ${byteLength} at ${extra}${isReleased ? '!' : ''}`),
        ['0 30 at 0', '0 40 at 30', '0 0 at 0!', '1 50 at 0', '1 50 at 50!'],
        'completions',
      );
      checkEqual(got[2]!.jobId, 0, 'job of the end of a receive');
      match.bed.close();
    },
    needs,
  ),
  testCase(
    'tagged/peek-claim-discard',
    (suite) => {
      const match = new Match(suite);
      const peek = (tag: number, more: Partial<ReceiveRequest> = {}): Completion => {
        match.to.postReceive({ id: 100, tag, operation: 'peek', ...more });
        return match.take(1)[0]!;
      };
      checkStatus(peek(1), 'TM_ERR');
      const [first] = [match.send(1, 10), match.send(1, 20), match.send(1, 30)];
      match.settle();
      const found = peek(1);
      checkStatus(found, 'SUCCESS');
      checkEqual([found.byteLength, found.opcode], [10, 'peek'], 'what was found');
      checkEqual([found.tag, found.sourceId], [1n, match.a.qp.sourceId], 'tag and source');
      checkEqual(peek(1, { claim: true }).byteLength, 10, 'claimed');
      checkEqual(peek(1, { discard: true }).byteLength, 20, 'thrown away');
      match.receive(1, 100);
      checkEqual(match.take(1)[0]!.byteLength, 30, 'what nobody claimed');
      match.receive(1, 100, { id: 5, claim: true });
      checkStatus(match.take(1)[0], 'TM_ERR');
      match.receive(1, 100, { id: 100, claim: true });
      const [claimed] = match.take(1);
      checkEqual([claimed!.status, claimed!.byteLength], ['SUCCESS', 10], 'what was claimed');
      match.buffers[2]!.expectPattern(first, 10);
      match.bed.close();
    },
    needs,
  ),
  testCase(
    'tagged/cancel',
    (suite) => {
      const match = new Match(suite);
      match.receive(1, 8, { id: 41 });
      match.receive(1, 8, { id: 42 });
      match.to.postReceive({ id: 41, operation: 'cancel' });
      match.to.postReceive({ id: 43, operation: 'cancel' });
      checkEqual(
        match.take(3).map(({ id, status, opcode }) => `${id} ${status} ${opcode}`),
        ['41 WR_FLUSH_ERR recv-tagged', '41 SUCCESS cancel', '43 TM_ERR cancel'],
        'completions',
      );
      match.send(1);
      checkEqual(ids(match.take(1)), [42], 'receives');
      match.bed.close();
    },
    needs,
  ),
  testCase(
    'tagged/closing-returns-everything',
    (suite) => {
      const match = new Match(suite);
      for (let n = 0; n < 5; n++) match.receive(n);
      match.send(9, 4000);
      match.send(9, 4);
      match.settle();
      match.to.close();
      match.bed.drain();
      checkEqual(ids(match.b.received), [0, 1, 2, 3, 4], 'receives that are flushed, in order');
      for (const one of match.b.received) checkStatus(one, 'WR_FLUSH_ERR');
      match.bed.close();
    },
    needs,
  ),
  testCase(
    'tagged/queue-pairs-that-do-not-match',
    (suite) => {
      const match = new Match(suite);
      const { a, b } = match;
      checkThrows('EINVAL', () => b.qp.postReceive({ tag: 1 }));
      a.qp.post({ opcode: 'tagged-send', tag: 1, to: a.to(b), ...a.buffer(8).part() });
      match.bed.completed(a, 1, 0);
      check(!a.sent[0]!.ok, 'a tagged message to a queue pair that does not match fails');
      match.bed.close();
    },
    needs,
  ),
];
