/** How a context ends, with the endpoint as target. @spec uet:pds/3.7 */
import { ControlType, NackCode, NextHeader, ReturnCode } from '@verbena/core/wire';
import { Broken, claim, topic } from '../rule.ts';
import type { Peer } from '../tester/peer.ts';

const rule = topic('pds-close', 'pds');
const PLAIN = { next: NextHeader.NONE };
const GONE = [NackCode.INV_DPDCID, NackCode.CLOSING] as readonly number[];

async function wantGone(peer: Peer, at: number, codes = GONE): Promise<void> {
  const { nackCode } = await peer.want('nack', { psn: at }, {});
  if (!codes.includes(nackCode)) throw new Broken('INV_DPDCID or CLOSING', `NACK 0x${nackCode.toString(16)}`);
}

export const PDS_CLOSE = [
  rule(
    'command',
    '3.7',
    'a Close Command is acknowledged without semantic content, and its PSN is the cumulative one',
    async (t) => {
      const peer = await t.opened();
      peer.control(ControlType.CLOSE_COMMAND);
      await peer.wantAck(1, { cack: 1, ...PLAIN });
    },
  ),
  rule('gone', '3.8', 'afterwards the context is not there: a packet for it is refused', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.CLOSE_COMMAND);
    await peer.wantAck(1);
    peer.send(t.write(), { syn: false });
    await wantGone(peer, 2);
  }),
  rule(
    'command-again',
    '3.7',
    'a Close Command that is repeated because the acknowledgement was lost is refused',
    async (t) => {
      const peer = await t.opened();
      peer.control(ControlType.CLOSE_COMMAND);
      await peer.wantAck(1);
      peer.control(ControlType.CLOSE_COMMAND, { at: 1, retx: true });
      await wantGone(peer, 1);
    },
  ),
  rule('clears', '3.7', 'a Close Command clears all answers that were kept', async (t) => {
    const peer = await t.opened();
    peer.send(t.write({ memoryKey: 1n }));
    await peer.wantAck(1, { cack: 0 });
    peer.control(ControlType.CLOSE_COMMAND);
    await peer.wantAck(2, { ...PLAIN });
  }),
  rule('forged', '3.7', 'a Close Command with a wrong source context closes nothing', async (t) => {
    const peer = await t.opened();
    const other = t.opens();
    other.control(ControlType.CLOSE_COMMAND, { dpdcid: peer.remote });
    await other.want('nack', {}, {});
    await t.wantAlive(peer);
  }),
  rule('far-psn', '4.3', 'a Close Command with a PSN outside of the window closes nothing', async (t) => {
    const peer = await t.opened();
    peer.control(ControlType.CLOSE_COMMAND, { at: 0x2_0000 });
    await peer.wantNack(NackCode.PSN_OOR_WINDOW, 0x2_0000);
    peer.isClosed = false;
    peer.next = 1;
    await t.wantAlive(peer);
  }),
  rule(
    'late-syn',
    '3.4',
    'a late copy of the first packet of a closed context is not executed again',
    async (t) => {
      const peer = t.opens();
      const body = t.write({}, Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1));
      peer.send(body);
      await peer.wantAck(0);
      peer.send(t.write({}, Uint8Array.of(2, 2, 2, 2, 2, 2, 2, 2)));
      await peer.wantAck(1);
      peer.control(ControlType.CLOSE_COMMAND);
      await peer.wantAck(2);
      peer.send(body, { at: 0, syn: true, retx: true });
      await peer.want('nack', { psn: 0 }, {});
      const bytes = await t.readBack(8);
      claim(
        bytes.every((byte) => byte === 2),
        'memory as the last write left it',
        Buffer.from(bytes).toString('hex'),
      );
    },
    { needs: ['read'] },
  ),
  rule(
    'pdcid-again',
    '3.1',
    'a new context may have the PDCID of a closed one, with a first PSN far away',
    async (t) => {
      const peer = await t.opened({ id: 0x1357, start: 0x10_0000 });
      peer.control(ControlType.CLOSE_COMMAND);
      await peer.wantAck(1);
      const again = t.opens({ id: 0x1357, start: 0x50_0000 });
      again.send(t.write());
      await again.wantAck(0, { code: ReturnCode.OK });
    },
  ),
  rule(
    'read-outstanding',
    '3.7',
    'a Close Command while read data is not acknowledged is refused as CLOSING_IN_ERR',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.read(64));
      await peer.wantData();
      peer.control(ControlType.CLOSE_COMMAND);
      await peer.wantNack(NackCode.CLOSING_IN_ERR, 2);
    },
    { needs: ['read'] },
  ),
  rule(
    'read-acknowledged',
    '3.7',
    'when it was acknowledged the close is an ordinary one',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.read(64));
      const { psn } = await peer.wantData();
      peer.answer(psn, { opcode: 0, returnCode: ReturnCode.OK });
      peer.control(ControlType.CLOSE_COMMAND);
      await peer.wantAck(2, PLAIN);
    },
    { needs: ['read'] },
  ),
  rule(
    'ordered',
    '3.7',
    'an ordered context takes a Close Command in its turn only',
    async (t) => {
      const peer = await t.opened({ ordered: true });
      peer.control(ControlType.CLOSE_COMMAND, { at: 2 });
      await peer.wantNack(NackCode.ROD_OOO, 2);
      peer.control(ControlType.CLOSE_COMMAND, { at: 1 });
      await peer.wantAck(1, PLAIN);
    },
    { needs: ['ordered'] },
  ),
  rule(
    'asks',
    '3.7',
    'a target that wants to close an idle context asks with a Close Request: a PSN of the return direction, AR set',
    async (t) => {
      const peer = await t.opened();
      const { psn } = await peer.wantControl(ControlType.CLOSE_REQUEST, { ar: true, psn: 0 });
      peer.ack(psn);
      peer.control(ControlType.CLOSE_COMMAND);
      await peer.wantAck(1, PLAIN);
    },
    { on: 'hasty', level: 'should' },
  ),
  rule(
    'asks-again',
    '2.13',
    'a Close Request without an answer is repeated',
    async (t) => {
      const peer = await t.opened();
      await peer.wantControl(ControlType.CLOSE_REQUEST);
      const { psn } = await peer.wantControl(ControlType.CLOSE_REQUEST, { retx: true, psn: 0 });
      peer.ack(psn);
    },
    { on: 'hasty', level: 'should' },
  ),
  rule(
    'takes-requests-meanwhile',
    '3.8',
    'a target that asked for a close still carries out requests',
    async (t) => {
      const peer = await t.opened();
      const { psn } = await peer.wantControl(ControlType.CLOSE_REQUEST);
      peer.ack(psn);
      await t.wantAlive(peer);
    },
    { on: 'hasty', level: 'should' },
  ),
  rule(
    'asked-in-vain',
    '3.7',
    'when the initiator does not close in time the target closes in error: CLOSING_IN_ERR to whatever comes',
    async (t) => {
      const peer = await t.opened();
      const { psn } = await peer.wantControl(ControlType.CLOSE_REQUEST);
      peer.ack(psn);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      peer.send(t.write());
      await wantGone(peer, 1, [NackCode.CLOSING_IN_ERR, ...GONE]);
      peer.isClosed = true;
    },
    { on: 'hasty', level: 'should' },
  ),
];
