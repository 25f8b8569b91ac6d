/** Every length and every byte of the packets that reliable delivery does not know, and of what opens contexts. */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../base/random.ts';
import { noAttributes } from '../../engine/engine.ts';
import { byteLength } from '../../wire/header.ts';
import { emit, type HeaderValues } from '../../wire/record.ts';
import {
  AckCcx,
  NackCcx,
  NegotiationSyn,
  NextHeader,
  PdsRequestCc,
  PdsType,
  RudiPacket,
  UudRequest,
} from '../../wire/uet/pds.ts';
import { SesOpcode } from '../../wire/uet/ses.ts';
import {
  AR,
  Bench,
  creating,
  KEY,
  PATH,
  PEER,
  readSes,
  request,
  responseSes,
  SAFE_HI,
  SAFE_KEY,
  START,
  SYN,
  writeSes,
} from './rig-packets.testdata.ts';

function packet<H extends Parameters<typeof emit>[0]>(
  header: H,
  values: HeaderValues<H>,
  ses: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const bytes = new Uint8Array(byteLength(header) + ses.length);
  emit(header, new DataView(bytes.buffer), 0, values as never);
  bytes.set(ses, byteLength(header));
  return bytes;
}

/** An engine with something of everything under way, and packets that mean something to it. */
function scene() {
  const bench = creating({ settings: { idempotentRequests: 0, tailLoss: 0 } });
  const { node } = bench;
  node.addQueuePair(2, { type: 'UD', attributes: { ...noAttributes(), qkey: 9 } });
  node.addQueuePair(3, { idempotent: true });
  const into = node.register(new Uint8Array(64), 0x99);
  for (let n = 0; n < 4; n++) node.postReceive(2, into, 0, 64, n);
  node.post(3, { opcode: 0, region: into, length: 8, rkeyLo: KEY, rkeyHi: SAFE_HI });
  node.post(3, { opcode: 4, region: into, length: 8, rkeyLo: KEY, rkeyHi: SAFE_HI });
  bench.engine.doorbell(bench.now, 3);
  const ids = bench.rig.drain(node).map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(4));
  const std = NextHeader.REQUEST_STD;
  const own = { spdcid: PEER, dpdcid: bench.id };
  const psn = bench.start;
  return {
    bench,
    packets: [
      packet(RudiPacket, { type: PdsType.RUDI_REQ, nextHeader: std, pktId: 7 }, writeSes({ memoryKey: SAFE_KEY })),
      packet(RudiPacket, { type: PdsType.RUDI_REQ, nextHeader: std, pktId: 7 }, readSes(40, { memoryKey: SAFE_KEY })),
      packet(RudiPacket, { type: PdsType.RUDI_RESP, nextHeader: NextHeader.RESPONSE, pktId: ids[0]! }, responseSes({})),
      packet(
        RudiPacket,
        { type: PdsType.RUDI_RESP, nextHeader: NextHeader.RESPONSE_DATA, pktId: ids.at(-1)! },
        new Uint8Array(28),
      ),
      packet(NackCcx, { type: PdsType.NACK_CCX, nackCode: 1, nt: 1, nackPsn: ids[0]!, nccxType: 14 }),
      packet(NackCcx, { ...own, type: PdsType.NACK_CCX, nackCode: 0x17, nackPsn: psn, payload: 5, nccxType: 14 }),
      packet(AckCcx, { ...own, type: PdsType.ACK_CCX, cackPsn: psn, mpr: 8, ccxType: 14 }),
      packet(
        UudRequest,
        { type: PdsType.UUD_REQ, nextHeader: std },
        writeSes({ opcode: SesOpcode.DATAGRAM_SEND, messageId: 0, resourceIndex: 2, memoryKey: 9 }),
      ),
      packet(
        PdsRequestCc,
        { ...own, type: PdsType.RUD_CC_REQ, nextHeader: std, syn: 1, psn: START, dpdcid: 0, creditTarget: 900 },
        writeSes({}),
      ),
      packet(NegotiationSyn, {
        ...{ type: PdsType.CP, ctlType: 9, syn: 1, ar: 1, psn: START, spdcid: 3 },
        ...{ negType: 1, negLength: 2, featureMask: 1 },
      }),
    ],
  };
}

function* changes(bytes: Uint8Array, random: SeededRandom): IterableIterator<Uint8Array> {
  for (let length = 0; length <= bytes.length; length++) yield bytes.slice(0, length);
  for (let at = 0; at < bytes.length; at++) {
    for (const value of [0, 0xff, bytes[at]! ^ 1, bytes[at]! ^ 0x80, random.below(256)]) {
      const changed = bytes.slice();
      changed[at] = value;
      yield changed;
    }
  }
  yield Uint8Array.from([...bytes, 1, 2, 3]);
}

describe('hostile packets of RUDI, UUD, CC forms, Negotiation and new starts (uet:pds/2.18, N04, N06)', () => {
  it('never throw, are all counted, and leave an engine that serves', () => {
    const random = new SeededRandom(11);
    const many = scene().packets.length;
    let given = 0;
    for (let which = 0; which < many; which++) {
      let { bench, packets } = scene();
      let count = 0;
      for (const changed of changes(packets[which]!, random)) {
        if (++count % 50 === 0) ({ bench, packets } = scene());
        const before = bench.engine.counters.values.reduce((a, b) => a + b, 0);
        bench.rig.deliver(bench.node, changed, random.chance(0.9) ? PATH : PATH + 1);
        bench.rig.drain(bench.node);
        const after = bench.engine.counters.values.reduce((a, b) => a + b, 0);
        expect(after).toBeGreaterThan(before);
        expect(bench.census('contexts')).toBeLessThan(60);
        given++;
      }
      const fresh = new Bench();
      expect(fresh.exchange(request({ psn: START, flags: SYN | AR }))).toMatchObject([{ kind: 'ack' }]);
      bench.rig.deliver(bench.node, request({ psn: START, flags: SYN | AR, spdcid: 0x4444 }), PATH + 2);
      expect(bench.take()).toMatchObject([{ kind: 'ack', psn: START, dpdcid: 0x4444 }]);
    }
    expect(given).toBeGreaterThan(2_000);
  });
});
