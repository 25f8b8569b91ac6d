/** What the endpoint makes of each NACK code, as source. @spec uet:pds/2.12 */
import { NackCode, nameOf, ReturnCode, SesResponseOpcode } from '@verbena/core/wire';
import { claim, type Rule, topic } from '../rule.ts';
import type { Played, Tester } from '../tester/tester.ts';

const rule = topic('pds-nack', 'pds', { role: 'initiator', needs: ['upper'] });
const DONE = { opcode: SesResponseOpcode.DEFAULT_RESPONSE, returnCode: ReturnCode.OK };
const nameOfCode = (code: number): string => nameOf(NackCode, code) || `0x${code.toString(16)}`;
const idOf = (code: number): string => code.toString(16).padStart(2, '0');

async function wantSuccess(t: Tester, { queue, request }: Pick<Played, 'queue' | 'request'>): Promise<void> {
  const { status } = await t.completion(queue, request);
  claim(status === 'SUCCESS', 'SUCCESS in the end', status);
}

/** Answers on whatever context the request comes next. */
async function onNewContext(t: Tester, played: Played): Promise<void> {
  const other = await t.accepted();
  claim(other.remote !== played.peer.remote, 'another PDCID than that of the context given up', other.remote);
  await other.wantRequest({ syn: true, psn: 0 });
  other.answer(0, DONE);
}

/** The packet is sent again, with the same PSN, and soon: long before its time-out where that is told apart. */
const RESENT = [0x01, 0x02, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x12, 0x1a, 0xfd, 0xfe];
/** Reserved, or withdrawn. */
const IGNORED = [0x00, 0x03, 0x0c, 0x1b, 0x80, 0xfc];
/** The context is given up, and what was surely not executed is tried on another. */
const REOPENED = [0x0e, 0x0f, 0x10, 0x16, 0x19, 0xff];
/** Before anything was answered: the start itself is at fault. */
const FAILED = [0x11, 0x13];

const resent = RESENT.map(
  (code): Rule =>
    rule(
      `${idOf(code)}-resent`,
      '2.12',
      `${nameOfCode(code)}: the packet is sent again with the same PSN, and the context stays`,
      async (t) => {
        const played = await t.accepts();
        const { peer, first } = played;
        peer.nack(code, 0, { spdcid: code >= 0x04 && code <= 0x06 ? 0 : peer.id });
        await peer.wantRequest({ retx: true, psn: 0, spdcid: first.spdcid });
        peer.answer(0, DONE);
        await wantSuccess(t, played);
      },
    ),
);
const ignored = IGNORED.map(
  (code): Rule =>
    rule(`${idOf(code)}-ignored`, '2.12', `${nameOfCode(code)}: a NACK with this code is ignored`, async (t) => {
      const played = await t.accepts();
      const { peer } = played;
      peer.nack(code, 0);
      peer.answer(0, DONE);
      await wantSuccess(t, played);
    }),
);
const reopened = REOPENED.map(
  (code): Rule =>
    rule(
      `${idOf(code)}-reopened`,
      '2.12',
      `${nameOfCode(code)}: the context is given up; a request that was refused goes to a new one`,
      async (t) => {
        const played = await t.accepts();
        played.peer.nack(code, 0, { spdcid: 0 });
        await onNewContext(t, played);
        await wantSuccess(t, played);
      },
    ),
);
const failed = FAILED.map(
  (code): Rule =>
    rule(
      `${idOf(code)}-failed`,
      '2.12',
      `${nameOfCode(code)}: the context is given up and its requests fail, without another try`,
      async (t) => {
        const { peer, queue, request } = await t.accepts();
        peer.nack(code, 0);
        const { status } = await t.completion(queue, request);
        claim(status !== 'SUCCESS', 'a failure', status);
      },
    ),
);

export const PDS_NACKS: readonly Rule[] = [
  ...resent,
  ...ignored,
  ...reopened,
  ...failed,
  rule('0d-go-back', '5.4', 'ROD_OOO: everything from the expected PSN on is sent again, in order', async (t) => {
    const played = await t.accepts({ ordered: true, length: 4 * t.mtu });
    const { peer } = played;
    for (const n of [1, 2, 3]) await peer.wantRequest({}, n);
    peer.ack(0);
    peer.nack(NackCode.ROD_OOO, 2, { payload: peer.psn(1) });
    for (const n of [1, 2, 3]) await peer.wantRequest({ retx: true }, n);
    const psns = t.lane.log.filter(({ retx, kind }) => kind === 'request' && retx).map(({ psn }) => psn - peer.start);
    claim(psns.join(' ').startsWith('1 2 3'), '+1 +2 +3', psns.join(' '));
    peer.answer(3, DONE);
    await wantSuccess(t, played);
  }),
  rule('0d-range', '2.12', 'ROD_OOO with an expected PSN that was not sent is ignored', async (t) => {
    const played = await t.accepts({ ordered: true });
    const { peer } = played;
    peer.nack(NackCode.ROD_OOO, 0, { payload: peer.psn(1000) });
    peer.answer(0, DONE);
    await wantSuccess(t, played);
  }),
  rule(
    '17-renumbered',
    '3.6',
    'NEW_START_PSN: the context starts again at the PSN told, with SYN, and nothing else changes',
    async (t) => {
      const played = await t.accepts({ length: 2 * t.mtu });
      const { peer, first } = played;
      await peer.wantRequest({}, 1);
      const start = (peer.start + 0x123_4567) >>> 0;
      peer.nack(NackCode.NEW_START_PSN, 0, { payload: start, spdcid: 0 });
      peer.start = start;
      for (const n of [0, 1]) await peer.wantRequest({ syn: true, start: 0, spdcid: first.spdcid }, n);
      peer.answer(1, DONE);
      await wantSuccess(t, played);
    },
  ),
  rule('17-late', '3.6', 'NEW_START_PSN after the first answer is ignored', async (t) => {
    const { peer, queue } = await t.accepts();
    peer.answer(0, DONE);
    const request = await t.post(queue);
    await peer.wantRequest({}, 1);
    peer.nack(NackCode.NEW_START_PSN, 1, { payload: 0x1234_5678 });
    peer.answer(1, DONE);
    await wantSuccess(t, { queue, request });
  }),
  rule(
    '15-new-context',
    '8 D16',
    'INVALID_SYN before the first answer: the request is tried on a new context',
    async (t) => {
      const played = await t.accepts();
      played.peer.nack(NackCode.INVALID_SYN, 0, { spdcid: 0 });
      await onNewContext(t, played);
      await wantSuccess(t, played);
    },
  ),
  rule(
    '15-late',
    '8 D16',
    'INVALID_SYN after the first answer does not end the context',
    async (t) => {
      const { peer, queue } = await t.accepts();
      peer.answer(0, DONE);
      const request = await t.post(queue);
      await peer.wantRequest({}, 1);
      peer.nack(NackCode.INVALID_SYN, 1);
      peer.answer(1, DONE);
      await wantSuccess(t, { queue, request });
    },
    { level: 'choice' },
  ),
  rule(
    '18-later',
    '8 D15',
    'RCVD_SES_PROCG: nothing is sent at once; the answer may still come',
    async (t) => {
      const played = await t.accepts();
      const { peer } = played;
      peer.nack(NackCode.RCVD_SES_PROCG, 0);
      await peer.quiet('request', 15);
      peer.answer(0, DONE);
      await wantSuccess(t, played);
    },
    { level: 'choice' },
  ),
  rule('not-sent', '2.12', 'a NACK for a PSN that was not sent yet changes nothing', async (t) => {
    const played = await t.accepts();
    const { peer } = played;
    peer.nack(NackCode.INV_DPDCID, 500);
    peer.answer(0, DONE);
    await wantSuccess(t, played);
  }),
  rule('acknowledged', '2.12', 'a NACK for a PSN that is acknowledged changes nothing', async (t) => {
    const { peer, queue } = await t.accepts();
    peer.answer(0, DONE);
    const request = await t.post(queue);
    await peer.wantRequest({}, 1);
    peer.nack(NackCode.INV_DPDCID, 0);
    peer.answer(1, DONE);
    await wantSuccess(t, { queue, request });
  }),
  rule('other-context', '2.12', 'a NACK from another context than the one it talks to is dropped', async (t) => {
    const { peer, queue } = await t.accepts();
    peer.answer(0, DONE);
    const request = await t.post(queue);
    await peer.wantRequest({}, 1);
    peer.nack(NackCode.CLOSING_IN_ERR, 1, { spdcid: peer.id ^ 5 });
    peer.answer(1, DONE);
    await wantSuccess(t, { queue, request });
  }),
  rule(
    'limit',
    '5.2',
    'after the limit of refusals of one packet the request fails',
    async (t) => {
      const { peer, queue, request } = await t.accepts();
      for (let n = 0; n < 3; n++) {
        peer.nack(NackCode.NO_RESOURCE, 0);
        if (n < 2) await peer.wantRequest({ retx: true });
      }
      const { status, vendorStatus } = await t.completion(queue, request);
      claim(
        status === 'RETRY_EXC_ERR' && vendorStatus === NackCode.NO_RESOURCE,
        'RETRY_EXC_ERR after NO_RESOURCE',
        `${status} 0x${vendorStatus.toString(16)}`,
      );
    },
    { on: 'hasty' },
  ),
  rule(
    'executed-perhaps',
    '5.6',
    'a request that the other side may have executed is not tried on a new context',
    async (t) => {
      const { peer, queue, request } = await t.accepts();
      await peer.wantRequest({ retx: true });
      peer.nack(NackCode.INV_DPDCID, 0, { spdcid: 0 });
      const { status } = await t.completion(queue, request);
      claim(status !== 'SUCCESS', 'a failure: it was sent twice', status);
    },
    { level: 'choice' },
  ),
];
