import { describe, expect, it } from 'vitest';
import { Status, WorkOpcode } from '../../engine/status.ts';
import { RoceOpcode } from '../../wire/roce/opcodes.ts';
import { configOf, FIRST_PSN, pattern, RoceRig } from './roce-rig.testdata.ts';

const GRH = 40;
const QKEY_AT = 12;

describe('datagrams (IBTA vol. 1 §9.8.3)', () => {
  for (const length of [0, 1, 3, 256, 1023, 1024]) {
    it(`brings ${length} bytes with 40 bytes of routing header in front`, () => {
      const rig = new RoceRig({ type: 'UD' });
      const inbox = new Uint8Array(GRH + length).fill(0xee);
      rig.b.route = (path, into) => void into.fill(path + 6);
      rig.b.postReceive(1, rig.b.register(inbox, 1), 0, GRH + length, 5);
      const region = rig.a.register(pattern(length), 1);
      const imm = { opcode: WorkOpcode.SEND_WITH_IMM, immLo: 0x0102_0304, solicited: true };
      rig.post(rig.a, { ...imm, region, length, qkey: 0x1234 });
      rig.run();
      expect(rig.a.completions.map(({ status, byteLength }) => [status, byteLength])).toEqual([
        [Status.SUCCESS, length],
      ]);
      const [received] = rig.b.completions;
      expect(received).toMatchObject({ status: 0, wrIdLo: 5, byteLength: GRH + length, hasGrh: true, hasImm: true });
      expect(received).toMatchObject({ immLo: 0x0102_0304, remoteQpn: 0x1001, path: 1, solicited: true });
      expect([...inbox.subarray(0, GRH)]).toEqual(Array(GRH).fill(7));
      expect(inbox.subarray(GRH)).toEqual(pattern(length));
    });
  }

  it('are refused locally when they do not fit one packet, and others go on', () => {
    const rig = new RoceRig({ type: 'UD' });
    rig.post(rig.a, { region: rig.a.register(pattern(1025), 1), length: 1025, qkey: 0x1234 });
    rig.post(rig.a, { region: rig.a.register(pattern(5), 1), length: 5, qkey: 0x1234 });
    rig.post(rig.a, { opcode: WorkOpcode.RDMA_WRITE, qkey: 0x1234 });
    expect(rig.drain(rig.a)).toHaveLength(1);
    expect(rig.a.completions.map(({ status }) => status)).toEqual([Status.LOC_LEN_ERR, 0, Status.LOC_QP_OP_ERR]);
    expect(rig.a.engine.quiet()).toBe(true);
  });

  it('with a wrong queue key are dropped, and take no receive; bad Q_Key', () => {
    const rig = new RoceRig({ type: 'UD' });
    rig.b.postReceive(1, rig.b.register(new Uint8Array(100), 1), 0, 100, 5);
    rig.post(rig.a, { qkey: 0x1235 });
    rig.run();
    expect(rig.b.completions).toEqual([]);
    expect(rig.b.engine.counters.get('dropped_qkey')).toBe(1);
    rig.post(rig.a, { qkey: 0x1234 });
    rig.run();
    expect(rig.b.completions).toHaveLength(1);
  });

  it('with a privileged queue key carry the one of their queue pair (IBTA vol. 1 §10.2.5)', () => {
    const rig = new RoceRig({ type: 'UD' });
    rig.post(rig.a, { qkey: 0x8001_0000 });
    const { bytes } = rig.drain(rig.a)[0]!;
    expect(new DataView(bytes.buffer).getUint32(QKEY_AT)).toBe(0x1234);
    expect(bytes[0]).toBe(RoceOpcode.UD_SEND_ONLY);
  });

  it('that find no receive, or one too small, are lost without a word', () => {
    const rig = new RoceRig({ type: 'UD' });
    const region = rig.a.register(pattern(50), 1);
    const send = () => {
      rig.post(rig.a, { region, length: 50, qkey: 0x1234 });
      rig.run();
    };
    send();
    expect(rig.b.engine.counters.get('dropped_no_receive')).toBe(1);
    rig.b.postReceive(1, rig.b.register(new Uint8Array(89), 2), 0, 89, 5);
    send();
    expect(rig.b.engine.counters.get('dropped_length')).toBe(1);
    expect(rig.b.completions).toEqual([]);
    rig.b.engine.removeQueuePair(rig.now, 1);
    expect(rig.b.completions).toMatchObject([{ wrIdLo: 5, status: Status.WR_FLUSH_ERR }]);
  });

  it('reach the general services queue pair at number 1 with its well-known key', () => {
    const rig = new RoceRig({ type: 'GSI' });
    rig.a.addQueuePair(2, configOf('UD', 2, 1024));
    rig.b.postReceive(1, rig.b.register(new Uint8Array(300), 1), 0, 300, 5);
    rig.a.post(2, { remoteQpn: 1, qkey: 0x8001_0000 });
    rig.a.engine.doorbell(rig.now, 2);
    rig.run();
    expect(rig.b.engine.counters.get('dropped_qkey')).toBe(1);
    rig.post(rig.a, { region: rig.a.register(pattern(256), 1), length: 256, remoteQpn: 1, qkey: 0x8001_0000 });
    rig.run();
    expect(rig.b.completions).toMatchObject([{ status: 0, byteLength: 296, remoteQpn: 1 }]);
    expect(rig.b.engine.connections!()).toEqual([]);
  });
});

describe('unreliable connections (IBTA vol. 1 §9.8.2)', () => {
  const KEY = 9;
  const make = () => {
    const rig = new RoceRig({ type: 'UC' });
    const sink = new Uint8Array(5000);
    const inbox = new Uint8Array(5000);
    rig.b.register(sink, KEY);
    const into = rig.b.register(inbox, 8);
    for (const id of [1, 2, 3]) rig.b.postReceive(1, into, 0, 5000, id);
    const region = rig.a.register(pattern(5000), 1);
    return { rig, sink, inbox, region };
  };

  it('move sends and writes of several packets without any answer', () => {
    const { rig, sink, inbox, region } = make();
    rig.post(rig.a, { opcode: WorkOpcode.SEND_WITH_IMM, immLo: 3, region, length: 5000, wrIdLo: 1 });
    rig.post(rig.a, { opcode: WorkOpcode.RDMA_WRITE, rkeyLo: KEY, region, length: 4999, wrIdLo: 2 });
    rig.post(rig.a, { opcode: WorkOpcode.RDMA_WRITE_WITH_IMM, immLo: 4, rkeyLo: KEY, region, length: 2000, wrIdLo: 3 });
    const packets = rig.drain(rig.a);
    expect(packets).toHaveLength(12);
    expect(rig.a.completions.map(({ wrIdLo, status }) => [wrIdLo, status])).toEqual([
      [1, 0],
      [2, 0],
      [3, 0],
    ]);
    for (const { bytes } of packets) rig.deliver(rig.b, bytes);
    expect(rig.drain(rig.b)).toEqual([]);
    expect(inbox).toEqual(pattern(5000));
    expect(sink.subarray(0, 4999)).toEqual(pattern(4999));
    expect(rig.b.completions.map(({ wrIdLo, immLo, byteLength }) => [wrIdLo, immLo, byteLength])).toEqual([
      [1, 3, 5000],
      [2, 4, 2000],
    ]);
  });

  it('lose a message with any of its packets, and nothing but that; the receive serves the next one', () => {
    for (let lost = 0; lost < 5; lost++) {
      const { rig, region } = make();
      for (const wrIdLo of [1, 2]) rig.post(rig.a, { region, length: 5000, wrIdLo });
      for (const [i, { bytes }] of rig.drain(rig.a).entries()) if (i !== lost) rig.deliver(rig.b, bytes);
      expect(rig.b.completions.map(({ wrIdLo, status, byteLength }) => [wrIdLo, status, byteLength])).toEqual([
        [1, Status.SUCCESS, 5000],
      ]);
      // the packets behind the gap; where the last one is lost nobody sees a gap
      const { dropped_sequence: sequence, dropped_message: message } = rig.b.engine.counters.toJSON();
      expect([sequence, message]).toEqual(lost === 4 ? [0, 0] : [1, 3 - lost]);
    }
  });

  it('drop writes that are not allowed, without consequences', () => {
    const { rig, sink, region } = make();
    rig.post(rig.a, { opcode: WorkOpcode.RDMA_WRITE, rkeyLo: KEY + 100, region, length: 3000 });
    rig.post(rig.a, { opcode: WorkOpcode.RDMA_WRITE, rkeyLo: KEY, remoteOffsetHi: 0xffff_ffff, region, length: 3 });
    rig.run();
    expect(sink).toEqual(new Uint8Array(5000));
    expect(rig.b.engine.counters.get('dropped_message')).toBe(4);
    expect(rig.b.events).toEqual([]);
    rig.post(rig.a, { opcode: WorkOpcode.RDMA_WRITE, rkeyLo: KEY, region, length: 3000 });
    rig.run();
    expect(sink.subarray(0, 3000)).toEqual(pattern(5000).subarray(0, 3000));
  });

  it('know neither reads nor atomics nor invalidation, and fail locally one by one', () => {
    const { rig, region } = make();
    rig.post(rig.a, { opcode: WorkOpcode.RDMA_READ, region, length: 8 });
    rig.post(rig.a, { opcode: WorkOpcode.ATOMIC_FETCH_AND_ADD, region, length: 8 });
    rig.post(rig.a, { opcode: WorkOpcode.SEND_WITH_INV, region, length: 8 });
    rig.post(rig.a, { region, length: 8 });
    expect(rig.drain(rig.a)).toHaveLength(1);
    const bad = Status.LOC_QP_OP_ERR;
    expect(rig.a.completions.map(({ status }) => status)).toEqual([bad, bad, bad, Status.SUCCESS]);
  });

  it('wrap the PSN at 2^24', () => {
    const { rig, region } = make();
    for (let i = 0; i < 30; i++) rig.post(rig.a, { opcode: WorkOpcode.RDMA_WRITE, rkeyLo: KEY, region, length: 1025 });
    const psns = rig.drain(rig.a).map(({ bytes }) => new DataView(bytes.buffer).getUint32(8) & 0xff_ffff);
    expect(psns).toEqual(Array.from({ length: 60 }, (_, i) => (FIRST_PSN + i) & 0xff_ffff));
  });
});
