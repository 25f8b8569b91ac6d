/** SEND with invalidate, and fences. */
import { RemoteMemory } from '../../verbs/remote-memory.ts';
import type { Bed } from '../bed.ts';
import { check, checkEqual, checkStatus, type SuiteCase, testCase } from '../suite-case.ts';

const ALL = ['local-write', 'remote-write', 'remote-read'] as const;
const NEEDS = { operations: ['send-inv'] } as const;

function send(bed: Bed, length: number, invalidate: bigint): void {
  const { a, b } = bed;
  a.qp.post({ opcode: 'send', to: a.to(b), ...a.buffer(length, { salt: 2 }).part(), invalidate });
}

function writeStatus(bed: Bed, remote: RemoteMemory) {
  const { a, b } = bed;
  const before = a.sent.length;
  a.qp.post({ opcode: 'write', to: a.to(b), ...a.buffer(8, { salt: 3 }).part(), remote });
  bed.completed(a, before + 1, 0);
  return a.sent[before];
}

export const INVALIDATION_CASES: readonly SuiteCase[] = [
  ...[0, 10, 5000].map((length) =>
    testCase(
      `invalidate/a-region-by-a-message-of-${length}-bytes`,
      (suite) => {
        const bed = suite.bed();
        const { a, b } = bed;
        const region = b.pd.registerMemory(b.context.allocate(100), { access: ALL });
        const remote = new RemoteMemory(region.rkey);
        checkStatus(writeStatus(bed, remote), 'SUCCESS');
        const sink = b.buffer(5000);
        b.qp.postReceive({ id: 4, ...sink.part() });
        send(bed, length, region.rkey);
        bed.completed(a, 2, 0);
        bed.completed(b, 0, 1);
        checkStatus(a.sent[1], 'SUCCESS');
        const [arrived] = b.received;
        checkStatus(arrived, 'SUCCESS');
        checkEqual([arrived!.opcode, arrived!.id], ['recv', 4n], 'the receive');
        checkEqual(arrived!.byteLength, length, 'bytes');
        checkEqual([arrived!.invalidated, arrived!.imm], [region.rkey, undefined], 'the key that ended, and no data');
        sink.expectPattern(2, length);
        checkStatus(writeStatus(bed, remote), 'REM_ACCESS_ERR');
        bed.close();
      },
      NEEDS,
    ),
  ),
  testCase(
    'invalidate/a-window',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const region = b.pd.registerMemory(b.context.allocate(100), { access: ['local-write', 'window-bind'] });
      const mw = b.pd.allocateWindow({ type: 2 });
      b.qp.bindWindow(mw, { region, access: ['remote-write'] });
      bed.completed(b, 1, 0);
      checkStatus(writeStatus(bed, mw.remote), 'SUCCESS');
      b.qp.postReceive(b.buffer(10).part());
      send(bed, 10, mw.rkey);
      bed.completed(b, 1, 1);
      checkEqual(b.received[0]!.invalidated, mw.rkey, 'the key that ended');
      bed.completed(a, 2, 0);
      checkStatus(writeStatus(bed, mw.remote), 'REM_ACCESS_ERR');
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'invalidate/what-there-is-not',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const region = b.pd.registerMemory(b.context.allocate(100), { access: ALL });
      b.qp.postReceive(b.buffer(10).part());
      send(bed, 10, region.rkey ^ 0x100n);
      bed.completed(a, 1, 0);
      checkStatus(a.sent[0], 'REM_ACCESS_ERR', 'REM_INV_REQ_ERR', 'REM_OP_ERR');
      bed.pass(1e9);
      check(!b.received.some(({ ok }) => ok), 'the peer has received a message that failed');
      checkStatus(writeStatus(bed, new RemoteMemory(region.rkey)), 'SUCCESS');
      bed.close();
    },
    NEEDS,
  ),
  testCase(
    'faults/invalidate-exactly-once',
    (suite) => {
      const bed = suite.bed({ faults: { loss: 0.1, duplicate: 0.3, reorder: 0.2 }, seed: 4 });
      const { a, b } = bed;
      const regions = Array.from({ length: 20 }, () => b.pd.registerMemory(b.context.allocate(8), { access: ALL }));
      for (const [i, { rkey }] of regions.entries()) {
        b.qp.postReceive({ id: i, ...b.buffer(3000).part() });
        send(bed, 3000, rkey);
      }
      bed.completed(a, 20, 0);
      bed.completed(b, 0, 20);
      for (const one of [...a.sent, ...b.received]) checkStatus(one, 'SUCCESS');
      checkEqual(
        b.received.map(({ invalidated }) => invalidated),
        regions.map(({ rkey }) => rkey),
        'keys that ended',
      );
      bed.close();
    },
    { ...NEEDS, kinds: ['RC'] },
  ),
  testCase(
    'fence/a-message-of-what-was-read',
    (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const length = 20 * bed.mtu;
      const [secret, between, sink] = [b.buffer(length, { salt: 7 }), a.buffer(length), b.buffer(length)];
      b.qp.postReceive(sink.part());
      a.qp.post({ opcode: 'read', to: a.to(b), ...between.part(), remote: secret.remote });
      a.qp.post({ opcode: 'send', to: a.to(b), ...between.part(), fence: true });
      bed.completed(a, 2, 0);
      bed.completed(b, 0, 1);
      for (const one of [...a.sent, ...b.received]) checkStatus(one, 'SUCCESS');
      sink.expectPattern(7);
      bed.close();
    },
    { operations: ['send', 'read'] },
  ),
];
