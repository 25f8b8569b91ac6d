import { describe, expect, it } from 'vitest';
import { CompletionOpcode, Status, WorkOpcode } from '../../../engine/status.ts';
import { ReceiveWork } from '../../../engine/work.ts';
import { NextHeader } from '../../../wire/uet/pds.ts';
import { AmoDatatype, AmoOpcode, ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import {
  AR,
  accepted,
  type Bench,
  type BenchOptions,
  established,
  fill,
  RETX,
  type Seen,
  START,
  smallSes,
} from '../rig-packets.testdata.ts';
import { amoBytes, atomicSes, mediumAtomicSes, wide } from './atomic-packets.testdata.ts';

const add = (value: bigint) => ({ op: AmoOpcode.SUM, type: AmoDatatype.UINT64, operands: wide(value) });
const TAG = 0x77;
const TO = { opcode: SesOpcode.TSEND_FETCH_ATOMIC, memoryKey: TAG, resourceIndex: 2 };

/** Queue pair 2 matches; receives of 24 bytes, the middle word of which is 40. */
function target(options: BenchOptions = {}): Bench {
  const bench = accepted(options);
  bench.node.addQueuePair(2, { matching: true, ordered: options.ordered ?? false });
  return bench;
}

function receive(bench: Bench, id: number, fields: Partial<ReceiveWork> = {}): DataView {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, 40n, true);
  const region = bench.node.dma.attach({ bytes, address: 0 });
  const work = new ReceiveWork();
  Object.assign(work, { wrIdLo: id, length: 24, tagged: true, tagLo: TAG, ...fields });
  work.segments.add(region, 0, 10); // an element is in both
  work.segments.add(region, 10, 14);
  bench.node.receives.get(2)!.push(work);
  bench.engine.doorbell(bench.now, 2);
  return view;
}

function answer(bench: Bench, n: number, ses: Uint8Array, next: number = NextHeader.REQUEST_STD): Seen {
  const request = bench.request(n, { flags: AR, clear: START + n - 1, next, ses });
  return bench.exchange(request).find(({ kind, psn }) => kind === 'ack' && psn === START + n)!;
}

describe('atomics on a receive that a tag finds (uet:ses/3.9)', () => {
  it('TSEND_FETCH_ATOMIC changes it, brings back what was there, and uses it up once', () => {
    const bench = target();
    const view = receive(bench, 5);
    const ses = atomicSes(add(2n), { ...TO, bufferOffset: 8 });
    expect(answer(bench, 1, ses)).toMatchObject({ next: NextHeader.RESPONSE_DATA, data: [...wide(40n)] });
    expect(bench.exchange(bench.request(1, { flags: AR | RETX, ses }))).toMatchObject([{ data: [...wide(40n)] }]);
    expect([view.getBigUint64(0, true), view.getBigUint64(8, true), view.getBigUint64(16, true)]).toEqual([
      0n,
      42n,
      0n,
    ]);
    expect(bench.node.completions).toMatchObject([
      {
        ...{ receive: true, qp: 2, wrIdLo: 5, status: 0, opcode: CompletionOpcode.RECV_TAGGED, byteLength: 8 },
        ...{ tagLo: TAG, sourceId: 3, jobId: 7, hasImm: false, holdsReceive: false },
      },
    ]);
  });

  it('TSEND_ATOMIC, MEDIUM headers and the long extension too', () => {
    const bench = target();
    const views = [receive(bench, 5), receive(bench, 6)];
    const quiet = mediumAtomicSes(add(1n), { ...TO, opcode: SesOpcode.TSEND_ATOMIC });
    expect(answer(bench, 1, quiet, NextHeader.REQUEST_MEDIUM).ses).toMatchObject({ opcode: 0, returnCode: 1 });
    const exchange = { op: AmoOpcode.CSWAP, type: AmoDatatype.UINT64, compare: wide(40n), swap: wide(9n) };
    expect(answer(bench, 2, atomicSes(exchange, { ...TO, bufferOffset: 8, requestLength: 32 })).data).toEqual([
      ...wide(40n),
    ]);
    expect([views[0]!.getBigUint64(0, true), views[1]!.getBigUint64(8, true)]).toEqual([1n, 9n]);
    expect(bench.received).toEqual([
      [5, 0, 8],
      [6, 0, 8],
    ]);
  });

  it('is not kept when no receive takes it: NO_MATCH, on an ordered context DISABLED_GEN (uet:ses/1.4 row 12)', () => {
    for (const ordered of [false, true]) {
      const bench = target({ ordered });
      const refused = ordered ? ReturnCode.DISABLED_GEN : ReturnCode.NO_MATCH;
      expect(answer(bench, 1, atomicSes(add(1n), TO)).ses).toMatchObject({ returnCode: refused });
      const view = receive(bench, 5);
      const riGeneration = ordered ? 1 : 0;
      expect(answer(bench, 2, atomicSes(add(1n), { ...TO, messageId: 2, riGeneration })).ses).toMatchObject({
        returnCode: 1,
      });
      expect(view.getBigUint64(0, true)).toBe(1n);
    }
  });

  it('that is refused leaves the receive to the next (uet:ses/1.4)', () => {
    const bench = target();
    const view = receive(bench, 5);
    const refusals: [object, Uint8Array | undefined, number][] = [
      [{ bufferOffset: 17 }, undefined, ReturnCode.BAD_ADDR],
      [{ bufferOffset: 2n ** 63n }, undefined, ReturnCode.BAD_ADDR],
      [{ bufferOffset: 4 }, undefined, ReturnCode.AMO_UNALIGNED],
      [{ requestLength: 32 }, fill(32), ReturnCode.BAD_ADDR],
      [{ requestLength: 12 }, fill(12), ReturnCode.AMO_UNSUPPORTED_SIZE],
      [{ requestLength: 16 }, undefined, ReturnCode.OP_VIOLATION],
      [{ riGeneration: 4 }, undefined, ReturnCode.BAD_GENERATION],
      [{ ie: 1 }, undefined, ReturnCode.INITIATOR_ERROR],
      [{ resourceIndex: 1 }, undefined, ReturnCode.BAD_INDEX], // it does not match
      [{ hd: 1 }, undefined, ReturnCode.OP_VIOLATION],
    ];
    refusals.forEach(([values, operands = wide(1n), code], i) => {
      const ses = atomicSes({ ...add(1n), operands }, { ...TO, messageId: i + 1, ...values });
      expect(answer(bench, i + 1, ses).ses!.returnCode, JSON.stringify(i)).toBe(code);
    });
    expect(bench.received).toEqual([]);
    const small = smallSes({ opcode: SesOpcode.TSEND_ATOMIC, resourceIndex: 2, requestLength: 8 }, amoBytes(add(1n)));
    expect(answer(bench, 11, small, NextHeader.REQUEST_SMALL).ses).toMatchObject({
      returnCode: ReturnCode.UNSUPPORTED_OP,
    });
    answer(bench, 12, atomicSes(add(1n), { ...TO, messageId: 99 }));
    expect(view.getBigUint64(0, true)).toBe(1n);
    expect(bench.received).toEqual([[5, 0, 8]]);
  });

  it('finds no receive for many messages, and no untagged one (uet:ses/4.2)', () => {
    const bench = target();
    receive(bench, 5, { tagged: false });
    expect(answer(bench, 1, atomicSes(add(1n), TO)).ses).toMatchObject({ returnCode: ReturnCode.NO_MATCH });
    receive(bench, 6, { multi: true, minBytes: 1 });
    expect(answer(bench, 2, atomicSes(add(1n), { ...TO, messageId: 2 })).ses).toMatchObject({
      returnCode: ReturnCode.OP_VIOLATION,
    });
    expect(bench.received).toEqual([]);
  });
});

describe('an initiator asks for them', () => {
  it('with the tag in the place of the key, and again when no receive takes them', () => {
    const bench = established({ settings: { tailLoss: 0, maxRnrRetries: 2 } });
    const work = {
      opcode: WorkOpcode.TAGGED_ATOMIC,
      atomicOp: 2,
      atomicType: 7,
      rkeyLo: 9,
      rkeyHi: 8,
      remoteOffsetLo: 16,
      wrIdLo: 4,
    };
    const region = bench.node.dma.attach({ bytes: fill(8), address: 0 });
    bench.node.post(1, { ...work, region, length: 8 });
    bench.engine.doorbell(bench.now, 1);
    const refuse = (n: number) =>
      bench.give(bench.ack(n - 1, { psn: bench.start + n, req: 1, ses: responseRefusal() }));
    for (let n = 1; n <= 3; n++) {
      const sent = n === 1 ? bench.take() : bench.pass(10_000_000);
      expect(sent.filter(({ kind }) => kind === 'request')).toMatchObject([
        { ses: { opcode: SesOpcode.TSEND_ATOMIC, memoryKey: (8n << 32n) | 9n, bufferOffset: 16n, requestLength: 8 } },
      ]);
      refuse(n);
    }
    expect(bench.node.completions).toMatchObject([
      { wrIdLo: 4, status: Status.RNR_RETRY_EXC_ERR, opcode: CompletionOpcode.ATOMIC },
    ]);
  });
});

const responseRefusal = (): Uint8Array => Uint8Array.of(1, ReturnCode.NO_MATCH, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0);
