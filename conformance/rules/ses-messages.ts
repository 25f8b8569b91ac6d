/** Messages of one packet and of several, headers of every size, reads. @spec uet:ses/2 · uet:ses/3 */
import { ControlType, NextHeader, PdsType, ReturnCode, SesOpcode, SesResponseOpcode } from '@verbena/core/wire';
import { Broken, claim, topic } from '../rule.ts';
import { fill, std } from '../tester/packets.ts';

const rule = topic('ses-message', 'ses');
const reading = topic('ses-read', 'ses', { needs: ['read'] });
const OK = { code: ReturnCode.OK };
const { DEFAULT_RESPONSE, NO_RESPONSE, RESPONSE, RESPONSE_W_DATA } = SesResponseOpcode;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function same(bytes: Uint8Array, wanted: Uint8Array): void {
  if (Buffer.compare(bytes, wanted) !== 0)
    throw new Broken(`bytes ${hex(wanted).slice(0, 64)}`, hex(bytes).slice(0, 64));
}

export const SES_MESSAGES = [
  rule('single', '3.1', 'a message of one packet is answered by a default response with OK', async (t) => {
    const peer = await t.opened();
    peer.send(t.write());
    await peer.wantAck(1, { answer: DEFAULT_RESPONSE, ...OK });
  }),
  rule(
    'several',
    '3.1',
    'of a message of several packets the one that completes it is answered by a default response, the others by NO_RESPONSE',
    async (t) => {
      const peer = await t.opened();
      const [a, b] = t.message(2 * t.mtu);
      peer.send(a!);
      await peer.wantAck(1, { answer: NO_RESPONSE });
      peer.send(b!);
      await peer.wantAck(2, { answer: DEFAULT_RESPONSE, ...OK });
    },
  ),
  rule(
    'any-order',
    '3.2',
    'on an unordered context the packets of a message come in any order, and each is put in its place',
    async (t) => {
      const peer = await t.opened();
      const bodies = t.message(3 * t.mtu);
      for (const n of [2, 0, 1]) peer.send(bodies[n]!, { at: 1 + n });
      await peer.wantCack(3);
      same(await t.readBack(16), fill(16));
      same(await t.readBack(16, t.place + 2 * t.mtu), fill(3 * t.mtu).slice(2 * t.mtu, 2 * t.mtu + 16));
    },
    { needs: ['read'] },
  ),
  rule(
    'not-eom',
    '3.1',
    'the answer belongs to the packet that completes the message, which need not be the last one',
    async (t) => {
      const peer = await t.opened();
      const [a, b] = t.message(2 * t.mtu);
      peer.send(b!, { at: 2 });
      await peer.wantAck(2, { answer: NO_RESPONSE });
      peer.send(a!, { at: 1 });
      await peer.wantAck(1, { answer: DEFAULT_RESPONSE, ...OK });
    },
  ),
  rule(
    'short-tail',
    '2.4',
    'the last packet of a message may be shorter',
    async (t) => {
      const peer = await t.opened();
      for (const body of t.message(t.mtu + 5)) peer.send(body);
      await peer.wantAck(2, { answer: DEFAULT_RESPONSE, ...OK });
      same(await t.readBack(5, t.place + t.mtu), fill(t.mtu + 5).slice(t.mtu));
    },
    { needs: ['read'] },
  ),
  rule('empty', '2.9', 'a message of no bytes is a message', async (t) => {
    const peer = await t.opened();
    peer.send(t.write({}, fill(0)));
    await peer.wantAck(1, { answer: DEFAULT_RESPONSE, ...OK });
  }),
  rule('id-again', '2.9', 'a message id may be used again when its message is done', async (t) => {
    const peer = await t.opened();
    for (let n = 0; n < 3; n++) {
      const at = peer.send(t.write({ messageId: 77 }));
      await peer.wantAck(at, OK);
    }
  }),
  rule('id-per-context', '2.9', 'messages of two contexts with one id are two messages', async (t) => {
    const [one, other] = [await t.opened(), await t.opened()];
    const values = { messageId: 99 };
    const [a, b] = t.message(2 * t.mtu, values);
    one.send(a!);
    other.send(a!);
    await one.wantAck(1, { answer: NO_RESPONSE });
    await other.wantAck(1, { answer: NO_RESPONSE });
    other.send(b!);
    await other.wantAck(2, { answer: DEFAULT_RESPONSE });
    one.send(b!);
    await one.wantAck(2, { answer: DEFAULT_RESPONSE });
  }),
  rule('two-at-a-time', '2.9', 'packets of two messages under way are told apart by their ids', async (t) => {
    const peer = await t.opened();
    const [a1, a2] = t.message(2 * t.mtu);
    const [b1, b2] = t.message(2 * t.mtu);
    for (const body of [a1, b1, a2]) peer.send(body!);
    await peer.wantAck(3, { answer: DEFAULT_RESPONSE });
    peer.send(b2!);
    await peer.wantAck(4, { answer: DEFAULT_RESPONSE });
  }),
  rule(
    'key-changes',
    '1.4',
    'a packet with another key in the middle of a message: PERM_VIOLATION',
    async (t) => {
      const peer = await t.opened();
      const messageId = t.messageId();
      const [a] = t.message(2 * t.mtu, { messageId });
      const [, b] = t.message(2 * t.mtu, { messageId, memoryKey: t.key('writeOnly'), bufferOffset: 0 });
      peer.send(a!);
      await peer.wantAck(1);
      peer.send(b!);
      await peer.wantAck(2, { answer: RESPONSE, code: ReturnCode.PERM_VIOLATION });
    },
    { needs: ['region:writeOnly'] },
  ),
  rule(
    'length-changes',
    '2.9',
    'a packet that names another length of its message: OP_VIOLATION',
    async (t) => {
      const peer = await t.opened();
      const messageId = t.messageId();
      const [a] = t.message(2 * t.mtu, { messageId });
      const [, b] = t.message(3 * t.mtu, { messageId });
      peer.send(a!);
      await peer.wantAck(1);
      peer.send(b!);
      await peer.wantAck(2, { answer: RESPONSE, code: ReturnCode.OP_VIOLATION });
    },
    { level: 'should' },
  ),
  rule('piece-length', '1.4 row 19', 'a payload that is longer than its header says: OP_VIOLATION', async (t) => {
    const peer = await t.opened();
    const [a, b] = t.message(t.mtu + 16);
    peer.send(a!);
    await peer.wantAck(1);
    peer.send({ next: b!.next, bytes: new Uint8Array([...b!.bytes, 1, 2, 3]) });
    await peer.wantAck(2, { answer: RESPONSE, code: ReturnCode.OP_VIOLATION });
  }),
  rule('piece-beyond', '1.4 row 19', 'a packet that lies beyond the end of its message: OP_VIOLATION', async (t) => {
    const peer = await t.opened();
    const messageId = t.messageId();
    const [a] = t.message(2 * t.mtu, { messageId });
    const [, , c] = t.message(3 * t.mtu, { messageId, requestLength: 2 * t.mtu });
    peer.send(a!);
    await peer.wantAck(1);
    peer.send(c!);
    await peer.wantAck(2, { answer: RESPONSE, code: ReturnCode.OP_VIOLATION });
  }),
  rule('first-too-long', '1.4 row 11', 'a first packet that is longer than its message: OP_VIOLATION', async (t) => {
    const peer = await t.opened();
    peer.send(t.write({ requestLength: 8 }, fill(9)));
    await peer.wantAck(1, { code: ReturnCode.OP_VIOLATION });
  }),
  rule('failed-again', '1.4 row 7', 'further packets of a message that failed get the same code', async (t) => {
    const peer = await t.opened();
    const [a, b, c] = t.message(3 * t.mtu, { memoryKey: 5n });
    peer.send(a!);
    await peer.wantAck(1, { code: ReturnCode.BAD_MKEY });
    peer.send(b!, { clear: 1 });
    await peer.wantAck(2, { answer: RESPONSE, code: ReturnCode.BAD_MKEY });
    peer.send(c!, { clear: 2 });
    await peer.wantAck(3, { answer: RESPONSE, code: ReturnCode.BAD_MKEY });
  }),
  rule(
    'failed-later',
    '3.1',
    'one bad packet fails the whole message: those after it are answered by its code',
    async (t) => {
      const peer = await t.opened();
      const [a, b, c] = t.message(3 * t.mtu, {});
      peer.send(a!);
      await peer.wantAck(1, { answer: NO_RESPONSE });
      peer.send({ next: b!.next, bytes: b!.bytes.with(1, b!.bytes[1]! | 0x10) });
      await peer.wantAck(2, { code: ReturnCode.INITIATOR_ERROR });
      peer.send(c!, { clear: 2 });
      await peer.wantAck(3, { answer: RESPONSE, code: ReturnCode.INITIATOR_ERROR });
    },
  ),
  rule(
    'error-keeps-memory',
    '2.8',
    'the payload of a packet with an initiator error does not touch memory',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write({ ie: 1 }, fill(8, 200)));
      await peer.wantAck(1, { code: ReturnCode.INITIATOR_ERROR });
      same(await t.readBack(8), fill(8));
    },
    { needs: ['read'] },
  ),
  rule('no-op', '3.11', 'NO_OP has no payload and no effect, and is answered by a default response', async (t) => {
    const peer = await t.opened();
    peer.send(t.write({ opcode: SesOpcode.NO_OP }, fill(0)));
    await peer.wantAck(1, { answer: DEFAULT_RESPONSE, ...OK });
  }),
  rule('message-error', '3.12', 'MSG_ERROR ends a message early; its id is free again', async (t) => {
    const peer = await t.opened();
    const messageId = t.messageId();
    const [a] = t.message(3 * t.mtu, { messageId });
    peer.send(a!);
    await peer.wantAck(1);
    const [, end] = t.message(3 * t.mtu, { messageId });
    const bytes = end!.bytes.slice(0, 44).with(0, SesOpcode.MSG_ERROR);
    bytes.set([0, 0, 0, 0], 32); // no payload
    bytes[1] = bytes[1]! | 2; // eom
    peer.send({ next: end!.next, bytes });
    await peer.wantAck(2);
    peer.send(t.write({ messageId }));
    await peer.wantAck(3, { answer: DEFAULT_RESPONSE, ...OK });
  }),
  rule(
    'delivery-complete',
    '2.8',
    'a write that wants delivery complete is either refused, or answered when its bytes are visible',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write({ dc: 1 }, fill(8, 77)));
      const { code } = await peer.wantAck(1);
      if (code === ReturnCode.OK) same(await t.readBack(8), fill(8, 77));
    },
    { needs: ['read'] },
  ),
  rule(
    'medium-write',
    '2.5',
    'a WRITE with a MEDIUM header',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.short({}, fill(20, 5)));
      await peer.wantAck(1, OK);
      same(await t.readBack(20), fill(20, 5));
    },
    { needs: ['read'] },
  ),
  rule('medium-length', '2.5', 'its length is that of its payload: OP_VIOLATION otherwise', async (t) => {
    const peer = await t.opened();
    peer.send(t.short({ requestLength: 9 }));
    await peer.wantAck(1, { code: ReturnCode.OP_VIOLATION });
  }),
  rule('medium-checks', '2.5', 'a MEDIUM header is checked like the others', async (t) => {
    const peer = await t.opened();
    peer.send(t.short({ memoryKey: 5n }));
    await peer.wantAck(1, { code: ReturnCode.BAD_MKEY });
  }),
  rule(
    'medium-no-id',
    '2.11',
    'the answer to a request without a message id has none',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.short());
      await peer.wantAck(1, { messageId: 0, ...OK });
    },
    { level: 'choice' },
  ),
  rule(
    'small-key',
    '2.3',
    'a SMALL header names a region by an index; where there is none: BAD_MKEY or BAD_INDEX',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.smallBody({ resourceIndex: 1 }));
      const { code } = await peer.wantAck(1);
      claim(
        [ReturnCode.BAD_MKEY, ReturnCode.BAD_INDEX, ReturnCode.UNSUPPORTED_OP].includes(code as never),
        'BAD_MKEY, BAD_INDEX or UNSUPPORTED_OP',
        code,
      );
    },
  ),
  rule(
    'small-write',
    '2.3',
    'a WRITE with a SMALL header reaches the region of its index',
    async (t) => {
      const peer = await t.opened();
      const index = Number(t.key('indexed') & 0xfffn);
      peer.send(t.smallBody({ resourceIndex: index, bufferOffset: 0 }));
      await peer.wantAck(1, OK);
    },
    { needs: ['region:indexed'] },
  ),
  rule('write-data', '3.7', 'a WRITE with completion data is answered like any other', async (t) => {
    const peer = await t.opened();
    peer.send(t.write({ hd: 1, headerData: 0x1122n }));
    const { code } = await peer.wantAck(1);
    claim(
      code === ReturnCode.OK || code === ReturnCode.OP_VIOLATION,
      'OK, or OP_VIOLATION of a target that cannot',
      code,
    );
  }),
  rule('generation-of-write', '1.4 row 10', 'a WRITE names no generation that matters', async (t) => {
    const peer = await t.opened();
    peer.send(t.write({ riGeneration: 0 }));
    await peer.wantAck(1, OK);
  }),

  reading('in-ack', '3.8', 'up to 16 bytes come in the acknowledgement, with a RESPONSE_DATA header', async (t) => {
    const peer = await t.opened();
    peer.send(t.read(8, { messageId: 0x321 }));
    const { data } = await peer.wantAck(1, {
      next: NextHeader.RESPONSE_DATA,
      answer: RESPONSE_W_DATA,
      readId: 0x321,
      pieceLength: 8,
      messageOffset: 0,
      ...OK,
    });
    same(data, fill(8));
  }),
  reading('in-ack-kept', '2.11', 'that answer is kept until it is cleared', async (t) => {
    const peer = await t.opened();
    const body = t.read(8);
    peer.send(body);
    await peer.wantAck(1, { req: 1, cack: 0 });
    peer.send(body, { at: 1, retx: true, clear: 0 });
    const { data } = await peer.wantAck(1, { req: 1 });
    same(data, fill(8));
  }),
  reading(
    'return-direction',
    '3.8',
    'more comes in the return direction, and the acknowledgement says that it will',
    async (t) => {
      const peer = await t.opened();
      await writeMore(t, peer, 100);
      const at = peer.send(t.read(100, { messageId: 0x456 }));
      await peer.wantAck(at, { ...OK, data: new Uint8Array() });
      const seen = await peer.wantData({
        psn: 0,
        dpdcid: peer.id,
        spdcid: peer.remote,
        syn: false,
        type: PdsType.RUD_REQ,
        readId: 0x456,
        ...OK,
      });
      same(seen.data, fill(100));
      peer.answer(0, { opcode: 0, returnCode: 1 });
    },
  ),
  reading(
    'return-start',
    '3.3',
    'PSNs of the return direction begin at the first PSN of the context too, and clear one below',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.read(64));
      await peer.wantData({ psn: 0, clear: -1 });
    },
  ),
  reading('return-next', '2.5', 'PSNs of the return direction count on their own', async (t) => {
    const peer = await t.opened();
    peer.send(t.read(64));
    await peer.wantData({ psn: 0 });
    peer.answer(0, { opcode: 0, returnCode: 1 });
    for (let n = 0; n < 5; n++) peer.send(t.write());
    await peer.wantCack(6);
    peer.send(t.read(64));
    await peer.wantData({ psn: 1, clear: 0 });
  }),
  reading('return-repeated', '5.1', 'read data that is not acknowledged is repeated', async (t) => {
    const peer = await t.opened();
    peer.send(t.read(64));
    await peer.wantData({ psn: 0, retx: false });
    const again = await peer.wantData({ psn: 0, retx: true, ar: true });
    claim(again.data.length === 64, '64 bytes', again.data.length);
    peer.answer(0, { opcode: 0, returnCode: 1 });
  }),
  reading('return-nack', '2.12', 'read data that is refused is sent again', async (t) => {
    const peer = await t.opened();
    peer.send(t.read(64));
    await peer.wantData({ psn: 0 });
    peer.nack(0x01, 0);
    await peer.wantData({ psn: 0, retx: true });
    peer.answer(0, { opcode: 0, returnCode: 1 });
  }),
  reading('ordered', '3.8', 'on an ordered context read data is ordered too', async (t) => {
    const peer = await t.opened({ ordered: true });
    for (let n = 0; n < 3; n++) peer.send(t.read(64, { messageId: 10 + n }));
    for (let n = 0; n < 3; n++) await peer.wantData({ psn: n, readId: 10 + n, type: PdsType.ROD_REQ });
    peer.answer(2, { opcode: 0, returnCode: 1 });
  }),
  reading(
    'several',
    '3.8',
    'one packet of data for each packet of the request, each with its place in the message',
    async (t) => {
      const peer = await t.opened();
      const bodies = t.message(2 * t.mtu + 4, { opcode: SesOpcode.READ });
      bodies.forEach((body) => void peer.send(body));
      const offsets: number[] = [];
      for (let n = 0; n < 3; n++) {
        const { messageOffset, pieceLength } = await peer.wantData(OK);
        offsets.push(messageOffset);
        claim(pieceLength === (messageOffset === 2 * t.mtu ? 4 : t.mtu), 'the length that was asked for', pieceLength);
      }
      peer.answer(2, { opcode: 0, returnCode: 1 });
      claim(offsets.sort((a, b) => a - b).join() === `0,${t.mtu},${2 * t.mtu}`, 'three places', offsets.join());
    },
  ),
  reading('one-way', '3.8', 'a small last piece of a larger read comes in the return direction as well', async (t) => {
    const peer = await t.opened();
    const bodies = t.message(t.mtu + 4, { opcode: SesOpcode.READ });
    for (const body of bodies) peer.send(body);
    await peer.wantData();
    const seen = await peer.wantData();
    peer.answer(1, { opcode: 0, returnCode: 1 });
    claim(
      t.lane.log.every(({ kind, data }) => kind !== 'ack' || data.length === 0),
      'no data in acknowledgements',
      seen.kind,
    );
  }),
  reading('empty', '3.8', 'a READ of no bytes is answered without data', async (t) => {
    const peer = await t.opened();
    peer.send(t.read(0));
    await peer.wantAck(1, { ...OK, data: new Uint8Array() });
    await peer.quiet('data');
  }),
  reading(
    'medium',
    '2.11',
    'data for a request without a message id has a RESPONSE_DATA_SMALL header with the PSN of the request',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.short({ opcode: SesOpcode.READ, requestLength: 64 }, fill(0)));
      await peer.wantData({ next: NextHeader.RESPONSE_DATA_SMALL, requestPsn: 1, pieceLength: 64, ...OK });
      peer.answer(0, { opcode: 0, returnCode: 1 });
    },
  ),
  reading('medium-in-ack', '2.11', 'also in an acknowledgement', async (t) => {
    const peer = await t.opened();
    peer.send(t.short({ opcode: SesOpcode.READ, requestLength: 8 }, fill(0)));
    await peer.wantAck(1, { next: NextHeader.RESPONSE_DATA_SMALL, requestPsn: 1, pieceLength: 8, ...OK });
  }),
  reading('error', '3.8', 'a READ that fails has no data, only its code', async (t) => {
    const peer = await t.opened();
    peer.send(t.read(100, { memoryKey: 5n }));
    await peer.wantAck(1, { code: ReturnCode.BAD_MKEY, answer: RESPONSE, data: new Uint8Array() });
    await peer.quiet('data');
  }),
  reading(
    'no-payload',
    '2.7',
    'a READ request carries no payload: with some it is refused or its payload is ignored',
    async (t) => {
      const peer = await t.opened();
      peer.send(
        std(
          {
            ...t.to(),
            opcode: SesOpcode.READ,
            som: 1,
            eom: 1,
            messageId: 4,
            memoryKey: t.key('open'),
            bufferOffset: t.place,
            requestLength: 8,
          },
          fill(8),
        ),
      );
      const { code } = await peer.wantAck(1);
      claim(code === ReturnCode.OK || code === ReturnCode.OP_VIOLATION, 'OK or OP_VIOLATION', code);
    },
    { level: 'choice' },
  ),
  reading(
    'first-read-proves',
    '8',
    'the data of a first read waits until the reader has named the context',
    async (t) => {
      const peer = t.opens();
      peer.send(t.read(64));
      await peer.wantAck(0);
      await peer.want('control', {}, { ctl: ControlType.PROBE });
      peer.send(t.write());
      await peer.wantData({ psn: 0 });
      peer.answer(0, { opcode: 0, returnCode: 1 });
    },
    { level: 'choice' },
  ),
];

async function writeMore(
  t: Parameters<(typeof SES_MESSAGES)[number]['run']>[0],
  peer: Awaited<ReturnType<typeof t.opened>>,
  length: number,
): Promise<void> {
  const at = peer.send(t.write({}, fill(length)));
  await peer.wantAck(at, OK);
}
