/** What a destination acknowledges, and how. @spec uet:pds/4 */
import { AckRequest, ControlType, NackCode, PdsType, ReturnCode, SesResponseOpcode } from '@verbena/core/wire';
import { claim, Skipped, topic } from '../rule.ts';
import { fill } from '../tester/packets.ts';
import type { Peer } from '../tester/peer.ts';
import type { Tester } from '../tester/tester.ts';

const rule = topic('pds-ack', 'pds');
const OK = { code: ReturnCode.OK };
const DEFAULT = { answer: SesResponseOpcode.DEFAULT_RESPONSE, ...OK };
/** A key that names nothing: the answer is an error, which must be kept. */
const WRONG_KEY = { memoryKey: 0xdead_0000n };
const REFUSED = { answer: SesResponseOpcode.RESPONSE, code: ReturnCode.BAD_MKEY };

export const PDS_ACKNOWLEDGEMENT = [
  rule('cumulative', '4.1', 'the cumulative PSN is the highest one up to which all have arrived', async (t) => {
    const peer = await t.opened();
    for (let n = 1; n <= 3; n++) peer.send(t.write(), { ar: n === 3 });
    await peer.wantAck(3, { cack: 3 });
  }),
  rule('cumulative-gap', '4.4', 'it stays below a gap, and jumps over it when the missing packet comes', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { at: 2 });
    await peer.wantAck(2, { cack: 0 });
    peer.send(t.write(), { at: 1 });
    await peer.wantCack(2);
  }),
  rule('sack', '4.6', 'what has arrived above a gap is told by a bitmap, and nothing else', async (t) => {
    const peer = await t.opened();
    for (const at of [2, 3, 6]) peer.send(t.write(), { at, ar: false });
    peer.send(t.write(), { at: 8 });
    const { sack } = await peer.wantAck(8, { cack: 0, type: PdsType.ACK_CC });
    claim(
      [2, 3, 6, 8].every((psn) => sack.includes(psn)) && sack.every((psn) => [2, 3, 6, 8].includes(psn) || psn <= 0),
      'a bitmap of +2 +3 +6 +8',
      sack.join(' '),
    );
  }),
  rule('sack-wide', '4.6', 'bitmaps of later answers tell of packets beyond the first 64', async (t) => {
    const peer = await t.opened();
    for (const at of [2, 70, 100]) peer.send(t.write(), { at });
    peer.control(ControlType.PROBE, { payload: peer.psn(66), probeOpaque: 7 });
    const { sack } = await peer.want('ack', { probed: true }, { opaque: 7 });
    claim(sack.includes(70) && sack.includes(100), '+70 and +100 in the bitmap from +66', sack.join(' '));
  }),
  rule('mpr', '4.2', 'the window that an ACK_CC tells is not 0', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { at: 2 });
    const { mpr } = await peer.wantAck(2, { type: PdsType.ACK_CC });
    claim(mpr > 0, 'mpr of at least 1', mpr);
  }),
  rule('identifiers', '2.7', 'an acknowledgement names the context of its sender and that of the packet', async (t) => {
    const peer = await t.opened();
    peer.send(t.write());
    await peer.wantAck(1, { spdcid: peer.remote, dpdcid: peer.id });
  }),
  rule(
    'held',
    '4.5',
    'a small packet that asks for nothing is not acknowledged on its own',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { ar: false });
      await peer.quiet('ack');
    },
    { level: 'should' },
  ),
  rule('trigger', '4.5', 'after 16,384 bytes an acknowledgement comes without being asked for', async (t) => {
    const peer = await t.opened();
    for (let n = 0; n < 18; n++) peer.send(t.write({}, fill(t.mtu)), { ar: false });
    await peer.want('ack', {}, {});
  }),
  rule(
    'trigger-small',
    '4.5',
    'small packets count at least 1,024 bytes each towards it',
    async (t) => {
      const peer = await t.opened();
      for (let n = 0; n < 18; n++) peer.send(t.write(), { ar: false });
      await peer.want('ack', {}, {});
    },
    { level: 'should' },
  ),
  rule(
    'retx-at-once',
    '4.5',
    'a repeated packet that is new here is acknowledged at once, also without AR',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { ar: false, retx: true });
      await peer.wantAck(1, { retx: true, ...OK });
    },
  ),
  rule('retx-copied', '2.4', 'the flag retx of an acknowledgement is that of the packet', async (t) => {
    const peer = await t.opened();
    peer.send(t.write());
    await peer.wantAck(1, { retx: false });
    peer.send(t.write(), { retx: true });
    await peer.wantAck(2, { retx: true });
  }),
  rule('duplicate', '4.8', 'a packet that has been there is acknowledged again, with a default response', async (t) => {
    const peer = await t.opened();
    const body = t.write();
    peer.send(body);
    await peer.wantAck(1, OK);
    peer.send(body, { at: 1, retx: true });
    await peer.wantAck(1, { cack: 1, ...DEFAULT, retx: true });
  }),
  rule('duplicate-old', '2.17', 'one far below the cumulative PSN too, by a negative offset', async (t) => {
    const peer = await t.opened();
    for (let n = 0; n < 40; n++) peer.send(t.write(), { ar: n % 8 === 7 });
    await peer.wantCack(40);
    peer.send(t.write(), { at: 3, retx: true });
    await peer.wantAck(3, { cack: 40, ...DEFAULT });
  }),
  rule(
    'duplicate-not-delivered',
    '4.8',
    'its payload is not delivered a second time',
    async (t) => {
      const peer = await t.opened();
      const first = t.write({}, fill(8, 10));
      peer.send(first);
      peer.send(t.write({}, fill(8, 20)));
      await peer.wantCack(2);
      peer.send(first, { at: 1, retx: true });
      await peer.wantAck(1, DEFAULT);
      const bytes = await t.readBack(8);
      claim(Buffer.compare(bytes, fill(8, 20)) === 0, 'the bytes of the later write', 'those of the repeated one');
    },
    { needs: ['read'] },
  ),
  rule('duplicate-gap', '4.3', 'a duplicate above a gap is known as one', async (t) => {
    const peer = await t.opened();
    const body = t.write();
    peer.send(body, { at: 3 });
    await peer.wantAck(3);
    peer.send(body, { at: 3, retx: true });
    await peer.wantAck(3, { cack: 0, ...DEFAULT });
  }),
  rule(
    'window-above',
    '4.2',
    'a PSN above the window is refused as PSN_OOR_WINDOW, and the context lives on',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { at: 0x2_0000 });
      await peer.wantNack(NackCode.PSN_OOR_WINDOW, 0x2_0000);
      peer.next = 1;
      await t.wantAlive(peer);
    },
  ),
  rule('window-below', '4.2', 'so is one more than a window below', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { at: -0x2_0000 });
    await peer.wantNack(NackCode.PSN_OOR_WINDOW, -0x2_0000);
  }),
  rule(
    'window-edge',
    '4.2',
    'the last PSN of the window that was told is taken, the one behind it is refused',
    async (t) => {
      const peer = await t.opened();
      peer.control(ControlType.PROBE, { payload: peer.psn(1), probeOpaque: 1 });
      const { mpr } = await peer.want('ack', { probed: true }, {});
      const last = mpr * 128;
      peer.send(t.write(), { at: last });
      await peer.wantAck(last, { cack: 0 });
      peer.send(t.write(), { at: last + 1 });
      await peer.wantNack(NackCode.PSN_OOR_WINDOW, last + 1);
    },
  ),
  rule(
    'guaranteed',
    '4.4',
    'an answer that must arrive asks for a clear, and the cumulative PSN waits for it',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(WRONG_KEY));
      await peer.wantAck(1, { cack: 0, req: AckRequest.CLEAR, ...REFUSED });
    },
  ),
  rule('guaranteed-at-once', '4.5', 'such an answer comes at once, also without AR', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(WRONG_KEY), { ar: false });
    await peer.wantAck(1, REFUSED);
  }),
  rule('guaranteed-again', '4.8', 'a duplicate gets the same answer again until it is cleared', async (t) => {
    const peer = await t.opened();
    const body = t.write(WRONG_KEY);
    peer.send(body);
    const first = await peer.wantAck(1, REFUSED);
    peer.send(body, { at: 1, retx: true, clear: 0 });
    await peer.wantAck(1, { cack: 0, req: AckRequest.CLEAR, messageId: first.messageId, ...REFUSED });
  }),
  rule(
    'guaranteed-behind-gap',
    '4.1',
    'when a gap is filled the cumulative PSN stops in front of an answer that is kept',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(WRONG_KEY), { at: 2, clear: 0 });
      await peer.wantAck(2, { cack: 0, ...REFUSED });
      peer.send(t.write(), { at: 1, clear: 0 });
      await peer.wantAck(1, { cack: 1, ...OK });
    },
  ),
  rule('clear-command', '4.4', 'a Clear Command lets it go: the cumulative PSN moves on', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(WRONG_KEY));
    await peer.wantAck(1, { cack: 0, ...REFUSED });
    peer.control(ControlType.CLEAR_COMMAND, { payload: peer.psn(1) });
    peer.send(t.write(), { clear: 0 });
    await peer.wantAck(2, { cack: 2 });
  }),
  rule('clear-offset', '4.4', 'so does the clear offset of a later request', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(WRONG_KEY));
    await peer.wantAck(1, { cack: 0, ...REFUSED });
    peer.send(t.write(), { clear: 1 });
    await peer.wantAck(2, { cack: 2 });
  }),
  rule('clear-duplicate', '4.3', 'the clear offset of a duplicate counts too', async (t) => {
    const peer = await t.opened();
    const body = t.write();
    peer.send(body);
    await peer.wantAck(1);
    peer.send(t.write(WRONG_KEY), { clear: 1 });
    await peer.wantAck(2, { cack: 1, ...REFUSED });
    peer.send(body, { at: 1, clear: 2, retx: true });
    await peer.wantAck(1, { cack: 2 });
  }),
  rule(
    'clear-psn-ignored',
    '8 D12',
    'the PSN field of a Clear Command means nothing',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(WRONG_KEY));
      await peer.wantAck(1, { cack: 0 });
      peer.control(ControlType.CLEAR_COMMAND, { at: 500, payload: peer.psn(1) });
      peer.next = 2;
      peer.send(t.write(), { clear: 0 });
      await peer.wantAck(2, { cack: 2 });
    },
    { level: 'choice' },
  ),
  rule('clear-then-default', '4.8', 'a duplicate of what was cleared gets a default response', async (t) => {
    const peer = await t.opened();
    const body = t.write(WRONG_KEY);
    peer.send(body);
    await peer.wantAck(1, REFUSED);
    peer.control(ControlType.CLEAR_COMMAND, { payload: peer.psn(1) });
    peer.send(body, { at: 1, retx: true });
    await peer.wantAck(1, { cack: 1, ...DEFAULT });
  }),
  rule('clear-beyond', '4.3', 'a clear of PSNs that have not arrived moves nothing', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.CLEAR_COMMAND, { payload: peer.psn(9) });
    peer.send(t.write(), { at: 3 });
    await peer.wantAck(3, { cack: 0 });
  }),
  rule(
    'store-full',
    '2.12',
    'when no more answers can be kept, requests that need one are refused as NO_GTD_DEL_AVAIL and change nothing',
    async (t) => {
      const peer = await t.opened();
      const psn = await fillStore(t, peer);
      peer.control(ControlType.CLEAR_COMMAND, { payload: peer.psn(psn - 1) });
      peer.send(t.write(WRONG_KEY), { at: psn, clear: 0, retx: true });
      await peer.wantAck(psn, REFUSED);
    },
    { level: 'should' },
  ),
  rule(
    'clear-request',
    '4.4',
    'a destination that runs short of room for answers asks for a clear',
    async (t) => {
      const peer = await t.opened();
      await fillStore(t, peer);
      await peer.wantControl(ControlType.CLEAR_REQUEST, { ar: false });
    },
    { level: 'should' },
  ),
  rule('no-header-reserved', '2.4', 'reserved flags and fields of acknowledgements are sent as 0', async (t) => {
    const peer = await t.opened();
    peer.send(t.write(), { at: 2 });
    const { flags, ccFlags } = await peer.wantAck(2);
    claim(
      (flags & 0x41) === 0 && ccFlags === 0,
      'reserved bits of 0',
      `flags 0x${flags.toString(16)}, cc_flags ${ccFlags}`,
    );
  }),
  rule('ack-no-answer', '2.12', 'an ACK for a context that is not there is dropped', async (t) => {
    const peer = t.opens();
    peer.ack(0, { dpdcid: 0x1234 });
    await t.quiet();
  }),
  rule(
    'measured',
    '2.8',
    'congestion state counts the nominal size of what was received in units of 256 bytes, rounded up',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write({}, fill(t.mtu)));
      const one = nominal(t.mtu);
      const first = await peer.wantAck(0, { type: PdsType.ACK_CC, ccType: 0 });
      claim(first.rcvdBytes === Math.ceil(one / 256), `${Math.ceil(one / 256)} units`, first.rcvdBytes);
      peer.send(t.write({}, fill(t.mtu)));
      const second = await peer.wantAck(1);
      claim(second.rcvdBytes === Math.ceil((2 * one) / 256), `${Math.ceil((2 * one) / 256)} units`, second.rcvdBytes);
    },
    { on: 'measuring' },
  ),
  rule(
    'measured-duplicate',
    '2.8',
    'duplicates are not counted',
    async (t) => {
      const peer = t.opens();
      const body = t.write({}, fill(t.mtu));
      peer.send(body);
      const first = await peer.wantAck(0);
      peer.send(body, { at: 0, syn: true, retx: true });
      await peer.wantAck(0);
      peer.control(ControlType.PROBE, { payload: peer.psn(1) });
      const { rcvdBytes } = await peer.want('ack', { probed: true }, {});
      claim(rcvdBytes === first.rcvdBytes, `${first.rcvdBytes} units as before`, rcvdBytes);
    },
    { on: 'measuring' },
  ),
  rule(
    'measured-order',
    '2.8',
    'it tells how many packets are out of order',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { at: 3 });
      await peer.wantAck(3, { oooCount: 1 });
    },
    { on: 'measuring', level: 'should' },
  ),
  rule(
    'credit',
    '2.8',
    'an endpoint that grants credit says so in its acknowledgements',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write(), { type: PdsType.RUD_CC_REQ, creditTarget: 64 });
      const { credit } = await peer.wantAck(0, { type: PdsType.ACK_CC, ccType: 1 });
      claim(credit > 0, 'credit', credit);
    },
    { on: 'credit' },
  ),
];

/** By UDP: what is behind the IP header, and 40 bytes. @spec uet:pds/1.5 */
const nominal = (payload: number): number => 8 + 12 + 44 + payload + 40;
/** More answers than any target keeps for one context. */
const MANY = 600;
/** Requests at a time: more would not fit a socket's buffer. */
const BURST = 20;

/** Sends requests whose answers must be kept until one is refused. @returns its PSN */
async function fillStore(t: Tester, peer: Peer): Promise<number> {
  for (let n = 0; n < MANY; n += BURST) {
    for (let i = 0; i < BURST; i++) peer.send(t.write(WRONG_KEY), { clear: 0, ar: false });
    const last = peer.next - 1;
    await peer.want('ack', { psn: last }, {}).catch(() => {});
    const isRefused = t.lane.log.some(({ kind }) => kind === 'nack');
    const seen = isRefused ? await peer.want('nack', {}, { nackCode: NackCode.NO_GTD_DEL_AVAIL }) : undefined;
    if (seen !== undefined) {
      if (last > seen.psn) await peer.wantNack(NackCode.NO_GTD_DEL_AVAIL, last);
      return seen.psn;
    }
  }
  throw new Skipped(`the endpoint keeps more than ${MANY} answers`);
}
