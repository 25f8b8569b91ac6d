import { describe, expect, it } from 'vitest';
import { Packet } from '../../../engine/packet.ts';
import { Status, WorkOpcode } from '../../../engine/status.ts';
import { byteLength } from '../../../wire/header.ts';
import { emit, extract } from '../../../wire/record.ts';
import { FLAG_M, FLAG_NT, FLAG_RETX, Nack, NackCode, NextHeader, PdsType, RudiPacket } from '../../../wire/uet/pds.ts';
import { RequestStd, Response, ResponseData, ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import {
  Bench,
  dataSes,
  fill,
  KEY,
  MS,
  MTU,
  mediumSes,
  PATH,
  readSes as readAny,
  responseSes,
  SAFE_HI,
  SAFE_KEY,
  sendSes,
  smallSes,
  writeSes as writeAny,
} from '../rig-packets.testdata.ts';

const ID = 0x00c0_ffee;
const ALL = { idempotentRequests: 1, tailLoss: 0 };

/** To memory that may be accessed more than once, unless told. */
const writeSes: typeof writeAny = (values, payload) => writeAny({ memoryKey: SAFE_KEY, ...values }, payload);
const readSes: typeof readAny = (length, values) => readAny(length, { memoryKey: SAFE_KEY, ...values });

function rudi(type: number, id: number, ses: Uint8Array, next: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(byteLength(RudiPacket) + ses.length);
  const view = new DataView(bytes.buffer);
  emit(RudiPacket, view, 0, { type, nextHeader: next, pktId: id });
  view.setUint16(0, view.getUint16(0) | flags);
  bytes.set(ses, byteLength(RudiPacket));
  return bytes;
}

const ask = (ses: Uint8Array, { id = ID, next = NextHeader.REQUEST_STD as number, flags = 0 } = {}) =>
  rudi(PdsType.RUDI_REQ, id, ses, next, flags);
const answer = (id: number, ses: Uint8Array, next: number = NextHeader.RESPONSE) =>
  rudi(PdsType.RUDI_RESP, id, ses, next);
const ok = (id: number) => answer(id, responseSes({ returnCode: ReturnCode.OK }));

function nack(code: number, id: number): Uint8Array {
  const bytes = new Uint8Array(byteLength(Nack));
  emit(Nack, new DataView(bytes.buffer), 0, { type: PdsType.NACK, nackCode: code, nt: 1, nackPsn: id });
  return bytes;
}

interface Seen {
  type: number;
  next: number;
  flags: number;
  id: number;
  code?: number;
  ses?: Record<string, unknown>;
  data?: number[];
}

/** What the engine sends, as RUDI packets. */
function take(bench: Bench): Seen[] {
  return bench.rig.drain(bench.node).map(({ bytes }) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const word = view.getUint16(0);
    const seen: Seen = { type: word >>> 11, next: (word >>> 7) & 15, flags: word & 0x7f, id: view.getUint32(4) };
    if (seen.type === PdsType.NACK) return { ...seen, code: extract(Nack, view, 0).nackCode };
    const header =
      seen.type === PdsType.RUDI_REQ ? RequestStd : seen.next === NextHeader.RESPONSE ? Response : ResponseData;
    return { ...seen, ses: extract(header, view, 8), data: [...bytes.subarray(8 + byteLength(header))] };
  });
}

const exchange = (bench: Bench, ...packets: Uint8Array[]): Seen[] => {
  bench.give(...packets);
  return take(bench);
};

function pass(bench: Bench, time: number): Seen[] {
  const end = bench.now + time;
  const seen: Seen[] = [];
  while (bench.engine.deadline() <= end) {
    bench.rig.now = Math.max(bench.rig.now, bench.engine.deadline());
    bench.engine.expire(bench.now);
    seen.push(...take(bench));
  }
  bench.rig.now = end;
  return seen;
}

describe('RUDI: the destination (uet:pds/6.1, uet:pds/2.14)', () => {
  it('executes a write and answers with the same identifier; keeps nothing', () => {
    const bench = new Bench();
    const sent = exchange(bench, ask(writeSes({ messageId: 5, bufferOffset: 64 })));
    expect(sent).toMatchObject([
      { type: PdsType.RUDI_RESP, next: NextHeader.RESPONSE, flags: 0, id: ID, ses: { returnCode: ReturnCode.OK } },
    ]);
    expect([...bench.memory.subarray(64, 72)]).toEqual([...fill(8)]);
    expect(bench.engine.census()).toMatchObject({ contexts: 0, inbound_messages: 0, timers: 0 });
  });

  it('executes each copy and answers each, retx and mark copied (worked example E31, E32)', () => {
    const bench = new Bench();
    const packet = new Packet(ask(writeSes({}), { flags: FLAG_RETX }));
    Object.assign(packet, { length: packet.bytes.length, path: PATH, ecn: 3 });
    for (let n = 0; n < 2; n++) {
      bench.memory.fill(0);
      bench.engine.receive(bench.now, packet);
      expect(take(bench)).toMatchObject([{ id: ID, flags: FLAG_RETX | FLAG_M }]);
      expect([...bench.memory.subarray(0, 8)]).toEqual([...fill(8)]);
    }
  });

  it('answers a read with the data of that packet, however long the message is', () => {
    const bench = new Bench();
    const [whole] = exchange(bench, ask(readSes(40, { messageId: 9, bufferOffset: 8 })));
    expect(whole).toMatchObject({ next: NextHeader.RESPONSE_DATA, data: [...fill(4096, 5).subarray(8, 48)] });
    expect(whole!.ses).toMatchObject({ readRequestMessageId: 9, payloadLength: 40, modifiedLength: 40 });
    const first = readSes(3 * MTU, { messageId: 9, eom: 0 });
    expect(exchange(bench, ask(first))[0]!.data).toEqual([...fill(4096, 5).subarray(0, MTU)]);
  });

  it('refuses reads where the setting says so: anybody may have asked (N20)', () => {
    const bench = new Bench({ settings: { rudiReads: 0 } });
    expect(exchange(bench, ask(readSes(40)))).toMatchObject([{ ses: { returnCode: ReturnCode.UNSUPPORTED_OP } }]);
    expect(exchange(bench, ask(writeSes({})))).toMatchObject([{ ses: { returnCode: ReturnCode.OK } }]);
  });

  it('takes the medium header, and the small one only where any region may be reached: its key has no bit 63 (uet:ses/5.1)', () => {
    for (const rudiAnyRegion of [0, 1]) {
      const bench = new Bench({ settings: { rudiAnyRegion } });
      bench.node.register(new Uint8Array(64), (1n << 62n) | 1n);
      const medium = ask(mediumSes({ memoryKey: SAFE_KEY }), { next: NextHeader.REQUEST_MEDIUM });
      const small = ask(smallSes({}), { next: NextHeader.REQUEST_SMALL });
      const codes = exchange(bench, medium, small).map(({ ses }) => ses!['returnCode']);
      expect(codes).toEqual([ReturnCode.OK, rudiAnyRegion === 1 ? ReturnCode.OK : ReturnCode.OP_VIOLATION]);
    }
  });

  it('refuses a region whose key lacks bit 63, counts that, and touches nothing (uet:ses/5.4, uet:ses/1.4 row 20, N10)', () => {
    const bench = new Bench();
    for (const ses of [writeAny({}), readAny(40)]) {
      expect(exchange(bench, ask(ses))).toMatchObject([
        { next: NextHeader.RESPONSE, ses: { returnCode: ReturnCode.OP_VIOLATION } },
      ]);
    }
    expect([...bench.memory]).toEqual([...fill(4096, 5)]);
    expect([bench.count('unsafe_requests'), bench.count('refused_requests')]).toEqual([2, 2]);
    // the faults of the rows before are told first, and they are another thing
    for (const [ses, code] of [
      [writeAny({ memoryKey: KEY + 1 }), ReturnCode.BAD_MKEY],
      [readAny(40, { bufferOffset: 5000 }), ReturnCode.BAD_ADDR],
    ] as const) {
      expect(exchange(bench, ask(ses))).toMatchObject([{ ses: { returnCode: code } }]);
    }
    expect(bench.count('unsafe_requests')).toBe(2);
  });

  it('takes any region where rudiAnyRegion says so, for peers that do not know the bit (uet:ses/5.4)', () => {
    const bench = new Bench({ settings: { rudiAnyRegion: 1 } });
    expect(exchange(bench, ask(writeAny({})))).toMatchObject([{ ses: { returnCode: ReturnCode.OK } }]);
    expect([...bench.memory.subarray(0, 8)]).toEqual([...fill(8)]);
    expect(bench.count('unsafe_requests')).toBe(0);
  });

  it('refuses what must not be done twice, and what is wrong, in the answer', () => {
    const bench = new Bench();
    bench.node.postReceive(1, bench.memoryRegion, 0, 100, 1);
    for (const [ses, code] of [
      [sendSes({}), ReturnCode.UNSUPPORTED_OP],
      [writeSes({ hd: 1 }), ReturnCode.UNSUPPORTED_OP],
      [writeSes({ opcode: SesOpcode.NO_OP }), ReturnCode.UNSUPPORTED_OP],
      [writeSes({ memoryKey: SAFE_KEY + 1n }), ReturnCode.BAD_MKEY],
      [writeSes({ jobId: 99 }), ReturnCode.BAD_JOB_ID],
      [writeSes({ resourceIndex: 77 }), ReturnCode.BAD_INDEX],
      [readSes(40, { bufferOffset: 5000 }), ReturnCode.BAD_ADDR],
      [writeSes({ requestLength: 20 }), ReturnCode.OP_VIOLATION],
    ] as const) {
      expect(exchange(bench, ask(ses))).toMatchObject([{ next: NextHeader.RESPONSE, ses: { returnCode: code } }]);
    }
    expect([...bench.memory]).toEqual([...fill(4096, 5)]);
    expect(bench.received).toEqual([]);
  });

  it('refuses by NACK with nt when a packet is trimmed, cut short, or too many answers wait (uet:pds/5.5)', () => {
    const bench = new Bench();
    const packet = new Packet(ask(writeSes({})).slice(0, 16));
    Object.assign(packet, { length: 16, path: PATH, trimmed: true });
    bench.engine.receive(bench.now, packet);
    const refused = { type: PdsType.NACK, flags: FLAG_NT, id: ID } as const;
    expect(take(bench)).toMatchObject([{ ...refused, code: NackCode.TRIMMED }]);
    expect(exchange(bench, ask(writeSes({})).slice(0, 30))).toMatchObject([
      { ...refused, code: NackCode.PDC_HDR_MISMATCH },
    ]);
    for (let n = 0; n < 1025; n++) bench.give(ask(writeSes({})));
    const sent = take(bench);
    expect(sent.filter(({ type }) => type === PdsType.NACK)).toMatchObject([{ code: NackCode.NO_RESOURCE }]);
    expect(sent).toHaveLength(1025);
  });
});

describe('RUDI: the source (uet:pds/6.1)', () => {
  function out(packets = 1, settings = {}) {
    const bench = new Bench({ settings: { ...ALL, ...settings }, safe: true });
    bench.postWrite(packets === 1 ? 8 : packets * MTU);
    return { bench, sent: take(bench) };
  }

  it('sends each packet of a write with an identifier of its own, without a context', () => {
    const { bench, sent } = out(3);
    expect(sent.map(({ type, flags }) => [type, flags])).toEqual(Array(3).fill([PdsType.RUDI_REQ, 0]));
    expect(new Set(sent.map(({ id }) => id)).size).toBe(3);
    expect(bench.engine.census()).toMatchObject({ contexts: 0, idempotent_packets: 3 });
    for (const { id } of [...sent].reverse()) {
      expect(bench.done).toEqual([]);
      bench.give(ok(id));
    }
    expect(bench.done).toEqual([[1, Status.SUCCESS]]);
    expect([bench.engine.quiet(), bench.engine.deadline()]).toEqual([true, Number.POSITIVE_INFINITY]);
  });

  it('leaves what must be done once to reliable delivery', () => {
    const bench = new Bench({ settings: ALL, safe: true });
    bench.postSend(8, 1);
    expect(bench.take()).toMatchObject([{ kind: 'request', type: PdsType.RUD_REQ }]);
    const ordered = new Bench({ settings: ALL, ordered: true, safe: true });
    ordered.postWrite(8, 1);
    expect(ordered.take()).toMatchObject([{ kind: 'request', type: PdsType.ROD_REQ }]);
    const own = new Bench();
    own.node.addQueuePair(2, { idempotent: true });
    const region = own.node.register(fill(8), 0x99);
    own.node.post(2, { opcode: WorkOpcode.RDMA_WRITE, region, length: 8, rkeyLo: KEY, rkeyHi: SAFE_HI });
    own.engine.doorbell(own.now, 2);
    expect(take(own)).toMatchObject([{ type: PdsType.RUDI_REQ }]);
  });

  it('leaves memory whose key lacks bit 63 to reliable delivery, which does the same once (uet:ses/3.1, uet:ses/5.4)', () => {
    const bench = new Bench({ settings: ALL });
    bench.node.addQueuePair(2, { idempotent: true });
    bench.postWrite(8, 1);
    const region = bench.node.register(fill(8), 0x99);
    for (const opcode of [WorkOpcode.RDMA_WRITE, WorkOpcode.RDMA_READ]) {
      bench.node.post(2, { opcode, region, length: 8, rkeyLo: KEY });
    }
    bench.engine.doorbell(bench.now, 2);
    expect(bench.take().map(({ type }) => type)).toEqual(Array(3).fill(PdsType.RUD_REQ));
    expect(bench.count('idempotent_requests')).toBe(0);
  });

  it('repeats with the same identifier at the time-out, doubling, and gives up at the limit', () => {
    const { bench, sent } = out(1, { maxRtoRetries: 2 });
    const again = { type: PdsType.RUDI_REQ, flags: FLAG_RETX, id: sent[0]!.id, data: sent[0]!.data! };
    expect(pass(bench, 20 * MS)).toMatchObject([again]);
    expect(pass(bench, 39 * MS)).toEqual([]);
    expect(pass(bench, MS)).toMatchObject([again]);
    expect(pass(bench, 80 * MS)).toEqual([]);
    expect(bench.done).toEqual([[1, Status.RETRY_EXC_ERR]]);
    expect(bench.engine.census()).toMatchObject({ idempotent_packets: 0, messages: 0 });
  });

  it('ignores second answers, and answers of others (N04)', () => {
    const { bench, sent } = out(2);
    const [a, b] = sent as [Seen, Seen];
    bench.rig.deliver(bench.node, ok(a.id), PATH + 1);
    bench.give(ok((a.id ^ 0x10000) >>> 0), ok(a.id), ok(a.id));
    expect(bench.done).toEqual([]);
    expect(bench.drops('rudi')).toBe(3);
    bench.give(ok(b.id));
    expect(bench.done).toEqual([[1, Status.SUCCESS]]);
  });

  it('puts read data in its place, takes it once, and drops what does not fit', () => {
    const bench = new Bench({ settings: ALL, safe: true });
    const into = bench.postRead(MTU + 10);
    const sent = take(bench);
    const data = (length: number, salt: number) => dataSes({}, fill(length, salt));
    const withData = (id: number, ses: Uint8Array) => answer(id, ses, NextHeader.RESPONSE_DATA);
    bench.give(withData(sent[1]!.id, data(11, 2)), ok(sent[1]!.id), withData(sent[1]!.id, data(10, 2).slice(0, -1)));
    expect(bench.drops('response')).toBe(3);
    bench.give(withData(sent[1]!.id, data(10, 2)), withData(sent[0]!.id, data(MTU, 1)));
    expect(bench.done).toEqual([[1, Status.SUCCESS]]);
    expect([...into]).toEqual([...fill(MTU, 1), ...fill(10, 2)]);
  });

  it('fails a message with the first error, and takes no notice of its other packets', () => {
    const { bench, sent } = out(3);
    bench.give(answer(sent[1]!.id, responseSes({ returnCode: ReturnCode.BAD_MKEY })), ok(sent[0]!.id));
    expect(bench.done).toEqual([[1, Status.REM_ACCESS_ERR]]);
    expect(pass(bench, 100 * MS)).toEqual([]);
  });

  for (const [code, when] of [
    [NackCode.TRIMMED, 0],
    [NackCode.TRIMMED_LASTHOP, 0],
    [NackCode.NO_PKT_BUFFER, MS],
    [NackCode.NO_RESOURCE, MS],
  ] as const) {
    it(`sends again ${when === 0 ? 'at once' : 'after NACK_Retx_Time'} after NACK ${code} (worked example E16)`, () => {
      const { bench, sent } = out();
      const { id } = sent[0]!;
      const again = { id, flags: FLAG_RETX, type: PdsType.RUDI_REQ };
      expect(exchange(bench, nack(code, (id ^ 0x10000) >>> 0), nack(code, id))).toMatchObject(
        when === 0 ? [again] : [],
      );
      expect(pass(bench, 2 * MS)).toMatchObject(when === 0 ? [] : [again]);
      bench.give(ok(id));
      expect(bench.done).toEqual([[1, Status.SUCCESS]]);
    });
  }

  it('ends after too many NACKs, or one that says that it will never do', () => {
    const { bench, sent } = out(1, { maxNackRetries: 3 });
    for (let n = 0; n < 4; n++) exchange(bench, nack(NackCode.TRIMMED, sent[0]!.id));
    expect(bench.done).toEqual([[1, Status.RETRY_EXC_ERR]]);
    const other = out();
    other.bench.give(nack(NackCode.PDC_HDR_MISMATCH, other.sent[0]!.id));
    expect(other.bench.done).toEqual([[1, Status.REM_OP_ERR]]);
  });

  it('bounds what is out, for all peers and for one, so that a silent one does not stop the others', () => {
    const bench = new Bench({ settings: { ...ALL, rudiPackets: 16 }, safe: true });
    bench.postWrite(MTU * 40, 1);
    expect(take(bench)).toHaveLength(4);
    bench.node.post(1, {
      opcode: WorkOpcode.RDMA_WRITE,
      path: PATH + 1,
      length: 0,
      rkeyLo: KEY,
      rkeyHi: SAFE_HI,
      wrIdLo: 2,
    });
    bench.engine.doorbell(bench.now, 1);
    const [other] = take(bench);
    bench.rig.deliver(bench.node, ok(other!.id), PATH + 1);
    expect(bench.done).toEqual([[2, Status.SUCCESS]]);
  });

  it('flushes when the queue pair goes', () => {
    const { bench } = out(3);
    bench.engine.removeQueuePair(bench.now, 1);
    expect(bench.done).toEqual([[1, Status.WR_FLUSH_ERR]]);
    expect(bench.engine.quiet()).toBe(true);
  });
});
