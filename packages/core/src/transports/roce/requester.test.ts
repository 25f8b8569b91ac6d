import { describe, expect, it } from 'vitest';
import { Packet } from '../../engine/packet.ts';
import { Status, WorkOpcode } from '../../engine/status.ts';
import { RoceOpcode } from '../../wire/roce/opcodes.ts';
import { RoceNak } from '../../wire/roce/syndrome.ts';
import {
  type Fields,
  makePacket,
  pattern,
  psnAt,
  RoceRig,
  type RoceRigOptions,
  readPacket,
} from './roce-rig.testdata.ts';

const MTU = 256;
const TIMEOUT = 4_096 * 2 ** 14;
const RNR = 0x20;
const NAK = 0x60;
const ACKED: Fields = { opcode: RoceOpcode.RC_ACKNOWLEDGE };
const DATA: Fields = { opcode: RoceOpcode.RC_READ_RESPONSE_MIDDLE, payload: pattern(MTU) };

/** Node a, answered by hand. */
function requester(options: RoceRigOptions = {}) {
  const rig = new RoceRig({ mtu: MTU, ...options });
  const node = rig.a;
  const memory = pattern(5000);
  const region = node.register(memory, 1);
  let id = 0;
  const post = (opcode: number, length = 0, more = {}) =>
    rig.post(node, { opcode, region, length, rkeyLo: 5, wrIdLo: ++id, ...more });
  const send = (length = 0, more = {}) => post(WorkOpcode.SEND, length, more);
  const read = (length: number, more = {}) => post(WorkOpcode.RDMA_READ, length, more);
  const answer = (fields: Fields) => rig.deliver(node, makePacket(fields));
  const ack = (psn: number, syndrome = 31) => answer({ ...ACKED, psn, syndrome });
  const sent = () => rig.drain(node).map(({ bytes }) => ({ ...readPacket(bytes), bytes }));
  const psns = () => sent().map(({ psn }) => (psn - psnAt(0)) & 0xff_ffff);
  const done = () => node.completions.map(({ wrIdLo, status }) => [wrIdLo, status]);
  const wait = (nanos: number) => {
    rig.now += nanos;
    node.engine.expire(rig.now);
  };
  const count = (name: string) => node.engine.counters.get(name);
  return { rig, node, memory, region, post, send, read, answer, ack, sent, psns, done, wait, count };
}
const OK = Status.SUCCESS;
const FLUSHED = Status.WR_FLUSH_ERR;

describe('the requester of a reliable connection', () => {
  it('sends nothing but what it has, and asks for an acknowledgement at the end of each message', () => {
    const { send, sent, ack, done, node } = requester();
    send(0);
    send(600);
    expect(sent().map(({ opcode, psn, ackReq }) => [opcode, psn, ackReq])).toEqual([
      [RoceOpcode.RC_SEND_ONLY, psnAt(0), true],
      [RoceOpcode.RC_SEND_FIRST, psnAt(1), false],
      [RoceOpcode.RC_SEND_MIDDLE, psnAt(2), false],
      [RoceOpcode.RC_SEND_LAST, psnAt(3), true],
    ]);
    ack(3); // one for both
    expect(done()).toEqual([
      [1, OK],
      [2, OK],
    ]);
    expect(sent()).toEqual([]);
    expect(node.engine.quiet()).toBe(true);
  });

  it('asks for an acknowledgement within a long message, and where the window ends', () => {
    const { send, sent, ack } = requester({ settings: { windowPackets: 5, ackEvery: 3 } });
    send(8 * MTU);
    expect(sent().map(({ ackReq }) => ackReq)).toEqual([false, false, true, false, true]);
    ack(2);
    expect(sent().map(({ ackReq }) => ackReq)).toEqual([false, false, true]);
  });

  it('completes in the order of posting, whatever is acknowledged first', () => {
    const { send, read, answer, ack, sent, done } = requester();
    send(1);
    read(10);
    send(2);
    sent();
    answer({ ...DATA, opcode: RoceOpcode.RC_READ_RESPONSE_ONLY, psn: 1, payload: pattern(10, 5) }); // acknowledges the first
    expect(done()).toEqual([
      [1, OK],
      [2, OK],
    ]);
    ack(2);
    expect(done()).toHaveLength(3);
  });

  it('ignores answers to what was answered, to what was never sent, and of another peer', () => {
    const { rig, node, send, ack, sent, done, count } = requester();
    send(1);
    sent();
    ack(1);
    ack(-1);
    ack(-1, NAK | RoceNak.REMOTE_ACCESS_ERROR);
    ack(5, NAK | RoceNak.REMOTE_ACCESS_ERROR);
    rig.deliver(node, makePacket({ ...ACKED, psn: 0 }), 2);
    expect(done()).toEqual([]);
    expect([count('dropped_ack_range'), count('dropped_stale'), count('dropped_path')]).toEqual([2, 2, 1]);
    ack(0);
    ack(0);
    expect(done()).toEqual([[1, OK]]);
    expect(count('dropped_stale')).toBe(3);
  });

  it('goes back to where the peer says, into the middle of a message', () => {
    const { send, psns, ack, done, count } = requester();
    send(5 * MTU);
    expect(psns()).toEqual([0, 1, 2, 3, 4]);
    ack(2, NAK | RoceNak.PSN_SEQUENCE_ERROR);
    expect(psns()).toEqual([2, 3, 4]);
    expect([count('sequence_naks'), count('retransmitted_packets')]).toEqual([1, 3]);
    ack(4);
    expect(done()).toEqual([[1, OK]]);
  });

  it('goes on from where the answers are, when they come late after all', () => {
    const { send, psns, ack, done, rig, node } = requester();
    for (let i = 0; i < 6; i++) send(1);
    psns();
    rig.now += TIMEOUT;
    node.engine.expire(rig.now);
    ack(3); // nothing has left again yet
    expect(psns()).toEqual([4, 5]);
    ack(5);
    expect(done()).toHaveLength(6);
  });

  it('asks for the rest of a READ of which packets are missing (IBTA vol. 1 §9.7.5.1.5)', () => {
    const { read, sent, answer, done, memory, count } = requester();
    read(4 * MTU + 10, { remoteOffsetLo: 0xffff_ff00, remoteOffsetHi: 1 });
    expect(sent()).toHaveLength(1);
    const data = (i: number) => answer({ ...DATA, psn: i, payload: pattern(i < 4 ? MTU : 10, i) });
    data(0);
    data(2); // the second is lost
    data(3);
    const [again] = sent();
    expect(again).toMatchObject({ opcode: RoceOpcode.RC_READ_REQUEST, psn: psnAt(1) });
    const view = new DataView(again!.bytes.buffer);
    expect([view.getUint32(12), view.getUint32(16), view.getUint32(20), view.getUint32(24)]).toEqual([
      2,
      0,
      5,
      3 * MTU + 10,
    ]);
    expect(count('dropped_response')).toBe(2);
    for (const i of [1, 2, 3, 4]) data(i);
    expect(done()).toEqual([[1, OK]]);
    expect(memory.subarray(3 * MTU, 4 * MTU)).toEqual(pattern(MTU, 3));
  });

  it('takes an acknowledgement of what follows a READ for the loss of its data', () => {
    const { read, send, psns, ack, answer, done, count } = requester();
    read(MTU);
    send(1);
    psns();
    ack(1);
    expect(done()).toEqual([]);
    expect(psns()).toEqual([0, 1]);
    expect(count('missing_responses')).toBe(1);
    answer({ ...DATA, psn: 0 });
    ack(1);
    expect(done()).toEqual([
      [1, OK],
      [2, OK],
    ]);
  });

  it('has no more READs and atomics under way than the peer has room for', () => {
    const { read, post, psns, answer, done } = requester({ attributes: { maxRdAtomic: 2 } });
    read(2 * MTU);
    post(WorkOpcode.ATOMIC_FETCH_AND_ADD, 8);
    read(MTU);
    expect(psns()).toEqual([0, 2]);
    answer({ ...DATA, psn: 0 });
    expect(psns()).toEqual([]);
    answer({ ...DATA, psn: 1 });
    expect(psns()).toEqual([3]);
    answer({ opcode: RoceOpcode.RC_ATOMIC_ACKNOWLEDGE, psn: 2 });
    expect(done()).toEqual([
      [1, OK],
      [2, OK],
    ]);
  });

  it('asks for a long READ in parts that fit its window', () => {
    const { read, sent } = requester({ settings: { readPackets: 4, windowPackets: 8 } });
    read(10 * MTU);
    const lengths = sent().map(({ psn, bytes }) => [psn, new DataView(bytes.buffer).getUint32(24)]);
    expect(lengths).toEqual([
      [psnAt(0), 4 * MTU],
      [psnAt(4), 4 * MTU],
    ]);
  });

  it('waits with a fenced request until the READs before it are done', () => {
    const { read, send, psns, answer } = requester();
    read(MTU);
    send(1, { fence: true });
    send(1);
    expect(psns()).toEqual([0]);
    answer({ ...DATA, psn: 0 });
    expect(psns()).toEqual([1, 2]);
  });

  it('writes what an atomic brings little-endian into memory', () => {
    const { post, sent, rig, node, memory, done } = requester();
    const more = { compareAddLo: 1, compareAddHi: 2, swapLo: 3, swapHi: 4, remoteOffsetLo: 8 };
    post(WorkOpcode.ATOMIC_CMP_AND_SWP, 8, more);
    const [packet] = sent();
    const view = new DataView(packet!.bytes.buffer);
    expect(packet).toMatchObject({ opcode: RoceOpcode.RC_COMPARE_SWAP, ackReq: true });
    expect([view.getBigUint64(12), view.getUint32(20)]).toEqual([8n, 5]);
    expect([view.getBigUint64(24), view.getBigUint64(32)]).toEqual([0x4_0000_0003n, 0x2_0000_0001n]);
    const bytes = makePacket({ opcode: RoceOpcode.RC_ATOMIC_ACKNOWLEDGE, psn: 0 });
    new DataView(bytes.buffer).setBigUint64(16, 0x1122_3344_5566_7788n);
    rig.deliver(node, bytes);
    expect(done()).toEqual([[1, OK]]);
    expect(new DataView(memory.buffer).getBigUint64(0, true)).toBe(0x1122_3344_5566_7788n);
  });
});

describe('a request fails, those behind it are flushed, and nothing leaves any more (IBTA vol. 1 §9.9.2)', () => {
  const naks: [string, number, number][] = [
    ['invalid request', RoceNak.INVALID_REQUEST, Status.REM_INV_REQ_ERR],
    ['remote access error', RoceNak.REMOTE_ACCESS_ERROR, Status.REM_ACCESS_ERR],
    ['remote operational error', RoceNak.REMOTE_OPERATIONAL_ERROR, Status.REM_OP_ERR],
    ['invalid RD request', RoceNak.INVALID_RD_REQUEST, Status.REM_INV_RD_REQ_ERR],
    ['a reason that nobody knows', 17, Status.BAD_RESP_ERR],
  ];
  for (const [what, code, status] of naks) {
    it(`with ${what}`, () => {
      const { send, psns, ack, done, node } = requester();
      for (const length of [1, 2, 3]) send(length);
      psns();
      send(4);
      ack(1, NAK | code);
      expect(done()).toEqual([
        [1, OK],
        [2, status],
        [3, FLUSHED],
      ]);
      expect(node.completions[1]!.vendorStatus).toBe(NAK | code);
      expect(psns()).toEqual([]);
      expect(node.engine.deadline()).toBeLessThan(Number.POSITIVE_INFINITY); // looked at once more, for nothing
      node.engine.removeQueuePair(0, 1);
      expect(node.engine.census()).toEqual({ queue_pairs: 0, requests: 0, returns: 0, timers: 0, outbox: 0 });
    });
  }

  it('after the retries when nothing comes back: dead peer', () => {
    const { send, psns, wait, done, count } = requester({ attributes: { retryCount: 2 } });
    send(1);
    send(2);
    expect(psns()).toEqual([0, 1]);
    wait(TIMEOUT - 1);
    expect(psns()).toEqual([]);
    wait(1);
    expect(psns()).toEqual([0, 1]);
    wait(TIMEOUT);
    expect(psns()).toEqual([0, 1]);
    expect(done()).toEqual([]);
    wait(TIMEOUT);
    expect(done()).toEqual([
      [1, Status.RETRY_EXC_ERR],
      [2, FLUSHED],
    ]);
    expect(count('timeouts')).toBe(3);
  });

  it('not after many time-outs while there is progress between them', () => {
    const { send, psns, wait, ack, done } = requester({ attributes: { retryCount: 1 } });
    send(10 * MTU);
    for (let i = 0; i < 10; i++) {
      psns();
      wait(TIMEOUT);
      ack(i);
    }
    expect(done()).toEqual([[1, OK]]);
  });

  it('never without a time-out', () => {
    const { send, psns, node } = requester({ attributes: { timeout: 0 } });
    send(1);
    psns();
    expect(node.engine.deadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('when the peer asks for the same packet again and again', () => {
    const { send, psns, ack, done } = requester({ attributes: { retryCount: 2 } });
    send(1);
    for (let i = 0; i < 4; i++) {
      psns();
      ack(0, NAK | RoceNak.PSN_SEQUENCE_ERROR);
    }
    expect(done()).toEqual([[1, Status.RETRY_EXC_ERR]]);
  });

  it('when the peer has no receive for longer than its retries: RNR for ever', () => {
    const { send, psns, ack, wait, done, count } = requester({ attributes: { rnrRetry: 2 } });
    send(1);
    for (let i = 0; i < 2; i++) {
      expect(psns()).toEqual([0]);
      ack(0, RNR | 14); // 1.28 ms
      wait(1_279_999);
      expect(psns()).toEqual([]);
      wait(1);
    }
    psns();
    ack(0, RNR | 14);
    expect(done()).toEqual([[1, Status.RNR_RETRY_EXC_ERR]]);
    expect(count('received_rnr_naks')).toBe(3);
  });

  it('never for lack of a receive with retry count 7, and code 0 is the longest wait but few', () => {
    const { send, psns, ack, wait, done } = requester({ attributes: { rnrRetry: 7, retryCount: 0 } });
    send(1);
    for (let i = 0; i < 50; i++) {
      expect(psns()).toEqual([0]);
      ack(0, RNR);
      wait(655_360_000);
    }
    expect(psns()).toEqual([0]);
    ack(0);
    expect(done()).toEqual([[1, OK]]);
  });

  it('when the data of a READ has a wrong length, or is no answer to it', () => {
    for (const wrong of [
      { ...DATA, psn: 0, payload: pattern(MTU - 1) },
      { opcode: RoceOpcode.RC_ATOMIC_ACKNOWLEDGE, psn: 0 },
    ]) {
      const { read, psns, answer, done, memory } = requester();
      read(2 * MTU);
      psns();
      answer(wrong);
      expect(done()).toEqual([[1, Status.BAD_RESP_ERR]]);
      expect(memory).toEqual(pattern(5000));
    }
  });

  it('when the memory for the data of a READ is gone', () => {
    const { read, psns, answer, done, node, region } = requester();
    read(MTU);
    psns();
    node.dma.detach(region);
    answer({ ...DATA, psn: 0 });
    expect(done()).toEqual([[1, Status.LOC_PROT_ERR]]);
  });

  it('when its own memory is gone, once those before it are done', () => {
    const { send, psns, ack, done, node, region, rig } = requester();
    const other = node.register(pattern(10), 2);
    send(10, { region: other });
    send(10);
    send(10, { region: other });
    node.dma.detach(region);
    expect(psns()).toEqual([0]);
    expect(done()).toEqual([]);
    ack(0);
    expect(done()).toEqual([
      [1, OK],
      [2, Status.LOC_PROT_ERR],
    ]);
    node.engine.doorbell(rig.now, 1);
    expect(psns()).toEqual([]);
  });

  it('when it is wrong from the start, once those before it are done', () => {
    const cases: [number, number, object, number][] = [
      [WorkOpcode.SEND, 1, { status: Status.LOC_QP_OP_ERR }, Status.LOC_QP_OP_ERR],
      [WorkOpcode.ATOMIC_FETCH_AND_ADD, 7, {}, Status.LOC_LEN_ERR],
      [WorkOpcode.RDMA_WRITE, 2 ** 31 + 1, {}, Status.LOC_LEN_ERR],
    ];
    for (const [opcode, length, more, status] of cases) {
      const { send, post, psns, ack, done } = requester();
      send(1);
      post(opcode, length, more);
      expect(psns()).toEqual([0]);
      ack(0);
      expect(done()).toEqual([
        [1, OK],
        [2, status],
      ]);
      expect(psns()).toEqual([]);
    }
  });

  it('when READs are not allowed at all', () => {
    const { read, psns, done } = requester({ attributes: { maxRdAtomic: 0 } });
    read(1);
    expect(psns()).toEqual([]);
    expect(done()).toEqual([[1, Status.LOC_QP_OP_ERR]]);
  });

  it('when the queue pair goes away, in order', () => {
    const { send, psns, node, rig, done } = requester({ settings: { windowPackets: 2 } });
    for (let i = 0; i < 5; i++) send(1);
    psns();
    node.engine.removeQueuePair(rig.now, 1);
    // what was never taken is the device's to flush
    expect(done()).toEqual([
      [1, FLUSHED],
      [2, FLUSHED],
    ]);
  });
});

describe('congestion (annex A17)', () => {
  it('tells the sender of marked packets, at most once in a while', () => {
    const rig = new RoceRig({ settings: { cnpInterval: 50_000 } });
    const mark = () => {
      const packet = makePacket({ opcode: RoceOpcode.RC_ACKNOWLEDGE, psn: -1 });
      rig.a.engine.receive(rig.now, Object.assign(packetOf(packet), { ecn: 3, path: 1 }));
    };
    for (let i = 0; i < 10; i++) mark();
    const [cnp, ...more] = rig.drain(rig.a);
    expect(more).toEqual([]);
    expect([...cnp!.bytes]).toEqual([0x81, 0x40, 0xff, 0xff, 0x40, 0, 0x10, 0x01, ...Array(20).fill(0)]);
    rig.now += 50_000;
    mark();
    expect(rig.drain(rig.a)).toHaveLength(1);
    expect(rig.a.engine.counters.get('marked_packets')).toBe(11);
  });

  it('slows down who is told, and only its peer can tell it; a flood counts once (N33)', () => {
    const { rig, node, send, psns, count } = requester({ settings: { lineRate: 100, windowPackets: 64 } });
    const cnp = makePacket({ opcode: RoceOpcode.CNP, becn: 1 });
    rig.deliver(node, cnp, 2);
    rig.deliver(node, makePacket({ opcode: RoceOpcode.CNP, becn: 1, destQp: 0x1002 }));
    expect([count('dropped_cnp'), count('dropped_qp'), count('received_cnps')]).toEqual([1, 1, 0]);
    for (let i = 0; i < 1000; i++) rig.deliver(node, cnp);
    expect(count('received_cnps')).toBe(1000);
    rig.b.postReceive(1, rig.b.register(new Uint8Array(64 * MTU), 1), 0, 64 * MTU);
    send(64 * MTU - 1, { region: node.register(pattern(64 * MTU), 2) });
    const first = psns().length;
    expect(first).toBeGreaterThan(4);
    expect(first).toBeLessThan(20);
    // half of 100 MB/s: what waits leaves within about 64 * (256 + headers) / 50 µs
    rig.run({ forNanos: 2e9, lose: () => false, until: () => node.engine.connections!()[0]!['tx_next'] === psnAt(64) });
    expect(rig.now).toBeGreaterThan(250_000);
    expect(rig.now).toBeLessThan(600_000);
  });

  it('says on data packets that they may be marked, where it is set', () => {
    for (const ecn of [0, 1]) {
      const rig = new RoceRig({ settings: { ecn } });
      rig.post(rig.a, { region: rig.a.register(pattern(5), 1), length: 5 });
      const out = packetOf(new Uint8Array(192));
      rig.a.engine.transmit(0, out);
      expect([out.ecn, out.padding]).toEqual([2 * ecn, 3]);
    }
  });
});

describe('queue pairs', () => {
  it('are refused when their number is taken, their kind unknown or their peer missing', () => {
    const { node } = requester();
    expect(() => node.addQueuePair(2, { type: 'RC', qpn: 0x1001, peerPath: 1 })).toThrow('0x1001 is taken');
    expect(() => node.addQueuePair(2, { type: 'RU', qpn: 0x1002 })).toThrow('no queue pairs of type RU');
    expect(() => node.addQueuePair(2, { type: 'RC', qpn: 0x1002 })).toThrow('needs its address');
  });

  it('take their first PSN when they may send, though they came to receive', () => {
    const { node, sent, rig } = requester();
    const config = { type: 'RC', peerPath: 1, peerQpn: 9, attributes: { ...attributes(), sqPsn: 0 } };
    node.addQueuePair(2, { ...config, qpn: 0x2000 });
    config.attributes.sqPsn = 77;
    node.engine.modifyQueuePair!(0, { qp: 2, qpn: 0x2000, pd: 1, jobId: 0, sourceId: 0, ordered: true, ...config });
    rig.post(node, { length: 0 }, 2);
    expect(sent()).toMatchObject([{ psn: 77, destQp: 9 }]);
    node.engine.modifyQueuePair!(0, { qp: 2, qpn: 0x2000, pd: 1, jobId: 0, sourceId: 0, ordered: true, ...config });
    rig.post(node, { length: 0 }, 2);
    expect(sent()).toMatchObject([{ psn: 78 }]);
  });

  it('are shown as rows', () => {
    const { node } = requester();
    expect(node.engine.connections!()).toMatchObject([
      { id: 0x1001, kind: 'RC', path: 1, state: 'idle', in_flight: 0 },
    ]);
  });

  it('serve each other in turn: one that has much to send does not keep the others waiting', () => {
    const rig = new RoceRig({ qps: 3, settings: { windowPackets: 4096 } });
    const region = rig.a.register(pattern(200_000), 1);
    for (const qp of [1, 2, 3]) rig.post(rig.a, { region, length: 200_000 }, qp);
    const order = rig.drain(rig.a).map(({ bytes }) => readPacket(bytes).destQp);
    expect(new Set(order.slice(0, 192)).size).toBe(3);
  });
});

function attributes() {
  return {
    ...{ pathMtu: MTU, rqPsn: 0, sqPsn: 0, timeout: 14, retryCount: 7, rnrRetry: 7, minRnrTimer: 1 },
    ...{ maxRdAtomic: 1, maxDestRdAtomic: 1, pkeyIndex: 0, qkey: 0 },
  };
}
function packetOf(bytes: Uint8Array): Packet {
  const packet = new Packet(bytes);
  packet.length = bytes.length;
  return packet;
}
