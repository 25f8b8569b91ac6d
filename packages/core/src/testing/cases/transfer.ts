/** Moving bytes: each operation at the sizes where something changes, byte for byte. */
import type { Bed, End, GuardedBuffer } from '../bed.ts';
import { check, checkEqual, checkStatus, type SuiteCase, testCase } from '../suite-case.ts';

type Operation = 'send' | 'send-imm' | 'write' | 'write-imm' | 'read';

const SIZES: readonly [string, (mtu: number) => number][] = [
  ['0-bytes', () => 0],
  ['1-byte', () => 1],
  ['17-bytes', () => 17],
  ['one-mtu', (mtu) => mtu],
  ['one-mtu-and-1', (mtu) => mtu + 1],
  ['many-packets', (mtu) => 37 * mtu + 13],
];
const OPERATIONS: readonly Operation[] = ['send', 'send-imm', 'write', 'write-imm', 'read'];
const IMM = 0x1234_5678_9abc_def0n;

/** One operation of `a` on `b`, checked at both ends. */
function transfer(bed: Bed, operation: Operation, length: number, salt: number, segments = 1): void {
  const { a, b } = bed;
  const imm = BigInt.asUintN(bed.pump.transport.attributes.immediateBits, IMM);
  const isRead = operation === 'read';
  const local = a.buffer(length + 9, isRead ? {} : { salt });
  const remote = b.buffer(length + 9, isRead ? { salt } : {});
  const [sentBefore, receivedBefore] = [a.sent.length, b.received.length];
  const data = segments === 1 ? local.part(3, length) : { segments: split(local, length, segments) };
  const request = { id: 1000 + salt, to: a.to(b), ...data };
  const isSend = operation === 'send' || operation === 'send-imm';
  const withImm = operation.endsWith('-imm');
  const takesReceive = isSend || (withImm && b.postNotice({ id: 2000 + salt }));
  if (isSend) {
    b.qp.postReceive({ id: 2000 + salt, ...remote.part(5, length) });
    a.qp.post({ opcode: 'send', ...request, ...(withImm ? { imm } : {}) });
  } else if (isRead) a.qp.post({ opcode: 'read', ...request, remote: remote.remote, remoteOffset: 5 });
  else
    a.qp.post({
      opcode: 'write',
      ...request,
      remote: remote.remote,
      remoteOffset: 5,
      ...(withImm ? { imm } : {}),
    });
  const receives = isSend || withImm ? 1 : 0;
  bed.completed(a, sentBefore + 1, 0);
  bed.completed(b, 0, receivedBefore + receives);
  const done = a.sent[sentBefore]!;
  checkStatus(done, 'SUCCESS');
  checkEqual(done.id, BigInt(1000 + salt), 'id of the request');
  if (isRead) expectPart(local, 3, 5, length, salt);
  else expectPart(remote, 5, 3, length, salt);
  if (receives === 1) {
    const arrived = b.received[receivedBefore]!;
    checkStatus(arrived, 'SUCCESS');
    checkEqual(arrived.byteLength, length, 'received bytes');
    if (takesReceive) checkEqual(arrived.id, BigInt(2000 + salt), 'id of the receive');
    checkEqual(arrived.opcode, isSend ? 'recv' : 'recv-write-imm', 'kind of the receive');
    checkEqual(arrived.imm, withImm ? imm : undefined, 'immediate data');
    checkEqual(arrived.jobId, a.job.id, 'job');
  }
  checkEqual(b.received.length, receivedBefore + receives, 'completions at the peer');
}

/** `length` bytes at `at` are the pattern from `from` on; everything else is untouched. */
function expectPart(buffer: GuardedBuffer, at: number, from: number, length: number, salt: number): void {
  buffer.expectGuards();
  const { bytes } = buffer;
  for (let i = 0; i < buffer.length; i++) {
    const inside = i >= at && i < at + length;
    const due = inside ? expected(from + i - at, salt) : EMPTY;
    check(bytes[i] === due, `byte ${i} of ${buffer.length} is ${bytes[i]}, should be ${due}`);
  }
}

const expected = (i: number, salt: number): number => (i * 31 + (i >> 8) * 7 + (i >> 16) + salt * 13) & 0xff;
const EMPTY = 0xee;

/** The bytes from 3 on in pieces of different lengths. */
function split(buffer: GuardedBuffer, length: number, count: number): ReturnType<GuardedBuffer['part']>[] {
  const pieces: ReturnType<GuardedBuffer['part']>[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const size = i === count - 1 ? length - at : Math.floor((length - at) / (count - i + 1));
    pieces.push(buffer.part(3 + at, size));
    at += size;
  }
  return pieces;
}

function postMany(from: End, to: End, count: number, source: GuardedBuffer, length: (i: number) => number): void {
  for (let i = 0; i < count; i++) {
    from.qp.post({ opcode: 'send', id: i, to: from.to(to), ...source.part(i, length(i)), imm: i });
  }
}

export const TRANSFER_CASES: readonly SuiteCase[] = [
  ...OPERATIONS.flatMap((operation) =>
    SIZES.flatMap(([size, length]) =>
      [false, true].map((ordered) =>
        testCase(`transfer/${operation}/${size}/${ordered ? 'ordered' : 'unordered'}`, (suite) => {
          const bed = suite.bed({ ordered });
          transfer(bed, operation, length(bed.mtu), 3);
          transfer(bed, operation, length(bed.mtu), 4);
          bed.close();
        }),
      ),
    ),
  ),
  ...OPERATIONS.map((operation) =>
    testCase(`transfer/${operation}/four-segments`, (suite) => {
      const bed = suite.bed();
      for (const length of [4, 100, bed.mtu, 5 * bed.mtu + 7]) transfer(bed, operation, length, length & 63, 4);
      bed.close();
    }),
  ),
  testCase('transfer/receive-in-four-segments', (suite) => {
    const bed = suite.bed();
    const length = 3 * bed.mtu + 5;
    const [source, sink] = [bed.a.buffer(length, { salt: 1 }), bed.b.buffer(length + 9)];
    bed.b.qp.postReceive({ segments: split(sink, length, 4) });
    bed.a.qp.post({ opcode: 'send', to: bed.a.to(bed.b), ...source.part() });
    bed.completed(bed.b, 0, 1);
    expectPart(sink, 3, 0, length, 1);
    bed.close();
  }),
  testCase('transfer/inline', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    for (const [i, length] of [1, 17, 64].entries()) {
      const sink = b.buffer(64);
      const inline = Uint8Array.from({ length }, (_, at) => expected(at, i));
      b.qp.postReceive(sink.part());
      a.qp.post({ opcode: 'send', to: a.to(b), inline });
      inline.fill(0); // it was copied
      bed.completed(a, 2 * i + 1, 0);
      bed.completed(b, 0, i + 1);
      sink.expectPattern(i, length);
      const target = b.buffer(64);
      a.qp.post({
        ...{ opcode: 'write', to: a.to(b), remote: target.remote },
        inline: Uint8Array.from({ length }, (_, at) => expected(at, i)),
      });
      bed.completed(a, 2 * i + 2, 0);
      target.expectPattern(i, length);
    }
    for (const one of a.sent) checkStatus(one, 'SUCCESS');
    bed.close();
  }),
  testCase('transfer/unsignaled-requests-are-silent', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const qp = a.queuePair({ sendSignalAll: false });
    const [source, sink] = [a.buffer(100, { salt: 1 }), b.buffer(100)];
    for (let i = 0; i < 9; i++) {
      qp.post({ opcode: 'write', id: i, to: a.to(b), ...source.part(), remote: sink.remote, signaled: i === 8 });
      bed.pass(1e6);
    }
    bed.completed(a, 1, 0);
    bed.pass(1e7);
    checkEqual(
      a.sent.map(({ id }) => id),
      [8n],
      'completions',
    );
    bed.close();
  }),
  testCase('order/ordered-messages-arrive-in-order', (suite) => {
    const bed = suite.bed({ ordered: true, faults: { reorder: 0.3, jitterNs: 1500, loss: 0.02 } });
    const { a, b } = bed;
    const count = 60;
    const source = a.buffer(3 * bed.mtu + count, { salt: 2 });
    const length = (i: number) => (i * 137) % (3 * bed.mtu);
    const sinks = Array.from({ length: count }, (_, i) => {
      const sink = b.buffer(3 * bed.mtu);
      b.qp.postReceive({ id: i, ...sink.part() });
      return sink;
    });
    postMany(a, b, count, source, length);
    bed.completed(b, 0, count);
    bed.completed(a, count, 0);
    const numbers = Array.from({ length: count }, (_, i) => BigInt(i));
    checkEqual(
      b.received.map(({ imm }) => imm),
      numbers,
      'order of arrival',
    );
    checkEqual(
      b.received.map(({ id }) => id),
      numbers,
      'order of receives',
    );
    for (const [i, sink] of sinks.entries()) sink.expectPattern(2, length(i), i);
    bed.close();
  }),
  testCase('transfer/both-directions-at-once', (suite) => {
    const bed = suite.bed();
    const ends = [bed.a, bed.b] as const;
    const length = 5 * bed.mtu + 1;
    const sinks = ends.map((end) =>
      Array.from({ length: 20 }, () => {
        const sink = end.buffer(length);
        end.qp.postReceive(sink.part());
        return sink;
      }),
    );
    for (const [i, end] of ends.entries()) {
      const source = end.buffer(length + 20, { salt: i });
      postMany(end, ends[1 - i]!, 20, source, () => length);
    }
    for (const end of ends) bed.completed(end, 20, 20);
    for (const end of ends) for (const one of [...end.sent, ...end.received]) checkStatus(one, 'SUCCESS');
    for (const [i, list] of sinks.entries()) {
      for (const [k, one] of ends[i]!.received.entries()) list[k]!.expectPattern(1 - i, length, Number(one.imm));
    }
    bed.close();
  }),
  testCase('transfer/many-to-one', (suite) => {
    const bed = suite.bed({ ends: 6, faults: { jitterNs: 1500 } });
    const target = bed.b;
    const sources = bed.ends.filter((end) => end !== target);
    const length = 4 * bed.mtu + 3;
    const sinks = new Map(sources.map((end) => [end, target.buffer(8 * length)]));
    for (const [i, end] of sources.entries()) {
      const source = end.buffer(8 * length, { salt: i });
      for (let k = 0; k < 8; k++) {
        end.qp.post({
          ...{ opcode: 'write', id: k, to: end.to(target), ...source.part(k * length, length) },
          ...{ remote: sinks.get(end)!.remote, remoteOffset: k * length },
        });
      }
    }
    for (const [i, end] of sources.entries()) {
      bed.completed(end, 8, 0);
      for (const one of end.sent) checkStatus(one, 'SUCCESS');
      sinks.get(end)!.expectPattern(i);
    }
    bed.close();
  }),
];
