/** What the endpoint sends as initiator of the semantic sublayer, and what it makes of answers. @spec uet:ses/2 · uet:ses/3 */
import { NextHeader, PdsType, ReturnCode, SesOpcode, SesResponseOpcode } from '@verbena/core/wire';
import { Broken, claim, topic } from '../rule.ts';
import { fill, response, responseData } from '../tester/packets.ts';

const initiator = topic('ses-initiator', 'ses', { role: 'initiator', needs: ['upper'] });
const OK = { code: ReturnCode.OK };
const { DEFAULT_RESPONSE, NO_RESPONSE, RESPONSE } = SesResponseOpcode;
const DONE = { opcode: DEFAULT_RESPONSE, returnCode: ReturnCode.OK };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export const SES_INITIATOR = [
  initiator(
    'write',
    '3.7',
    'a WRITE names process, index, key, offset, job and length, and has som and eom when it is one packet',
    async (t) => {
      const { first } = await t.accepts({ length: 24, key: '0x4711', offset: 256, pid: 5, ri: 6 });
      const wanted = {
        opcode: SesOpcode.WRITE,
        som: 1,
        eom: 1,
        rel: 1,
        ie: 0,
        hd: 0,
        jobId: t.endpoint.job,
        pidOnFep: 5,
      };
      for (const [name, value] of Object.entries({ ...wanted, requestLength: 24, ver: 0 })) {
        claim(first.ses[name] === value, `${name} ${value}`, first.ses[name]);
      }
      claim(first.data.length === 24 && Buffer.compare(first.data, fill(24)) === 0, 'its 24 bytes', first.data.length);
      claim(BigInt(first.ses['bufferOffset'] as bigint) === 256n, 'offset 256', first.ses['bufferOffset']);
      if (first.next !== NextHeader.REQUEST_SMALL)
        claim(first.ses['memoryKey'] === 0x4711n, 'key 0x4711', first.ses['memoryKey']);
    },
  ),
  initiator(
    'message-id',
    '2.9',
    'a message in STD headers has an id that is not 0, the same in all of its packets',
    async (t) => {
      const { peer, first } = await t.accepts({ length: 3 * t.mtu });
      const id = first.ses['messageId'];
      claim(id !== 0, 'an id', id);
      for (let n = 1; n < 3; n++) claim((await peer.wantRequest({}, n)).ses['messageId'] === id, `id ${id}`, 'another');
    },
  ),
  initiator('full-packets', '2.9', 'all packets of a message but the last carry a full payload', async (t) => {
    const { peer, first } = await t.accepts({ length: 2 * t.mtu + 7 });
    claim(
      first.data.length === t.mtu && first.ses['som'] === 1 && first.ses['eom'] === 0,
      'a full first packet',
      first.data.length,
    );
    const second = await peer.wantRequest({}, 1);
    claim(
      second.data.length === t.mtu && second.ses['messageOffset'] === t.mtu && second.ses['payloadLength'] === t.mtu,
      'a full second packet',
      second.data.length,
    );
    const third = await peer.wantRequest({}, 2);
    claim(
      third.data.length === 7 && third.ses['eom'] === 1 && third.ses['messageOffset'] === 2 * t.mtu,
      'a tail of 7 bytes with eom',
      third.data.length,
    );
  }),
  initiator('same-length', '2.9', 'every packet names the length of the whole message', async (t) => {
    const { peer, first } = await t.accepts({ length: 2 * t.mtu });
    claim(first.ses['requestLength'] === 2 * t.mtu, `${2 * t.mtu}`, first.ses['requestLength']);
    claim((await peer.wantRequest({}, 1)).ses['requestLength'] === 2 * t.mtu, `${2 * t.mtu}`, 'another');
  }),
  initiator('key-everywhere', '2.4', 'every packet of a WRITE names key and offset', async (t) => {
    const { peer, first } = await t.accepts({ length: 2 * t.mtu, key: '0x99', offset: 64 });
    const second = await peer.wantRequest({}, 1);
    for (const name of ['memoryKey', 'bufferOffset', 'jobId', 'pidOnFep', 'resourceIndex']) {
      claim(first.ses[name] === second.ses[name], `${name} ${first.ses[name]}`, second.ses[name]);
    }
  }),
  initiator('send', '3.2', 'a SEND goes with its bytes, in a header that it may have', async (t) => {
    const { first } = await t.accepts({ operation: 'send', length: 10 });
    claim(first.ses['opcode'] === SesOpcode.SEND && first.data.length === 10, 'SEND of 10 bytes', first.ses['opcode']);
    claim(first.next !== NextHeader.REQUEST_SMALL, 'a header that SEND may have', first.next);
  }),
  initiator('send-data', '2.8', 'immediate data travels as header data, announced by hd', async (t) => {
    const { first } = await t.accepts({ operation: 'send', length: 10, imm: '81985529216486895' });
    claim(first.ses['hd'] === 1, 'hd', first.ses['hd']);
    const data = first.ses['headerData'] ?? first.ses['bufferOffset'];
    claim(data === 81985529216486895n, 'the 64 bits', data);
  }),
  initiator(
    'hd-first-only',
    '2.8',
    'hd is set on the first packet alone',
    async (t) => {
      const { peer, first } = await t.accepts({ operation: 'send', length: 2 * t.mtu, imm: '5' });
      claim(first.ses['hd'] === 1, 'hd on the first packet', first.ses['hd']);
      claim((await peer.wantRequest({}, 1)).ses['hd'] === 0, 'no hd on the second', 'hd');
    },
    { level: 'should' },
  ),
  initiator('empty', '2.9', 'a message of no bytes is one packet without payload', async (t) => {
    const { first } = await t.accepts({ length: 0 });
    claim(
      first.data.length === 0 && first.ses['som'] === 1 && first.ses['eom'] === 1,
      'one packet without payload',
      first.data.length,
    );
  }),
  ...(
    [
      ['bad-mkey', ReturnCode.BAD_MKEY],
      ['op-violation', ReturnCode.OP_VIOLATION],
      ['perm-violation', ReturnCode.PERM_VIOLATION],
      ['bad-job', ReturnCode.BAD_JOB_ID],
      ['unsupported', ReturnCode.UNSUPPORTED_OP],
      ['vendor', 0x30],
      ['reserved', 0x25],
    ] as const
  ).map(([id, code]) =>
    initiator(
      `fails-${id}`,
      '2.12',
      `return code 0x${code.toString(16)} fails the request, and the program is told the code`,
      async (t) => {
        const { peer, queue, request } = await t.accepts();
        peer.answer(0, { opcode: RESPONSE, returnCode: code });
        const { status, vendorStatus } = await t.completion(queue, request);
        claim(
          status !== 'SUCCESS' && vendorStatus === code,
          `a failure by 0x${code.toString(16)}`,
          `${status} 0x${vendorStatus.toString(16)}`,
        );
      },
    ),
  ),
  initiator('error-not-fatal', '2.12', 'such a failure leaves context and queue alone', async (t) => {
    const { peer, queue, request } = await t.accepts();
    peer.answer(0, { opcode: RESPONSE, returnCode: ReturnCode.BAD_MKEY });
    await t.completion(queue, request);
    const next = await t.post(queue);
    await peer.wantRequest({ syn: false }, 1);
    peer.answer(1, DONE);
    const { status } = await t.completion(queue, next);
    claim(status === 'SUCCESS', 'SUCCESS of the next one', status);
  }),
  initiator(
    'no-match-retried',
    '3.1',
    'NO_MATCH to a SEND is tried again after a while, as a new message with new PSNs',
    async (t) => {
      const { peer, queue, request, first } = await t.accepts({ operation: 'send' });
      peer.answer(0, { opcode: RESPONSE, returnCode: ReturnCode.NO_MATCH });
      const again = await peer.wantRequest({ retx: false }, 1);
      claim(
        again.ses['opcode'] === SesOpcode.SEND && again.ses['messageId'] !== first.ses['messageId'],
        'a SEND with another message id',
        again.ses['messageId'],
      );
      peer.answer(1, DONE);
      claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
    },
    { level: 'should' },
  ),
  initiator(
    'generation-learned',
    '3.1',
    'BAD_GENERATION is answered by the same message with the generation that was told',
    async (t) => {
      const { peer, queue, request } = await t.accepts({ operation: 'send', ordered: true });
      peer.answer(0, { opcode: RESPONSE, returnCode: ReturnCode.BAD_GENERATION, riGeneration: 6 });
      const again = await peer.wantRequest({}, 1);
      claim(again.ses['riGeneration'] === 6, 'generation 6', again.ses['riGeneration']);
      peer.answer(1, DONE);
      claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
    },
  ),
  initiator('generation-kept', '3.4', 'and later messages to that index name it at once', async (t) => {
    const { peer, queue } = await t.accepts({ operation: 'send', ordered: true });
    peer.answer(0, { opcode: RESPONSE, returnCode: ReturnCode.BAD_GENERATION, riGeneration: 6 });
    await peer.wantRequest({}, 1);
    peer.answer(1, DONE);
    await t.post(queue, { operation: 'send' });
    const next = await peer.wantRequest({}, 2);
    claim(next.ses['riGeneration'] === 6, 'generation 6', next.ses['riGeneration']);
  }),
  initiator(
    'disabled-waits',
    '3.1',
    'DISABLED_GEN is tried again after a while',
    async (t) => {
      const { peer, queue, request } = await t.accepts({ operation: 'send', ordered: true });
      peer.answer(0, { opcode: RESPONSE, returnCode: ReturnCode.DISABLED_GEN });
      await peer.wantRequest({}, 1);
      peer.answer(1, DONE);
      claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
    },
    { level: 'should' },
  ),
  initiator('no-response-waits', '2.11', 'NO_RESPONSE alone does not complete a message', async (t) => {
    const { peer, queue, request } = await t.accepts({ length: 2 * t.mtu });
    await peer.wantRequest({}, 1);
    peer.answer(0, { opcode: NO_RESPONSE });
    peer.answer(1, DONE);
    claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
  }),
  initiator('error-stops', '3.12', 'after an error in mid-message the request fails with its code', async (t) => {
    const { peer, queue, request } = await t.accepts({ length: 3 * t.mtu });
    for (const n of [1, 2]) await peer.wantRequest({}, n);
    peer.answer(0, { opcode: RESPONSE, returnCode: ReturnCode.BAD_ADDR });
    peer.answer(2, { opcode: NO_RESPONSE });
    const { status, vendorStatus } = await t.completion(queue, request);
    claim(
      status !== 'SUCCESS' && vendorStatus === ReturnCode.BAD_ADDR,
      'a failure by BAD_ADDR',
      `${status} 0x${vendorStatus.toString(16)}`,
    );
  }),
  initiator('read', '3.8', 'a READ asks with packets without payload, one for each packet of data', async (t) => {
    const { peer, first } = await t.accepts({ operation: 'read', length: t.mtu + 8 });
    claim(first.ses['opcode'] === SesOpcode.READ && first.data.length === 0, 'READ without payload', first.data.length);
    const second = await peer.wantRequest({}, 1);
    claim(
      second.ses['payloadLength'] === 8 && second.ses['messageOffset'] === t.mtu && second.data.length === 0,
      'a second one for 8 bytes',
      second.ses['payloadLength'],
    );
  }),
  initiator('read-in-ack', '3.8', 'data in the acknowledgement completes a small READ', async (t) => {
    const { peer, queue, request, first } = await t.accepts({ operation: 'read', length: 8 });
    const readRequestMessageId = Number(first.ses['messageId'] ?? 0);
    const body = responseData({ readRequestMessageId, modifiedLength: 8, jobId: t.endpoint.job }, fill(8, 40));
    peer.ack(0, { body, cack: -1, req: 1 });
    const { status, data } = await t.completion(queue, request);
    claim(status === 'SUCCESS' && data === hex(fill(8, 40)), 'the 8 bytes', `${status} ${data}`);
  }),
  initiator(
    'read-returned',
    '3.8',
    'data of the return direction is acknowledged and completes the READ',
    async (t) => {
      const { peer, queue, request, first } = await t.accepts({ operation: 'read', length: 64 });
      peer.answer(0, DONE);
      const readRequestMessageId = Number(first.ses['messageId']);
      peer.send(
        responseData(
          { readRequestMessageId, modifiedLength: 64, jobId: t.endpoint.job, responseMessageId: 9 },
          fill(64, 3),
        ),
        { syn: false },
      );
      await peer.wantAck(0, { messageId: 9, ...OK, spdcid: peer.remote, dpdcid: peer.id });
      const { status, data } = await t.completion(queue, request);
      claim(status === 'SUCCESS' && data === hex(fill(64, 3)), 'the 64 bytes', status);
    },
  ),
  initiator('read-data-first', '3.8', 'data may overtake the acknowledgement of the request', async (t) => {
    const { peer, queue, request, first } = await t.accepts({ operation: 'read', length: 64 });
    const readRequestMessageId = Number(first.ses['messageId']);
    peer.send(responseData({ readRequestMessageId, modifiedLength: 64, jobId: t.endpoint.job }, fill(64)), {
      syn: false,
    });
    await peer.wantAck(0);
    peer.answer(0, DONE);
    claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
  }),
  initiator('read-waits', '3.8', 'a READ does not complete before all of its data is there', async (t) => {
    const { peer, queue, first } = await t.accepts({ operation: 'read', length: t.mtu + 8 });
    await peer.wantRequest({}, 1);
    peer.answer(1, DONE);
    const readRequestMessageId = Number(first.ses['messageId']);
    peer.send(responseData({ readRequestMessageId, modifiedLength: t.mtu + 8, jobId: t.endpoint.job }, fill(t.mtu)), {
      syn: false,
    });
    await peer.wantAck(0);
    const early = await t.upper.call<{ none?: boolean }>('completion', {
      queue: queue.queue,
      request: -1,
      timeoutMs: 30,
      may: true,
    });
    claim(early.none === true, 'nothing yet', 'a completion');
  }),
  initiator('read-duplicate', '4.8', 'data that comes twice is acknowledged twice and taken once', async (t) => {
    const { peer, queue, request, first } = await t.accepts({ operation: 'read', length: t.mtu + 8 });
    await peer.wantRequest({}, 1);
    peer.answer(1, DONE);
    const values = {
      readRequestMessageId: Number(first.ses['messageId']),
      modifiedLength: t.mtu + 8,
      jobId: t.endpoint.job,
    };
    const body = responseData(values, fill(t.mtu));
    peer.send(body, { syn: false });
    await peer.wantAck(0);
    peer.send(body, { syn: false, at: 0, retx: true });
    await peer.wantAck(0);
    peer.send(responseData({ ...values, messageOffset: t.mtu }, fill(8)), { syn: false });
    claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
  }),
  initiator('read-error', '3.8', 'an error in the acknowledgement fails the READ', async (t) => {
    const { peer, queue, request } = await t.accepts({ operation: 'read', length: 64 });
    peer.answer(0, { opcode: RESPONSE, returnCode: ReturnCode.BAD_ADDR });
    const { status, vendorStatus } = await t.completion(queue, request);
    claim(status !== 'SUCCESS' && vendorStatus === ReturnCode.BAD_ADDR, 'a failure by BAD_ADDR', status);
  }),
  initiator(
    'read-unknown',
    '2.11',
    'data for a request that is not known is acknowledged or refused, and nothing else happens',
    async (t) => {
      const { peer, queue, request } = await t.accepts();
      peer.send(responseData({ readRequestMessageId: 0x7777, modifiedLength: 8, jobId: t.endpoint.job }, fill(8)), {
        syn: false,
      });
      await peer.wantAck(0);
      peer.answer(0, DONE);
      claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS of what was open', 'something else');
    },
  ),
  initiator(
    'request-backwards',
    '2.2',
    'a request in the return direction is refused as PDC_HDR_MISMATCH',
    async (t) => {
      const { peer } = await t.accepts();
      peer.answer(0, DONE);
      peer.send(t.write(), { syn: false });
      await peer.wantNack(0x0f, 0);
    },
  ),
  initiator(
    'response-backwards',
    '2.2',
    'a request packet that carries a response without data is refused',
    async (t) => {
      const { peer } = await t.accepts();
      peer.answer(0, DONE);
      peer.send(response({ returnCode: 1 }), { syn: false });
      await peer.wantNack(0x0f, 0);
    },
  ),
  initiator('fence', '3.11', 'a fenced request waits until earlier reads are done', async (t) => {
    const { peer, queue, first } = await t.accepts({ operation: 'read', length: 8 });
    await t.post(queue, { fence: true });
    await peer.quiet('request', 30).catch((error: Error) => {
      if (!t.lane.log.some(({ retx }) => retx)) throw error;
    });
    const body = responseData({ readRequestMessageId: Number(first.ses['messageId']), modifiedLength: 8 }, fill(8));
    peer.ack(0, { body, cack: 0 });
    await peer.wantRequest({}, 1);
  }),
  initiator('ordered', '6.1', 'an ordered queue uses ROD requests, in the order of posting', async (t) => {
    const { peer, queue, first } = await t.accepts({ ordered: true, operation: 'send', length: 5 });
    await t.post(queue, { operation: 'send', length: 6 });
    const second = await peer.wantRequest({ type: PdsType.ROD_REQ }, 1);
    if (first.data.length !== 5 || second.data.length !== 6)
      throw new Broken('5 bytes, then 6', `${first.data.length}, then ${second.data.length}`);
  }),
];
