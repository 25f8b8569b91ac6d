/** Ordered delivery, and what is refused on any context. @spec uet:pds/5.4 · uet:pds/2.12 */
import { NackCode, PdsType, ReturnCode } from '@verbena/core/wire';
import { claim, topic } from '../rule.ts';
import { fill, NO_BODY, nackPacket, response, responseData } from '../tester/packets.ts';

const rule = topic('pds-ordered', 'pds', { needs: ['ordered'] });
const refusal = topic('pds-refusal', 'pds');
const OK = { code: ReturnCode.OK };

export const PDS_ORDERED = [
  rule('in-order', '5.4', 'packets in order are taken and acknowledged', async (t) => {
    const peer = await t.opened({ ordered: true });
    for (let n = 0; n < 5; n++) peer.send(t.write());
    await peer.wantCack(5);
  }),
  rule(
    'ahead',
    '5.4',
    'a packet ahead of its turn is refused as ROD_OOO, or kept and told by a bitmap; the cumulative PSN stays',
    async (t) => {
      const peer = await t.opened({ ordered: true });
      peer.send(t.write(), { at: 3 });
      const { kind, nackCode, cack, sack } = await peer.wantAny();
      if (kind === 'nack') claim(nackCode === NackCode.ROD_OOO, 'ROD_OOO', nackCode);
      else claim(kind === 'ack' && cack === 0 && sack.includes(3), 'an ACK_CC at +0 with +3 in its bitmap', kind);
    },
  ),
  rule(
    'missing-comes',
    '5.4',
    'when the missing packet comes, and those behind it again if they were refused, all are taken',
    async (t) => {
      const peer = await t.opened({ ordered: true });
      const bodies = [1, 2, 3].map(() => t.write());
      peer.send(bodies[1]!, { at: 2 });
      await peer.wantAny();
      bodies.forEach((body, n) => void peer.send(body, { at: 1 + n, retx: n < 2 }));
      await peer.wantCack(3);
    },
  ),
  rule(
    'not-delivered-early',
    '5.4',
    'what came ahead of its turn is delivered only in its turn',
    async (t) => {
      const peer = await t.opened({ ordered: true });
      const later = t.write({}, fill(8, 50));
      peer.send(later, { at: 2 });
      await peer.wantAny();
      const early = await t.readBack(8);
      claim(Buffer.compare(early, fill(8)) === 0, 'memory as it was', 'the packet that came too early');
      peer.send(t.write({}, fill(8, 60)), { at: 1 });
      peer.send(later, { at: 2, retx: true });
      await peer.wantCack(2);
      const bytes = await t.readBack(8);
      claim(Buffer.compare(bytes, fill(8, 50)) === 0, 'the later write last', 'the earlier one');
    },
    { needs: ['ordered', 'read'] },
  ),
  rule(
    'out-of-order',
    '5.4',
    'without room to keep it a packet ahead of its turn is refused as ROD_OOO, with the PSN that is expected',
    async (t) => {
      const peer = await t.opened({ ordered: true });
      peer.send(t.write(), { at: 3 });
      const { payload } = await peer.wantNack(NackCode.ROD_OOO, 3);
      claim(payload === peer.psn(1), `expected PSN ${peer.psn(1)}`, payload);
    },
    { on: 'goback' },
  ),
  rule(
    'one-nack',
    '5.4',
    'further packets behind the same gap are dropped in silence',
    async (t) => {
      const peer = await t.opened({ ordered: true });
      for (let n = 0; n < 6; n++) peer.send(t.write(), { at: 3 + n });
      await peer.wantNack(NackCode.ROD_OOO, 3);
      await new Promise((resolve) => setTimeout(resolve, t.silenceMs));
      const more = t.lane.log.filter(({ kind }) => kind === 'nack').length;
      claim(more <= 2, 'one NACK for the gap', `${more} of them`);
    },
    { level: 'should', on: 'goback' },
  ),
  rule(
    'go-back',
    '5.4',
    'after ROD_OOO everything from the expected PSN on is taken again',
    async (t) => {
      const peer = await t.opened({ ordered: true });
      const bodies = [1, 2, 3, 4].map(() => t.write());
      peer.send(bodies[2]!, { at: 3 });
      await peer.wantNack(NackCode.ROD_OOO, 3);
      bodies.forEach((body, n) => void peer.send(body, { at: 1 + n, retx: true }));
      await peer.wantCack(4);
    },
    { on: 'goback' },
  ),
  rule('duplicate', '4.8', 'a duplicate on an ordered context is acknowledged, not refused', async (t) => {
    const peer = await t.opened({ ordered: true });
    const body = t.write();
    peer.send(body);
    await peer.wantAck(1);
    peer.send(body, { at: 1, retx: true });
    await peer.wantAck(1, { cack: 1, ...OK });
  }),
  rule('acks-in-order', '5.4', 'acknowledgements of an ordered context come in the order of PSNs', async (t) => {
    const peer = await t.opened({ ordered: true });
    for (let n = 0; n < 12; n++) peer.send(t.write());
    await peer.wantCack(12);
    const psns = t.lane.log.filter(({ kind }) => kind === 'ack').map(({ psn }) => (psn - peer.start) | 0);
    claim(
      psns.every((psn, i) => i === 0 || psn >= psns[i - 1]!),
      'rising PSNs',
      psns.join(' '),
    );
  }),
  rule('window', '4.3', 'a PSN outside of the window is refused as PSN_OOR_WINDOW, not as out of order', async (t) => {
    const peer = await t.opened({ ordered: true });
    peer.send(t.write(), { at: 0x2_0000 });
    await peer.wantNack(NackCode.PSN_OOR_WINDOW, 0x2_0000);
  }),

  refusal('retx-copied', '2.12', 'a NACK copies the flag retx of the packet', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { at: 0x2_0000, retx: true });
    await peer.wantNack(NackCode.PSN_OOR_WINDOW, 0x2_0000, { retx: true });
    peer.send(t.write(), { at: 0x2_0000 });
    await peer.wantNack(NackCode.PSN_OOR_WINDOW, 0x2_0000, { retx: false });
  }),
  refusal('fields', '2.10', 'a NACK of a context names it; nt and the vendor code are 0', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { at: 0x2_0000 });
    const expected = { spdcid: peer.remote, dpdcid: peer.id, nt: false, vendorCode: 0, next: 0 };
    await peer.wantNack(NackCode.PSN_OOR_WINDOW, 0x2_0000, expected);
  }),
  refusal('not-answered', '2.12', 'a NACK is never answered, not even for a context that is not there', async (t) => {
    t.lane.send(nackPacket({ nackCode: NackCode.NO_RESOURCE, nackPsn: 1, spdcid: 9, dpdcid: 0x4321 }));
    await t.quiet();
  }),
  refusal('of-target', '2.12', 'a NACK for a PSN that was not sent changes nothing', async (t) => {
    const peer = await t.opened();
    peer.nack(NackCode.INV_DPDCID, 77);
    await t.wantAlive(peer);
  }),
  refusal('next-header', '2.18', 'a request that announces a response is refused as PDC_HDR_MISMATCH', async (t) => {
    const peer = await t.opened();
    peer.send(response({ returnCode: 1 }));
    await peer.wantNack(NackCode.PDC_HDR_MISMATCH, 1);
  }),
  refusal('next-header-none', '2.18', 'so is one that announces nothing', async (t) => {
    const peer = await t.opened();
    peer.send(NO_BODY);
    await peer.wantNack(NackCode.PDC_HDR_MISMATCH, 1);
  }),
  refusal('next-header-reserved', '2.18', 'and one that announces a header that is reserved', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { next: 9 });
    await peer.wantNack(NackCode.PDC_HDR_MISMATCH, 1);
  }),
  refusal(
    'data-forward',
    '2.2',
    'read data belongs to the return direction: in the forward one it is refused',
    async (t) => {
      const peer = await t.opened();
      peer.send(responseData({ readRequestMessageId: 1 }, fill(8)));
      await peer.wantNack(NackCode.PDC_HDR_MISMATCH, 1);
    },
  ),
  refusal('header-cut', '2.18', 'a semantic header that is cut short is refused as PDC_HDR_MISMATCH', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { patch: (bytes) => bytes.slice(0, 12 + 43) });
    await peer.wantNack(NackCode.PDC_HDR_MISMATCH, 1);
  }),
  ...[0, 15, 23, 31].map((type) =>
    refusal(`type-${type}`, '2.18', `a packet of type ${type}, which is reserved, is dropped`, async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { at: 1, patch: (bytes) => bytes.with(0, (type << 3) | (bytes[0]! & 7)) });
      await peer.quiet();
      peer.next = 1;
      await t.wantAlive(peer);
    }),
  ),
  ...[1, 2, 11].map((length) =>
    refusal(`short-${length}`, '2.18', `a request of ${length} bytes is dropped`, async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { at: 1, patch: (bytes) => bytes.slice(0, length) });
      await peer.quiet();
      peer.next = 1;
      await t.wantAlive(peer);
    }),
  ),
  refusal('empty', '2.18', 'an empty datagram is dropped', async (t) => {
    const peer = await t.opened();
    t.lane.sendRaw(new Uint8Array());
    await peer.quiet();
    await t.wantAlive(peer);
  }),
  refusal(
    'ack-as-request',
    '2.2',
    'an acknowledgement on a context without anything to acknowledge changes nothing',
    async (t) => {
      const peer = await t.opened();
      peer.ack(5);
      await t.wantAlive(peer);
    },
  ),
  refusal(
    'inferred-loss',
    '5.3',
    'a destination that infers losses says RCVR_INFER_LOSS for the packet that is missing',
    async (t) => {
      const peer = await t.opened();
      for (let n = 2; n < 9; n++) peer.send(t.write(), { at: n, ar: false });
      await peer.wantNack(NackCode.RCVR_INFER_LOSS, 1);
      peer.send(t.write(), { at: 1, retx: true });
      await peer.wantCack(8);
    },
    { on: 'inferring' },
  ),
  refusal(
    'no-message-room',
    '2.12',
    'with no room for the state of a message its first packet is refused as NO_SES_MSG_AVAIL and may come again',
    async (t) => {
      const peer = await t.opened();
      const messages = Array.from({ length: 17 }, () => t.message(t.mtu + 8));
      for (const [first] of messages) peer.send(first!);
      const { psn } = await peer.want('nack', {}, { nackCode: NackCode.NO_SES_MSG_AVAIL });
      claim(psn === 17, 'the seventeenth message', psn);
      peer.send(messages[0]![1]!, { at: 18 });
      await peer.wantAck(18, OK);
      peer.send(messages[16]![0]!, { at: 17, retx: true });
      await peer.wantAck(17);
    },
    { on: 'crowded' },
  ),
  refusal('mode-kept', '3.2', 'a context keeps its delivery mode also for CC requests', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { type: PdsType.ROD_CC_REQ });
    await peer.wantNack(NackCode.PDC_MODE_MISMATCH, 1);
  }),
];
