/** When a request counts as done: when its data can be seen at the peer, or when a receive has taken it. */
import type { WorkRequest } from '../../verbs/work-request.ts';
import { check, checkEqual, checkStatus, type SuiteCase, testCase } from '../suite-case.ts';
import { Match } from './tagged.ts';

const BAD = { loss: 0.03, duplicate: 0.05, reorder: 0.1 };
const MATCHED = { operations: ['send', 'tagged'] } as const;

export const COMPLETION_LEVEL_CASES: readonly SuiteCase[] = [
  ...[
    { name: 'levels/delivery-complete/ordered', ordered: true, faults: {} },
    { name: 'levels/delivery-complete/unordered', ordered: false, faults: {} },
    { name: 'faults/loss-delivery-complete/ordered', ordered: true, faults: BAD },
    { name: 'faults/loss-delivery-complete/unordered', ordered: false, faults: BAD },
  ].map(({ name, ordered, faults }) =>
    testCase(
      name,
      (suite) => {
        const bed = suite.bed({ ordered, faults, seed: 3 });
        const { a, b } = bed;
        for (const [n, length] of LENGTHS.entries()) {
          const place = b.buffer(length);
          const inbox = b.buffer(length);
          b.qp.postReceive(inbox.part());
          const common = { to: a.to(b), ...a.buffer(length, { salt: n }).part(), deliveryComplete: true };
          a.qp.post({ opcode: 'write', ...common, remote: place.remote });
          bed.completed(a, 2 * n + 1, 0);
          // at once, before anything else happens
          place.expectPattern(n);
          a.qp.post({ opcode: 'send', ...common });
          bed.completed(a, 2 * n + 2, 0);
          inbox.expectPattern(n);
        }
        for (const one of a.sent) checkStatus(one, 'SUCCESS');
        bed.close();
      },
      { operations: ['send', 'write'], kinds: ['RU', 'RC'] },
    ),
  ),
  ...[true, false].flatMap((ordered) =>
    [undefined, 9].map((tag) =>
      testCase(
        `levels/match-complete/${tag === undefined ? 'untagged' : 'tagged'}/${ordered ? 'ordered' : 'unordered'}`,
        (suite) => {
          const match = new Match(suite, { ordered });
          const { a, bed } = match;
          const level: Partial<WorkRequest> = { matchComplete: true };
          const [short, long] = [match.send(tag, 8, level), match.send(tag, 3000, level)];
          const plain = match.send(tag, 8);
          bed.pass(50_000_000);
          checkEqual(
            a.sent.map(({ id }) => Number(id)),
            [plain],
            'what is done without a receive',
          );
          match.receive(tag, 3000);
          bed.pass(50_000_000);
          checkEqual(a.sent.length, 2, 'what is done with one receive');
          checkEqual(Number(a.sent[1]!.id), short, 'which');
          match.receive(tag, 3000);
          match.receive(tag, 3000);
          match.settle();
          checkEqual(Number(a.sent[2]!.id), long, 'the last');
          bed.completed(match.b, 0, 3);
          for (const one of [...a.sent, ...match.b.received]) checkStatus(one, 'SUCCESS');
          // receives were taken in the order of messages
          for (const [at, id] of [short, long, plain].entries()) {
            match.buffers[at]!.expectPattern(id, id === long ? 3000 : 8);
          }
          bed.close();
        },
        MATCHED,
      ),
    ),
  ),
  testCase(
    'levels/match-complete/a-look-is-no-match',
    (suite) => {
      const match = new Match(suite);
      const { a, bed, to } = match;
      match.send(4, 20, { matchComplete: true });
      bed.pass(1_000_000);
      to.postReceive({ id: 50, tag: 4, operation: 'peek' });
      checkEqual(match.take(1)[0]!.byteLength, 20, 'what was found');
      bed.pass(1_000_000);
      check(a.sent.length === 0, 'the message was looked at, and not taken');
      to.postReceive({ id: 50, tag: 4, operation: 'peek', discard: true });
      match.take(1);
      match.settle();
      checkStatus(a.sent[0], 'SUCCESS');
      bed.close();
    },
    MATCHED,
  ),
];

const LENGTHS = [0, 1, 700, 5000, 20_000];
