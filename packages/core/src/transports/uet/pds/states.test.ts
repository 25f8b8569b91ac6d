import { describe, expect, it } from 'vitest';
import { Status } from '../../../engine/status.ts';
import { NackCode, NextHeader, PdsType } from '../../../wire/uet/pds.ts';
import { ReturnCode } from '../../../wire/uet/ses.ts';
import {
  AR,
  accepted,
  Bench,
  type BenchOptions,
  ControlType,
  creating,
  dataSes,
  established,
  expectSent,
  fill,
  isControl,
  KEY,
  MS,
  MTU,
  PATH,
  PEER,
  RETX,
  responseSes,
  SYN,
  sendSes,
  withoutProbes,
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
    bench.postWrite(MTU * 5000);
    const sent = bench.take();
    Object.assign(bench, { id: sent[0]!.spdcid, start: sent[0]!.psn });
    // an acknowledgement would teach the peer's context; refusals make room in the congestion window without that
    const offsets = sent.map(({ psn }) => psn - bench.start);
    for (let fresh = offsets; fresh.length > 0; offsets.push(...fresh)) {
      for (const n of fresh) bench.give(bench.nack(NackCode.NO_PKT_BUFFER, n, { spdcid: 0 }));
      fresh = bench.take().map(({ psn }) => psn - bench.start);
    }
    expect(offsets).toEqual(Array.from({ length: 4096 }, (_, n) => n));
    expect(bench.states).toEqual(['CREATING']);
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
    expectSent(bench, withoutProbes(bench.pass(MS)), [{ kind: 'request', psn: bench.start, flags: SYN | RETX | AR }]);
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
    expectSent(bench, withoutProbes(bench.pass(20 * MS)), [
      { psn: bench.start, flags: SYN | RETX | AR, start: bench.start },
    ]);
    expectSent(bench, withoutProbes(bench.pass(40 * MS)), [{ psn: bench.start, flags: SYN | RETX | AR }]);
    expectSent(bench, withoutProbes(bench.pass(79 * MS)), []);
    expect(bench.done).toEqual([]);
    expectSent(bench, withoutProbes(bench.pass(2 * MS)), []);
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
    expectSent(bench, withoutProbes(bench.pass(99 * MS)), []);
    expectSent(bench, withoutProbes(bench.pass(2 * MS)), [
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
    expect(bench.states).toEqual(['QUIESCE']);
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
    expectSent(bench, withoutProbes(bench.pass(20 * MS)), [{ psn: bench.start + 1, flags: RETX | AR }]);
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
    expectSent(bench, withoutProbes(bench.pass(20 * MS)), [again]);
    expectSent(bench, withoutProbes(bench.pass(40 * MS)), [again]);
    expectSent(bench, withoutProbes(bench.pass(81 * MS)), []);
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
    // at the next try the resting context is asked to go; once it is gone its place is taken
    const [close] = bench.pass(20 * MS).filter(({ ctl }) => ctl === ControlType.CLOSE_COMMAND);
    expect(close).toMatchObject({ psn: bench.start + 1, spdcid: bench.id });
    bench.give(bench.ack(1));
    bench.pass(20 * MS);
    expect(bench.census('stranded_messages')).toBe(0);
    expect(bench.states).toEqual(['CREATING', 'CREATING']);
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
