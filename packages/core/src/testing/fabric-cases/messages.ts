/** Messages without tags, and datagrams. */
import { OperationFlag } from '../../fabric/flags.ts';
import { check, checkEqual } from '../suite-case.ts';
import { checkError, checkOk, checkPattern, codeOf, type FabricCase, fabricCase, ORDERED } from './fabric-case.ts';

const MSG = ['msg'] as const;

export const FABRIC_MESSAGE_CASES: readonly FabricCase[] = [
  fabricCase('messages/sizes', MSG, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    for (const [i, length] of [0, 1, 63, 1024, 1025, 10_000].entries()) {
      const out = a.memory(length, i);
      const into = b.memory(length + 10);
      b.endpoint.messages.receive(into, 5, length + 5, undefined, `r${i}`);
      a.endpoint.messages.send(out, 0, length, a.to(b), `s${i}`);
      bed.completed(a, i + 1, 0);
      bed.completed(b, 0, i + 1);
      const [sent, received] = [a.sent[i], b.received[i]];
      checkOk(sent);
      checkOk(received);
      checkEqual([sent.context as string, received.context as string], [`s${i}`, `r${i}`], 'contexts');
      checkEqual(sent.flags, OperationFlag.MSG | OperationFlag.SEND, 'flags of the send');
      checkEqual(received.flags, OperationFlag.MSG | OperationFlag.RECV, 'flags of the receive');
      checkEqual(received.length, length, 'length');
      checkEqual(received.source, b.to(a), 'who sent');
      checkPattern(into.bytes, length, i, 5);
    }
    bed.close();
  }),
  fabricCase('messages/data-beside', MSG, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const bits = 8 * a.info.domain.cqDataBytes;
    const [out, into] = [a.memory(100, 3), b.memory(300)];
    for (let i = 0; i < 3; i++) b.endpoint.messages.receive(into, 100 * i, 100, undefined, i);
    const data = BigInt.asUintN(bits, 0xfedc_ba98_7654_3210n);
    a.endpoint.messages.sendData(out, 0, 100, data, a.to(b), 'x');
    bed.completed(b, 0, 1);
    a.endpoint.messages.injectData(Uint8Array.of(1, 2, 3), 7, a.to(b));
    bed.completed(b, 0, 2);
    a.endpoint.messages.sendMessage({ region: out, length: 5, to: a.to(b), data: 0n });
    bed.completed(b, 0, 3);
    checkEqual(
      b.received.map(({ data: one }) => one),
      [data, 7n, 0n],
      'data',
    );
    checkEqual(
      b.received.map(({ length }) => length),
      [100, 3, 5],
      'lengths',
    );
    bed.completed(a, 2, 0);
    bed.close();
  }),
  fabricCase('messages/inject-is-invisible-and-copied', MSG, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const into = b.memory(4 * 64);
    for (let i = 0; i < 4; i++) b.endpoint.messages.receive(into, 64 * i, 64, undefined, i);
    const bytes = new Uint8Array(64).fill(7);
    a.endpoint.messages.inject(bytes, a.to(b));
    bytes.fill(0);
    const region = a.memory(64, 9);
    a.endpoint.messages.sendMessage({ region, length: 64, to: a.to(b), inject: true, context: 'seen' });
    region.bytes.fill(0);
    bed.completed(b, 0, 2);
    bed.completed(a, 1, 0);
    checkEqual(a.sent.length, 1, 'visible completions');
    checkEqual(a.sent[0]!.context as string, 'seen', 'the one that is visible');
    const first = into.bytes[0] === 7 ? 0 : 64;
    check(
      into.bytes.subarray(first, first + 64).every((one) => one === 7),
      'the copy is not what was injected',
    );
    checkPattern(into.bytes, 64, 9, 64 - first);
    checkEqual(
      codeOf(() => a.endpoint.messages.inject(new Uint8Array(a.info.transmit.injectBytes + 1), a.to(b))),
      'EMSGSIZE',
      'too much',
    );
    checkEqual(
      codeOf(() => a.endpoint.messages.sendMessage({ region: a.memory(100), to: a.to(b), inject: true })),
      'EMSGSIZE',
      'too much, from a region',
    );
    bed.close();
  }),
  fabricCase('messages/segments', MSG, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const out = a.memory(400, 5);
    const into = b.memory(400);
    const cut = (region: typeof out) => [
      { region, offset: 0, length: 1 },
      { region, offset: 1, length: 199 },
      { region, offset: 200, length: 0 },
      { region, offset: 200 },
    ];
    b.endpoint.messages.receiveMessage({ segments: cut(into), context: 'r' });
    a.endpoint.messages.sendMessage({ segments: cut(out), to: a.to(b), context: 's' });
    bed.completed(b, 0, 1);
    checkOk(b.received[0]);
    checkEqual(b.received[0].length, 400, 'length');
    checkPattern(into.bytes, 400, 5);
    const five = [...cut(out), { region: out }];
    checkEqual(
      codeOf(() => a.endpoint.messages.sendMessage({ segments: five, to: a.to(b) })),
      'EINVAL',
      'five segments',
    );
    bed.completed(a, 1, 0);
    bed.close();
  }),
  fabricCase('messages/ordered-endpoints-keep-order-SAS', ['msg', 'fence'], (suite) => {
    const bed = suite.bed({ hints: ORDERED, seed: 77, faults: { loss: 0.05, reorder: 0.1 } });
    const { a, b } = bed;
    const into = b.memory(200 * 8);
    const count = 200;
    for (let i = 0; i < count; i++) b.endpoint.messages.receive(into, 8 * i, 8, undefined, i);
    for (let i = 0; i < count; i++) a.endpoint.messages.injectData(Uint8Array.of(i), i, a.to(b));
    bed.completed(b, 0, count);
    checkEqual(
      b.received.map(({ data }) => data),
      Array.from({ length: count }, (_, i) => BigInt(i)),
      'messages in the order of sending',
    );
    for (let i = 0; i < count; i++) checkEqual(into.bytes[8 * i]!, i, 'receives in the order of posting');
    bed.close();
  }),
  fabricCase('messages/truncated-tells-how-much', MSG, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const into = b.memory(100);
    b.endpoint.messages.receive(into, 0, 40, undefined, 'short');
    a.endpoint.messages.send(a.memory(100, 1), 0, 100, a.to(b), 'long');
    bed.until('the receive to end', () => b.received.length === 1);
    checkError(b.received[0], 'ETRUNC');
    check(
      into.bytes.subarray(40).every((one) => one === 0),
      'bytes beyond the receive were written',
    );
    bed.completed(a, 1, 0);
    bed.close();
  }),
  fabricCase('messages/many-peers-by-number', MSG, (suite) => {
    const bed = suite.bed({ ends: 4, seed: 4 });
    const { ends } = bed;
    const into = ends.map((end) => {
      const memory = end.memory(3 * 16);
      for (let i = 0; i < 3; i++) end.endpoint.messages.receive(memory, 16 * i, 16, undefined, i);
      return memory;
    });
    for (const [i, from] of ends.entries()) {
      for (const to of ends) if (to !== from) from.endpoint.messages.inject(Uint8Array.of(i), from.to(to));
    }
    bed.until('all messages', () => ends.every(({ received }) => received.length === 3));
    for (const [i, end] of ends.entries()) {
      for (const one of end.received) {
        const sender = ends[into[i]!.bytes[16 * (one.context as number)]!]!;
        checkEqual(one.source, end.to(sender), 'who sent');
      }
    }
    bed.close();
  }),
  fabricCase('messages/to-itself-and-to-a-neighbour-on-the-device', MSG, (suite) => {
    const bed = suite.bed();
    const { a } = bed;
    const into = a.memory(64);
    a.endpoint.messages.receive(into, 0, 64, undefined, 'own');
    a.endpoint.messages.send(a.memory(64, 2), 0, 64, a.to(a), 'mine');
    bed.completed(a, 1, 1);
    checkOk(a.received[0]);
    checkPattern(into.bytes, 64, 2);
    const second = a.domain.openEndpoint(a.info);
    second.bind(a.vector);
    second.bind(a.sendQueue, { transmit: true });
    second.bind(a.receiveQueue, { receive: true });
    second.enable();
    const number = a.vector.insert(second.getName());
    second.messages.receive(into, 0, 64, undefined, 'other');
    a.endpoint.messages.send(a.memory(64, 8), 0, 64, number, 'to it');
    bed.completed(a, 2, 2);
    checkOk(a.received[1]);
    checkEqual(a.received[1].context as string, 'other', 'who received');
    checkPattern(into.bytes, 64, 8);
    second.close();
    bed.close();
  }),
  fabricCase('messages/nobody-there', MSG, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const name = b.endpoint.getName();
    name[7]! ^= 0x55; // another resource index
    const number = a.vector.insert(name);
    a.endpoint.messages.send(a.memory(8), 0, 8, number, 'lost');
    bed.completed(a, 1, 0, 120e9);
    checkError(a.sent[0], 'EHOSTUNREACH', 'ETIMEDOUT', 'ENORX', 'EIO');
    // the endpoint goes on
    b.endpoint.messages.receive(b.memory(8), 0, 8);
    a.endpoint.messages.send(a.memory(8), 0, 8, a.to(b), 'next');
    bed.completed(a, 2, 0);
    checkOk(a.sent[1]);
    bed.close();
  }),
  fabricCase('messages/wrong-calls-explain', MSG, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const region = a.memory(64);
    const { messages } = a.endpoint;
    checkEqual(
      codeOf(() => messages.send(region, 0, 8, 99)),
      'EINVAL',
      'a number that nobody has',
    );
    checkEqual(
      codeOf(() => messages.send(region, 60, 8, a.to(b))),
      'EINVAL',
      'outside of the region',
    );
    checkEqual(
      codeOf(() => messages.receive(region, 0, 65)),
      'EINVAL',
      'a receive outside of the region',
    );
    checkEqual(
      codeOf(() => messages.send(b.memory(8), 0, 8, a.to(b))),
      'EINVAL',
      'a region of another domain',
    );
    checkEqual(
      codeOf(() => messages.receive(region, 0, 8, a.to(b))),
      a.info.caps.directedReceive ? '' : 'EINVAL',
      'a receive from one peer',
    );
    checkEqual(
      codeOf(() => messages.receiveMessage({ region, multi: true })),
      a.info.caps.multiReceive ? '' : 'EINVAL',
      'a receive for many',
    );
    // nothing of all this took room
    checkEqual(a.endpoint.transmitSpace, Math.min(a.info.transmit.size, a.sendQueue.size), 'room to send');
    bed.close();
  }),
  fabricCase(
    'messages/datagrams',
    [],
    (suite) => {
      const bed = suite.bed({ hints: { caps: { msg: true }, endpoint: { type: 'dgram' } } });
      const { a, b } = bed;
      const into = b.memory(3 * 1024);
      for (const [i, length] of [0, 17, 1000].entries()) {
        b.endpoint.messages.receive(into, 1024 * i, 1024, undefined, i);
        a.endpoint.messages.send(a.memory(length, i), 0, length, a.to(b), i);
        bed.completed(a, i + 1, 0);
        bed.completed(b, 0, i + 1);
        const received = b.received[i];
        checkOk(received);
        checkEqual([received.length, received.source], [length, b.to(a)], 'length and sender');
        checkPattern(into.bytes, length, i, 1024 * i);
      }
      checkEqual(
        codeOf(() => a.endpoint.messages.send(a.memory(9000), 0, a.info.endpoint.mtu + 1, a.to(b))),
        'EMSGSIZE',
        'more than a packet',
      );
      // without a receive it is lost, and nobody is told
      a.endpoint.messages.inject(Uint8Array.of(1), a.to(b));
      bed.pass(1e9);
      checkEqual(b.received.length, 3, 'receives');
      checkEqual(
        codeOf(() => a.endpoint.rma),
        'EOPNOTSUPP',
        'remote access with datagrams',
      );
      bed.close();
    },
    true,
  ),
];
