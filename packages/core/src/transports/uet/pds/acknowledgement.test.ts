import { describe, expect, it } from 'vitest';
import { psnAdd } from '../../../base/psn.ts';
import { Packet } from '../../../engine/packet.ts';
import { Status } from '../../../engine/status.ts';
import { NackCode, NextHeader, PdsType } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import {
  AR,
  accepted,
  Bench,
  ControlType,
  creating,
  established,
  expectSent,
  fill,
  isControl,
  KEY,
  MARKED,
  MS,
  MTU,
  PATH,
  PROBED,
  RETX,
  readSes,
  request,
  responseSes,
  START,
  SYN,
  withoutProbes,
  writeSes,
} from '../rig-packets.testdata.ts';
import { MAX_STORED } from './receive-window.ts';

const QUIET = { tailLoss: 0 };
const wide = (messageId: number) => ({ ses: writeSes({ messageId, bufferOffset: messageId * 8 }) });

describe('when a destination acknowledges (uet:pds/4.5, R192)', () => {
  it('holds an acknowledgement back that nobody wants', () => {
    const bench = accepted();
    expectSent(bench, bench.exchange(bench.request(1), bench.request(2)), []);
  });

  it('coalesces by bytes, with a least amount for each packet', () => {
    const bench = accepted({ settings: { ackGenTrigger: 4 * 1024, ackGenMinPktAdd: 1024 } });
    expectSent(bench, bench.exchange(...[1, 2, 3].map((n) => bench.request(n))), []);
    expectSent(bench, bench.exchange(bench.request(4)), [{ kind: 'ack', psn: START + 4, cack: START + 4 }]);
    expectSent(bench, bench.exchange(bench.request(5)), []);
  });

  for (const [name, flags] of [
    ['AR', AR],
    ['RETX', RETX],
    ['SYN', SYN],
  ] as const) {
    it(`acknowledges at ${name}`, () => {
      const bench = accepted();
      const packet = bench.request(1, { flags });
      expectSent(bench, bench.exchange(packet), [
        { kind: 'ack', psn: START + 1, cack: START + 1, flags: flags & RETX, req: 0 },
      ]);
    });
  }

  it('echoes a congestion mark at once (uet:pds/8 D28, R205)', () => {
    const bench = accepted();
    const bytes = bench.request(1);
    const packet = new Packet(bytes.slice());
    Object.assign(packet, { length: bytes.length, path: PATH, ecn: 3 });
    bench.engine.receive(bench.now, packet);
    expectSent(bench, bench.take(), [{ kind: 'ack', psn: START + 1, flags: MARKED }]);
    expectSent(bench, bench.exchange(bench.request(2, { flags: AR })), [{ kind: 'ack', flags: 0 }]);
  });

  it('refuses a trimmed packet, counts it as not received and copies its mark (uet:pds/5.5)', () => {
    const bench = accepted();
    const bytes = bench.request(1, { flags: RETX }).slice(0, 16);
    const packet = new Packet(bytes);
    Object.assign(packet, { length: bytes.length, path: PATH, ecn: 3, trimmed: true });
    bench.engine.receive(bench.now, packet);
    expectSent(bench, bench.take(), [
      { kind: 'nack', code: NackCode.TRIMMED, psn: START + 1, flags: RETX | MARKED, spdcid: bench.id },
    ]);
    expectSent(bench, bench.exchange(bench.request(1, { flags: AR })), [{ kind: 'ack', psn: START + 1 }]);
  });

  it('refuses a trimmed SYN without making a context', () => {
    const bench = new Bench();
    const packet = new Packet(request({ psn: START, flags: SYN }).slice(0, 16));
    Object.assign(packet, { length: 16, path: PATH, trimmed: true });
    bench.engine.receive(bench.now, packet);
    expectSent(bench, bench.take(), [{ kind: 'nack', code: NackCode.TRIMMED, psn: START, spdcid: 0 }]);
    expect(bench.states).toEqual([]);
  });
});

describe('cumulative and selective (uet:pds/4.6, R193)', () => {
  it('four packets out of order (figures 3-75 ff.): CACK stops at the gap, SACK tells the rest', () => {
    const bench = accepted();
    const give = (n: number) => bench.exchange(bench.request(n, { flags: AR, clear: START, ...wide(n) }));
    expectSent(bench, give(2), [
      { kind: 'ack', type: PdsType.ACK_CC, psn: START + 2, cack: START, mpr: 8, sack: [START + 2] },
    ]);
    expectSent(bench, give(1), [{ kind: 'ack', type: PdsType.ACK, psn: START + 1, cack: START + 2 }]);
    expectSent(bench, give(4), [{ psn: START + 4, cack: START + 2, sackBase: START + 3, sack: [START + 4] }]);
    expectSent(bench, give(3), [{ type: PdsType.ACK, psn: START + 3, cack: START + 4 }]);
  });

  it('walks its bitmap over a window longer than 64 and begins anew', () => {
    const bench = accepted();
    for (let n = 2; n <= 150; n++) bench.give(bench.request(n, { clear: START }));
    bench.take();
    const bases: number[] = [];
    for (let n = 151; n < 156; n++) {
      const [seen] = bench.exchange(bench.request(n, { flags: AR, clear: START }));
      expect(seen!.cack).toBe(START);
      for (const psn of seen!.sack!) expect(psn).toBeGreaterThan(START + 1);
      bases.push(seen!.sackBase! - START);
    }
    expect(new Set(bases).size).toBe(3);
    for (const base of bases) expect([1, 65, 129]).toContain(base);
  });

  it('keeps CACK, PSNs and offsets right across 2^32 (R187)', () => {
    const bench = new Bench();
    const start = 0xffff_fffe;
    const at = (n: number, more = {}) => request({ psn: psnAdd(start, n), start, flags: SYN | AR, ...more });
    expectSent(bench, bench.exchange(at(0)), [{ psn: 0xffff_fffe, cack: 0xffff_fffe }]);
    expectSent(bench, bench.exchange(at(3)), [{ psn: 1, cack: 0xffff_fffe, sack: [1] }]);
    expectSent(bench, bench.exchange(at(1)), [{ psn: 0xffff_ffff, cack: 0xffff_ffff }]);
    expectSent(bench, bench.exchange(at(2)), [{ psn: 0, cack: 1 }]);
    expectSent(bench, bench.exchange(at(0, { flags: SYN | RETX })), [{ psn: 0xffff_fffe, cack: 1 }]);
  });

  it('reads acknowledgements across 2^32', () => {
    for (let seed = 1; seed < 4; seed++) {
      const bench = new Bench({ seed, settings: { startPsnBelow: 2 ** 32 } });
      Object.assign(bench.node, { random: () => 0.999_999_999_9 });
      bench.postWrite(MTU * 4);
      const sent = bench.take();
      expect(sent.map(({ psn }) => psn)).toEqual([0xffff_ffff, 0, 1, 2]);
      Object.assign(bench, { id: sent[0]!.spdcid, start: sent[0]!.psn });
      bench.give(bench.ack(0, { cack: 0xffff_ffff, psn: 1 }), bench.ack(0, { cack: 2 }));
      expect(bench.done).toEqual([[1, 0]]);
    }
  });
});

describe('duplicates (uet:pds/4.8, R191)', () => {
  it('answers with a default response and does not execute again', () => {
    const bench = accepted();
    bench.exchange(bench.request(1, { flags: AR }));
    bench.memory.fill(0);
    expectSent(bench, bench.exchange(bench.request(1, { flags: RETX | AR }), bench.request(0, { flags: RETX })), [
      {
        ...{ kind: 'ack', psn: START + 1, cack: START + 1, flags: RETX, req: 0 },
        ses: { opcode: SesResponseOpcode.DEFAULT_RESPONSE, returnCode: ReturnCode.OK, messageId: 0, jobId: 0 },
      },
      { psn: START, cack: START + 1 },
    ] as never);
    expect(bench.memory.every((byte) => byte === 0)).toBe(true);
  });

  it('repeats a stored response until it is cleared, then sends the default', () => {
    const bench = accepted();
    const bad = { ses: writeSes({ memoryKey: KEY + 1, messageId: 9 }) };
    const refused = { opcode: SesResponseOpcode.RESPONSE, returnCode: ReturnCode.BAD_MKEY, messageId: 9 };
    for (const flags of [0, RETX, RETX]) {
      const sent = bench.exchange(bench.request(1, { flags, ...bad }));
      expectSent(bench, sent, [{ kind: 'ack', psn: START + 1, cack: START, req: 1, flags, ses: refused }] as never);
    }
    expectSent(bench, bench.exchange(bench.control(ControlType.CLEAR_COMMAND, { payload: START + 1 })), []);
    const sent = bench.exchange(bench.request(1, { flags: RETX, ...bad }));
    expectSent(bench, sent, [{ kind: 'ack', psn: START + 1, cack: START + 1, req: 0, ses: { opcode: 0 } as never }]);
  });

  it('takes the clear of a duplicate', () => {
    const bench = accepted();
    bench.exchange(bench.request(1, { ses: readSes(8) }));
    expectSent(bench, bench.exchange(bench.request(0, { flags: RETX, clear: START + 1 })), [{ cack: START + 1 }]);
  });

  it('refuses what is outside the window, above and far below (uet:pds/4.2)', () => {
    const bench = accepted({ settings: { defaultMpr: 1 } });
    const outside = { kind: 'nack', code: NackCode.PSN_OOR_WINDOW, spdcid: bench.id } as const;
    expectSent(bench, bench.exchange(bench.request(129)), [{ ...outside, psn: START + 129 }]);
    expectSent(bench, bench.exchange(bench.request(-128)), [{ ...outside, psn: START - 128 }]);
    expectSent(bench, bench.exchange(bench.request(128, { flags: AR })), [{ kind: 'ack', psn: START + 128 }]);
    expectSent(bench, bench.exchange(bench.request(-127)), [{ kind: 'ack', psn: START - 127, cack: START }]);
  });
});

describe('guaranteed responses and clearing (uet:pds/4.4)', () => {
  it('single, guaranteed (figure 3-76): the acknowledgement does not move CACK, a Clear Command does', () => {
    const bench = accepted();
    const sent = bench.exchange(bench.request(1, { clear: START, ses: readSes(8) }));
    expectSent(bench, sent, [{ kind: 'ack', psn: START + 1, cack: START, req: 1, next: NextHeader.RESPONSE_DATA }]);
    bench.give(bench.control(ControlType.CLEAR_COMMAND, { payload: START + 1 }));
    expectSent(bench, bench.exchange(bench.request(2, { flags: AR, clear: START + 1 })), [{ cack: START + 2 }]);
  });

  it('a request carries the clear as well', () => {
    const bench = accepted();
    bench.exchange(bench.request(1, { clear: START, ses: readSes(8) }));
    expectSent(bench, bench.exchange(bench.request(2, { flags: AR, clear: START })), [
      { psn: START + 2, cack: START, sack: [START + 1, START + 2] },
    ]);
    expectSent(bench, bench.exchange(bench.request(3, { flags: AR, clear: START + 2 })), [{ cack: START + 3 }]);
  });

  it('ignores a clear beyond what arrived (N15)', () => {
    const bench = accepted();
    bench.exchange(bench.request(1, { clear: START, ses: readSes(8) }));
    bench.give(bench.control(ControlType.CLEAR_COMMAND, { payload: START + 50 }));
    expectSent(bench, bench.exchange(bench.request(2, { flags: AR, clear: START })), [{ cack: START }]);
  });

  it('refuses when no response can be kept, and takes the same packet after a clear (NO_GTD_DEL_AVAIL)', () => {
    const bench = accepted();
    for (let n = 1; n <= MAX_STORED; n++)
      bench.give(bench.request(n, { clear: START, ses: readSes(8, { messageId: n }) }));
    const kept = bench.take();
    expect(kept.filter(({ kind }) => kind === 'ack')).toHaveLength(MAX_STORED);
    // before that the source is asked to clear some (uet:pds/2.13)
    expect(kept.filter(({ kind }) => kind !== 'ack')).toMatchObject([
      { ...isControl(ControlType.CLEAR_REQUEST), psn: 0, payload: START + (MAX_STORED * 3) / 4, flags: 0 },
    ]);
    // what needs no room is taken (uet:pds/4.3)
    const plain = bench.exchange(bench.request(MAX_STORED + 2, { clear: START, flags: AR, ...wide(70) }));
    expectSent(bench, plain, [{ kind: 'ack', psn: START + MAX_STORED + 2, cack: START }]);
    const full = bench.exchange(bench.request(MAX_STORED + 1, { clear: START, ses: readSes(8) }));
    expectSent(bench, full, [{ kind: 'nack', code: NackCode.NO_GTD_DEL_AVAIL, psn: START + MAX_STORED + 1 }]);
    const sent = bench.exchange(
      bench.request(MAX_STORED + 1, { clear: START + MAX_STORED, flags: RETX, ses: readSes(8) }),
    );
    expectSent(bench, sent, [{ kind: 'ack', psn: START + MAX_STORED + 1, cack: START + MAX_STORED, req: 1 }]);
  });

  it('the source clears at once when it is idle, and otherwise by its next request (uet:pds/8 D29)', () => {
    const bench = established(QUIET_OPTIONS);
    bench.postRead(8, 2);
    bench.take();
    bench.give(bench.ack(0, { psn: bench.start + 1, req: 1, ses: responseSes({ returnCode: ReturnCode.BAD_MKEY }) }));
    expectSent(bench, bench.take(), [
      { ...isControl(ControlType.CLEAR_COMMAND), psn: 0, payload: bench.start + 1, flags: 0 },
    ]);
    expect(bench.done).toEqual([[2, Status.REM_ACCESS_ERR]]);
    bench.postWrite(8, 3);
    expectSent(bench, bench.take(), [{ psn: bench.start + 2, clear: bench.start + 1 }]);
    expectSent(bench, bench.pass(5 * MS), []);
  });

  it('clears by control packet when no request comes in PDS_Clear_Time', () => {
    const bench = established(QUIET_OPTIONS);
    bench.postWrite(8, 2);
    bench.postRead(8, 3);
    bench.take();
    const refused = responseSes({ returnCode: ReturnCode.BAD_MKEY });
    bench.give(bench.ack(0, { psn: bench.start + 2, req: 1, ses: refused }));
    expectSent(bench, bench.take(), []); // the one before is not acknowledged: nothing to clear yet
    bench.give(bench.ack(1));
    expectSent(bench, bench.pass(MS), [{ ...isControl(ControlType.CLEAR_COMMAND), payload: bench.start + 2 }]);
  });

  it('answers a Clear Request', () => {
    const bench = established();
    const sent = bench.exchange(bench.control(ControlType.CLEAR_REQUEST, { payload: bench.start }));
    expectSent(bench, sent, [{ ...isControl(ControlType.CLEAR_COMMAND), payload: bench.start }]);
  });
});

const QUIET_OPTIONS = { settings: QUIET };

describe('ACK Request (uet:pds/4.11)', () => {
  const ask = (bench: Bench, n: number) => bench.exchange(bench.control(ControlType.ACK_REQUEST, { psn: START + n }));

  it('answers for a PSN that arrived: the default response', () => {
    const bench = accepted();
    expectSent(bench, ask(bench, 0), [{ kind: 'ack', psn: START, cack: START, req: 0, next: NextHeader.RESPONSE }]);
    bench.exchange(bench.request(3));
    expectSent(bench, ask(bench, 3), [{ kind: 'ack', psn: START + 3, cack: START }]);
  });

  it('answers with the stored response, and data of a read in it (so never ACK_WITH_DATA or GTD_RESP_UNAVAIL)', () => {
    const bench = accepted();
    bench.exchange(bench.request(1, { clear: START, ses: readSes(8, { bufferOffset: 64 }) }));
    bench.memory.fill(0); // what was answered once is repeated, not read again
    const [seen] = ask(bench, 1);
    expect(seen).toMatchObject({ kind: 'ack', psn: START + 1, req: 1, data: [...fill(4096, 5).subarray(64, 72)] });
  });

  it('says that a PSN never arrived, and does not mistake one a window away', () => {
    const bench = accepted({ settings: { defaultMpr: 1 } });
    bench.exchange(bench.request(2));
    expectSent(bench, ask(bench, 1), [
      { kind: 'nack', code: NackCode.PKT_NOT_RCVD, psn: START + 1, payload: START + 3 },
    ]);
    expectSent(bench, ask(bench, 2 + 256), [{ kind: 'nack', code: NackCode.PKT_NOT_RCVD }]);
  });
});

describe('Probe (uet:pds/4.11)', () => {
  it('answers with ACK_CC: its opaque value, CACK, and a bitmap from the wanted PSN', () => {
    const bench = accepted();
    for (const n of [2, 70]) bench.exchange(bench.request(n, { clear: START }));
    const probe = (payload: number) =>
      bench.exchange(bench.control(ControlType.PROBE, { probeOpaque: 0xbeef, payload }));
    const common = { kind: 'ack', type: PdsType.ACK_CC, flags: PROBED, opaque: 0xbeef, cack: START, mpr: 8 } as const;
    expectSent(bench, probe(START + 1), [{ ...common, sackBase: START + 1, sack: [START + 2] }]);
    expectSent(bench, probe(START + 60), [{ ...common, sackBase: START + 60, sack: [START + 70] }]);
    expectSent(bench, probe(START - 500), [{ ...common, sackBase: START + 1 }]);
  });
});

describe('what a source makes of acknowledgements (uet:pds/4.7)', () => {
  /** Ten writes of one packet; nothing is answered since. PSNs `start` + 1 to `start` + 10. */
  function ten(settings = {}) {
    const bench = established({ settings: { ...QUIET, ...settings } });
    for (let id = 1; id <= 10; id++) bench.postWrite(8, id);
    expect(bench.take()).toHaveLength(10);
    return bench;
  }
  const ids = (bench: Bench) => bench.done.map(([id]) => id);

  it('takes ACK_PSN alone, CACK for all below, and counts nothing twice', () => {
    const bench = ten();
    bench.give(bench.ack(0, { psn: bench.start + 5 }));
    expect(ids(bench)).toEqual([5]);
    bench.give(bench.ack(3), bench.ack(3), bench.ack(1));
    expect(ids(bench)).toEqual([5, 1, 2, 3]);
    bench.give(bench.ack(10));
    expect(ids(bench)).toEqual([5, 1, 2, 3, 4, 6, 7, 8, 9, 10]);
  });

  it('drops an acknowledgement of what was never sent (N15)', () => {
    const bench = ten();
    bench.give(bench.ack(11), bench.ack(5, { psn: bench.start + 11 }), bench.ack(-1000), bench.ack(2 ** 31));
    expect(bench.done).toEqual([]);
    expect(bench.drops('ack_range')).toBe(4);
  });

  it('drops an acknowledgement whose semantic header is wrong or cut short (uet:pds/2.18)', () => {
    const bench = ten();
    bench.give(bench.ack(1, { next: NextHeader.REQUEST_STD }), bench.ack(1, { next: NextHeader.RESPONSE }));
    bench.give(bench.ack(1, { ses: responseSes({}) }).slice(0, 20), bench.ack(1).slice(0, 11));
    expect(bench.done).toEqual([]);
    expect([bench.drops('next_header'), bench.drops('short')]).toEqual([3, 1]);
  });

  it('completes nothing for a SACK bit, and asks for the answer instead of sending again (uet:pds/4.6, N16)', () => {
    const bench = ten({ maxRtoRetries: 3 });
    const all = Array.from({ length: 10 }, (_, n) => bench.start + 1 + n);
    bench.give(bench.ack(0, { sack: all }));
    expect(bench.done).toEqual([]);
    const asked = withoutProbes(bench.pass(20 * MS));
    expectSent(
      bench,
      asked,
      all.map((psn) => ({ ...isControl(ControlType.ACK_REQUEST), psn, flags: AR })),
    );
    // a peer that SACKs everything and acknowledges nothing: an end in bounded time, memory is freed
    bench.pass(1_000 * MS);
    expect(bench.done.map(([, status]) => status)).toEqual(Array(10).fill(Status.RETRY_EXC_ERR));
    expect(bench.engine.census()).toMatchObject({ contexts: 0, messages: 0, timers: 0 });
  });

  it('ignores SACK bits for PSNs that are not outstanding', () => {
    const bench = ten();
    bench.give(bench.ack(0, { sackBase: bench.start - 40, sack: [bench.start - 3, bench.start + 15] }));
    bench.give(bench.ack(10));
    expect(ids(bench)).toHaveLength(10);
  });

  it('limits what is sent to CACK + MP_RANGE, as the newest acknowledgement says (uet:pds/4.2, R187)', () => {
    const bench = established({ settings: { ...QUIET, windowPackets: 4096, defaultMpr: 255 } });
    bench.give(bench.ack(0, { mpr: 1 }));
    bench.postWrite(MTU * 1000, 2);
    for (let n = 0; n < 20; n++) {
      const sent = bench.take();
      for (const { psn } of sent) {
        expect(psn - bench.start).toBeLessThanOrEqual(128);
        bench.give(bench.ack(0, { psn })); // acknowledged one by one: CACK does not move
      }
    }
    bench.give(bench.ack(64, { mpr: 2 }));
    let highest = 0;
    for (let n = 0; n < 20; n++) {
      for (const { psn } of bench.take()) {
        highest = Math.max(highest, psn - bench.start);
        bench.give(bench.ack(64, { psn }));
      }
    }
    expect(highest).toBe(64 + 256);
    bench.give(bench.ack(60, { mpr: 255 })); // older: says nothing about the window
    expectSent(bench, bench.take(), []);
  });

  it('treats mpr 0 as 1 (uet:pds/8 D19, N18)', () => {
    const bench = established({ settings: { ...QUIET, windowPackets: 4096 } });
    bench.give(bench.ack(0, { mpr: 0 }));
    bench.postWrite(MTU * 1000, 2);
    let highest = 0;
    for (let n = 0; n < 20; n++) {
      for (const { psn } of bench.take()) {
        highest = Math.max(highest, psn - bench.start);
        bench.give(bench.ack(0, { psn }));
      }
    }
    expect(highest).toBe(128);
  });

  it('resends only what the window allows, when it has shrunk', () => {
    const bench = established({ settings: QUIET });
    bench.postWrite(MTU * 200, 2);
    const first = bench.take().length;
    bench.give(bench.ack(first - 1, { mpr: 8 }));
    bench.take();
    bench.give(bench.ack(first - 1, { mpr: 1 }));
    for (const { psn } of withoutProbes(bench.pass(100 * MS))) {
      expect(psn - bench.start).toBeLessThanOrEqual(first - 1 + 128);
    }
  });

  it('marks the last packet of the last message, and the packet that closes the window, with AR (uet:pds/4.5)', () => {
    const bench = creating({}, 3);
    expect(bench.sent.map(({ flags }) => flags & AR)).toEqual([0, 0, AR]);
    const long = creating({ settings: { windowPackets: 16 } }, 40);
    expect(long.sent.map(({ flags }) => flags & AR)).toEqual([...Array(15).fill(0), AR]);
  });
});
