/** Access to memory of peers. */
import { OperationFlag } from '../../fabric/flags.ts';
import { RemoteKey } from '../../fabric/memory-region.ts';
import { check, checkEqual } from '../suite-case.ts';
import { checkError, checkOk, checkPattern, codeOf, type FabricCase, fabricCase, ORDERED } from './fabric-case.ts';

const RMA = ['rma'] as const;

export const FABRIC_MEMORY_CASES: readonly FabricCase[] = [
  fabricCase('rma/write-and-read', RMA, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const far = b.memory(20_000);
    const { rma } = a.endpoint;
    rma.write(a.memory(9000, 1), 0, 9000, a.to(b), 100, far.key, 'w');
    bed.completed(a, 1, 0);
    checkOk(a.sent[0]);
    checkEqual(a.sent[0].flags, OperationFlag.RMA | OperationFlag.WRITE, 'flags of the write');
    checkPattern(far.bytes, 9000, 1, 100);
    const back = a.memory(9000);
    rma.read(back, 0, 9000, a.to(b), 100, new RemoteKey(far.key), 'r');
    bed.completed(a, 2, 0);
    checkOk(a.sent[1]);
    checkEqual(a.sent[1].flags, OperationFlag.RMA | OperationFlag.READ, 'flags of the read');
    checkPattern(back.bytes, 9000, 1);
    const parts = [
      { region: back, offset: 10, length: 20 },
      { region: back, offset: 500, length: 3 },
    ];
    rma.writeMessage({ segments: parts, to: a.to(b), key: far.key, remoteOffset: 15_000n, context: 'segments' });
    bed.completed(a, 3, 0);
    checkEqual(
      [...far.bytes.subarray(15_000, 15_023)],
      [...back.bytes.slice(10, 30), ...back.bytes.slice(500, 503)],
      '',
    );
    checkEqual(b.received.length, 0, 'the peer is told nothing');
    bed.close();
  }),
  fabricCase('rma/write-with-data-is-told', RMA, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const far = b.memory(64);
    const takes = b.info.modes.includes('rx-cq-data');
    for (let i = 0; i < 2; i++) if (takes) b.endpoint.messages.receive(undefined, 0, 0);
    a.endpoint.rma.writeData(a.memory(64, 4), 0, 64, 0x1234_5678, a.to(b), 0, far.key, 'w');
    a.endpoint.rma.injectWriteData(Uint8Array.of(9), 5n, a.to(b), 0, far.key);
    bed.completed(b, 0, 2);
    const flags = OperationFlag.RMA | OperationFlag.REMOTE_WRITE | OperationFlag.REMOTE_CQ_DATA;
    for (const one of b.received) checkEqual(one.flags, flags, 'flags');
    checkEqual(
      b.received.map(({ data }) => Number(data)).sort((x, y) => x - y),
      [5, 0x1234_5678],
      'data',
    );
    checkEqual(b.received[0]!.source, b.to(a), 'who wrote');
    bed.completed(a, 1, 0);
    bed.close();
  }),
  fabricCase('rma/refusals-are-errors-of-one-operation', RMA, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const out = a.memory(64, 1);
    const { rma } = a.endpoint;
    const readable = b.memory(64, undefined, { remoteRead: true });
    const writable = b.memory(64, undefined, { remoteWrite: true });
    const gone = b.memory(64);
    const { key } = gone;
    gone.close();
    rma.write(out, 0, 64, a.to(b), 0, readable.key, 'no right');
    rma.read(out, 0, 64, a.to(b), 0, writable.key, 'no right');
    rma.write(out, 0, 64, a.to(b), 1, writable.key, 'beyond');
    rma.write(out, 0, 64, a.to(b), 0xffff_ffff_ffff_ffffn, writable.key, 'wraps');
    rma.write(out, 0, 64, a.to(b), 0, key, 'gone');
    bed.completed(a, 5, 0);
    const errors = new Map(a.sent.map((one) => [one.context, one.error]));
    for (const [context, names] of [
      ['no right', ['EACCES']],
      ['beyond', ['EFAULT', 'EACCES']],
      ['wraps', ['EFAULT', 'EACCES']],
      ['gone', ['EKEYREJECTED', 'EACCES']],
    ] as const) {
      const name = errors.get(context)?.name ?? 'success';
      check((names as readonly string[]).includes(name), `${context}: ${name} instead of ${names.join(' or ')}`);
    }
    check(
      [...readable.bytes, ...writable.bytes].every((one) => one === 0),
      'something was written',
    );
    rma.write(out, 0, 64, a.to(b), 0, writable.key, 'good');
    bed.completed(a, 6, 0);
    checkOk(a.sent[5]);
    bed.close();
  }),
  fabricCase('rma/keys-of-ones-choice-bound-to-an-endpoint', RMA, (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const far = b.memory(64, undefined, { remoteWrite: true, key: 0x1234n });
    checkEqual(far.key, 0x1234n, 'the key');
    checkEqual(
      codeOf(() => b.memory(64, undefined, { remoteWrite: true, key: 0x1234n })),
      'EEXIST',
      'taken',
    );
    const other = b.domain.openEndpoint(b.info);
    other.bind(b.vector);
    other.bind(b.sendQueue, { transmit: true, receive: true });
    other.enable();
    far.bind(other);
    a.endpoint.rma.write(a.memory(8, 1), 0, 8, a.to(b), 0, 0x1234n, 'elsewhere');
    bed.completed(a, 1, 0);
    checkError(a.sent[0], 'EACCES', 'EKEYREJECTED');
    const number = a.vector.insert(other.getName());
    a.endpoint.rma.write(a.memory(8, 1), 0, 8, number, 0, 0x1234n, 'there');
    bed.completed(a, 2, 0);
    checkOk(a.sent[1]);
    checkPattern(far.bytes, 8, 1);
    far.close();
    other.close();
    bed.close();
  }),
  fabricCase('rma/ordered-writes-then-message', ['msg', 'rma', 'fence'], (suite) => {
    const bed = suite.bed({
      hints: { ...ORDERED, transmit: { messageOrder: ['SAW'] } },
      seed: 9,
      faults: { loss: 0.1 },
    });
    const { a, b } = bed;
    const far = b.memory(64 * 4096);
    const flag = b.memory(8);
    const out = a.memory(4096, 6);
    b.endpoint.messages.receive(flag, 0, 8, undefined, 'all written');
    for (let i = 0; i < 64; i++) a.endpoint.rma.write(out, 0, 4096, a.to(b), 4096 * i, far.key, i);
    a.endpoint.messages.inject(Uint8Array.of(1), a.to(b));
    bed.until('the message', () => b.received.length === 1);
    for (let i = 0; i < 64; i++) checkPattern(far.bytes, 4096, 6, 4096 * i);
    bed.completed(a, 64, 0);
    bed.close();
  }),
  fabricCase('rma/a-fence-waits-for-writes-without-an-order', ['msg', 'rma', 'fence'], (suite) => {
    const hints = { caps: { msg: true, rma: true, fence: true } };
    const bed = suite.bed({ hints, seed: 12, faults: { loss: 0.1, reorder: 0.1 } });
    const { a, b } = bed;
    const far = b.memory(16 * 4096);
    const flag = b.memory(8);
    const out = a.memory(4096, 6);
    for (let round = 0; round < 8; round++) {
      far.bytes.fill(0);
      b.endpoint.messages.receive(flag, 0, 8, undefined, 'all written');
      for (let i = 0; i < 16; i++) a.endpoint.rma.write(out, 0, 4096, a.to(b), 4096 * i, far.key, i);
      a.endpoint.messages.sendMessage({ region: out, length: 8, to: a.to(b), fence: true });
      bed.until('the message', () => b.received.length > round);
      for (let i = 0; i < 16; i++) checkPattern(far.bytes, 4096, 6, 4096 * i);
    }
    bed.completed(a, 8 * 17, 0);
    bed.close();
  }),
  fabricCase('rma/fence-waits-for-reads', ['rma', 'fence'], (suite) => {
    const hints = { ...ORDERED, caps: { msg: true, rma: true, fence: true } };
    const bed = suite.bed({ hints, seed: 5, faults: { loss: 0.05 } });
    const { a, b } = bed;
    const far = b.memory(8192, 1);
    const back = a.memory(8192);
    const out = a.memory(8192, 2);
    a.endpoint.rma.read(back, 0, 8192, a.to(b), 0, far.key, 'read');
    a.endpoint.rma.writeMessage({ region: out, to: a.to(b), key: far.key, fence: true, context: 'write' });
    bed.completed(a, 2, 0);
    checkPattern(back.bytes, 8192, 1);
    checkPattern(far.bytes, 8192, 2);
    bed.close();
  }),
  fabricCase('rma/memory-that-may-be-written-twice', ['rma', 'idempotent'], (suite) => {
    const bed = suite.bed({
      hints: { caps: { msg: true, rma: true, idempotent: true } },
      seed: 3,
      faults: { loss: 0.1 },
    });
    const { a, b } = bed;
    const far = b.memory(20_000, undefined, { remoteWrite: true, remoteRead: true, idempotent: true });
    checkEqual(far.key >> 63n, 1n, 'the bit of the key');
    a.endpoint.rma.write(a.memory(20_000, 3), 0, 20_000, a.to(b), 0, far.key, 'w');
    bed.completed(a, 1, 0);
    checkOk(a.sent[0]);
    checkPattern(far.bytes, 20_000, 3);
    const back = a.memory(20_000);
    a.endpoint.rma.read(back, 0, 20_000, a.to(b), 0, far.key, 'r');
    bed.completed(a, 2, 0);
    checkOk(a.sent[1]);
    checkPattern(back.bytes, 20_000, 3);
    // with data it is executed once
    a.endpoint.rma.writeData(a.memory(8, 3), 0, 8, 1, a.to(b), 0, far.key, 'd');
    bed.completed(b, 0, 1);
    bed.completed(a, 3, 0);
    bed.close();
  }),
  fabricCase('rma/authorisation-keys-separate-jobs', RMA, (suite) => {
    const mine = Uint8Array.of(0, 0, 0, 7);
    const theirs = Uint8Array.of(0, 0, 0, 8);
    const bed = suite.bed({ domain: { authKey: mine } });
    const { a, b } = bed;
    const own = b.memory(64, undefined, { remoteWrite: true, authKey: mine });
    const other = b.memory(64, undefined, { remoteWrite: true, authKey: theirs });
    a.endpoint.rma.write(a.memory(8, 1), 0, 8, a.to(b), 0, own.key, 'mine');
    bed.completed(a, 1, 0);
    checkOk(a.sent[0]);
    a.endpoint.rma.write(a.memory(8, 1), 0, 8, a.to(b), 0, other.key, 'theirs');
    bed.completed(a, 2, 0);
    checkError(a.sent[1], 'EACCES', 'EKEYREJECTED');
    check(
      other.bytes.every((one) => one === 0),
      'memory of another job was written',
    );
    for (const wrong of [new Uint8Array(0), new Uint8Array(3), new Uint8Array(5), Uint8Array.of(0, 0, 0, 0)]) {
      checkEqual(
        codeOf(() => a.domain.openEndpoint(a.info, { authKey: wrong }).isEnabled && ''),
        '',
        'opened',
      );
      checkEqual(
        codeOf(() => a.memory(8, undefined, { authKey: wrong })),
        'EINVAL',
        `a key of ${wrong.length} bytes`,
      );
    }
    bed.pump.close();
  }),
];
