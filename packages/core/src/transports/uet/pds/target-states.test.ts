import { describe, expect, it } from 'vitest';
import { NackCode, NextHeader, PdsType } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import {
  AR,
  accepted,
  Bench,
  type BenchOptions,
  ControlType,
  control,
  established,
  expectSent,
  fill,
  ISROD,
  isControl,
  MS,
  PATH,
  PEER,
  RETX,
  readSes,
  request,
  START,
  SYN,
  withoutProbes,
  writeSes,
} from '../rig-packets.testdata.ts';

const QUIET = { tailLoss: 0, rtoInit: 20 * MS, idleTime: 60_000 * MS };
const both = [false, true] as const;
const mode = (ordered: boolean) => (ordered ? 'ROD' : 'RUD');

/** A target that has asked for a close: PSN START of the return direction. */
function asking(options: BenchOptions = {}) {
  const bench = accepted({ settings: QUIET, ...options });
  bench.engine.close(bench.now);
  const sent = bench.take();
  expect(bench.states).toEqual(['QUIESCE']);
  return Object.assign(bench, { sent });
}

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

  it('row 10: a peer that may be forged is told where to start, and nothing is kept of it (uet:pds/3.6, N07, N20)', () => {
    const bench = new Bench({ settings: { maxUnproven: 0 } });
    const [first] = bench.exchange(syn());
    expect(first).toMatchObject({ kind: 'nack', code: NackCode.NEW_START_PSN, psn: START, spdcid: 0, dpdcid: PEER });
    const start = first!.payload!;
    // every other start gets the same answer, whatever its mode
    expectSent(bench, bench.exchange(syn({ ordered: true, psn: START + 5 })), [{ kind: 'nack', payload: start }]);
    expect(bench.states).toEqual([]);
    const told = (more = {}) => syn({ psn: start, start, ...more });
    bench.rig.deliver(bench.node, told(), PATH + 1); // a number is good for the one it was told
    expectSent(bench, bench.take(), [{ kind: 'nack', code: NackCode.NEW_START_PSN }]);
    expectSent(bench, bench.exchange(told({ spdcid: PEER + 1 })), [{ kind: 'nack', code: NackCode.NEW_START_PSN }]);
    expectSent(bench, bench.exchange(told()), [{ kind: 'ack', psn: start, cack: start }]);
    expect(bench.drops('unproven')).toBe(4);
  });

  it('row 10: a number is good for New_PDC_Time, and not for ever', () => {
    const bench = new Bench({ settings: { maxUnproven: 0, newPdcTime: 10 * MS } });
    const [first] = bench.exchange(syn());
    const start = first!.payload!;
    bench.rig.now += 10 * MS;
    expectSent(bench, bench.exchange(syn({ psn: start, start, spdcid: PEER })), [{ kind: 'ack', psn: start }]);
    const later = new Bench({ settings: { maxUnproven: 0, newPdcTime: 10 * MS } });
    const [again] = later.exchange(syn());
    later.rig.now += 20 * MS;
    const sent = later.exchange(syn({ psn: again!.payload!, start: again!.payload! }));
    expectSent(later, sent, [{ kind: 'nack', code: NackCode.NEW_START_PSN }]);
  });

  it('a flood of 100,000 starts from forged addresses leaves room, for peers with and without contexts (N07)', () => {
    const bench = accepted({ settings: { maxContexts: 64, maxUnproven: 16 } });
    bench.exchange(bench.request(1, { flags: AR })); // shows that it hears
    for (let n = 0; n < 100_000; n++) {
      bench.rig.deliver(bench.node, request({ psn: START, flags: SYN, spdcid: 1 + (n % 60_000) }), 1000 + n);
      if (n % 1000 === 0) bench.take();
    }
    bench.take();
    expect(bench.census('contexts')).toBe(17);
    expectSent(bench, bench.exchange(bench.request(2, { flags: AR })), [{ kind: 'ack', psn: START + 2 }]);
    const [told] = bench.exchange(syn({ spdcid: 5 }));
    expect(told).toMatchObject({ kind: 'nack', code: NackCode.NEW_START_PSN });
    const start = told!.payload!;
    expectSent(bench, bench.exchange(syn({ spdcid: 5, psn: start, start })), [{ kind: 'ack', psn: start }]);
  });

  it('takes starts from the reserved pool only for those who ask for it (uet:pds/8 D7)', () => {
    const pdc = (spdcid: number, bit: number) => {
      const packet = syn({ spdcid });
      new DataView(packet.buffer).setUint16(10, bit);
      return packet;
    };
    for (const [reservedFlag, bit] of [
      [0, 0x1000],
      [1, 0x1000],
      [2, 0x8000],
    ] as const) {
      const bench = new Bench({ settings: { maxContexts: 8, reservedContexts: 2, reservedFlag } });
      const kinds = [1, 2, 3, 4, 5, 6].map((n) => bench.exchange(pdc(n, 0))[0]!.kind);
      expect(kinds).toEqual(['ack', 'ack', 'ack', 'ack', 'ack', 'nack']);
      const wanted = reservedFlag === 0 ? 'nack' : 'ack'; // by default the bits say nothing
      expect([7, 8].map((n) => bench.exchange(pdc(n, bit))[0]!.kind)).toEqual([wanted, wanted]);
      expect(bench.exchange(pdc(9, bit))[0]!.code).toBe(NackCode.NO_PDC_AVAIL);
    }
  });

  it('refuses a start that names a context opened from here', () => {
    const bench = established({ settings: QUIET });
    expectSent(bench, bench.exchange(syn()), [{ kind: 'nack', code: NackCode.INVALID_SYN, spdcid: 0 }]);
    expect(bench.states).toEqual(['ESTABLISHED']);
  });

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

describe('target, ESTABLISHED (uet:pds/4.3)', () => {
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

  it('takes NOOP and Negotiation as packets with a PSN, and answers a Credit Request only (uet:pds/2.13, R198)', () => {
    const bench = accepted();
    for (const [n, ctl] of [ControlType.NOOP, ControlType.NEGOTIATION].entries()) {
      const psn = START + 1 + n;
      expectSent(bench, bench.exchange(bench.control(ctl, { psn, flags: AR })), [
        { kind: 'ack', psn, cack: psn, next: NextHeader.NONE },
      ]);
    }
    const credit = [ControlType.CREDIT, ControlType.CREDIT_REQUEST].map((ctl) => bench.control(ctl, { payload: 1024 }));
    expectSent(bench, bench.exchange(...credit), [{ ...isControl(ControlType.CREDIT), payload: 1024 }]);
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
    expect(bench.take().filter(({ kind }) => kind === 'ack')).toHaveLength(64);
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
    expectSent(bench, withoutProbes(bench.pass(101 * MS)), [
      { ...isControl(ControlType.CLOSE_REQUEST), psn: START, flags: AR, dpdcid: PEER, spdcid: bench.id },
    ]);
    expect(bench.states).toEqual(['QUIESCE']);
  });
});

describe('target, QUIESCE', () => {
  it('sends its Close Request with a PSN of the return direction and repeats it (R197)', () => {
    const bench = asking();
    expectSent(bench, bench.sent, [{ ...isControl(ControlType.CLOSE_REQUEST), psn: START, flags: AR }]);
    expectSent(bench, withoutProbes(bench.pass(20 * MS)), [
      { ...isControl(ControlType.CLOSE_REQUEST), psn: START, flags: RETX | AR },
    ]);
    bench.give(bench.ack(0));
    expectSent(bench, withoutProbes(bench.pass(500 * MS)), []);
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

  it('gives up at Close_REQ_Time, and says so to whatever comes (uet:pds/3.7, R196)', () => {
    const bench = asking({ settings: { ...QUIET, closeRequestTime: 30 * MS } });
    bench.give(bench.ack(0));
    bench.pass(31 * MS);
    expect(bench.states).toEqual([]);
    expect(bench.count('contexts_failed')).toBe(1);
    const late = { kind: 'nack', code: NackCode.CLOSING_IN_ERR, psn: START + 1, dpdcid: PEER } as const;
    expectSent(bench, bench.exchange(bench.request(1)), [late]);
    expectSent(bench, bench.exchange(bench.control(ControlType.CLOSE_COMMAND, { psn: START + 1 })), [late]);
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
