/** Unreliable kinds: datagrams (UD) and unreliable connections (UC). What is lost is lost in silence; nothing is wrong. */
import { GRH_BYTES } from '../../engine/engine.ts';
import { RemoteMemory } from '../../verbs/remote-memory.ts';
import { type End, patternByte } from '../bed.ts';
import { check, checkEqual, checkStatus, type SuiteCase, testCase } from '../suite-case.ts';
import {
  datagramQueuePair,
  handleOf,
  UNRELIABLE_KINDS,
  unreliablePair,
  unreliablyConnected,
} from '../unreliable-pair.ts';

const UD = { offers: ['UD'] } as const;
const UC = { offers: ['UC'] } as const;

/** Packets that a node has dropped, for whatever reason. */
const dropped = ({ node }: End): number =>
  Object.entries(node.kernel.counters()).reduce((sum, [name, n]) => (name.startsWith('dropped_') ? sum + n : sum), 0);

export const DATAGRAM_CASES: readonly SuiteCase[] = [
  testCase(
    'datagrams/sizes-to-one-packet',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near, far] = [datagramQueuePair(a), datagramQueuePair(b)];
      const to = handleOf(a, b, far);
      for (const [i, length] of [0, 1, 2, 3, 17, bed.mtu - 1, bed.mtu].entries()) {
        const sink = b.buffer(GRH_BYTES + bed.mtu);
        far.postReceive({ id: i, ...sink.part() });
        near.post({ opcode: 'send', id: i, to, ...a.buffer(length, { salt: i }).part(), imm: 100 + i });
        bed.completed(a, i + 1, 0);
        bed.completed(b, 0, i + 1);
        checkStatus(a.sent[i], 'SUCCESS');
        const arrived = b.received[i]!;
        checkStatus(arrived, 'SUCCESS');
        checkEqual([arrived.byteLength, arrived.remoteQpn], [GRH_BYTES + length, near.qpn], 'length and sender');
        checkEqual([arrived.hasGrh, arrived.opcode], [true, 'recv'], 'routing header, and kind');
        checkEqual(arrived.imm, BigInt(100 + i), 'immediate data');
        const header = sink.bytes.slice(0, GRH_BYTES);
        checkEqual(
          [header.subarray(32, 36).join('.'), header.subarray(36, 40).join('.')],
          [a.node.address, b.node.address],
          'addresses in the routing header',
        );
        for (let at = 0; at < length; at++) {
          check(sink.bytes[GRH_BYTES + at] === patternByte(at, i), `byte ${at} of ${length} is wrong`);
        }
        check(length === bed.mtu || sink.bytes[GRH_BYTES + length] === 0xee, 'more was written');
        sink.expectGuards();
      }
      bed.close();
    },
    UD,
  ),
  testCase(
    'datagrams/answered-by-what-the-completion-says',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near, far] = [datagramQueuePair(a), datagramQueuePair(b)];
      const sink = a.buffer(100);
      near.postReceive({ id: 1, ...sink.part() });
      far.postReceive({ id: 2, ...b.buffer(100).part() });
      near.post({ opcode: 'send', to: handleOf(a, b, far), ...a.buffer(10, { salt: 1 }).part() });
      bed.completed(b, 0, 1);
      const { path, remoteQpn } = b.received[0]!;
      const back = b.pd.createAddressHandle({ path, qpn: remoteQpn });
      far.post({ opcode: 'send', to: back, inline: Uint8Array.of(1, 2, 3) });
      bed.completed(a, 1, 1);
      checkStatus(a.received[0], 'SUCCESS');
      checkEqual([...sink.bytes.subarray(GRH_BYTES, GRH_BYTES + 3)], [1, 2, 3], 'the answer');
      bed.close();
    },
    UD,
  ),
  testCase(
    'datagrams/one-queue-pair-many-peers',
    (suite) => {
      const bed = suite.bed({ ends: 4 });
      const [hub, ...others] = bed.ends as [End, ...End[]];
      const center = datagramQueuePair(hub);
      for (let i = 0; i < 9; i++) center.postReceive({ id: i, ...hub.buffer(100).part() });
      for (const end of others) {
        const qp = datagramQueuePair(end);
        qp.postReceive({ ...end.buffer(100).part() });
        const to = handleOf(end, hub, center);
        for (let i = 0; i < 3; i++) qp.post({ opcode: 'send', to, ...end.buffer(9, { salt: 1 }).part(), imm: i });
        center.post({ opcode: 'send', to: handleOf(hub, end, qp), ...hub.buffer(9, { salt: 2 }).part() });
      }
      bed.completed(hub, 3, 9);
      for (const end of others) bed.completed(end, 3, 1);
      checkEqual(new Set(hub.received.map(({ path }) => path)).size, 3, 'paths of senders');
      for (const end of bed.ends) for (const one of [...end.sent, ...end.received]) checkStatus(one, 'SUCCESS');
      bed.close();
    },
    UD,
  ),
  testCase(
    'datagrams/too-long-is-an-error-of-the-sender',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near, far] = [datagramQueuePair(a), datagramQueuePair(b)];
      const to = handleOf(a, b, far);
      far.postReceive({ id: 1, ...b.buffer(2 * bed.mtu).part() });
      near.post({ opcode: 'send', id: 1, to, ...a.buffer(bed.mtu + 1).part() });
      near.post({ opcode: 'send', id: 2, to, ...a.buffer(10).part() });
      bed.completed(a, 2, 0);
      checkEqual(
        a.sent.map(({ id, status }) => `${id} ${status}`),
        ['1 LOC_LEN_ERR', '2 WR_FLUSH_ERR'],
        'requests',
      );
      checkEqual([near.state, far.state], ['SQE', 'RTS'], 'states');
      bed.pass(1e8);
      checkEqual(b.received.length, 0, 'messages that came');
      // receiving goes on in SQE, and sending when the program has looked
      near.postReceive({ id: 5, ...a.buffer(100).part() });
      far.post({ opcode: 'send', to: handleOf(b, a, near), ...b.buffer(10).part() });
      bed.completed(a, 2, 1);
      checkStatus(a.received[0], 'SUCCESS');
      near.modify({ state: 'RTS' });
      near.post({ opcode: 'send', id: 3, to, ...a.buffer(10).part() });
      bed.completed(a, 3, 1);
      bed.completed(b, 1, 1);
      checkStatus(b.received[0], 'SUCCESS');
      bed.close();
    },
    UD,
  ),
  testCase(
    'datagrams/only-sends',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const near = datagramQueuePair(a);
      const to = handleOf(a, b, datagramQueuePair(b));
      const target = b.buffer(100);
      for (const [i, opcode] of (['write', 'read'] as const).entries()) {
        near.post({ opcode, to, ...a.buffer(10, { salt: 1 }).part(), remote: target.remote });
        bed.completed(a, i + 1, 0);
        checkStatus(a.sent[i], 'LOC_QP_OP_ERR');
        checkEqual(near.state, 'SQE', 'state');
        near.modify({ state: 'RTS' });
      }
      target.expectUntouched();
      bed.close();
    },
    UD,
  ),
  testCase(
    'datagrams/another-queue-key-is-dropped',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near, far] = [datagramQueuePair(a), datagramQueuePair(b, 0x2222_2222)];
      const sink = b.buffer(100);
      far.postReceive(sink.part());
      const to = handleOf(a, b, far);
      const request = { opcode: 'send', to, ...a.buffer(10, { salt: 1 }).part() } as const;
      const before = dropped(b);
      near.post(request); // with its own key
      near.post({ ...request, qkey: 0x2222_2223 });
      // a program may not name a privileged key: it stands for the one of the queue pair
      near.post({ ...request, qkey: 0x8000_0000 });
      bed.completed(a, 3, 0);
      for (const one of a.sent) checkStatus(one, 'SUCCESS');
      bed.pass(1e8);
      checkEqual([b.received.length, dropped(b) - before], [0, 3], 'messages, and packets dropped');
      sink.expectUntouched();
      near.post({ ...request, qkey: 0x2222_2222 });
      bed.completed(b, 0, 1);
      checkStatus(b.received[0], 'SUCCESS');
      bed.close();
    },
    UD,
  ),
  testCase(
    'datagrams/without-a-receive-or-a-receiver-they-are-lost',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near, far] = [datagramQueuePair(a), datagramQueuePair(b)];
      near.post({ opcode: 'send', to: handleOf(a, b, far), ...a.buffer(10).part() });
      near.post({ opcode: 'send', to: handleOf(a, b, far), qpn: far.qpn ^ 0x5000, ...a.buffer(10).part() });
      bed.completed(a, 2, 0);
      for (const one of a.sent) checkStatus(one, 'SUCCESS');
      bed.pass(1e8);
      checkEqual(dropped(b), 2, 'packets dropped');
      checkEqual([near.state, far.state, b.received.length], ['RTS', 'RTS', 0], 'states, and messages');
      bed.close();
    },
    UD,
  ),
  testCase(
    'datagrams/receive-too-short',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near, far] = [datagramQueuePair(a), datagramQueuePair(b)];
      const sink = b.buffer(GRH_BYTES + 200);
      far.postReceive({ id: 1, ...sink.part(0, GRH_BYTES + 99) });
      near.post({ opcode: 'send', to: handleOf(a, b, far), ...a.buffer(100, { salt: 1 }).part() });
      bed.completed(a, 1, 0);
      checkStatus(a.sent[0], 'SUCCESS');
      bed.pass(1e8);
      check(!b.received.some(({ ok }) => ok), 'a message that did not fit was received');
      check(sink.bytes[GRH_BYTES + 99] === 0xee, 'the byte behind the receive is written');
      bed.close();
    },
    UD,
  ),
  ...UNRELIABLE_KINDS.map((type) =>
    testCase(
      `faults/what-is-lost-is-lost-in-silence/${type}`,
      (suite) => {
        const bed = suite.bed({ faults: { loss: 0.1, reorder: 0.1, duplicate: 0, corrupt: 0.03 }, seed: 8 });
        const { a, b } = bed;
        const { near, far, to } = unreliablePair(bed, type);
        const front = type === 'UD' ? GRH_BYTES : 0;
        const length = type === 'UD' ? bed.mtu : 3 * bed.mtu;
        const sinks = Array.from({ length: 100 }, (_, i) => {
          const sink = b.buffer(front + length);
          far.postReceive({ id: i, ...sink.part() });
          return sink;
        });
        for (let i = 0; i < 100; i++) {
          near.post({ opcode: 'send', ...to, ...a.buffer(length, { salt: i }).part(), imm: i });
        }
        bed.completed(a, 100, 0);
        for (const one of a.sent) checkStatus(one, 'SUCCESS');
        bed.pass(1e9);
        const count = b.received.length;
        check(count > 20 && count < 100, `${count} of 100 messages came`);
        checkEqual(new Set(b.received.map(({ imm }) => imm)).size, count, 'different messages');
        for (const one of b.received) {
          checkStatus(one, 'SUCCESS');
          checkEqual(one.byteLength, front + length, 'length');
          const { bytes } = sinks[Number(one.id)]!;
          for (let at = 0; at < length; at++) {
            check(bytes[front + at] === patternByte(at, Number(one.imm)), `byte ${at} of message ${one.imm} is wrong`);
          }
        }
        checkEqual([near.state, far.state], ['RTS', 'RTS'], 'states');
        bed.close();
      },
      { offers: [type] },
    ),
  ),
  testCase(
    'unreliable-connection/sends-and-writes',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near, far] = unreliablyConnected(bed);
      for (const [i, size] of [0, 1, bed.mtu, bed.mtu + 1, 9 * bed.mtu + 5].entries()) {
        const [source, inbox, target] = [a.buffer(size, { salt: i }), b.buffer(size), b.buffer(size)];
        far.postReceive({ id: i, ...inbox.part() });
        far.postReceive({ id: i });
        near.post({ opcode: 'send', ...source.part(), imm: i });
        near.post({ opcode: 'write', ...source.part(), remote: target.remote, imm: 10 + i });
        bed.completed(a, 2 * i + 2, 0);
        bed.completed(b, 0, 2 * i + 2);
        inbox.expectPattern(i);
        target.expectPattern(i);
        checkEqual([b.received[2 * i]!.imm, b.received[2 * i + 1]!.imm], [BigInt(i), BigInt(10 + i)], 'immediate data');
      }
      for (const one of [...a.sent, ...b.received]) checkStatus(one, 'SUCCESS');
      bed.close();
    },
    UC,
  ),
  testCase(
    'unreliable-connection/what-is-refused-is-lost-in-silence',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near] = unreliablyConnected(bed);
      const target = b.buffer(5000);
      near.post({
        ...{ opcode: 'write', ...a.buffer(3000, { salt: 1 }).part() },
        ...{ remote: new RemoteMemory(target.region.rkey ^ 0x10n) },
      });
      bed.completed(a, 1, 0);
      checkStatus(a.sent[0], 'SUCCESS');
      bed.pass(1e8);
      target.expectUntouched();
      check(dropped(b) > 0, 'nothing was counted as dropped');
      checkEqual([near.state, b.received.length], ['RTS', 0], 'state of the sender, and completions of the peer');
      bed.close();
    },
    UC,
  ),
  testCase(
    'unreliable-connection/a-local-error-stops-sending-only',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [near, far] = unreliablyConnected(bed);
      const target = b.buffer(100);
      near.post({ opcode: 'read', id: 1, ...a.buffer(10).part(), remote: target.remote });
      near.post({ opcode: 'write', id: 2, ...a.buffer(10, { salt: 1 }).part(), remote: target.remote });
      bed.completed(a, 2, 0);
      checkEqual(
        a.sent.map(({ id, status }) => `${id} ${status}`),
        ['1 LOC_QP_OP_ERR', '2 WR_FLUSH_ERR'],
        'requests',
      );
      checkEqual([near.state, far.state], ['SQE', 'RTS'], 'states');
      near.postReceive({ id: 3, ...a.buffer(100).part() });
      far.post({ opcode: 'send', ...b.buffer(10).part() });
      bed.completed(a, 2, 1);
      checkStatus(a.received[0], 'SUCCESS');
      near.modify({ state: 'RTS' });
      near.post({ opcode: 'write', id: 4, ...a.buffer(10, { salt: 1 }).part(), remote: target.remote });
      bed.completed(a, 3, 1);
      bed.pass(1e8);
      target.expectPattern(1, 10);
      bed.close();
    },
    UC,
  ),
];
