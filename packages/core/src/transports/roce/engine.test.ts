import { describe, expect, it } from 'vitest';
import { CompletionOpcode, Status, WorkOpcode } from '../../engine/status.ts';
import { pattern, RoceRig } from './roce-rig.testdata.ts';

const KEY = 0x1234;
const SIZES = [0, 1, 2, 3, 4, 255, 1023, 1024, 1025, 5000, 300_000];

describe('RoCEv2 engine, reliable connection', () => {
  for (const length of SIZES) {
    it(`moves ${length} bytes by write, read and send, in order (IBTA vol. 1 §9.7)`, () => {
      const rig = new RoceRig();
      const source = pattern(length);
      const sink = new Uint8Array(length + 8).fill(0xee);
      const from = rig.a.register(source, 1);
      rig.b.register(sink, KEY);
      rig.post(rig.a, {
        opcode: WorkOpcode.RDMA_WRITE,
        region: from,
        length,
        rkeyLo: KEY,
        remoteOffsetLo: 4,
        wrIdLo: 1,
      });
      const back = new Uint8Array(length);
      const to = rig.a.register(back, 2);
      rig.post(rig.a, { opcode: WorkOpcode.RDMA_READ, region: to, length, rkeyLo: KEY, remoteOffsetLo: 4, wrIdLo: 2 });
      const inbox = new Uint8Array(length);
      rig.b.postReceive(1, rig.b.register(inbox, 3), 0, length, 99);
      rig.post(rig.a, { opcode: WorkOpcode.SEND_WITH_IMM, region: from, length, immLo: 0x8765_4321, wrIdLo: 3 });
      rig.b.postReceive(1, 0, 0, 0, 98);
      rig.post(rig.a, {
        ...{ opcode: WorkOpcode.RDMA_WRITE_WITH_IMM, region: from, length, immLo: 7, wrIdLo: 4 },
        ...{ rkeyLo: KEY, remoteOffsetLo: 8, fence: true },
      });
      rig.run({ forNanos: 1e9 });
      expect(rig.a.completions.map((c) => [c.wrIdLo, c.status, c.opcode])).toEqual([
        [1, Status.SUCCESS, CompletionOpcode.RDMA_WRITE],
        [2, Status.SUCCESS, CompletionOpcode.RDMA_READ],
        [3, Status.SUCCESS, CompletionOpcode.SEND],
        [4, Status.SUCCESS, CompletionOpcode.RDMA_WRITE],
      ]);
      expect(Buffer.compare(back, source)).toBe(0);
      expect(Buffer.compare(inbox, source)).toBe(0);
      expect(Buffer.compare(sink.subarray(8), source)).toBe(0);
      expect([...sink.subarray(0, 4)]).toEqual(Array(4).fill(0xee));
      expect(rig.b.completions.map((c) => [c.wrIdLo, c.status, c.opcode, c.byteLength, c.hasImm, c.immLo])).toEqual([
        [99, Status.SUCCESS, CompletionOpcode.RECV, length, true, 0x8765_4321],
        [98, Status.SUCCESS, CompletionOpcode.RECV_RDMA_WITH_IMM, length, true, 7],
      ]);
      for (const node of [rig.a, rig.b]) {
        expect(node.engine.quiet()).toBe(true);
        expect(node.engine.counters.get('timeouts')).toBe(0);
        const { queue_pairs, requests, returns, timers } = node.engine.census();
        expect([queue_pairs, requests, returns, timers]).toEqual([1, 0, 0, 0]);
        node.engine.removeQueuePair(rig.now, 1);
        expect(node.engine.census()).toEqual({ queue_pairs: 0, requests: 0, returns: 0, timers: 0, outbox: 0 });
      }
    });
  }
});
