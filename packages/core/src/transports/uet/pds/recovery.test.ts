import { describe, expect, it } from 'vitest';
import { Status } from '../../../engine/status.ts';
import { NackCode, NextHeader } from '../../../wire/uet/pds.ts';
import {
  AR,
  accepted,
  type Bench,
  type BenchOptions,
  ControlType,
  creating,
  dataSes,
  established,
  expectSent,
  fill,
  isControl,
  MS,
  PATH,
  PEER,
  RETX,
  readSes,
  START,
  SYN,
  withoutProbes,
} from '../rig-packets.testdata.ts';
import { NACK_EFFECTS, nackRow } from './nacks.ts';

const QUIET = { tailLoss: 0 };
const sentOf = (bench: Bench, time: number) => withoutProbes(bench.pass(time)).map(({ psn }) => psn - bench.start);

/** An established context with `count` writes of one packet each out: PSNs `start` + 1 and on. */
function busy(count: number, options: BenchOptions = {}) {
  const bench = established({ ...options, settings: { ...QUIET, ...options.settings } });
  for (let id = 1; id <= count; id++) bench.postWrite(8, id);
  expect(bench.take()).toHaveLength(count);
  return bench;
}

describe('retransmission time-out (uet:pds/5.1, R190)', () => {
  it('doubles for the same packet, and the flags say so', () => {
    const bench = busy(1);
    const times: number[] = [];
    const start = bench.now;
    for (let n = 0; n < 320; n++) {
      for (const packet of withoutProbes(bench.pass(MS))) {
        expect(packet).toMatchObject({ psn: bench.start + 1, flags: RETX | AR, clear: bench.start, dpdcid: PEER });
        times.push(Math.round((bench.now - start) / MS));
      }
    }
    expect(times).toEqual([20, 60, 140, 300]);
  });

  it('never waits more than 8 s', () => {
    const bench = busy(1, { settings: { maxRtoRetries: 15, rtoInit: 1_000 * MS } });
    expect(sentOf(bench, 15_100 * MS)).toEqual([1, 1, 1, 1]);
    expect(sentOf(bench, 16_000 * MS)).toEqual([1, 1]);
  });

  it('sends Max_RTO_Retx_Cnt repetitions, then reports every message once (uet:pds/5.6)', () => {
    const bench = busy(3, { settings: { maxRtoRetries: 2 } });
    expect(sentOf(bench, 1_000 * MS).filter((n) => n === 1)).toEqual([1, 1]);
    expect(bench.done).toEqual([1, 2, 3].map((id) => [id, Status.RETRY_EXC_ERR]));
    expect(bench.engine.census()).toMatchObject({ contexts: 0, messages: 0, timers: 0 });
  });

  it('starts anew with progress', () => {
    const bench = busy(2);
    sentOf(bench, 59 * MS);
    bench.give(bench.ack(1));
    expect(sentOf(bench, 19 * MS)).toEqual([]);
    expect(sentOf(bench, MS)).toEqual([2]);
  });

  it('ordered: sends from the first missing packet on', () => {
    const bench = busy(3, { ordered: true });
    bench.give(bench.ack(1));
    expect(new Set(sentOf(bench, 61 * MS))).toEqual(new Set([2, 3]));
  });
});

describe('losses inferred from SACK (uet:pds/5.3)', () => {
  it('sends a packet again once enough later ones have arrived, and only that', () => {
    const bench = busy(10, { settings: { reorderPackets: 4 } });
    const sack = (...offsets: number[]) => bench.ack(0, { sack: offsets.map((n) => bench.start + n) });
    bench.give(sack(2, 3, 4));
    expectSent(bench, bench.take(), []);
    bench.give(sack(2, 3, 4, 5));
    expectSent(bench, bench.take(), [{ psn: bench.start + 1, flags: RETX | AR }]);
    bench.give(sack(2, 3, 4, 5, 6));
    expectSent(bench, bench.take(), []); // it is on its way
  });

  it('tail loss: asks by a probe what arrived, and sends only what is missing', () => {
    const bench = busy(3, { settings: { tailLoss: 2 * MS } });
    const [probe] = bench.pass(2 * MS);
    expect(probe).toMatchObject({ ...isControl(ControlType.PROBE), psn: 0, payload: bench.start + 1, flags: AR });
    const answer = (sack: number[]) =>
      bench.ack(0, { flags: 0x08, opaque: probe!.opaque!, sackBase: bench.start + 1, sack });
    bench.give(answer([bench.start + 2]));
    expect(withoutProbes(bench.take()).map(({ psn }) => psn - bench.start)).toEqual([1, 3]);
    expect(bench.done).toEqual([]); // a probe's answer acknowledges nothing
  });

  it('ends in bounded time when probes are answered and data never arrives (Max_Tail_Loss_Retx)', () => {
    const bench = busy(1, { settings: { tailLoss: 2 * MS } });
    let sent = 0;
    for (let n = 0; n < 4_000 && bench.done.length === 0; n++) {
      for (const packet of bench.pass(MS)) {
        sent++;
        if (packet.ctl !== ControlType.PROBE) continue;
        const sack = [] as number[];
        bench.give(bench.ack(0, { flags: 0x08, opaque: packet.opaque!, sackBase: bench.start + 1, sack }));
      }
    }
    expect(bench.done).toEqual([[1, Status.RETRY_EXC_ERR]]);
    expect(sent).toBeLessThan(60);
  });
});

describe('ordered delivery: go-back-N (uet:pds/5.4)', () => {
  it('a destination that keeps nothing sends one NACK for a gap, and another when that may be lost', () => {
    const bench = accepted({ ordered: true, settings: { reorderBuffer: 0 } });
    const gap = { kind: 'nack', code: NackCode.ROD_OOO, payload: START + 1 } as const;
    expectSent(bench, bench.exchange(bench.request(2), bench.request(3)), [{ ...gap, psn: START + 2 }]);
    expectSent(bench, bench.exchange(bench.request(4)), []);
    bench.pass(MS);
    expectSent(bench, bench.exchange(bench.request(5)), [{ ...gap, psn: START + 5 }]);
    expectSent(bench, bench.exchange(bench.request(1, { flags: AR })), [{ kind: 'ack', psn: START + 1 }]);
    expectSent(bench, bench.exchange(bench.request(3)), [{ ...gap, psn: START + 3, payload: START + 2 }]);
  });

  it('the source sends everything again from the expected PSN', () => {
    const bench = busy(5, { ordered: true });
    bench.give(bench.ack(1), bench.nack(NackCode.ROD_OOO, 4, { payload: bench.start + 3 }));
    expectSent(
      bench,
      bench.take(),
      [3, 4, 5].map((n) => ({ psn: bench.start + n, flags: RETX | AR })),
    );
  });

  it('ignores an expected PSN that was never sent', () => {
    const bench = busy(3, { ordered: true });
    bench.give(bench.nack(NackCode.ROD_OOO, 2, { payload: bench.start + 50 }));
    expectSent(bench, bench.take(), []);
    expect(bench.drops('nack_range')).toBe(1);
  });
});

/** A NACK of a start means something before the first answer only. */
function expectOnlyAtStart(code: number, reaction: 'restart' | 'renumber'): void {
  const late = busy(2);
  late.give(late.nack(code, 1, { payload: late.start + 1000 }));
  expectSent(late, late.pass(15 * MS), []);
  expect(late.drops('nack_code')).toBe(1);
  const bench = creating({ settings: QUIET }, 3);
  bench.give(bench.nack(code, 0, { spdcid: 0, payload: 0xffff_fffe }));
  const now = bench.take();
  if (reaction === 'restart') {
    expect(now[0]).toMatchObject({ flags: SYN });
    expect(now[0]!.spdcid).not.toBe(bench.id);
    return;
  }
  const again = { kind: 'request', flags: SYN | RETX | AR, start: 0xffff_fffe, spdcid: bench.id } as const;
  expectSent(
    bench,
    now,
    [0xffff_fffe, 0xffff_ffff, 0].map((psn) => ({ ...again, psn })),
  );
  expect(now.map(({ data }) => data)).toEqual(bench.sent.map(({ data }) => data));
  bench.give(bench.ack(0, { cack: 0 }));
  expect(bench.done).toEqual([[1, 0]]);
}

describe('NACK codes (uet:pds/2.12, R194)', () => {
  const codes = Array.from({ length: 256 }, (_, code) => code);

  for (const code of codes) {
    const { reaction, name } = nackRow(code);
    if (name === 'reserved' && code > 0x1c) continue; // one range, see below
    it(`0x${code.toString(16).padStart(2, '0')} ${name}: ${reaction}`, () => {
      if (reaction === 'restart' || reaction === 'renumber') return expectOnlyAtStart(code, reaction);
      const bench = busy(2, { ordered: reaction === 'goBack' });
      bench.give(bench.nack(code, 1, { payload: bench.start + 1 }));
      const now = bench.take();
      const repeated = { psn: bench.start + 1, flags: RETX | AR };
      switch (reaction) {
        case 'resendNow':
        case 'repeatRead':
          return expectSent(bench, now, [repeated]);
        case 'goBack':
          return expectSent(bench, now, [repeated, { psn: bench.start + 2, flags: RETX | AR }]);
        case 'resend':
          expectSent(bench, now, []);
          expectSent(bench, bench.pass(MS - 1), []);
          expectSent(bench, bench.pass(1), [repeated]);
          bench.give(bench.nack(code, 1));
          expectSent(bench, bench.pass(2 * MS - 1), []); // doubled
          return expectSent(bench, bench.pass(1), [repeated]);
        case 'reopen':
          // the refused message goes to a new context; of the other nobody knows whether it was executed
          expect(now).toMatchObject([{ kind: 'request', flags: SYN | AR }]);
          return expect(bench.done).toEqual([[2, NACK_EFFECTS.reopen.status]]);
        case 'fail':
          expectSent(bench, now, []);
          return expect(bench.done).toEqual([1, 2].map((id) => [id, NACK_EFFECTS.fail.status]));
        case 'later':
          bench.pass(10 * MS);
          bench.give(bench.nack(code, 1));
          expectSent(bench, bench.pass(19 * MS), []); // the time-out starts again
          return expect(sentOf(bench, 2 * MS)).toContain(1);
        case 'ignore':
          expectSent(bench, now, []);
          return expect(bench.drops('nack_code')).toBe(1);
      }
    });

    it(`0x${code.toString(16).padStart(2, '0')} ${name}: no effect from elsewhere, or for what is not outstanding`, () => {
      const bench = busy(2);
      bench.give(bench.ack(1));
      bench.rig.deliver(bench.node, bench.nack(code, 2, { payload: bench.start + 2 }), PATH + 1);
      bench.give(bench.nack(code, 1), bench.nack(code, 3), bench.nack(code, -5), bench.nack(code, 2, { nt: 1 }));
      bench.give(bench.nack(code, 2, { spdcid: PEER + 1 }), bench.nack(code, 2, { dpdcid: bench.id ^ 1 }));
      expectSent(bench, bench.take(), []);
      expect(bench.states).toEqual(['ESTABLISHED']);
      expectSent(bench, bench.pass(15 * MS), []);
      expect(bench.done).toEqual([[1, 0]]);
    });
  }

  it('ignores all reserved codes', () => {
    const bench = busy(1);
    const reserved = codes.filter((code) => nackRow(code).name === 'reserved');
    expect(reserved).toEqual([0, 0x0c, ...codes.slice(0x1b, 0xfd)]);
    for (const code of reserved) bench.give(bench.nack(code, 1));
    expectSent(bench, bench.pass(19 * MS), []);
    expect(bench.done).toEqual([]);
  });

  it('fails after Max_NACK_Retx_Cnt refusals of one packet, each message once', () => {
    const bench = busy(2, { settings: { maxNackRetries: 3 } });
    for (let n = 0; n < 3; n++) {
      bench.give(bench.nack(NackCode.TRIMMED, 1));
      expect(bench.take()).toHaveLength(1);
    }
    bench.give(bench.nack(NackCode.TRIMMED, 1));
    expect(bench.done).toEqual([1, 2].map((id) => [id, Status.RETRY_EXC_ERR]));
  });
});

describe('moving a message to another context (uet:pds/5.6, uet:pds/8 D33)', () => {
  const contexts = (bench: Bench) => bench.take().filter(({ flags }) => (flags & SYN) !== 0);

  it('moves what was refused at its first and only copy', () => {
    const bench = busy(1);
    bench.give(bench.nack(NackCode.INV_DPDCID, 1, { spdcid: 0 }));
    expect(contexts(bench)).toMatchObject([{ data: [...fill(8)] }]);
    expect(bench.done).toEqual([]);
  });

  it('does not move what was sent twice: the first copy may have been executed', () => {
    const bench = busy(1);
    bench.pass(20 * MS);
    bench.give(bench.nack(NackCode.INV_DPDCID, 1, { spdcid: 0 }));
    expect(contexts(bench)).toEqual([]);
    expect(bench.done).toEqual([[1, Status.REM_OP_ERR]]);
  });

  it('does not move another message that was sent: its answer may be lost', () => {
    const bench = busy(2);
    bench.give(bench.nack(NackCode.INV_DPDCID, 2, { spdcid: 0 }));
    expect(contexts(bench)).toHaveLength(1);
    expect(bench.done).toEqual([[1, Status.REM_OP_ERR]]);
  });

  it('moves what had not been sent yet', () => {
    const bench = established({ settings: { ...QUIET, windowPackets: 16 } });
    for (let id = 1; id <= 20; id++) bench.postWrite(8, id);
    expect(bench.take()).toHaveLength(16);
    bench.give(bench.nack(NackCode.INV_DPDCID, 16, { spdcid: 0 }));
    const moved = contexts(bench);
    expect(moved.map(({ data }) => data![0])).toEqual([16, 17, 18, 19, 20]);
    expect(bench.done.map(([id]) => id)).toEqual(Array.from({ length: 15 }, (_, n) => n + 1));
  });

  it('does not move what the peer has begun to acknowledge', () => {
    const bench = established({ settings: QUIET });
    bench.postWrite(200, 1);
    bench.take();
    bench.give(bench.ack(1), bench.nack(NackCode.INV_DPDCID, 2, { spdcid: 0 }));
    expect(contexts(bench)).toEqual([]);
    expect(bench.done).toEqual([[1, Status.REM_OP_ERR]]);
  });
});

describe('return direction', () => {
  it('sends read data again like any other packet', () => {
    const bench = accepted({ settings: QUIET });
    const sent = bench.exchange(bench.request(1, { flags: AR, ses: readOf(40) }));
    const data = sent.find(({ kind }) => kind === 'request')!;
    expect(data).toMatchObject({ psn: START, next: NextHeader.RESPONSE_DATA, data: [...bench.memory.subarray(0, 40)] });
    const again = withoutProbes(bench.pass(20 * MS));
    expectSent(bench, again, [{ psn: START, flags: RETX | AR, data: data.data! }]);
    bench.give(bench.ack(0));
    expectSent(bench, bench.pass(100 * MS), []);
  });

  it('takes read data once and drops what fits no read', () => {
    const bench = established({ settings: QUIET });
    const into = bench.postRead(40, 2);
    const [read] = bench.take();
    bench.give(bench.ack(1));
    const id = read!.ses!.messageId as number;
    const give = (n: number, more: object, payload = fill(40)) =>
      bench.exchange(
        bench.request(n, {
          flags: AR,
          next: NextHeader.RESPONSE_DATA,
          ses: dataSes({ readRequestMessageId: id, ...more }, payload),
        }),
      );
    expect(give(0, { readRequestMessageId: id + 1 })).toMatchObject([{ kind: 'ack' }]);
    expect(give(1, { messageOffset: 64 })).toMatchObject([{ kind: 'ack' }]);
    expect(give(2, {}, fill(41))).toMatchObject([{ kind: 'ack' }]);
    expect(bench.drops('response')).toBe(3);
    expect(bench.done).toEqual([]);
    give(3, {});
    expect(bench.done).toEqual([[2, 0]]);
    give(3, {}, fill(40, 9));
    expect([...into]).toEqual([...fill(40)]);
  });
});

const readOf = (length: number) => readSes(length, { messageId: 9 });
