import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../base/random.ts';
import { Status, WorkOpcode } from '../../../engine/status.ts';
import { EngineRig } from '../../../testing/engine-rig.ts';
import { NextHeader, PdsType } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesOpcode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import { uet } from '../index.ts';
import {
  AR,
  accepted,
  Bench,
  ControlType,
  dataSes,
  established,
  expectSent,
  fill,
  isControl,
  JOB,
  KEY,
  MS,
  MTU,
  mediumDataSes,
  mediumSes,
  nextSes,
  RETX,
  readSes,
  responseSes,
  type Seen,
  START,
  sendNextSes,
  sendSes,
  smallSes,
  writeSes,
} from '../rig-packets.testdata.ts';

const QUIET = { settings: { tailLoss: 0 } };
const requests = (sent: readonly Seen[]) => sent.filter(({ kind }) => kind === 'request');

/** The packets of one message, as an initiator cuts it. */
function pieces(opcode: number, content: Uint8Array, first: object = {}, more: object = {}): Uint8Array[] {
  const all = { opcode, requestLength: content.length, memoryKey: opcode === SesOpcode.SEND ? 0 : KEY, ...more };
  const packets: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < content.length; at += MTU) {
    const eom = at + MTU >= content.length ? 1 : 0;
    const payload = content.slice(at, at + MTU);
    packets.push(
      at === 0 ? writeSes({ ...all, ...first, eom }, payload) : nextSes({ ...all, eom, messageOffset: at }, payload),
    );
  }
  return packets;
}

const permutations = (n: number): number[][] =>
  n === 0
    ? [[]]
    : permutations(n - 1).flatMap((rest) =>
        Array.from({ length: n }, (_, at) => [...rest.slice(0, at), n - 1, ...rest.slice(at)]),
      );

describe('a message whose packets arrive in any order (uet:ses/2.4)', () => {
  const content = fill(3 * MTU + 10);
  for (const order of permutations(4)) {
    it(`SEND in the order ${order.join(' ')}`, () => {
      const bench = accepted();
      const inbox = new Uint8Array(500);
      bench.node.postReceive(1, bench.node.register(inbox, 2), 0, 500, 5);
      const packets = pieces(SesOpcode.SEND, content, { hd: 1, headerData: 0xabcdn });
      for (const [n, piece] of order.entries()) {
        expect(bench.received).toHaveLength(0);
        const [answer] = bench.exchange(bench.request(1 + piece, { flags: AR, clear: START, ses: packets[piece]! }));
        const opcode = n === 3 ? SesResponseOpcode.DEFAULT_RESPONSE : SesResponseOpcode.NO_RESPONSE;
        expect(answer).toMatchObject({ psn: START + 1 + piece, ses: { opcode } });
      }
      expect(bench.received).toEqual([[5, 0, content.length]]);
      expect(bench.node.completions.at(-1)).toMatchObject({ immLo: 0xabcd, hasImm: true, sourceId: 3, jobId: JOB });
      expect([...inbox.subarray(0, content.length)]).toEqual([...content]);
      expect(inbox.subarray(content.length).every((byte) => byte === 0)).toBe(true);
      expect(bench.census('inbound_messages')).toBe(0);
    });
  }

  it('WRITE with completion data reports once, when all of it is there', () => {
    const bench = accepted();
    const packets = pieces(SesOpcode.WRITE, content, { hd: 1, headerData: 7n }, { bufferOffset: 100 });
    for (const piece of [3, 1, 2, 0]) {
      expect(bench.received).toEqual([]);
      bench.exchange(bench.request(1 + piece, { clear: START, ses: packets[piece]! }));
    }
    expect(bench.received).toEqual([[0, 0, content.length]]);
    expect(bench.node.completions.at(-1)).toMatchObject({ opcode: 129, immLo: 7 });
    expect([...bench.memory.subarray(100, 100 + content.length)]).toEqual([...content]);
  });
});

describe('receives that do not fit', () => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
  ]) {
    it(`cuts what is too long and tells both sides, order ${order.join(' ')} (uet:ses/9 D-9)`, () => {
      const bench = accepted();
      const inbox = new Uint8Array(300).fill(0xee);
      bench.node.postReceive(1, bench.node.register(inbox, 2), 0, 100, 5);
      const packets = pieces(SesOpcode.SEND, fill(3 * MTU));
      const answers = order.flatMap((piece) =>
        bench.exchange(bench.request(1 + piece, { flags: AR, clear: START, ses: packets[piece]! })),
      );
      expect(answers.at(-1)).toMatchObject({
        req: 1,
        ses: { opcode: SesResponseOpcode.RESPONSE, returnCode: ReturnCode.OK, modifiedLength: 100 },
      });
      expect(bench.received).toEqual([[5, Status.LOC_LEN_ERR, 100]]);
      expect([...inbox.subarray(0, 100)]).toEqual([...fill(3 * MTU).subarray(0, 100)]);
      expect(inbox.subarray(100).every((byte) => byte === 0xee)).toBe(true);
    });
  }

  it('completes the sender of a message that was cut with success', () => {
    const bench = established(QUIET);
    bench.postSend(100, 2);
    bench.take();
    bench.give(bench.ack(1, { ses: responseSes({ opcode: 3 }) }));
    bench.give(bench.ack(1, { psn: bench.start + 2, req: 1, ses: responseSes({ returnCode: 1, modifiedLength: 10 }) }));
    expect(bench.done).toEqual([[2, 0]]);
  });
});

describe('no receive is posted (uet:ses/3.4)', () => {
  it('unordered: NO_MATCH, and later the receive takes a new message (uet:ses/3.1)', () => {
    const bench = accepted();
    const refused = bench.exchange(bench.request(1, { flags: AR, ses: sendSes({}) }));
    expect(refused[0]).toMatchObject({ req: 1, ses: { opcode: 1, returnCode: ReturnCode.NO_MATCH, riGeneration: 0 } });
    bench.node.postReceive(1, bench.memoryRegion, 0, 100, 5);
    bench.exchange(bench.request(2, { flags: AR, clear: START + 1, ses: sendSes({ messageId: 2 }) }));
    expect(bench.received).toEqual([[5, 0, 8]]);
  });

  it('unordered: the initiator waits, doubles the wait, and reports at the limit (R189)', () => {
    const bench = established({ settings: { tailLoss: 0, maxRnrRetries: 3 } });
    bench.postSend(8, 2);
    let n = 1;
    for (const wait of [0, 1, 2, 4]) {
      expect(requests(bench.pass(wait * MS)).map(({ psn }) => psn - bench.start)).toEqual([n]);
      bench.give(
        bench.ack(n - 1, { psn: bench.start + n, req: 1, ses: responseSes({ returnCode: ReturnCode.NO_MATCH }) }),
      );
      n++;
    }
    expect(bench.done).toEqual([[2, Status.RNR_RETRY_EXC_ERR]]);
    expect(bench.states).toEqual(['ESTABLISHED']);
  });

  it('ordered: the index stays shut until receives come, under a new generation (uet:ses/8)', () => {
    const bench = accepted({ ordered: true });
    const send = (n: number, riGeneration = 0) =>
      bench.exchange(
        bench.request(n, { flags: AR, clear: START + n - 1, ses: sendSes({ messageId: n, riGeneration }) }),
      )[0]!.ses;
    expect(send(1)).toMatchObject({ returnCode: ReturnCode.DISABLED_GEN });
    bench.node.postReceive(1, bench.memoryRegion, 0, 100, 5); // posted, but the engine was not told
    expect(send(2)).toMatchObject({ returnCode: ReturnCode.DISABLED_GEN });
    bench.engine.doorbell(bench.now, 1);
    expect(send(3)).toMatchObject({ returnCode: ReturnCode.BAD_GENERATION, riGeneration: 1 }); // it may not pass 1
    expect(send(4, 1)).toMatchObject({ opcode: 0 });
    expect(bench.received).toEqual([[5, 0, 8]]);
  });

  it('ordered: what was refused goes again in the order of posting, and keeps its generation on repetition', () => {
    const bench = established({ ordered: true, ...QUIET });
    for (const id of [2, 3, 4]) bench.postSend(8, id);
    expect(requests(bench.take())).toHaveLength(3);
    const answer = (n: number, code: number, riGeneration: number) =>
      bench.give(
        bench.ack(n - 1, { psn: bench.start + n, req: 1, ses: responseSes({ returnCode: code, riGeneration }) }),
      );
    answer(1, ReturnCode.DISABLED_GEN, 0);
    answer(2, ReturnCode.BAD_GENERATION, 1);
    bench.postSend(8, 5);
    expect(requests(bench.take())).toEqual([]); // nothing passes
    const repeated = requests(bench.pass(20 * MS));
    expect(repeated).toMatchObject([{ psn: bench.start + 3, flags: RETX | AR, ses: { riGeneration: 0 } }]);
    answer(3, ReturnCode.BAD_GENERATION, 1);
    const again = requests(bench.take());
    expect(again.map(({ data }) => data![0])).toEqual([2, 3, 4, 5].map((id) => fill(8, id)[0]));
    expect(again.every(({ ses }) => ses!.riGeneration === 1)).toBe(true);
  });

  it('ordered: two queue pairs on one context; when one goes the other goes on', () => {
    const bench = established({ ordered: true, ...QUIET });
    bench.node.addQueuePair(2, { ordered: true });
    bench.postSend(8, 2);
    bench.take();
    const refused = responseSes({ returnCode: ReturnCode.DISABLED_GEN });
    bench.give(bench.ack(0, { psn: bench.start + 1, req: 1, ses: refused }));
    bench.node.post(2, { opcode: WorkOpcode.SEND, wrIdLo: 77 });
    bench.engine.doorbell(bench.now, 2);
    expect(requests(bench.take())).toEqual([]);
    bench.engine.removeQueuePair(bench.now, 1);
    expect(bench.done).toEqual([[2, Status.WR_FLUSH_ERR]]);
    expect(requests(bench.take())).toMatchObject([{ psn: bench.start + 2, data: [] }]);
  });

  it('ordered: many messages over a bad wire keep their order although receives come late', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SeededRandom(seed);
      const rig = new EngineRig(uet, { seed, payloadMtu: MTU, settings: { maxRnrRetries: 255 } });
      for (const node of [rig.a, rig.b]) {
        node.engine.addJob(JOB);
        node.addQueuePair(1, { ordered: true });
      }
      const inbox = new Uint8Array(30 * 8);
      const region = rig.b.register(inbox, 1);
      for (let id = 0; id < 30; id++) {
        rig.a.post(1, { opcode: WorkOpcode.SEND, region: rig.a.register(fill(8, id), 10 + id), length: 8, wrIdLo: id });
      }
      rig.a.engine.doorbell(rig.now, 1);
      for (let n = 0; n < 30; n++) {
        if (random.chance(0.5)) rig.run({ forNanos: random.below(5 * MS), lose: () => random.chance(0.1) });
        rig.b.postReceive(1, region, n * 8, 8, n);
        rig.b.engine.doorbell(rig.now, 1);
      }
      rig.run({ forNanos: 5_000 * MS });
      expect(rig.b.completions.map(({ wrIdLo, status }) => [wrIdLo, status])).toEqual(
        Array.from({ length: 30 }, (_, n) => [n, 0]),
      );
      for (let n = 0; n < 30; n++)
        expect([...inbox.subarray(n * 8, n * 8 + 8)], `seed ${seed}`).toEqual([...fill(8, n)]);
    }
  });
});

describe('reads (uet:pds/4.9, uet:ses/3.8)', () => {
  for (const length of [1, 16]) {
    it(`answers a read of ${length} bytes inside the acknowledgement, and a duplicate with the same bytes`, () => {
      const bench = accepted();
      const wanted = [...bench.memory.subarray(200, 200 + length)];
      const read = readSes(length, { bufferOffset: 200, messageId: 9 });
      for (const flags of [0, RETX]) {
        const sent = bench.exchange(bench.request(1, { flags, clear: START, ses: read }));
        expectSent(bench, sent, [
          {
            ...{ kind: 'ack', psn: START + 1, cack: START, req: 1, next: NextHeader.RESPONSE_DATA, data: wanted },
            ses: {
              opcode: 2,
              returnCode: 1,
              readRequestMessageId: 9,
              payloadLength: length,
              messageOffset: 0,
            } as never,
          },
        ]);
        bench.memory.fill(0);
      }
    });
  }

  it('sends longer data in the return direction, and says "accepted" to the request', () => {
    const bench = accepted();
    const sent = bench.exchange(
      bench.request(1, { ses: readSes(100, { messageId: 9, eom: 0 }) }),
      bench.request(2, {
        flags: AR,
        ses: nextSes(
          { opcode: SesOpcode.READ, messageId: 9, requestLength: 100, payloadLength: 36, messageOffset: MTU },
          fill(0),
        ),
      }),
    );
    expect(requests(sent)).toMatchObject([
      {
        ...{ type: PdsType.RUD_REQ, next: NextHeader.RESPONSE_DATA, psn: START, clear: START - 1, flags: 0 },
        ...{ spdcid: bench.id, data: [...bench.memory.subarray(0, 64)] },
        ses: { readRequestMessageId: 9, payloadLength: 64, modifiedLength: 100, messageOffset: 0, returnCode: 1 },
      },
      { psn: START + 1, flags: AR, data: [...bench.memory.subarray(64, 100)], ses: { messageOffset: 64 } },
    ]);
    expect(sent.find(({ kind }) => kind === 'ack')).toMatchObject({
      psn: START + 2,
      cack: START + 2,
      ses: { opcode: 0 },
    });
  });

  it('says so when the region has gone before the data leaves (N30)', () => {
    const bench = accepted();
    bench.give(bench.request(1, { flags: AR, ses: readSes(40, { messageId: 9 }) }));
    bench.node.dma.detach(bench.memoryRegion);
    expect(requests(bench.take())).toMatchObject([
      { ses: { returnCode: ReturnCode.BAD_MKEY, payloadLength: 0, readRequestMessageId: 9 }, data: [] },
    ]);
  });

  it('completes a read of nothing at its acknowledgement', () => {
    const bench = accepted();
    expect(bench.exchange(bench.request(1, { flags: AR, ses: readSes(0) }))[0]).toMatchObject({ ses: { opcode: 0 } });
    const other = established(QUIET);
    other.postRead(0, 2);
    other.take();
    other.give(other.ack(1));
    expect(other.done).toEqual([[2, 0]]);
  });

  it('fails a read when one of its answers fails, and goes on afterwards', () => {
    const bench = established(QUIET);
    bench.postRead(100, 2);
    const sent = bench.take();
    bench.give(bench.ack(2));
    const bad = (n: number) => ({
      next: NextHeader.RESPONSE_DATA,
      ses: dataOf(sent[0]!.ses!.messageId as number, n * MTU, ReturnCode.BAD_MKEY),
    });
    bench.exchange(bench.request(0, { flags: AR, ...bad(0) }));
    expect(bench.done).toEqual([[2, Status.REM_ACCESS_ERR]]);
    bench.exchange(bench.request(1, { flags: AR, ...bad(1) }));
    expect(bench.done).toHaveLength(1);
    bench.postWrite(8, 3);
    expect(bench.take()).toHaveLength(1);
  });
});

describe('source memory that goes', () => {
  it('sends the header alone with ie = 1, and reports what the target says (uet:ses/2.8)', () => {
    const bench = established({ settings: { tailLoss: 0, windowPackets: 16 } });
    const bytes = fill(40 * MTU);
    const region = bench.node.register(bytes, 3);
    bench.node.post(1, { opcode: WorkOpcode.RDMA_WRITE, region, length: bytes.length, rkeyLo: KEY, wrIdLo: 2 });
    bench.engine.doorbell(bench.now, 1);
    expect(bench.take()).toHaveLength(16);
    bench.node.dma.detach(region);
    bench.give(bench.ack(1));
    const [packet] = bench.take();
    expect(packet).toMatchObject({ data: [], ses: { ie: 1, messageOffset: 16 * MTU, payloadLength: MTU } });
    const code = responseSes({ returnCode: ReturnCode.INITIATOR_ERROR });
    bench.give(bench.ack(16, { psn: bench.start + 17, req: 1, ses: code }));
    expect(requests(bench.take())).toMatchObject([
      { ses: { opcode: SesOpcode.MSG_ERROR, eom: 1, messageOffset: 17 * MTU, requestLength: bytes.length } },
    ]);
    bench.give(bench.ack(18));
    expect(bench.done).toEqual([[2, Status.GENERAL_ERR]]);
  });

  it('refuses such a packet and touches nothing', () => {
    const bench = accepted();
    const before = bench.memory.slice();
    const sent = bench.exchange(bench.request(1, { flags: AR, ses: writeSes({ ie: 1, requestLength: 8 }, fill(0)) }));
    expect(sent[0]!.ses).toMatchObject({ returnCode: ReturnCode.INITIATOR_ERROR });
    expect(Buffer.compare(bench.memory, before)).toBe(0);
  });
});

describe('sizes', () => {
  it('cuts a message of 2^32 - 1 bytes into packets with exact offsets (uet:ses/2.9)', () => {
    const length = 0xffff_ffff;
    const bench = established({ settings: { tailLoss: 0, windowPackets: 16 } });
    bench.node.post(1, { opcode: WorkOpcode.RDMA_READ, rkeyLo: KEY, wrIdLo: 2 });
    Object.assign(bench.node.sends.get(1)![0]!, { length });
    bench.engine.doorbell(bench.now, 1);
    const first = requests(bench.take());
    expect(first[0]!.ses).toMatchObject({ opcode: SesOpcode.READ, som: 1, requestLength: length });
    expect(first[1]!.ses).toMatchObject({ messageOffset: MTU, payloadLength: MTU, requestLength: length });
    bench.engine.removeQueuePair(bench.now, 1);
    // the last packet, as a target sees it: placed at the end of the range, checked without an overflow
    const target = accepted();
    const at = Math.floor(length / MTU) * MTU;
    const last = nextSes({ requestLength: length, messageOffset: at, bufferOffset: 1n }, fill(length - at));
    const sent = target.exchange(target.request(1, { flags: AR, ses: last }));
    expect(sent[0]!.ses).toMatchObject({ returnCode: ReturnCode.BAD_ADDR });
    let asked: [number, number] = [0, 0];
    Object.assign(target.node, {
      reach(access: { offset: number; length: number; region: number; regionOffset: number }) {
        asked = [access.offset, access.length];
        access.region = target.memoryRegion;
        access.regionOffset = 4096 - length; // so that the last byte of the message is the last of the memory
        return 0;
      },
    });
    target.exchange(
      target.request(2, {
        ses: nextSes({ messageId: 2, requestLength: length, messageOffset: at, bufferOffset: 5n }, fill(length - at)),
      }),
    );
    expect(asked).toEqual([5, length]);
    expect([...target.memory.subarray(4096 - (length - at))]).toEqual([...fill(length - at)]);
  });

  it('sends and receives nothing', () => {
    const bench = accepted();
    bench.node.postReceive(1, 0, 0, 0, 5);
    const sent = bench.exchange(bench.request(1, { flags: AR, ses: sendSes({}, fill(0)) }));
    expect(sent[0]!.ses).toMatchObject({ opcode: 0 });
    expect(bench.received).toEqual([[5, 0, 0]]);
  });

  it('takes the medium header: WRITE, and SEND with completion data (uet:ses/2.5)', () => {
    const bench = accepted();
    const next = NextHeader.REQUEST_MEDIUM;
    bench.exchange(bench.request(1, { flags: AR, next, ses: mediumSes({ bufferOffset: 300 }) }));
    expect([...bench.memory.subarray(300, 308)]).toEqual([...fill(8)]);
    bench.node.postReceive(1, bench.memoryRegion, 400, 100, 5);
    const sent = bench.exchange(
      bench.request(2, { flags: AR, next, ses: mediumDataSes({ headerData: 0x1_0000_0002n }) }),
    );
    expect(sent[0]!.ses).toMatchObject({ opcode: 0, messageId: 0 });
    expect(bench.node.completions).toMatchObject([
      { wrIdLo: 5, byteLength: 8, hasImm: true, immLo: 2, immHi: 1, sourceId: 3 },
    ]);
    expect([...bench.memory.subarray(400, 408)]).toEqual([...fill(8)]);
  });

  it('takes the small header: its key is the index, and read data names the PSN (uet:ses/2.3, uet:ses/9 D-25)', () => {
    const bench = accepted();
    bench.node.regions.push({ ...bench.node.regions[0]!, keyHi: 0x4000_0000, keyLo: 1 });
    const next = NextHeader.REQUEST_SMALL;
    bench.exchange(bench.request(1, { flags: AR, next, ses: smallSes({ bufferOffset: 300 }) }));
    expect([...bench.memory.subarray(300, 308)]).toEqual([...fill(8)]);
    const read = (n: number, length: number) =>
      bench.exchange(
        bench.request(n, {
          flags: AR,
          next,
          ses: smallSes({ opcode: SesOpcode.READ, requestLength: length, bufferOffset: 300 }, fill(0)),
        }),
      );
    const small = { originalRequestPsn: START + 2, payloadLength: 8, opcode: 2, returnCode: 1 };
    expect(read(2, 8)).toMatchObject([
      { kind: 'ack', psn: START + 2, next: NextHeader.RESPONSE_DATA_SMALL, ses: small, data: [...fill(8)] },
    ]);
    expect(requests(read(3, 40))).toMatchObject([
      { next: NextHeader.RESPONSE_DATA_SMALL, ses: { originalRequestPsn: START + 3, payloadLength: 40 } },
    ]);
  });

  it('refuses work without a job at once', () => {
    const bench = new Bench();
    bench.node.post(1, { opcode: WorkOpcode.SEND, jobId: 0, wrIdLo: 2 });
    bench.engine.doorbell(bench.now, 1);
    expect(bench.take()).toEqual([]);
    expect(bench.done).toEqual([[2, Status.LOC_ACCESS_ERR]]);
  });
});

describe('a queue pair goes', () => {
  it('flushes each request once, wherever it is, and nothing is left (R180)', () => {
    const bench = established({ settings: { tailLoss: 0, windowPackets: 16, maxMessages: 16 } });
    bench.postSend(8, 2); // will wait for another try
    bench.take();
    bench.give(bench.ack(0, { psn: bench.start + 1, req: 1, ses: responseSes({ returnCode: ReturnCode.NO_MATCH }) }));
    bench.take();
    bench.postRead(100, 3); // acknowledged, without its data
    bench.take();
    bench.give(bench.ack(3));
    bench.postWrite(8, 4); // sent
    bench.postWrite(20 * MTU, 5); // partly sent
    bench.postSend(8, 6); // queued
    bench.take();
    for (let id = 7; id <= 30; id++) bench.postSend(8, id); // more than there are messages
    bench.engine.removeQueuePair(bench.now, 1);
    const flushed = bench.done.map(([id]) => id).sort((a, b) => a - b);
    const left = bench.node.sends.get(1)!.map(({ wrIdLo }) => wrIdLo); // for the device to flush
    expect([...flushed, ...left]).toEqual(Array.from({ length: 29 }, (_, n) => n + 2));
    expect(bench.done.every(([, status]) => status === Status.WR_FLUSH_ERR)).toBe(true);
    bench.give(bench.ack(19));
    expect(requests(bench.take())).toMatchObject([{ ses: { opcode: SesOpcode.MSG_ERROR } }]);
    bench.give(bench.ack(20));
    expect(bench.done).toHaveLength(flushed.length);
    for (let id = 0; id < 4; id++) {
      // whichever message id the read had: its first data ends it
      bench.exchange(
        bench.request(id, { next: NextHeader.RESPONSE_DATA, ses: dataOf(id + 1, 0, ReturnCode.OK, fill(64)) }),
      );
    }
    expect(bench.engine.census()).toMatchObject({ messages: 0, queue_pairs: 0 });
  });

  it('flushes a receive that a message had matched, and refuses the rest of it', () => {
    const bench = accepted();
    bench.node.postReceive(1, bench.memoryRegion, 0, 1000, 5);
    bench.exchange(bench.request(1, { ses: sendSes({ requestLength: 2 * MTU, eom: 0 }, fill(MTU)) }));
    bench.engine.removeQueuePair(bench.now, 1);
    expect(bench.received).toEqual([[5, Status.WR_FLUSH_ERR, 0]]);
    const before = bench.memory.slice();
    const rest = sendNextSes({ requestLength: 2 * MTU, messageOffset: MTU }, fill(MTU));
    const sent = bench.exchange(bench.request(2, { flags: AR, ses: rest }));
    expect(sent.at(-1)!.ses).toMatchObject({ returnCode: ReturnCode.DISABLED });
    expect(Buffer.compare(bench.memory, before)).toBe(0);
    expect(bench.received).toHaveLength(1);
    expect(bench.census('inbound_messages')).toBe(0);
  });

  it('flushes a receive that was taken and not used', () => {
    const bench = accepted({ ordered: true });
    bench.exchange(bench.request(1, { flags: AR, ses: sendSes({}) }));
    bench.node.postReceive(1, bench.memoryRegion, 0, 1000, 5);
    bench.engine.doorbell(bench.now, 1); // opens the index: one receive is taken
    bench.engine.removeQueuePair(bench.now, 1);
    expect(bench.received).toEqual([[5, Status.WR_FLUSH_ERR, 0]]);
  });

  it('says nothing more after its end', () => {
    const bench = established(QUIET);
    bench.postWrite(8, 2);
    bench.take();
    bench.engine.removeQueuePair(bench.now, 1);
    bench.engine.removeQueuePair(bench.now, 1);
    bench.engine.doorbell(bench.now, 1);
    bench.give(bench.ack(1));
    expect(bench.done).toEqual([[2, Status.WR_FLUSH_ERR]]);
    bench.engine.close(bench.now);
    expect(bench.take()).toMatchObject([isControl(ControlType.CLOSE_COMMAND)]);
  });
});

function dataOf(readRequestMessageId: number, messageOffset: number, code: number, payload = fill(0)): Uint8Array {
  return dataSes({ readRequestMessageId, messageOffset, returnCode: code }, payload);
}
