import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../base/random.ts';
import { CompletionOpcode, Status, WorkOpcode } from '../../../engine/status.ts';
import { ReceiveOp, ReceiveWork } from '../../../engine/work.ts';
import { EngineRig, type RigNode, type RigPacket } from '../../../testing/engine-rig.ts';
import { byteLength } from '../../../wire/header.ts';
import { extract } from '../../../wire/record.ts';
import { NextHeader, PdsRequest } from '../../../wire/uet/pds.ts';
import { RendezvousExtension, RequestStd, ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import { uet } from '../index.ts';
import {
  AR,
  accepted,
  decode,
  fill,
  JOB,
  MS,
  MTU,
  mediumSes,
  type Seen,
  START,
  writeSes,
} from '../rig-packets.testdata.ts';

const S = 1000 * MS;
const EAGER = MTU - byteLength(RendezvousExtension);

class Pair {
  readonly rig: EngineRig;
  readonly a: RigNode;
  readonly b: RigNode;
  readonly inbox = new Uint8Array(64 * 1024);
  readonly inboxRegion: number;
  readonly log: (Seen & { readonly bytes: Uint8Array; readonly fromA: boolean })[] = [];
  lose: (seen: Seen, fromA: boolean) => boolean = () => false;

  constructor(options: { ordered?: boolean; matching?: boolean; seed?: number; settings?: object } = {}) {
    const { ordered = false, matching = true, seed = 1 } = options;
    const settings = { rendezvousAbove: 200, rendezvousTimeout: S, tailLoss: 0, maxRnrRetries: 3, ...options.settings };
    this.rig = new EngineRig(uet, { seed, payloadMtu: MTU, settings });
    this.a = this.rig.a;
    this.b = this.rig.b;
    for (const node of [this.a, this.b]) {
      node.engine.addJob(JOB);
      node.addQueuePair(1, { ordered, matching });
    }
    this.inboxRegion = this.b.register(this.inbox, 1);
  }

  send(id: number, length: number, more: object = {}, tag?: number): number {
    const opcode = tag === undefined ? WorkOpcode.SEND : WorkOpcode.TAGGED_SEND;
    const region = this.a.register(fill(length, id), 1000 + id);
    this.a.post(1, { opcode, region, length, wrIdLo: id, rkeyLo: tag ?? 0, ...more });
    this.a.engine.doorbell(this.rig.now, 1);
    return region;
  }

  receive(id: number, offset: number, length: number, more: Partial<ReceiveWork> = {}): void {
    const work = Object.assign(new ReceiveWork(), { wrIdLo: id, length, ...more });
    // in two pieces, so that what is read goes to both
    const half = length >> 1;
    if (half > 0) work.segments.add(this.inboxRegion, offset, half);
    if (length > 0) work.segments.add(this.inboxRegion, offset + half, length - half);
    this.b.receives.get(1)!.push(work);
    this.b.engine.doorbell(this.rig.now, 1);
  }

  run(forNanos = 50 * MS): void {
    this.rig.run({ forNanos, lose: (packet) => this.#passes(packet) });
  }

  #passes(packet: RigPacket): boolean {
    const seen = decode(packet.bytes);
    const fromA = packet.to === this.b;
    this.log.push({ ...seen, bytes: packet.bytes.slice(), fromA });
    return this.lose(seen, fromA);
  }

  requests(opcode: number) {
    return this.log.filter(({ kind, ses, next }) => kind === 'request' && next <= 3 && ses?.opcode === opcode);
  }

  get sent(): [number, number][] {
    return this.a.completions.filter(({ receive }) => !receive).map(({ wrIdLo, status }) => [wrIdLo, status]);
  }

  get received(): [number, number, number][] {
    return this.b.completions
      .filter(({ receive }) => receive)
      .map(({ wrIdLo, status, byteLength: bytes }) => [wrIdLo, status, bytes]);
  }

  at(offset: number, length: number): number[] {
    return [...this.inbox.subarray(offset, offset + length)];
  }

  get left(): number[] {
    return [this.a, this.b].flatMap((node) => {
      const { exposures, rendezvous, unexpected_messages, inbound_messages, messages } = node.engine.census();
      return [exposures!, rendezvous!, unexpected_messages!, inbound_messages!, messages!];
    });
  }
}

const NOTHING_LEFT = Array(10).fill(0);

describe('rendezvous send (uet:ses/3.6, uet:ses/9 D-3 D-18)', () => {
  it('is off unless a setting asks for it', () => {
    const pair = new Pair({ settings: { rendezvousAbove: 0 } });
    pair.receive(7, 0, 1000);
    pair.send(1, 1000);
    pair.run();
    expect(pair.requests(SesOpcode.RENDEZVOUS_SEND)).toEqual([]);
    expect(pair.received).toEqual([[7, 0, 1000]]);
  });

  for (const matching of [true, false]) {
    for (const ordered of [false, true]) {
      const kind = `${matching ? 'matching' : 'plain'}, ${ordered ? 'ordered' : 'unordered'}`;
      it(`sends the first bytes, and the rest is read (${kind})`, () => {
        const pair = new Pair({ matching, ordered });
        pair.receive(7, 0, 2000);
        pair.send(1, 1000);
        pair.run();
        const requests = pair.requests(SesOpcode.RENDEZVOUS_SEND);
        expect(requests).toHaveLength(1);
        const { bytes, ses, next } = requests[0]!;
        expect(next).toBe(NextHeader.REQUEST_STD);
        expect(ses).toMatchObject({ som: 1, eom: 1, requestLength: 1000 });
        const at = byteLength(PdsRequest) + byteLength(RequestStd);
        const extension = extract(RendezvousExtension, new DataView(bytes.buffer), at);
        expect(extension).toMatchObject({ eagerLength: EAGER, riGeneration: 0, pidOnFep: 1, resourceIndex: 1 });
        expect(extension.readOffset).toBe(0n);
        expect(extension.readMemoryKey >> 48n).toBe(1n);
        expect(bytes.length).toBe(at + byteLength(RendezvousExtension) + EAGER);
        const reads = pair.requests(SesOpcode.READ);
        expect(reads.every(({ fromA }) => !fromA)).toBe(true);
        expect(reads[0]!.ses).toMatchObject({
          ...{ memoryKey: extension.readMemoryKey, bufferOffset: BigInt(EAGER), requestLength: 1000 - EAGER },
          ...{ pidOnFep: 1, resourceIndex: 1, jobId: JOB },
        });
        expect(pair.received).toEqual([[7, 0, 1000]]);
        expect(pair.sent).toEqual([[1, 0]]);
        expect(pair.at(0, 1001)).toEqual([...fill(1000, 1), 0]);
        expect(pair.left).toEqual(NOTHING_LEFT);
      });
    }
  }

  it('unexpected: the head is kept without a byte, and later all of it is read', () => {
    const pair = new Pair();
    pair.send(1, 5000, { opcode: WorkOpcode.TAGGED_SEND_WITH_IMM, immLo: 9, immHi: 8 }, 5);
    pair.run();
    expect(pair.sent).toEqual([]);
    expect(pair.b.engine.census()).toMatchObject({ unexpected_messages: 1, unexpected_bytes: 0, rendezvous: 1 });
    pair.receive(7, 100, 6000, { tagged: true, tagLo: 5 });
    pair.run();
    expect(pair.received).toEqual([[7, 0, 5000]]);
    expect(pair.b.completions.at(-1)).toMatchObject({
      ...{ opcode: CompletionOpcode.RECV_TAGGED, tagLo: 5, hasImm: true, immLo: 9, immHi: 8, sourceId: 1, jobId: JOB },
    });
    expect(pair.sent).toEqual([[1, 0]]);
    expect(pair.at(100, 5000)).toEqual([...fill(5000, 1)]);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  for (const early of [true, false]) {
    it(`a receive that is too small takes what fits, receive ${early ? 'first' : 'later'}`, () => {
      const pair = new Pair();
      if (early) pair.receive(7, 0, 300);
      pair.send(1, 1000);
      pair.run();
      if (!early) pair.receive(7, 0, 300);
      pair.run();
      expect(pair.received).toEqual([[7, Status.LOC_LEN_ERR, 300]]);
      expect(pair.b.completions.at(-1)!.extra).toBe(700);
      expect(pair.at(0, 301)).toEqual([...fill(1000, 1).subarray(0, 300), 0]);
      expect(pair.sent).toEqual([[1, 0]]);
      expect(pair.left).toEqual(NOTHING_LEFT);
    });
  }

  it('fills a receive for many messages, one behind the other', () => {
    const pair = new Pair();
    pair.receive(7, 0, 4000, { multi: true, minBytes: 500 });
    for (const id of [1, 2, 3]) pair.send(id, 1000 + id);
    pair.run();
    expect(pair.received.map(([id, status, bytes]) => [id, status, bytes])).toEqual(
      expect.arrayContaining([1, 2, 3].map((id) => [7, 0, 1000 + id])),
    );
    for (const id of [1, 2, 3]) {
      const of = pair.b.completions.find(({ byteLength: bytes }) => bytes === 1000 + id)!;
      expect(pair.at(of.extra, 1000 + id)).toEqual([...fill(1000 + id, id)]);
    }
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('completes when what was read has arrived, and not before (D-18)', () => {
    const pair = new Pair();
    pair.receive(7, 0, 1000);
    pair.lose = (seen, fromA) => fromA && seen.kind === 'request' && seen.next === NextHeader.RESPONSE_DATA;
    pair.send(1, 1000);
    pair.run(5 * MS);
    expect(pair.requests(SesOpcode.READ).length).toBeGreaterThan(0);
    expect(pair.sent).toEqual([]);
    pair.lose = () => false;
    pair.run();
    expect(pair.sent).toEqual([[1, 0]]);
  });

  it('moves everything once over a bad wire, with and without receives in time (R191)', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = new SeededRandom(seed);
      const pair = new Pair({ seed, settings: { rendezvousTimeout: 20 * S, maxRtoRetries: 10 } });
      pair.lose = () => random.chance(0.05);
      const count = 12;
      const lengths = Array.from({ length: count }, () => 100 + random.below(4000));
      const order = Array.from({ length: count }, (_, id) => id).sort(() => random.next() - 0.5);
      for (const [n, length] of lengths.entries()) {
        pair.send(n, length, {}, n);
        if (random.chance(0.5)) pair.run(random.below(3 * MS));
      }
      for (const id of order) {
        pair.receive(id, id * 5000, 5000, { tagged: true, tagLo: id });
        if (random.chance(0.5)) pair.run(random.below(10 * MS));
      }
      pair.run(20 * S);
      const byId = (x: readonly number[], y: readonly number[]) => x[0]! - y[0]!;
      expect(pair.received.sort(byId), `seed ${seed}`).toEqual(lengths.map((length, id) => [id, 0, length]));
      expect(pair.sent.sort(byId)).toEqual(lengths.map((_, id) => [id, 0]));
      for (const [id, length] of lengths.entries()) expect(pair.at(id * 5000, length)).toEqual([...fill(length, id)]);
      expect(pair.left, `seed ${seed}`).toEqual(NOTHING_LEFT);
    }
  });

  it('one that is thrown away is read all the same, so its sender is done', () => {
    const pair = new Pair();
    pair.send(1, 1000, {}, 5);
    pair.run();
    pair.receive(9, 0, 0, { operation: ReceiveOp.PEEK, tagged: true, tagLo: 5, discard: true });
    pair.run();
    expect(pair.sent).toEqual([[1, 0]]);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });
});

describe('a rendezvous when something goes wrong (uet:ses/3.6)', () => {
  it('no receive at a queue pair that does not match: tried again like any send, then reported', () => {
    const pair = new Pair({ matching: false });
    pair.send(1, 1000);
    pair.run(S);
    expect(pair.sent).toEqual([[1, Status.RNR_RETRY_EXC_ERR]]);
    expect(pair.requests(SesOpcode.RENDEZVOUS_SEND)).toHaveLength(4);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('the memory of the sender goes: both sides hear of it', () => {
    const pair = new Pair();
    const region = pair.send(1, 1000);
    pair.run();
    pair.a.dma.detach(region);
    pair.receive(7, 0, 1000);
    pair.run(5 * S);
    expect(pair.received.map(([id, status]) => [id, status !== 0])).toEqual([[7, true]]);
    expect(pair.sent).toEqual([[1, Status.RESP_TIMEOUT_ERR]]);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('the sender goes: its memory is closed at once, and the receive ends in error', () => {
    const pair = new Pair();
    pair.send(1, 1000);
    pair.run();
    pair.a.engine.removeQueuePair(pair.rig.now, 1);
    expect(pair.sent).toEqual([[1, Status.WR_FLUSH_ERR]]);
    expect(pair.a.engine.census().exposures).toBe(0);
    pair.receive(7, 0, 1000);
    pair.run();
    expect(pair.received.map(([id, status]) => [id, status !== 0])).toEqual([[7, true]]);
    expect(pair.inbox.every((byte) => byte === 0)).toBe(true);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('the target never reads: the sender gives up after rendezvousTimeout, the target forgets later', () => {
    const pair = new Pair();
    pair.send(1, 1000);
    pair.run(1.5 * S);
    expect(pair.sent).toEqual([[1, Status.RESP_TIMEOUT_ERR]]);
    pair.run(2 * S);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('the target dies while it reads', () => {
    const pair = new Pair();
    pair.receive(7, 0, 20_000);
    pair.send(1, 20_000);
    let n = 0;
    pair.lose = (seen) => seen.next === NextHeader.RESPONSE_DATA && ++n > 20;
    pair.run(MS);
    pair.lose = () => true;
    pair.run(120 * S);
    expect(pair.sent.map(([id, status]) => [id, status !== 0])).toEqual([[1, true]]);
    expect(pair.received.map(([id, status]) => [id, status !== 0])).toEqual([[7, true]]);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('leaves nothing when both sides close in the middle', () => {
    const pair = new Pair();
    pair.receive(7, 0, 20_000);
    pair.send(1, 20_000);
    pair.send(2, 2000);
    pair.lose = (seen) => seen.next === NextHeader.RESPONSE_DATA;
    pair.run(MS);
    pair.lose = () => false;
    for (const node of [pair.a, pair.b]) node.engine.removeQueuePair(pair.rig.now, 1);
    for (const node of [pair.a, pair.b]) node.engine.close(pair.rig.now);
    pair.run(120 * S);
    expect([pair.a.engine.quiet(), pair.b.engine.quiet()]).toEqual([true, true]);
    expect(pair.sent.every(([, status]) => status !== 0)).toBe(true);
    expect(pair.received.every(([, status]) => status !== 0)).toBe(true);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('opens memory to nobody else, under no other key, and no further than the message (N03)', () => {
    const pair = new Pair();
    pair.send(1, 1000);
    pair.run();
    const [request] = pair.requests(SesOpcode.RENDEZVOUS_SEND);
    const at = byteLength(PdsRequest) + byteLength(RequestStd);
    const { readMemoryKey: key } = extract(RendezvousExtension, new DataView(request!.bytes.buffer), at);
    const lo = Number(key & 0xffff_ffffn);
    const hi = Number(key >> 32n);
    const ask = (id: number, fields: object, length = 16) => {
      const region = pair.b.register(new Uint8Array(length), 0x5000 + id);
      const common = { opcode: WorkOpcode.RDMA_READ, region, length, wrIdLo: id, rkeyLo: lo, rkeyHi: hi };
      pair.b.post(1, { ...common, ...fields });
      pair.b.engine.doorbell(pair.rig.now, 1);
      pair.run(5 * MS);
      return pair.b.completions.at(-1)!.vendorStatus;
    };
    pair.a.engine.addJob(8);
    pair.a.addQueuePair(8, { jobId: 8, qpn: (1 << 12) | 8 });
    expect(ask(1, { rkeyLo: lo ^ 1 })).toBe(ReturnCode.BAD_MKEY);
    expect(ask(2, { rkeyHi: hi ^ 1 })).toBe(ReturnCode.BAD_MKEY);
    expect(ask(3, { jobId: 8, remoteQpn: (1 << 12) | 8 })).toBe(ReturnCode.BAD_MKEY);
    expect(ask(4, { remoteOffsetLo: 985 })).toBe(ReturnCode.BAD_MKEY);
    expect(ask(5, { remoteOffsetLo: 984, remoteOffsetHi: 1 })).toBe(ReturnCode.BAD_MKEY);
    expect(ask(6, { opcode: WorkOpcode.RDMA_WRITE })).toBe(ReturnCode.BAD_MKEY);
    expect(ask(7, { remoteOffsetLo: 984 })).toBe(0);
  });

  it('refuses a request that contradicts itself', () => {
    const rendezvous = (values: object, eager: number, payload: number) => {
      const view = new DataView(new ArrayBuffer(byteLength(RendezvousExtension)));
      RendezvousExtension.eagerLength.set(view, 0, eager);
      const head = writeSes(
        { opcode: SesOpcode.RENDEZVOUS_SEND, memoryKey: 0, requestLength: 1000, ...values },
        fill(0),
      );
      return Uint8Array.from([...head, ...new Uint8Array(view.buffer), ...fill(payload)]);
    };
    const cases: [Uint8Array, number, number?][] = [
      [rendezvous({}, 8, 9), ReturnCode.OP_VIOLATION],
      [rendezvous({}, 0xffff_ffff, 8), ReturnCode.OP_VIOLATION],
      [rendezvous({}, MTU + 1, MTU + 1), ReturnCode.OP_VIOLATION],
      [rendezvous({ requestLength: 4 }, 8, 8), ReturnCode.OP_VIOLATION],
      [rendezvous({ opcode: SesOpcode.RENDEZVOUS_TSEND }, 8, 8), ReturnCode.BAD_INDEX],
      [rendezvous({}, 8, 8), ReturnCode.NO_MATCH],
      [mediumSes({ opcode: SesOpcode.RENDEZVOUS_SEND }), ReturnCode.UNSUPPORTED_OP, NextHeader.REQUEST_MEDIUM],
    ];
    const bench = accepted();
    for (const [n, [ses, code, next = NextHeader.REQUEST_STD]] of cases.entries()) {
      const sent = bench.exchange(bench.request(1 + n, { flags: AR, clear: START + n, next, ses }));
      const answer = sent.find(({ kind, psn }) => kind === 'ack' && psn === START + 1 + n);
      expect(answer?.ses?.returnCode, `case ${n}`).toBe(code);
    }
    bench.give(bench.request(20, { flags: AR, ses: rendezvous({}, 8, 8).subarray(0, 50) }));
    expect(bench.drops('next_header')).toBe(1);
    expect(bench.census('inbound_messages')).toBe(0);
  });
});
