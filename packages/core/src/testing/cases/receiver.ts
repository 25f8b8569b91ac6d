/** Receivers that are not ready, or whose buffers are too short. */
import { check, checkEqual, checkStatus, type SuiteCase, testCase } from '../suite-case.ts';

export const RECEIVER_CASES: readonly SuiteCase[] = [
  ...[false, true].flatMap((ordered) => {
    const how = ordered ? 'ordered' : 'unordered';
    return [
      testCase(`receiver/late-receive/${how}`, (suite) => {
        const bed = suite.bed({ ordered });
        const { a, b } = bed;
        const source = a.buffer(3 * bed.mtu, { salt: 1 });
        for (let i = 0; i < 5; i++) a.qp.post({ opcode: 'send', id: i, to: a.to(b), ...source.part(), imm: i });
        bed.pass(3e6);
        checkEqual(a.sent.length, 0, 'completions before there is a receive');
        const sinks = Array.from({ length: 5 }, () => b.buffer(3 * bed.mtu));
        for (const [i, sink] of sinks.entries()) b.qp.postReceive({ id: i, ...sink.part() });
        bed.completed(a, 5, 0);
        bed.completed(b, 0, 5);
        for (const one of [...a.sent, ...b.received]) checkStatus(one, 'SUCCESS');
        for (const sink of sinks) sink.expectPattern(1);
        if (ordered) checkEqual(String(b.received.map(({ imm }) => imm)), '0,1,2,3,4', 'order');
        bed.close();
      }),
      testCase(`receiver/never-ready/${how}`, (suite) => {
        const bed = suite.bed({ ordered, connection: { rnrRetry: 3 } });
        const { a, b } = bed;
        const source = a.buffer(3 * bed.mtu, { salt: 1 });
        a.qp.post({ opcode: 'send', to: a.to(b), ...source.part() });
        bed.completed(a, 1, 0);
        checkStatus(a.sent[0], 'RNR_RETRY_EXC_ERR');
        checkEqual(b.received.length, 0, 'completions at the peer');
        // and it works again when there is a receive
        const sink = b.buffer(3 * bed.mtu);
        b.qp.postReceive(sink.part());
        a.qp.post({ opcode: 'send', to: a.to(b), ...source.part() });
        bed.completed(a, 2, 0);
        checkStatus(a.sent[1], 'SUCCESS');
        bed.completed(b, 0, 1);
        sink.expectPattern(1);
        bed.close();
      }),
    ];
  }),
  testCase('receiver/writes-need-no-receive', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const [source, sink] = [a.buffer(3000, { salt: 1 }), b.buffer(3000)];
    a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote });
    bed.completed(a, 1, 0);
    checkStatus(a.sent[0], 'SUCCESS');
    checkEqual(b.received.length, 0, 'completions at the peer');
    bed.close();
  }),
  testCase(
    'receiver/notices-need-no-receive',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const [source, sink] = [a.buffer(3000, { salt: 1 }), b.buffer(3000)];
      a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote, imm: 5 });
      bed.completed(a, 1, 0);
      bed.completed(b, 0, 1);
      checkStatus(a.sent[0], 'SUCCESS');
      checkEqual(b.received[0]!.imm, 5n, 'immediate data');
      bed.close();
    },
    { noticesTakeReceives: false },
  ),
  testCase(
    'receiver/notices-take-a-receive-each',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const length = 3 * bed.mtu;
      const [source, sink, unused] = [a.buffer(length, { salt: 1 }), b.buffer(length), b.buffer(100)];
      for (const imm of [5, 6]) {
        a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote, imm });
      }
      bed.pass(3e6);
      checkEqual([a.sent.length, b.received.length], [0, 0], 'completions before there is a receive');
      b.qp.postReceive({ id: 7, ...unused.part() });
      bed.completed(b, 0, 1);
      bed.pass(3e6);
      checkEqual([a.sent.length, b.received.length], [1, 1], 'completions with one');
      b.qp.postReceive({ id: 8 });
      bed.completed(a, 2, 0);
      bed.completed(b, 0, 2);
      for (const [i, one] of b.received.entries()) {
        checkStatus(one, 'SUCCESS');
        checkEqual([one.opcode, one.id, one.imm], ['recv-write-imm', BigInt(7 + i), BigInt(5 + i)], 'receive');
        checkEqual(one.byteLength, length, 'bytes that were written');
      }
      sink.expectPattern(1);
      unused.expectUntouched();
      bed.close();
    },
    { noticesTakeReceives: true },
  ),
  testCase('receiver/buffer-too-short', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    for (const [i, [length, room]] of (
      [
        [100, 99],
        [3 * bed.mtu, bed.mtu],
        [10, 0],
        [bed.mtu, 1],
      ] as const
    ).entries()) {
      const [source, sink] = [a.buffer(length, { salt: 1 }), b.buffer(3 * bed.mtu)];
      b.qp.postReceive({ id: i, ...sink.part(0, room) });
      a.qp.post({ opcode: 'send', id: i, to: a.to(b), ...source.part() });
      bed.completed(a, i + 1, 0);
      bed.completed(b, 0, i + 1);
      // a transport either cuts the message, and both sides hear of it, or refuses it
      checkStatus(b.received[i], 'LOC_LEN_ERR');
      checkStatus(a.sent[i], 'SUCCESS', 'REM_INV_REQ_ERR');
      sink.expectGuards();
      for (let at = room; at < sink.length; at++)
        check(sink.bytes[at] === 0xee, `byte ${at} beyond the receive is written`);
    }
    bed.close();
  }),
  testCase('receiver/each-message-takes-one-receive', (suite) => {
    const bed = suite.bed({ faults: { duplicate: 0.5, loss: 0.05 } });
    const { a, b } = bed;
    const source = a.buffer(2 * bed.mtu, { salt: 1 });
    for (let i = 0; i < 40; i++) b.qp.postReceive({ id: i, ...b.buffer(2 * bed.mtu).part() });
    for (let i = 0; i < 30; i++) a.qp.post({ opcode: 'send', id: i, to: a.to(b), ...source.part(), imm: i });
    bed.completed(a, 30, 0);
    bed.completed(b, 0, 30);
    bed.pass(2e9);
    checkEqual(new Set(b.received.map(({ id }) => id)).size, 30, 'receives used');
    checkEqual(new Set(b.received.map(({ imm }) => imm)).size, 30, 'messages received');
    bed.close();
  }),
];
