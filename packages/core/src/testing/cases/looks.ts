/** Looks at what waits for a receive, beside those in `tagged.ts`. */
import type { ReceiveRequest } from '../../verbs/work-request.ts';
import { checkEqual, checkStatus, type SuiteCase, testCase } from '../suite-case.ts';
import { Match } from './tagged.ts';

const needs = { operations: ['send', 'tagged'] } as const;

export const LOOK_CASES: readonly SuiteCase[] = [
  testCase(
    'looks/select-as-receives-do',
    (suite) => {
      const match = new Match(suite, { ends: 3 });
      const third = match.bed.ends[2]!;
      const look = (more: Partial<ReceiveRequest>) => {
        match.to.postReceive({ id: 50, operation: 'peek', ...more });
        const [found] = match.take(1);
        return found!.ok ? found!.byteLength : found!.status;
      };
      match.send(undefined, 10);
      match.send(0x1203, 20);
      match.send(0x1207, 30, {}, third);
      match.settle();
      checkEqual(look({}), 10, 'without a tag');
      checkEqual(look({ tag: 0x1207 }), 30, 'by tag');
      checkEqual(look({ tag: 0x1200 }), 'TM_ERR', 'by a tag that nobody sent');
      checkEqual(look({ tag: 0x1200, ignore: 0xff, sourceId: third.qp.sourceId }), 30, 'by sender');
      checkEqual(look({ tag: 0x1203, from: match.b.to(third) }), 'TM_ERR', 'by another path');
      checkEqual(look({ tag: 0x1203, from: match.b.to(match.a) }), 20, 'by its path');
      // looking takes nothing
      match.receive(undefined, 10);
      match.receive(0x1200, 30, { ignore: 0xff });
      match.receive(0x1200, 30, { ignore: 0xff });
      checkEqual(
        match
          .take(3)
          .map(({ byteLength }) => byteLength)
          .sort(),
        [10, 20, 30],
        'what was received',
      );
      checkEqual(look({ tag: 0, ignore: 0xffff_ffff_ffff_ffffn }), 'TM_ERR', 'when nothing waits');
      match.bed.close();
    },
    needs,
  ),
  testCase(
    'looks/what-is-claimed-is-for-its-claim-only',
    (suite) => {
      const match = new Match(suite);
      const claimed = match.send(1, 10);
      const thrown = match.send(1, 20);
      match.settle();
      for (const id of [60, 61]) {
        match.to.postReceive({ id, tag: 1, operation: 'peek', claim: true });
        checkStatus(match.take(1)[0], 'SUCCESS');
      }
      match.receive(1, 100, { id: 5 });
      match.bed.pass(100_000);
      checkEqual(match.b.received.length, 2, 'completions: two looks, and no receive');
      const next = match.send(1, 30);
      checkEqual(match.take(1)[0]!.byteLength, 30, 'the receive takes what is not claimed');
      match.buffers[0]!.expectPattern(next, 30);
      match.to.postReceive({ id: 61, tag: 1, claim: true, discard: true });
      checkStatus(match.take(1)[0], 'SUCCESS');
      match.receive(1, 100, { id: 60, claim: true });
      checkEqual(match.take(1)[0]!.byteLength, 10, 'the one that was claimed');
      match.buffers[1]!.expectPattern(claimed, 10);
      checkEqual(thrown, 2, 'the number of the one that was thrown away');
      match.bed.close();
    },
    needs,
  ),
  testCase(
    'looks/closing-with-something-claimed',
    (suite) => {
      const match = new Match(suite);
      for (const length of [10, 5000]) match.send(1, length);
      match.settle();
      for (const id of [60, 61]) {
        match.to.postReceive({ id, tag: 1, operation: 'peek', claim: true });
        checkStatus(match.take(1)[0], 'SUCCESS');
      }
      match.to.close();
      match.bed.drain();
      checkEqual(match.b.received.length, 2, 'completions');
      match.bed.close();
    },
    needs,
  ),
];
