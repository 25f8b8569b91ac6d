import { describe, expect, it } from 'vitest';
import { Status, WorkOpcode } from '../../engine/status.ts';
import { EngineRig } from '../../testing/engine-rig.ts';
import { uet } from './index.ts';

function pair(ordered = false, settings: Record<string, number> = {}, seed = 1) {
  const rig = new EngineRig(uet, { settings, seed });
  for (const node of [rig.a, rig.b]) {
    node.engine.addJob(7);
    node.addQueuePair(1, { ordered });
  }
  return rig;
}
const pattern = (length: number, salt = 0) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + salt) & 0xff);
const KEY = 0x1234;
/** `toEqual` on large typed arrays takes seconds. */
const same = (a: Uint8Array, b: Uint8Array) => expect(Buffer.compare(a, b)).toBe(0);

describe('UET engine', () => {
  for (const ordered of [false, true]) {
    for (const length of [0, 1, 16, 17, 1024, 1025, 10_000, 300_000]) {
      it(`moves ${length} bytes by write, read and send, ${ordered ? 'ordered' : 'unordered'}`, () => {
        const rig = pair(ordered);
        const source = pattern(length);
        const sink = new Uint8Array(length + 8).fill(0xee);
        const from = rig.a.register(source, 1);
        rig.b.register(sink, KEY);
        rig.a.post(1, { opcode: WorkOpcode.RDMA_WRITE, region: from, length, rkeyLo: KEY, remoteOffsetLo: 4 });
        rig.a.engine.doorbell(rig.now, 1);
        rig.run({ forNanos: 1e9 });
        expect(rig.a.completions.map((c) => c.status)).toEqual([Status.SUCCESS]);
        same(sink.subarray(4, 4 + length), source);
        expect([...sink.subarray(0, 4), ...sink.subarray(4 + length)]).toEqual(Array(8).fill(0xee));
        const back = new Uint8Array(length);
        const to = rig.a.register(back, 2);
        rig.a.post(1, { opcode: WorkOpcode.RDMA_READ, region: to, length, rkeyLo: KEY, remoteOffsetLo: 4 });
        rig.a.engine.doorbell(rig.now, 1);
        rig.run({ forNanos: 1e9 });
        expect(rig.a.completions.map((c) => c.status)).toEqual([0, 0]);
        same(back, source);
        const inbox = new Uint8Array(length);
        rig.b.postReceive(1, rig.b.register(inbox, 3), 0, length, 99);
        rig.a.post(1, { opcode: WorkOpcode.SEND_WITH_IMM, region: from, length, immLo: 5 });
        rig.a.engine.doorbell(rig.now, 1);
        rig.run({ forNanos: 1e9 });
        expect(rig.b.completions.map((c) => [c.wrIdLo, c.status, c.byteLength, c.immLo])).toEqual([[99, 0, length, 5]]);
        same(inbox, source);
        for (const node of [rig.a, rig.b]) node.engine.close(rig.now);
        rig.run({ forNanos: 3e9 });
        for (const node of [rig.a, rig.b]) {
          expect(node.engine.quiet()).toBe(true);
          expect(node.engine.census()).toMatchObject({ contexts: 0, messages: 0, inbound_messages: 0, timers: 0 });
        }
      });
    }
  }
});
