/** Bad links and dead peers: every message once and whole, or a status in bounded time. */
import { SeededRandom } from '../../base/random.ts';
import type { Bed, End, GuardedBuffer } from '../bed.ts';
import type { LinkFaults } from '../faults.ts';
import { check, checkEqual, checkStatus, type SuiteCase, type SuiteContext, testCase } from '../suite-case.ts';

/** `count` operations of random kind and size in both directions; all must succeed, byte for byte. */
function mixed(bed: Bed, count: number, seed: number): void {
  const random = new SeededRandom(seed);
  const jobs: { end: End; sink: GuardedBuffer; salt: number }[] = [];
  const inbox = new Map<End, GuardedBuffer[]>([
    [bed.a, []],
    [bed.b, []],
  ]);
  const expectedReceives = new Map<End, Map<bigint, { salt: number; length: number }>>([
    [bed.a, new Map()],
    [bed.b, new Map()],
  ]);
  let done = 0;
  for (let first = 0; first < count; first += WINDOW) {
    for (let i = first; i < Math.min(count, first + WINDOW); i++) {
      const [end, other] = random.chance(0.5) ? [bed.a, bed.b] : [bed.b, bed.a];
      const length = random.chance(0.6) ? random.below(200) : random.below(4 * bed.mtu);
      const kind = random.below(4);
      const salt = i & 0xff;
      const request = { id: i, to: end.to(other) };
      const receive = () => {
        const sink = other.buffer(4 * bed.mtu);
        return { id: inbox.get(other)!.push(sink) - 1, ...sink.part() };
      };
      if (kind === 0) {
        other.qp.postReceive(receive());
        expectedReceives.get(other)!.set(BigInt(i), { salt, length });
        end.qp.post({ opcode: 'send', ...request, ...end.buffer(length, { salt }).part(), imm: i });
      } else if (kind === 3) {
        const sink = end.buffer(length);
        jobs.push({ end, sink, salt });
        end.qp.post({ opcode: 'read', ...request, ...sink.part(), remote: other.buffer(length, { salt }).remote });
      } else {
        const sink = other.buffer(length);
        jobs.push({ end, sink, salt });
        const data = end.buffer(length, { salt }).part();
        if (kind === 2) {
          other.postNotice(receive());
          expectedReceives.get(other)!.set(BigInt(i), { salt: -1, length });
        }
        end.qp.post({ opcode: 'write', ...request, ...data, remote: sink.remote, ...(kind === 2 ? { imm: i } : {}) });
      }
      done++;
    }
    bed.until(`${done} operations`, () => bed.a.sent.length + bed.b.sent.length >= done);
  }
  bed.pass(1e9);
  for (const end of [bed.a, bed.b]) {
    for (const one of end.sent) checkStatus(one, 'SUCCESS');
    const expected = expectedReceives.get(end)!;
    checkEqual(end.received.length, expected.size, 'messages received');
    for (const one of end.received) {
      checkStatus(one, 'SUCCESS');
      const message = expected.get(one.imm ?? -1n);
      check(message !== undefined, `unexpected or doubled message ${one.imm}`);
      checkEqual(one.byteLength, message.length, 'length');
      if (message.salt >= 0) inbox.get(end)![Number(one.id)]!.expectPattern(message.salt, message.length);
      expected.delete(one.imm!);
    }
  }
  for (const { sink, salt } of jobs) sink.expectPattern(salt);
}

const under = (name: string, faults: Partial<LinkFaults>, count = 100): SuiteCase[] =>
  [false, true].map((ordered) =>
    testCase(`faults/${name}/${ordered ? 'ordered' : 'unordered'}`, (suite) => {
      const bed = suite.bed({ ordered, faults, seed: 11 + name.length });
      mixed(bed, count, name.length);
      bed.close();
    }),
  );

function traceHash(suite: SuiteContext, seed: number): string {
  const bed = suite.bed({ seed, faults: { loss: 0.05, duplicate: 0.05, reorder: 0.1, jitterNs: 1000 } });
  mixed(bed, 60, seed);
  bed.close();
  return bed.pump.trace.hash;
}

export const FAULT_CASES: readonly SuiteCase[] = [
  ...under('none', {}, 1000),
  ...under('loss-1', { loss: 0.01 }, 300),
  ...under('loss-5', { loss: 0.05 }),
  ...under('loss-20', { loss: 0.2 }, 40),
  ...under('duplicates', { duplicate: 0.3 }),
  ...under('reordering', { reorder: 0.3, jitterNs: 1800 }),
  ...under('corruption', { corrupt: 0.05 }),
  ...under('everything', { loss: 0.03, duplicate: 0.1, reorder: 0.2, jitterNs: 1900, corrupt: 0.02 }),
  testCase('faults/late-duplicates-change-nothing', (suite) => {
    const bed = suite.bed({ faults: { duplicate: 0.5, reorder: 0.5, reorderNs: 300_000 } });
    const { a, b } = bed;
    const count = 60;
    const length = bed.mtu + 100;
    const sink = b.buffer(length);
    for (let i = 0; i < count; i++) b.qp.postReceive({ id: i, ...b.buffer(100).part() });
    for (let i = 0; i < count; i++) {
      // each write overwrites the one before, which is complete
      const source = a.buffer(length, { salt: i });
      a.qp.post({ opcode: 'write', id: i, to: a.to(b), ...source.part(), remote: sink.remote });
      bed.completed(a, 2 * i + 1, 0);
      sink.expectPattern(i);
      a.qp.post({ opcode: 'send', id: i, to: a.to(b), ...source.part(0, 10), imm: i });
      bed.completed(a, 2 * i + 2, 0);
      sink.expectPattern(i);
    }
    bed.pass(1e9);
    sink.expectPattern(count - 1);
    for (const one of a.sent) checkStatus(one, 'SUCCESS');
    checkEqual(
      b.received.map(({ imm }) => Number(imm)),
      Array.from({ length: count }, (_, i) => i),
      'messages',
    );
    bed.close();
  }),
  testCase('faults/blackout-that-ends', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const length = 60 * bed.mtu;
    const [source, sink] = [a.buffer(length, { salt: 1 }), b.buffer(length)];
    a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote });
    bed.until('the first bytes to arrive', () => sink.bytes[0] !== 0xee);
    bed.pump.setFaults({ blackout: true });
    bed.pass(30e6);
    bed.pump.setFaults({ blackout: false });
    bed.completed(a, 1, 0);
    checkStatus(a.sent[0], 'SUCCESS');
    sink.expectPattern(1);
    bed.close();
  }),
  testCase('dead-peer/retries-end', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    b.node.dead = true;
    const source = a.buffer(3000, { salt: 1 });
    const remote = b.buffer(3000).remote;
    a.qp.post({ opcode: 'send', id: 1, to: a.to(b), ...source.part() });
    a.qp.post({ opcode: 'write', id: 2, to: a.to(b), ...source.part(), remote });
    a.qp.post({ opcode: 'read', id: 3, to: a.to(b), ...source.part(), remote });
    bed.completed(a, 3, 0);
    const others = suite.connected ? 'WR_FLUSH_ERR' : 'RETRY_EXC_ERR';
    for (const one of a.sent) checkStatus(one, one === a.sent[0] ? 'RETRY_EXC_ERR' : others);
    checkEqual(String(a.sent.map(({ id }) => id).sort()), '1,2,3', 'requests');
    bed.close();
  }),
  testCase('dead-peer/dies-under-way', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const length = 200 * bed.mtu;
    const [source, sink] = [a.buffer(length, { salt: 1 }), b.buffer(length)];
    for (let i = 0; i < 4; i++) {
      a.qp.post({ opcode: 'write', id: i, to: a.to(b), ...source.part(), remote: sink.remote });
    }
    bed.until('the first bytes to arrive', () => sink.bytes[0] !== 0xee);
    b.node.dead = true;
    bed.completed(a, 4, 0);
    const flushed = suite.connected ? (['WR_FLUSH_ERR'] as const) : [];
    for (const one of a.sent) checkStatus(one, 'SUCCESS', 'RETRY_EXC_ERR', ...flushed);
    checkStatus(a.sent[3], 'RETRY_EXC_ERR', ...flushed);
    checkEqual(a.sent.filter(({ status }) => status === 'RETRY_EXC_ERR').length > 0, true, 'one tells why');
    bed.close();
  }),
  testCase('dead-peer/others-go-on', (suite) => {
    const bed = suite.bed({ ends: 3 });
    const [a, dead, alive] = bed.ends as [End, End, End];
    dead.node.dead = true;
    const second = a.queuePair();
    const [source, sink] = [a.buffer(5000, { salt: 1 }), alive.buffer(5000)];
    const lost = dead.buffer(5000);
    a.qp.post({ opcode: 'write', id: 1, to: a.to(dead), ...source.part(), remote: lost.remote });
    for (let i = 0; i < 20; i++) {
      second.post({ opcode: 'write', id: 100 + i, to: a.to(alive), ...source.part(), remote: sink.remote });
    }
    bed.completed(a, 20, 0, 5e6);
    for (const one of a.sent) check(one.ok && one.id >= 100n, 'a message to the living was held up or failed');
    bed.completed(a, 21, 0);
    checkStatus(a.sent[20], 'RETRY_EXC_ERR');
    bed.close();
  }),
  testCase('dead-peer/others-of-the-same-queue-pair-go-on', (suite) => {
    const bed = suite.bed({ ends: 3 });
    const [a, dead, alive] = bed.ends as [End, End, End];
    dead.node.dead = true;
    const [source, sink] = [a.buffer(5000, { salt: 1 }), alive.buffer(5000)];
    const lost = dead.buffer(5000);
    a.qp.post({ opcode: 'write', id: 1, to: a.to(dead), ...source.part(), remote: lost.remote });
    a.qp.post({ opcode: 'write', id: 2, to: a.to(alive), ...source.part(), remote: sink.remote });
    bed.completed(a, 1, 0, 5e6);
    checkEqual(a.sent[0]!.id, 2n, 'first completion');
    checkStatus(a.sent[0], 'SUCCESS');
    bed.completed(a, 2, 0);
    bed.close();
  }),
  testCase('determinism/same-seed-same-trace', (suite) => {
    const [one, two, other] = [traceHash(suite, 5), traceHash(suite, 5), traceHash(suite, 6)];
    checkEqual(two, one, 'trace of the same seed');
    check(other !== one, 'another seed gives the same trace: the hash says nothing');
  }),
];

/** Operations posted at a time. */
const WINDOW = 50;
