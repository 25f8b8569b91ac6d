/** Ends of things, and limits: nothing is left over, and what is full says so. */
import { isVerbsError, type VerbsError } from '../../base/verbs-error.ts';
import type { QueuePair } from '../../verbs/queue-pair.ts';
import { check, checkEqual, checkStatus, checkThrows, type SuiteCase, testCase } from '../suite-case.ts';

export const LIFECYCLE_CASES: readonly SuiteCase[] = [
  ...[0, 1, 5, 50, 500].map((micros) =>
    testCase(`close/queue-pair-under-way-${micros}-us`, (suite) => {
      const bed = suite.bed({ seed: 3 + micros });
      const { a, b } = bed;
      const source = a.buffer(20 * bed.mtu, { salt: 1 });
      const sink = b.buffer(20 * bed.mtu);
      for (let i = 0; i < 10; i++) b.qp.postReceive({ id: i, ...b.buffer(20 * bed.mtu).part() });
      for (let i = 0; i < 8; i++) a.qp.post({ opcode: 'send', id: i, to: a.to(b), ...source.part() });
      for (let i = 8; i < 12; i++) {
        a.qp.post({ opcode: 'write', id: i, to: a.to(b), ...source.part(), remote: sink.remote });
      }
      bed.pass(micros * 1000);
      a.qp.close();
      bed.drain();
      checkEqual(new Set(a.sent.map(({ id }) => id)).size, 12, 'requests that completed');
      checkEqual(a.sent.length, 12, 'completions');
      for (const one of a.sent) checkStatus(one, 'SUCCESS', 'WR_FLUSH_ERR');
      b.qp.close();
      bed.drain();
      // what waits in a shared queue is left to others
      const receives = suite.connected ? b.received.length : 10;
      checkEqual(new Set(b.received.map(({ id }) => id)).size, receives, 'receives that completed');
      checkEqual(b.received.length, receives, 'completions of receives');
      bed.close();
    }),
  ),
  testCase('close/receiver-under-way', (suite) => {
    const bed = suite.bed({ faults: { jitterNs: 100_000 } });
    const { a, b } = bed;
    const source = a.buffer(300 * bed.mtu, { salt: 1 });
    const sink = b.buffer(300 * bed.mtu);
    b.qp.postReceive({ id: 1, ...sink.part() });
    a.qp.post({ opcode: 'send', id: 1, to: a.to(b), ...source.part() });
    bed.until('the first bytes to arrive', () => sink.bytes[0] !== 0xee);
    b.qp.close();
    bed.completed(a, 1, 0);
    check(!a.sent[0]!.ok, 'the message to a closed queue pair succeeded');
    bed.completed(b, 0, 1);
    checkStatus(b.received[0], 'WR_FLUSH_ERR');
    bed.close();
  }),
  testCase('close/everything-under-way', (suite) => {
    const bed = suite.bed({ ends: 3, faults: { loss: 0.05, jitterNs: 1900 } });
    for (const end of bed.ends) {
      for (const other of bed.ends) {
        if (end === other) continue;
        const sink = other.buffer(50 * bed.mtu);
        const source = end.buffer(50 * bed.mtu, { salt: 1 });
        end.qp.postReceive(end.buffer(50 * bed.mtu).part());
        end.qp.post({ opcode: 'send', to: end.to(other), ...source.part() });
        end.qp.post({ opcode: 'write', to: end.to(other), ...source.part(), remote: sink.remote });
        end.qp.post({ opcode: 'read', to: end.to(other), ...source.part(), remote: sink.remote });
      }
    }
    bed.pass(30_000);
    bed.close(); // checks that every engine falls quiet with nothing left
  }),
  testCase('close/reopened-queue-pair-works', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const source = a.buffer(3000, { salt: 1 });
    for (let i = 0; i < 5; i++) {
      const qp = b.queuePair();
      const to = a.pd.createAddressHandle({ address: b.node.address, qpn: qp.qpn });
      const sink = b.buffer(3000);
      qp.postReceive(sink.part());
      a.qp.post({ opcode: 'send', id: i, to, ...source.part() });
      bed.completed(a, i + 1, 0);
      bed.completed(b, 0, i + 1);
      checkStatus(a.sent[i], 'SUCCESS');
      sink.expectPattern(1);
      qp.close();
      to.destroy();
    }
    bed.close();
  }),
  testCase('limits/send-queue-full', (suite) => {
    const bed = suite.bed({ depth: 8 });
    const { a, b } = bed;
    b.node.dead = true;
    const source = a.buffer(10);
    let posted = 0;
    while (posted < 100 && a.qp.tryPost({ opcode: 'send', id: posted, to: a.to(b), ...source.part() })) posted++;
    checkEqual(posted, 8, 'requests until the queue was full');
    checkEqual(a.qp.sendSpace, 0, 'space');
    checkThrows('ENOMEM', () => a.qp.post({ opcode: 'send', to: a.to(b), ...source.part() }));
    bed.completed(a, 8, 0);
    checkEqual(a.qp.sendSpace, 8, 'space afterwards');
    bed.close();
  }),
  testCase('limits/receive-queue-full', (suite) => {
    const bed = suite.bed({ depth: 8 });
    const sink = bed.b.buffer(10);
    let posted = 0;
    while (posted < 100 && bed.b.qp.tryPostReceive(sink.part())) posted++;
    checkEqual(posted, 8, 'receives until the queue was full');
    checkThrows('ENOMEM', () => bed.b.qp.postReceive(sink.part()));
    bed.close();
  }),
  testCase('limits/completion-queue-overrun', (suite) => {
    const bed = suite.bed({ depth: 16, cqEntries: 4 });
    const { a, b } = bed;
    const [source, sink] = [a.buffer(10, { salt: 1 }), b.buffer(10)];
    for (let i = 0; i < 10; i++)
      a.qp.post({ opcode: 'write', id: i, to: a.to(b), ...source.part(), remote: sink.remote });
    bed.pump.drive({ limitNs: 1e9 });
    const taken: bigint[] = [];
    let error: unknown;
    try {
      for (let one = a.sendCq.take(); one !== undefined; one = a.sendCq.take()) taken.push(one.id);
    } catch (thrown) {
      error = thrown;
    }
    checkEqual(taken.length, 4, 'completions before the overrun');
    check(isVerbsError(error) && (error as VerbsError).code === 'EIO', 'the overrun is not reported as EIO');
    bed.pump.close();
  }),
  testCase('limits/queue-pairs', (suite) => {
    const bed = suite.bed({ limits: { queuePairs: 5 } });
    const { pd, sendCq, recvCq, jobKey, qp } = bed.a;
    qp.close();
    const made: QueuePair[] = [];
    const make = () => pd.createQueuePair({ type: suite.kind, sendCq, recvCq, jobKey });
    checkThrows('ENOSPC', () => {
      for (let i = 0; i < 100; i++) made.push(make());
    });
    checkEqual(made.length, 5, 'queue pairs');
    made[0]!.close();
    make();
    bed.close();
  }),
  testCase('limits/deep-queue', (suite) => {
    const bed = suite.bed({ depth: 2048 });
    const { a, b } = bed;
    const [source, sink] = [a.buffer(64, { salt: 1 }), b.buffer(64)];
    for (let i = 0; i < 2048; i++) {
      a.qp.post({ opcode: 'write', id: i, to: a.to(b), ...source.part(), remote: sink.remote });
    }
    bed.completed(a, 2048, 0);
    for (const one of a.sent) checkStatus(one, 'SUCCESS');
    checkEqual(new Set(a.sent.map(({ id }) => id)).size, 2048, 'requests');
    bed.close();
  }),
];
