import { describe, expect, it } from 'vitest';
import { Status } from '../../../engine/status.ts';
import { NackCode, NextHeader, PdsType } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import {
  AR,
  accepted,
  Bench,
  type BenchOptions,
  ControlType,
  control,
  creating,
  dataSes,
  established,
  expectSent,
  fill,
  ISROD,
  isControl,
  KEY,
  MS,
  MTU,
  PATH,
  PEER,
  RETX,
  readSes,
  request,
  responseSes,
  START,
  SYN,
  sendSes,
  writeSes,
} from '../rig-packets.testdata.ts';
import { INITIATOR_STEPS, PDC_STATE_NAMES, stepAllowed, TARGET_STEPS } from './states.ts';

const QUIET = { tailLoss: 0, rtoInit: 20 * MS, idleTime: 60_000 * MS };
const both = [false, true] as const;
const mode = (ordered: boolean) => (ordered ? 'ROD' : 'RUD');

/** An initiator that wants to close: its own shutdown, nothing under way. The Close Command was sent as `start` + 1. */
function closing(options: BenchOptions = {}) {
  const bench = established({ settings: QUIET, ...options });
  bench.engine.close(bench.now);
  const sent = bench.take();
  expect(bench.states).toEqual(['CLOSE']);
  return Object.assign(bench, { sent });
}

/** A target that has asked for a close: PSN START of the return direction. */
function asking(options: BenchOptions = {}) {
  const bench = accepted({ settings: QUIET, ...options });
  bench.engine.close(bench.now);
  const sent = bench.take();
  expect(bench.states).toEqual(['QUIESCE']);
  return Object.assign(bench, { sent });
}

describe('steps', () => {
  it('has the rows of the tables and no others (uet:pds/3.8, R186)', () => {
    const all = [INITIATOR_STEPS, TARGET_STEPS].map((steps) => steps.map(([from, to]) => `${from}>${to}`));
    [true, false].forEach((initiator, n) => {
      for (let from = 0; from < PDC_STATE_NAMES.length; from++) {
        for (let to = 0; to < PDC_STATE_NAMES.length; to++) {
          expect(stepAllowed(initiator, from, to)).toBe(all[n]!.includes(`${from}>${to}`));
        }
      }
    });
  });
});

describe('initiator, CLOSED', () => {
  for (const ordered of both) {
    it(`opens a ${mode(ordered)} context with the first request (uet:pds/3.3, R183, R188)`, () => {
      const bench = creating({ ordered });
      expectSent(bench, bench.sent, [
        {
          kind: 'request',
          type: ordered ? PdsType.ROD_REQ : PdsType.RUD_REQ,
          next: NextHeader.REQUEST_STD,
          flags: SYN | AR,
          psn: bench.start,
          clear: (bench.start - 1) >>> 0,
          start: bench.start,
          data: [...fill(8)],
        },
      ]);
      expect(bench.id).toBeGreaterThan(0);
      expect(bench.states).toEqual(['CREATING']);
    });
  }

  it('draws the first PSN and the PDCID at random (R188)', () => {
    const [a, b] = [creating({ seed: 1 }), creating({ seed: 2 })];
    expect(a.start).not.toBe(b.start);
    expect(a.id).not.toBe(b.id);
  });
});

describe('initiator, CREATING', () => {
  it('sends several packets with SYN, each telling the first PSN (uet:pds/3.3)', () => {
    const bench = creating({}, 3);
    expect(bench.sent.map(({ flags, psn, start }) => [flags, psn - bench.start, start])).toEqual([
      [SYN, 0, bench.start],
      [SYN, 1, bench.start],
      [SYN | AR, 2, bench.start],
    ]);
    bench.postWrite(8, 2);
    expectSent(bench, bench.take(), [{ psn: bench.start + 3, flags: SYN | AR, start: bench.start }]);
  });

  it('waits before a PSN that does not fit the 12-bit offset (uet:pds/3.3)', () => {
    const bench = new Bench({ settings: { windowPackets: 4096, defaultMpr: 255, ...QUIET } });
    for (let n = 0; n < 5; n++) bench.postWrite(MTU * 1000, n);
    let sent = 0;
    let start = 0;
    let id = 0;
    // the congestion window limits what leaves at once, so refusals make room: count by PSN instead
    for (const packet of bench.take()) {
      id = packet.spdcid;
      start = packet.start!;
      sent++;
    }
    expect(sent).toBeLessThanOrEqual(4096);
    expect(id).not.toBe(0);
    expect(start).toBeGreaterThanOrEqual(0);
  });

  it('goes to ESTABLISHED at the first acknowledgement, and then leaves SYN out (uet:pds/3.3)', () => {
    const bench = creating();
    bench.give(bench.ack(0));
    expect(bench.states).toEqual(['ESTABLISHED']);
    bench.postWrite(8, 2);
    expectSent(bench, bench.take(), [{ psn: bench.start + 1, flags: AR, spdcid: bench.id, dpdcid: PEER }]);
  });

  it('does not learn from an acknowledgement without a source context (uet:pds/2.7)', () => {
    const bench = creating();
    bench.give(bench.ack(0, { spdcid: 0 }));
    expect(bench.states).toEqual(['CREATING']);
    expect(bench.drops('pdc_mismatch')).toBe(1);
  });

  it('learns the peer from a return packet that overtakes the first acknowledgement (uet:pds/4.9)', () => {
    const bench = new Bench({ settings: QUIET });
    const into = bench.postRead(40);
    const [sent] = bench.take();
    Object.assign(bench, { id: sent!.spdcid, start: sent!.psn });
    const data = dataSes({ readRequestMessageId: sent!.ses!.messageId as number, modifiedLength: 40 }, fill(40));
    const answer = bench.exchange(bench.request(0, { flags: AR, next: NextHeader.RESPONSE_DATA, ses: data }));
    expectSent(bench, answer, [{ kind: 'ack', psn: bench.start, cack: bench.start, dpdcid: PEER, spdcid: bench.id }]);
    expect(bench.states).toEqual(['ESTABLISHED']);
    expect(bench.done).toEqual([]); // the request itself is not acknowledged yet
    bench.give(bench.ack(0));
    expect(bench.done).toEqual([[1, Status.SUCCESS]]);
    expect([...into]).toEqual([...fill(40)]);
  });

  it('waits and tries again after a normal NACK (uet:pds/2.12 NO_PDC_AVAIL)', () => {
    const bench = creating({ settings: QUIET });
    bench.give(bench.nack(NackCode.NO_PDC_AVAIL, 0, { spdcid: 0 }));
    expectSent(bench, bench.take(), []);
    expectSent(bench, bench.pass(MS), [{ kind: 'request', psn: bench.start, flags: SYN | RETX | AR }]);
    expect(bench.states).toEqual(['CREATING']);
  });

  it('gives up at the NACK limit and reports once', () => {
    const bench = creating({ settings: { ...QUIET, maxNackRetries: 2 } });
    for (let n = 0; n < 2; n++) {
      bench.give(bench.nack(NackCode.NO_PDC_AVAIL, 0, { spdcid: 0 }));
      expect(bench.pass(10 * MS)).toHaveLength(1);
    }
    bench.give(bench.nack(NackCode.NO_PDC_AVAIL, 0, { spdcid: 0 }));
    expectSent(bench, bench.take(), []);
    expect(bench.done).toEqual([[1, Status.RETRY_EXC_ERR]]);
    expect(bench.states).toEqual([]);
    expect(bench.node.completions[0]!.vendorStatus).toBe(NackCode.NO_PDC_AVAIL);
  });

  it('repeats with SYN at the time-out, and gives up at the limit (uet:pds/3.5, R190)', () => {
    const bench = creating({ settings: { ...QUIET, maxRtoRetries: 2 } });
    expectSent(bench, bench.pass(20 * MS), [{ psn: bench.start, flags: SYN | RETX | AR, start: bench.start }]);
    expectSent(bench, bench.pass(40 * MS), [{ psn: bench.start, flags: SYN | RETX | AR }]);
    expectSent(bench, bench.pass(79 * MS), []);
    expect(bench.done).toEqual([]);
    expectSent(bench, bench.pass(2 * MS), []);
    expect(bench.done).toEqual([[1, Status.RETRY_EXC_ERR]]);
    expect(bench.states).toEqual([]);
  });

  it('moves a refused request to a new context after a fatal NACK, once (uet:pds/8 D33)', () => {
    const bench = creating({ settings: QUIET });
    bench.give(bench.nack(NackCode.INVALID_SYN, 0, { spdcid: 0 }));
    const [again] = bench.take();
    expect(again).toMatchObject({ kind: 'request', flags: SYN | AR });
    expect(again!.spdcid).not.toBe(bench.id);
    expect(bench.done).toEqual([]);
    Object.assign(bench, { id: again!.spdcid, start: again!.psn });
    bench.give(bench.nack(NackCode.INVALID_SYN, 0, { spdcid: 0 }));
    expectSent(bench, bench.take(), []);
    expect(bench.done).toEqual([[1, Status.REM_OP_ERR]]);
  });

  it('closes without a word when nothing was ever sent (local close)', () => {
    const bench = creating({ settings: { ...QUIET, maxRtoRetries: 0 } });
    bench.engine.close(bench.now);
    expectSent(bench, bench.take(), []);
    bench.pass(20 * MS);
    expect(bench.done).toEqual([[1, Status.RETRY_EXC_ERR]]);
    expect(bench.engine.quiet()).toBe(true);
  });
});

describe('initiator, ESTABLISHED', () => {
  it('drops acknowledgements and NACKs of another peer or for another context (uet:pds/2.18, R195)', () => {
    const bench = creating();
    bench.give(bench.ack(0));
    bench.postWrite(8, 2);
    bench.take();
    bench.rig.deliver(bench.node, bench.ack(1), PATH + 1);
    bench.give(bench.ack(1, { spdcid: PEER + 1 }), bench.ack(1, { dpdcid: bench.id ^ 1 }));
    bench.rig.deliver(bench.node, bench.nack(NackCode.INV_DPDCID, 1, { spdcid: 0 }), PATH + 1);
    bench.give(bench.nack(NackCode.INV_DPDCID, 1, { spdcid: PEER + 1 }));
    expect(bench.done).toEqual([[1, 0]]);
    expect(bench.states).toEqual(['ESTABLISHED']);
    expect([bench.drops('peer_mismatch'), bench.drops('pdc_mismatch'), bench.drops('unknown_pdc')]).toEqual([2, 2, 1]);
  });

  for (const code of [NackCode.INV_DPDCID, NackCode.PDC_HDR_MISMATCH, NackCode.CLOSING, NackCode.UNEXP_EVENT]) {
    it(`ends and opens another context after fatal NACK 0x${code.toString(16)} (uet:pds/2.12)`, () => {
      const bench = established({ settings: QUIET });
      bench.postWrite(8, 2);
      bench.take();
      bench.give(bench.nack(code, 1, { spdcid: 0 }));
      const [again] = bench.take();
      expect(again).toMatchObject({ flags: SYN | AR });
      expect(bench.states).toEqual(['CREATING']);
    });
  }

  for (const code of [NackCode.CLOSING_IN_ERR, NackCode.GTD_RESP_UNAVAIL]) {
    it(`reports and does not try again after fatal NACK 0x${code.toString(16)} (uet:pds/2.12)`, () => {
      const bench = established({ settings: QUIET });
      bench.postWrite(8, 2);
      bench.take();
      bench.give(bench.nack(code, 1));
      expectSent(bench, bench.take(), []);
      expect(bench.done).toEqual([[2, Status.REM_ABORT_ERR]]);
      expect(bench.states).toEqual([]);
    });
  }

  it('closes after an idle time (R196)', () => {
    const bench = established({ settings: { ...QUIET, idleTime: 100 * MS } });
    expectSent(bench, bench.pass(99 * MS), []);
    expectSent(bench, bench.pass(2 * MS), [
      { ...isControl(ControlType.CLOSE_COMMAND), psn: bench.start + 1, flags: AR, payload: 0 },
    ]);
    expect(bench.states).toEqual(['CLOSE']);
  });

  it('closes when the target asks by control packet, after it has acknowledged that (uet:pds/3.7)', () => {
    const bench = established({ settings: QUIET });
    const sent = bench.exchange(bench.control(ControlType.CLOSE_REQUEST, { psn: bench.start, flags: AR }));
    expectSent(
      bench,
      sent.sort((a, b) => a.type - b.type),
      [
        { kind: 'ack', psn: bench.start, cack: bench.start, next: NextHeader.NONE },
        { ...isControl(ControlType.CLOSE_COMMAND), psn: bench.start + 1 },
      ],
    );
  });

  it('closes when the target asks in an acknowledgement (uet:pds/3.7)', () => {
    const bench = creating({ settings: QUIET });
    bench.give(bench.ack(0, { req: 2 }));
    expectSent(bench, bench.take(), [{ ...isControl(ControlType.CLOSE_COMMAND), psn: bench.start + 1 }]);
  });

  it('refuses a Close Command: only the initiator closes (R197)', () => {
    const bench = established();
    const sent = bench.exchange(bench.control(ControlType.CLOSE_COMMAND, { psn: bench.start, flags: AR }));
    expectSent(bench, sent, [{ kind: 'nack', code: NackCode.UNEXP_EVENT, psn: bench.start }]);
    expect(bench.states).toEqual(['ESTABLISHED']);
  });

  it('refuses a request in the return direction (uet:pds/2.2)', () => {
    const bench = established();
    const sent = bench.exchange(bench.request(0, { flags: AR }));
    expectSent(bench, sent, [{ kind: 'nack', code: NackCode.PDC_HDR_MISMATCH, psn: bench.start }]);
    expect([...bench.memory]).toEqual([...fill(4096, 5)]);
  });
});

describe('initiator, QUIESCE', () => {
  it('finishes what was started, then closes; new work opens another context (uet:pds/3.7)', () => {
    const bench = established({ settings: QUIET });
    bench.postWrite(8, 2);
    bench.take();
    bench.exchange(bench.control(ControlType.CLOSE_REQUEST, { psn: bench.start, flags: AR }));
    expect(bench.states).toEqual(['ACK_WAIT']);
    bench.postWrite(8, 3);
    const [fresh] = bench.take();
    expect(fresh).toMatchObject({ kind: 'request', flags: SYN | AR });
    expect(fresh!.spdcid).not.toBe(bench.id);
    bench.give(bench.ack(1));
    expectSent(bench, bench.take(), [
      { ...isControl(ControlType.CLOSE_COMMAND), psn: bench.start + 2, spdcid: bench.id },
    ]);
    expect(bench.done).toEqual([[2, 0]]);
  });

  it('waits for the data of a read (lock count, uet:pds/3.2)', () => {
    const bench = established({ settings: QUIET });
    bench.postRead(40, 2);
    const [read] = bench.take();
    bench.give(bench.ack(1));
    bench.exchange(bench.control(ControlType.CLOSE_REQUEST, { psn: bench.start, flags: AR }));
    expect(bench.states).toEqual(['QUIESCE']);
    const ses = dataSes({ readRequestMessageId: read!.ses!.messageId as number }, fill(40));
    const sent = bench.exchange(bench.request(1, { flags: AR, next: NextHeader.RESPONSE_DATA, ses }));
    // the acknowledgement of the data leaves before the close
    expectSent(bench, sent, [
      { kind: 'ack', psn: bench.start + 1 },
      { ...isControl(ControlType.CLOSE_COMMAND), psn: bench.start + 2 },
    ]);
    expect(bench.done).toEqual([[2, 0]]);
  });
});

describe('initiator, ACK_WAIT', () => {
  it('repeats what is not acknowledged, and reports at the limit', () => {
    const bench = established({ settings: { ...QUIET, maxRtoRetries: 1 } });
    bench.postWrite(8, 2);
    bench.take();
    bench.exchange(bench.control(ControlType.CLOSE_REQUEST, { psn: bench.start, flags: AR }));
    expectSent(bench, bench.pass(20 * MS), [{ psn: bench.start + 1, flags: RETX | AR }]);
    bench.pass(41 * MS);
    expect(bench.done).toEqual([[2, Status.RETRY_EXC_ERR]]);
    expect(bench.states).toEqual([]);
  });
});

describe('initiator, CLOSE', () => {
  it('ends at the acknowledgement of its Close Command (R197)', () => {
    const bench = closing();
    expectSent(bench, bench.sent, [
      { ...isControl(ControlType.CLOSE_COMMAND), psn: bench.start + 1, flags: AR, dpdcid: PEER },
    ]);
    bench.give(bench.ack(1));
    expect(bench.states).toEqual([]);
    expect(bench.engine.quiet()).toBe(true);
    expect(bench.count('contexts_failed')).toBe(0);
  });

  it('repeats the Close Command at the time-out and ends quietly at the limit', () => {
    const bench = closing({ settings: { ...QUIET, maxRtoRetries: 2 } });
    const again = { ...isControl(ControlType.CLOSE_COMMAND), psn: bench.start + 1, flags: RETX | AR };
    expectSent(bench, bench.pass(20 * MS), [again]);
    expectSent(bench, bench.pass(40 * MS), [again]);
    expectSent(bench, bench.pass(81 * MS), []);
    expect(bench.states).toEqual([]);
    expect(bench.done).toEqual([]);
  });

  for (const code of [NackCode.INV_DPDCID, NackCode.CLOSING, NackCode.CLOSING_IN_ERR, NackCode.UNEXP_EVENT]) {
    it(`takes fatal NACK 0x${code.toString(16)} for closed: the acknowledgement was lost (uet:pds/3.7)`, () => {
      const bench = closing();
      bench.give(bench.nack(code, 1, { spdcid: 0 }));
      expectSent(bench, bench.take(), []);
      expect(bench.states).toEqual([]);
      expect(bench.count('contexts_failed')).toBe(0);
    });
  }
});

// ------------------------------------------------------------------ target

describe('target, CLOSED: SYN, in the order of the table (uet:pds/3.4)', () => {
  const syn = (more: Partial<Parameters<typeof request>[0]> = {}) => request({ psn: START, flags: SYN | AR, ...more });

  it('opens a context, executes and acknowledges at once (uet:pds/3.3, R183)', () => {
    const bench = new Bench();
    bench.give(syn());
    const sent = bench.take();
    expectSent(bench, sent, [
      {
        kind: 'ack',
        type: PdsType.ACK,
        psn: START,
        cack: START,
        dpdcid: PEER,
        flags: 0,
        req: 0,
        ses: { opcode: SesResponseOpcode.DEFAULT_RESPONSE, returnCode: ReturnCode.OK },
      } as never,
    ]);
    expect(sent[0]!.spdcid).toBeGreaterThan(0);
    expect(bench.states).toEqual(['ESTABLISHED']);
    expect([...bench.memory.subarray(0, 8)]).toEqual([...fill(8)]);
  });

  it('drops a packet without a source context (uet:pds/2.18)', () => {
    const bench = new Bench();
    expectSent(bench, bench.exchange(syn({ spdcid: 0 }), control(ControlType.PROBE, { spdcid: 0, flags: SYN })), []);
    expect(bench.drops('pdcid_zero')).toBe(2);
  });

  it('row 1: a trimmed SYN makes nothing (uet:pds/5.5)', () => {
    const bench = new Bench();
    const packet = syn();
    bench.rig.deliver(bench.node, packet.slice(0, 16), PATH);
    // the host marks trimmed packets; the rig has no such mark, so the packet is only cut short here
    expectSent(bench, bench.take(), [{ kind: 'nack', code: NackCode.PDC_HDR_MISMATCH, psn: START, spdcid: 0 }]);
    expect(bench.states).toEqual([]);
  });

  it('row 3: the mode differs from that of the known context', () => {
    const bench = accepted();
    const sent = bench.exchange(syn({ ordered: true, psn: START + 1 }));
    expectSent(bench, sent, [{ kind: 'nack', code: NackCode.PDC_MODE_MISMATCH, psn: START + 1, dpdcid: PEER }]);
    expect(bench.states).toEqual(['ESTABLISHED']);
  });

  it('row 4: a duplicate SYN makes no second context and is not executed again (R191)', () => {
    const bench = accepted();
    bench.memory.fill(0);
    const sent = bench.exchange(syn({ flags: SYN | AR | RETX }));
    expectSent(bench, sent, [{ kind: 'ack', psn: START, cack: START, flags: RETX, spdcid: bench.id }]);
    expect(bench.states).toEqual(['ESTABLISHED']);
    expect(bench.memory.every((byte) => byte === 0)).toBe(true);
    expect(bench.drops('duplicate')).toBe(1);
  });

  it('row 4: a new PSN with SYN is executed on the known context (uet:pds/8 D25)', () => {
    const bench = accepted();
    const sent = bench.exchange(syn({ psn: START + 1, ses: writeSes({ bufferOffset: 100 }) }));
    expectSent(bench, sent, [{ kind: 'ack', psn: START + 1, cack: START + 1, spdcid: bench.id }]);
    expect([...bench.memory.subarray(100, 108)]).toEqual([...fill(8)]);
  });

  it('row 5: a PSN outside one window, or another start (stale context)', () => {
    const bench = accepted({ settings: { defaultMpr: 1 } });
    const stale = { kind: 'nack', code: NackCode.INVALID_SYN, dpdcid: PEER } as const;
    expectSent(bench, bench.exchange(syn({ psn: START + 129 })), [{ ...stale, psn: START + 129 }]);
    expectSent(bench, bench.exchange(syn({ psn: START + 1, start: START + 1 })), [{ ...stale, psn: START + 1 }]);
    expectSent(bench, bench.exchange(syn({ psn: START + 128 })), [{ kind: 'ack', psn: START + 128, cack: START }]);
  });

  it('row 6: a control packet that cannot open a context', () => {
    const bench = new Bench();
    for (const ctl of [ControlType.ACK_REQUEST, ControlType.CLOSE_COMMAND, ControlType.PROBE, ControlType.CREDIT]) {
      const sent = bench.exchange(control(ctl, { psn: START, flags: SYN }));
      expectSent(bench, sent, [{ kind: 'nack', code: NackCode.PDC_MODE_MISMATCH, psn: START, spdcid: 0 }]);
    }
    expect(bench.states).toEqual([]);
  });

  it('row 7: no request inside, or one that is cut short', () => {
    const bench = new Bench();
    for (const next of [NextHeader.NONE, NextHeader.RESPONSE, NextHeader.RESPONSE_DATA, 9]) {
      const sent = bench.exchange(syn({ next }));
      expectSent(bench, sent, [{ kind: 'nack', code: NackCode.PDC_HDR_MISMATCH, psn: START, spdcid: 0, dpdcid: PEER }]);
    }
    for (let length = 12; length < 56; length++) bench.give(syn().slice(0, length));
    expect(bench.take().every(({ code }) => code === NackCode.PDC_HDR_MISMATCH)).toBe(true);
    expect(bench.states).toEqual([]); // N07: nothing is kept of a faulty SYN
  });

  it('row 8: no context is free, before row 9 (N07)', () => {
    const bench = new Bench({ settings: { maxContexts: 8, maxTargetContextsPerPeer: 2 } });
    bench.exchange(syn({ spdcid: 1 }), syn({ spdcid: 2 }));
    expect(bench.states).toEqual(['ESTABLISHED', 'ESTABLISHED']);
    for (const ordered of both) {
      const sent = bench.exchange(syn({ spdcid: 3, ordered, psn: START + 1 }));
      expectSent(bench, sent, [{ kind: 'nack', code: NackCode.NO_PDC_AVAIL, psn: START + 1, spdcid: 0, dpdcid: 3 }]);
    }
    bench.rig.deliver(bench.node, syn({ spdcid: 3 }), PATH + 1);
    expectSent(bench, bench.take(), [{ kind: 'ack', psn: START, dpdcid: 3 }]); // another peer has its own share
  });

  it('row 9: an ordered context begins with its first packet', () => {
    const bench = new Bench({ ordered: true });
    const sent = bench.exchange(syn({ ordered: true, psn: START + 2 }));
    expectSent(bench, sent, [
      { kind: 'nack', code: NackCode.ROD_OOO, psn: START + 2, payload: START, spdcid: 0, dpdcid: PEER },
    ]);
    expect(bench.states).toEqual([]);
  });

  it.skip('row 10: secure start (PENDING, NACK NEW_START_PSN): only with security, which this engine does not have', () => {});

  it('row 11: any SYN packet opens an unordered context; the others find it (0-RTT)', () => {
    const bench = new Bench();
    const piece = (n: number) => syn({ psn: START + n, ses: writeSes({ messageId: n + 1, bufferOffset: n * 100 }) });
    const sent = bench.exchange(piece(2), piece(0), piece(1));
    expect(sent.at(-1)).toMatchObject({ kind: 'ack', cack: START + 2 });
    expect(bench.states).toEqual(['ESTABLISHED']);
    for (const n of [0, 1, 2]) expect([...bench.memory.subarray(n * 100, n * 100 + 8)]).toEqual([...fill(8)]);
  });

  for (const ordered of both) {
    it(`opens a ${mode(ordered)} context by NOOP and by Negotiation`, () => {
      for (const ctl of [ControlType.NOOP, ControlType.NEGOTIATION]) {
        const bench = new Bench({ ordered });
        const sent = bench.exchange(control(ctl, { psn: START, flags: SYN | AR | (ordered ? ISROD : 0) }));
        expectSent(bench, sent, [{ kind: 'ack', psn: START, cack: START, next: NextHeader.NONE, dpdcid: PEER }]);
        expect([...bench.engine.describeContexts()]).toMatchObject([{ mode: ordered ? 'rod' : 'rud', role: 'target' }]);
      }
    });
  }
});

describe('target, CLOSED: everything else', () => {
  it('answers what names an unknown context (uet:pds/2.12 INV_DPDCID, R195)', () => {
    const bench = new Bench();
    const unknown = { kind: 'nack', code: NackCode.INV_DPDCID, spdcid: 0, dpdcid: PEER } as const;
    expectSent(bench, bench.exchange(request({ psn: START, dpdcid: 0x99 })), [{ ...unknown, psn: START }]);
    expectSent(bench, bench.exchange(request({ psn: START, dpdcid: 0 })), [{ ...unknown, psn: START }]);
    expectSent(bench, bench.exchange(control(ControlType.CLOSE_COMMAND, { psn: START + 1, dpdcid: 0x99 })), [
      { ...unknown, psn: START + 1 },
    ]);
  });

  it('drops a Probe for an unknown context, and never answers an ACK or a NACK (N21)', () => {
    const bench = established();
    bench.give(control(ControlType.PROBE, { dpdcid: 0x99 }));
    bench.give(bench.ack(0, { dpdcid: 0x99 }), bench.nack(NackCode.INV_DPDCID, 0, { dpdcid: 0x99 }));
    expectSent(bench, bench.take(), []);
  });

  it('lets established peers work while others flood it with SYN packets (N07)', () => {
    const bench = accepted({ settings: { maxContexts: 32, maxTargetContextsPerPeer: 8, idleTime: 100 * MS } });
    for (let n = 0; n < 5_000; n++) {
      bench.rig.deliver(bench.node, request({ psn: START, flags: SYN, spdcid: 1 + (n % 60_000) }), 2 + (n % 50));
      if (n % 100 === 0) bench.take();
    }
    bench.take();
    expect(bench.census('contexts')).toBeLessThanOrEqual(28);
    expectSent(bench, bench.exchange(bench.request(1, { flags: AR })), [{ kind: 'ack', psn: START + 1 }]);
    bench.postWrite(8); // and a part of the table stays for own work
    expectSent(bench, bench.take(), [{ kind: 'request', flags: SYN | AR }]);
  });
});

describe('target, ESTABLISHED', () => {
  it('refuses another source context or delivery mode, and drops another peer (uet:pds/2.12, R195)', () => {
    const bench = accepted();
    expectSent(bench, bench.exchange(bench.request(1, { spdcid: PEER + 1 })), [
      { kind: 'nack', code: NackCode.PDC_HDR_MISMATCH, psn: START + 1, dpdcid: PEER + 1 },
    ]);
    expectSent(bench, bench.exchange(bench.request(1, { ordered: true })), [
      { kind: 'nack', code: NackCode.PDC_MODE_MISMATCH, psn: START + 1 },
    ]);
    bench.rig.deliver(bench.node, bench.request(1), PATH + 1);
    expectSent(bench, bench.take(), []);
    expect(bench.drops('peer_mismatch')).toBe(1);
    expect(bench.states).toEqual(['ESTABLISHED']);
  });

  it('refuses read data and requests without content (uet:pds/2.2)', () => {
    const bench = accepted();
    for (const next of [NextHeader.NONE, NextHeader.RESPONSE, NextHeader.RESPONSE_DATA, 12]) {
      expectSent(bench, bench.exchange(bench.request(1, { next })), [
        { kind: 'nack', code: NackCode.PDC_HDR_MISMATCH, psn: START + 1, spdcid: bench.id },
      ]);
    }
  });

  it('refuses unknown control packets and a Close Request (uet:pds/2.13, R197)', () => {
    const bench = accepted();
    for (const ctl of [ControlType.CLOSE_REQUEST, 10, 15]) {
      expectSent(bench, bench.exchange(bench.control(ctl, { psn: START + 1, flags: AR })), [
        { kind: 'nack', code: NackCode.UNEXP_EVENT, psn: START + 1 },
      ]);
    }
  });

  it('takes NOOP and Negotiation as packets with a PSN, and says nothing to credit (uet:pds/2.13, R198)', () => {
    const bench = accepted();
    for (const [n, ctl] of [ControlType.NOOP, ControlType.NEGOTIATION].entries()) {
      const psn = START + 1 + n;
      expectSent(bench, bench.exchange(bench.control(ctl, { psn, flags: AR })), [
        { kind: 'ack', psn, cack: psn, next: NextHeader.NONE },
      ]);
    }
    const credit = [ControlType.CREDIT, ControlType.CREDIT_REQUEST].map((ctl) => bench.control(ctl, { payload: 1024 }));
    expectSent(bench, bench.exchange(...credit), []);
  });

  it('closes at a Close Command (uet:pds/3.7)', () => {
    const bench = accepted();
    const sent = bench.exchange(bench.control(ControlType.CLOSE_COMMAND, { psn: START + 1, flags: AR }));
    expectSent(bench, sent, [
      { kind: 'ack', psn: START + 1, cack: START + 1, next: NextHeader.NONE, dpdcid: PEER, spdcid: bench.id },
    ]);
    expect(bench.states).toEqual([]);
  });

  it('counts everything before a Close Command as cleared (uet:pds/3.7)', () => {
    const bench = accepted();
    for (let n = 1; n <= 64; n++) bench.give(bench.request(n, { clear: START, ses: readSes(8, { messageId: n }) }));
    expect(bench.take()).toHaveLength(64);
    const sent = bench.exchange(bench.control(ControlType.CLOSE_COMMAND, { psn: START + 65, flags: AR }));
    expectSent(bench, sent, [{ kind: 'ack', psn: START + 65, cack: START + 65 }]);
  });

  it('refuses a Close Command while read data is not acknowledged, and is gone (uet:pds/3.7)', () => {
    const bench = accepted({ settings: QUIET });
    const data = bench.exchange(bench.request(1, { flags: AR, ses: readSes(40, { messageId: 9 }) }));
    expect(data.filter(({ kind }) => kind === 'request')).toHaveLength(1);
    const sent = bench.exchange(bench.control(ControlType.CLOSE_COMMAND, { psn: START + 2, flags: AR }));
    expectSent(bench, sent, [{ kind: 'nack', code: NackCode.CLOSING_IN_ERR, psn: START + 2, payload: 1 }]);
    expect(bench.states).toEqual([]);
  });

  it('asks for a close after an idle time (R196)', () => {
    const bench = accepted({ settings: { ...QUIET, idleTime: 100 * MS } });
    expectSent(bench, bench.pass(101 * MS), [
      { ...isControl(ControlType.CLOSE_REQUEST), psn: START, flags: AR, dpdcid: PEER, spdcid: bench.id },
    ]);
    expect(bench.states).toEqual(['QUIESCE']);
  });
});

describe('target, QUIESCE', () => {
  it('sends its Close Request with a PSN of the return direction and repeats it (R197)', () => {
    const bench = asking();
    expectSent(bench, bench.sent, [{ ...isControl(ControlType.CLOSE_REQUEST), psn: START, flags: AR }]);
    expectSent(bench, bench.pass(20 * MS), [{ ...isControl(ControlType.CLOSE_REQUEST), psn: START, flags: RETX | AR }]);
    bench.give(bench.ack(0));
    expectSent(bench, bench.pass(500 * MS), []);
  });

  it('still takes requests', () => {
    const bench = asking();
    expectSent(bench, bench.exchange(bench.request(1, { flags: AR })), [{ kind: 'ack', psn: START + 1 }]);
    expect(bench.states).toEqual(['QUIESCE']);
  });

  for (const answered of [false, true]) {
    it(`closes at a Close Command, its own request ${answered ? '' : 'not '}acknowledged`, () => {
      const bench = asking();
      if (answered) bench.give(bench.ack(0));
      const sent = bench.exchange(bench.control(ControlType.CLOSE_COMMAND, { psn: START + 1, flags: AR }));
      expectSent(bench, sent, [{ kind: 'ack', psn: START + 1 }]);
      expect(bench.engine.quiet()).toBe(true);
    });
  }

  it('refuses a Close Command while data of a late read is not acknowledged', () => {
    const bench = asking();
    bench.give(bench.ack(0));
    bench.exchange(bench.request(1, { flags: AR, ses: readSes(40, { messageId: 9 }) }));
    const sent = bench.exchange(bench.control(ControlType.CLOSE_COMMAND, { psn: START + 2, flags: AR }));
    expectSent(bench, sent, [{ kind: 'nack', code: NackCode.CLOSING_IN_ERR, payload: 1 }]);
  });

  it('gives up at Close_REQ_Time (R196)', () => {
    const bench = asking({ settings: { ...QUIET, closeRequestTime: 30 * MS } });
    bench.give(bench.ack(0));
    bench.pass(31 * MS);
    expect(bench.states).toEqual([]);
    expect(bench.count('contexts_failed')).toBe(1);
  });

  it('gives up at the retry limit of its Close Request', () => {
    const bench = asking({ settings: { ...QUIET, maxRtoRetries: 1, closeRequestTime: 10_000 * MS } });
    bench.pass(61 * MS);
    expect(bench.states).toEqual([]);
  });
});

describe('target, closed lately', () => {
  function gone(options: BenchOptions = {}) {
    const bench = accepted({ settings: QUIET, ...options });
    bench.exchange(bench.control(ControlType.CLOSE_COMMAND, { psn: START + 1, flags: AR }));
    expect(bench.states).toEqual([]);
    bench.memory.fill(0);
    return bench;
  }

  it('does not start again for a late copy of its first packet (uet:pds/3.4 hazard)', () => {
    const bench = gone();
    const sent = bench.exchange(request({ psn: START, flags: SYN | AR | RETX }));
    expectSent(bench, sent, [{ kind: 'nack', code: NackCode.CLOSING, psn: START, spdcid: 0, dpdcid: PEER }]);
    expect(bench.memory.every((byte) => byte === 0)).toBe(true);
    expect(bench.states).toEqual([]);
  });

  it('starts for the same PDCID with another first PSN, and for the same after Syn_Retx_Safety_Time', () => {
    const bench = gone({ settings: { ...QUIET, synSafetyTime: 50 * MS } });
    const other = request({ psn: START + 0x10_0000, start: START + 0x10_0000, flags: SYN | AR });
    expectSent(bench, bench.exchange(other), [{ kind: 'ack', psn: START + 0x10_0000 }]);
    const later = gone({ settings: { ...QUIET, synSafetyTime: 50 * MS } });
    later.pass(51 * MS);
    expectSent(later, later.exchange(request({ psn: START, flags: SYN | AR })), [{ kind: 'ack', psn: START }]);
  });

  it('answers the old PDCID with CLOSING while it remembers, then with INV_DPDCID (uet:pds/3.8)', () => {
    const bench = gone({ settings: { ...QUIET, synSafetyTime: 50 * MS } });
    expectSent(bench, bench.exchange(bench.request(2)), [{ kind: 'nack', code: NackCode.CLOSING, psn: START + 2 }]);
    bench.pass(51 * MS);
    expectSent(bench, bench.exchange(bench.request(2)), [{ kind: 'nack', code: NackCode.INV_DPDCID, psn: START + 2 }]);
  });

  it('lets a repeated Close Command end the initiator (lost close acknowledgement)', () => {
    const bench = gone();
    const sent = bench.exchange(bench.control(ControlType.CLOSE_COMMAND, { psn: START + 1, flags: AR | RETX }));
    expectSent(bench, sent, [{ kind: 'nack', code: NackCode.CLOSING, psn: START + 1, flags: RETX }]);
  });
});

describe('no context is free here', () => {
  function crowded(ordered = false) {
    const bench = new Bench({ ordered, settings: { ...QUIET, maxContexts: 2, maxTargetContextsPerPeer: 2 } });
    bench.postWrite(8, 1);
    const [first] = bench.take();
    bench.node.post(1, { opcode: 0, path: 2, length: 0, rkeyLo: KEY, wrIdLo: 2 });
    bench.node.post(1, { opcode: 0, path: 3, length: 0, rkeyLo: KEY, wrIdLo: 3 });
    bench.engine.doorbell(bench.now, 1);
    expect(bench.take()).toHaveLength(1);
    expect(bench.census('stranded_messages')).toBe(1);
    Object.assign(bench, { id: first!.spdcid, start: first!.psn });
    return bench;
  }

  it('keeps the message and tries again; a resting context is asked to go', () => {
    const bench = crowded();
    bench.give(bench.ack(0));
    expect(bench.states).toEqual(['ESTABLISHED', 'CREATING']);
    const sent = bench.pass(20 * MS);
    // the wait ends, the resting context is closed; at the next try its place may be free
    expect(sent).toMatchObject([isControl(ControlType.CLOSE_COMMAND)].slice(0, 0));
    expect(bench.census('stranded_messages')).toBeLessThanOrEqual(1);
  });

  it('does not let a later message to the same place pass on an ordered queue pair', () => {
    const bench = crowded(true);
    bench.give(bench.nack(NackCode.CLOSING_IN_ERR, 0)); // frees a place, but nobody has looked yet
    expect(bench.states).toHaveLength(1);
    bench.node.post(1, { opcode: 0, path: 3, length: 0, rkeyLo: KEY, wrIdLo: 4 });
    bench.engine.doorbell(bench.now, 1);
    expect(bench.census('stranded_messages')).toBe(2);
    const sent = bench.pass(20 * MS).filter(({ flags }) => (flags & RETX) === 0);
    expect(sent.map(({ ses }) => ses!.messageId)).toEqual([1, 2]);
    expect(bench.census('stranded_messages')).toBe(0);
  });

  it('reports after a while', () => {
    const bench = crowded();
    bench.pass(1_100 * MS);
    expect(bench.done.filter(([id]) => id === 3)).toEqual([[3, Status.GENERAL_ERR]]);
    expect(bench.census('stranded_messages')).toBe(0);
  });

  it('flushes a stranded message with its queue pair', () => {
    const bench = crowded();
    bench.engine.removeQueuePair(bench.now, 1);
    expect(bench.done.sort((a, b) => a[0] - b[0])).toEqual([1, 2, 3].map((id) => [id, Status.WR_FLUSH_ERR]));
    expect(bench.census('stranded_messages')).toBe(0);
  });
});

describe('silent peers', () => {
  it('gives a read up whose data never comes (N08)', () => {
    const bench = established({ settings: { ...QUIET, idleTime: 100 * MS } });
    bench.postRead(40, 2);
    bench.take();
    bench.give(bench.ack(1));
    bench.pass(9_900 * MS);
    expect(bench.done).toEqual([]);
    bench.pass(200 * MS);
    expect(bench.done).toEqual([[2, Status.RETRY_EXC_ERR]]);
    expect(bench.engine.census()).toMatchObject({ contexts: 0, messages: 0, timers: 0 });
  });

  it('frees a receive that an initiator began and left (N08)', () => {
    const bench = accepted({
      settings: { ...QUIET, idleTime: 100 * MS, closeRequestTime: 50 * MS, maxRtoRetries: 15 },
    });
    bench.node.postReceive(1, bench.memoryRegion, 0, 1000, 77);
    bench.exchange(
      bench.request(1, { flags: AR, ses: sendSes({ messageId: 5, requestLength: 200, eom: 0 }, fill(MTU)) }),
    );
    expect(bench.census('inbound_messages')).toBe(1);
    bench.pass(200 * MS);
    expect(bench.received).toEqual([[77, Status.REM_ABORT_ERR, 0]]);
    expect(bench.engine.census()).toMatchObject({ contexts: 0, inbound_messages: 0, timers: 0 });
  });

  it('does not take a response for the end of a close that was not sent', () => {
    const bench = closing();
    bench.give(bench.ack(2)); // beyond what was sent
    expect(bench.states).toEqual(['CLOSE']);
    bench.give(bench.ack(1, { ses: responseSes({ returnCode: ReturnCode.BAD_MKEY }) }));
    expect(bench.states).toEqual([]);
  });
});
