/** Delivery without contexts: idempotent requests (RUDI) and datagrams (UUD); and what stands around packets. @spec uet:pds/6 · uet:pds/1 */
import { NackCode, NextHeader, PdsType, ReturnCode, SesOpcode, SesResponseOpcode } from '@verbena/core/wire';
import { Broken, claim, topic } from '../rule.ts';
import { datagram, fill, response, responseData, rudiResponse } from '../tester/packets.ts';
import type { Tester } from '../tester/tester.ts';

const rudi = topic('rudi', 'pds', { needs: ['idempotent'] });
const source = topic('rudi', 'pds', { role: 'initiator', needs: ['idempotent', 'upper'] });
const uud = topic('uud', 'pds', { needs: ['datagram', 'upper'] });
const around = topic('encapsulation', 'pds');
const OK = { code: ReturnCode.OK };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** Key of memory that requests may reach more than once. */
const safe = (t: Tester) => ({ memoryKey: t.safeKey });
/** Such a key of the tester's own memory. */
const SAFE_KEY = '0x8000000000000077';

export const PDS_LOOSE = [
  rudi('write', '6.1', 'a WRITE is answered by one RUDI_RESP with its packet identifier', async (t) => {
    const pktId = t.rudi(t.write(safe(t)));
    await t.want('rudi-answer', { pktId }, { next: NextHeader.RESPONSE, ...OK });
    await t.quiet();
  }),
  rudi(
    'written',
    '6.1',
    'its bytes are in memory',
    async (t) => {
      const pktId = t.rudi(t.write(safe(t), fill(8, 88)));
      await t.want('rudi-answer', { pktId }, OK);
      const bytes = await t.readBack(8);
      claim(Buffer.compare(bytes, fill(8, 88)) === 0, hex(fill(8, 88)), hex(bytes));
    },
    { needs: ['idempotent', 'read'] },
  ),
  rudi('every-copy', '6.1', 'every copy of a request is answered', async (t) => {
    const body = t.write(safe(t));
    const pktId = t.rudi(body);
    await t.want('rudi-answer', { pktId }, OK);
    t.rudi(body, pktId, 0x10);
    await t.want('rudi-answer', { pktId }, { retx: true, ...OK });
  }),
  rudi(
    'independent',
    '6.1',
    'packets of a message are carried out and answered each on its own, in any order',
    async (t) => {
      const [a, b] = t.message(2 * t.mtu, safe(t));
      const second = t.rudi(b!);
      await t.want('rudi-answer', { pktId: second }, OK);
      const first = t.rudi(a!);
      await t.want('rudi-answer', { pktId: first }, OK);
    },
  ),
  rudi(
    'read',
    '6.1',
    'a READ is answered with its data, in the RUDI_RESP',
    async (t) => {
      await t.opened(); // writes 8 bytes
      const pktId = t.rudi(t.read(8, { messageId: 0x99, ...safe(t) }));
      const { data } = await t.want(
        'rudi-answer',
        { pktId },
        { next: NextHeader.RESPONSE_DATA, readId: 0x99, pieceLength: 8, ...OK },
      );
      claim(Buffer.compare(data, fill(8)) === 0, hex(fill(8)), hex(data));
    },
    { needs: ['idempotent', 'read'] },
  ),
  rudi(
    'read-large',
    '6.1',
    'also data of a whole packet',
    async (t) => {
      const pktId = t.rudi(t.read(t.mtu, safe(t)));
      await t.want('rudi-answer', { pktId }, { pieceLength: t.mtu, ...OK });
    },
    { needs: ['idempotent', 'read'] },
  ),
  rudi(
    'read-medium',
    '6.1',
    'for a request without message id the data names the packet identifier',
    async (t) => {
      const pktId = t.rudi(t.short({ opcode: SesOpcode.READ, requestLength: 8, ...safe(t) }, fill(0)));
      await t.want(
        'rudi-answer',
        { pktId },
        { next: NextHeader.RESPONSE_DATA_SMALL, requestPsn: pktId, pieceLength: 8 },
      );
    },
    { needs: ['idempotent', 'read'], level: 'choice' },
  ),
  rudi('send', '6.1', 'a SEND is not idempotent: UNSUPPORTED_OP', async (t) => {
    const pktId = t.rudi(t.sends());
    await t.want('rudi-answer', { pktId }, { code: ReturnCode.UNSUPPORTED_OP });
  }),
  rudi('atomic', '6.1', 'nor is an atomic operation', async (t) => {
    const pktId = t.rudi(t.write({ opcode: SesOpcode.FETCHING_ATOMIC, ...safe(t) }));
    await t.want('rudi-answer', { pktId }, { code: ReturnCode.UNSUPPORTED_OP });
  }),
  rudi('write-data', '6.1', 'nor is a WRITE with completion data', async (t) => {
    const pktId = t.rudi(t.write({ hd: 1, headerData: 3n, ...safe(t) }));
    const { code } = await t.want('rudi-answer', { pktId });
    claim(code !== ReturnCode.OK, 'a refusal', 'OK');
  }),
  rudi(
    'region-not-safe',
    '6.1',
    'a region whose key does not say that accesses may be repeated is not reached: OP_VIOLATION (uet:ses/5.4)',
    async (t) => {
      const pktId = t.rudi(t.write());
      await t.want('rudi-answer', { pktId }, { code: ReturnCode.OP_VIOLATION });
    },
    { needs: ['idempotent', 'idempotentKeys'] },
  ),
  rudi('error', '6.1', 'errors are answered by their code', async (t) => {
    const pktId = t.rudi(t.write({ memoryKey: 5n }));
    await t.want('rudi-answer', { pktId }, { answer: SesResponseOpcode.RESPONSE, code: ReturnCode.BAD_MKEY });
  }),
  rudi(
    'next-header',
    '2.18',
    'a RUDI_REQ that announces a response is refused by a NACK with nt, its packet identifier, and no context',
    async (t) => {
      const pktId = t.rudi(response({ returnCode: 1 }));
      await t.want('nack', { pktId }, { nackCode: NackCode.PDC_HDR_MISMATCH, nt: true, spdcid: 0, dpdcid: 0 });
    },
  ),
  rudi('answer-unknown', '6.1', 'a RUDI_RESP that answers nothing is ignored', async (t) => {
    t.lane.send(rudiResponse(0x1234_5678, response({ returnCode: 1 })));
    await t.quiet();
  }),
  rudi('short', '2.18', 'a RUDI packet shorter than its header is dropped', async (t) => {
    t.lane.send(Uint8Array.of(0x21, 0x80, 0, 0, 1, 2, 3));
    await t.quiet();
  }),
  source(
    'sends',
    '6.1',
    'an idempotent queue sends its writes as RUDI_REQ, with a packet identifier for each packet',
    async (t) => {
      const queue = await t.queue({ idempotent: true });
      const request = await t.post(queue, { key: SAFE_KEY, length: t.mtu + 8 });
      const [a, b] = [await t.want('rudi', { retx: false }), await t.want('rudi', { retx: false })];
      claim(a.pktId !== b.pktId, 'two packet identifiers', a.pktId);
      for (const { pktId } of [a, b]) t.lane.send(rudiResponse(pktId, response({ returnCode: 1 })));
      claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
    },
  ),
  source('repeats', '6.1', 'without an answer the packet is repeated with the same identifier', async (t) => {
    const queue = await t.queue({ idempotent: true });
    await t.post(queue, { key: SAFE_KEY });
    const { pktId } = await t.want('rudi', { retx: false });
    await t.want('rudi', { retx: true }, { pktId });
    t.lane.send(rudiResponse(pktId, response({ returnCode: 1 })));
  }),
  source('needs-all', '6.1', 'a request completes when each of its packets is answered', async (t) => {
    const queue = await t.queue({ idempotent: true });
    const request = await t.post(queue, { key: SAFE_KEY, length: t.mtu + 8 });
    const [a, b] = [await t.want('rudi', {}), await t.want('rudi', {})];
    t.lane.send(rudiResponse(a.pktId, response({ returnCode: 1 })));
    const early = await t.upper.call<{ none?: boolean }>('completion', {
      queue: queue.queue,
      request,
      timeoutMs: 30,
      may: true,
    });
    claim(early.none === true, 'nothing yet', 'a completion');
    t.lane.send(rudiResponse(b.pktId, response({ returnCode: 1 })));
    await t.completion(queue, request);
  }),
  source('reads', '6.1', 'a READ takes its data from the answer', async (t) => {
    const queue = await t.queue({ idempotent: true });
    const request = await t.post(queue, { key: SAFE_KEY, operation: 'read', length: 40 });
    const { pktId, ses } = await t.want('rudi', {});
    const values = { readRequestMessageId: Number(ses['messageId'] ?? 0), modifiedLength: 40 };
    t.lane.send(rudiResponse(pktId, responseData(values, fill(40, 6))));
    const { status, data } = await t.completion(queue, request);
    claim(status === 'SUCCESS' && data === hex(fill(40, 6)), 'the 40 bytes', status);
  }),
  source('refused', '6.1', 'a NACK with nt makes it send the packet again', async (t) => {
    const queue = await t.queue({ idempotent: true });
    const request = await t.post(queue, { key: SAFE_KEY });
    const { pktId } = await t.want('rudi', {});
    t.lane.send(nackOf(pktId));
    await t.want('rudi', { retx: true }, { pktId });
    t.lane.send(rudiResponse(pktId, response({ returnCode: 1 })));
    claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
  }),
  source('fails', '6.1', 'an error in an answer fails the request with its code', async (t) => {
    const queue = await t.queue({ idempotent: true });
    const request = await t.post(queue, { key: SAFE_KEY });
    const { pktId } = await t.want('rudi', {});
    t.lane.send(rudiResponse(pktId, response({ returnCode: ReturnCode.BAD_ADDR })));
    const { status, vendorStatus } = await t.completion(queue, request);
    claim(status !== 'SUCCESS' && vendorStatus === ReturnCode.BAD_ADDR, 'a failure by BAD_ADDR', status);
  }),
  source('sends-not', '6.1', 'its sends go over a context', async (t) => {
    const queue = await t.queue({ idempotent: true });
    await t.post(queue, { operation: 'send' });
    const peer = await t.accepted();
    await peer.wantRequest({ type: PdsType.RUD_REQ });
  }),
  source(
    'key-not-safe',
    '6.1',
    'nor do its writes leave as RUDI_REQ where the key does not say that accesses may be repeated (uet:ses/5.4)',
    async (t) => {
      const queue = await t.queue({ idempotent: true });
      await t.post(queue);
      const peer = await t.accepted();
      await peer.wantRequest({ type: PdsType.RUD_REQ });
    },
    { needs: ['idempotent', 'idempotentKeys', 'upper'] },
  ),
  source('unknown-answer', '6.1', 'an answer with an identifier that is not out is ignored', async (t) => {
    const queue = await t.queue({ idempotent: true });
    const request = await t.post(queue, { key: SAFE_KEY });
    const { pktId } = await t.want('rudi', {});
    t.lane.send(rudiResponse((pktId ^ 1) >>> 0, response({ returnCode: ReturnCode.BAD_ADDR })));
    t.lane.send(rudiResponse(pktId, response({ returnCode: 1 })));
    claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
  }),

  uud('delivered', '6.2', 'a datagram is delivered, and not answered', async (t) => {
    const queue = await t.queue({ datagram: true, receives: 1, bytes: 256 });
    t.lane.send(t.datagramTo(queue, {}, fill(30, 4)));
    const { status, data } = await t.received(queue);
    claim(status === 'SUCCESS' && data!.endsWith(hex(fill(30, 4))), 'the 30 bytes', `${status} ${data}`);
    await t.quiet();
  }),
  uud('medium', '6.2', 'also one with a MEDIUM header', async (t) => {
    const queue = await t.queue({ datagram: true, receives: 1, bytes: 256 });
    const values = {
      opcode: SesOpcode.DATAGRAM_SEND,
      ...t.to(queue),
      memoryKey: BigInt(queue.qkey ?? 0),
      bufferOffset: 0,
    };
    t.lane.send(datagram(t.short(values)));
    claim((await t.received(queue)).status === 'SUCCESS', 'SUCCESS', 'something else');
  }),
  uud('no-receive', '6.2', 'without a receive it is lost in silence', async (t) => {
    const queue = await t.queue({ datagram: true });
    t.lane.send(t.datagramTo(queue));
    await t.quiet();
  }),
  ...(
    [
      ['job', { jobId: 0xabcdef }],
      ['process', { pidOnFep: 0xeee }],
      ['index', { resourceIndex: 0xfff }],
      ['key', { memoryKey: 1n }],
      ['version', { ver: 1 }],
      ['not-first', { som: 0 }],
      ['initiator-error', { ie: 1 }],
      ['length', { requestLength: 99 }],
      ['write', { opcode: SesOpcode.WRITE }],
      ['message-error', { opcode: SesOpcode.MSG_ERROR }],
    ] as const
  ).map(([id, values]) =>
    uud(
      `dropped-${id}`,
      '6.2',
      `one with a wrong ${id.replace('-', ' ')} is dropped in silence and takes no receive`,
      async (t) => {
        const queue = await t.queue({ datagram: true, receives: 1, bytes: 256 });
        t.lane.send(t.datagramTo(queue, values));
        await t.quiet();
        await t.nothingReceived(queue);
        t.lane.send(t.datagramTo(queue));
        claim((await t.received(queue)).status === 'SUCCESS', 'the next one delivered', 'something else');
      },
    ),
  ),
  uud('small-header', '2.7', 'one with a SMALL header is dropped', async (t) => {
    const queue = await t.queue({ datagram: true, receives: 1, bytes: 256 });
    t.lane.send(datagram(t.smallBody({ opcode: SesOpcode.DATAGRAM_SEND, resourceIndex: queue.ri })));
    await t.quiet();
  }),
  uud(
    'sent',
    '6.2',
    'a datagram of the endpoint is one UUD_REQ with flags 0, message id 0, som and eom; it is done when it has left',
    async (t) => {
      const queue = await t.queue({ datagram: true });
      const request = await t.post(queue, { operation: 'send', length: 12 });
      const { flags, ses, data } = await t.want('datagram', {});
      claim(flags === 0, 'flags 0', flags);
      claim(
        ses['opcode'] === SesOpcode.DATAGRAM_SEND && (ses['messageId'] ?? 0) === 0,
        'DATAGRAM_SEND with message id 0',
        `${ses['opcode']}, ${ses['messageId']}`,
      );
      claim(ses['som'] === 1 && ses['eom'] === 1 && data.length === 12, 'one packet of 12 bytes', data.length);
      claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
    },
    { role: 'initiator' },
  ),

  around(
    'any-port',
    '1.2',
    'a peer is its address: from another source port the same context is reached, and answers go to the port of the fabric',
    async (t) => {
      if (t.endpoint.address === '::1') return;
      const peer = await t.opened();
      peer.send(t.write(), { path: 1 });
      await peer.wantAck(1, OK);
    },
  ),
  around(
    'opens-from-any-port',
    '1.2',
    'also a start that comes from another source port is answered to the port of the fabric',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write(), { path: 1 });
      await peer.wantAck(0, OK);
    },
  ),
  around(
    'other-address',
    '4.1',
    'a context belongs to one address: packets for it from another are dropped or refused',
    async (t) => {
      const peer = await t.opened();
      const other = await t.stranger();
      const forged = t.opens({ lane: other, id: peer.id, start: peer.start });
      forged.remote = peer.remote;
      forged.send(t.write({}, fill(8, 250)), { at: 1 });
      await forged.quiet('ack');
      const bytes = await t.readBack(8);
      if (Buffer.compare(bytes, fill(8)) !== 0) throw new Broken('memory as it was', hex(bytes));
      await t.wantAlive(peer);
    },
  ),
  around('other-address-close', '3.7', 'nor does a Close Command of another address close it', async (t) => {
    const peer = await t.opened();
    const forged = t.opens({ lane: await t.stranger(), id: peer.id, start: peer.start });
    forged.remote = peer.remote;
    forged.control(4, { at: 1 });
    await forged.quiet('ack');
    await t.wantAlive(peer);
  }),
  around(
    'other-address-ack',
    '4.7',
    'nor does an acknowledgement of another address complete a request',
    async (t) => {
      const { peer, queue, request } = await t.accepts();
      const forged = t.opens({ lane: await t.stranger(), id: peer.id, start: peer.start });
      forged.remote = peer.remote;
      forged.answer(0, { opcode: 1, returnCode: ReturnCode.BAD_MKEY });
      await peer.wantRequest({ retx: true });
      peer.answer(0, { opcode: 0, returnCode: 1 });
      claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS by the right one', 'something else');
    },
    { role: 'initiator', needs: ['upper'] },
  ),
  around(
    'crc',
    '1.7',
    'with a CRC packets are taken, and answers carry one',
    async (t) => {
      const peer = await t.opened();
      await t.wantAlive(peer);
    },
    { on: 'crc' },
  ),
  around(
    'crc-wrong',
    '1.7',
    'a packet with a wrong CRC is dropped in silence',
    async (t) => {
      const peer = await t.opened();
      peer.send(t.write(), { bare: true, patch: (bytes) => new Uint8Array([...bytes, 1, 2, 3, 4]) });
      await t.quiet();
    },
    { on: 'crc' },
  ),
  around(
    'crc-missing',
    '1.7',
    'and so is one without',
    async (t) => {
      t.opens().send(t.write(), { bare: true });
      await t.quiet();
    },
    { on: 'crc' },
  ),
  around(
    'ipv6',
    '1.4',
    'over IPv6 contexts work as over IPv4',
    async (t) => {
      const peer = await t.opened();
      await t.wantAlive(peer);
      peer.send(t.read(64));
      await peer.wantData(OK);
      peer.answer(0, { opcode: 0, returnCode: 1 });
    },
    { on: 'ipv6' },
  ),
];

function nackOf(pktId: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, (PdsType.NACK << 11) | 0x08);
  view.setUint8(2, NackCode.NO_RESOURCE);
  view.setUint32(4, pktId);
  return bytes;
}
