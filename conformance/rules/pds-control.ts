/** Control packets, with the endpoint as their receiver. @spec uet:pds/2.13 */
import { ControlType, NackCode, NextHeader, PdsType, ReturnCode, SesResponseOpcode } from '@verbena/core/wire';
import { claim, topic } from '../rule.ts';
import { controlPacket } from '../tester/packets.ts';

const rule = topic('pds-control', 'pds');
const PLAIN = { next: NextHeader.NONE };

export const PDS_CONTROL = [
  rule('noop', '2.13', 'a NOOP takes a PSN and is acknowledged without semantic content', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.NOOP);
    await peer.wantAck(1, { cack: 1, ...PLAIN });
    await t.wantAlive(peer);
  }),
  rule('noop-repeated', '2.13', 'a repeated NOOP is a duplicate, and acknowledged again', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.NOOP);
    await peer.wantAck(1);
    peer.control(ControlType.NOOP, { at: 1, retx: true });
    await peer.wantAck(1, { cack: 1 });
  }),
  rule('noop-window', '2.13', 'a NOOP outside of the window is refused like a request', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.NOOP, { at: 0x2_0000 });
    await peer.wantNack(NackCode.PSN_OOR_WINDOW, 0x2_0000);
  }),
  rule(
    'ack-request',
    '4.11',
    'an ACK Request for a PSN that was received is answered by its acknowledgement',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { ar: false });
      peer.control(ControlType.ACK_REQUEST, { at: 1, ar: true });
      await peer.wantAck(1, { answer: SesResponseOpcode.DEFAULT_RESPONSE });
    },
  ),
  rule(
    'ack-request-no-ar',
    '8 D11',
    'AR or not makes no difference to an ACK Request',
    async (t) => {
      const peer = await t.opened();
      peer.control(ControlType.ACK_REQUEST, { at: 0, ar: false });
      await peer.wantAck(0);
    },
    { level: 'choice' },
  ),
  rule('ack-request-stored', '4.11', 'for an answer that was kept it brings that answer', async (t) => {
    const peer = await t.opened();
    peer.send(t.write({ memoryKey: 1n }));
    await peer.wantAck(1, { code: ReturnCode.BAD_MKEY });
    peer.control(ControlType.ACK_REQUEST, { at: 1, ar: true });
    await peer.wantAck(1, { answer: SesResponseOpcode.RESPONSE, code: ReturnCode.BAD_MKEY, cack: 0 });
  }),
  rule('ack-request-missing', '4.11', 'for a PSN that never came it is refused as PKT_NOT_RCVD', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.ACK_REQUEST, { at: 5, ar: true });
    await peer.wantNack(NackCode.PKT_NOT_RCVD, 5);
    peer.next = 1;
    await t.wantAlive(peer);
  }),
  rule('ack-request-gap', '4.11', 'also when later ones came', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { at: 2 });
    await peer.wantAck(2);
    peer.control(ControlType.ACK_REQUEST, { at: 1, ar: true });
    await peer.wantNack(NackCode.PKT_NOT_RCVD, 1);
  }),
  rule('ack-request-no-psn', '2.13', 'an ACK Request takes no PSN', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.ACK_REQUEST, { at: 0, ar: true });
    await peer.wantAck(0);
    peer.next = 1;
    await t.wantAlive(peer);
  }),
  rule('probe', '4.11', 'a Probe is answered by an ACK_CC that returns its number', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.PROBE, { probeOpaque: 0xbeef, payload: peer.psn(1) });
    await peer.want('ack', { probed: true }, { type: PdsType.ACK_CC, opaque: 0xbeef, cack: 0, ...PLAIN });
  }),
  rule('probe-base', '4.11', 'its bitmap begins where the Probe asked', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { at: 5 });
    await peer.wantAck(5);
    peer.control(ControlType.PROBE, { payload: peer.psn(4) });
    await peer.want('ack', { probed: true }, { sackBase: 4, sack: [5] });
  }),
  rule(
    'probe-no-psn',
    '8 D31',
    'a Probe takes no PSN',
    async (t) => {
      const peer = await t.opened();
      peer.control(ControlType.PROBE, { payload: peer.psn(1) });
      await peer.want('ack', { probed: true }, {});
      await t.wantAlive(peer);
    },
    { level: 'choice' },
  ),
  rule('probe-unknown', '2.13', 'a Probe for a context that is not there is dropped', async (t) => {
    const peer = t.opens();
    peer.control(ControlType.PROBE, { dpdcid: 0x1234 });
    await t.quiet();
  }),
  rule('unknown-context', '2.13', 'a NOOP for a context that is not there is refused as INV_DPDCID', async (t) => {
    const peer = t.opens();
    peer.control(ControlType.NOOP, { dpdcid: 0x1234 });
    await peer.wantNack(NackCode.INV_DPDCID, 0, { spdcid: 0 });
  }),
  rule(
    'credit-request',
    '2.13',
    'a Credit Request is answered by a Credit, which takes no PSN',
    async (t) => {
      const peer = await t.opened();
      peer.control(ControlType.CREDIT_REQUEST, { payload: 1000 });
      const { payload } = await peer.wantControl(ControlType.CREDIT, { ar: false });
      claim(payload >>> 24 === 0, 'credit in 24 bits', payload);
      await t.wantAlive(peer);
    },
    { level: 'should' },
  ),
  rule('credit', '2.13', 'a Credit is not answered', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.CREDIT, { payload: 1000 });
    await peer.quiet();
  }),
  rule('clear-not-answered', '2.13', 'a Clear Command is not answered', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.CLEAR_COMMAND, { payload: peer.psn(0) });
    await peer.quiet();
  }),
  ...[10, 12, 15].map((ctl) =>
    rule(`reserved-${ctl}`, '2.13', `control type ${ctl}, which is reserved, is refused as UNEXP_EVENT`, async (t) => {
      const peer = await t.opened();
      peer.control(ctl, { at: 1 });
      await peer.wantNack(NackCode.UNEXP_EVENT, 1);
    }),
  ),
  rule(
    'close-request-from-initiator',
    '2.13',
    'only the target asks for a close: a Close Request of the initiator is refused as UNEXP_EVENT',
    async (t) => {
      const peer = await t.opened();
      peer.control(ControlType.CLOSE_REQUEST);
      await peer.wantNack(NackCode.UNEXP_EVENT, 1);
    },
  ),
  rule(
    'other-context',
    '2.13',
    'a control packet from another context than the one it belongs to is refused',
    async (t) => {
      const peer = await t.opened();
      const other = t.opens();
      other.control(ControlType.CLOSE_COMMAND, { dpdcid: peer.remote });
      await other.wantNack(NackCode.PDC_HDR_MISMATCH, 0);
      await t.wantAlive(peer);
    },
  ),
  rule('spdcid-zero', '2.18', 'a control packet from PDCID 0 is dropped', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.NOOP, { at: 1, spdcid: 0 });
    await peer.quiet();
  }),
  rule('reserved-flags', '2.4', 'reserved flags of a control packet are ignored', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.NOOP, { flags: 0x43 });
    await peer.wantAck(1, PLAIN);
  }),
  rule('negotiation', '2.13', 'a Negotiation on an established context takes a PSN and is acknowledged', async (t) => {
    const peer = await t.opened();
    peer.negotiate(1, { syn: false });
    await peer.wantAck(1, { cack: 1, ...PLAIN });
  }),
  rule('negotiation-unknown', '2.13', 'what a Negotiation says that is not known is ignored', async (t) => {
    const peer = await t.opened();
    peer.negotiate(0xffff_ffff, { syn: false, negType: 200 });
    await peer.wantAck(1, PLAIN);
    await t.wantAlive(peer);
  }),
  rule(
    'negotiation-short',
    '8 D10',
    'a Negotiation of 16 bytes, without TLV, is taken',
    async (t) => {
      const peer = await t.opened();
      peer.control(ControlType.NEGOTIATION);
      await peer.wantAck(1, PLAIN);
    },
    { level: 'choice' },
  ),
  rule('short', '2.18', 'a control packet that is cut short is dropped', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.NOOP, { at: 1, patch: (bytes) => bytes.slice(0, 15) });
    await peer.quiet();
  }),
  rule(
    'credit-requests-of-strangers',
    '2.13',
    'a Credit Request for a context that is not there is refused',
    async (t) => {
      const bytes = controlPacket({ ctlType: ControlType.CREDIT_REQUEST, spdcid: 7, dpdcid: 0x1234 }, 0);
      t.lane.send(bytes);
      await t.want('nack', {}, { nackCode: NackCode.INV_DPDCID, dpdcid: 7 });
    },
  ),
];
