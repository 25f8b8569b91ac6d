/** Shared receive queues, counters, completion queues in motion, states of queue pairs: over any transport. */
import type { Completion } from '../../verbs/completion.ts';
import type { QueuePairOptions } from '../../verbs/queue-pair.ts';
import { RemoteMemory } from '../../verbs/remote-memory.ts';
import type { SharedReceiveQueue } from '../../verbs/shared-receive-queue.ts';
import type { Bed, End } from '../bed.ts';
import type { EndQueuePair } from '../peer-queue-pairs.ts';
import { check, checkEqual, checkStatus, checkThrows, type SuiteCase, testCase } from '../suite-case.ts';

const queuePair = (end: End, options: Partial<QueuePairOptions> = {}): EndQueuePair =>
  end.queuePair({ sendDepth: 16, receiveDepth: 16, ...options });

function send(bed: Bed, qp: EndQueuePair, length = 8, id = 0): void {
  const { a, b } = bed;
  a.qp.post({ opcode: 'send', id, to: a.to(b), qpn: qp.qpn, ...a.buffer(length, { salt: id }).part() });
}

const events = ({ context }: End): string[] =>
  context.takeEvents().events.map(({ name, object }) => `${name} ${object === undefined ? '' : object.describe()}`);

const names = (end: End): string[] => events(end).map((text) => text.split(' ')[0]!);

function fill(end: End, srq: SharedReceiveQueue, count: number, length = 4096): void {
  for (let i = 0; i < count; i++) srq.postReceive({ id: i, ...end.buffer(length).part() });
}

const statuses = (list: readonly Completion[]): string[] => list.map(({ status }) => status);

export const QUEUE_CASES: readonly SuiteCase[] = [
  testCase('queues/shared-receives (R051)', (suite) => {
    const bed = suite.bed();
    const { b } = bed;
    const srq = b.pd.createSharedReceiveQueue({ depth: 4 });
    const pairs = [queuePair(b, { srq }), queuePair(b, { srq })];
    checkThrows('EBUSY', () => srq.close());
    checkThrows('EINVAL', () => pairs[0]!.postReceive({}));
    for (let round = 0; round < 3; round++) {
      fill(b, srq, 4);
      checkEqual(srq.tryPostReceive({}), false, 'posting to a full queue');
      checkThrows('ENOMEM', () => srq.postReceive({}));
      for (let i = 0; i < 4; i++) send(bed, pairs[i & 1]!, 1 + i * 1000, i);
      bed.completed(b, 0, 4 * (round + 1));
      checkEqual(srq.query().waiting, 0, 'receives left');
    }
    checkEqual(new Set(b.received.map(({ qpn }) => qpn)).size, 2, 'queue pairs that received');
    checkEqual(new Set(statuses(b.received)).size, 1, 'kinds of status');
    checkEqual(b.received.map(({ id }) => id).sort(), [0n, 0n, 0n, 1n, 1n, 1n, 2n, 2n, 2n, 3n, 3n, 3n], 'receives');
    for (const qp of pairs) qp.close();
    srq.close();
    bed.close();
  }),
  testCase('queues/shared-receives-that-come-late', (suite) => {
    const bed = suite.bed({ ordered: true });
    const { a, b } = bed;
    const srq = b.pd.createSharedReceiveQueue({ depth: 8 });
    const pairs = [queuePair(b, { srq }), queuePair(b, { srq })];
    for (const qp of pairs) send(bed, qp);
    bed.pass(5e6);
    checkEqual(b.received.length, 0, 'messages without receives');
    fill(b, srq, 2);
    bed.completed(b, 0, 2);
    bed.completed(a, 2, 0);
    for (const one of a.sent) checkStatus(one, 'SUCCESS');
    bed.close();
  }),
  testCase('queues/limit-of-shared-receives', (suite) => {
    const bed = suite.bed();
    const { b } = bed;
    const srq = b.pd.createSharedReceiveQueue({ depth: 8 });
    const qp = queuePair(b, { srq });
    fill(b, srq, 6);
    srq.modify({ limit: 4 });
    const after = (count: number): string[] => {
      for (let i = 0; i < count; i++) send(bed, qp);
      bed.completed(b, 0, b.received.length + count);
      return names(b);
    };
    checkEqual(after(2), [], 'events with 4 left');
    checkEqual(after(1), ['SRQ_LIMIT_REACHED'], 'events with 3 left');
    checkEqual(after(1), [], 'events when it is not armed any more');
    srq.modify({ limit: 3 });
    checkEqual(events(b), [`SRQ_LIMIT_REACHED ${srq.describe()}`], 'events of a limit that is too high already');
    checkThrows('EINVAL', () => srq.modify({ limit: 9 }));
    srq.modify({ limit: 2 });
    srq.modify({ limit: 0 });
    checkEqual(after(1), [], 'events after disarming');
    bed.close();
  }),
  testCase('queues/last-shared-receive', (suite) => {
    const bed = suite.bed();
    const { b } = bed;
    const srq = b.pd.createSharedReceiveQueue({ depth: 8 });
    const [qp, other] = [queuePair(b, { srq }), queuePair(b, { srq })];
    fill(b, srq, 4);
    qp.modify({ state: 'ERR' });
    check(names(b).includes('QP_LAST_WQE_REACHED'), 'the event came');
    checkEqual(srq.query().waiting, 4, 'receives of others are not flushed');
    send(bed, other);
    bed.completed(b, 0, 1);
    checkStatus(b.received[0], 'SUCCESS');
    bed.close();
  }),
  testCase('queues/counters (R127)', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const [sends, bytes] = [a.context.createCompletionCounter(), a.context.createCompletionCounter({ unit: 'bytes' })];
    const receives = b.context.createCompletionCounter();
    a.qp.attachCounter(sends, ['send', 'read']);
    a.qp.attachCounter(bytes, ['write']);
    b.qp.attachCounter(receives, ['receive']);
    checkThrows('EBUSY', () => a.qp.attachCounter(bytes, ['read', 'receive']));
    checkThrows('EBUSY', () => sends.close());
    const [target, source] = [b.buffer(3000), a.buffer(3000, { salt: 1 })];
    for (let i = 0; i < 3; i++) b.qp.postReceive(b.buffer(100).part());
    for (let i = 0; i < 3; i++) send(bed, b.qp);
    a.qp.post({ opcode: 'read', to: a.to(b), ...a.buffer(10).part(), remote: target.remote });
    a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: target.remote });
    a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: target.remote, remoteOffset: 2 ** 40 });
    bed.completed(a, 6, 0);
    bed.completed(b, 0, 3);
    checkEqual(Object.values(sends.read()), [4, 0], 'sends and reads, errors');
    checkEqual(Object.values(bytes.read()), [3000, 1], 'bytes written, errors');
    checkEqual(Object.values(receives.read()), [3, 0], 'receives, errors');
    sends.set({ successes: 100 });
    sends.add({ successes: 5, errors: 2 });
    checkEqual(Object.values(sends.read()), [105, 2], 'what was set and added');
    for (let i = 0; i < 2; i++) b.qp.postReceive({});
    b.qp.close();
    // those of a shared queue are left to others
    checkEqual(receives.read().errors, suite.connected ? 0 : 2, 'flushed receives');
    receives.close();
    bed.close();
  }),
  testCase('queues/resized-completion-queue', (suite) => {
    const bed = suite.bed({ cqEntries: 16 });
    const { a, b } = bed;
    const target = b.buffer(100);
    const source = a.buffer(10, { salt: 1 });
    const write = (id: number) =>
      a.qp.post({ opcode: 'write', id, to: a.to(b), ...source.part(), remote: target.remote });
    for (let id = 0; id < 10; id++) write(id);
    bed.pump.drive({ limitNs: 1e9 });
    const taken = [a.sendCq.take()!, a.sendCq.take()!].map(({ id }) => Number(id));
    checkThrows('EINVAL', () => a.sendCq.resize(4));
    a.sendCq.resize(8);
    checkEqual(a.sendCq.entries, 8, 'entries');
    for (let one = a.sendCq.take(); one !== undefined; one = a.sendCq.take()) taken.push(Number(one.id));
    checkEqual(
      taken.sort((x, y) => x - y),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      'completions',
    );
    a.sendCq.resize(64);
    for (let id = 10; id < 60; id++) write(id);
    bed.pump.drive({ limitNs: 1e9 });
    a.drain();
    checkEqual(a.sent.length, 50, 'completions after growing');
    checkEqual(a.sendCq.query()['failed'], false, 'whether it failed');
    bed.close();
  }),
  testCase(
    'queues/states-of-reliable-unconnected (R124)',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      checkEqual(b.qp.state, 'RTS', 'state at creation');
      for (const state of ['INIT', 'RTR'] as const) checkThrows('EOPNOTSUPP', () => b.qp.modify({ state }));
      checkThrows('EINVAL', () => b.qp.modify({}));
      checkThrows('EINVAL', () => b.qp.modify({ state: 'RESET' }));
      b.qp.modify({ state: 'RTS', currentState: 'RTS' });
      b.qp.postReceive({ id: 7, ...b.buffer(10).part() });
      const region = b.buffer(10);
      b.qp.attachMemory(region.region);
      b.qp.modify({ state: 'ERR' });
      bed.drain();
      checkEqual(
        b.received.map(({ id, status }) => `${id} ${status}`),
        ['7 WR_FLUSH_ERR'],
        'what was outstanding',
      );
      b.qp.postReceive({ id: 8 });
      b.qp.post({ opcode: 'send', id: 9, to: b.to(a), ...b.buffer(10).part() });
      bed.completed(b, 1, 2);
      checkEqual([b.sent[0]!.status, b.received[1]!.status], ['WR_FLUSH_ERR', 'WR_FLUSH_ERR'], 'what is posted in ERR');
      checkThrows('EINVAL', () => b.qp.modify({ state: 'RTS' }));
      send(bed, b.qp);
      bed.completed(a, 1, 0);
      check(a.sent[0]!.status !== 'SUCCESS', 'a queue pair in ERR takes nothing');
      b.qp.modify({ state: 'ERR' });
      b.qp.modify({ state: 'RESET' });
      checkThrows('EINVAL', () => b.qp.postReceive({}));
      checkThrows('EINVAL', () => b.qp.post({ opcode: 'send', to: b.to(a) }));
      b.qp.modify({ state: 'RESET' });
      b.qp.modify({ state: 'RTS' });
      checkEqual(b.qp.query().state, 'RTS', 'state');
      const sink = b.buffer(10);
      b.qp.postReceive(sink.part());
      send(bed, b.qp, 10, 5);
      bed.completed(b, 0, 3);
      checkStatus(b.received[2], 'SUCCESS');
      sink.expectPattern(5);
      // attachments survive
      a.qp.post({ opcode: 'write', to: a.to(b), ...a.buffer(10, { salt: 6 }).part(), remote: region.remote });
      bed.completed(a, 3, 0);
      region.expectPattern(6);
      bed.close();
    },
    { kinds: ['RU'] },
  ),
  testCase('queues/rights-of-a-queue-pair', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const target = b.buffer(100);
    const statusOf = (opcode: 'read' | 'write') => {
      a.qp.post({ opcode, to: a.to(b), ...a.buffer(10).part(), remote: target.remote });
      bed.completed(a, a.sent.length + 1, 0);
      return a.sent.at(-1)!.status;
    };
    b.qp.modify({ state: 'RTS', access: ['remote-read'] });
    checkEqual([statusOf('read'), statusOf('write')], ['SUCCESS', 'REM_ACCESS_ERR'], 'read, write');
    checkEqual(b.qp.query().access, ['remote-read'], 'rights');
    b.qp.modify({ state: 'RTS', access: ['remote-read', 'remote-write', 'remote-atomic'] });
    checkEqual(statusOf('write'), 'SUCCESS', 'write');
    bed.close();
  }),
  testCase('queues/semantics (R123)', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const { queuePairTypes, immediateBits } = suite.transport.attributes;
    const offered = a.context.querySemantics(suite.kind);
    const order = offered['msg_order'] as readonly string[];
    for (const kind of ['RC', 'UC', 'UD', 'RU'] as const) {
      if (!queuePairTypes.includes(kind)) checkThrows('EOPNOTSUPP', () => a.context.querySemantics(kind));
    }
    for (const more of [
      ...[{ max_pdu: Number(offered['max_pdu']) + 1 }, { imm_data_bits: immediateBits + 1 }, { max_rdma_raw_size: 1 }],
      ...[
        { msg_order: [...order, 'total'] },
        { usage: ['ATTACH_MR', 'TELEPATHY'] },
        { imagined: 1 },
        { max_pdu: 'all' },
      ],
    ]) {
      checkThrows('EINVAL', () => queuePair(a, { semantics: more }));
    }
    queuePair(a, { semantics: offered }).close();
    queuePair(a, { semantics: { msg_order: order.slice(0, 1), max_rdma_waw_size: 0 } }).close();
    checkThrows('EINVAL', () => queuePair(a, { semantics: { msg_order: [] }, ordered: true }));
    // a program that needs no immediate data has none
    const without = queuePair(a, { semantics: { imm_data_bits: 0 } });
    const sink = b.buffer(10);
    without.post({ opcode: 'write', to: a.to(b), ...a.buffer(10, { salt: 2 }).part(), remote: sink.remote, imm: 1 });
    bed.completed(a, 1, 0);
    checkStatus(a.sent[0], 'LOC_QP_OP_ERR');
    without.post({ opcode: 'write', to: a.to(b), ...a.buffer(10, { salt: 2 }).part(), remote: sink.remote });
    bed.completed(a, 2, 0);
    sink.expectPattern(2);
    bed.close();
  }),
  testCase(
    'queues/many-peers-without-connecting (R121 R126)',
    (suite) => {
      const bed = suite.bed({ ends: [{}, {}, { job: 9 }] });
      const { a, b } = bed;
      const third = bed.ends[2]!;
      const jobKey = a.pd.createJobKey(a.context.createJob({ id: 9 }));
      for (const end of [b, third]) end.qp.postReceive({ ...end.buffer(10).part() });
      a.qp.post({ opcode: 'send', to: a.to(b), ...a.buffer(10).part() });
      a.qp.post({ opcode: 'send', to: a.to(third), jobKey, ...a.buffer(10).part() });
      bed.completed(a, 2, 0);
      bed.completed(b, 0, 1);
      bed.completed(third, 0, 1);
      for (const one of a.sent) checkStatus(one, 'SUCCESS');
      checkEqual([b.received[0]!.jobId, third.received[0]!.jobId], [7, 9], 'jobs');
      checkEqual([b.received[0]!.sourceId, third.received[0]!.sourceId], [a.qp.sourceId, a.qp.sourceId], 'sources');
      bed.close();
    },
    { kinds: ['RU'] },
  ),
  testCase('queues/wide-keys-and-immediate-data (R130)', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const key = BigInt.asUintN(suite.transport.attributes.keyBits, 0xffff_8000_0001n);
    const region = b.pd.registerMemory(b.context.allocate(10), { access: ['local-write', 'remote-write'], key });
    b.postNotice();
    const imm = suite.imm(0xfedc_ba98_f654_3210n);
    a.qp.post({
      ...{ opcode: 'write', to: a.to(b), ...a.buffer(10, { salt: 1 }).part(), imm },
      remote: new RemoteMemory(key),
    });
    bed.completed(a, 1, 0);
    bed.completed(b, 0, 1);
    checkStatus(a.sent[0], 'SUCCESS');
    checkEqual(b.received[0]!.imm, imm, 'immediate data');
    check(region.bytes[1] !== 0, 'the bytes are there');
    bed.close();
  }),
];
