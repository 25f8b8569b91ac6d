/** Tagged messages, what waits for a receive, and sends that may be put off. @spec uet:ses/3.3 to 3.6 · uet:ses/4 */
import { NextHeader, ReturnCode, SesOpcode, SesResponseOpcode } from '@verbena/core/wire';
import { Broken, claim, topic } from '../rule.ts';
import {
  type Body,
  deferrable,
  deferrableNext,
  fill,
  readyToRestart,
  rendezvous,
  responseData,
  std,
} from '../tester/packets.ts';
import type { Tester } from '../tester/tester.ts';
import type { UpperQueue } from '../tester/upper-tester.ts';

const rule = topic('ses-tagged', 'ses', { needs: ['tagged', 'upper'] });
const initiator = topic('ses-tagged', 'ses', { role: 'initiator', needs: ['tagged', 'upper'] });
const late = topic('ses-deferrable', 'ses', { needs: ['deferrable', 'upper'] });
const later = topic('ses-deferrable', 'ses', { role: 'initiator', on: 'deferring', needs: ['deferrable', 'upper'] });
const short = topic('ses-short', 'ses', { role: 'initiator', on: 'short', needs: ['shortHeaders', 'upper'] });
const meeting = topic('ses-rendezvous', 'ses', { role: 'initiator', on: 'meeting', needs: ['rendezvous', 'upper'] });
const { DEFAULT_RESPONSE, NO_RESPONSE, RESPONSE } = SesResponseOpcode;
const OK = { code: ReturnCode.OK };
const EXPECTED = { answer: DEFAULT_RESPONSE, list: 0, ...OK };
const OVERFLOW = { answer: RESPONSE, list: 1, req: 1, ...OK };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const tagged = (t: Tester, queue: UpperQueue, tag: bigint, payload = fill(8), values: object = {}): Body =>
  t.sendTo(queue, { opcode: SesOpcode.TAGGED_SEND, memoryKey: tag, ...values }, payload);

/** A queue that matches, with a receive for each tag. */
async function matching(t: Tester, tags: readonly string[] = [], bytes = 256): Promise<UpperQueue> {
  const queue = await t.queue({ tagged: true });
  for (const tag of tags) await t.receive(queue, bytes, 1, { tag });
  return queue;
}

export const SES_TAGGED = [
  rule('matched', '3.3', 'a tagged message finds the receive with its tag', async (t) => {
    const queue = await matching(t, ['7']);
    const peer = await t.opened();
    peer.send(tagged(t, queue, 7n, fill(20, 3)));
    await peer.wantAck(1, EXPECTED);
    const { status, data } = await t.received(queue);
    claim(status === 'SUCCESS' && data === hex(fill(20, 3)), 'the 20 bytes', `${status} ${data}`);
  }),
  rule('all-bits', '4.1', 'all 64 bits of a tag count', async (t) => {
    const queue = await matching(t, ['0x8000000000000001']);
    const peer = await t.opened();
    peer.send(tagged(t, queue, 1n));
    await peer.wantAck(1, OVERFLOW);
    peer.send(tagged(t, queue, 0x8000_0000_0000_0001n), { clear: 1 });
    await peer.wantAck(2, EXPECTED);
  }),
  rule('ignored-bits', '4.1', 'bits that a receive ignores do not', async (t) => {
    const queue = await matching(t);
    await t.receive(queue, 64, 1, { tag: '0x1200', ignore: '0xff' });
    const peer = await t.opened();
    peer.send(tagged(t, queue, 0x1300n));
    await peer.wantAck(1, OVERFLOW);
    peer.send(tagged(t, queue, 0x1277n), { clear: 1 });
    await peer.wantAck(2, EXPECTED);
  }),
  rule('sender', '4.1', 'a receive for one sender takes messages of no other', async (t) => {
    const queue = await matching(t);
    await t.receive(queue, 64, 1, { tag: '5', sourceId: 0x51 });
    const peer = await t.opened();
    peer.send(tagged(t, queue, 5n, fill(8), { initiator: 0x52 }));
    await peer.wantAck(1, OVERFLOW);
    peer.send(tagged(t, queue, 5n, fill(8), { initiator: 0x51 }), { clear: 1 });
    await peer.wantAck(2, EXPECTED);
  }),
  rule('posting-order', '4.1', 'of receives that match, the one that was posted first is taken', async (t) => {
    const queue = await matching(t);
    await t.receive(queue, 16, 1, { tag: '0', ignore: '0xff' });
    await t.receive(queue, 64, 1, { tag: '4' });
    const peer = await t.opened();
    peer.send(tagged(t, queue, 4n, fill(10)));
    await peer.wantAck(1, EXPECTED);
    peer.send(tagged(t, queue, 4n, fill(40)));
    await peer.wantAck(2, EXPECTED);
  }),
  rule(
    'overflow',
    '3.4',
    'a message that no receive takes is kept: OK on the overflow list, with the bytes that are kept',
    async (t) => {
      const queue = await matching(t, ['1']);
      const peer = await t.opened();
      peer.send(tagged(t, queue, 2n, fill(24)));
      await peer.wantAck(1, { ...OVERFLOW, modified: 24 });
    },
  ),
  rule('overflow-taken', '3.4', 'a receive that is posted later takes it, with all that its header said', async (t) => {
    const queue = await matching(t);
    const peer = await t.opened();
    peer.send(tagged(t, queue, 2n, fill(24, 8), { hd: 1, headerData: 0x99n, initiator: 0x77 }));
    await peer.wantAck(1, OVERFLOW);
    await t.receive(queue, 64, 1, { tag: '2' });
    const { status, data, imm, sourceId } = await t.received(queue);
    claim(status === 'SUCCESS' && data === hex(fill(24, 8)), 'the 24 bytes', `${status} ${data}`);
    claim(imm === '153' && sourceId === 0x77, 'header data 0x99 of sender 0x77', `${imm} of ${sourceId}`);
  }),
  rule('overflow-order', '4.1', 'of messages that wait, the one that came first is taken', async (t) => {
    const queue = await matching(t);
    const peer = await t.opened();
    for (const length of [11, 12]) {
      const at = peer.send(tagged(t, queue, 3n, fill(length)), { clear: peer.next - 1 });
      await peer.wantAck(at, OVERFLOW);
    }
    await t.receive(queue, 64, 1, { tag: '3' });
    claim((await t.received(queue)).bytes === 11, '11 bytes first', 'others');
  }),
  rule(
    'overflow-several',
    '3.4',
    'so is a message of several packets, also when the receive comes in its middle',
    async (t) => {
      const queue = await matching(t);
      const peer = await t.opened();
      const bodies = t.message(2 * t.mtu, { opcode: SesOpcode.TAGGED_SEND, memoryKey: 9n, ...t.to(queue) });
      peer.send(bodies[0]!);
      await peer.wantAck(1);
      await t.receive(queue, 4 * t.mtu, 1, { tag: '9' });
      peer.send(bodies[1]!, { clear: 1 });
      const { status, data } = await t.received(queue);
      claim(status === 'SUCCESS' && data === hex(fill(2 * t.mtu)), 'all bytes', status);
    },
  ),
  rule(
    'overflow-again',
    '4.8',
    'a repeated message on the overflow list is answered the same way, and kept once',
    async (t) => {
      const queue = await matching(t);
      const peer = await t.opened();
      const body = tagged(t, queue, 2n);
      peer.send(body);
      await peer.wantAck(1, OVERFLOW);
      peer.send(body, { at: 1, retx: true, clear: 0 });
      await peer.wantAck(1, OVERFLOW);
      await t.receive(queue, 64, 2, { tag: '2' });
      await t.received(queue);
      await t.nothingReceived(queue);
    },
  ),
  rule('untagged-apart', '1.3', "tagged and untagged messages do not take each other's receives", async (t) => {
    const queue = await matching(t, ['0']);
    const peer = await t.opened();
    peer.send(t.sendTo(queue));
    await peer.wantAck(1, OVERFLOW);
    peer.send(tagged(t, queue, 0n), { clear: 1 });
    await peer.wantAck(2, EXPECTED);
  }),
  rule(
    'truncated',
    '4.1',
    'a message longer than its receive is cut off: OK, with the bytes that there was room for',
    async (t) => {
      const queue = await matching(t, ['7'], 16);
      const peer = await t.opened();
      peer.send(tagged(t, queue, 7n, fill(40)));
      await peer.wantAck(1, { answer: RESPONSE, modified: 16, list: 0, ...OK });
    },
    { level: 'choice' },
  ),
  rule('empty', '4.1', 'a message of no bytes matches like any other', async (t) => {
    const queue = await matching(t, ['7']);
    const peer = await t.opened();
    peer.send(tagged(t, queue, 7n, fill(0)));
    await peer.wantAck(1, EXPECTED);
    claim((await t.received(queue)).bytes === 0, 'a receive of 0 bytes', 'more');
  }),
  rule('medium', '2.7', 'a TAGGED_SEND with a MEDIUM header', async (t) => {
    const queue = await matching(t, ['7']);
    const peer = await t.opened();
    peer.send(t.short({ opcode: SesOpcode.TAGGED_SEND, ...t.to(queue), memoryKey: 7n, bufferOffset: 0 }));
    await peer.wantAck(1, EXPECTED);
  }),
  rule('small', '2.7', 'with a SMALL header it is no request', async (t) => {
    const queue = await matching(t, ['7']);
    const peer = await t.opened();
    peer.send(t.smallBody({ opcode: SesOpcode.TAGGED_SEND, resourceIndex: queue.ri }));
    await peer.wantAck(1, { code: ReturnCode.UNSUPPORTED_OP });
  }),
  rule(
    'ordered',
    '4.1',
    'on an ordered context messages match in the order of sending',
    async (t) => {
      const queue = await matching(t, ['1', '1']);
      const peer = await t.opened({ ordered: true });
      peer.send(tagged(t, queue, 1n, fill(5)));
      peer.send(tagged(t, queue, 1n, fill(6)));
      await peer.wantCack(2);
      const lengths = [(await t.received(queue)).bytes, (await t.received(queue)).bytes];
      claim(lengths.join() === '5,6', '5 bytes, then 6', lengths.join());
    },
    { needs: ['tagged', 'upper', 'ordered'] },
  ),
  rule(
    'unmatched-queue',
    '1.4',
    'a queue without tagged receives refuses a tagged message',
    async (t) => {
      const queue = await t.queue({ receives: 1, bytes: 64 });
      const peer = await t.opened();
      peer.send(tagged(t, queue, 1n));
      const { code } = await peer.wantAck(1);
      claim(code !== ReturnCode.OK, 'a refusal', 'OK');
    },
    { level: 'choice' },
  ),
  rule('key-changes', '1.4', 'a packet with another tag in the middle of a message: PERM_VIOLATION', async (t) => {
    const queue = await matching(t, ['7'], 4 * 4096);
    const peer = await t.opened();
    const values = { opcode: SesOpcode.TAGGED_SEND, messageId: t.messageId(), ...t.to(queue) };
    const [a] = t.message(2 * t.mtu, { ...values, memoryKey: 7n });
    const [, b] = t.message(2 * t.mtu, { ...values, memoryKey: 8n });
    peer.send(a!);
    await peer.wantAck(1, { answer: NO_RESPONSE });
    peer.send(b!);
    await peer.wantAck(2, { code: ReturnCode.PERM_VIOLATION });
  }),
  initiator('sent', '3.3', 'a tagged message travels as TAGGED_SEND with its tag in the match bits', async (t) => {
    const { first } = await t.accepts({ operation: 'tagged-send', tag: '0xfedcba9876543210', length: 30 });
    claim(first.ses['opcode'] === SesOpcode.TAGGED_SEND, 'TAGGED_SEND', first.ses['opcode']);
    claim(first.ses['memoryKey'] === 0xfedc_ba98_7654_3210n, 'the tag', first.ses['memoryKey']);
  }),
  initiator('overflow-completes', '3.14', 'an answer from the overflow list completes it', async (t) => {
    const { peer, queue, request } = await t.accepts({ operation: 'tagged-send', tag: '5' });
    peer.answer(0, { list: 1, opcode: RESPONSE, returnCode: ReturnCode.OK, modifiedLength: 8 }, { cack: -1, req: 1 });
    const { status } = await t.completion(queue, request);
    claim(status === 'SUCCESS', 'SUCCESS', status);
  }),

  late('as-a-send', '3.5', 'a deferrable send that finds a receive is an ordinary one', async (t) => {
    const queue = await matching(t);
    await t.receive(queue, 256, 1);
    const peer = await t.opened();
    peer.send(deferrableSend(t, queue, 0xaa01, 24));
    await peer.wantAck(1, EXPECTED);
    claim((await t.received(queue)).bytes === 24, '24 bytes', 'others');
  }),
  late('put-off', '3.5', 'without a receive it is put off: OK on the overflow list, and nothing is kept', async (t) => {
    const queue = await matching(t);
    const peer = await t.opened();
    peer.send(deferrableSend(t, queue, 0xaa02, 2 * t.mtu));
    await peer.wantAck(1, { ...OVERFLOW, modified: 0 });
  }),
  late(
    'called',
    '3.5',
    'a receive that takes it later calls it: DEFERRABLE_RTR with the token of the sender',
    async (t) => {
      const queue = await matching(t);
      const peer = await t.opened();
      await putOff(t, queue, 0xaa03);
      await t.receive(queue, 8192, 1);
      const { ses } = await (await t.accepted()).wantRequest();
      claim(
        ses['opcode'] === SesOpcode.DEFERRABLE_RTR && ses['initiatorToken'] === 0xaa03,
        'DEFERRABLE_RTR for 0xaa03',
        `${ses['opcode']} for ${ses['initiatorToken']}`,
      );
      claim(
        ses['som'] === 1 && ses['eom'] === 1 && ses['requestLength'] === 0,
        'a single packet',
        ses['requestLength'],
      );
      await t.wantAlive(peer);
    },
  ),
  late('comes-again', '3.5', 'sent again with both tokens it comes to that receive', async (t) => {
    const queue = await matching(t);
    await putOff(t, queue, 0xaa04);
    await t.receive(queue, 8192, 1);
    const call = await t.accepted();
    const { ses } = await call.wantRequest();
    call.answer(0, { opcode: DEFAULT_RESPONSE, returnCode: ReturnCode.OK });
    const peer = await t.opened();
    const length = 2 * t.mtu;
    peer.send(deferrableSend(t, queue, 0xaa04, length, Number(ses['targetToken']), 444));
    await peer.wantAck(1, { answer: NO_RESPONSE });
    peer.send(deferrableRest(t, queue, 0xaa04, length, Number(ses['targetToken']), 444));
    await peer.wantAck(2, EXPECTED);
    const { status, data } = await t.received(queue);
    claim(status === 'SUCCESS' && data === hex(fill(length)), 'all bytes', status);
  }),
  later('offered', '3.5', 'a long send is offered as a deferrable one, with a token', async (t) => {
    const { first } = await t.accepts({ operation: 'send', length: 3 * t.mtu });
    claim(first.ses['opcode'] === SesOpcode.DEFERRABLE_SEND, 'DEFERRABLE_SEND', first.ses['opcode']);
    claim(tokenOf(first.ses) !== 0, 'a token', 0);
  }),
  later('short-not', '3.5', 'a send up to the limit is not offered so', async (t) => {
    const { first } = await t.accepts({ operation: 'send', length: 16 });
    claim(first.ses['opcode'] === SesOpcode.SEND, 'SEND', first.ses['opcode']);
  }),
  later(
    'restarted',
    '3.5',
    'once it was put off and called it is sent again from the start, with both tokens and a new message id',
    async (t) => {
      const { peer, queue, request, first } = await t.accepts({ operation: 'send', length: 3 * t.mtu });
      peer.answer(0, { list: 1, opcode: RESPONSE, returnCode: ReturnCode.OK }, { cack: -1, req: 1 });
      const id = first.ses['messageId'];
      const call = t.opens();
      const to = { jobId: t.endpoint.job, pidOnFep: queue.pid, resourceIndex: queue.ri, rel: 1 };
      const tokens = { initiatorToken: tokenOf(first.ses), targetToken: 0xbb02 };
      call.send(readyToRestart({ opcode: SesOpcode.DEFERRABLE_RTR, som: 1, eom: 1, messageId: 9, ...to, ...tokens }));
      await call.wantAck(0, EXPECTED);
      for (;;) {
        const next = await peer.want('request', {}, {});
        if (next.ses['messageId'] === id || next.ses['som'] !== 1) {
          if (next.psn > 0) peer.answer(next.psn, { opcode: NO_RESPONSE }, { cack: next.psn });
          continue;
        }
        claim(next.ses['opcode'] === SesOpcode.DEFERRABLE_SEND, 'DEFERRABLE_SEND', next.ses['opcode']);
        claim(
          Number(BigInt(next.ses['bufferOffset'] as bigint) & 0xffff_ffffn) === 0xbb02,
          'the token 0xbb02',
          next.ses['bufferOffset'],
        );
        const last = next.psn + 2;
        await peer.wantRequest({}, last);
        peer.answer(last, { opcode: DEFAULT_RESPONSE, returnCode: ReturnCode.OK });
        break;
      }
      claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
    },
  ),
  later(
    'unknown-call',
    '3.5',
    'a call with a token that is not out is answered, and nothing is sent',
    async (t) => {
      const call = t.opens();
      const to = { jobId: t.endpoint.job, pidOnFep: 1, resourceIndex: 1, rel: 1 };
      call.send(
        readyToRestart({
          opcode: SesOpcode.DEFERRABLE_RTR,
          som: 1,
          eom: 1,
          messageId: 9,
          ...to,
          initiatorToken: 1,
          targetToken: 2,
        }),
      );
      await call.wantAck(0);
      await t.quiet();
    },
    { level: 'choice' },
  ),

  short('medium', '2.5', 'where short headers are allowed a message of one packet has a MEDIUM one', async (t) => {
    const { first, peer, queue, request } = await t.accepts({ length: 20 });
    claim(
      first.next === NextHeader.REQUEST_MEDIUM && first.ses['requestLength'] === 20,
      'REQUEST_MEDIUM of 20 bytes',
      first.next,
    );
    peer.answer(0, { opcode: DEFAULT_RESPONSE, returnCode: ReturnCode.OK });
    claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
  }),
  short(
    'small',
    '2.3',
    'with a key that is an index a SMALL one, the index in the place of the resource index',
    async (t) => {
      const { first } = await t.accepts({ length: 20, key: '0x4000000000000123' });
      claim(
        first.next === NextHeader.REQUEST_SMALL && first.ses['resourceIndex'] === 0x123,
        'REQUEST_SMALL for index 0x123',
        `${first.next}, ${first.ses['resourceIndex']}`,
      );
    },
  ),
  short('long', '2.4', 'a message of several packets has STD headers all the same', async (t) => {
    const { first } = await t.accepts({ length: 2 * t.mtu });
    claim(first.next === NextHeader.REQUEST_STD, 'REQUEST_STD', first.next);
  }),

  meeting(
    'offered',
    '3.6',
    'a long send is offered with a rendezvous extension, and its first bytes go with it',
    async (t) => {
      const { first } = await t.accepts({ operation: 'send', length: 8 * t.mtu });
      claim(first.ses['opcode'] === SesOpcode.RENDEZVOUS_SEND, 'RENDEZVOUS_SEND', first.ses['opcode']);
      claim(first.ses['requestLength'] === 8 * t.mtu, 'the length of the whole message', first.ses['requestLength']);
    },
  ),
  meeting(
    'fetched',
    '3.6',
    'the target of a rendezvous reads the rest by a READ to the process, index and key that the extension names',
    async (t) => {
      const queue = await matching(t);
      await t.receive(queue, 256, 1);
      const peer = await t.opened();
      const place = { pidOnFep: 5, resourceIndex: 6, readOffset: 64n, readMemoryKey: 0x99n };
      const values = { opcode: SesOpcode.RENDEZVOUS_SEND, som: 1, eom: 1, requestLength: 24, messageId: 5 };
      peer.send(std({ ...t.to(queue), ...values }, fill(8), rendezvous({ eagerLength: 8, ...place })));
      await peer.wantAck(1, OK);
      const reader = await t.accepted();
      const { ses } = await reader.wantRequest();
      claim(
        ses['opcode'] === SesOpcode.READ && ses['requestLength'] === 16,
        'a READ of 16 bytes',
        ses['requestLength'],
      );
      claim(
        ses['pidOnFep'] === 5 && ses['resourceIndex'] === 6 && ses['memoryKey'] === 0x99n,
        'process 5, index 6 and key 0x99',
        `${ses['pidOnFep']}, ${ses['resourceIndex']}, ${ses['memoryKey']}`,
      );
      const readRequestMessageId = Number(ses['messageId'] ?? 0);
      const body = responseData({ readRequestMessageId, modifiedLength: 16, jobId: t.endpoint.job }, fill(24).slice(8));
      reader.ack(0, { body, cack: -1, req: 1 });
      const { status, data } = await t.received(queue);
      claim(status === 'SUCCESS' && data === hex(fill(24)), 'all 24 bytes', `${status} ${data}`);
    },
    { role: 'target' },
  ),
];

/** The first packet of a deferrable send. */
function deferrableSend(
  t: Tester,
  queue: UpperQueue,
  initiatorToken: number,
  length: number,
  targetToken = 0,
  messageId = t.messageId(),
): Body {
  const eom = length <= t.mtu ? 1 : 0;
  const values = {
    opcode: SesOpcode.DEFERRABLE_SEND,
    som: 1,
    eom,
    messageId,
    requestLength: length,
    initiatorToken,
    targetToken,
  };
  return deferrable({ ...t.to(queue), ...values }, fill(Math.min(length, t.mtu)));
}

/** Its second packet. */
function deferrableRest(
  t: Tester,
  queue: UpperQueue,
  initiatorToken: number,
  length: number,
  targetToken: number,
  messageId: number,
): Body {
  const payload = fill(length).slice(t.mtu);
  const values = {
    opcode: SesOpcode.DEFERRABLE_SEND,
    som: 0,
    eom: 1,
    messageId,
    requestLength: length,
    initiatorToken,
    targetToken,
  };
  return deferrableNext({ ...t.to(queue), ...values, payloadLength: payload.length, messageOffset: t.mtu }, payload);
}

/** A deferrable send is put off, and its message ended early. */
async function putOff(t: Tester, queue: UpperQueue, token: number): Promise<void> {
  const peer = await t.opened();
  const messageId = t.messageId();
  const length = 2 * t.mtu;
  peer.send(deferrableSend(t, queue, token, length, 0, messageId));
  await peer.wantAck(1, OVERFLOW);
  const values = {
    opcode: SesOpcode.DEFERRABLE_SEND,
    som: 0,
    eom: 1,
    messageId,
    requestLength: length,
    initiatorToken: token,
  };
  peer.send(deferrableNext({ ...t.to(queue), ...values, payloadLength: 0, messageOffset: t.mtu }, fill(0)), {
    clear: 1,
  });
  await peer.wantAck(2);
}

/** The token of the sender stands in the upper half of the buffer offset. */
function tokenOf(ses: Readonly<Record<string, number | bigint | Uint8Array>>): number {
  const offset = ses['bufferOffset'];
  if (typeof offset !== 'bigint') throw new Broken('a token', String(offset));
  return Number(offset >> 32n);
}
