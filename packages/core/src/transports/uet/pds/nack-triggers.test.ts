import { describe, expect, it } from 'vitest';
import { Packet } from '../../../engine/packet.ts';
import { NackCode, NextHeader } from '../../../wire/uet/pds.ts';
import {
  AR,
  accepted,
  Bench,
  ControlType,
  control,
  expectSent,
  MS,
  MTU,
  nextSes,
  PATH,
  PEER,
  readSes,
  request,
  type Seen,
  START,
  SYN,
  sendSes,
  withoutProbes,
  writeSes,
} from '../rig-packets.testdata.ts';
import { nackRow } from './nacks.ts';
import { MAX_STORED } from './receive-window.ts';

const syn = (more: Partial<Parameters<typeof request>[0]> = {}) => request({ psn: START, flags: SYN | AR, ...more });

function trimmed(bench: Bench, bytes: Uint8Array, trimmedLastHop: boolean): Seen[] {
  const packet = new Packet(bytes.slice(0, 16));
  Object.assign(packet, { length: 16, path: PATH, trimmed: true, trimmedLastHop });
  bench.engine.receive(bench.now, packet);
  return bench.take();
}

/** What makes a destination send each code. @returns what it sent last */
const TRIGGERS: Readonly<Record<number, () => Seen[]>> = {
  [NackCode.TRIMMED]: () => {
    const bench = accepted();
    return trimmed(bench, bench.request(1), false);
  },
  [NackCode.TRIMMED_LASTHOP]: () => trimmed(new Bench(), syn(), true),
  [NackCode.NO_PDC_AVAIL]: () => {
    const bench = new Bench({ settings: { maxTargetContextsPerPeer: 1 } });
    bench.exchange(syn());
    return bench.exchange(syn({ spdcid: 1 }));
  },
  [NackCode.NO_CCC_AVAIL]: () => {
    const bench = new Bench({ settings: { maxCccs: 1 } });
    bench.exchange(syn());
    return bench.exchange(syn({ spdcid: 1 }));
  },
  [NackCode.NO_BITMAP]: () => {
    const bench = new Bench({ settings: { maxBitmaps: 1 } });
    bench.exchange(syn());
    return bench.exchange(syn({ spdcid: 1 }));
  },
  [NackCode.NO_GTD_DEL_AVAIL]: () => {
    const bench = accepted();
    for (let n = 1; n <= MAX_STORED; n++)
      bench.exchange(bench.request(n, { clear: START, ses: readSes(8, { messageId: n }) }));
    return bench.exchange(bench.request(MAX_STORED + 1, { clear: START, ses: readSes(8) }));
  },
  [NackCode.NO_SES_MSG_AVAIL]: () => {
    const bench = accepted({ settings: { maxInboundPerPeer: 16 } });
    const first = (n: number) =>
      bench.request(n, { ses: writeSes({ messageId: n, requestLength: 2 * MTU, eom: 0 }, new Uint8Array(MTU)) });
    for (let n = 1; n <= 16; n++) bench.exchange(first(n));
    return bench.exchange(first(17));
  },
  [NackCode.NO_RESOURCE]: () => {
    const bench = accepted({ settings: { windowPackets: 16, defaultMpr: 1 } });
    let sent: Seen[] = [];
    for (let n = 1; n <= 200 && !sent.some(({ kind }) => kind === 'nack'); n++) {
      sent = bench.exchange(bench.request(n, { ses: readSes(40, { messageId: n }) }));
    }
    return sent;
  },
  [NackCode.PSN_OOR_WINDOW]: () => {
    const bench = accepted();
    return bench.exchange(bench.request(8 * 128 + 1));
  },
  [NackCode.ROD_OOO]: () => {
    const bench = accepted({ ordered: true, settings: { reorderBuffer: 0 } });
    return bench.exchange(bench.request(2));
  },
  [NackCode.INV_DPDCID]: () => new Bench().exchange(request({ psn: START, dpdcid: 9 })),
  [NackCode.PDC_HDR_MISMATCH]: () => {
    const bench = accepted();
    return bench.exchange(bench.request(1, { spdcid: PEER + 1 }));
  },
  [NackCode.CLOSING]: () => {
    const bench = accepted();
    bench.exchange(bench.control(ControlType.CLOSE_COMMAND, { psn: START + 1, flags: AR }));
    return bench.exchange(bench.request(2));
  },
  [NackCode.CLOSING_IN_ERR]: () => {
    const bench = accepted({ settings: { tailLoss: 0 } });
    bench.exchange(bench.request(1, { ses: readSes(40, { messageId: 9 }) }));
    return bench.exchange(bench.control(ControlType.CLOSE_COMMAND, { psn: START + 2, flags: AR }));
  },
  [NackCode.PKT_NOT_RCVD]: () => {
    const bench = accepted();
    return bench.exchange(bench.control(ControlType.ACK_REQUEST, { psn: START + 1 }));
  },
  [NackCode.RCVD_SES_PROCG]: () => {
    const bench = accepted({ ordered: true });
    bench.exchange(bench.request(2));
    return bench.exchange(bench.control(ControlType.ACK_REQUEST, { psn: START + 2 }));
  },
  [NackCode.INVALID_SYN]: () => {
    const bench = accepted();
    return bench.exchange(syn({ psn: START + 7, start: START + 7 }));
  },
  [NackCode.PDC_MODE_MISMATCH]: () => new Bench().exchange(control(ControlType.PROBE, { psn: START, flags: SYN })),
  [NackCode.NEW_START_PSN]: () => new Bench({ settings: { maxUnproven: 0 } }).exchange(syn()),
  [NackCode.UNEXP_EVENT]: () => {
    const bench = accepted();
    return bench.exchange(bench.control(12, { psn: START + 1 }));
  },
  [NackCode.RCVR_INFER_LOSS]: () => {
    const bench = accepted({ settings: { inferLossPackets: 3 } });
    return bench.exchange(...[2, 3, 4, 5].map((n) => bench.request(n, { clear: START })));
  },
};

describe('what makes a destination send a NACK (uet:pds/2.12, R194)', () => {
  for (let code = 0; code < 256; code++) {
    const { name, isSent, trigger } = nackRow(code);
    if (name === 'reserved' && code !== 0) continue;
    const scenario = TRIGGERS[code];
    it(`0x${code.toString(16).padStart(2, '0')} ${name}: ${isSent ? trigger : `never sent, ${trigger}`}`, () => {
      expect(scenario !== undefined).toBe(isSent);
      if (scenario === undefined) return;
      const nacks = scenario().filter(({ kind }) => kind === 'nack');
      expect(nacks).toMatchObject([{ code, next: NextHeader.NONE }]);
    });
  }
});

describe('losses that the destination infers (uet:pds/5.3)', () => {
  it('are said once for a gap, and never of what is held back', () => {
    const bench = accepted({ settings: { inferLossPackets: 2 } });
    const sent = bench.exchange(...[2, 3, 4, 5].map((n) => bench.request(n, { clear: START })));
    const loss = { kind: 'nack', code: NackCode.RCVR_INFER_LOSS } as const;
    expectSent(bench, sent, [{ ...loss, psn: START + 1 }]);
    bench.exchange(bench.request(1));
    // a response that waits for its clear stops CACK: nothing is missing
    const held = accepted({ settings: { inferLossPackets: 2 } });
    held.exchange(held.request(1, { clear: START, ses: readSes(8) }));
    expectSent(held, held.exchange(...[2, 3, 4].map((n) => held.request(n, { clear: START }))), []);
  });
});

describe('answers that must be kept while the store is full (uet:pds/4.3)', () => {
  /** All responses that can be are kept: all but one of reads, and one for each PSN up to MAX_STORED. */
  function full() {
    const bench = accepted();
    bench.node.postReceive(1, bench.node.register(new Uint8Array(4), 0x99), 0, 4, 5);
    for (let n = 1; n <= MAX_STORED; n++)
      bench.exchange(bench.request(n, { clear: START, ses: readSes(8, { messageId: n }) }));
    return bench;
  }
  const noRoom = { kind: 'nack', code: NackCode.NO_GTD_DEL_AVAIL } as const;
  const at = (n: number, ses: Uint8Array, clear = START) => ({ psn: START + n, clear, flags: AR, ses });

  it('a send that would be cut takes its receive once, after the clear, also without a message id', () => {
    for (const messageId of [0, 100]) {
      const bench = full();
      const long = () => sendSes({ messageId }, new Uint8Array(8).fill(7));
      for (let n = 0; n < 2; n++) {
        expectSent(bench, bench.exchange(bench.request(MAX_STORED + 1, at(MAX_STORED + 1, long()))), [
          { ...noRoom, psn: START + MAX_STORED + 1 },
        ]);
        expect(bench.received).toEqual([]);
      }
      const sent = bench.exchange(bench.request(MAX_STORED + 1, at(MAX_STORED + 1, long(), START + MAX_STORED)));
      expectSent(bench, sent, [{ kind: 'ack', psn: START + MAX_STORED + 1, req: 1 }]);
      expect(bench.received).toHaveLength(1);
      expect(bench.census('inbound_messages')).toBe(0);
    }
  });

  it('a refusal and the break of a message under way wait as well, and both come once there is room', () => {
    const bench = full();
    const first = writeSes({ messageId: 100, requestLength: 2 * MTU, eom: 0 }, new Uint8Array(MTU));
    expectSent(bench, bench.exchange(bench.request(MAX_STORED + 1, at(MAX_STORED + 1, first))), [
      { kind: 'ack', psn: START + MAX_STORED + 1 },
    ]);
    const broken = nextSes({ messageId: 100, messageOffset: MTU, requestLength: 99 }, new Uint8Array(MTU));
    const unknown = writeSes({ messageId: 101, memoryKey: 1 });
    expectSent(bench, bench.exchange(bench.request(MAX_STORED + 2, at(MAX_STORED + 2, broken))), [
      { ...noRoom, psn: START + MAX_STORED + 2 },
    ]);
    expectSent(bench, bench.exchange(bench.request(MAX_STORED + 3, at(MAX_STORED + 3, unknown))), [
      { ...noRoom, psn: START + MAX_STORED + 3 },
    ]);
    expectSent(bench, bench.exchange(bench.request(MAX_STORED + 2, at(MAX_STORED + 2, broken, START + MAX_STORED))), [
      { psn: START + MAX_STORED + 2, req: 1 },
    ]);
    expectSent(bench, bench.exchange(bench.request(MAX_STORED + 3, at(MAX_STORED + 3, unknown))), [
      { psn: START + MAX_STORED + 3, req: 1 },
    ]);
  });
});

describe('read data for a peer that has not shown that it hears (N20)', () => {
  const read = () => syn({ ses: readSes(40, { messageId: 9 }) });

  it('waits: a probe asks, any packet that names the context proves', () => {
    const bench = new Bench({ settings: { tailLoss: 0 } });
    const sent = bench.exchange(read());
    expect(sent).toHaveLength(2);
    expect(sent).toContainEqual(expect.objectContaining({ kind: 'ack', psn: START }));
    expect(sent).toContainEqual(expect.objectContaining({ kind: 'control', ctl: ControlType.PROBE }));
    const id = sent[0]!.spdcid;
    const data = bench.exchange(request({ psn: START + 1, dpdcid: id, flags: AR }));
    expect(data.map(({ kind }) => kind).sort()).toEqual(['ack', 'request']);
  });

  it('never sends more than it got to an address that stays silent, and gives up', () => {
    const bench = new Bench({ settings: { tailLoss: 0 } });
    const got = read().length;
    const all = [...bench.exchange(read()), ...bench.pass(5_000 * MS)];
    expect(all.filter(({ kind }) => kind === 'request')).toEqual([]);
    // an acknowledgement of 24 bytes, and probes of 16
    expect(24 + (all.length - 1) * 16).toBeLessThanOrEqual(3 * got);
    expect(bench.states).toEqual([]);
  });

  it('can be switched off', () => {
    const bench = new Bench({ settings: { proveFirst: 0, tailLoss: 0 } });
    expect(
      bench
        .exchange(read())
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual(['ack', 'request']);
  });
});

describe('Negotiation (uet:pds/2.13, uet:pds/8 D32)', () => {
  const SETTINGS = { negotiate: 1, tailLoss: 0 };

  it('opens a context before anything else when there is something to negotiate; work follows the answer', () => {
    for (const ordered of [false, true]) {
      const bench = new Bench({ ordered, settings: SETTINGS });
      bench.postWrite(8, 1);
      const sent = bench.take();
      const isrod = ordered ? 0x20 : 0;
      expectSent(bench, sent, [{ kind: 'control', ctl: ControlType.NEGOTIATION, flags: SYN | AR | isrod }]);
      Object.assign(bench, { id: sent[0]!.spdcid, start: sent[0]!.psn });
      bench.give(bench.ack(0));
      expectSent(bench, bench.take(), [{ kind: 'request', psn: bench.start + 1, flags: AR, dpdcid: PEER }]);
    }
  });

  it('does without where the peer takes none, from then on', () => {
    const bench = new Bench({ settings: SETTINGS });
    bench.postWrite(8, 1);
    const [sent] = bench.take();
    Object.assign(bench, { id: sent!.spdcid, start: sent!.psn });
    bench.give(bench.nack(NackCode.UNEXP_EVENT, 0, { spdcid: 0 }));
    expectSent(bench, bench.take(), [{ kind: 'request', flags: SYN | AR }]);
    expect(bench.done).toEqual([]);
  });

  it('is repeated with SYN until it is answered', () => {
    const bench = new Bench({ settings: SETTINGS });
    bench.postWrite(8, 1);
    const [first] = bench.take();
    const [again] = withoutProbes(bench.pass(20 * MS));
    expect(again).toMatchObject({ ctl: ControlType.NEGOTIATION, psn: first!.psn, spdcid: first!.spdcid });
  });

  it('of two engines leads to work on both sides', () => {
    const bench = new Bench({ settings: SETTINGS });
    bench.rig.b.engine.addJob(7);
    bench.rig.b.addQueuePair(1);
    bench.rig.b.register(new Uint8Array(64), 0x1234);
    bench.postWrite(8, 1);
    bench.rig.run({ until: () => bench.done.length > 0 });
    expect(bench.done).toEqual([[1, 0]]);
  });
});
