/** Packets of ordered contexts that come ahead of their turn (uet:pds/5.4, uet:pds/8 D13). */
import { describe, expect, it } from 'vitest';
import { NackCode } from '../../../wire/uet/pds.ts';
import {
  AR,
  accepted,
  type Bench,
  ControlType,
  creating,
  established,
  fill,
  ISROD,
  MS,
  MTU,
  nextSes,
  RETX,
  START,
  writeSes,
} from '../rig-packets.testdata.ts';

/** A write of one byte, so that memory shows the order of execution. */
const put = (value: number, at: number) =>
  writeSes({ bufferOffset: BigInt(at), messageId: 100 + value }, Uint8Array.of(value));
const ordered = (settings: Record<string, number> = {}): Bench => accepted({ ordered: true, settings });
const early = (bench: Bench): number => bench.census('early_packets');

describe('a destination with room', () => {
  it('keeps what comes early, says so in a bitmap, acknowledges none of it, and executes all in order (uet:pds/5.4, uet:pds/4.6)', () => {
    const bench = ordered();
    const before = bench.memory.slice();
    const sent = bench.exchange(bench.request(2, { ses: put(2, 0), flags: AR }), bench.request(3, { ses: put(3, 0) }));
    expect(sent.map(({ kind }) => kind)).not.toContain('nack');
    expect(sent.at(-1)).toMatchObject({ kind: 'ack', cack: START, psn: START, sack: [START + 2, START + 3] });
    expect(bench.memory).toEqual(before);
    expect(early(bench)).toBe(2);
    bench.give(bench.request(1, { ses: put(1, 0), flags: AR }));
    expect(bench.memory[0]).toBe(3);
    expect(early(bench)).toBe(0);
    expect(bench.pass(5_000)).toMatchObject([{ kind: 'ack', cack: START + 3 }]);
    expect(bench.drops('out_of_order')).toBe(0);
  });

  it('calls the gap a loss when three wait behind it, once, and takes copies of what waits for duplicates (uet:pds/5.4, uet:pds/4.8)', () => {
    const bench = ordered();
    const packets = [2, 3, 4, 5].map((at) => bench.request(at, { ses: put(at, at) }));
    const nacks = bench.exchange(...packets).filter(({ kind }) => kind === 'nack');
    expect(nacks).toMatchObject([{ code: NackCode.ROD_OOO, psn: START + 4, payload: START + 1 }]);
    expect(bench.exchange(packets[0]!, packets[3]!).filter(({ kind }) => kind === 'nack')).toEqual([]);
    expect(bench.drops('duplicate')).toBe(2);
    expect(early(bench)).toBe(4);
    bench.give(bench.request(1, { ses: put(1, 1), flags: AR | RETX }));
    expect([...bench.memory.subarray(1, 6)]).toEqual([1, 2, 3, 4, 5]);
    expect(bench.pass(5_000).at(-1)).toMatchObject({ kind: 'ack', cack: START + 5 });
  });

  it('says that it works on what waits, and that the missing one never came, when asked (uet:pds/2.12, uet:pds/4.11)', () => {
    const bench = ordered();
    bench.exchange(bench.request(2, { ses: put(2, 0) }));
    const ask = (offset: number) =>
      bench.exchange(bench.control(ControlType.ACK_REQUEST, { psn: START + offset, flags: AR }));
    expect(ask(2)).toMatchObject([{ kind: 'nack', code: NackCode.RCVD_SES_PROCG, psn: START + 2 }]);
    expect(ask(1)).toMatchObject([{ kind: 'nack', code: NackCode.PKT_NOT_RCVD, psn: START + 1 }]);
  });

  it('puts a message together whose middle came first, and whose end came before another message (uet:pds/5.4, uet:ses/3)', () => {
    const bench = ordered();
    const whole = { messageId: 9, requestLength: 3 * MTU, bufferOffset: 0n };
    const piece = (n: number) => fill(MTU, n);
    const later = (n: number) => nextSes({ ...whole, messageOffset: n * MTU, eom: n === 2 ? 1 : 0 }, piece(n));
    bench.give(
      bench.request(4, { ses: put(7, 0) }),
      bench.request(2, { ses: later(1) }),
      bench.request(3, { ses: later(2) }),
    );
    bench.give(bench.request(1, { ses: writeSes({ ...whole, eom: 0 }, piece(0)) }));
    expect(bench.memory[0]).toBe(7);
    expect([...bench.memory.subarray(1, 3 * MTU)]).toEqual([...piece(0), ...piece(1), ...piece(2)].slice(1));
  });

  it('stops where a packet is refused, and goes on when that one comes again (uet:pds/4.3)', () => {
    const bench = ordered({ maxInboundMessages: 16, maxInboundPerPeer: 16 });
    const open = (id: number) => writeSes({ messageId: id, requestLength: 2 * MTU, eom: 0 }, fill(MTU));
    for (let id = 1; id <= 16; id++) bench.give(bench.request(id, { ses: open(id) }));
    bench.take();
    bench.give(bench.request(18, { ses: open(18) }), bench.request(19, { ses: put(5, 5) }));
    const sent = bench.exchange(bench.request(17, { ses: put(4, 4) }));
    expect(sent.find(({ kind }) => kind === 'nack')).toMatchObject({
      code: NackCode.NO_SES_MSG_AVAIL,
      psn: START + 18,
    });
    expect(bench.memory[4]).toBe(4);
    expect(early(bench)).toBe(1);
    bench.give(bench.request(18, { ses: put(6, 6), flags: AR | RETX }));
    expect([bench.memory[5], bench.memory[6]]).toEqual([5, 6]);
    expect(early(bench)).toBe(0);
  });
});

describe('a destination without room', () => {
  it('drops and refuses as if there were no buffer: none at all, its share used up, a control packet (uet:pds/5.4, N28)', () => {
    const none = ordered({ reorderBuffer: 0 });
    expect(none.exchange(none.request(2))).toMatchObject([
      { kind: 'nack', code: NackCode.ROD_OOO, payload: START + 1 },
    ]);
    expect(none.drops('out_of_order')).toBe(1);
    const little = ordered({ reorderBuffer: 8 });
    little.give(...[2, 3, 4, 5].map((at) => little.request(at)));
    expect(early(little)).toBe(2);
    expect(little.drops('out_of_order')).toBe(2);
    little.give(little.control(ControlType.NOOP, { psn: START + 6, flags: AR | ISROD }));
    expect(little.drops('out_of_order')).toBe(3);
  });

  it('frees what waits when its context ends (uet:pds/3.7)', () => {
    const bench = ordered({ idleTime: 50 * MS, closeRequestTime: 50 * MS });
    bench.give(bench.request(2), bench.request(3));
    expect(early(bench)).toBe(2);
    bench.pass(1_000 * MS);
    expect(bench.census('contexts')).toBe(0);
    expect(early(bench)).toBe(0);
  });
});

describe('a source', () => {
  it('goes back to the PSN told, and does not send again what the bitmap says is there (uet:pds/5.4, uet:pds/8 D13)', () => {
    const bench = creating({ ordered: true, settings: { tailLoss: 0 } }, 6);
    bench.give(bench.ack(0, { sack: [bench.start + 2, bench.start + 3], sackBase: bench.start + 1 }));
    bench.take();
    bench.give(bench.nack(NackCode.ROD_OOO, 3, { payload: bench.start + 1 }));
    const again = bench.take().filter(({ flags }) => (flags & RETX) !== 0);
    expect(again.map(({ psn }) => psn - bench.start)).toEqual([1, 4, 5]);
  });

  it('sends everything again after a time-out, whatever was said to be there (uet:pds/5.1, N17)', () => {
    const bench = creating({ ordered: true, settings: { tailLoss: 0 } }, 4);
    bench.give(bench.ack(0, { sack: [bench.start + 2, bench.start + 3], sackBase: bench.start + 1 }));
    const again = bench.pass(100 * MS).filter(({ kind, flags }) => kind === 'request' && (flags & RETX) !== 0);
    expect(new Set(again.map(({ psn }) => psn - bench.start))).toEqual(new Set([1, 2, 3]));
  });

  it('takes ROD_OOO on an ordered context only, and not for what it has just sent again (uet:pds/2.12, N06)', () => {
    const unordered = established();
    unordered.postWrite(4 * MTU, 2);
    unordered.take();
    unordered.give(unordered.nack(NackCode.ROD_OOO, 3, { payload: unordered.start + 1 }));
    expect(unordered.take()).toEqual([]);
    expect(unordered.drops('nack_code')).toBe(1);
    const bench = creating({ ordered: true, settings: { tailLoss: 0 } }, 4);
    const lost = bench.nack(NackCode.ROD_OOO, 3, { payload: bench.start });
    bench.give(bench.ack(-1, { psn: bench.start - 1 }));
    bench.give(lost);
    expect(bench.take()).toHaveLength(4);
    for (let n = 0; n < 100; n++) bench.give(lost);
    expect(bench.take()).toEqual([]);
  });
});
