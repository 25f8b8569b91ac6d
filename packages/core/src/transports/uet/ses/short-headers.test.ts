import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../base/random.ts';
import { Status, WorkOpcode } from '../../../engine/status.ts';
import { EngineRig } from '../../../testing/engine-rig.ts';
import { byteLength } from '../../../wire/header.ts';
import { emit } from '../../../wire/record.ts';
import { NackCode, NextHeader, PdsType, UudRequest } from '../../../wire/uet/pds.ts';
import {
  RequestMedium,
  RequestSmall,
  ResponseDataSmall,
  ReturnCode,
  SesOpcode,
  SesResponseOpcode,
} from '../../../wire/uet/ses.ts';
import { uet } from '../index.ts';
import {
  Bench,
  creating,
  established,
  fill,
  JOB,
  KEY,
  MS,
  MTU,
  nack,
  SAFE_HI,
  type Seen,
} from '../rig-packets.testdata.ts';

const SHORT = { settings: { tailLoss: 0, shortHeaders: 1 } };
const INDEX_HI = 0x4000_0000;
const requests = (sent: readonly Seen[]) => sent.filter(({ kind }) => kind === 'request');

function post(bench: Bench, fields: object, length = 8): Uint8Array {
  const bytes = fill(length, 9);
  const region = bench.node.register(bytes, 0x9000 + bench.node.regions.length);
  bench.node.post(1, { region, length, rkeyLo: KEY, wrIdLo: 2, ...fields });
  bench.engine.doorbell(bench.now, 1);
  return bytes;
}

/** Data for a request that had no message id. */
function smallData(psn: number, payload: Uint8Array, code: number = ReturnCode.OK): Uint8Array {
  const view = new DataView(new ArrayBuffer(byteLength(ResponseDataSmall) + payload.length));
  const opcode = SesResponseOpcode.RESPONSE_W_DATA;
  const fields = { opcode, returnCode: code, jobId: JOB, payloadLength: payload.length };
  emit(ResponseDataSmall, view, 0, { ...fields, originalRequestPsn: psn >>> 0 });
  new Uint8Array(view.buffer).set(payload, byteLength(ResponseDataSmall));
  return new Uint8Array(view.buffer);
}

describe('which header a message goes with (uet:ses/2.3, uet:ses/2.5, uet:ses/2.7)', () => {
  const { MEDIUM, SMALL, STD } = {
    MEDIUM: NextHeader.REQUEST_MEDIUM,
    SMALL: NextHeader.REQUEST_SMALL,
    STD: NextHeader.REQUEST_STD,
  };
  const OPCODES = WorkOpcode;
  const indexed = { rkeyHi: INDEX_HI, rkeyLo: 0x123 };
  const CASES: [name: string, next: number, fields: object, length: number, ses: object][] = [
    ['send', MEDIUM, { opcode: OPCODES.SEND, rkeyLo: 0 }, 8, { opcode: SesOpcode.SEND, requestLength: 8 }],
    ['send of nothing', MEDIUM, { opcode: OPCODES.SEND, rkeyLo: 0 }, 0, { requestLength: 0 }],
    [
      'send with data for the program',
      MEDIUM,
      { opcode: OPCODES.SEND_WITH_IMM, immLo: 2, immHi: 1 },
      8,
      { hd: 1, headerData: 0x1_0000_0002n },
    ],
    [
      'tagged send (E8)',
      MEDIUM,
      { opcode: OPCODES.TAGGED_SEND_WITH_IMM, immLo: 0x2a, rkeyHi: 3, rkeyLo: 7 },
      32,
      { opcode: SesOpcode.TAGGED_SEND, hd: 1, headerData: 0x2an, memoryKey: 0x3_0000_0007n, requestLength: 32 },
    ],
    [
      'write',
      MEDIUM,
      { opcode: OPCODES.RDMA_WRITE, remoteOffsetLo: 64 },
      8,
      { opcode: SesOpcode.WRITE, bufferOffset: 64n, memoryKey: BigInt(KEY), initiator: 1 },
    ],
    [
      'write with notice at offset 0',
      MEDIUM,
      { opcode: OPCODES.RDMA_WRITE_WITH_IMM, immLo: 5 },
      8,
      { hd: 1, headerData: 5n },
    ],
    [
      'write with notice elsewhere: one field for two things',
      STD,
      { opcode: OPCODES.RDMA_WRITE_WITH_IMM, immLo: 5, remoteOffsetLo: 64 },
      8,
      { hd: 1, headerData: 5n, bufferOffset: 64n },
    ],
    [
      'write under a key that is an index (E7)',
      SMALL,
      { opcode: OPCODES.RDMA_WRITE, ...indexed, remoteOffsetLo: 0x40 },
      8,
      { resourceIndex: 0x123, bufferOffset: 0x40n, requestLength: 8, pidOnFep: 1 },
    ],
    ['read under such a key', SMALL, { opcode: OPCODES.RDMA_READ, ...indexed }, 8, { resourceIndex: 0x123 }],
    [
      'write with notice under such a key',
      MEDIUM,
      { opcode: OPCODES.RDMA_WRITE_WITH_IMM, ...indexed, immLo: 1 },
      8,
      { memoryKey: 0x4000_0000_0000_0123n },
    ],
    [
      'key with more bits than an index',
      MEDIUM,
      { opcode: OPCODES.RDMA_WRITE, rkeyHi: INDEX_HI, rkeyLo: 0x1000 },
      8,
      {},
    ],
    ['key that says more than that', MEDIUM, { opcode: OPCODES.RDMA_WRITE, rkeyHi: 0xc000_0000, rkeyLo: 1 }, 8, {}],
    ['one full packet', MEDIUM, { opcode: OPCODES.RDMA_WRITE }, MTU, { requestLength: MTU }],
    ['more than one packet', STD, { opcode: OPCODES.RDMA_WRITE }, MTU + 1, { requestLength: MTU + 1 }],
  ];
  for (const [name, next, fields, length, ses] of CASES) {
    it(`${name}: next header ${next}`, () => {
      const bench = established(SHORT);
      post(bench, fields, length);
      const [first] = requests(bench.take());
      expect(first).toMatchObject({ next, ses });
      if (next !== STD) expect(first!.ses).toMatchObject({ som: 1, eom: 1 });
      const off = established({ settings: { tailLoss: 0 } });
      post(off, fields, length);
      expect(requests(off.take())[0]).toMatchObject({ next: STD });
    });
  }

  it('needs fewer bytes: 12 of 44 less for MEDIUM, 24 for SMALL', () => {
    const bytesOf = (settings: Record<string, number>, fields: object) => {
      const bench = established({ settings: { tailLoss: 0, ...settings } });
      post(bench, fields);
      return bench.rig.drain(bench.node)[0]!.bytes.length;
    };
    const write = { opcode: WorkOpcode.RDMA_WRITE };
    const std = bytesOf({}, write);
    expect(std - bytesOf({ shortHeaders: 1 }, write)).toBe(44 - byteLength(RequestMedium));
    expect(std - bytesOf({ shortHeaders: 1 }, { ...write, ...indexed })).toBe(44 - byteLength(RequestSmall));
  });

  it('datagrams go with the medium header (E16)', () => {
    for (const opcode of [WorkOpcode.SEND, WorkOpcode.SEND_WITH_IMM]) {
      const bench = new Bench(SHORT);
      bench.node.addQueuePair(2, { type: 'UD' });
      const region = bench.node.register(fill(60, 3), 0x77);
      bench.node.post(2, { opcode, region, length: 60, immLo: 6, immHi: 5, qkey: 1 });
      bench.engine.doorbell(bench.now, 2);
      const [packet] = bench.rig.drain(bench.node);
      const view = new DataView(packet!.bytes.buffer);
      expect(view.getUint16(0) >>> 7).toBe((PdsType.UUD_REQ << 4) | NextHeader.REQUEST_MEDIUM);
      const at = byteLength(UudRequest);
      expect(packet!.bytes.length).toBe(at + byteLength(RequestMedium) + 60);
      expect(RequestMedium.opcode.get(view, at)).toBe(SesOpcode.DATAGRAM_SEND);
      expect(RequestMedium.requestLength.get(view, at)).toBe(60);
      const data = opcode === WorkOpcode.SEND ? 0n : 0x5_0000_0006n;
      expect(view.getBigUint64(at + 12)).toBe(data);
    }
  });
});

describe('answers to requests without a message id (uet:ses/3.8, uet:ses/9 D-16 D-25)', () => {
  it('takes data in the acknowledgement by the PSN that it acknowledges', () => {
    const bench = established(SHORT);
    const into = bench.postRead(8, 2);
    const [read] = requests(bench.take());
    expect(read).toMatchObject({ next: NextHeader.REQUEST_MEDIUM, ses: { opcode: SesOpcode.READ }, data: [] });
    bench.give(bench.ack(1, { req: 1, next: NextHeader.RESPONSE_DATA_SMALL, ses: smallData(read!.psn, fill(8, 77)) }));
    expect(bench.done).toEqual([[2, 0]]);
    expect([...into]).toEqual([...fill(8, 77)]);
  });

  it('tells data of several reads apart by the PSN that it names, in any order', () => {
    const bench = established(SHORT);
    const places = [2, 3, 4].map((id) => bench.postRead(40, id));
    const psns = requests(bench.take()).map(({ psn }) => psn);
    bench.give(bench.ack(3));
    expect(bench.done).toEqual([]);
    for (const [n, which] of [1, 2, 0].entries()) {
      bench.give(
        bench.request(n, { next: NextHeader.RESPONSE_DATA_SMALL, ses: smallData(psns[which]!, fill(40, which)) }),
      );
    }
    expect(bench.done.map(([id]) => id)).toEqual([3, 4, 2]);
    expect(places.map((place) => [...place])).toEqual([0, 1, 2].map((which) => [...fill(40, which)]));
  });

  it('drops data for a PSN that is no open read, also the same data again (uet:ses/8)', () => {
    const bench = established(SHORT);
    bench.postRead(40, 2);
    const [read] = requests(bench.take());
    bench.give(bench.ack(1));
    const data = (n: number, psn: number) =>
      bench.give(bench.request(n, { next: NextHeader.RESPONSE_DATA_SMALL, ses: smallData(psn, fill(40)) }));
    data(0, read!.psn + 1);
    data(1, read!.psn - 1);
    expect(bench.drops('response')).toBe(2);
    data(2, read!.psn);
    data(3, read!.psn);
    expect(bench.drops('response')).toBe(3);
    expect(bench.done).toEqual([[2, 0]]);
  });

  it('fails the read that the code is for', () => {
    const bench = established(SHORT);
    bench.postRead(40, 2);
    const [read] = requests(bench.take());
    bench.give(bench.ack(1));
    const bad = smallData(read!.psn, fill(0), ReturnCode.BAD_MKEY);
    bench.give(bench.request(0, { next: NextHeader.RESPONSE_DATA_SMALL, ses: bad }));
    expect(bench.done).toEqual([[2, Status.REM_ACCESS_ERR]]);
  });

  it('follows its PSN when the peer tells another first one (uet:pds/3.6)', () => {
    const bench = new Bench(SHORT);
    const into = bench.postRead(8, 2);
    const [read] = requests(bench.take());
    bench.id = read!.spdcid;
    const start = 0x2000_0000;
    bench.give(nack(NackCode.NEW_START_PSN, { nackPsn: read!.psn, dpdcid: bench.id, payload: start, spdcid: 0 }));
    const [again] = requests(bench.pass(10 * MS));
    expect(again).toMatchObject({ psn: start, next: NextHeader.REQUEST_MEDIUM });
    bench.start = start;
    bench.give(bench.ack(0, { req: 1, next: NextHeader.RESPONSE_DATA_SMALL, ses: smallData(start, fill(8, 7)) }));
    expect(bench.done).toEqual([[2, 0]]);
    expect([...into]).toEqual([...fill(8, 7)]);
  });

  it('a repetition is the same packet (uet:pds/4.10)', () => {
    const bench = established(SHORT);
    post(bench, { opcode: WorkOpcode.SEND_WITH_IMM, immLo: 3 });
    const [first] = requests(bench.take());
    const [again] = requests(bench.pass(25 * MS));
    expect(again).toMatchObject({ psn: first!.psn, next: first!.next, ses: first!.ses, data: first!.data! });
  });

  it('a refused send goes again with the generation that the answer tells', () => {
    const bench = creating(SHORT);
    bench.give(bench.ack(0));
    post(bench, { opcode: WorkOpcode.SEND });
    expect(requests(bench.take())).toMatchObject([{ next: NextHeader.REQUEST_MEDIUM }]);
    const code = ReturnCode.BAD_GENERATION;
    const view = new DataView(new ArrayBuffer(12));
    view.setUint16(0, (SesResponseOpcode.RESPONSE << 8) | code);
    view.setUint32(4, (9 << 24) | JOB);
    bench.give(bench.ack(1, { req: 1, ses: new Uint8Array(view.buffer) }));
    expect(requests(bench.take())).toMatchObject([{ next: NextHeader.REQUEST_MEDIUM, ses: { riGeneration: 9 } }]);
  });
});

describe('two endpoints with short headers (R191)', () => {
  for (const idempotent of [false, true]) {
    it(`move everything${idempotent ? ', idempotent requests too' : ''}, over a bad wire, with all kinds of requests`, () => {
      for (let seed = 1; seed <= 10; seed++) {
        const random = new SeededRandom(seed);
        const settings = { shortHeaders: 1, idempotentRequests: idempotent ? 1 : 0 };
        const rig = new EngineRig(uet, { seed, payloadMtu: MTU, settings });
        for (const node of [rig.a, rig.b]) {
          node.engine.addJob(JOB);
          node.addQueuePair(1);
        }
        const remote = fill(4096, seed);
        rig.b.register(remote, KEY);
        for (const keyHi of [INDEX_HI, SAFE_HI]) rig.b.regions.push({ ...rig.b.regions[0]!, keyHi, keyLo: 0x0ab });
        const inbox = new Uint8Array(4096);
        const inboxRegion = rig.b.register(inbox, 5);
        const reads: [Uint8Array, number][] = [];
        const shorts = new Set<number>();
        let sends = 0;
        for (let id = 0; id < 40; id++) {
          const kind = random.below(3);
          const length = 1 + random.below(2 * MTU);
          const offset = id * 2 * MTU - (id >= 16 ? 32 * MTU : 0) - (id >= 32 ? 32 * MTU : 0);
          const key = random.chance(0.5)
            ? { rkeyHi: INDEX_HI, rkeyLo: 0x0ab }
            : id % 3 === 0
              ? { rkeyLo: KEY }
              : { rkeyHi: SAFE_HI, rkeyLo: 0x0ab };
          const bytes = kind === 1 ? new Uint8Array(length) : fill(length, id);
          const own = rig.a.register(bytes, 100 + id);
          const common = { region: own, length, wrIdLo: id, ...key };
          if (kind === 0) {
            rig.b.postReceive(1, inboxRegion, (sends % 32) * 128, 128, id);
            sends++;
            rig.a.post(1, { opcode: WorkOpcode.SEND, ...common });
          } else if (kind === 1) {
            reads.push([bytes, offset]);
            rig.a.post(1, { opcode: WorkOpcode.RDMA_READ, remoteOffsetLo: offset, ...common });
          } else {
            // what is there already: reads may come before or after
            const same = rig.a.register(remote.slice(offset, offset + length), 200 + id);
            rig.a.post(1, { opcode: WorkOpcode.RDMA_WRITE, remoteOffsetLo: offset, ...common, region: same });
          }
        }
        rig.a.engine.doorbell(rig.now, 1);
        rig.run({
          forNanos: 3_000 * MS,
          lose: ({ to, bytes }) => {
            const word = new DataView(bytes.buffer).getUint16(0);
            const type = word >>> 11;
            if (to === rig.b && [PdsType.RUD_REQ, PdsType.RUDI_REQ].includes(type as never))
              shorts.add((word >>> 7) & 15);
            return random.chance(0.05);
          },
        });
        expect(
          rig.a.completions.map(({ status }) => status),
          `seed ${seed}`,
        ).toEqual(Array(40).fill(0));
        for (const [bytes, offset] of reads)
          expect([...bytes]).toEqual([...remote.subarray(offset, offset + bytes.length)]);
        expect([...remote]).toEqual([...fill(4096, seed)]);
        expect(shorts).toEqual(new Set([1, 2, 3]));
        expect(rig.a.engine.counters.get('idempotent_requests')! > 0).toBe(idempotent);
      }
    });
  }
});

describe('the small header at a target (uet:ses/2.3, uet:ses/5.1)', () => {
  it('finds the region of the process, whichever queue pair and protection domain has it', () => {
    const rig = new EngineRig(uet, { payloadMtu: MTU, settings: { shortHeaders: 1 } });
    for (const node of [rig.a, rig.b]) {
      node.engine.addJob(JOB);
      node.addQueuePair(1);
    }
    rig.b.addQueuePair(2, { pd: 2 });
    const memory = new Uint8Array(64);
    rig.b.register(memory, 0xfff);
    Object.assign(rig.b.regions[0]!, { keyHi: INDEX_HI, pd: 2 });
    const region = rig.a.register(fill(8, 3), 1);
    for (const [id, key] of [
      [1, 0xfff],
      [2, 0xffe],
    ] as const) {
      rig.a.post(1, { opcode: WorkOpcode.RDMA_WRITE, region, length: 8, rkeyHi: INDEX_HI, rkeyLo: key, wrIdLo: id });
    }
    rig.a.engine.doorbell(rig.now, 1);
    rig.run({ forNanos: 100 * MS });
    const ended = rig.a.completions.map(({ wrIdLo, status, vendorStatus }) => [wrIdLo, status, vendorStatus]);
    expect(ended.sort(([x], [y]) => x! - y!)).toEqual([
      [1, Status.SUCCESS, 0],
      [2, Status.REM_ACCESS_ERR, ReturnCode.BAD_MKEY],
    ]);
    expect([...memory.subarray(0, 8)]).toEqual([...fill(8, 3)]);
  });
});
