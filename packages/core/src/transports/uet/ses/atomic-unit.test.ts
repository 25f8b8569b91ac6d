import { describe, expect, it } from 'vitest';
import { NackCode, NextHeader, PdsType, pdsLength } from '../../../wire/uet/pds.ts';
import { AmoDatatype, AmoOpcode, ReturnCode, SesOpcode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import {
  AR,
  accepted,
  type Bench,
  type BenchOptions,
  fill,
  KEY,
  MTU,
  RETX,
  responseSes,
  type Seen,
  START,
} from '../rig-packets.testdata.ts';
import { type Amo, atomicSes, mediumAtomicSes, smallAtomicSes, wide } from './atomic-packets.testdata.ts';

const NO_ATOMICS = 0x31;
const NO_READ = 0x32;
const OTHER_JOB = 0x33;
const GONE = 0x34;

/** A target whose context is open; the word at offset 64 is 40. */
function target(options: BenchOptions = {}): Bench {
  const bench = accepted(options);
  bench.node.register(new Uint8Array(64), NO_ATOMICS, 7);
  bench.node.register(new Uint8Array(64), NO_READ, 11);
  bench.node.register(new Uint8Array(64), OTHER_JOB, 15, 99);
  bench.node.dma.detach(bench.node.register(new Uint8Array(64), GONE));
  words(bench).setBigUint64(64, 40n, true);
  return bench;
}

const words = ({ memory }: Bench): DataView => new DataView(memory.buffer, memory.byteOffset, memory.length);
const word = (bench: Bench): bigint => words(bench).getBigUint64(64, true);

/** Sends a request and takes the acknowledgement that carries its answer. */
function answer(bench: Bench, n: number, ses: Uint8Array, next: number = NextHeader.REQUEST_STD): Seen {
  const sent = bench.exchange(bench.request(n, { flags: AR, clear: START + n - 1, next, ses }));
  const ack = sent.find(({ kind, psn }) => kind === 'ack' && psn === START + n);
  if (ack === undefined) throw new Error(`no acknowledgement among ${JSON.stringify(sent)}`);
  return ack;
}

const add = (value: bigint): Amo => ({ op: AmoOpcode.SUM, type: AmoDatatype.UINT64, operands: wide(value) });
const swap = (compare: bigint, value: bigint): Amo => ({
  ...{ op: AmoOpcode.CSWAP, type: AmoDatatype.UINT64, compare: wide(compare), swap: wide(value) },
});
const AT = { bufferOffset: 64 };
/** Every bit pattern that a float cannot be. */
const float = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value);
  return bytes;
};

describe('a target executes atomics (uet:ses/3.9, R9)', () => {
  it('FETCHING_ATOMIC: what was there rides in the acknowledgement, and is kept until cleared (uet:ses/10 E9)', () => {
    const bench = target();
    const request = bench.request(1, { flags: AR, ses: atomicSes(add(2n), { ...AT, messageId: 0x404 }) });
    const [ack] = bench.exchange(request);
    expect(ack).toMatchObject({
      ...{ kind: 'ack', next: NextHeader.RESPONSE_DATA, psn: START + 1, req: 1, data: [...wide(40n)] },
      ses: {
        ...{ list: 0, opcode: SesResponseOpcode.RESPONSE_W_DATA, returnCode: 1, responseMessageId: 0 },
        ...{ readRequestMessageId: 0x404, payloadLength: 8, modifiedLength: 8, messageOffset: 0 },
      },
    });
    expect(word(bench)).toBe(42n);
    // the same packet again: the same answer, and nothing is added
    for (let copies = 0; copies < 3; copies++) {
      const again = bench.request(1, { flags: AR | RETX, ses: atomicSes(add(2n), { ...AT, messageId: 0x404 }) });
      expect(bench.exchange(again)).toMatchObject([{ data: [...wide(40n)], ses: ack!.ses! }]);
    }
    expect(word(bench)).toBe(42n);
    // another request clears it; a copy that comes later still changes nothing
    expect(answer(bench, 2, atomicSes(add(1n), AT))).toMatchObject({ data: [...wide(42n)] });
    expect(bench.exchange(request)).toMatchObject([{ kind: 'ack', ses: { opcode: 0 } }]);
    expect(word(bench)).toBe(43n);
    expect(bench.count('messages_received')).toBe(3);
  });

  it('compare-and-swap: compares, swaps and tells what was there (uet:ses/10 E10)', () => {
    const bench = target();
    expect(answer(bench, 1, atomicSes(swap(41n, 99n), AT))).toMatchObject({ data: [...wide(40n)] });
    expect(word(bench)).toBe(40n);
    expect(answer(bench, 2, atomicSes(swap(40n, 99n), AT))).toMatchObject({ data: [...wide(40n)] });
    expect(word(bench)).toBe(99n);
  });

  it('compare-and-swap may say the length of both values; eight bytes come back (uet:ses/9 D-11)', () => {
    const bench = target();
    const ses = atomicSes(swap(40n, 7n), { bufferOffset: 4088, requestLength: 32 });
    expect(answer(bench, 1, ses)).toMatchObject({ ses: { returnCode: 1, payloadLength: 8 } });
    expect(answer(bench, 2, atomicSes(swap(40n, 7n), { ...AT, requestLength: 32 })).data).toEqual([...wide(40n)]);
    expect(word(bench)).toBe(7n);
  });

  it('ATOMIC changes memory and is answered with a default response', () => {
    const bench = target();
    const ack = answer(bench, 1, atomicSes(add(2n), { ...AT, opcode: SesOpcode.ATOMIC }));
    expect(ack).toMatchObject({ next: NextHeader.RESPONSE, req: 0, ses: { opcode: 0, returnCode: 1 } });
    expect(answer(bench, 2, atomicSes(swap(42n, 1n), { ...AT, opcode: SesOpcode.ATOMIC })).ses).toMatchObject({
      opcode: 0,
    });
    expect(word(bench)).toBe(1n);
  });

  it('READ has no operands, nor has INVAL, which finds no cache to clear', () => {
    const bench = target();
    const read = { op: AmoOpcode.READ, type: AmoDatatype.UINT64 };
    expect(answer(bench, 1, atomicSes(read, AT)).data).toEqual([...wide(40n)]);
    const inval = { op: AmoOpcode.INVAL, type: AmoDatatype.UINT64 };
    expect(answer(bench, 2, atomicSes(inval, { ...AT, opcode: SesOpcode.ATOMIC })).ses).toMatchObject({ opcode: 0 });
    expect(word(bench)).toBe(40n);
  });

  it('takes MEDIUM and SMALL headers; the result names the PSN (uet:ses/2.5, uet:ses/2.3, R10)', () => {
    const bench = target();
    const medium = answer(bench, 1, mediumAtomicSes(add(1n), { bufferOffset: 64 }), NextHeader.REQUEST_MEDIUM);
    expect(medium).toMatchObject({
      ...{ next: NextHeader.RESPONSE_DATA_SMALL, data: [...wide(40n)] },
      ses: { payloadLength: 8, originalRequestPsn: START + 1 },
    });
    const cells = new Uint8Array(16);
    bench.node.regions.push({
      ...{ keyHi: 0x4000_0000, keyLo: 1, region: bench.node.dma.attach({ bytes: cells, address: 0 }) },
      ...{ length: 16, rights: 15, pd: 1, jobId: 0 },
    });
    const small = answer(bench, 2, smallAtomicSes(swap(0n, 5n), { bufferOffset: 8 }), NextHeader.REQUEST_SMALL);
    expect(small).toMatchObject({ next: NextHeader.RESPONSE_DATA_SMALL, ses: { originalRequestPsn: START + 2 } });
    expect([...cells]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('elements are big-endian, each part of a complex number by itself (uet:ses/9 D-13)', () => {
    const bench = target();
    const operands = new Uint8Array([...float(1.5), ...float(-2)]);
    answer(bench, 1, atomicSes({ op: AmoOpcode.WRITE, type: AmoDatatype.FLOAT_COMPLEX, operands }, AT));
    expect([words(bench).getFloat32(64, true), words(bench).getFloat32(68, true)]).toEqual([1.5, -2]);
  });

  it('elements are little-endian with amoBigEndian 0, and narrow values stand in front (uet:ses/9 D-13)', () => {
    const bench = target({ settings: { amoBigEndian: 0 } });
    const value = (low: number, bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => (i === 0 ? low : 0));
    const sum = { op: AmoOpcode.SUM, type: AmoDatatype.UINT64, operands: value(2, 8) };
    expect(answer(bench, 1, atomicSes(sum, AT)).data).toEqual([...value(40, 8)]);
    const exchange = { op: AmoOpcode.CSWAP, type: AmoDatatype.UINT64, compare: value(42, 16), swap: value(9, 16) };
    expect(answer(bench, 2, atomicSes(exchange, { ...AT, requestLength: 8 })).data).toEqual([...value(42, 8)]);
    expect(word(bench)).toBe(9n);
  });

  it('on an ordered context in the order of the stream', () => {
    const bench = target({ ordered: true });
    expect(answer(bench, 1, atomicSes(add(2n), AT)).data).toEqual([...wide(40n)]);
    expect(answer(bench, 2, atomicSes(swap(42n, 6n), { ...AT, messageId: 2 })).data).toEqual([...wide(42n)]);
    expect(word(bench)).toBe(6n);
  });
});

describe('what is wrong with an atomic (uet:ses/1.4 row 21, uet:ses/2.12)', () => {
  const { SUM, WRITE, READ, MSWAP, BXOR, MIN, CSWAP, CSWAP_LT, LOR } = AmoOpcode;
  const { UINT8, UINT64, INT128, FLOAT, DOUBLE, FLOAT_COMPLEX, LONG_DOUBLE, LONG_DOUBLE_COMPLEX } = AmoDatatype;
  const eight = wide(1n);
  const ATOMIC = { opcode: SesOpcode.ATOMIC };
  const CASES: readonly [name: string, code: keyof typeof ReturnCode, amo: Amo, values?: object][] = [
    ['an operation that no table has', 'AMO_UNSUPPORTED_OP', { op: 0x15, type: UINT64, operands: eight }],
    ['one of a vendor', 'AMO_UNSUPPORTED_OP', { op: 0xe0, type: UINT64, operands: eight }],
    [
      'MSWAP, which has no place for its mask (D-10)',
      'AMO_UNSUPPORTED_OP',
      { op: MSWAP, type: UINT64, operands: eight },
    ],
    ['bits of a number that is no integer', 'AMO_UNSUPPORTED_OP', { op: BXOR, type: DOUBLE, operands: eight }],
    ['the order of complex numbers', 'AMO_UNSUPPORTED_OP', { op: MIN, type: FLOAT_COMPLEX, operands: eight }],
    ['their order in a swap', 'AMO_UNSUPPORTED_OP', { op: CSWAP_LT, type: FLOAT_COMPLEX, compare: eight, swap: eight }],
    ['a read that brings nothing back', 'AMO_UNSUPPORTED_OP', { op: READ, type: UINT64 }, ATOMIC],
    ['a type that no table has', 'AMO_UNSUPPORTED_DT', { op: SUM, type: 0x12, operands: eight }],
    ['LONG_DOUBLE', 'AMO_UNSUPPORTED_DT', { op: SUM, type: LONG_DOUBLE, operands: eight }],
    ['LONG_DOUBLE_COMPLEX', 'AMO_UNSUPPORTED_DT', { op: LOR, type: LONG_DOUBLE_COMPLEX, operands: eight }],
    ['half an element', 'AMO_UNSUPPORTED_SIZE', { op: SUM, type: UINT64, operands: fill(12) }],
    ['less than one', 'AMO_UNSUPPORTED_SIZE', { op: SUM, type: INT128, operands: eight }],
    ['no elements', 'AMO_UNSUPPORTED_SIZE', { op: SUM, type: UINT64, operands: fill(0) }],
    ['two elements to compare', 'AMO_UNSUPPORTED_SIZE', { op: CSWAP, type: FLOAT, compare: eight, swap: eight }],
    ['a place between two elements', 'AMO_UNALIGNED', { op: SUM, type: UINT64, operands: eight }, { bufferOffset: 68 }],
    ['one of 16 bytes at 8', 'AMO_UNALIGNED', { op: WRITE, type: INT128, operands: fill(16) }, { bufferOffset: 72 }],
    [
      'more than a packet',
      'UNSUPPORTED_SIZE',
      { op: SUM, type: UINT8, operands: fill(MTU) },
      { requestLength: MTU + 1, eom: 0 },
    ],
    ['less payload than it says', 'OP_VIOLATION', { op: SUM, type: UINT64, operands: eight }, { requestLength: 16 }],
    ['more payload than it says', 'OP_VIOLATION', { op: SUM, type: UINT64, operands: fill(16) }, { requestLength: 8 }],
    ['payload where none belongs', 'OP_VIOLATION', { op: READ, type: UINT64, operands: eight }],
    ['payload behind a comparison', 'OP_VIOLATION', { op: CSWAP, type: UINT64, swap: eight, operands: eight }],
    ['completion data', 'OP_VIOLATION', { op: SUM, type: UINT64, operands: eight }, { hd: 1 }],
    [
      'memory that is not open to atomics',
      'OP_VIOLATION',
      { op: SUM, type: UINT64, operands: eight },
      { memoryKey: NO_ATOMICS, bufferOffset: 0 },
    ],
    [
      'memory that may not be read',
      'OP_VIOLATION',
      { op: SUM, type: UINT64, operands: eight },
      { ...ATOMIC, memoryKey: NO_READ, bufferOffset: 0 },
    ],
    [
      'memory of another job',
      'PERM_VIOLATION',
      { op: SUM, type: UINT64, operands: eight },
      { memoryKey: OTHER_JOB, bufferOffset: 0 },
    ],
    ['memory that is not there', 'BAD_MKEY', { op: SUM, type: UINT64, operands: eight }, { memoryKey: 0xdead }],
    [
      'memory of a process that is gone',
      'UNCOR',
      { op: SUM, type: UINT64, operands: eight },
      { memoryKey: GONE, bufferOffset: 0 },
    ],
    ['elements behind the end', 'BAD_ADDR', { op: SUM, type: UINT64, operands: eight }, { bufferOffset: 4096 }],
    ['an offset beyond 2^53', 'BAD_ADDR', { op: SUM, type: UINT64, operands: eight }, { bufferOffset: 2n ** 60n }],
    ['source memory that is gone', 'INITIATOR_ERROR', { op: SUM, type: UINT64, operands: eight }, { ie: 1 }],
    ['a wrong version', 'UNCOR', { op: SUM, type: UINT64, operands: eight }, { ver: 1 }],
  ];

  for (const [name, code, amo, values] of CASES) {
    it(`${name}: ${code}, kept and repeated, and nothing changes`, () => {
      const bench = target();
      const before = [...bench.memory];
      const ses = atomicSes(amo, { ...AT, messageId: 9, ...values });
      const ack = answer(bench, 1, ses);
      expect(ack).toMatchObject({ req: 1, ses: { opcode: SesResponseOpcode.RESPONSE, returnCode: ReturnCode[code] } });
      expect(bench.exchange(bench.request(1, { flags: AR | RETX, ses }))).toMatchObject([{ ses: ack.ses! }]);
      expect([...bench.memory]).toEqual(before);
      expect(bench.count('refused_requests')).toBe(1);
    });
  }

  it('later packets of a message that is too long get the same code (uet:ses/3.1)', () => {
    const bench = target();
    const amo = { op: SUM, type: UINT8, operands: fill(MTU) };
    expect(answer(bench, 1, atomicSes(amo, { requestLength: 2 * MTU, eom: 0 })).ses).toMatchObject({ returnCode: 7 });
    expect(bench.census('inbound_messages')).toBe(1);
  });

  it('an extension that is cut short is no header (uet:ses/2.6)', () => {
    const bench = target();
    const whole = atomicSes(swap(40n, 1n), AT);
    for (const bytes of [44, 47, 48, 79]) {
      const [nack] = bench.exchange(bench.request(1, { ses: whole.slice(0, bytes) }));
      expect(nack).toMatchObject({ kind: 'nack', code: NackCode.PDC_HDR_MISMATCH });
    }
    expect(answer(bench, 1, whole).data).toEqual([...wide(40n)]);
    expect(bench.drops('next_header')).toBe(4);
  });

  it('is answered once for each kind of floating-point trouble, if amoSignals asks for it (uet:ses/2.12)', () => {
    const most = (2 - 2 ** -23) * 2 ** 127;
    const TROUBLE = [
      [Number.NaN, 1, 'AMO_FP_NAN', 1],
      [2 ** -149, 0.5, 'AMO_FP_UNDERFLOW', 2],
      [most, 2, 'AMO_FP_OVERFLOW', 4],
      [1 + 2 ** -23, 1 + 2 ** -23, 'AMO_FP_INEXACT', 8],
    ] as const;
    for (const [there, given, code, bit] of TROUBLE) {
      const amo = { op: AmoOpcode.PROD, type: FLOAT, operands: float(given) };
      for (const [amoSignals, signalled] of [
        [0, false],
        [15, true],
        [bit, true],
        [15 & ~bit & ~8, false],
      ] as const) {
        const bench = target({ settings: { amoSignals } });
        words(bench).setFloat32(64, there, true);
        const ack = answer(bench, 1, atomicSes(amo, AT));
        expect(ack.ses!.returnCode, `${code} with ${amoSignals}`).toBe(signalled ? ReturnCode[code] : ReturnCode.OK);
        const value = words(bench).getFloat32(64, true);
        expect(value).toBe(signalled ? Math.fround(there) : Math.fround(there * given));
      }
    }
  });
});

describe('results that are too long for an acknowledgement (uet:ses/3.8, uet:ses/3.9)', () => {
  const list = (salt: number): Amo => ({ op: AmoOpcode.WRITE, type: AmoDatatype.UINT8, operands: fill(40, salt) });
  const request = (bench: Bench, n: number) =>
    bench.exchange(
      bench.request(n, { flags: AR, clear: START + n - 1, ses: atomicSes(list(n), { messageId: n, bufferOffset: 0 }) }),
    );
  const isReturn = ({ kind }: Seen) => kind === 'request';

  it('travel back on their own, unchanged by what comes later, until they are acknowledged', () => {
    const bench = target();
    const before = [...bench.memory.subarray(0, 40)];
    const sent = request(bench, 1);
    const first = sent.find(isReturn)!;
    expect(first).toMatchObject({ next: NextHeader.RESPONSE_DATA, data: before });
    expect(first.ses).toMatchObject({
      readRequestMessageId: 1,
      payloadLength: 40,
      modifiedLength: 40,
      messageOffset: 0,
    });
    expect(sent.filter(({ kind }) => kind === 'ack')).toMatchObject([
      { psn: START + 1, ses: { opcode: 0, returnCode: 1 } },
    ]);
    // the memory changes again, and the first result is lost on its way
    const second = request(bench, 2).find(isReturn)!;
    expect(second.data).toEqual([...fill(40, 1)]);
    const ack = (psn: number) =>
      bench.give(
        bench.ack(0, { cack: psn, next: NextHeader.RESPONSE, ses: responseSes({ opcode: 0, returnCode: 1 }) }),
      );
    const repeated = bench.pass(100_000_000).filter(isReturn);
    expect(repeated.find(({ psn }) => psn === first.psn)!.data).toEqual(before);
    expect(bench.census('atomic_results')).toBe(2);
    ack(first.psn);
    expect(bench.census('atomic_results')).toBe(1);
    ack(second.psn);
    expect(bench.census('atomic_results')).toBe(0);
  });

  it('name the PSN of a request with a short header', () => {
    const bench = target();
    const ses = mediumAtomicSes(list(1), { bufferOffset: 0 });
    const sent = bench.exchange(bench.request(1, { next: NextHeader.REQUEST_MEDIUM, ses }));
    expect(sent.find(isReturn)).toMatchObject({
      next: NextHeader.RESPONSE_DATA_SMALL,
      ses: { originalRequestPsn: START + 1 },
    });
  });

  it('are kept in bounded memory: beyond, NO_RESOURCE before anything changes; a copy later succeeds (R191)', () => {
    const bench = target({ settings: { atomicResults: 8 } }); // two for each peer
    const results = [request(bench, 1), request(bench, 2)].map((sent) => sent.find(isReturn)!);
    expect(request(bench, 3).filter(({ kind }) => kind !== 'request')).toMatchObject([
      { kind: 'nack', code: NackCode.NO_RESOURCE },
    ]);
    expect([...bench.memory.subarray(0, 40)]).toEqual([...fill(40, 2)]);
    // results in acknowledgements need no such place
    expect(answer(bench, 4, atomicSes(add(1n), AT)).data).toEqual([...wide(40n)]);
    bench.give(bench.ack(0, { cack: results[0]!.psn }));
    expect(request(bench, 3).find(isReturn)!.data).toEqual([...fill(40, 2)]);
    expect(bench.census('atomic_results')).toBe(2);
  });

  it('are forgotten with their context', () => {
    const bench = target({ settings: { maxRtoRetries: 2, rtoInit: 1_000_000 } });
    request(bench, 1);
    expect(bench.census('atomic_results')).toBe(1);
    bench.pass(60_000_000_000);
    expect(bench.states).toEqual([]);
    expect(bench.census('atomic_results')).toBe(0);
  });

  it('of refused requests take no place', () => {
    const bench = target();
    const ses = atomicSes(list(1), { bufferOffset: 4090 });
    expect(answer(bench, 1, ses).ses).toMatchObject({ returnCode: ReturnCode.BAD_ADDR });
    expect(bench.census('atomic_results')).toBe(0);
  });
});

describe('atomics that must not be repeated (uet:ses/5.4, uet:ses/3.10)', () => {
  it('are never idempotent requests', () => {
    const bench = target();
    const head = new Uint8Array(pdsLength(PdsType.RUDI_REQ));
    new DataView(head.buffer).setUint16(0, (PdsType.RUDI_REQ << 11) | (NextHeader.REQUEST_STD << 7));
    bench.give(Uint8Array.from([...head, ...atomicSes(add(1n), AT)]));
    const answers = bench.rig.drain(bench.node).filter(({ bytes }) => bytes[0]! >>> 3 === PdsType.RUDI_RESP);
    expect(answers.map(({ bytes }) => bytes[head.length + 1]! & 0x3f)).toEqual([ReturnCode.UNSUPPORTED_OP]);
    expect(word(bench)).toBe(40n);
  });

  it('are no datagrams', () => {
    const bench = target();
    bench.node.addQueuePair(9, { type: 'UD' });
    const head = new Uint8Array(pdsLength(PdsType.UUD_REQ));
    new DataView(head.buffer).setUint16(0, (PdsType.UUD_REQ << 11) | (NextHeader.REQUEST_STD << 7));
    bench.give(Uint8Array.from([...head, ...atomicSes(add(1n), { ...AT, resourceIndex: 9, memoryKey: KEY })]));
    expect(bench.rig.drain(bench.node)).toEqual([]);
    expect(word(bench)).toBe(40n);
  });
});
