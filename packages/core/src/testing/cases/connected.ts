/** What holds for connected queue pairs alone: receives of their own, the way of a failure, connecting anew. */
import type { QueuePair } from '../../verbs/queue-pair.ts';
import type { Bed, End } from '../bed.ts';
import { answerable, connect, prepare } from '../connection.ts';
import { check, checkEqual, checkStatus, type SuiteCase, testCase } from '../suite-case.ts';

const NEEDS = { kinds: ['RC'] } as const;

const queuePair = ({ pd, sendCq, recvCq, jobKey }: End): QueuePair =>
  pd.createQueuePair({ type: 'RC', sendCq, recvCq, jobKey, sendDepth: 64, receiveDepth: 64 });

/** Both ends; the PSNs of the one begin at `psn`, those of the other 5 before. */
function connectBoth(bed: Bed, [near, far]: readonly [QueuePair, QueuePair], psn = 0xff_fffe): void {
  const other = (psn - 5) & 0xff_ffff;
  const options = { payloadMtu: bed.mtu, maxRdAtomic: 4 };
  connect(near, { address: bed.b.node.address, qpn: far.qpn, sqPsn: psn, rqPsn: other }, options);
  connect(far, { address: bed.a.node.address, qpn: near.qpn, sqPsn: other, rqPsn: psn }, options);
}

function pair(bed: Bed, psn?: number): readonly [QueuePair, QueuePair] {
  const both = [queuePair(bed.a), queuePair(bed.b)] as const;
  connectBoth(bed, both, psn);
  return both;
}

export const CONNECTED_CASES: readonly SuiteCase[] = [
  testCase(
    'connected/receives-of-its-own',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near, far] = pair(bed);
      const source = a.buffer(3 * bed.mtu, { salt: 1 });
      const sinks = Array.from({ length: 20 }, () => b.buffer(3 * bed.mtu));
      for (let i = 0; i < 20; i++) near.post({ opcode: 'send', id: i, ...source.part(), imm: i });
      bed.pass(2e6);
      checkEqual(a.sent.length, 0, 'completions while there is no receive');
      for (const [i, sink] of sinks.entries()) far.postReceive({ id: i, ...sink.part() });
      bed.completed(a, 20, 0);
      bed.completed(b, 0, 20);
      for (const [i, one] of b.received.entries()) {
        checkStatus(one, 'SUCCESS');
        checkEqual([one.id, one.imm], [BigInt(i), BigInt(i)], 'receive and message');
        sinks[i]!.expectPattern(1);
      }
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'connected/a-failure-flushes-what-follows (R124)',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near, far] = pair(bed);
      const [source, target] = [a.buffer(100, { salt: 1 }), b.buffer(100)];
      for (let i = 0; i < 3; i++) far.postReceive({ id: 10 + i, ...b.buffer(100).part() });
      near.post({ opcode: 'write', id: 1, ...source.part(), remote: target.remote });
      near.post({ opcode: 'write', id: 2, ...source.part(), remote: target.remote, remoteOffset: 2 ** 40 });
      for (let i = 3; i < 6; i++) near.post({ opcode: 'write', id: i, ...source.part(), remote: target.remote });
      bed.completed(a, 5, 0);
      checkEqual(
        a.sent.map(({ id, status }) => `${id} ${status}`),
        ['1 SUCCESS', '2 REM_ACCESS_ERR', '3 WR_FLUSH_ERR', '4 WR_FLUSH_ERR', '5 WR_FLUSH_ERR'],
        'requests',
      );
      // the peer's end failed too: it lets nobody do half of what was asked
      bed.completed(b, 0, 3);
      for (const one of b.received) checkStatus(one, 'WR_FLUSH_ERR');
      checkEqual([near.state, far.state], ['ERR', 'ERR'], 'states');
      near.post({ opcode: 'send', id: 7, ...source.part() });
      far.postReceive({ id: 8 });
      bed.completed(a, 6, 0);
      bed.completed(b, 0, 4);
      checkEqual([a.sent[5]!.status, b.received[3]!.status], ['WR_FLUSH_ERR', 'WR_FLUSH_ERR'], 'posted in ERR');
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'connected/once-more-after-reset (R124)',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const both = pair(bed);
      const [near, far] = both;
      const [source, target] = [a.buffer(5000, { salt: 1 }), b.buffer(5000)];
      for (let round = 0; round < 4; round++) {
        near.post({ opcode: 'write', ...source.part(), remote: target.remote, remoteOffset: 2 ** 40 });
        bed.completed(a, 2 * round + 1, 0);
        checkStatus(a.sent[2 * round], 'REM_ACCESS_ERR');
        bed.pass(1e6);
        for (const qp of both) qp.modify({ state: 'RESET' });
        connectBoth(bed, both, round * 1000);
        const sink = b.buffer(5000);
        far.postReceive({ id: round, ...sink.part() });
        near.post({ opcode: 'send', ...source.part() });
        bed.completed(a, 2 * round + 2, 0);
        bed.completed(b, 0, round + 1);
        checkStatus(a.sent[2 * round + 1], 'SUCCESS');
        sink.expectPattern(1);
      }
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'connected/the-receiver-may-be-ready-first',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near, far] = [queuePair(a), queuePair(b)];
      const sink = b.buffer(100);
      prepare(far);
      far.postReceive({ id: 1, ...sink.part() });
      answerable(far, { address: a.node.address, qpn: near.qpn, sqPsn: 9, rqPsn: 7 });
      connect(near, { address: b.node.address, qpn: far.qpn, sqPsn: 7, rqPsn: 9 });
      near.post({ opcode: 'send', ...a.buffer(100, { salt: 3 }).part() });
      bed.completed(a, 1, 0);
      bed.completed(b, 0, 1);
      checkStatus(b.received[0], 'SUCCESS');
      sink.expectPattern(3);
      checkEqual(far.state, 'RTR', 'state of the receiver');
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'connected/nobody-else-is-served',
    (suite) => {
      const bed = suite.bed({ ends: 3 });
      const [a, b, c] = bed.ends as [End, End, End];
      const [, far] = pair(bed);
      far.postReceive({ id: 1, ...b.buffer(100).part() });
      const target = b.buffer(100);
      const stranger = queuePair(c);
      connect(stranger, { address: b.node.address, qpn: far.qpn, sqPsn: 0xff_fffe, rqPsn: 0xff_fff9 });
      stranger.post({ opcode: 'send', id: 5, ...c.buffer(10, { salt: 1 }).part() });
      bed.completed(c, 1, 0);
      checkStatus(c.sent[0], 'RETRY_EXC_ERR', 'REM_INV_RD_REQ_ERR');
      checkEqual([far.state, b.received.length], ['RTS', 0], 'the queue pair and its receives');
      target.expectUntouched();
      check(a.sent.length === 0, 'nothing was sent by the peer');
      bed.close();
    },
    NEEDS,
  ),
  ...[256, 512, 1024, 2048, 4096].map((payloadMtu) =>
    testCase(
      `connected/path-mtu-${payloadMtu}`,
      (suite) => {
        const bed = suite.bed({ payloadMtu });
        const { a, b } = bed;
        const [near, far] = pair(bed);
        for (const [i, length] of [payloadMtu - 1, payloadMtu, payloadMtu + 1, 5 * payloadMtu + 3].entries()) {
          const [source, sink, back] = [a.buffer(length, { salt: i }), b.buffer(length), a.buffer(length)];
          far.postReceive({ id: i, ...sink.part() });
          near.post({ opcode: 'send', ...source.part() });
          bed.completed(a, 2 * i + 1, 0);
          bed.completed(b, 0, i + 1);
          sink.expectPattern(i);
          near.post({ opcode: 'read', ...back.part(), remote: sink.remote });
          bed.completed(a, 2 * i + 2, 0);
          back.expectPattern(i);
        }
        for (const one of a.sent) checkStatus(one, 'SUCCESS');
        bed.close();
      },
      NEEDS,
    ),
  ),
  testCase(
    'faults/loss-where-sequence-numbers-wrap',
    (suite) => {
      const bed = suite.bed({ faults: { loss: 0.05 }, payloadMtu: 256 });
      const { a, b } = bed;
      const [near, far] = pair(bed, 0xff_ffc0);
      for (let i = 0; i < 40; i++) {
        const [source, sink, back] = [a.buffer(1000, { salt: i }), b.buffer(1000), a.buffer(1000)];
        far.postReceive({ id: i, ...sink.part() });
        near.post({ opcode: 'send', ...source.part() });
        near.post({ opcode: 'read', ...back.part(), remote: b.buffer(1000, { salt: i }).remote });
        bed.completed(a, 2 * i + 2, 0);
        bed.completed(b, 0, i + 1);
        sink.expectPattern(i);
        back.expectPattern(i);
      }
      for (const one of a.sent) checkStatus(one, 'SUCCESS');
      bed.close();
    },
    NEEDS,
  ),
];
