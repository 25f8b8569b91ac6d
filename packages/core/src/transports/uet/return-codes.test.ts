import { describe, expect, it } from 'vitest';
import { Status } from '../../engine/status.ts';
import { AmoDatatype, AmoOpcode, ReturnCode, SesOpcode } from '../../wire/uet/ses.ts';
import { RETURN_CODE_TABLE, RETURN_CODES, returnCode } from './return-codes.ts';
import {
  AR,
  accepted,
  type Bench,
  type BenchOptions,
  established,
  fill,
  JOB,
  MTU,
  nextSes,
  responseSes,
  START,
  sendSes,
  writeSes,
} from './rig-packets.testdata.ts';
import { type Amo, atomicSes, wide } from './ses/atomic-packets.testdata.ts';

/** Requests that make a target answer with a code: the answer to the last of them has it. */
interface Trigger {
  readonly options?: BenchOptions;
  /** What there is beside memory under KEY. */
  readonly before?: (bench: Bench) => void;
  readonly requests: readonly Uint8Array[];
  /** Between the last two. */
  readonly between?: (bench: Bench) => void;
}

const once = (...requests: Uint8Array[]): Trigger => ({ requests });
const amo = (fields: Partial<Amo>, values: object = {}): Uint8Array =>
  atomicSes(
    { op: AmoOpcode.SUM, type: AmoDatatype.UINT64, operands: wide(1n), ...fields },
    { bufferOffset: 64, ...values },
  );
const float = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value);
  return bytes;
};
/** Adds to a float with signals on. */
const signal = (there: number, added: number, op: number = AmoOpcode.SUM): Trigger => ({
  options: { settings: { amoSignals: 15 } },
  before: ({ memory }) => new DataView(memory.buffer, memory.byteOffset).setFloat32(64, there, true),
  requests: [amo({ op, type: AmoDatatype.FLOAT, operands: float(added) })],
});
const THREE = { requestLength: 3 * MTU, eom: 0 };
const first = (more: object = {}) => writeSes({ ...THREE, ...more }, fill(MTU));
const second = (more: object = {}) => nextSes({ ...THREE, messageOffset: MTU, ...more }, fill(MTU));
const OTHER = 0x21;

/**
 * How a target of this engine comes to send each code; in words where software never has the reason. The latter are
 * what hardware says of address translation, of memory that it reads and of losses inside of it: as initiators,
 * engines must understand them all the same. @spec uet:ses/1.4
 */
const TRIGGERS: Readonly<Record<string, Trigger | string>> = {
  NULL: once(first()),
  OK: once(writeSes({})),
  BAD_GENERATION: once(sendSes({ riGeneration: 3 })),
  DISABLED: { requests: [first(), second()], between: (bench) => bench.engine.removeQueuePair(bench.now, 1) },
  DISABLED_GEN: { options: { ordered: true }, requests: [sendSes({})] },
  NO_MATCH: once(sendSes({})),
  UNSUPPORTED_OP: once(writeSes({ opcode: SesOpcode.EXTENDED })),
  UNSUPPORTED_SIZE: once(amo({ operands: fill(MTU) }, { requestLength: 2 * MTU })),
  AT_INVALID: 'no translation unit',
  AT_PERM: 'no translation unit',
  AT_ATS_ERROR: 'no translation unit',
  AT_NO_TRANS: 'no translation unit',
  AT_OUT_OF_RANGE: 'no translation unit',
  HOST_POISONED: 'the process ends when it reads such memory',
  HOST_UNSUCCESS_CMPL: 'the process ends when it reads such memory',
  AMO_UNSUPPORTED_OP: once(amo({ op: AmoOpcode.MSWAP })),
  AMO_UNSUPPORTED_DT: once(amo({ type: 0x7f })),
  AMO_UNSUPPORTED_SIZE: once(amo({ operands: fill(9) })),
  AMO_UNALIGNED: once(amo({}, { bufferOffset: 65 })),
  AMO_FP_NAN: signal(Number.NaN, 1),
  AMO_FP_UNDERFLOW: signal(2 ** -149, 0.5, AmoOpcode.PROD),
  AMO_FP_OVERFLOW: signal(3e38, 3e38),
  AMO_FP_INEXACT: signal(1, 2 ** -40),
  PERM_VIOLATION: {
    before: ({ node, memory }) => node.register(memory, OTHER, 15, JOB + 1),
    requests: [writeSes({ memoryKey: OTHER })],
  },
  OP_VIOLATION: {
    before: ({ node, memory }) => node.register(memory, OTHER, 4),
    requests: [writeSes({ memoryKey: OTHER })],
  },
  BAD_INDEX: once(writeSes({ resourceIndex: 77 })),
  BAD_PID: once(writeSes({ pidOnFep: 77 })),
  BAD_JOB_ID: once(writeSes({ jobId: 99 })),
  BAD_MKEY: once(writeSes({ memoryKey: 0xdead })),
  BAD_ADDR: once(writeSes({ bufferOffset: 4090 })),
  CANCELLED: once(
    nextSes({ ...THREE, opcode: SesOpcode.MSG_ERROR, messageOffset: 2 * MTU, payloadLength: 0 }, fill(0)),
    first(),
  ),
  UNDELIVERABLE: 'the endpoint is where packets arrive: nothing is behind it',
  UNCOR: once(writeSes({ ver: 1 })),
  UNCOR_TRNSNT: 'what passes is refused by a NACK before it is accepted',
  TOO_LONG: {
    options: { settings: { rejectTooLong: 1 } },
    before: ({ node, memoryRegion, engine, now }) => {
      node.addQueuePair(2, { matching: true });
      node.postReceive(2, memoryRegion, 0, 4);
      engine.doorbell(now, 2);
    },
    requests: [sendSes({ resourceIndex: 2 })],
  },
  INITIATOR_ERROR: once(writeSes({ ie: 1 }, fill(0))),
  DROPPED: 'each reason has a code of its own',
};

/** Columns of the specification's table, by number: completion status and libfabric error. */
const EXPECTED: readonly (readonly [name: string, status: number, fabricError: number])[] = [
  ['NULL', Status.SUCCESS, 0],
  ['OK', Status.SUCCESS, 0],
  ['BAD_GENERATION', Status.REM_OP_ERR, 5],
  ['DISABLED', Status.RNR_RETRY_EXC_ERR, 269],
  ['DISABLED_GEN', Status.RNR_RETRY_EXC_ERR, 269],
  ['NO_MATCH', Status.RNR_RETRY_EXC_ERR, 269],
  ['UNSUPPORTED_OP', Status.REM_INV_REQ_ERR, 95],
  ['UNSUPPORTED_SIZE', Status.REM_INV_REQ_ERR, 90],
  ['AT_INVALID', Status.REM_ACCESS_ERR, 14],
  ['AT_PERM', Status.REM_ACCESS_ERR, 13],
  ['AT_ATS_ERROR', Status.REM_OP_ERR, 5],
  ['AT_NO_TRANS', Status.REM_ACCESS_ERR, 14],
  ['AT_OUT_OF_RANGE', Status.REM_ACCESS_ERR, 14],
  ['HOST_POISONED', Status.REM_OP_ERR, 5],
  ['HOST_UNSUCCESS_CMPL', Status.REM_OP_ERR, 5],
  ['AMO_UNSUPPORTED_OP', Status.REM_INV_REQ_ERR, 95],
  ['AMO_UNSUPPORTED_DT', Status.REM_INV_REQ_ERR, 95],
  ['AMO_UNSUPPORTED_SIZE', Status.REM_INV_REQ_ERR, 22],
  ['AMO_UNALIGNED', Status.REM_INV_REQ_ERR, 22],
  ['AMO_FP_NAN', Status.REM_INV_REQ_ERR, 5],
  ['AMO_FP_UNDERFLOW', Status.REM_INV_REQ_ERR, 5],
  ['AMO_FP_OVERFLOW', Status.REM_INV_REQ_ERR, 5],
  ['AMO_FP_INEXACT', Status.REM_INV_REQ_ERR, 5],
  ['PERM_VIOLATION', Status.REM_ACCESS_ERR, 13],
  ['OP_VIOLATION', Status.REM_ACCESS_ERR, 13],
  ['BAD_INDEX', Status.REM_INV_RD_REQ_ERR, 113],
  ['BAD_PID', Status.REM_INV_RD_REQ_ERR, 113],
  ['BAD_JOB_ID', Status.REM_INV_RD_REQ_ERR, 13],
  ['BAD_MKEY', Status.REM_ACCESS_ERR, 129],
  ['BAD_ADDR', Status.REM_ACCESS_ERR, 14],
  ['CANCELLED', Status.REM_ABORT_ERR, 125],
  ['UNDELIVERABLE', Status.RETRY_EXC_ERR, 113],
  ['UNCOR', Status.REM_OP_ERR, 5],
  ['UNCOR_TRNSNT', Status.REM_OP_ERR, 5],
  ['TOO_LONG', Status.REM_INV_REQ_ERR, 265],
  ['INITIATOR_ERROR', Status.GENERAL_ERR, 5],
  ['DROPPED', Status.GENERAL_ERR, 5],
];

describe('each of the 37 return codes (uet:ses/2.12, uet:ses/1.4, R200)', () => {
  it('has a row, and a way in which it comes up', () => {
    expect(EXPECTED).toHaveLength(37);
    expect(EXPECTED.map(([name], code) => [name, code])).toEqual(
      EXPECTED.map(([, ,], code) => [returnCode(code).name, code]),
    );
    expect(Object.keys(TRIGGERS)).toEqual(EXPECTED.map(([name]) => name));
    expect(RETURN_CODE_TABLE.rows).toHaveLength(64);
  });

  EXPECTED.forEach(([name, status, fabricError], code) => {
    const trigger = TRIGGERS[name]!;
    it(`0x${code.toString(16)} ${name}: ${typeof trigger === 'string' ? `never sent (${trigger})` : 'sent by a target'}`, () => {
      expect(RETURN_CODES[code]).toMatchObject({ name, status, fabricError });
      expect(RETURN_CODE_TABLE.rows[code]).toMatchObject(
        code > 1 ? { value: code, name, status, fabricError } : { name },
      );
      if (typeof trigger === 'string') return;
      const bench = accepted(trigger.options ?? {});
      trigger.before?.(bench);
      const { requests } = trigger;
      let said = -1;
      requests.forEach((ses, n) => {
        if (n === requests.length - 1) trigger.between?.(bench);
        const sent = bench.exchange(bench.request(1 + n, { flags: AR, clear: START, ses }));
        const answer = sent.find(({ kind, psn }) => kind === 'ack' && psn === START + 1 + n);
        said = answer!.ses!.returnCode as number;
      });
      expect(said).toBe(code);
    });

    it(`0x${code.toString(16)} ${name}: an initiator that is told so completes with status ${status}`, () => {
      const bench = established({ settings: { tailLoss: 0, maxRnrRetries: 0 } });
      bench.postSend(8, 2);
      bench.take();
      bench.give(
        bench.ack(0, { psn: bench.start + 1, req: 1, ses: responseSes({ returnCode: code, modifiedLength: 8 }) }),
      );
      expect(bench.done).toEqual([[2, status]]);
      expect(bench.node.completions.at(-1)!.vendorStatus).toBe(code > 1 ? code : 0);
    });
  });

  it('memory does not come by waiting: NO_MATCH for a write or a read fails it at once (uet:ses/2.12)', () => {
    for (const post of ['postWrite', 'postRead'] as const) {
      const bench = established({ settings: { tailLoss: 0 } });
      bench[post](8, 2);
      bench.take();
      bench.give(bench.ack(0, { psn: bench.start + 1, req: 1, ses: responseSes({ returnCode: ReturnCode.NO_MATCH }) }));
      expect(bench.done).toEqual([[2, Status.RNR_RETRY_EXC_ERR]]);
    }
  });

  it('values without a name fail, each as what it is: reserved, of a vendor, extended', () => {
    for (let code = 37; code < 64; code++) {
      expect(returnCode(code)).toMatchObject({ reaction: 'fail', status: Status.GENERAL_ERR, fabricError: 256 });
    }
    const kinds = RETURN_CODES.slice(37).map(({ name }) => name.replace(/_.*/, ''));
    expect(kinds).toEqual([
      ...Array(11).fill('RESERVED'),
      ...Array(8).fill('VENDOR'),
      ...Array(6).fill('RESERVED'),
      'EXTENDED',
      'RESERVED',
    ]);
  });
});

describe('responses that say what nobody defined (uet:ses/8)', () => {
  for (const [name, values] of [
    ['opcode', { opcode: 0x04 }],
    ['opcode of a vendor', { opcode: 0x30 }],
    ['list', { list: 2 }],
    ['version', { ver: 1 }],
  ] as const) {
    it(`unknown ${name}: fails that message and keeps the context`, () => {
      const bench = established({ settings: { tailLoss: 0 } });
      bench.postSend(8, 2);
      bench.postSend(8, 3);
      bench.take();
      bench.give(bench.ack(0, { psn: bench.start + 1, req: 1, ses: responseSes({ returnCode: 1, ...values }) }));
      bench.give(bench.ack(2));
      expect(bench.done).toEqual([
        [2, Status.BAD_RESP_ERR],
        [3, Status.SUCCESS],
      ]);
      expect(bench.states).toEqual(['ESTABLISHED']);
    });
  }

  it('a default response with an error is taken for the error', () => {
    const bench = established({ settings: { tailLoss: 0 } });
    bench.postWrite(8, 2);
    bench.take();
    bench.give(bench.ack(1, { ses: responseSes({ opcode: 0, returnCode: ReturnCode.BAD_MKEY }) }));
    expect(bench.done).toEqual([[2, Status.REM_ACCESS_ERR]]);
  });
});
