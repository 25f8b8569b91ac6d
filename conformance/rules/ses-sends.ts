/** Sends, who receives them, and generations of resource indices. @spec uet:ses/3 */
import { NextHeader, ReturnCode, SesOpcode, SesResponseOpcode } from '@verbena/core/wire';
import { claim, topic } from '../rule.ts';
import { fill, mediumData } from '../tester/packets.ts';

const rule = topic('ses-send', 'ses', { needs: ['send'] });
const own = topic('ses-send', 'ses', { needs: ['send', 'upper'] });
const OK = { code: ReturnCode.OK };
const { DEFAULT_RESPONSE, NO_RESPONSE, RESPONSE } = SesResponseOpcode;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export const SES_SENDS = [
  rule('single', '3.2', 'a SEND that finds a receive is answered by a default response', async (t) => {
    const peer = await t.opened();
    peer.send(t.sends());
    await peer.wantAck(1, { answer: DEFAULT_RESPONSE, ...OK });
  }),
  rule('several', '3.2', 'one of several packets is answered like a WRITE of several', async (t) => {
    const peer = await t.opened();
    const [a, b] = t.message(2 * t.mtu, { opcode: SesOpcode.SEND });
    peer.send(a!);
    await peer.wantAck(1, { answer: NO_RESPONSE });
    peer.send(b!);
    await peer.wantAck(2, { answer: DEFAULT_RESPONSE, ...OK });
  }),
  rule('medium', '2.5', 'a SEND with a MEDIUM header', async (t) => {
    const peer = await t.opened();
    peer.send(t.short({ opcode: SesOpcode.SEND, memoryKey: 0n, bufferOffset: 0 }));
    await peer.wantAck(1, { answer: DEFAULT_RESPONSE, ...OK });
  }),
  rule(
    'no-receive',
    '3.4',
    'a SEND that finds no receive on an unordered context: NO_MATCH',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.sendTo(t.queueOf('dry')));
      await peer.wantAck(1, { answer: RESPONSE, code: ReturnCode.NO_MATCH });
    },
    { needs: ['send', 'queue:dry'] },
  ),
  rule(
    'absolute',
    '1.2',
    'a SEND to an absolute queue without receives is refused the same way',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.sendTo(t.queueOf('absolute')));
      await peer.wantAck(1, { code: ReturnCode.NO_MATCH });
    },
    { needs: ['send', 'queue:absolute'] },
  ),
  rule('initiator-error', '2.8', 'a SEND whose source could not be read: INITIATOR_ERROR', async (t) => {
    const peer = await t.opened();
    peer.send(t.sends({ ie: 1 }));
    await peer.wantAck(1, { code: ReturnCode.INITIATOR_ERROR });
  }),
  rule(
    'bad-generation',
    '1.4 row 10',
    'a generation that is not the current one: BAD_GENERATION, and the answer tells the current one',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.sends({ riGeneration: 200 }));
      const { generation } = await peer.wantAck(1, { answer: RESPONSE, code: ReturnCode.BAD_GENERATION });
      peer.send(t.sends({ riGeneration: generation }));
      await peer.wantAck(2, OK);
    },
    { level: 'should' },
  ),
  own('delivered', '3.2', 'the bytes, the sender and the job come to the receive', async (t) => {
    const queue = await t.queue({ receives: 1, bytes: 64 });
    const peer = await t.opened();
    peer.send(t.sendTo(queue, { initiator: 0xcafe }, fill(20, 9)));
    const { status, bytes, data, sourceId, jobId } = await t.received(queue);
    claim(
      status === 'SUCCESS' && bytes === 20 && data === hex(fill(20, 9)),
      '20 bytes',
      `${status}, ${bytes} bytes ${data}`,
    );
    claim(sourceId === 0xcafe && jobId === t.endpoint.job, 'initiator 0xcafe and the job', `${sourceId}, ${jobId}`);
  }),
  own('order', '4.1', 'receives are used in the order of posting', async (t) => {
    const queue = await t.queue();
    await t.receive(queue, 32);
    await t.receive(queue, 64);
    const peer = await t.opened();
    for (const length of [30, 60]) {
      const at = peer.send(t.sendTo(queue, {}, fill(length)));
      await peer.wantAck(at, { answer: DEFAULT_RESPONSE, ...OK });
      claim((await t.received(queue)).bytes === length, `${length} bytes`, 'another number');
    }
  }),
  own('once', '4.8', 'a repeated SEND is delivered once', async (t) => {
    const queue = await t.queue({ receives: 2, bytes: 64 });
    const peer = await t.opened();
    const body = t.sendTo(queue);
    peer.send(body);
    await peer.wantAck(1, OK);
    peer.send(body, { at: 1, retx: true });
    await peer.wantAck(1, OK);
    await t.received(queue);
    await t.nothingReceived(queue);
  }),
  own('out-of-order', '3.2', 'its packets may come in any order', async (t) => {
    const queue = await t.queue({ receives: 1, bytes: 4 * t.mtu });
    const peer = await t.opened();
    const bodies = t.message(3 * t.mtu, { opcode: SesOpcode.SEND, ...t.to(queue) });
    for (const n of [2, 1, 0]) peer.send(bodies[n]!, { at: n + 1 });
    const { status, data } = await t.received(queue);
    claim(status === 'SUCCESS' && data === hex(fill(3 * t.mtu)), 'all bytes in their places', status);
  }),
  own('one-receive', '3.2', 'a message of several packets takes one receive', async (t) => {
    const queue = await t.queue({ receives: 2, bytes: 4 * t.mtu });
    const peer = await t.opened();
    for (const body of t.message(3 * t.mtu, { opcode: SesOpcode.SEND, ...t.to(queue) })) peer.send(body);
    const { bytes } = await t.received(queue);
    claim(bytes === 3 * t.mtu, `${3 * t.mtu} bytes in one receive`, bytes);
    await t.nothingReceived(queue);
  }),
  own('empty', '4.1', 'a SEND of no bytes takes a receive', async (t) => {
    const queue = await t.queue({ receives: 1, bytes: 64 });
    const peer = await t.opened();
    peer.send(t.sendTo(queue, {}, fill(0)));
    await peer.wantAck(1, OK);
    claim((await t.received(queue)).bytes === 0, '0 bytes', 'more');
  }),
  own('data', '2.8', 'header data comes with the receive when hd is set', async (t) => {
    const queue = await t.queue({ receives: 2, bytes: 64 });
    const peer = await t.opened();
    peer.send(t.sendTo(queue, { hd: 1, headerData: 0x1234_5678_9abc_def0n }));
    claim((await t.received(queue)).imm === String(0x1234_5678_9abc_def0n), 'the 64 bits', 'others');
    peer.send(t.sendTo(queue, { hd: 0, headerData: 5n }));
    claim((await t.received(queue)).imm === undefined, 'none when hd is not set', 'some');
  }),
  own('medium-data', '2.5', 'in a MEDIUM header it has the place of the buffer offset', async (t) => {
    const queue = await t.queue({ receives: 1, bytes: 64 });
    const peer = await t.opened();
    const values = { opcode: SesOpcode.SEND, som: 1, eom: 1, hd: 1, headerData: 0x55n, requestLength: 8 };
    peer.send(mediumData({ ...t.to(queue), ...values }, fill(8)));
    await peer.wantAck(1, OK);
    claim((await t.received(queue)).imm === String(0x55), 'the data 0x55', 'other data');
  }),
  own(
    'truncated',
    '4.1',
    'a message longer than its receive is cut off: OK with the bytes that there was room for',
    async (t) => {
      const queue = await t.queue({ receives: 1, bytes: 16 });
      const peer = await t.opened();
      peer.send(t.sendTo(queue, {}, fill(40)));
      await peer.wantAck(1, { answer: RESPONSE, code: ReturnCode.OK, modified: 16, req: 1 });
      const { status } = await t.received(queue);
      claim(status === 'LOC_LEN_ERR', 'LOC_LEN_ERR at the receiver', status);
    },
    { level: 'choice' },
  ),
  own(
    'truncated-several',
    '4.1',
    'also one of several packets, at the packet that completes it',
    async (t) => {
      const queue = await t.queue({ receives: 1, bytes: t.mtu + 10 });
      const peer = await t.opened();
      const [a, b] = t.message(2 * t.mtu, { opcode: SesOpcode.SEND, ...t.to(queue) });
      peer.send(a!);
      await peer.wantAck(1, { answer: NO_RESPONSE });
      peer.send(b!);
      await peer.wantAck(2, { answer: RESPONSE, code: ReturnCode.OK, modified: t.mtu + 10 });
    },
    { level: 'choice' },
  ),
  own(
    'later-receive',
    '3.4',
    'a SEND that found no receive succeeds when it is sent again after one was posted',
    async (t) => {
      const queue = await t.queue();
      const peer = await t.opened();
      peer.send(t.sendTo(queue));
      await peer.wantAck(1, { code: ReturnCode.NO_MATCH });
      await t.receive(queue, 64);
      peer.send(t.sendTo(queue), { clear: 1 });
      await peer.wantAck(2, { answer: DEFAULT_RESPONSE, ...OK });
    },
  ),
  own(
    'disabled',
    '3.4',
    'on an ordered context a SEND without receive shuts the index: DISABLED_GEN, and so for every later one',
    async (t) => {
      const queue = await t.queue();
      const peer = await t.opened({ ordered: true });
      peer.send(t.sendTo(queue));
      await peer.wantAck(1, { code: ReturnCode.DISABLED_GEN });
      peer.send(t.sendTo(queue), { clear: 1 });
      await peer.wantAck(2, { code: ReturnCode.DISABLED_GEN });
    },
    { needs: ['send', 'upper', 'ordered'] },
  ),
  own(
    'generation',
    '3.4',
    'a receive opens it under a new generation: BAD_GENERATION to those who name the old one',
    async (t) => {
      const queue = await t.queue();
      const peer = await t.opened({ ordered: true });
      peer.send(t.sendTo(queue));
      const { generation } = await peer.wantAck(1, { code: ReturnCode.DISABLED_GEN });
      await t.receive(queue, 64, 2);
      peer.send(t.sendTo(queue, { riGeneration: generation }), { clear: 1 });
      const seen = await peer.wantAck(2, { code: ReturnCode.BAD_GENERATION });
      claim(seen.generation !== generation, 'another generation', generation);
      peer.send(t.sendTo(queue, { riGeneration: seen.generation }), { clear: 2 });
      await peer.wantAck(3, { answer: DEFAULT_RESPONSE, ...OK });
    },
    { needs: ['send', 'upper', 'ordered'] },
  ),
  own(
    'disabled-first',
    '1.4 row 9',
    'that an index is shut counts before its generation',
    async (t) => {
      const queue = await t.queue();
      const peer = await t.opened({ ordered: true });
      peer.send(t.sendTo(queue));
      await peer.wantAck(1, { code: ReturnCode.DISABLED_GEN });
      peer.send(t.sendTo(queue, { riGeneration: 77 }), { clear: 1 });
      await peer.wantAck(2, { code: ReturnCode.DISABLED_GEN });
    },
    { needs: ['send', 'upper', 'ordered'] },
  ),
  own('queue-gone', '1.4', 'a queue that is closed is not found', async (t) => {
    const queue = await t.queue({ receives: 1, bytes: 64 });
    const peer = await t.opened();
    await t.upper.call('close', { queue: queue.queue });
    peer.send(t.sendTo(queue));
    await peer.wantAck(1, { code: ReturnCode.BAD_INDEX });
  }),
  own('message-error', '3.12', 'MSG_ERROR completes the receive of its message with an error', async (t) => {
    const queue = await t.queue({ receives: 1, bytes: 4 * t.mtu });
    const peer = await t.opened();
    const bodies = t.message(3 * t.mtu, { opcode: SesOpcode.SEND, ...t.to(queue) });
    peer.send(bodies[0]!);
    await peer.wantAck(1, { answer: NO_RESPONSE });
    const bytes = bodies[1]!.bytes.slice(0, 44).with(0, SesOpcode.MSG_ERROR);
    bytes.set([0, 0, 0, 0], 32);
    bytes[1] = bytes[1]! | 2;
    peer.send({ next: NextHeader.REQUEST_STD, bytes });
    await peer.wantAck(2);
    const { status } = await t.received(queue);
    claim(status !== 'SUCCESS', 'an error', status);
  }),
  own('key-revoked', '1.4 row 14', 'a region that is deregistered is not found by its key', async (t) => {
    const region = await t.region(256, ['local-write', 'remote-write']);
    const peer = await t.opened();
    peer.send(t.write({ memoryKey: BigInt(region.key), bufferOffset: 0 }));
    await peer.wantAck(1, OK);
    await t.upper.call('deregister', { region: region.region });
    peer.send(t.write({ memoryKey: BigInt(region.key), bufferOffset: 0 }));
    await peer.wantAck(2, { code: ReturnCode.BAD_MKEY });
  }),
  own('write-data', '3.7', 'a WRITE with completion data raises a completion at the target', async (t) => {
    const queue = await t.queue({ receives: 1, bytes: 64 });
    const peer = await t.opened();
    peer.send(t.write({ ...t.to(queue), hd: 1, headerData: 0x77n }));
    await peer.wantAck(1, OK);
    const { imm } = await t.received(queue);
    claim(imm === String(0x77), 'the data 0x77', imm);
  }),
  own('write-silent', '3.7', 'a WRITE without raises none', async (t) => {
    const queue = await t.queue({ receives: 1, bytes: 64 });
    const peer = await t.opened();
    peer.send(t.write({ ...t.to(queue) }));
    await peer.wantAck(1, OK);
    await t.nothingReceived(queue);
  }),
];
