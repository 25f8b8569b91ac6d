/**
 * Long messages that stay with their sender, in whole or in part, until a receive takes them: put off and asked for, or
 * read by their target. Either way a program sees no more than that they complete later.
 */
import type { BedOptions } from '../bed.ts';
import { check, checkEqual, checkStatus, type SuiteCase, type SuiteContext, testCase } from '../suite-case.ts';
import { Match } from './tagged.ts';

const WAYS = [
  { name: 'put-off', setting: 'deferAbove', orders: [false] },
  { name: 'read-by-target', setting: 'rendezvousAbove', orders: [true, false] },
] as const;

export const LATE_MESSAGE_CASES: readonly SuiteCase[] = WAYS.flatMap(({ name, setting, orders }) =>
  orders.flatMap((ordered) => {
    const topic = `late-messages/${name}/${ordered ? 'ordered' : 'unordered'}`;
    const needs = { operations: ['send', 'tagged'], settings: [setting] } as const;
    const open = (suite: SuiteContext, more: Omit<BedOptions, 'transport'> = {}) =>
      new Match(suite, { ordered, settings: { ...suite.settings, [setting]: ABOVE }, ...more });
    return [
      testCase(
        `${topic}/receives-that-wait (R122)`,
        (suite) => {
          const match = open(suite);
          const lengths = [0, ABOVE, ABOVE + 1, 1024, 40_000];
          for (const [tag] of lengths.entries()) match.receive(tag, 50_000);
          const sent = lengths.map((length, tag) => match.send(tag, length, { imm: 5n }));
          const got = match.take(lengths.length);
          for (const one of got) {
            checkStatus(one, 'SUCCESS');
            const n = Number(one.id);
            checkEqual([one.tag, one.imm], [BigInt(n), 5n], 'tag and immediate data');
            checkEqual(one.byteLength, lengths[n], 'length');
            match.buffers[n]!.expectPattern(sent[n]!, lengths[n]);
          }
          match.settle();
          for (const one of match.a.sent) checkStatus(one, 'SUCCESS');
          match.bed.close();
        },
        needs,
      ),
      testCase(
        `${topic}/receives-that-come-late (R122)`,
        (suite) => {
          const match = open(suite);
          const [tagged, plain] = [match.send(7, 9000, { imm: 77n }), match.send(undefined, 5000)];
          match.bed.pass(MS);
          checkEqual([match.a.sent.length, match.b.received.length], [0, 0], 'completions before there is a receive');
          match.receive(undefined, 6000);
          checkEqual(match.take(1)[0]!.byteLength, 5000, 'length of the one without a tag');
          match.receive(7, 9000);
          const [late] = match.take(1);
          checkStatus(late, 'SUCCESS');
          checkEqual([late!.tag, late!.imm, late!.byteLength], [7n, 77n, 9000n], 'tag, immediate data and length');
          match.buffers[0]!.expectPattern(plain, 5000);
          match.buffers[1]!.expectPattern(tagged);
          match.settle();
          for (const one of match.a.sent) checkStatus(one, 'SUCCESS');
          match.bed.close();
        },
        needs,
      ),
      testCase(
        `${topic}/keeps-its-place`,
        (suite) => {
          const match = open(suite);
          const long = match.send(1, 4000);
          match.bed.pass(MS);
          const short = match.send(1, 8);
          match.bed.pass(MS);
          checkEqual(match.a.sent.length, 1, 'requests that are done: the short one');
          match.receive(1, 4000);
          match.receive(1, 4000);
          match.take(2);
          match.buffers[0]!.expectPattern(long);
          match.buffers[1]!.expectPattern(short, 8);
          match.bed.close();
        },
        needs,
      ),
      testCase(
        `${topic}/cut-and-told`,
        (suite) => {
          const match = open(suite);
          match.receive(1, 100);
          const early = match.send(1, 3000);
          const [first] = match.take(1);
          const late = match.send(2, 3000);
          match.bed.pass(MS);
          match.receive(2, 100);
          const [second] = match.take(1);
          for (const one of [first, second]) {
            checkStatus(one, 'LOC_LEN_ERR');
            checkEqual([one!.byteLength, one!.extra], [100, 2900], 'bytes with and without room');
          }
          match.buffers[0]!.expectPattern(early);
          match.buffers[1]!.expectPattern(late);
          match.settle();
          for (const one of match.a.sent) checkStatus(one, 'SUCCESS');
          match.bed.close();
        },
        needs,
      ),
      testCase(
        `${topic}/found-claimed-and-thrown-away`,
        (suite) => {
          const match = open(suite);
          const claimed = match.send(1, 3000);
          match.send(1, 2000);
          match.bed.pass(MS);
          const look = (more: object) => {
            match.to.postReceive({ id: 50, tag: 1, operation: 'peek', ...more });
            return match.take(1)[0]!;
          };
          const found = look({ claim: true });
          checkStatus(found, 'SUCCESS');
          checkEqual([found.byteLength, found.sourceId], [3000, match.a.qp.sourceId], 'what was found');
          checkEqual(look({ discard: true }).byteLength, 2000, 'what was thrown away');
          checkStatus(look({}), 'TM_ERR');
          match.receive(1, 3000, { id: 50, claim: true });
          checkStatus(match.take(1)[0], 'SUCCESS');
          match.buffers[0]!.expectPattern(claimed);
          match.settle();
          for (const one of match.a.sent) checkStatus(one, 'SUCCESS');
          match.bed.close();
        },
        needs,
      ),
      testCase(
        `${topic}/the-receiver-goes`,
        (suite) => {
          const match = open(suite);
          match.send(1, 3000);
          match.bed.pass(MS);
          checkEqual(match.a.sent.length, 0, 'requests that are done');
          match.to.close();
          match.settle();
          check(!match.a.sent[0]!.ok, 'a message that nobody can take any more fails');
          match.bed.close();
        },
        needs,
      ),
      testCase(
        `faults/late-messages/${name}/${ordered ? 'ordered' : 'unordered'} (R122 R191)`,
        (suite) => {
          const match = open(suite, { faults: { loss: 0.03, duplicate: 0.05, reorder: 0.1 }, seed: 9 });
          const sent: number[] = [];
          for (let n = 0; n < COUNT; n++) {
            if (n % 3 === 0) match.receive(n, 4000, { id: n });
            sent.push(match.send(n, (n * 97) % 4000));
            if (n % 10 === 9) match.bed.pass(50_000);
          }
          match.bed.pass(MS);
          for (let n = 0; n < COUNT; n++) if (n % 3 !== 0) match.receive(n, 4000, { id: n });
          match.bed.completed(match.b, 0, COUNT);
          match.settle();
          match.bed.pass(1000 * MS);
          checkEqual(match.b.received.length, COUNT, 'messages received');
          checkEqual(new Set(match.b.received.map(({ tag }) => tag)).size, COUNT, 'different ones');
          for (const one of [...match.b.received, ...match.a.sent]) checkStatus(one, 'SUCCESS');
          // receives have the tag as their number, and buffers are in the order of posting
          const order = [...Array(COUNT).keys()].sort((x, y) => Number(x % 3 !== 0) - Number(y % 3 !== 0) || x - y);
          for (const [at, n] of order.entries()) match.buffers[at]!.expectPattern(sent[n]!, (n * 97) % 4000);
          match.bed.close();
        },
        needs,
      ),
    ];
  }),
);

const ABOVE = 64;
const COUNT = 45;
const MS = 1_000_000;
