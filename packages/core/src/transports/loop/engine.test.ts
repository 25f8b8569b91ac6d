import { describe, expect, it } from 'vitest';
import { Status, WorkOpcode } from '../../engine/status.ts';
import { EngineRig } from '../../testing/engine-rig.ts';
import { loop } from './index.ts';

function pair(ordered = false, settings: Record<string, number> = {}, seed = 1) {
  const rig = new EngineRig(loop, { settings, seed });
  for (const node of [rig.a, rig.b]) {
    node.engine.addJob(7);
    node.addQueuePair(1, { ordered });
  }
  return rig;
}
const pattern = (length: number, salt = 0) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + salt) & 0xff);
const KEY = 0x1234;

describe('loop engine', () => {
  for (const ordered of [false, true]) {
    for (const length of [0, 1, 16, 17, 1024, 1025, 10_000]) {
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
        expect(sink.subarray(4, 4 + length)).toEqual(source);
        expect([...sink.subarray(0, 4), ...sink.subarray(4 + length)]).toEqual(Array(8).fill(0xee));
        const back = new Uint8Array(length);
        const to = rig.a.register(back, 2);
        rig.a.post(1, { opcode: WorkOpcode.RDMA_READ, region: to, length, rkeyLo: KEY, remoteOffsetLo: 4 });
        rig.a.engine.doorbell(rig.now, 1);
        rig.run({ forNanos: 1e9 });
        expect(rig.a.completions.map((c) => c.status)).toEqual([0, 0]);
        expect(back).toEqual(source);
        const inbox = new Uint8Array(length);
        rig.b.postReceive(1, rig.b.register(inbox, 3), 0, length, 99);
        rig.a.post(1, { opcode: WorkOpcode.SEND_WITH_IMM, region: from, length, immLo: 5 });
        rig.a.engine.doorbell(rig.now, 1);
        rig.run({ forNanos: 1e9 });
        expect(rig.b.completions.map((c) => [c.wrIdLo, c.status, c.byteLength, c.immLo])).toEqual([[99, 0, length, 5]]);
        expect(inbox).toEqual(source);
        for (const node of [rig.a, rig.b]) node.engine.close(rig.now);
        rig.run({ forNanos: 3e9 });
        for (const node of [rig.a, rig.b]) {
          expect(node.engine.quiet()).toBe(true);
          expect(node.engine.census()).toEqual({ queue_pairs: 1, packets: 0 });
        }
      });
    }
  }

  function send(rig: EngineRig, length: number, settle = true): void {
    rig.a.post(1, { region: rig.a.register(pattern(length), 9), length });
    rig.a.engine.doorbell(rig.now, 1);
    if (settle) rig.run();
  }
  const statuses = (node: EngineRig['a']) => node.completions.map(({ status }) => status);

  it('makes a request again while there is no receive, and the receive may come late', () => {
    const rig = pair();
    send(rig, 3000, false);
    rig.run({ forNanos: 50e6 });
    expect(rig.a.completions).toEqual([]);
    const inbox = new Uint8Array(3000);
    rig.b.postReceive(1, rig.b.register(inbox, 3), 0, 3000, 5);
    rig.run({ forNanos: 50e6 });
    expect([statuses(rig.a), statuses(rig.b)]).toEqual([[Status.SUCCESS], [Status.SUCCESS]]);
    expect(inbox).toEqual(pattern(3000));
  });

  it('gives up when there is never a receive', () => {
    const rig = pair();
    send(rig, 10);
    expect(statuses(rig.a)).toEqual([Status.RNR_RETRY_EXC_ERR]);
    expect(rig.b.completions).toEqual([]);
    expect(rig.a.engine.quiet()).toBe(true);
  });

  it('fails what is not answered in time, at both ends, and is not misled by a late answer', () => {
    const rig = pair(false, { timeout: 1e6 });
    for (const id of [1, 2]) rig.b.postReceive(1, rig.b.register(new Uint8Array(5000), id), 0, 5000, id);
    send(rig, 5000, false);
    let answers = 0;
    const late: Uint8Array[] = [];
    rig.run({
      lose: ({ to, bytes }) => {
        if (to !== rig.a || ++answers !== 3) return false;
        late.push(bytes);
        return true;
      },
    });
    expect([statuses(rig.a), statuses(rig.b)]).toEqual([[Status.RETRY_EXC_ERR], [Status.REM_ABORT_ERR]]);
    expect(rig.b.completions[0]!.byteLength).toBe(3 * 1024);
    send(rig, 5000, false);
    rig.deliver(rig.a, late[0]!);
    expect(rig.a.engine.counters.get('dropped_stray')).toBe(1);
    rig.run();
    expect([statuses(rig.a).at(-1), statuses(rig.b).at(-1)]).toEqual([Status.SUCCESS, Status.SUCCESS]);
  });

  it('receives one message at a time: whoever comes second waits', () => {
    const rig = pair();
    rig.a.addQueuePair(2);
    for (const id of [1, 2]) rig.b.postReceive(1, rig.b.register(new Uint8Array(9000), id), 0, 9000, id);
    for (const qp of [1, 2]) {
      rig.a.post(qp, { region: rig.a.register(pattern(9000, qp), qp), length: 9000 });
      rig.a.engine.doorbell(rig.now, qp);
    }
    rig.run();
    expect(statuses(rig.a)).toEqual([Status.SUCCESS, Status.SUCCESS]);
    expect(rig.b.completions.map(({ wrIdLo, remoteQpn }) => [wrIdLo, remoteQpn >>> 12])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    for (const id of [1, 2]) {
      const { region } = rig.b.regions.find(({ keyLo }) => keyLo === id)!;
      expect(rig.b.dma.target(region)!.bytes).toEqual(pattern(9000, id));
    }
  });

  it('reports memory that went away in the middle of a message', () => {
    const rig = pair();
    const region = rig.a.register(pattern(5000), 1);
    rig.b.register(new Uint8Array(5000), KEY);
    rig.a.post(1, { opcode: WorkOpcode.RDMA_WRITE, region, length: 5000, rkeyLo: KEY });
    rig.a.engine.doorbell(rig.now, 1);
    for (const { to, bytes } of rig.drain(rig.a)) rig.deliver(to, bytes);
    rig.a.dma.detach(region);
    rig.run();
    expect(statuses(rig.a)).toEqual([Status.LOC_PROT_ERR]);
  });

  it('takes one answer to a request, of the right length', () => {
    const rig = pair();
    const sink = new Uint8Array(100).fill(0xee);
    rig.b.register(pattern(100), KEY);
    rig.a.post(1, { opcode: WorkOpcode.RDMA_READ, region: rig.a.register(sink, 1), length: 100, rkeyLo: KEY });
    send(rig, 10, false); // takes its turn
    for (const { to, bytes } of rig.drain(rig.a)) rig.deliver(to, bytes);
    const [answer] = rig.drain(rig.b);
    rig.deliver(rig.a, answer!.bytes.slice(0, -1));
    expect(statuses(rig.a)).toEqual([Status.BAD_RESP_ERR]);
    expect(sink).toEqual(new Uint8Array(100).fill(0xee));
    for (const { to, bytes } of rig.drain(rig.a)) rig.deliver(to, bytes);
    const [notReady] = rig.drain(rig.b);
    rig.deliver(rig.a, notReady!.bytes);
    expect(rig.a.engine.counters.get('dropped_stray')).toBe(0);
    rig.deliver(rig.a, notReady!.bytes);
    expect(rig.a.engine.counters.get('dropped_stray')).toBe(1);
  });

  it('never has more answers waiting than there is room for, and counts what it refuses', () => {
    const rig = pair();
    send(rig, 10, false);
    const [request] = rig.drain(rig.a);
    for (let i = 0; i < 300; i++) rig.deliver(rig.b, request!.bytes);
    expect(rig.b.engine.census()).toMatchObject({ packets: 256 });
    expect(rig.b.engine.counters.get('dropped_refused')).toBe(44);
    expect(rig.drain(rig.b)).toHaveLength(256);
    rig.b.engine.close(rig.now);
    rig.deliver(rig.b, request!.bytes);
    expect(rig.b.engine.quiet()).toBe(true);
  });

  it('flushes what it has when a queue pair goes away', () => {
    const rig = pair();
    rig.b.postReceive(1, rig.b.register(new Uint8Array(5000), 3), 0, 5000, 5);
    for (let i = 0; i < 3; i++) send(rig, 5000, false);
    for (const { to, bytes } of rig.drain(rig.a)) rig.deliver(to, bytes);
    for (const node of [rig.a, rig.b]) node.engine.removeQueuePair(rig.now, 1);
    expect(statuses(rig.a)).toEqual(Array(3).fill(Status.WR_FLUSH_ERR));
    expect(statuses(rig.b)).toEqual([Status.WR_FLUSH_ERR]);
    rig.run();
    for (const node of [rig.a, rig.b]) expect(node.engine.census()).toEqual({ queue_pairs: 0, packets: 0 });
  });

  it('has a counter for each reason to drop', () => {
    const { names } = pair().a.engine.counters;
    for (const { name } of loop.drops) expect(names).toContain(`dropped_${name}`);
  });
});
