import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../base/random.ts';
import { AtomicOp, type AtomicOpName, AtomicType, type AtomicTypeName } from '../../../engine/atomics.ts';
import { CompletionOpcode, Status, WorkOpcode } from '../../../engine/status.ts';
import { SendWork } from '../../../engine/work.ts';
import { EngineRig, type RigPacket } from '../../../testing/engine-rig.ts';
import { extract } from '../../../wire/record.ts';
import { NextHeader, PdsRequest } from '../../../wire/uet/pds.ts';
import { AmoDatatype, AmoOpcode, ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import { uet } from '../index.ts';
import { returnCode } from '../return-codes.ts';
import { Bench, dataSes, established, fill, JOB, KEY, MTU, responseSes, type Seen } from '../rig-packets.testdata.ts';
import { amoDatatypeOf, amoOpcodeOf, OFFERED_OPS, OFFERED_TYPES, opOfAmo, typeOfAmo } from './atomic-codes.ts';
import { amoBytes, wide } from './atomic-packets.testdata.ts';

const QUIET = { settings: { tailLoss: 0 } };

interface Asked {
  readonly opcode?: number;
  readonly op: AtomicOpName;
  readonly type: AtomicTypeName;
  readonly operands?: Uint8Array;
  readonly comparand?: Uint8Array;
  /** Bytes wanted back. */
  readonly wanted?: number;
  readonly more?: Partial<SendWork>;
}

/** Posts an atomic whose memory the test holds. @returns where what was there goes */
function post(
  bench: Bench,
  { opcode = WorkOpcode.FETCHING_ATOMIC, op, type, operands, comparand, wanted = 0, more = {} }: Asked,
): Uint8Array {
  const work = new SendWork();
  const result = new Uint8Array(wanted);
  const region = (bytes: Uint8Array) => bench.node.dma.attach({ bytes, address: 0 });
  Object.assign(work, { opcode, jobId: JOB, path: 1, remoteQpn: (1 << 12) | 1, rkeyLo: KEY, wrIdLo: 7 });
  Object.assign(work, { atomicOp: AtomicOp[op], atomicType: AtomicType[type], ...more });
  if (operands !== undefined) work.segments.add(region(operands), 0, operands.length);
  if (comparand !== undefined) work.comparand.add(region(comparand), 0, comparand.length);
  if (wanted > 0) work.result.add(region(result), 0, wanted);
  work.length = wanted || operands!.length;
  bench.node.sends.get(1)!.push(work);
  bench.engine.doorbell(bench.now, 1);
  return result;
}

const little = (value: bigint): Uint8Array => wide(value).reverse();
const requests = (sent: readonly Seen[]) => sent.filter(({ kind }) => kind === 'request');
/** The answer to the request that left last, with data. */
const dataAck = (bench: Bench, n: number, data: Uint8Array, values: object = {}) =>
  bench.ack(n - 1, {
    ...{ psn: bench.start + n, req: 1, next: NextHeader.RESPONSE_DATA },
    ses: dataSes({ modifiedLength: data.length, ...values }, data),
  });

describe('an initiator asks for atomics (uet:ses/2.6, uet:ses/3.9)', () => {
  it('FETCHING_ATOMIC SUM: header, extension, operand; the result in the byte order of the host (uet:ses/10 E9)', () => {
    const bench = established(QUIET);
    const operand = little(2n);
    const result = post(bench, {
      op: 'SUM',
      type: 'UINT64',
      operands: operand,
      wanted: 8,
      more: { remoteOffsetLo: 0x18 },
    });
    operand.fill(0xff); // nothing that the program does now counts
    const [request] = requests(bench.take());
    expect(request).toMatchObject({
      ...{ next: NextHeader.REQUEST_STD, data: [2, 7, 2, 0, ...wide(2n)] },
      ses: {
        opcode: SesOpcode.FETCHING_ATOMIC,
        som: 1,
        eom: 1,
        hd: 0,
        bufferOffset: 0x18n,
        memoryKey: BigInt(KEY),
        requestLength: 8,
      },
    });
    bench.give(dataAck(bench, 1, wide(40n)));
    expect([...result]).toEqual([...little(40n)]);
    expect(bench.node.completions).toMatchObject([
      { wrIdLo: 7, status: 0, opcode: CompletionOpcode.FETCHING_ATOMIC, byteLength: 8 },
    ]);
  });

  it('CSWAP: both values in the extension, nothing behind it, the length of one (uet:ses/10 E10, D-11)', () => {
    const bench = established(QUIET);
    const result = post(bench, {
      op: 'CSWAP',
      type: 'UINT64',
      operands: little(0x22n),
      comparand: little(0x11n),
      wanted: 8,
    });
    const [request] = requests(bench.take());
    const zeros = new Array<number>(8).fill(0);
    expect(request!.data).toEqual([0x0d, 7, 2, 0, ...zeros, ...wide(0x11n), ...zeros, ...wide(0x22n)]);
    expect(request!.ses).toMatchObject({ requestLength: 8 });
    bench.give(dataAck(bench, 1, wide(0x11n), { modifiedLength: 32 }));
    expect([...result]).toEqual([...little(0x11n)]);
    expect(bench.done).toEqual([[7, 0]]);
  });

  it('the atomics of verbs are CSWAP and SUM on UINT64 (verbs/3.1)', () => {
    const bench = established(QUIET);
    const into = new Uint8Array(16);
    const region = bench.node.dma.attach({ bytes: into, address: 0 });
    const common = { rkeyLo: KEY, region, length: 8 };
    bench.node.post(1, {
      ...common,
      opcode: WorkOpcode.ATOMIC_CMP_AND_SWP,
      compareAddLo: 1,
      compareAddHi: 2,
      swapLo: 3,
      swapHi: 4,
    });
    bench.node.post(1, {
      ...common,
      offset: 8,
      opcode: WorkOpcode.ATOMIC_FETCH_AND_ADD,
      compareAddLo: 5,
      compareAddHi: 6,
    });
    bench.engine.doorbell(bench.now, 1);
    const sent = requests(bench.take());
    const [compare, swap, add] = [(2n << 32n) | 1n, (4n << 32n) | 3n, (6n << 32n) | 5n].map((value) => wide(value));
    expect(sent.map(({ data }) => data)).toEqual([
      [...amoBytes({ op: AmoOpcode.CSWAP, type: AmoDatatype.UINT64, compare: compare!, swap: swap! })],
      [...amoBytes({ op: AmoOpcode.SUM, type: AmoDatatype.UINT64, operands: add! })],
    ]);
    bench.give(dataAck(bench, 1, wide(9n)), dataAck(bench, 2, wide(10n)));
    expect([...into]).toEqual([...little(9n), ...little(10n)]);
    expect(bench.node.completions.map(({ opcode }) => opcode)).toEqual([
      CompletionOpcode.COMP_SWAP,
      CompletionOpcode.FETCH_ADD,
    ]);
  });

  it('ATOMIC completes with a default response; READ and values of 16 bytes have their form', () => {
    const bench = established(QUIET);
    post(bench, { opcode: WorkOpcode.ATOMIC, op: 'BXOR', type: 'UINT16', operands: Uint8Array.of(1, 2, 3, 4) });
    post(bench, { op: 'READ', type: 'DOUBLE', wanted: 8 });
    const sixteen = fill(16);
    post(bench, { op: 'CSWAP_GT', type: 'INT128', operands: sixteen, comparand: fill(16, 9), wanted: 16 });
    const sent = requests(bench.take());
    expect(sent.map(({ data }) => data!.slice(0, 4))).toEqual([
      [0x0a, 3, 2, 0],
      [0x0b, 0x0b, 2, 0],
      [0x12, 8, 2, 0],
    ]);
    expect(sent[0]!.data!.slice(4)).toEqual([2, 1, 4, 3]);
    expect(sent[1]!.data).toHaveLength(4);
    expect(sent[2]!.data!.slice(4)).toEqual([...fill(16, 9).reverse(), ...sixteen.slice().reverse()]);
    bench.give(bench.ack(1));
    expect(bench.node.completions).toMatchObject([{ opcode: CompletionOpcode.ATOMIC, status: 0 }]);
  });

  it('a packet sent again says the same, also when the operands are long (uet:pds/4.10)', () => {
    const bench = established(QUIET);
    const operands = fill(MTU);
    const result = post(bench, { op: 'SUM', type: 'UINT8', operands, wanted: MTU });
    const [first] = requests(bench.take());
    expect(bench.census('atomic_operands')).toBe(0); // 64 bytes have room where inline data has
    operands.fill(0);
    const [again] = requests(bench.pass(30_000_000));
    expect(again).toMatchObject({ psn: first!.psn, data: first!.data! });
    // the result comes in the return direction
    bench.give(bench.ack(1));
    bench.give(returnPacket(bench, fill(MTU, 3)));
    expect([...result]).toEqual([...fill(MTU, 3)]);
    expect(bench.done).toEqual([[7, 0]]);
  });

  it('goes with MEDIUM and SMALL headers where those are wanted; the result names the PSN (uet:ses/2.3, uet:ses/2.5)', () => {
    const bench = new Bench({ settings: { tailLoss: 0, shortHeaders: 1 } });
    const result = post(bench, { op: 'SUM', type: 'UINT64', operands: little(2n), wanted: 8 });
    post(bench, {
      opcode: WorkOpcode.ATOMIC,
      op: 'SUM',
      type: 'UINT64',
      operands: little(2n),
      more: { rkeyHi: 0x4000_0000, rkeyLo: 5 },
    });
    const sent = bench.rig.drain(bench.node).map(({ bytes }) => bytes);
    const first = sent[0]!;
    const { spdcid, psn } = extract(PdsRequest, new DataView(first.buffer, first.byteOffset), 0);
    bench.id = spdcid;
    const extension = [...amoBytes({ op: AmoOpcode.SUM, type: AmoDatatype.UINT64, operands: wide(2n) })];
    expect(sent.map((bytes) => (bytes[1]! >>> 7) | ((bytes[0]! & 7) << 1))).toEqual([
      NextHeader.REQUEST_MEDIUM,
      NextHeader.REQUEST_SMALL,
    ]);
    expect([...sent[0]!.slice(12 + 32)]).toEqual(extension);
    expect([...sent[1]!.slice(12 + 20)]).toEqual(extension);
    const named = new Uint8Array([2, 1, 0, 8, 0, 0, 0, JOB, 0, 0, 0, 0, ...wide(3n)]);
    new DataView(named.buffer).setUint32(8, psn);
    bench.give(bench.ack(0, { cack: psn - 1, psn, req: 1, next: NextHeader.RESPONSE_DATA_SMALL, ses: named }));
    expect([...result]).toEqual([...little(3n)]);
  });

  it('with amoBigEndian 0 elements stay as they are (uet:ses/9 D-13)', () => {
    const bench = established({ settings: { tailLoss: 0, amoBigEndian: 0 } });
    const result = post(bench, { op: 'SUM', type: 'UINT64', operands: little(2n), wanted: 8 });
    post(bench, {
      op: 'CSWAP',
      type: 'UINT16',
      operands: Uint8Array.of(3, 4),
      comparand: Uint8Array.of(1, 2),
      wanted: 2,
    });
    const sent = requests(bench.take()).map(({ data }) => data!.slice(4));
    const zeros = new Array<number>(14).fill(0);
    expect(sent).toEqual([[...little(2n)], [1, 2, ...zeros, 3, 4, ...zeros]]);
    bench.give(dataAck(bench, 1, little(9n)));
    expect([...result]).toEqual([...little(9n)]);
  });

  it('codes say the same both ways; each operation and type that is offered has one (uet:ses/2.10)', () => {
    expect(OFFERED_OPS.map((op) => opOfAmo(amoOpcodeOf(op)))).toEqual(OFFERED_OPS);
    expect(OFFERED_TYPES.map((type) => typeOfAmo(amoDatatypeOf(type)))).toEqual(OFFERED_TYPES);
    expect([OFFERED_OPS.length, OFFERED_TYPES.length]).toEqual([19, 16]);
    expect(amoOpcodeOf(AtomicOp.DIFF)).toBe(3);
    expect(amoDatatypeOf(AtomicType.BFLOAT16)).toBe(0x10);
    expect([amoOpcodeOf(AtomicOp.MSWAP), amoOpcodeOf(99), opOfAmo(0x13), opOfAmo(0x14), opOfAmo(0xff)]).toEqual([
      -1, -1, -1, -1, -1,
    ]);
    expect([amoDatatypeOf(AtomicType.LONG_DOUBLE), typeOfAmo(0x0e), typeOfAmo(0x12)]).toEqual([-1, -1, -1]);
  });
});

function returnPacket(bench: Bench, data: Uint8Array): Uint8Array {
  return bench.request(0, {
    next: NextHeader.RESPONSE_DATA,
    ses: dataSes({ readRequestMessageId: 2, modifiedLength: data.length }, data),
  });
}

describe('atomics that an initiator cannot ask for complete at once', () => {
  const cases: readonly [string, Asked, number][] = [
    [
      'an operation that the type has not',
      { op: 'BOR', type: 'FLOAT', operands: fill(4), wanted: 4 },
      Status.LOC_QP_OP_ERR,
    ],
    [
      'MSWAP (D-10)',
      { op: 'MSWAP', type: 'UINT8', operands: fill(1), comparand: fill(1), wanted: 1 },
      Status.LOC_QP_OP_ERR,
    ],
    ['LONG_DOUBLE', { op: 'SUM', type: 'LONG_DOUBLE', operands: fill(16), wanted: 16 }, Status.LOC_QP_OP_ERR],
    ['more than a packet', { op: 'SUM', type: 'UINT8', operands: fill(MTU + 1), wanted: MTU + 1 }, Status.LOC_LEN_ERR],
    [
      'two comparisons',
      { op: 'CSWAP', type: 'UINT8', operands: fill(2), comparand: fill(2), wanted: 2 },
      Status.LOC_LEN_ERR,
    ],
  ];
  for (const [name, asked, status] of cases) {
    it(`${name}: status ${status}`, () => {
      const bench = established(QUIET);
      post(bench, asked);
      expect(bench.done).toEqual([[7, status]]);
      expect(bench.take()).toEqual([]);
      expect(bench.census('messages')).toBe(0);
    });
  }

  it('are shorter where credit target and CRC take the room of the extension (uet:ses/2.6)', () => {
    const bench = new Bench({ settings: { ccRequests: 1, crc: 1 } });
    post(bench, { op: 'SUM', type: 'UINT32', operands: fill(MTU), wanted: MTU });
    post(bench, { op: 'SUM', type: 'UINT32', operands: fill(MTU - 4), wanted: MTU - 4, more: { wrIdLo: 8 } });
    expect(bench.done).toEqual([[7, Status.LOC_LEN_ERR]]);
    expect(bench.rig.drain(bench.node)).toHaveLength(1);
  });

  it('so do those whose memory is gone, and the next is not held up', () => {
    const bench = established(QUIET);
    for (const part of ['segments', 'comparand'] as const) {
      const work = new SendWork();
      Object.assign(work, {
        opcode: WorkOpcode.FETCHING_ATOMIC,
        jobId: JOB,
        path: 1,
        remoteQpn: (1 << 12) | 1,
        wrIdLo: 8,
        length: 8,
      });
      Object.assign(work, { atomicOp: AtomicOp.CSWAP, atomicType: AtomicType.UINT64 });
      for (const one of ['segments', 'comparand'] as const)
        work[one].add(one === part ? 0x7fff : bench.memoryRegion, 0, 8);
      bench.node.sends.get(1)!.push(work);
    }
    bench.postWrite(8, 3);
    expect(bench.done).toEqual([
      [8, Status.LOC_PROT_ERR],
      [8, Status.LOC_PROT_ERR],
    ]);
    expect(requests(bench.take())).toHaveLength(1);
  });
});

describe('answers to atomics', () => {
  const CODES = (Object.keys(ReturnCode) as (keyof typeof ReturnCode)[]).filter((name) => name.startsWith('AMO_'));
  for (const name of CODES) {
    it(`${name} fails the request with its code (uet:ses/2.12)`, () => {
      const bench = established(QUIET);
      const result = post(bench, { op: 'SUM', type: 'FLOAT', operands: fill(4), wanted: 4 });
      bench.take();
      bench.give(bench.ack(0, { psn: bench.start + 1, req: 1, ses: responseSes({ returnCode: ReturnCode[name] }) }));
      const { status } = returnCode(ReturnCode[name]);
      expect(bench.node.completions).toMatchObject([{ wrIdLo: 7, status, vendorStatus: ReturnCode[name] }]);
      expect(status).toBe(Status.REM_INV_REQ_ERR);
      expect([...result]).toEqual([0, 0, 0, 0]);
      expect(bench.census('messages')).toBe(0);
    });
  }

  it('of another length, or for another request, are dropped (uet:ses/8)', () => {
    const bench = established(QUIET);
    const result = post(bench, { op: 'SUM', type: 'UINT64', operands: little(1n), wanted: 8 });
    bench.take();
    bench.give(dataAck(bench, 1, fill(16)));
    bench.give(returnPacket(bench, fill(4)));
    expect(bench.drops('response')).toBe(2);
    expect([...result]).toEqual([...new Uint8Array(8)]);
    expect(bench.done).toEqual([]);
  });

  it('come too late for a queue pair that is gone: nothing is written, nothing is left', () => {
    const bench = established(QUIET);
    const result = post(bench, { op: 'SUM', type: 'UINT64', operands: little(1n), wanted: 8 });
    bench.take();
    bench.engine.removeQueuePair(bench.now, 1);
    expect(bench.done).toEqual([[7, Status.WR_FLUSH_ERR]]);
    bench.give(dataAck(bench, 1, wide(5n)));
    expect([...result]).toEqual([...new Uint8Array(8)]);
    expect(bench.census('messages')).toBe(0);
  });

  it('whose place is gone fail the request with LOC_PROT_ERR', () => {
    const bench = established(QUIET);
    post(bench, { op: 'SUM', type: 'UINT64', operands: little(1n), wanted: 8 });
    bench.take();
    for (let region = 1; region < 20; region++) bench.node.dma.detach((1 << 16) | region);
    bench.give(dataAck(bench, 1, wide(5n)));
    expect(bench.done).toEqual([[7, Status.LOC_PROT_ERR]]);
  });

  it('open a fence (verbs/3.1)', () => {
    const bench = established(QUIET);
    post(bench, { op: 'SUM', type: 'UINT64', operands: little(1n), wanted: 8 });
    bench.node.post(1, { opcode: WorkOpcode.RDMA_WRITE, rkeyLo: KEY, fence: true, wrIdLo: 8 });
    bench.engine.doorbell(bench.now, 1);
    expect(requests(bench.take())).toHaveLength(1);
    bench.give(dataAck(bench, 1, wide(5n)));
    expect(requests(bench.take())).toHaveLength(1);
  });
});

// ------------------------------------------------------------------ two engines

/** A wire between two engines that loses, doubles and reorders. */
class BadWire {
  readonly #random: SeededRandom;
  readonly #flying: { due: number; packet: RigPacket }[] = [];

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  drive(rig: EngineRig, until: number): void {
    for (let turns = 0; rig.now < until; turns++) {
      if (turns > 100_000) throw new Error('the engines never come to rest');
      for (const packet of [...rig.drain(rig.a), ...rig.drain(rig.b)]) {
        if (this.#random.chance(0.12)) continue;
        for (let copies = this.#random.chance(0.25) ? 2 : 1; copies > 0; copies--) {
          const late = this.#random.chance(0.3) ? this.#random.below(4_000_000) : 0;
          this.#flying.push({ due: rig.now + 1_000 + late, packet });
        }
      }
      const next = Math.min(...this.#flying.map(({ due }) => due), rig.a.engine.deadline(), rig.b.engine.deadline());
      if (next > until) break;
      rig.now = Math.max(rig.now, next);
      const landed = this.#flying.filter(({ due }) => due <= rig.now);
      this.#flying.splice(0, this.#flying.length, ...this.#flying.filter(({ due }) => due > rig.now));
      for (const { packet } of landed) rig.deliver(packet.to, packet.bytes);
      rig.a.engine.expire(rig.now);
      rig.b.engine.expire(rig.now);
    }
    rig.now = until;
  }
}

const PATIENT = {
  maxRtoRetries: 15,
  maxNackRetries: 31,
  rtoInit: 2_000_000,
  atomicResults: 8,
  idleTime: 2_000_000_000,
};

/** Both ends add to a word and a list of the other; contexts rest and close between. */
function runSums(seed: number): void {
  const random = new SeededRandom(seed);
  const ordered = seed % 2 === 1;
  const settings = { ...PATIENT, shortHeaders: seed % 3 === 0 ? 1 : 0, maxAckData: seed % 5 === 0 ? 0 : 16 };
  const rig = new EngineRig(uet, { seed, payloadMtu: 128, settings });
  const wire = new BadWire(random);
  const memories = [rig.a, rig.b].map((node) => {
    const bytes = new Uint8Array(128);
    node.engine.addJob(JOB);
    node.addQueuePair(1, { ordered });
    node.register(bytes, KEY);
    return new DataView(bytes.buffer);
  });
  const results: DataView[][][] = [
    [[], []],
    [[], []],
  ]; // by node: of the word, of the list
  const rounds = 2 + random.below(3);
  let posted = 0;
  for (let round = 0; round < rounds; round++) {
    const count = 1 + random.below(25);
    posted += count;
    for (let n = 0; n < count; n++) {
      [rig.a, rig.b].forEach((node, k) => {
        const isList = random.chance(0.5);
        const bytes = isList ? 80 : 8;
        const result = new Uint8Array(bytes);
        const ones = new Uint8Array(bytes);
        for (let i = 0; i < bytes; i += 8) ones[i] = 1;
        const work = new SendWork();
        Object.assign(work, {
          opcode: WorkOpcode.FETCHING_ATOMIC,
          jobId: JOB,
          path: 1,
          remoteQpn: (1 << 12) | 1,
          rkeyLo: KEY,
          length: bytes,
        });
        Object.assign(work, { atomicOp: AtomicOp.SUM, atomicType: AtomicType.UINT64, remoteOffsetLo: isList ? 8 : 0 });
        work.segments.add(node.dma.attach({ bytes: ones, address: 0 }), 0, bytes);
        work.result.add(node.dma.attach({ bytes: result, address: 0 }), 0, bytes);
        node.sends.get(1)!.push(work);
        node.engine.doorbell(rig.now, 1);
        results[k]![isList ? 1 : 0]!.push(new DataView(result.buffer));
      });
      if (random.chance(0.2)) wire.drive(rig, rig.now + random.below(2_000_000));
    }
    // long enough for contexts to close, now and then
    wire.drive(rig, rig.now + (random.chance(0.5) ? 30_000_000_000 : 5_000_000_000));
  }
  [rig.a, rig.b].forEach((node, k) => {
    expect(node.completions.map(({ status }) => status)).toEqual(new Array(posted).fill(Status.SUCCESS));
    const there = memories[1 - k]!;
    for (const [list, cells] of [
      [results[k]![0]!, [0]],
      [results[k]![1]!, [8, 80]],
    ] as const) {
      for (const cell of cells) {
        const seen = list.map((view) => Number(view.getBigUint64(cell < 8 ? 0 : cell - 8, true)));
        expect(seen.sort((x, y) => x - y)).toEqual(list.map((_, i) => i));
        expect(Number(there.getBigUint64(cell, true))).toBe(list.length);
      }
    }
  });
  for (const node of [rig.a, rig.b]) node.engine.close(rig.now);
  wire.drive(rig, rig.now + 60_000_000_000);
  for (const node of [rig.a, rig.b]) {
    expect(node.engine.census()).toMatchObject({ contexts: 0, messages: 0, atomic_operands: 0, atomic_results: 0 });
    node.engine.end!();
  }
}

describe('exactly once, whatever the wire does (uet:ses/3.9, uet:pds/4.4)', () => {
  for (const first of [1, 11, 21, 31]) {
    it(`what came back is 0, 1, 2, ... in some order, seeds ${first}..${first + 9} (R191)`, () => {
      for (let seed = first; seed < first + 10; seed++) {
        try {
          runSums(seed);
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
      }
    });
  }
});
