/** Reliable connections over links that lose, repeat and reorder: every request once, in order, with the right bytes. */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../base/random.ts';
import { Status, WorkOpcode } from '../../engine/status.ts';
import type { RigNode } from '../../testing/engine-rig.ts';
import { pattern, RoceRig } from './roce-rig.testdata.ts';

interface Faults {
  readonly loss: number;
  readonly repeat: number;
  readonly reorder: number;
}

const COUNT = 60;
const COUNTER_KEY = 77;

/** Runs both directions at once until all is complete. */
function storm(seed: number, faults: Faults, settings: Record<string, number> = {}): RoceRig {
  const random = new SeededRandom(seed);
  const rig = new RoceRig({
    seed,
    mtu: 256,
    settings,
    attributes: { retryCount: 7, timeout: 8, maxRdAtomic: 3, maxDestRdAtomic: 3 },
  });
  const ends = [rig.a, rig.b].map((node) => makeEnd(rig, node, random));
  const held: { to: RigNode; bytes: Uint8Array; at: number }[] = [];
  const done = () => ends.every(({ node, sends }) => node.completions.filter((c) => !c.receive).length === sends);
  for (let rounds = 0; !done(); rounds++) {
    if (rounds > 20_000) throw new Error(`seed ${seed}: it never ends`);
    const packets = [...rig.drain(rig.a), ...rig.drain(rig.b)];
    for (const { to, bytes } of packets) {
      if (random.chance(faults.loss)) continue;
      const copies = random.chance(faults.repeat) ? 2 : 1;
      for (let i = 0; i < copies; i++) {
        if (random.chance(faults.reorder)) held.push({ to, bytes, at: rig.now + 1000 * random.below(50) });
        else rig.deliver(to, bytes);
      }
    }
    for (let i = held.length - 1; i >= 0; i--) {
      if (held[i]!.at > rig.now) continue;
      rig.deliver(held[i]!.to, held[i]!.bytes);
      held.splice(i, 1);
    }
    rig.now += 1_000;
    const next = Math.min(rig.a.engine.deadline(), rig.b.engine.deadline());
    if (packets.length === 0 && held.length === 0 && next < Number.POSITIVE_INFINITY) rig.now = Math.max(rig.now, next);
    for (const node of [rig.a, rig.b]) node.engine.expire(rig.now);
  }
  for (const end of ends) check(seed, end, ends.find((one) => one !== end)!);
  return rig;
}

function makeEnd(rig: RoceRig, node: RigNode, random: SeededRandom) {
  const salt = random.below(256);
  const sourceBytes = pattern(20_000, salt);
  const source = node.register(sourceBytes, 1);
  node.register(pattern(20_000, salt), 2, 2 | 4);
  const counter = new Uint8Array(8);
  node.register(counter, COUNTER_KEY);
  const results = new Uint8Array(8 * COUNT);
  const into = node.register(results, 3);
  const reads: { bytes: Uint8Array; offset: number }[] = [];
  const writes: { key: number; length: number; offset: number }[] = [];
  const inbox: Uint8Array[] = [];
  const sent: { length: number; offset: number; isWrite: boolean }[] = [];
  let atomics = 0;
  for (let i = 0; i < 2 * COUNT; i++) {
    const bytes = new Uint8Array(4000);
    inbox.push(bytes);
    node.postReceive(1, node.register(bytes, 1000 + i), 0, 4000, i);
  }
  // where the peer's writes go: each has a place of its own
  const sinks = Array.from({ length: COUNT }, (_, i) => {
    const bytes = new Uint8Array(4000);
    node.register(bytes, 5000 + i);
    return bytes;
  });
  for (let i = 0; i < COUNT; i++) {
    const length = random.chance(0.2) ? random.below(3) : random.below(4000);
    const offset = random.below(16_000);
    const kind = random.below(5);
    const common = { region: source, offset, length, wrIdLo: i, fence: random.chance(0.1) };
    if (kind === 0) {
      sent.push({ length, offset, isWrite: false });
      rig.post(node, { ...common, opcode: WorkOpcode.SEND });
    } else if (kind === 1) {
      writes.push({ key: i, length, offset });
      sent.push({ length, offset, isWrite: true });
      rig.post(node, { ...common, opcode: WorkOpcode.RDMA_WRITE_WITH_IMM, immLo: i, rkeyLo: 5000 + i });
    } else if (kind === 2) {
      writes.push({ key: i, length, offset });
      rig.post(node, { ...common, opcode: WorkOpcode.RDMA_WRITE, rkeyLo: 5000 + i });
    } else if (kind === 3) {
      const bytes = new Uint8Array(length);
      reads.push({ bytes, offset });
      const region = node.register(bytes, 9000 + i);
      rig.post(node, { ...common, offset: 0, opcode: WorkOpcode.RDMA_READ, region, rkeyLo: 2, remoteOffsetLo: offset });
    } else {
      rig.post(node, {
        ...{ ...common, opcode: WorkOpcode.ATOMIC_FETCH_AND_ADD, region: into, offset: 8 * atomics++, length: 8 },
        ...{ rkeyLo: COUNTER_KEY, compareAddLo: 1 },
      });
    }
  }
  return { node, salt, sourceBytes, counter, results, reads, writes, sent, sinks, inbox, atomics, sends: COUNT };
}

function check(seed: number, end: ReturnType<typeof makeEnd>, peer: ReturnType<typeof makeEnd>): void {
  const { node } = end;
  const mine = node.completions.filter((one) => !one.receive);
  const name = `seed ${seed}`;
  expect(
    mine.map(({ wrIdLo }) => wrIdLo),
    name,
  ).toEqual(Array.from({ length: COUNT }, (_, i) => i));
  expect(
    mine.filter(({ status }) => status !== Status.SUCCESS),
    name,
  ).toEqual([]);
  for (const { bytes, offset } of end.reads) {
    expect(Buffer.compare(bytes, peer.sourceBytes.subarray(offset, offset + bytes.length)), name).toBe(0);
  }
  for (const { key, length, offset } of end.writes) {
    expect(
      Buffer.compare(peer.sinks[key]!.subarray(0, length), end.sourceBytes.subarray(offset, offset + length)),
      name,
    ).toBe(0);
  }
  const received = peer.node.completions.filter((one) => one.receive);
  expect(
    received.map((one) => one.wrIdLo),
    name,
  ).toEqual(received.map((_, i) => i));
  expect(
    received.map((one) => [one.byteLength, one.hasImm]),
    name,
  ).toEqual(end.sent.map((one) => [one.length, one.isWrite]));
  for (const [i, { length, offset, isWrite }] of end.sent.entries()) {
    if (isWrite) continue;
    expect(
      Buffer.compare(peer.inbox[i]!.subarray(0, length), end.sourceBytes.subarray(offset, offset + length)),
      name,
    ).toBe(0);
  }
  // each addition was done once, and each saw another value before it
  const view = new DataView(end.results.buffer);
  const before = Array.from({ length: end.atomics }, (_, i) => view.getUint32(8 * i, true));
  expect(before, name).toEqual(before.map((_, i) => i));
  expect(new DataView(peer.counter.buffer).getUint32(0, true), name).toBe(end.atomics);
}

describe('exactly once and in order (IBTA vol. 1 §9.7)', () => {
  const cases: [string, Faults, Record<string, number>][] = [
    ['nothing', { loss: 0, repeat: 0, reorder: 0 }, {}],
    ['5 % loss', { loss: 0.05, repeat: 0, reorder: 0 }, {}],
    ['15 % loss', { loss: 0.15, repeat: 0, reorder: 0 }, { readPackets: 3 }],
    ['repetitions', { loss: 0, repeat: 0.3, reorder: 0 }, {}],
    ['reordering', { loss: 0, repeat: 0, reorder: 0.2 }, { ackEvery: 2 }],
    ['everything', { loss: 0.05, repeat: 0.1, reorder: 0.1 }, { windowPackets: 8, readPackets: 2 }],
  ];
  for (const [what, faults, settings] of cases) {
    it(`under ${what}, in both directions at once, with PSNs that wrap`, () => {
      for (let seed = 1; seed <= 10; seed++) {
        const rig = storm(seed, faults, settings);
        if (what === 'nothing') for (const node of [rig.a, rig.b]) expect(node.engine.counters.get('timeouts')).toBe(0);
      }
    });
  }

  it('gives the same trace for the same seed', () => {
    const counts = [1, 2].map(() => storm(99, { loss: 0.1, repeat: 0.1, reorder: 0.1 }).a.engine.counters.toJSON());
    expect(counts[0]).toEqual(counts[1]);
  });
});
