/** The endpoint as source: what it sends first, repeats, and makes of acknowledgements. @spec uet:pds/3 · uet:pds/4.7 · uet:pds/5 */
import { AckRequest, ControlType, PdsType, ReturnCode, SesResponseOpcode } from '@verbena/core/wire';
import { claim, topic } from '../rule.ts';
import type { Seen } from '../tester/seen.ts';

const rule = topic('pds-source', 'pds', { role: 'initiator', needs: ['upper'] });
const DONE = { opcode: SesResponseOpcode.DEFAULT_RESPONSE, returnCode: ReturnCode.OK };

export const PDS_SOURCE = [
  rule(
    'first',
    '3.3',
    'its first packet has SYN, an offset of 0, a PDCID of its own, and AR when it is the only one',
    async (t) => {
      const { first } = await t.accepts();
      claim(first.spdcid !== 0, 'a PDCID', first.spdcid);
      claim(first.syn && first.ar && first.psn === 0 && !first.retx, 'SYN and AR at +0', JSON.stringify(first.psn));
    },
  ),
  rule('first-clear', '2.5', 'its clear offset is -1: nothing was to be cleared yet', async (t) => {
    const { first } = await t.accepts();
    claim(first.clear === -1, 'CLEAR_PSN one before the first PSN', first.clear);
  }),
  rule('start-random', '3.3', 'first PSNs of contexts are far from 0 and from each other', async (t) => {
    const one = await t.accepts();
    const other = await t.accepts({ ordered: true });
    const [a, b] = [one.peer.start, other.peer.start];
    claim(
      Math.abs(a - b) > 0xffff && a >= 0x1_0000,
      'a distance of at least 2^16',
      `0x${a.toString(16)} and 0x${b.toString(16)}`,
    );
  }),
  rule(
    'syn-offsets',
    '3.3',
    'all packets before the first answer have SYN, and offsets that lead to the same first PSN',
    async (t) => {
      const { peer, first } = await t.accepts({ length: 4 * t.mtu });
      for (let n = 1; n < 4; n++) await peer.wantRequest({ syn: true, start: 0, spdcid: first.spdcid }, n);
    },
  ),
  rule(
    'completes',
    '4.7',
    'a request completes when all of its packets are acknowledged and the answer is there',
    async (t) => {
      const { peer, queue, request } = await t.accepts();
      peer.answer(0, DONE);
      const { status } = await t.completion(queue, request);
      claim(status === 'SUCCESS', 'SUCCESS', status);
    },
  ),
  rule('learns', '3.3', 'after the first answer packets name the context that it told, without SYN', async (t) => {
    const { peer, queue } = await t.accepts();
    peer.answer(0, DONE);
    await t.post(queue);
    await peer.wantRequest({ syn: false, dpdcid: peer.id, spdcid: peer.remote }, 1);
  }),
  rule('clear-moves', '4.1', 'CLEAR_PSN of later packets is the highest up to which all is answered', async (t) => {
    const { peer, queue } = await t.accepts();
    peer.answer(0, DONE);
    await t.post(queue);
    await peer.wantRequest({ clear: 0 }, 1);
  }),
  rule('repeats', '5.1', 'a packet without an answer is repeated: same PSN, RETX and AR set', async (t) => {
    const { peer, first } = await t.accepts();
    await peer.wantRequest({ psn: 0, retx: true, ar: true, spdcid: first.spdcid });
  }),
  rule('repeats-same', '5.1', 'a repetition has the same semantic header and payload', async (t) => {
    const { peer, first } = await t.accepts({ length: 100 });
    const again = await peer.wantRequest({ retx: true });
    claim(Buffer.compare(first.data, again.data) === 0 && shown(first) === shown(again), shown(first), shown(again));
  }),
  rule(
    'backs-off',
    '5.1',
    'the wait for the next repetition doubles',
    async (t) => {
      const { peer } = await t.accepts();
      const times: number[] = [];
      for (let n = 0; n < 3; n++) {
        await peer.wantRequest({ retx: true });
        times.push(performance.now());
      }
      const [a, b] = [times[1]! - times[0]!, times[2]! - times[1]!];
      claim(b > a * 1.25, 'a longer wait each time', `${Math.round(a)} ms, then ${Math.round(b)} ms`);
    },
    { level: 'should' },
  ),
  rule(
    'gives-up',
    '5.1',
    'after the limit of repetitions the request fails',
    async (t) => {
      const { queue, request } = await t.accepts();
      const { status } = await t.completion(queue, request);
      claim(status === 'RETRY_EXC_ERR', 'RETRY_EXC_ERR', status);
    },
    { on: 'hasty' },
  ),
  rule(
    'sack-no-repeat',
    '4.6',
    'a packet that a bitmap reports is not sent again; when nothing acknowledges it, an ACK Request asks',
    async (t) => {
      const { peer } = await t.accepts({ length: 2 * t.mtu });
      await peer.wantRequest({}, 1);
      peer.ack(1, { cack: -1, sack: [1], sackBase: 0, opaque: 0, flags: 0 });
      const again = await peer.wantRequest({ retx: true });
      claim(again.psn === 0, 'only +0 repeated', again.psn);
    },
    { level: 'should' },
  ),
  rule(
    'sack-ack-request',
    '4.6',
    'for a packet that has arrived and is not acknowledged it asks with an ACK Request',
    async (t) => {
      const { peer } = await t.accepts({ length: 2 * t.mtu });
      await peer.wantRequest({}, 1);
      peer.ack(0, { cack: 0, sack: [1], sackBase: 1 });
      await peer.wantControl(ControlType.ACK_REQUEST, { psn: 1 });
    },
    { level: 'should' },
  ),
  rule('ack-beyond', '4.7', 'an acknowledgement of what was not sent yet is dropped', async (t) => {
    const { peer, queue, request } = await t.accepts();
    peer.ack(5);
    await peer.wantRequest({ retx: true, psn: 0 });
    peer.answer(0, DONE);
    claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS after the right one', 'something else');
  }),
  rule('probe-beyond', '4.7', 'nor does the answer to a Probe acknowledge what was not sent', async (t) => {
    const { peer, queue, request } = await t.accepts();
    peer.ack(0, { cack: 9, opaque: 1, mpr: 8 });
    await peer.wantRequest({ retx: true, psn: 0 });
    peer.answer(0, DONE);
    claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS after the right one', 'something else');
  }),
  rule(
    'ack-other-context',
    '4.7',
    'an acknowledgement from another context than the one it talks to is dropped',
    async (t) => {
      const { peer, queue } = await t.accepts();
      peer.answer(0, DONE);
      const second = await t.post(queue);
      await peer.wantRequest({}, 1);
      peer.answer(1, DONE, { spdcid: peer.id ^ 1 });
      await peer.wantRequest({ retx: true }, 1);
      peer.answer(1, DONE);
      claim((await t.completion(queue, second)).status === 'SUCCESS', 'SUCCESS', 'something else');
    },
  ),
  rule('ack-zero', '2.18', 'an acknowledgement from PDCID 0 is dropped', async (t) => {
    const { peer } = await t.accepts();
    peer.answer(0, DONE, { spdcid: 0 });
    await peer.wantRequest({ retx: true });
  }),
  rule('cack', '4.7', 'a cumulative PSN acknowledges everything below it', async (t) => {
    const { peer, queue, request } = await t.accepts({ length: 3 * t.mtu });
    for (const n of [1, 2]) await peer.wantRequest({}, n);
    peer.answer(2, DONE);
    claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
  }),
  rule('negative-offset', '2.17', 'the offset of an acknowledgement has a sign', async (t) => {
    const { peer, queue, request } = await t.accepts({ length: 2 * t.mtu });
    await peer.wantRequest({}, 1);
    peer.answer(0, { opcode: SesResponseOpcode.RESPONSE, returnCode: ReturnCode.BAD_MKEY }, { cack: 1 });
    const { status, vendorStatus } = await t.completion(queue, request);
    claim(
      status !== 'SUCCESS' && vendorStatus === ReturnCode.BAD_MKEY,
      'a failure by BAD_MKEY',
      `${status} 0x${vendorStatus.toString(16)}`,
    );
  }),
  rule(
    'clears',
    '4.4',
    'when an acknowledgement asks for a clear and nothing follows, a Clear Command says what was seen',
    async (t) => {
      const { peer } = await t.accepts();
      const body = { opcode: SesResponseOpcode.RESPONSE, returnCode: ReturnCode.BAD_MKEY };
      peer.answer(0, body, { cack: -1, req: AckRequest.CLEAR });
      const { payload } = await peer.wantControl(ControlType.CLEAR_COMMAND, { psn: -peer.start | 0, ar: false });
      claim(payload === peer.psn(0), `CLEAR_PSN ${peer.psn(0)}`, payload);
    },
  ),
  rule('clear-request', '2.13', 'a Clear Request is answered by a Clear Command', async (t) => {
    const { peer } = await t.accepts();
    peer.answer(0, DONE);
    peer.control(ControlType.CLEAR_REQUEST, { payload: peer.psn(0) });
    const { payload } = await peer.wantControl(ControlType.CLEAR_COMMAND);
    claim(payload === peer.psn(0), `CLEAR_PSN ${peer.psn(0)}`, payload);
  }),
  rule('close-asked', '3.7', 'an acknowledgement that asks for a close is followed by a Close Command', async (t) => {
    const { peer } = await t.accepts();
    peer.answer(0, DONE, { req: AckRequest.CLOSE });
    await peer.wantControl(ControlType.CLOSE_COMMAND, { psn: 1, ar: true, syn: false });
    peer.ack(1);
  }),
  rule('close-request', '3.7', 'a Close Request is acknowledged, and a Close Command follows', async (t) => {
    const { peer } = await t.accepts();
    peer.answer(0, DONE);
    peer.control(ControlType.CLOSE_REQUEST);
    await peer.wantAck(0, { next: 0 });
    await peer.wantControl(ControlType.CLOSE_COMMAND, { psn: 1 });
    peer.ack(1);
  }),
  rule('close-finishes', '3.7', 'open messages are finished before the Close Command', async (t) => {
    const { peer } = await t.accepts({ length: 2 * t.mtu });
    await peer.wantRequest({}, 1);
    peer.ack(0, { req: AckRequest.CLOSE });
    peer.answer(1, DONE);
    await peer.wantControl(ControlType.CLOSE_COMMAND, { psn: 2 });
  }),
  rule('close-repeated', '3.8', 'a Close Command without an answer is repeated', async (t) => {
    const { peer } = await t.accepts();
    peer.answer(0, DONE, { req: AckRequest.CLOSE });
    await peer.wantControl(ControlType.CLOSE_COMMAND, { retx: false });
    await peer.wantControl(ControlType.CLOSE_COMMAND, { retx: true, psn: 1 });
    peer.nack(0x0e, 1, { spdcid: 0 });
    await new Promise((resolve) => setTimeout(resolve, t.silenceMs)); // what was on its way
    await peer.forget();
    await peer.quiet();
  }),
  rule(
    'idle-close',
    '3.7',
    'an idle context is closed by the one who opened it',
    async (t) => {
      const { peer } = await t.accepts();
      peer.answer(0, DONE);
      await peer.wantControl(ControlType.CLOSE_COMMAND, { psn: 1 });
      peer.ack(1);
    },
    { on: 'hasty', level: 'should' },
  ),
  rule('new-context-while-closing', '3.7', 'new work while a context closes goes to another one', async (t) => {
    const { peer, queue } = await t.accepts();
    peer.answer(0, DONE, { req: AckRequest.CLOSE });
    await peer.wantControl(ControlType.CLOSE_COMMAND);
    await t.post(queue);
    const other = await t.accepted();
    claim(other.remote !== peer.remote, 'another PDCID', other.remote);
    peer.ack(1);
  }),
  rule('modes-apart', '3.2', 'unordered and ordered traffic use contexts of their own', async (t) => {
    const one = await t.accepts();
    const other = await t.accepts({ ordered: true });
    claim(
      one.first.type === PdsType.RUD_REQ && other.first.type === PdsType.ROD_REQ,
      'RUD_REQ and ROD_REQ',
      `${one.first.type} and ${other.first.type}`,
    );
    claim(one.peer.remote !== other.peer.remote, 'two PDCIDs', one.peer.remote);
  }),
  rule('one-message-one-context', '3.2', 'all packets of a message use one context', async (t) => {
    const { peer, first } = await t.accepts({ length: 6 * t.mtu });
    for (let n = 1; n < 6; n++) await peer.wantRequest({ spdcid: first.spdcid }, n);
  }),
  rule('not-interleaved', '3.2', 'messages of a context follow one another and are not mixed', async (t) => {
    const { peer, queue } = await t.accepts({ length: 3 * t.mtu });
    await t.post(queue, { length: 3 * t.mtu });
    const ids: number[] = [];
    for (let n = 1; n < 6; n++) ids.push(Number((await peer.wantRequest({}, n)).ses['messageId']));
    claim(
      ids[0] === ids[1] && ids[2] === ids[3] && ids[3] === ids[4] && ids[1] !== ids[2],
      'two and three packets of two messages',
      ids.join(' '),
    );
  }),
  rule('window', '4.2', 'it sends nothing beyond the window that it was told', async (t) => {
    const { peer } = await t.accepts({ length: 300 * t.mtu });
    peer.ack(0, { mpr: 1 });
    for (let psn = 1; psn < 40; psn++) {
      await peer.wantRequest({}, psn);
      peer.ack(psn, { cack: 0, mpr: 1 });
    }
    await new Promise((resolve) => setTimeout(resolve, t.silenceMs));
    const highest = Math.max(
      ...t.lane.log.filter(({ kind }) => kind === 'request').map(({ psn }) => (psn - peer.start) | 0),
    );
    claim(highest <= 128, 'no PSN above +128', `+${highest}`);
  }),
  rule(
    'mpr-zero',
    '8 D19',
    'a window of 0 counts as one of 128 packets',
    async (t) => {
      const { peer, queue, request } = await t.accepts({ length: 3 * t.mtu });
      peer.ack(0, { mpr: 0 });
      for (const n of [1, 2]) await peer.wantRequest({}, n);
      peer.answer(2, DONE);
      claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
    },
    { level: 'choice' },
  ),
  rule(
    'credit-wanted',
    '2.6',
    'an endpoint that works by credit tells how much it wants',
    async (t) => {
      const { first } = await t.accepts({ length: 100 });
      claim(first.type === PdsType.RUD_CC_REQ, 'RUD_CC_REQ', first.type);
    },
    { on: 'credit' },
  ),
  rule(
    'negotiates',
    '2.13',
    'an endpoint that negotiates opens its context with a Negotiation alone',
    async (t) => {
      const queue = await t.queue();
      await t.post(queue);
      const peer = await t.accepted();
      await peer.wantControl(ControlType.NEGOTIATION, { syn: true, ar: true, psn: 0, features: 1 });
      peer.ack(0);
      await peer.wantRequest({ syn: false, dpdcid: peer.id }, 1);
    },
    { on: 'negotiating' },
  ),
  rule(
    'negotiation-refused',
    '8 D32',
    'a peer that does not know it is asked no more',
    async (t) => {
      const queue = await t.queue();
      await t.post(queue);
      const peer = await t.accepted();
      await peer.wantControl(ControlType.NEGOTIATION);
      peer.nack(0x19, 0, { spdcid: 0 });
      const other = await t.accepted();
      await other.wantRequest({ syn: true, psn: 0 });
    },
    { on: 'negotiating', level: 'choice' },
  ),
  rule('credit-taken', '2.13', 'a Credit is taken without an answer', async (t) => {
    const { peer } = await t.accepts();
    peer.answer(0, DONE);
    peer.control(ControlType.CREDIT, { payload: 500 });
    await peer.quiet();
  }),
  rule(
    'noop-of-target',
    '2.13',
    'a NOOP of the target takes a PSN of the return direction and is acknowledged',
    async (t) => {
      const { peer } = await t.accepts();
      peer.answer(0, DONE);
      peer.control(ControlType.NOOP);
      await peer.wantAck(0, { next: 0, cack: 0 });
    },
  ),
  rule(
    'wrong-syn',
    '3.4',
    'a SYN that names a context which the endpoint opened is refused as INVALID_SYN',
    async (t) => {
      const { peer, queue } = await t.accepts();
      peer.answer(0, DONE);
      await t.post(queue);
      await peer.wantRequest({}, 1);
      const wrong = t.opens({ id: 0x2222 });
      wrong.send(t.write(), { spdcid: peer.id });
      await peer.want('nack', {}, { nackCode: 0x15 });
    },
  ),
  rule('close-command-of-target', '2.13', 'a Close Command of the target is refused as UNEXP_EVENT', async (t) => {
    const { peer } = await t.accepts();
    peer.answer(0, DONE);
    peer.control(ControlType.CLOSE_COMMAND);
    await peer.wantNack(0x19, 0);
  }),
];

const shown = ({ ses }: Seen): string => Object.values(ses).join(' ');
