import { describe, expect, it } from 'vitest';
import { WorkOpcode } from '../../../engine/status.ts';
import { EngineRig } from '../../../testing/engine-rig.ts';
import { AckCcx, NackCcx, NackCode, PdsType } from '../../../wire/uet/pds.ts';
import { uet } from '../index.ts';
import { AR, Bench, ControlType, fill, JOB, KEY, MTU, RETX, request, START, SYN } from '../rig-packets.testdata.ts';

describe('state of a layout of our own (ccState 3; uet:pds/2.9, uet:pds/2.11, uet:pds/8 D8)', () => {
  const own = { settings: { ccState: 3 } };
  const sentBy = (bench: Bench, ...packets: Uint8Array[]): DataView => {
    bench.give(...packets);
    const [first] = bench.rig.drain(bench.node);
    return new DataView(first!.bytes.buffer, first!.bytes.byteOffset, first!.bytes.length);
  };

  const opened = (): Bench => {
    const bench = new Bench(own);
    bench.id = sentBy(bench, request({ psn: START, flags: SYN | AR })).getUint16(8);
    bench.start = START;
    sentBy(bench, bench.control(ControlType.CREDIT_REQUEST, { payload: 900 }));
    return bench;
  };

  it('acknowledgements are ACK_CCX of 40 bytes: what is measured, then the credit; the response follows', () => {
    const bench = opened();
    const view = sentBy(bench, bench.request(1, { flags: AR | RETX }));
    const { type, ccxType, mpr, cackPsn } = AckCcx;
    expect([type.get(view, 0), ccxType.get(view, 0), mpr.get(view, 0)]).toEqual([PdsType.ACK_CCX, 14, 8]);
    expect(cackPsn.get(view, 0)).toBe(START + 1);
    expect(view.byteLength).toBe(40 + 12);
    // service time, penalty, two requests of 64 + 48 nominal bytes rounded up, nothing out of order; credit
    expect(view.getUint16(24)).toBeGreaterThan(0);
    expect(view.getUint32(26) & 0xff_ffff).toBeGreaterThan(0);
    expect(view.getUint16(30)).toBe(0);
    expect(view.getUint32(32) >>> 8).toBeGreaterThanOrEqual(900);
    expect(view.getUint32(36)).toBe(0);
  });

  it('refusals of a context are NACK_CCX of 32 bytes, those without one are not', () => {
    const bench = opened();
    const view = sentBy(bench, bench.request(2_000));
    const { type, nackCode, nackPsn, nccxType } = NackCcx;
    expect([type.get(view, 0), nackCode.get(view, 0), nccxType.get(view, 0)]).toEqual([
      12,
      NackCode.PSN_OOR_WINDOW,
      14,
    ]);
    expect(nackPsn.get(view, 0)).toBe(START + 2_000);
    expect(view.byteLength).toBe(32);
    expect(view.getUint32(16) & 0xff_ffff).toBeGreaterThan(0);
    expect(view.getUint32(24) >>> 8).toBeGreaterThanOrEqual(900);
    const other = sentBy(new Bench(own), request({ psn: START, dpdcid: 9 }));
    expect(other.byteLength).toBe(16);
  });

  it('is understood by the source: everything arrives over a link that loses packets', () => {
    const rig = new EngineRig(uet, { payloadMtu: MTU, settings: { ccState: 3 } });
    for (const node of [rig.a, rig.b]) {
      node.engine.addJob(JOB);
      node.addQueuePair(1);
    }
    const [from, to] = [fill(40 * MTU), new Uint8Array(40 * MTU)];
    rig.b.register(to, KEY);
    const region = rig.a.register(from, 1);
    rig.a.post(1, { opcode: WorkOpcode.RDMA_WRITE, region, length: from.length, rkeyLo: KEY });
    rig.a.engine.doorbell(rig.now, 1);
    let n = 0;
    rig.run({ forNanos: 1e9, lose: () => ++n % 7 === 0 });
    expect(to).toEqual(from);
  });
});
