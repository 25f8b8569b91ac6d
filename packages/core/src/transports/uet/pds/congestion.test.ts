import { describe, expect, it } from 'vitest';
import { CongestionState, StateKind } from '../../../cc/controller.ts';
import { Packet } from '../../../engine/packet.ts';
import { byteLength } from '../../../wire/header.ts';
import { emit, type HeaderValues } from '../../../wire/record.ts';
import { Ack, AckCc, AckCcCredit, AckCcx, NackCcx, NackCode, PdsRequestCc, PdsType } from '../../../wire/uet/pds.ts';
import {
  AR,
  accepted,
  type Bench,
  type BenchOptions,
  ControlType,
  established,
  expectSent,
  isControl,
  MARKED,
  MS,
  MTU,
  PATH,
  PEER,
  RETX,
  START,
} from '../rig-packets.testdata.ts';
import { nominalBytes, readRefusalState, readState } from './congestion.ts';
import { DeliveryContext } from './delivery-context.ts';

function giveMarked(bench: Bench, bytes: Uint8Array): void {
  const packet = new Packet(bytes.slice());
  Object.assign(packet, { length: bytes.length, path: PATH, ecn: 3 });
  bench.engine.receive(bench.now, packet);
}

function bytesOf<H extends Parameters<typeof emit>[0]>(header: H, values: HeaderValues<H>): Uint8Array {
  const view = new DataView(new ArrayBuffer(byteLength(header)));
  emit(header, view, 0, values as never);
  return new Uint8Array(view.buffer);
}

/** Nominal size of the writes of 8 bytes that the played peer sends. */
const NOMINAL = 12 + 44 + 8 + 48;
const units = (bytes: number) => Math.ceil(bytes / 256);

describe('the nominal size of a packet (uet:pds/1.5)', () => {
  it('begins at the UDP header, or at the entropy header directly over IP', () => {
    const packet = new Packet(new Uint8Array(100));
    packet.length = 64;
    expect([nominalBytes(packet), nominalBytes(packet, 4)]).toEqual([64 + 8 + 40, 64 + 4 + 40]);
  });
});

describe('what a destination measures (uet:pds/2.8, uet:pds/1.5)', () => {
  it('rides in the acknowledgements that carry a bitmap: bytes of new packets, those out of order, time held', () => {
    const bench = accepted({ settings: { ackDelay: 2_560 } });
    bench.give(bench.request(2, { clear: START }), bench.request(2, { clear: START }));
    const sent = bench.exchange(bench.request(3, { clear: START, flags: AR }));
    expect(sent.at(-1)).toMatchObject({
      type: PdsType.ACK_CC,
      cc: { ccType: 0, serviceTime: 20, rcvdBytes: units(3 * NOMINAL), oooCount: 2 },
    });
  });

  it('rides in each acknowledgement when asked to, measured or as credit (uet:pds/4.5)', () => {
    const measured = accepted({ settings: { ccState: 1 } });
    const [sent] = measured.exchange(measured.request(1, { flags: AR }));
    expect(sent).toMatchObject({ type: PdsType.ACK_CC, cc: { ccType: 0, rcvdBytes: units(2 * NOMINAL), oooCount: 0 } });
    const credit = accepted({ settings: { ccState: 2 } });
    const wants = credit.request(1, { flags: AR });
    const cc = bytesOf(PdsRequestCc, {
      ...{ type: PdsType.RUD_CC_REQ, nextHeader: 3, ar: 1, clearPsnOffset: -1, psn: START + 1, spdcid: PEER },
      ...{ dpdcid: credit.id, cccId: 7, creditTarget: 900 },
    });
    const packet = new Uint8Array(cc.length + wants.length - 12);
    packet.set(cc);
    packet.set(wants.subarray(12), cc.length);
    expectSent(credit, credit.exchange(packet), [
      { kind: 'ack', type: PdsType.ACK_CC, psn: START + 1, cc: { ccType: 1, credit: 900 } } as never,
    ]);
  });

  it('answers a Credit Request with what it grants (uet:pds/2.13, R198)', () => {
    const bench = accepted();
    const ask = (payload: number) => bench.exchange(bench.control(ControlType.CREDIT_REQUEST, { payload }));
    expectSent(bench, ask(500), [{ ...isControl(ControlType.CREDIT), psn: 0, flags: 0, payload: 500 }]);
    expectSent(bench, ask(0xff_fff0), [{ payload: 500 }]); // behind what was granted
    expectSent(bench, ask(100_000), [{ payload: 16_384 + units(NOMINAL) }]); // a bound beyond what arrived
    expectSent(bench, bench.exchange(bench.control(ControlType.CREDIT, { payload: 9 })), []);
  });
});

describe('marks (uet:pds/2.4, uet:pds/4.5, R205)', () => {
  it('are echoed when one of the packets that an acknowledgement covers had one', () => {
    const bench = accepted();
    giveMarked(bench, bench.request(1));
    bench.give(bench.request(2));
    expectSent(bench, bench.take(), [{ kind: 'ack', psn: START + 2, flags: MARKED }]);
    expectSent(bench, bench.exchange(bench.request(3, { flags: AR })), [{ kind: 'ack', flags: 0 }]);
  });

  it('wait with the others when ACK_On_ECN is off', () => {
    const bench = accepted({ settings: { ackOnEcn: 0 } });
    giveMarked(bench, bench.request(1));
    expectSent(bench, bench.take(), []);
    expectSent(bench, bench.exchange(bench.request(2, { flags: AR })), [{ kind: 'ack', flags: MARKED }]);
  });

  /** How many of 200 packets are out at a time once `flags` were seen in answers to the first 8. */
  function window(flags: number, options: BenchOptions = {}): number {
    const bench = established({ ...options, settings: { tailLoss: 0 } });
    bench.postWrite(MTU * 200, 2);
    bench.take();
    for (let n = 1; n <= 8; n++) bench.give(bench.ack(n, { flags }));
    bench.take();
    const [row] = bench.engine.describeContexts();
    return row!.window;
  }

  it('make the source slow down, once for a round trip', () => {
    for (const ordered of [false, true]) {
      const [plain, slow] = [window(0, { ordered }), window(MARKED, { ordered })];
      expect(plain).toBe(64 + 1 + 8);
      expect(slow).toBeLessThan(plain);
      expect(slow).toBeGreaterThanOrEqual(Math.floor(((64 + 1) * 7) / 8));
    }
  });
});

describe('requests that tell the credit wanted (uet:pds/2.6)', () => {
  for (const ordered of [false, true]) {
    it(`are sent as ${ordered ? 'ROD_CC_REQ' : 'RUD_CC_REQ'} when asked for, also again`, () => {
      const bench = established({ ordered, settings: { ccRequests: 1, tailLoss: 0 } });
      bench.postWrite(MTU, 2);
      const [sent] = bench.take();
      expect(sent).toMatchObject({ kind: 'request', type: ordered ? PdsType.ROD_CC_REQ : PdsType.RUD_CC_REQ });
      expect(sent!.data).toHaveLength(MTU);
      expect(sent!.credit).toBeGreaterThan(0);
      const again = bench.pass(20 * MS).find(({ kind }) => kind === 'request');
      expect(again).toMatchObject({ type: sent!.type, flags: RETX | AR, data: sent!.data! });
    });
  }
});

describe('what a source reads (uet:pds/2.8, uet:pds/2.9, uet:pds/2.11)', () => {
  const context = new DeliveryContext(0, 16, 128);
  const read = (bytes: Uint8Array, type: number) => {
    const packet = new Packet(bytes);
    const state = new CongestionState();
    if (type === PdsType.NACK_CCX) readRefusalState(packet, state);
    else readState(packet, type, context, state);
    return state;
  };

  it('unwraps received bytes and keeps the newest', () => {
    const at = (rcvdBytes: number) =>
      read(bytesOf(AckCc, { serviceTime: 25, rcvdBytes, oooCount: 2, rcvCwndPend: 64, rc: 1 }), PdsType.ACK_CC);
    expect(at(0xff_ffff - 0x80_0000)).toMatchObject({ kind: StateKind.MEASURED, receivedBytes: 0x7f_ffff * 256 });
    expect(at(0xff_ffff)).toMatchObject({ receivedBytes: 0x7f_ffff * 256 }); // half the range: as old as new
    expect(at(0xff_0000)).toMatchObject({ receivedBytes: 0xff_0000 * 256, penalty: 64, restoresWindow: true });
    expect(at(5)).toMatchObject({ receivedBytes: 0x100_0005 * 256, serviceNs: 3200, outOfOrder: 2 });
    expect(at(4)).toMatchObject({ receivedBytes: 0x100_0005 * 256 });
  });

  it('knows credit, and passes on what it does not know', () => {
    const credit = bytesOf(AckCcCredit, { ccType: 1, credit: 1024, oooCount: 0xffff });
    expect(read(credit, PdsType.ACK_CC)).toMatchObject({ kind: StateKind.CREDIT, credit: 1024, outOfOrder: -1 });
    expect(read(bytesOf(AckCc, { ccType: 3 }), PdsType.ACK_CC)).toMatchObject({ kind: StateKind.NONE });
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
    const own = read(bytesOf(AckCcx, { ccxType: 14, ackCcxState: bytes }), PdsType.ACK_CCX);
    expect(own).toMatchObject({ kind: StateKind.PROPRIETARY, layout: 14 });
    expect([...own.bytes]).toEqual([...bytes]);
    expect(read(bytesOf(NackCcx, { nccxType: 15 }), PdsType.NACK_CCX)).toMatchObject({ layout: 15 });
  });

  it('uses ACK_CCX as acknowledgement and NACK_CCX as refusal, whatever their state says', () => {
    const bench = established({ settings: { tailLoss: 0 } });
    bench.postWrite(8, 2);
    bench.postWrite(8, 3);
    bench.take();
    const common = { spdcid: PEER, dpdcid: bench.id };
    const nack = { ...common, type: PdsType.NACK_CCX, nackCode: NackCode.TRIMMED, nackPsn: bench.start + 2 };
    bench.give(bytesOf(NackCcx, { ...nack, nccxType: 14 }));
    expectSent(bench, bench.take(), [{ psn: bench.start + 2, flags: RETX | AR }]);
    bench.give(bytesOf(AckCcx, { ...common, type: PdsType.ACK_CCX, cackPsn: bench.start + 2, ccxType: 14, mpr: 8 }));
    expect(bench.done.map(([id]) => id)).toEqual([2, 3]);
  });

  it('drops an acknowledgement that was trimmed: the time-out repairs it (uet:pds/5.5, uet:pds/8 D14)', () => {
    const bench = established();
    bench.postWrite(8, 2);
    bench.take();
    const packet = new Packet(
      bytesOf(Ack, { type: PdsType.ACK, cackPsn: bench.start + 1, spdcid: PEER, dpdcid: bench.id }),
    );
    Object.assign(packet, { length: 12, path: PATH, trimmed: true });
    bench.engine.receive(bench.now, packet);
    expect([bench.drops('trimmed'), bench.done.length]).toEqual([1, 0]);
  });
});
