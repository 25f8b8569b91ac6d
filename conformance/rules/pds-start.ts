/** How a delivery context begins, with the endpoint as target. @spec uet:pds/3.1 to 3.4 */
import { ControlType, NackCode, NextHeader, PdsType, ReturnCode } from '@verbena/core/wire';
import { claim, topic } from '../rule.ts';
import { fill, NO_BODY, response } from '../tester/packets.ts';

const rule = topic('pds-start', 'pds');
const OK = { code: ReturnCode.OK };

export const PDS_START = [
  rule(
    'syn-acked',
    '3.3',
    'a packet with SYN is answered at once, also without AR, and the answer names the new context',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write(), { ar: false });
      const { spdcid } = await peer.wantAck(0, { dpdcid: peer.id, cack: 0, ...OK });
      claim(spdcid !== 0, 'a PDCID that is not 0', spdcid);
    },
  ),
  rule('zero-rtt', '3.3', 'the data of the first packet is delivered with it', async (t) => {
    await t.opened();
    const bytes = await t.readBack(8);
    claim(
      Buffer.compare(bytes, fill(8)) === 0,
      'the 8 bytes of the first packet in memory',
      Buffer.from(bytes).toString('hex'),
    );
  }),
  rule(
    'established',
    '3.3',
    'once the number of the context is known, packets without SYN that name it are taken',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write());
      await peer.wantAck(1, { ...OK, cack: 1, spdcid: peer.remote });
    },
  ),
  rule('several-syn', '3.3', 'several packets with SYN before the first answer belong to one context', async (t) => {
    const peer = t.opens();
    for (let n = 0; n < 4; n++) peer.send(t.write());
    const seen = await peer.wantCack(3);
    for (const one of t.lane.log)
      claim(one.spdcid === seen.spdcid, 'one PDCID in all answers', `${one.spdcid} and ${seen.spdcid}`);
  }),
  rule(
    'syn-any-first',
    '3.3',
    'on an unordered context any of the first packets can be the one that opens it',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write(), { at: 3 });
      await peer.wantAck(3, { cack: -1 });
      for (const at of [0, 1, 2]) peer.send(t.write(), { at });
      await peer.wantCack(3);
    },
  ),
  rule(
    'syn-offset-largest',
    '2.5',
    'an offset of up to 4095 between a packet with SYN and the first PSN is taken',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write(), { at: 4095 });
      const seen = await peer.want('nack', {}, { nackCode: NackCode.PSN_OOR_WINDOW, psn: 4095 }).catch(() => undefined);
      if (seen === undefined)
        claim(
          t.lane.log.some(({ kind, cack }) => kind === 'ack' && cack === peer.psn(-1)),
          'an ACK or PSN_OOR_WINDOW',
          'neither',
        );
    },
    { level: 'should' },
  ),
  rule('start-psn', '3.3', 'PSNs of a context begin where its first packet says, also across 2^32', async (t) => {
    const peer = t.opens({ start: 0xffff_fffe });
    peer.send(t.write());
    await peer.wantAck(0, { cack: 0, ...OK });
    for (let n = 0; n < 4; n++) peer.send(t.write());
    await peer.wantCack(4);
  }),
  rule('syn-again', '3.4', 'the same packet with SYN again makes no second context', async (t) => {
    const peer = t.opens();
    const body = t.write();
    peer.send(body);
    const { spdcid } = await peer.wantAck(0);
    peer.send(body, { at: 0, syn: true, retx: true });
    await peer.wantAck(0, { spdcid });
  }),
  rule('syn-late', '3.3', 'a new packet that still has SYN is taken on the context that is there', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { syn: true });
    await peer.wantAck(1, { spdcid: peer.remote, cack: 1, ...OK });
  }),
  rule('two-contexts', '3.2', 'two contexts between the same endpoints have numbers of their own', async (t) => {
    const [one, other] = [await t.opened(), await t.opened()];
    claim(one.remote !== other.remote, 'two PDCIDs', one.remote);
    one.send(t.write());
    other.send(t.write());
    await one.wantAck(1, OK);
    await other.wantAck(1, OK);
  }),
  rule(
    'pdcid-per-peer',
    '3.4',
    'a context is found by the address of its peer as well: the same PDCID of another is another context',
    async (t) => {
      const one = await t.opened({ id: 0x4242 });
      const other = await t.opened();
      other.send(t.write(), { spdcid: 0x4242 });
      await one.want('nack', {}, { nackCode: NackCode.PDC_HDR_MISMATCH });
      one.isClosed = true;
    },
    { level: 'choice' },
  ),
  rule(
    'syn-out-of-window',
    '3.4',
    'a SYN for a known context with a PSN far outside of its window is refused as INVALID_SYN',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { at: 0x10_0000, syn: true });
      await peer.wantNack(NackCode.INVALID_SYN, 0x10_0000);
      peer.next = 1;
      await t.wantAlive(peer);
    },
  ),
  rule(
    'syn-other-start',
    '3.4',
    'a SYN for a known context that claims another first PSN does not disturb it',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { at: 1, syn: true, start: -7 });
      await peer.wantNack(NackCode.INVALID_SYN, 1);
      peer.next = 1;
      await t.wantAlive(peer);
    },
    { level: 'choice' },
  ),
  rule(
    'syn-other-mode',
    '3.4',
    'a SYN for a known context in another delivery mode is refused as PDC_MODE_MISMATCH',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { syn: true, at: 1, type: PdsType.ROD_REQ });
      await peer.wantNack(NackCode.PDC_MODE_MISMATCH, 1);
    },
  ),
  rule(
    'type-other-mode',
    '3.4',
    'a packet of the other mode on an established context is refused as PDC_MODE_MISMATCH',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { at: 1, type: PdsType.ROD_REQ });
      await peer.wantNack(NackCode.PDC_MODE_MISMATCH, 1);
    },
  ),
  rule(
    'syn-no-request',
    '3.4',
    'a SYN packet without a semantic request opens nothing: PDC_HDR_MISMATCH, no context',
    async (t) => {
      const peer = t.opens();
      peer.send(response({ returnCode: 1 }));
      await peer.wantNack(NackCode.PDC_HDR_MISMATCH, 0, { spdcid: 0 });
    },
  ),
  rule('syn-no-header', '3.4', 'a SYN packet that announces no semantic header opens nothing', async (t) => {
    const peer = t.opens();
    peer.send(NO_BODY);
    await peer.wantNack(NackCode.PDC_HDR_MISMATCH, 0, { spdcid: 0 });
  }),
  rule('syn-cut-header', '2.18', 'a SYN packet whose semantic header is cut short opens nothing', async (t) => {
    const peer = t.opens();
    peer.send(t.write(), { patch: (bytes) => bytes.slice(0, 40) });
    await peer.wantNack(NackCode.PDC_HDR_MISMATCH, 0, { spdcid: 0 });
  }),
  rule(
    'no-context',
    '3.8',
    'a packet without SYN for a context that is not there is refused as INV_DPDCID, by no context',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write(), { syn: false, dpdcid: 0x1234 });
      await peer.wantNack(NackCode.INV_DPDCID, 0, { spdcid: 0 });
    },
  ),
  rule('dpdcid-zero', '2.18', 'a packet without SYN that names context 0 is refused as INV_DPDCID', async (t) => {
    const peer = t.opens();
    peer.send(t.write(), { syn: false, dpdcid: 0 });
    await peer.wantNack(NackCode.INV_DPDCID, 0, { spdcid: 0 });
  }),
  rule('spdcid-zero', '2.18', 'a request from PDCID 0 is dropped', async (t) => {
    const peer = t.opens();
    peer.send(t.write(), { spdcid: 0 });
    await t.quiet();
  }),
  rule(
    'spdcid-other',
    '2.12',
    'a packet from another context than the one that it names belongs to: PDC_HDR_MISMATCH',
    async (t) => {
      const peer = await t.opened();
      const other = t.opens();
      other.send(t.write(), { syn: false, dpdcid: peer.remote });
      await other.wantNack(NackCode.PDC_HDR_MISMATCH, 0);
      await t.wantAlive(peer);
    },
  ),
  rule('noop-opens', '3.3', 'a NOOP with SYN opens a context; the answer has no semantic content', async (t) => {
    const peer = t.opens();
    peer.control(ControlType.NOOP, { syn: true });
    await peer.wantAck(0, { next: NextHeader.NONE, cack: 0 });
    await t.wantAlive(peer);
  }),
  rule('noop-isrod', '2.4', 'the flag isrod of a NOOP that opens a context makes it an ordered one', async (t) => {
    const peer = t.opens({ ordered: true });
    peer.control(ControlType.NOOP, { syn: true, isrod: true });
    await peer.wantAck(0, { next: NextHeader.NONE });
    peer.send(t.write(), { type: PdsType.ROD_REQ });
    await peer.wantAck(1, OK);
    peer.send(t.write(), { type: PdsType.RUD_REQ });
    await peer.wantNack(NackCode.PDC_MODE_MISMATCH, 2);
  }),
  rule('negotiation-opens', '2.13', 'a Negotiation with SYN opens a context', async (t) => {
    const peer = t.opens();
    peer.negotiate(1);
    await peer.wantAck(0, { next: NextHeader.NONE });
    await t.wantAlive(peer);
  }),
  rule(
    'control-no-syn',
    '3.4',
    'a control packet that cannot open a context is refused with SYN as PDC_MODE_MISMATCH',
    async (t) => {
      const peer = t.opens();
      peer.control(ControlType.PROBE, { syn: true });
      await peer.want('nack', {}, { nackCode: NackCode.PDC_MODE_MISMATCH });
    },
  ),
  rule(
    'rod-start',
    '3.3',
    'an ordered context is opened by its first packet',
    async (t) => {
      const peer = t.opens({ ordered: true });
      peer.send(t.write());
      await peer.wantAck(0, OK);
    },
    { needs: ['ordered'] },
  ),
  rule(
    'rod-start-late',
    '3.4',
    'a later packet with SYN does not open an ordered context: ROD_OOO tells where to begin',
    async (t) => {
      const peer = t.opens({ ordered: true });
      peer.send(t.write(), { at: 2 });
      const { payload } = await peer.wantNack(NackCode.ROD_OOO, 2);
      claim(payload === peer.psn(0), `the first PSN ${peer.psn(0)}`, payload);
    },
    { needs: ['ordered'] },
  ),
  rule(
    'pdc-info-ignored',
    '8 D7',
    'the four bits beside the PSN offset are ignored',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write(), { pdcInfo: 0xf });
      await peer.wantAck(0, OK);
    },
    { level: 'choice' },
  ),
  rule('reserved-flags', '2.4', 'reserved flags of a request are ignored', async (t) => {
    const peer = t.opens();
    peer.send(t.write(), { flags: 0x63 });
    await peer.wantAck(0, OK);
  }),
  rule('cc-request', '2.6', 'the CC forms of requests are taken like the others', async (t) => {
    const peer = t.opens();
    peer.send(t.write(), { type: PdsType.RUD_CC_REQ, creditTarget: 100 });
    await peer.wantAck(0, OK);
    peer.send(t.write(), { type: PdsType.RUD_REQ });
    await peer.wantAck(1, OK);
  }),
  rule(
    'rod-cc-request',
    '2.6',
    'the ordered CC form opens an ordered context',
    async (t) => {
      const peer = t.opens({ ordered: true });
      peer.send(t.write(), { type: PdsType.ROD_CC_REQ });
      await peer.wantAck(0, OK);
      peer.send(t.write(), { type: PdsType.ROD_REQ });
      await peer.wantAck(1, OK);
    },
    { needs: ['ordered'] },
  ),
  rule(
    'no-pdc-avail',
    '2.12',
    'a SYN beyond the share of contexts is refused as NO_PDC_AVAIL, and taken when one was closed',
    async (t) => {
      const [one, two] = [await t.opened(), await t.opened()];
      const three = t.opens();
      three.send(t.write());
      await three.wantNack(NackCode.NO_PDC_AVAIL, 0, { spdcid: 0 });
      one.control(ControlType.CLOSE_COMMAND);
      await one.wantAck(1);
      three.send(t.write(), { at: 0, retx: true });
      await three.wantAck(0, OK);
      await t.wantAlive(two);
    },
    { on: 'crowded' },
  ),
  rule(
    'no-ccc-avail',
    '2.12',
    'a SYN for which no congestion context is free is refused as NO_CCC_AVAIL',
    async (t) => {
      await t.opened();
      const two = t.opens();
      two.send(t.write());
      await two.wantNack(NackCode.NO_CCC_AVAIL, 0, { spdcid: 0 });
    },
    { on: 'cccs' },
  ),
  rule(
    'no-bitmap',
    '2.12',
    'a SYN for which no receive window is free is refused as NO_BITMAP',
    async (t) => {
      await t.opened();
      const two = t.opens();
      two.send(t.write());
      await two.wantNack(NackCode.NO_BITMAP, 0, { spdcid: 0 });
    },
    { on: 'bitmaps' },
  ),
  rule(
    'new-start-psn',
    '3.6',
    'a target that wants proof refuses a start with NEW_START_PSN, names no context, and takes the start that it told',
    async (t) => {
      const peer = t.opens();
      const body = t.write();
      peer.send(body);
      const { payload } = await peer.wantNack(NackCode.NEW_START_PSN, 0, { spdcid: 0 });
      peer.start = payload;
      peer.send(body, { at: 0, retx: true });
      await peer.wantAck(0, OK);
    },
    { on: 'wary' },
  ),
  rule(
    'new-start-psn-other',
    '3.6',
    'another start than the one that was told is refused again',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write());
      const { payload } = await peer.wantNack(NackCode.NEW_START_PSN, 0);
      peer.start = payload;
      peer.send(t.write(), { at: 0, start: 1 });
      await peer.wantNack(NackCode.NEW_START_PSN, 0, { spdcid: 0 });
    },
    { on: 'wary' },
  ),
  rule(
    'new-start-psn-other-context',
    '3.6',
    'the start that was told to one context is not good for another',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write());
      const { payload } = await peer.wantNack(NackCode.NEW_START_PSN, 0);
      const other = t.opens({ start: payload });
      other.send(t.write());
      await other.wantNack(NackCode.NEW_START_PSN, 0, { spdcid: 0 });
    },
    { on: 'wary', level: 'choice' },
  ),
  rule(
    'nothing-delivered-unproven',
    '3.6',
    'data of a start that was refused is not delivered',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write({}, fill(8, 99)));
      const { payload } = await peer.wantNack(NackCode.NEW_START_PSN, 0);
      peer.start = payload;
      peer.send(t.read(8), { at: 0 });
      const { data } = await peer.wantAck(0, OK);
      claim(Buffer.compare(data, fill(8, 99)) !== 0, 'memory as it was', 'the refused data');
    },
    { on: 'wary', needs: ['read'] },
  ),
];
