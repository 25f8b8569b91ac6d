import { describe, expect, it } from 'vitest';
import { Access, Status } from '../../../engine/status.ts';
import { NackCode, NextHeader } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesOpcode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import { RETURN_CODES, returnCode } from '../return-codes.ts';
import {
  AR,
  accepted,
  type Bench,
  ControlType,
  established,
  expectSent,
  fill,
  JOB,
  MS,
  MTU,
  mediumSes,
  nextSes,
  readSes,
  responseSes,
  START,
  sendNextSes,
  sendSes,
  smallSes,
  writeSes,
} from '../rig-packets.testdata.ts';

type Values = NonNullable<Parameters<typeof writeSes>[0]>;

/** A target with more than the one endpoint: job 8 has no process, region keys differ in what they allow. */
function target(ordered = false) {
  const bench = accepted({ ordered, settings: { tailLoss: 0 } });
  bench.engine.addJob(8);
  bench.node.addQueuePair(9, { qpn: (2 << 12) | 9, jobId: 8 });
  bench.node.register(bench.memory, READ_ONLY, Access.REMOTE_READ);
  bench.node.register(bench.memory, WRITE_ONLY, Access.REMOTE_WRITE);
  bench.node.register(bench.memory, OTHER_JOB, 15, 8);
  bench.memory.set(fill(4096, 5));
  return bench;
}
const READ_ONLY = 0x21;
const WRITE_ONLY = 0x22;
const OTHER_JOB = 0x23;

/** The code that one request on PSN `start` + `n` is answered with; 1 when it is executed. */
function codeOf(bench: Bench, n: number, ses: Uint8Array, next: number = NextHeader.REQUEST_STD): number {
  const before = bench.memory.slice();
  const sent = bench.exchange(bench.request(n, { flags: AR, next, ses }));
  const [answer] = sent.filter(({ kind }) => kind === 'ack');
  expect(answer).toMatchObject({ kind: 'ack', psn: START + n });
  const { opcode, returnCode: code } = answer!.ses as { opcode: number; returnCode: number };
  if (opcode === SesResponseOpcode.RESPONSE) {
    expect(answer!.req).toBe(1); // guaranteed: kept until cleared
    expect(Buffer.compare(bench.memory, before), 'memory of a refused request').toBe(0);
  }
  return code;
}

/** One wrong thing each, in the order in which they are found. */
const FAULTS: readonly [name: string, code: number, values: Values][] = [
  ['version of the header', ReturnCode.UNCOR, { ver: 1 }],
  ['unknown opcode', ReturnCode.UNSUPPORTED_OP, { opcode: 0x3f }],
  ['job that is not here', ReturnCode.BAD_JOB_ID, { jobId: 99 }],
  ['process that is not here', ReturnCode.BAD_PID, { pidOnFep: 77 }],
  ['resource index that is not here', ReturnCode.BAD_INDEX, { resourceIndex: 77 }],
  ['initiator error', ReturnCode.INITIATOR_ERROR, { ie: 1 }],
  ['length that the payload does not have', ReturnCode.OP_VIOLATION, { requestLength: 9 }],
  ['memory key that names nothing', ReturnCode.BAD_MKEY, { memoryKey: 0xdead }],
  ['region of another job', ReturnCode.PERM_VIOLATION, { memoryKey: OTHER_JOB }],
  ['right that the region does not give', ReturnCode.OP_VIOLATION, { memoryKey: READ_ONLY }],
  ['range beyond the region', ReturnCode.BAD_ADDR, { bufferOffset: 4089 }],
];

describe('checks of a target, in their order (uet:ses/1.4, N03)', () => {
  it('lets a right request through', () => {
    expect(codeOf(target(), 1, writeSes({}))).toBe(ReturnCode.OK);
  });

  FAULTS.forEach(([name, code, values], n) => {
    it(`${n + 1}: ${name} gives 0x${code.toString(16)}`, () => {
      expect(codeOf(target(), 1, writeSes(values))).toBe(code);
    });
    for (const [laterName, , later] of FAULTS.slice(n + 1)) {
      if (Object.keys(later).some((key) => key in values)) continue;
      it(`${n + 1}: ${name} comes before ${laterName}`, () => {
        expect(codeOf(target(), 1, writeSes({ ...later, ...values }))).toBe(code);
      });
    }
  });

  it('knows reserved operations as not supported (uet:ses/2.7)', () => {
    const bench = target();
    let n = 1;
    for (let opcode: number = SesOpcode.MSG_ERROR + 1; opcode < 64; opcode++) {
      const ses = writeSes({ opcode, messageId: n });
      expect(codeOf(bench, n, ses)).toBe(ReturnCode.UNSUPPORTED_OP);
      bench.give(bench.control(ControlType.CLEAR_COMMAND, { payload: START + n }));
      n++;
    }
  });

  it('finds no index for tagged operations at a queue pair that does not match (uet:ses/1.3)', () => {
    const bench = target();
    for (const [n, opcode] of [SesOpcode.TAGGED_SEND, SesOpcode.TSEND_ATOMIC, SesOpcode.TSEND_FETCH_ATOMIC].entries()) {
      expect(codeOf(bench, n + 1, writeSes({ opcode, messageId: n + 1 }))).toBe(ReturnCode.BAD_INDEX);
    }
  });

  it('takes NO_OP without an effect', () => {
    expect(codeOf(target(), 1, writeSes({ opcode: SesOpcode.NO_OP }, fill(0)))).toBe(ReturnCode.OK);
  });

  it('never takes job 0, also not for absolute addresses', () => {
    const bench = target();
    expect(codeOf(bench, 1, writeSes({ jobId: 0 }))).toBe(ReturnCode.BAD_JOB_ID);
    expect(codeOf(bench, 2, writeSes({ jobId: 0, rel: 0 }))).toBe(ReturnCode.BAD_JOB_ID);
  });

  it('keeps relative and absolute processes apart (uet:ses/1.2)', () => {
    const bench = target();
    expect(codeOf(bench, 1, writeSes({ rel: 0 }))).toBe(ReturnCode.BAD_PID);
    bench.node.addQueuePair(5, { qpn: 0x8000_0000 + (3 << 12) + 1 });
    expect(codeOf(bench, 2, writeSes({ rel: 0, resourceIndex: 3 }))).toBe(ReturnCode.OK);
    expect(codeOf(bench, 3, writeSes({ rel: 0, resourceIndex: 3, jobId: 99 }))).toBe(ReturnCode.OK);
    expect(codeOf(bench, 4, writeSes({ rel: 0, resourceIndex: 3, jobId: 99, memoryKey: OTHER_JOB }))).toBe(
      ReturnCode.PERM_VIOLATION,
    );
  });

  it('does not let a job of this endpoint reach a process of another job (R202)', () => {
    const bench = target();
    expect(codeOf(bench, 1, writeSes({ jobId: 8 }))).toBe(ReturnCode.BAD_PID);
    expect(codeOf(bench, 2, writeSes({ pidOnFep: 9, resourceIndex: 2 }))).toBe(ReturnCode.BAD_PID);
  });

  it('forgets a job and a queue pair that are gone', () => {
    const bench = target();
    bench.engine.removeQueuePair(bench.now, 1);
    expect(codeOf(bench, 1, writeSes({}))).toBe(ReturnCode.BAD_PID);
    bench.engine.removeJob(JOB);
    expect(codeOf(bench, 2, writeSes({}))).toBe(ReturnCode.BAD_JOB_ID);
  });

  it('checks the rights for the direction of the access', () => {
    const bench = target();
    expect(codeOf(bench, 1, readSes(8, { memoryKey: WRITE_ONLY }))).toBe(ReturnCode.OP_VIOLATION);
    expect(codeOf(bench, 2, readSes(8, { memoryKey: READ_ONLY }))).toBe(ReturnCode.OK);
    expect(codeOf(bench, 3, writeSes({ memoryKey: WRITE_ONLY }))).toBe(ReturnCode.OK);
  });

  it('checks bounds without an overflow at 2^32, 2^53 and 2^64 (N24)', () => {
    const bench = target();
    const edges: [offset: bigint, length: number, fits: boolean][] = [
      [0n, 8, true],
      [4088n, 8, true],
      [4096n, 0, true],
    ];
    for (const base of [2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n]) {
      for (const off of [base - 4096n, base - 8n, base - 1n, base, base + 1n, base + 8n]) {
        if (off < 2n ** 64n) edges.push([off, 8, false]);
      }
    }
    for (const off of [4089n, 4095n, 4096n, 4097n]) edges.push([off, 8, false]);
    edges.push([4097n, 0, false]);
    edges.forEach(([bufferOffset, length, fits], i) => {
      const n = 2 * i + 1;
      for (const [m, ses] of [writeSes({ bufferOffset }, fill(length)), readSes(length, { bufferOffset })].entries()) {
        expect(codeOf(bench, n + m, ses), `${bufferOffset}+${length}`).toBe(fits ? ReturnCode.OK : ReturnCode.BAD_ADDR);
      }
      bench.give(bench.control(ControlType.CLEAR_COMMAND, { payload: START + n + 1 }));
    });
    expect(codeOf(bench, 2 * edges.length + 1, writeSes({ bufferOffset: 2n ** 60n, memoryKey: 5 }))).toBe(
      ReturnCode.BAD_MKEY,
    );
  });

  it('holds the length of the message against what one packet carries (rows 11 and 19)', () => {
    const cases: [Uint8Array, string][] = [
      [writeSes({ requestLength: 4 }, fill(8)), 'more payload than message'],
      [writeSes({ requestLength: 100 }, fill(MTU - 1)), 'first packet not full'],
      [writeSes({ requestLength: 8 }, fill(0)), 'no payload'],
      [nextSes({ messageOffset: 10, requestLength: 100 }), 'offset between packets'],
      [nextSes({ messageOffset: MTU, requestLength: MTU }), 'offset behind the message'],
      [nextSes({ messageOffset: MTU, requestLength: 100, payloadLength: 36 }, fill(35)), 'payload shorter than told'],
      [nextSes({ messageOffset: MTU, requestLength: 1000 }, fill(36)), 'middle packet not full'],
      [nextSes({ messageOffset: 0xffff_ffc0, requestLength: 100 }, fill(36)), 'far offset'],
    ];
    const bench = target();
    cases.forEach(([ses, name], n) => {
      expect(codeOf(bench, n + 1, ses), name).toBe(ReturnCode.OP_VIOLATION);
      // each has the same message id: the mark of the failed one is taken away
      bench.exchange(bench.request(100 + n, { ses: writeSes({ opcode: SesOpcode.MSG_ERROR }, fill(0)) }));
    });
  });

  it('refuses a length beyond one packet in the short headers', () => {
    const bench = target();
    const code = codeOf(bench, 1, mediumSes({}, fill(MTU + 1)), NextHeader.REQUEST_MEDIUM);
    expect(code).toBe(ReturnCode.OP_VIOLATION);
  });

  it('answers a SEND in a small header: not supported (uet:ses/2.7)', () => {
    const bench = target();
    const code = codeOf(bench, 1, smallSes({ opcode: SesOpcode.SEND }), NextHeader.REQUEST_SMALL);
    expect(code).toBe(ReturnCode.UNSUPPORTED_OP);
  });

  it('checks the generation of a SEND, and tells the right one (row 10)', () => {
    const bench = target();
    bench.node.postReceive(1, bench.memoryRegion, 0, 100, 5);
    const sent = bench.exchange(bench.request(1, { flags: AR, ses: sendSes({ riGeneration: 3 }) }));
    expectSent(bench, sent, [
      { ses: { opcode: 1, returnCode: ReturnCode.BAD_GENERATION, riGeneration: 0, messageId: 1, jobId: JOB } as never },
    ]);
    expect(bench.received).toEqual([]);
  });
});

describe('a message that fails (uet:ses/3.1, uet:ses/8, N25)', () => {
  const first = (more: Values = {}) => writeSes({ requestLength: 3 * MTU, eom: 0, ...more }, fill(MTU));
  const later = (n: number, more = {}) =>
    nextSes({ requestLength: 3 * MTU, messageOffset: n * MTU, eom: n === 2 ? 1 : 0, ...more }, fill(MTU));
  const answerOf = (bench: Bench, n: number, ses: Uint8Array) =>
    bench.exchange(bench.request(n, { flags: AR, ses })).find(({ kind }) => kind === 'ack')!;

  it('answers its later packets with the same code, and then forgets it', () => {
    const bench = target();
    expect(answerOf(bench, 1, first({ memoryKey: 0xdead })).ses).toMatchObject({ returnCode: ReturnCode.BAD_MKEY });
    expect(bench.census('inbound_messages')).toBe(1);
    bench.node.register(bench.memory, 0xdead); // it does not get better on the way
    for (const n of [1, 2]) {
      expect(answerOf(bench, 1 + n, later(n, { memoryKey: 0xdead }))).toMatchObject({
        req: 0,
        ses: { opcode: 1, returnCode: ReturnCode.BAD_MKEY, messageId: 1 },
      });
    }
    expect(Buffer.compare(bench.memory, Buffer.from(fill(4096, 5)))).toBe(0);
    expect(bench.census('inbound_messages')).toBe(0);
  });

  for (const [name, code, wrong] of [
    ['another key', ReturnCode.PERM_VIOLATION, { memoryKey: READ_ONLY }],
    ['another length', ReturnCode.OP_VIOLATION, { requestLength: 4 * MTU }],
    ['another opcode', ReturnCode.OP_VIOLATION, { opcode: SesOpcode.SEND }],
    ['another job', ReturnCode.PERM_VIOLATION, { jobId: 8 }],
    ['another resource', ReturnCode.PERM_VIOLATION, { resourceIndex: 2 }],
    ['another process', ReturnCode.PERM_VIOLATION, { pidOnFep: 2 }],
    ['another version', ReturnCode.UNCOR, { ver: 1 }],
    ['an initiator error', ReturnCode.INITIATOR_ERROR, { ie: 1 }],
  ] as const) {
    it(`fails when a later packet names ${name}; bytes placed before stay`, () => {
      const bench = target();
      answerOf(bench, 1, first());
      expect(answerOf(bench, 2, later(1, wrong)).ses).toMatchObject({ returnCode: code });
      expect(answerOf(bench, 3, later(2)).ses).toMatchObject({ returnCode: code });
      expect([...bench.memory.subarray(0, MTU)]).toEqual([...fill(MTU)]);
      expect(Buffer.compare(bench.memory.subarray(MTU), Buffer.from(fill(4096, 5).subarray(MTU)))).toBe(0);
      expect(bench.census('inbound_messages')).toBe(0);
    });
  }

  it('fails when the region goes on the way (N30)', () => {
    const bench = target();
    answerOf(bench, 1, first());
    bench.node.regions.length = 0;
    expect(answerOf(bench, 2, later(1)).ses).toMatchObject({ returnCode: ReturnCode.BAD_MKEY });
  });

  it('reports a receive that was matched, once', () => {
    const bench = target();
    bench.node.postReceive(1, bench.memoryRegion, 0, 1000, 5);
    answerOf(bench, 1, sendSes({ requestLength: 3 * MTU, eom: 0 }, fill(MTU)));
    const wrong = sendNextSes({ requestLength: 3 * MTU, messageOffset: MTU, ie: 1 }, fill(MTU));
    expect(answerOf(bench, 2, wrong).ses).toMatchObject({ returnCode: ReturnCode.INITIATOR_ERROR });
    answerOf(bench, 3, sendNextSes({ requestLength: 3 * MTU, messageOffset: 2 * MTU }, fill(MTU)));
    expect(bench.received).toEqual([[5, Status.REM_ABORT_ERR, 0]]);
    expect(bench.census('inbound_messages')).toBe(0);
  });

  const error = (at: number) =>
    nextSes(
      { opcode: SesOpcode.MSG_ERROR, requestLength: 3 * MTU, messageOffset: at, payloadLength: 0, eom: 1 },
      fill(0),
    );

  it('ends early by MSG_ERROR and frees its state (uet:ses/2.7)', () => {
    const bench = target();
    bench.node.postReceive(1, bench.memoryRegion, 0, 1000, 5);
    answerOf(bench, 1, sendSes({ requestLength: 3 * MTU, eom: 0 }, fill(MTU)));
    expect(answerOf(bench, 2, error(MTU)).ses).toMatchObject({ opcode: SesResponseOpcode.DEFAULT_RESPONSE });
    expect(bench.received).toEqual([[5, Status.REM_ABORT_ERR, 0]]);
    expect(bench.census('inbound_messages')).toBe(0);
  });

  it('a MSG_ERROR that overtakes packets of its message does not let them begin it again', () => {
    const bench = target();
    answerOf(bench, 1, sendSes({ requestLength: 3 * MTU, eom: 0 }, fill(MTU))); // NO_MATCH
    answerOf(bench, 3, error(2 * MTU));
    bench.node.postReceive(1, bench.memoryRegion, 0, 1000, 5);
    const late = sendNextSes({ requestLength: 3 * MTU, messageOffset: MTU }, fill(MTU));
    expect(answerOf(bench, 2, late).ses).toMatchObject({ returnCode: ReturnCode.NO_MATCH });
    expect(bench.received).toEqual([]);
    expect(bench.census('inbound_messages')).toBe(0);
  });

  it('the same when it overtakes all of them', () => {
    const bench = target();
    bench.node.postReceive(1, bench.memoryRegion, 0, 1000, 5);
    answerOf(bench, 3, error(2 * MTU));
    expect(answerOf(bench, 1, sendSes({ requestLength: 3 * MTU, eom: 0 }, fill(MTU))).ses).toMatchObject({
      returnCode: ReturnCode.CANCELLED,
    });
    answerOf(bench, 2, sendNextSes({ requestLength: 3 * MTU, messageOffset: MTU }, fill(MTU)));
    expect(bench.received).toEqual([]);
    expect(bench.census('inbound_messages')).toBe(0);
    expect(answerOf(bench, 4, sendSes({})).ses).toMatchObject({ opcode: 0 }); // the id is free again
  });

  it('refuses for now what finds no room for its state, and keeps the receive (N27)', () => {
    const bench = accepted({ settings: { maxInboundMessages: 16 } });
    bench.node.postReceive(1, bench.memoryRegion, 0, 1000, 5);
    for (let id = 1; id <= 16; id++) bench.give(bench.request(id, { ses: first({ messageId: id }) }));
    const sent = bench.exchange(bench.request(17, { flags: AR, ses: sendSes({ messageId: 17 }) }));
    expect(sent).toContainEqual(
      expect.objectContaining({ kind: 'nack', code: NackCode.NO_SES_MSG_AVAIL, psn: START + 17 }),
    );
    for (const n of [1, 2]) bench.give(bench.request(20 + n, { ses: later(n, { messageId: 1 }) }));
    bench.take();
    bench.exchange(bench.request(17, { flags: AR, ses: sendSes({ messageId: 17 }) }));
    expect(bench.received).toEqual([[5, 0, 8]]);
  });

  it('takes 0 for a message id of several packets like any other (uet:ses/9 D-1)', () => {
    const bench = target();
    answerOf(bench, 1, first({ messageId: 0 }));
    answerOf(bench, 2, later(1, { messageId: 0 }));
    expect(bench.census('inbound_messages')).toBe(1);
    answerOf(bench, 3, writeSes({ messageId: 0, bufferOffset: 1000 })); // one packet needs no id
    answerOf(bench, 4, later(2, { messageId: 0 }));
    expect(bench.census('inbound_messages')).toBe(0);
    expect([...bench.memory.subarray(1000, 1008)]).toEqual([...fill(8)]);
  });
});

describe('completion status of the initiator for a return code (uet:ses/2.12, verbs/5.12)', () => {
  const answered = (bench: Bench, n: number, code: number, generation = 0) =>
    bench.give(
      bench.ack(n - 1, {
        psn: bench.start + n,
        req: 1,
        ses: responseSes({ returnCode: code, riGeneration: generation, modifiedLength: 8 }),
      }),
    );

  for (let code = 0; code < 64; code++) {
    const row = returnCode(code);
    it(`0x${code.toString(16)} ${RETURN_CODES[code]?.name ?? 'unknown'}: ${row.reaction}, status ${row.status}`, () => {
      const bench = established({ settings: { tailLoss: 0, maxRnrRetries: 2 } });
      bench.postSend(8, 2);
      bench.take();
      answered(bench, 1, code, 9);
      if (row.reaction === 'complete') return expect(bench.done).toEqual([[2, Status.SUCCESS]]);
      if (row.reaction === 'fail') {
        expect(bench.done).toEqual([[2, row.status]]);
        expect(bench.node.completions[0]).toMatchObject({ vendorStatus: code, byteLength: 0 });
        return expect(bench.states).toEqual(['ESTABLISHED']); // errors are per message
      }
      const wait = row.reaction === 'retry' ? MS : 0;
      for (const n of [2, 3]) {
        expect(bench.done).toEqual([]);
        const again = bench.pass(wait * 2 ** (n - 2)).filter(({ kind }) => kind === 'request');
        const riGeneration = row.reaction === 'regenerate' ? 9 : 0;
        expectSent(bench, again, [{ psn: bench.start + n, ses: { riGeneration } as never }]);
        expect(again[0]!.ses!.messageId).not.toBe(n - 1); // a new message to the peer (uet:ses/9 D-24)
        answered(bench, n, code, 9);
      }
      expect(bench.done).toEqual([[2, row.status]]);
      return expect(bench.node.completions[0]).toMatchObject({ vendorStatus: code });
    });
  }

  it('ignores a response to what is not outstanding (uet:ses/8)', () => {
    const bench = established();
    answered(bench, 0, ReturnCode.BAD_MKEY);
    expect(bench.done).toEqual([]);
  });

  it('the first error of a message wins', () => {
    const bench = established({ settings: { tailLoss: 0 } });
    bench.postWrite(3 * MTU, 2);
    bench.take();
    answered(bench, 2, ReturnCode.BAD_ADDR);
    bench.give(bench.ack(1, { ses: responseSes({ returnCode: ReturnCode.BAD_MKEY }) }));
    answered(bench, 3, ReturnCode.BAD_MKEY);
    expect(bench.node.completions).toMatchObject([{ vendorStatus: ReturnCode.BAD_ADDR }]);
  });
});
