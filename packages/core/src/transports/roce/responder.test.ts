import { describe, expect, it } from 'vitest';
import { QpFault, Status } from '../../engine/status.ts';
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

const KEY = 0x77;
const NAK = 0x60;
const ACK = 31;
const MTU = 256;

/** Node b, played at by hand. */
function responder(options: RoceRigOptions = {}) {
  const rig = new RoceRig({ mtu: MTU, ...options });
  const memory = pattern(4096);
  rig.b.register(memory, KEY);
  const inbox = new Uint8Array(2000);
  const into = rig.b.register(inbox, 1);
  const node = rig.b;
  const give = (fields: Fields, path = 1) => rig.deliver(node, makePacket(fields), path);
  const answers = () => rig.drain(node).map(({ bytes }) => readPacket(bytes));
  const dropped = (name: string) => node.engine.counters.get(`dropped_${name}`);
  const receive = (length = 2000, id = 1) => node.postReceive(1, into, 0, length, id);
  return { rig, node, memory, inbox, give, answers, dropped, receive };
}
type Bench = ReturnType<typeof responder>;

const SEND: Fields = { opcode: RoceOpcode.RC_SEND_ONLY, ackReq: 1 };
const FIRST: Fields = { opcode: RoceOpcode.RC_SEND_FIRST, payload: pattern(MTU) };
const MIDDLE: Fields = { ...FIRST, opcode: RoceOpcode.RC_SEND_MIDDLE };
const LAST: Fields = { opcode: RoceOpcode.RC_SEND_LAST, payload: pattern(3), ackReq: 1 };
const WRITE: Fields = { opcode: RoceOpcode.RC_WRITE_ONLY, key: KEY, payload: pattern(5, 1), ackReq: 1 };
const WRITE_FIRST: Fields = { opcode: RoceOpcode.RC_WRITE_FIRST, key: KEY, length: 600, payload: pattern(MTU) };
const READ: Fields = { opcode: RoceOpcode.RC_READ_REQUEST, key: KEY, length: 600 };
const ADD: Fields = { opcode: RoceOpcode.RC_FETCH_ADD, key: KEY, swapAdd: 5n };

/** It refused the packet at `psn` for good, told so, and does nothing any more. */
function expectRefusal({ answers, dropped, give, node }: Bench, psn: number, reason: number): void {
  expect(answers()).toMatchObject([{ opcode: RoceOpcode.RC_ACKNOWLEDGE, psn: psnAt(psn), syndrome: NAK | reason }]);
  expect(dropped('refused')).toBe(1);
  give({ ...SEND, psn });
  expect(dropped('state')).toBe(1);
  expect(answers()).toEqual([]);
  expect(node.engine.census()).toMatchObject({ returns: 0 });
}

describe('the responder of a reliable connection refuses (IBTA vol. 1 §9.9.3)', () => {
  const invalid: [string, Fields[]][] = [
    ['a middle packet of nothing', [MIDDLE]],
    ['a last packet of nothing', [LAST]],
    ['a SEND within a SEND', [FIRST, FIRST]],
    ['a WRITE within a SEND', [FIRST, WRITE]],
    ['the rest of a WRITE within a SEND', [FIRST, { ...MIDDLE, opcode: RoceOpcode.RC_WRITE_MIDDLE }]],
    ['a READ within a SEND', [FIRST, READ]],
    ['an atomic within a SEND', [FIRST, ADD]],
    ['a first packet that is not full', [{ ...FIRST, payload: pattern(MTU - 4) }]],
    ['a middle packet that is not full', [FIRST, { ...MIDDLE, payload: pattern(MTU - 1) }]],
    ['a last packet without a byte', [FIRST, { ...LAST, payload: pattern(0) }]],
    ['a packet beyond the path MTU', [{ ...SEND, payload: pattern(MTU + 1) }]],
    ['a WRITE that is shorter than it says', [{ ...WRITE, length: 6 }]],
    ['a WRITE that is longer than it says', [{ ...WRITE, length: 4 }]],
    ['a first WRITE packet with all of the data', [{ ...WRITE_FIRST, length: MTU }]],
    ['a last WRITE packet that is not the end', [WRITE_FIRST, { ...LAST, opcode: RoceOpcode.RC_WRITE_LAST }]],
    ['a message of more than 2^31 bytes', [{ ...WRITE_FIRST, length: 2 ** 31 + 1 }]],
    ['a READ of more than 2^31 bytes', [{ ...READ, length: 2 ** 31 + 1 }]],
    ['an atomic on bytes that are not aligned', [{ ...ADD, address: 12 }]],
  ];
  for (const [what, packets] of invalid) {
    it(`${what}: invalid request`, () => {
      const bench = responder();
      bench.receive();
      for (const [psn, fields] of packets.entries()) bench.give({ ...fields, psn });
      expectRefusal(bench, packets.length - 1, RoceNak.INVALID_REQUEST);
      expect(bench.node.events).toEqual([{ event: QpFault.REQUEST, object: 1 }]);
    });
  }

  it('more READs and atomics than it has room for: invalid request', () => {
    const bench = responder({ attributes: { maxDestRdAtomic: 2 } });
    bench.give({ ...READ, psn: 0 });
    bench.give({ ...ADD, psn: 3 });
    bench.give({ ...ADD, psn: 4 });
    const answers = bench.answers();
    expect(answers.at(-1)).toMatchObject({ psn: psnAt(4), syndrome: NAK | RoceNak.INVALID_REQUEST });
    expect(answers).toHaveLength(5); // three of the READ, one of the first atomic: what came before is answered first
  });

  const access: [string, Fields, Partial<Fields>][] = [
    ['WRITE', WRITE, {}],
    ['READ', READ, {}],
    ['atomic', ADD, {}],
  ];
  for (const [what, fields] of access) {
    const wrongs: [string, Partial<Fields>][] = [
      ['wrong rkey', { key: KEY + 1 }],
      ['wrong bounds', { address: 4096 - 4 + (fields === ADD ? 4 : 0) }],
      ['an address beyond all memory', { addressHi: 0xffff_ffff, address: 0xffff_fff8 }],
    ];
    for (const [why, wrong] of wrongs) {
      it(`${what} with ${why}: remote access error`, () => {
        const bench = responder();
        bench.give({ ...fields, ...wrong });
        expectRefusal(bench, 0, RoceNak.REMOTE_ACCESS_ERROR);
        expect(bench.memory).toEqual(pattern(4096));
      });
    }
    it(`${what} without the right, or of another domain: remote access error`, () => {
      for (const change of [{ rights: 0 }, { pd: 2 }]) {
        const bench = responder();
        Object.assign(bench.node.regions[0]!, change);
        bench.give(fields);
        expectRefusal(bench, 0, RoceNak.REMOTE_ACCESS_ERROR);
      }
    });
  }

  it('a WRITE whose right is taken back in the middle: remote access error', () => {
    const bench = responder();
    bench.give(WRITE_FIRST);
    bench.node.regions.shift();
    bench.give({ ...MIDDLE, opcode: RoceOpcode.RC_WRITE_MIDDLE, psn: 1 });
    expectRefusal(bench, 1, RoceNak.REMOTE_ACCESS_ERROR);
  });

  it('the rest of a READ whose right is taken back in the middle: remote access error', () => {
    const bench = responder();
    bench.give(READ);
    bench.node.regions.shift();
    expect(bench.answers()).toMatchObject([
      { opcode: RoceOpcode.RC_ACKNOWLEDGE, psn: psnAt(0), syndrome: NAK | RoceNak.REMOTE_ACCESS_ERROR },
    ]);
    expect(bench.node.events).toEqual([{ event: QpFault.ACCESS, object: 1 }]);
  });

  it('a SEND that is longer than its receive: invalid request, and LOC_LEN_ERR for the receive', () => {
    const bench = responder();
    bench.receive(300);
    bench.give(FIRST);
    bench.give({ ...LAST, psn: 1, payload: pattern(45) });
    expect(bench.node.completions).toMatchObject([{ status: Status.LOC_LEN_ERR, receive: true, wrIdLo: 1 }]);
    expectRefusal(bench, 1, RoceNak.INVALID_REQUEST);
    expect(bench.inbox.subarray(MTU, 301)).toEqual(new Uint8Array(45));
  });

  it('a SEND into memory that is gone: remote operational error, and LOC_PROT_ERR for the receive', () => {
    const bench = responder();
    bench.receive();
    bench.node.dma.detach(bench.node.regions[1]!.region);
    bench.give({ ...SEND, payload: pattern(3) });
    expect(bench.node.completions).toMatchObject([{ status: Status.LOC_PROT_ERR, receive: true }]);
    expectRefusal(bench, 0, RoceNak.REMOTE_OPERATIONAL_ERROR);
  });

  it('a receive that is wrong itself: remote operational error', () => {
    const bench = responder();
    bench.receive();
    bench.node.receives.get(1)![0]!.status = Status.LOC_PROT_ERR;
    bench.give(SEND);
    expect(bench.node.completions).toMatchObject([{ status: Status.LOC_PROT_ERR }]);
    expectRefusal(bench, 0, RoceNak.REMOTE_OPERATIONAL_ERROR);
  });

  it('to invalidate a key that it has not: remote access error, and the receive fails', () => {
    const bench = responder();
    bench.receive();
    bench.give({ ...SEND, opcode: RoceOpcode.RC_SEND_ONLY_INVALIDATE, extra: 0x999 });
    expect(bench.node.completions).toMatchObject([{ status: Status.REM_INV_REQ_ERR, hasInvalidated: false }]);
    expectRefusal(bench, 0, RoceNak.REMOTE_ACCESS_ERROR);
  });

  it('and the refusal leaves although the queue pair is gone at once', () => {
    const { rig, node, give, answers } = responder();
    give({ ...WRITE, key: 0x99 });
    node.engine.removeQueuePair(rig.now, 1);
    expect(answers()).toMatchObject([{ psn: psnAt(0), destQp: 0x1001, syndrome: NAK | RoceNak.REMOTE_ACCESS_ERROR }]);
    expect(node.engine.quiet()).toBe(true);
  });
});

describe('the responder of a reliable connection', () => {
  it('acknowledges what asks for it, once for all that came before the answer (IBTA vol. 1 §9.7.5.1.2)', () => {
    const { give, answers } = responder();
    for (let psn = 0; psn < 40; psn++) give({ ...WRITE, psn, ackReq: psn % 2 });
    expect(answers()).toEqual([
      { opcode: RoceOpcode.RC_ACKNOWLEDGE, psn: psnAt(39), destQp: 0x1001, ackReq: false, syndrome: ACK, msn: 40 },
    ]);
    give({ ...WRITE, psn: 40, ackReq: 0 });
    expect(answers()).toEqual([]);
  });

  it('invalidates the key that a SEND names, and says so', () => {
    const { give, answers, receive, node } = responder();
    receive();
    node.register(new Uint8Array(8), 0x55);
    give({ ...SEND, opcode: RoceOpcode.RC_SEND_ONLY_INVALIDATE, extra: 0x55, solicited: 1 });
    expect(node.completions).toMatchObject([
      { status: 0, hasInvalidated: true, hasImm: false, immLo: 0x55, solicited: true },
    ]);
    expect(node.regions.some(({ keyLo }) => keyLo === 0x55)).toBe(false);
    expect(answers()).toMatchObject([{ syndrome: ACK }]);
  });

  it('does a PSN from the past not again, and acknowledges it again (IBTA vol. 1 §9.7.5.1.4)', () => {
    const { give, answers, receive, node, dropped, memory } = responder();
    receive();
    give({ ...WRITE, psn: 0 });
    give({ ...SEND, psn: 1 });
    answers();
    memory.fill(0);
    give({ ...WRITE, psn: 0 });
    give({ ...SEND, psn: 1 });
    expect(memory).toEqual(new Uint8Array(4096));
    expect(node.completions).toHaveLength(1);
    expect(dropped('duplicate')).toBe(2);
    expect(answers()).toMatchObject([{ psn: psnAt(1), syndrome: ACK, msn: 2 }]);
  });

  it('says once that something is missing, until it comes; PSN from the future', () => {
    const { give, answers, dropped } = responder();
    give({ ...WRITE, psn: 0, ackReq: 0 });
    for (const psn of [2, 3, 4]) give({ ...WRITE, psn });
    expect(answers()).toMatchObject([{ psn: psnAt(1), syndrome: NAK | RoceNak.PSN_SEQUENCE_ERROR }]);
    // sent again, and the missing one was lost again
    for (const psn of [2, 3, 4]) give({ ...WRITE, psn });
    expect(answers()).toMatchObject([{ psn: psnAt(1), syndrome: NAK }]);
    for (const psn of [1, 2, 3, 4]) give({ ...WRITE, psn });
    expect(answers()).toMatchObject([{ psn: psnAt(4), syndrome: ACK }]);
    expect(dropped('sequence')).toBe(6);
    give({ ...WRITE, psn: 6 });
    expect(answers()).toMatchObject([{ psn: psnAt(5), syndrome: NAK }]);
  });

  it('tells half of all PSNs from the other half, also across 2^24', () => {
    const { give, dropped } = responder();
    give({ ...WRITE, psn: 2 ** 23 - 1 });
    expect([dropped('sequence'), dropped('duplicate')]).toEqual([1, 0]);
    give({ ...WRITE, psn: 2 ** 23 });
    expect([dropped('sequence'), dropped('duplicate')]).toEqual([1, 1]);
  });

  it('asks to try later while there is no receive, and is silent about what follows (IBTA vol. 1 §9.7.5.2.8)', () => {
    const { give, answers, receive, node, dropped } = responder({ attributes: { minRnrTimer: 12 } });
    give({ ...FIRST, psn: 0 });
    give({ ...LAST, psn: 1 });
    expect(answers()).toMatchObject([{ psn: psnAt(0), syndrome: 0x20 | 12 }]);
    expect([dropped('no_receive'), dropped('sequence')]).toEqual([1, 1]);
    receive();
    give({ ...FIRST, psn: 0 });
    give({ ...LAST, psn: 1 });
    expect(answers()).toMatchObject([{ psn: psnAt(1), syndrome: ACK }]);
    expect(node.completions).toMatchObject([{ status: 0, byteLength: MTU + 3 }]);
  });

  it('asks for the receive of a WRITE with immediate at its last packet, before it writes', () => {
    const { give, answers, receive, node, memory } = responder();
    give({ ...WRITE_FIRST, length: MTU + 4 });
    const last: Fields = {
      opcode: RoceOpcode.RC_WRITE_LAST_IMMEDIATE,
      psn: 1,
      extra: 9,
      payload: pattern(4, 99),
      ackReq: 1,
    };
    give(last);
    expect(answers()).toMatchObject([{ psn: psnAt(1), syndrome: 0x20 | 1 }]);
    expect(memory.subarray(MTU, MTU + 4)).toEqual(pattern(4096).subarray(MTU, MTU + 4));
    receive(0, 7);
    give(last);
    expect(answers()).toMatchObject([{ psn: psnAt(1), syndrome: ACK }]);
    expect(memory.subarray(MTU, MTU + 4)).toEqual(pattern(4, 99));
    expect(node.completions).toMatchObject([{ wrIdLo: 7, byteLength: MTU + 4, hasImm: true, immLo: 9 }]);
  });

  it('needs no key for nothing', () => {
    const { give, answers } = responder();
    give({ ...WRITE, payload: pattern(0), key: 1, ackReq: 0 });
    give({ ...READ, psn: 1, length: 0, key: 1, addressHi: 0xffff_ffff });
    expect(answers()).toMatchObject([{ opcode: RoceOpcode.RC_READ_RESPONSE_ONLY, psn: psnAt(1), msn: 2 }]);
  });

  const data = ({ rig, node }: Bench) =>
    rig
      .drain(node)
      .map(({ bytes }) => [readPacket(bytes).opcode - RoceOpcode.RC_READ_RESPONSE_FIRST, readPacket(bytes).psn, bytes]);

  it('answers a READ from memory, and again when it is asked again, in whole or from the middle (IBTA vol. 1 §9.7.5.1.5)', () => {
    const bench = responder();
    const { give, memory } = bench;
    give({ ...READ, psn: 0 });
    expect(data(bench).map(([kind, psn]) => [kind, psn])).toEqual([
      [0, psnAt(0)],
      [1, psnAt(1)],
      [2, psnAt(2)],
    ]);
    memory.fill(0xdd);
    give({ ...READ, psn: 1, address: MTU, length: 600 - MTU });
    const again = data(bench);
    expect(again.map(([kind, psn]) => [kind, psn])).toEqual([
      [0, psnAt(1)],
      [2, psnAt(2)],
    ]);
    expect((again[0]![2] as Uint8Array).subarray(16, 16 + MTU)).toEqual(new Uint8Array(MTU).fill(0xdd));
    // the next request is still the one after the READ
    give({ ...WRITE, psn: 3 });
    expect(bench.answers()).toMatchObject([{ psn: psnAt(3), syndrome: ACK }]);
    expect(bench.node.engine.counters.get('duplicate_reads')).toBe(1);
  });

  it('does not answer a READ twice that comes twice before its answer, and begins again in the middle of it', () => {
    const bench = responder();
    bench.give({ ...READ, psn: 0 });
    bench.give({ ...READ, psn: 0 });
    expect(bench.dropped('duplicate')).toBe(1);
    expect(data(bench)).toHaveLength(3);
  });

  it('does not repeat a READ to whom may not see it any more, nor beyond what was asked', () => {
    const bench = responder();
    bench.give({ ...READ, psn: 0 });
    data(bench);
    bench.give({ ...READ, psn: 0, length: 4 * MTU });
    expect(bench.dropped('duplicate')).toBe(1);
    bench.node.regions.shift();
    bench.give({ ...READ, psn: 0 });
    expect(bench.answers()).toMatchObject([{ psn: psnAt(0), syndrome: NAK | RoceNak.REMOTE_ACCESS_ERROR }]);
    expect(bench.node.events).toEqual([]); // a packet that comes late harms nobody
  });

  it('adds and swaps eight bytes, little-endian in memory, and never twice (IBTA vol. 1 §9.4.5)', () => {
    const { give, answers, memory, rig, node, dropped } = responder();
    const view = new DataView(memory.buffer);
    view.setBigUint64(8, 0x0000_0001_ffff_ffffn, true);
    const result = () => {
      const [packet] = rig.drain(node);
      return [readPacket(packet!.bytes).opcode, new DataView(packet!.bytes.buffer).getBigUint64(16)];
    };
    give({ ...ADD, psn: 0, address: 8, swapAdd: 1n });
    expect(result()).toEqual([RoceOpcode.RC_ATOMIC_ACKNOWLEDGE, 0x1_ffff_ffffn]);
    expect(view.getBigUint64(8, true)).toBe(0x2_0000_0000n);
    const swap = { ...ADD, opcode: RoceOpcode.RC_COMPARE_SWAP, address: 8, swapAdd: 0xffff_ffff_ffff_fff0n };
    give({ ...swap, psn: 1, compare: 1n });
    expect(result()[1]).toBe(0x2_0000_0000n);
    expect(view.getBigUint64(8, true)).toBe(0x2_0000_0000n);
    give({ ...swap, psn: 2, compare: 0x2_0000_0000n });
    result();
    expect(view.getBigUint64(8, true)).toBe(0xffff_ffff_ffff_fff0n);
    give({ ...ADD, psn: 3, address: 8, swapAdd: 0x20n });
    result();
    expect(view.getBigUint64(8, true)).toBe(0x10n); // modulo 2^64
    // repetitions: the old result each time
    give({ ...ADD, psn: 0, address: 8, swapAdd: 1n });
    expect(result()[1]).toBe(0x1_ffff_ffffn);
    give({ ...ADD, psn: 3, address: 8, swapAdd: 0x20n });
    expect(result()[1]).toBe(0xffff_ffff_ffff_fff0n);
    expect(view.getBigUint64(8, true)).toBe(0x10n);
    // a fifth pushes the first out of what is remembered
    give({ ...ADD, psn: 4, address: 8, swapAdd: 0n });
    answers();
    give({ ...ADD, psn: 0, address: 8, swapAdd: 1n });
    expect(answers()).toEqual([]);
    expect(dropped('duplicate')).toBe(1);
    expect(node.engine.counters.get('duplicate_atomics')).toBe(2);
  });

  it('never owes more than it has room for, and counts what it leaves out', () => {
    const { give, node, dropped } = responder({ attributes: { maxDestRdAtomic: 1 } });
    give({ ...ADD, psn: 0 });
    node.engine.transmit(0, { ...packetLike() } as never);
    for (let i = 0; i < 30; i++) {
      give({ ...READ, length: 4, psn: 1 + i });
      node.engine.transmit(0, { ...packetLike() } as never);
    }
    for (let n = 0; n < 2; n++) for (let i = 0; i < 30; i++) give({ ...READ, length: 4, psn: 1 + i });
    expect(node.engine.census()).toMatchObject({ returns: 12 });
    expect(dropped('no_resource')! + dropped('duplicate')!).toBe(60 - 12);
  });

  it('flushes the receive of a message that never ended when the queue pair goes', () => {
    const { rig, node, give, receive } = responder();
    receive();
    give(FIRST);
    node.engine.removeQueuePair(rig.now, 1);
    expect(node.completions).toMatchObject([{ status: Status.WR_FLUSH_ERR, receive: true, wrIdLo: 1 }]);
  });
});

function packetLike() {
  const bytes = new Uint8Array(64);
  return { bytes, view: new DataView(bytes.buffer), at: 0, slices: 0, reset() {}, gather() {}, payloadLength: () => 0 };
}

describe('a packet is dropped, and counted once (IBTA vol. 1 §9.6.1)', () => {
  const bad: [string, Fields | Uint8Array, number?][] = [
    ['short', new Uint8Array(11)],
    ['short', makePacket(WRITE).subarray(0, 24)],
    ['short', makePacket({ ...SEND, padCount: 3 })],
    ['version', { ...SEND, version: 1 }],
    ['opcode', { ...SEND, opcode: 0x15 }],
    ['opcode', { ...SEND, opcode: 0xff }],
    ['length', makePacket({ ...SEND, payload: pattern(8) }).subarray(0, 19)],
    ['length', { ...READ, payload: pattern(4) }],
    ['pkey', { ...SEND, pkey: 0x8001 }],
    ['qp', { ...SEND, destQp: 0x1002 }],
    ['service', { ...SEND, opcode: RoceOpcode.UC_SEND_ONLY }],
    ['service', { ...SEND, opcode: RoceOpcode.UD_SEND_ONLY }],
    ['path', SEND, 2],
    ['cnp', { opcode: RoceOpcode.CNP, becn: 1 }, 2],
  ];
  for (const [reason, packet, path = 1] of bad) {
    it(`${reason}`, () => {
      const { rig, node, receive } = responder();
      receive();
      rig.deliver(node, packet instanceof Uint8Array ? packet : makePacket(packet), path);
      const counts = Object.entries(node.engine.counters.toJSON()).filter(([, count]) => count > 0);
      expect(counts).toEqual([
        ['received_packets', 1],
        [`dropped_${reason}`, 1],
      ]);
      expect(rig.drain(node)).toEqual([]);
      expect(node.completions).toEqual([]);
    });
  }

  it('bad P_Key: two limited members do not speak to each other, a full and a limited one do', () => {
    for (const [own, other, isHeard] of [
      [0xffff, 0x7fff, true],
      [0x7fff, 0xffff, true],
      [0x7fff, 0x7fff, false],
      [0x8001, 0x8001, true],
      [0x8001, 0x8002, false],
    ] as const) {
      const { give, node, dropped, receive } = responder({ settings: { pkey: own } });
      receive();
      give({ ...SEND, pkey: other });
      expect([own, other, node.completions.length, dropped('pkey')]).toEqual([
        own,
        other,
        isHeard ? 1 : 0,
        isHeard ? 0 : 1,
      ]);
    }
  });
});
