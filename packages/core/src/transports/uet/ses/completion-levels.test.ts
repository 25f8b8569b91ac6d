import { describe, expect, it } from 'vitest';
import { Status, WorkOpcode } from '../../../engine/status.ts';
import { EngineRig } from '../../../testing/engine-rig.ts';
import { byteLength } from '../../../wire/header.ts';
import { emit } from '../../../wire/record.ts';
import {
  RequestReadyToRestart,
  ResponseList,
  ReturnCode,
  SesOpcode,
  SesResponseOpcode,
} from '../../../wire/uet/ses.ts';
import { uet } from '../index.ts';
import {
  AR,
  accepted,
  type Bench,
  decode,
  established,
  fill,
  JOB,
  KEY,
  MS,
  MTU,
  nextSes,
  request,
  responseSes,
  type Seen,
  START,
  SYN,
  sendSes,
  writeSes,
} from '../rig-packets.testdata.ts';

const QUIET = { settings: { tailLoss: 0 } };
const requests = (sent: readonly Seen[]) => sent.filter(({ kind }) => kind === 'request');

function post(bench: Bench, fields: object, length = 8): void {
  const region = bench.node.register(fill(length, 9), 0x9000 + bench.node.regions.length);
  bench.node.post(1, { region, length, rkeyLo: KEY, wrIdLo: 2, ...fields });
  bench.engine.doorbell(bench.now, 1);
}

describe('delivery complete (uet:ses/2.8, uet:ses/3.14)', () => {
  for (const opcode of [
    'SEND',
    'SEND_WITH_IMM',
    'TAGGED_SEND',
    'RDMA_WRITE',
    'RDMA_WRITE_WITH_IMM',
    'RDMA_READ',
  ] as const) {
    it(`${opcode}: dc stands in each packet, and not unless it was asked for`, () => {
      for (const deliveryComplete of [true, false]) {
        const bench = established(QUIET);
        post(bench, { opcode: WorkOpcode[opcode], deliveryComplete }, 3 * MTU);
        const sent = requests(bench.take());
        expect(sent).toHaveLength(3);
        expect(sent.map(({ ses }) => ses!.dc)).toEqual(Array(3).fill(deliveryComplete ? 1 : 0));
      }
    });
  }

  it('a write with notice is E5 byte for byte but for numbers that differ', () => {
    const bench = established(QUIET);
    const more = {
      opcode: WorkOpcode.RDMA_WRITE_WITH_IMM,
      deliveryComplete: true,
      immLo: 0xdead_beef,
      remoteOffsetLo: 0x1000,
    };
    post(bench, more);
    expect(requests(bench.take())).toMatchObject([
      { ses: { opcode: 1, dc: 1, rel: 1, hd: 1, eom: 1, som: 1, headerData: 0xdead_beefn, bufferOffset: 0x1000n } },
    ]);
  });

  // a packet is answered after it was placed, so no answer, coalesced or not, comes too early: memory shows it
  it('the answer comes when the data is in memory, also one that covers several packets at once', () => {
    const bench = accepted();
    const content = fill(3 * MTU, 4);
    const piece = (n: number) => content.slice(n * MTU, (n + 1) * MTU);
    const all = { dc: 1, requestLength: content.length };
    bench.give(
      bench.request(2, { ses: nextSes({ ...all, messageOffset: MTU }, piece(1)) }),
      bench.request(1, { ses: writeSes({ ...all, eom: 0 }, piece(0)) }),
    );
    const early = [...bench.take(), ...bench.pass(MS)].filter(({ kind }) => kind === 'ack');
    for (const { cack } of early) {
      const placed = ((cack! - START) | 0) * MTU;
      expect([...bench.memory.subarray(0, placed)]).toEqual([...content.subarray(0, placed)]);
    }
    const [last] = bench.exchange(
      bench.request(3, { flags: AR, ses: nextSes({ ...all, messageOffset: 2 * MTU, eom: 1 }, piece(2)) }),
    );
    expect(last).toMatchObject({ cack: START + 3, ses: { opcode: SesResponseOpcode.DEFAULT_RESPONSE, returnCode: 1 } });
    expect([...bench.memory.subarray(0, content.length)]).toEqual([...content]);
  });

  it('a message that is kept counts as delivered (libfabric fi_cq)', () => {
    const rig = new EngineRig(uet, { payloadMtu: MTU });
    for (const node of [rig.a, rig.b]) {
      node.engine.addJob(JOB);
      node.addQueuePair(1, { matching: true });
    }
    const region = rig.a.register(fill(8), 1);
    rig.a.post(1, { opcode: WorkOpcode.SEND, region, length: 8, deliveryComplete: true, wrIdLo: 5 });
    rig.a.engine.doorbell(rig.now, 1);
    rig.run({ forNanos: 10 * MS });
    expect(rig.a.completions.map(({ wrIdLo, status }) => [wrIdLo, status])).toEqual([[5, 0]]);
  });
});

describe('match complete (uet:ses/3.14)', () => {
  it('an answer from the other list does not do; an endpoint that kept the message will never tell', () => {
    const bench = established(QUIET);
    post(bench, { opcode: WorkOpcode.SEND, matchComplete: true });
    expect(requests(bench.take())).toMatchObject([{ ses: { opcode: SesOpcode.DEFERRABLE_SEND } }]);
    bench.give(
      bench.ack(1, { req: 1, ses: responseSes({ list: ResponseList.OVERFLOW, returnCode: 1, modifiedLength: 8 }) }),
    );
    expect(bench.done).toEqual([[2, Status.BAD_RESP_ERR]]);
  });

  it('a write or read has no match, and completes as delivered', () => {
    for (const opcode of [WorkOpcode.RDMA_WRITE, WorkOpcode.RDMA_READ]) {
      const bench = established(QUIET);
      post(bench, { opcode, matchComplete: true }, 0);
      bench.take();
      bench.give(bench.ack(1));
      expect(bench.done).toEqual([[2, 0]]);
    }
  });

  it('without it, what went to the unexpected list is done (uet:ses/3.4)', () => {
    const bench = established(QUIET);
    post(bench, { opcode: WorkOpcode.TAGGED_SEND });
    bench.take();
    bench.give(
      bench.ack(1, { req: 1, ses: responseSes({ list: ResponseList.OVERFLOW, returnCode: 1, modifiedLength: 8 }) }),
    );
    expect(bench.done).toEqual([[2, 0]]);
  });
});

describe('ready to restart, as others send it (uet:ses/3.5, uet:ses/9 D-2)', () => {
  const rtr = (initiatorToken: number, targetToken: number, more: object = {}): Uint8Array => {
    const view = new DataView(new ArrayBuffer(byteLength(RequestReadyToRestart)));
    emit(RequestReadyToRestart, view, 0, {
      ...{ opcode: SesOpcode.DEFERRABLE_RTR, rel: 1, som: 1, eom: 1, messageId: 7, jobId: JOB },
      ...{ initiatorToken, targetToken, initiator: 9, ...more },
    });
    return new Uint8Array(view.buffer);
  };
  /** A message of 3 packets was put off; its token. */
  const deferred = () => {
    const bench = established({ settings: { tailLoss: 0, deferAbove: 8 } });
    post(bench, { opcode: WorkOpcode.SEND }, 3 * MTU);
    const [first] = requests(bench.take());
    const off = responseSes({ list: ResponseList.OVERFLOW, returnCode: 1, modifiedLength: 0, messageId: 1 });
    bench.give(bench.ack(1, { req: 1, ses: off }), bench.ack(3));
    expect(bench.census('deferred_sends')).toBe(1);
    return { bench, token: Number((first!.ses!.bufferOffset as bigint) >> 32n) };
  };
  const call = (bench: Bench, ses: Uint8Array, n = 0) =>
    bench
      .exchange(request({ psn: START + n, flags: SYN | AR, spdcid: 0x55, ses }))
      .filter(({ kind }) => kind !== 'control');

  for (const [name, swapped] of [
    ['in the order of the specification (E13)', false],
    ['the other way round', true],
  ] as const) {
    it(`takes the tokens ${name}`, () => {
      const { bench, token } = deferred();
      expect(token).toBeGreaterThan(0);
      const sent = call(bench, swapped ? rtr(0xbb00_0002, token) : rtr(token, 0xbb00_0002));
      expect(sent.find(({ kind }) => kind === 'ack')!.ses).toMatchObject({ opcode: 0, returnCode: 1 });
      const again = requests(sent);
      const tokens = (BigInt(token) << 32n) | 0xbb00_0002n;
      expect(again.map(({ ses }) => ses!.bufferOffset)).toEqual(Array(3).fill(tokens));
      expect(again[0]!.ses).toMatchObject({ opcode: SesOpcode.DEFERRABLE_SEND, som: 1, requestLength: 3 * MTU });
      bench.give(bench.ack(6));
      expect(bench.done).toEqual([[2, 0]]);
      expect(bench.census('messages')).toBe(0);
    });
  }

  it('does not look at process and index, which other senders leave at 0', () => {
    const { bench, token } = deferred();
    const sent = call(bench, rtr(token, 5, { pidOnFep: 77, resourceIndex: 99 }));
    expect(requests(sent)).toHaveLength(3);
  });

  it('answers one that names no message of that peer with CANCELLED, and nothing starts', () => {
    const { bench, token } = deferred();
    const sent = call(bench, rtr(token + 1, 5));
    expect(sent).toMatchObject([{ kind: 'ack', req: 1, ses: { opcode: 1, returnCode: ReturnCode.CANCELLED } }]);
    const bytes = request({ psn: START, flags: SYN | AR, spdcid: 0x56, ses: rtr(token, 5) });
    bench.rig.deliver(bench.node, bytes, 2); // another peer that has seen the token
    expect(requests(bench.take())).toEqual([]);
    expect(bench.census('deferred_sends')).toBe(1);
  });

  it('refuses another version', () => {
    const { bench, token } = deferred();
    expect(call(bench, rtr(token, 5, { ver: 1 }))).toMatchObject([{ ses: { returnCode: ReturnCode.UNCOR } }]);
    expect(bench.census('deferred_sends')).toBe(1);
  });
});

describe('generations of a resource index (uet:ses/1.1, uet:ses/3.4)', () => {
  for (const [name, rel, qpn] of [
    ['relative', 1, (1 << 12) | 1],
    ['absolute', 0, 0x8000_0000 + (1 << 12) + 1],
  ] as const) {
    it(`${name}: an ordered endpoint that opens again has another one, which wraps at 256`, () => {
      const bench = accepted({ ordered: true });
      bench.node.addQueuePair(2, { ordered: true, qpn: qpn + (1 << 12) });
      let n = 0;
      const send = (riGeneration: number) => {
        n++;
        const ses = sendSes({ rel, resourceIndex: 2, messageId: n, riGeneration });
        return bench.exchange(bench.request(n, { flags: AR, clear: START + n - 1, ses }))[0]!.ses!;
      };
      for (let generation = 0; generation < 258; generation++) {
        expect(send(generation & 0xff)).toMatchObject({
          returnCode: ReturnCode.DISABLED_GEN,
          riGeneration: generation & 0xff,
        });
        bench.node.postReceive(2, bench.memoryRegion, 0, 100, generation);
        bench.engine.doorbell(bench.now, 2);
        const next = (generation + 1) & 0xff;
        expect(send(generation & 0xff)).toMatchObject({ returnCode: ReturnCode.BAD_GENERATION, riGeneration: next });
        expect(send(next)).toMatchObject({ opcode: SesResponseOpcode.DEFAULT_RESPONSE, returnCode: ReturnCode.OK });
      }
    });
  }

  it('access to memory knows no generation: any will do', () => {
    const bench = accepted();
    const sent = bench.exchange(bench.request(1, { flags: AR, ses: writeSes({ riGeneration: 77 }) }));
    expect(sent[0]!.ses).toMatchObject({ returnCode: ReturnCode.OK });
  });
});

describe('relative and absolute addresses through each operation (uet:ses/1.2)', () => {
  for (const absolute of [false, true]) {
    it(`${absolute ? 'absolute' : 'relative'}: sends, tagged sends, writes, reads, with data for the program where it can be`, () => {
      const rig = new EngineRig(uet, { payloadMtu: MTU, settings: { deferAbove: 300 } });
      const qpn = (absolute ? 0x8000_0000 : 0) + (1 << 12) + 1;
      for (const node of [rig.a, rig.b]) {
        node.engine.addJob(JOB);
        node.addQueuePair(1, { matching: true, qpn, jobId: absolute ? 0 : JOB });
      }
      const memory = fill(4096, 7);
      rig.b.register(memory, KEY);
      const inbox = rig.b.register(new Uint8Array(8192), 0x99);
      const { SEND, SEND_WITH_IMM, TAGGED_SEND, TAGGED_SEND_WITH_IMM, RDMA_WRITE, RDMA_WRITE_WITH_IMM, RDMA_READ } =
        WorkOpcode;
      const kinds = [
        SEND,
        SEND_WITH_IMM,
        TAGGED_SEND,
        TAGGED_SEND_WITH_IMM,
        RDMA_WRITE,
        RDMA_WRITE_WITH_IMM,
        RDMA_READ,
      ];
      const seen = new Set<number>();
      let id = 0;
      for (const opcode of kinds) {
        for (const length of [8, 3 * MTU, 400]) {
          const region = rig.a.register(fill(length, id), 0x100 + id);
          const isTagged = opcode === TAGGED_SEND || opcode === TAGGED_SEND_WITH_IMM;
          const rkeyLo = isTagged ? 0x77 : KEY;
          rig.a.post(1, { opcode, region, length, wrIdLo: id, rkeyLo, remoteQpn: qpn | 0, immLo: id, immHi: 1 });
          rig.a.engine.doorbell(rig.now, 1);
          if (opcode === SEND || opcode === SEND_WITH_IMM || isTagged) {
            rig.b.postReceive(1, inbox, 0, 1000, id);
            const work = rig.b.receives.get(1)!.at(-1)!;
            work.tagged = isTagged;
            work.tagLo = 0x77;
            rig.b.engine.doorbell(rig.now, 1);
          }
          rig.run({
            forNanos: 20 * MS,
            lose: ({ to, bytes }) => {
              const { kind, ses, next } = decode(bytes);
              if (to === rig.b && kind === 'request' && next <= 3) seen.add(ses!.rel as number);
              return false;
            },
          });
          const sent = rig.a.completions.find((one) => !one.receive && one.wrIdLo === id)!;
          expect([opcode, length, sent?.status]).toEqual([opcode, length, 0]);
          const hasData = opcode === SEND_WITH_IMM || opcode === TAGGED_SEND_WITH_IMM || opcode === RDMA_WRITE_WITH_IMM;
          if (hasData) expect(rig.b.completions.at(-1)).toMatchObject({ hasImm: true, immLo: id, immHi: 1, status: 0 });
          id++;
        }
      }
      expect([...seen]).toEqual([absolute ? 0 : 1]);
    });
  }
});
