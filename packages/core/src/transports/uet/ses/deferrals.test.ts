import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../base/random.ts';
import { CompletionOpcode, Status, WorkOpcode } from '../../../engine/status.ts';
import { ReceiveOp, ReceiveWork } from '../../../engine/work.ts';
import { EngineRig, type RigNode, type RigPacket } from '../../../testing/engine-rig.ts';
import { ReturnCode, SesOpcode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import { uet } from '../index.ts';
import { decode, fill, JOB, MS, MTU, type Seen } from '../rig-packets.testdata.ts';

const S = 1000 * MS;
const TIMEOUT = 100 * MS;

interface Options {
  readonly ordered?: boolean;
  readonly deferAbove?: number;
  readonly matching?: boolean;
  readonly seed?: number;
}

/** Two endpoints whose queue pairs match; what goes over the wire is written down. */
class Pair {
  readonly rig: EngineRig;
  readonly a: RigNode;
  readonly b: RigNode;
  readonly inbox = new Uint8Array(64 * 1024);
  readonly inboxRegion: number;
  readonly log: (Seen & { readonly fromA: boolean })[] = [];
  /** Decides what is lost. */
  lose: (seen: Seen, fromA: boolean) => boolean = () => false;

  constructor(options: Options = {}) {
    const { ordered = false, deferAbove = 32, matching = true, seed = 1 } = options;
    const settings = { deferAbove, deferTimeout: TIMEOUT, tailLoss: 0, maxRnrRetries: 3 };
    this.rig = new EngineRig(uet, { seed, payloadMtu: MTU, settings });
    this.a = this.rig.a;
    this.b = this.rig.b;
    for (const node of [this.a, this.b]) {
      node.engine.addJob(JOB);
      node.addQueuePair(1, { ordered, matching });
    }
    this.inboxRegion = this.b.register(this.inbox, 1);
  }

  send(id: number, length: number, more: object = {}, tag?: number): void {
    const opcode = tag === undefined ? WorkOpcode.SEND : WorkOpcode.TAGGED_SEND;
    const region = this.a.register(fill(length, id), 1000 + id);
    this.a.post(1, { opcode, region, length, wrIdLo: id, rkeyLo: tag ?? 0, ...more });
    this.a.engine.doorbell(this.rig.now, 1);
  }

  receive(id: number, offset: number, length: number, more: Partial<ReceiveWork> = {}): void {
    const work = Object.assign(new ReceiveWork(), { wrIdLo: id, length, ...more });
    if (length > 0) work.segments.add(this.inboxRegion, offset, length);
    this.b.receives.get(1)!.push(work);
    this.b.engine.doorbell(this.rig.now, 1);
  }

  run(forNanos = 50 * MS): void {
    this.rig.run({ forNanos, lose: (packet) => this.#passes(packet) });
  }

  #passes(packet: RigPacket): boolean {
    const seen = decode(packet.bytes);
    const fromA = packet.to === this.b;
    this.log.push({ ...seen, fromA });
    return this.lose(seen, fromA);
  }

  /** Semantic requests that went, by opcode. */
  requests(opcode: number): Seen[] {
    return this.log.filter(({ kind, ses }) => kind === 'request' && ses?.opcode === opcode);
  }

  get sent(): [number, number][] {
    return this.a.completions.filter(({ receive }) => !receive).map(({ wrIdLo, status }) => [wrIdLo, status]);
  }

  get received(): [number, number, number][] {
    return this.b.completions
      .filter(({ receive }) => receive)
      .map(({ wrIdLo, status, byteLength }) => [wrIdLo, status, byteLength]);
  }

  at(offset: number, length: number): number[] {
    return [...this.inbox.subarray(offset, offset + length)];
  }

  /** What is left in the two engines beside contexts. */
  get left(): object {
    const of = (node: RigNode) => {
      const { deferrals, deferred_sends, unexpected_messages, inbound_messages, messages } = node.engine.census();
      return { deferrals, deferred_sends, unexpected_messages, inbound_messages, messages };
    };
    return { a: of(this.a), b: of(this.b) };
  }
}

const NOTHING = { deferrals: 0, deferred_sends: 0, unexpected_messages: 0, inbound_messages: 0, messages: 0 };
const NOTHING_LEFT = { a: NOTHING, b: NOTHING };

describe('deferrable send (uet:ses/3.5)', () => {
  it('goes like any other where a receive waits', () => {
    const pair = new Pair();
    pair.receive(7, 0, 1000);
    pair.send(1, 500);
    pair.run();
    expect(pair.sent).toEqual([[1, Status.SUCCESS]]);
    expect(pair.received).toEqual([[7, Status.SUCCESS, 500]]);
    expect(pair.at(0, 500)).toEqual([...fill(500, 1)]);
    expect(pair.requests(SesOpcode.DEFERRABLE_SEND)).toHaveLength(Math.ceil(500 / MTU));
    expect(pair.requests(SesOpcode.DEFERRABLE_RTR)).toHaveLength(0);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  for (const [name, tag] of [
    ['untagged', undefined],
    ['tagged', 0x77],
  ] as const) {
    it(`${name}: is put off, asked for, and comes with both tokens`, () => {
      const pair = new Pair();
      pair.send(1, 1000, {}, tag);
      pair.run();
      expect(pair.sent).toEqual([]);
      expect(pair.a.engine.census()).toMatchObject({ deferred_sends: 1 });
      expect(pair.b.engine.census()).toMatchObject({ deferrals: 1, unexpected_messages: 1, unexpected_bytes: 0 });
      const answers = pair.log.filter(({ kind, ses }) => kind === 'ack' && ses?.list === 1);
      expect(answers[0]!.ses).toMatchObject({
        ...{ opcode: SesResponseOpcode.RESPONSE, returnCode: ReturnCode.OK, modifiedLength: 0 },
      });
      pair.log.length = 0;
      pair.receive(7, 0, 2000, tag === undefined ? {} : { tagged: true, tagLo: tag });
      pair.run();
      const [call, ...others] = pair.requests(SesOpcode.DEFERRABLE_RTR);
      expect(others).toEqual([]);
      expect(call!.ses).toMatchObject({ som: 1, eom: 1, jobId: JOB, pidOnFep: 0, resourceIndex: 0, requestLength: 0 });
      const again = pair.requests(tag === undefined ? SesOpcode.DEFERRABLE_SEND : SesOpcode.DEFERRABLE_TSEND);
      expect(again).toHaveLength(Math.ceil(1000 / MTU));
      // E14: the tokens of the call stand in the place of the offset, initiator's first
      expect(again[0]!.ses!.bufferOffset).toBe(call!.ses!.memoryKey);
      expect(pair.sent).toEqual([[1, Status.SUCCESS]]);
      expect(pair.received).toEqual([[7, Status.SUCCESS, 1000]]);
      expect(pair.at(0, 1000)).toEqual([...fill(1000, 1)]);
      expect(pair.left).toEqual(NOTHING_LEFT);
    });
  }

  it('stops in the middle and says how much was sent, when the answer comes early', () => {
    const pair = new Pair();
    pair.send(1, 60_000);
    pair.run();
    const packets = pair.requests(SesOpcode.DEFERRABLE_SEND);
    const last = packets.at(-1)!;
    expect(packets.length).toBeLessThan(60_000 / MTU);
    expect(last).toMatchObject({ data: [], ses: { som: 0, eom: 1, payloadLength: 0 } });
    expect(last.ses!.messageOffset).toBe((packets.length - 1) * MTU);
    expect(pair.b.engine.census()).toMatchObject({ inbound_messages: 0, deferrals: 1 });
    pair.receive(7, 0, 65_536);
    pair.run();
    expect(pair.received).toEqual([[7, Status.SUCCESS, 60_000]]);
    expect(pair.at(0, 60_000)).toEqual([...fill(60_000, 1)]);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('carries completion data and a truncated length', () => {
    const pair = new Pair();
    pair.send(1, 300, { opcode: WorkOpcode.SEND_WITH_IMM, immLo: 0xabc });
    pair.run();
    pair.receive(7, 0, 100);
    pair.run();
    expect(pair.received).toEqual([[7, Status.LOC_LEN_ERR, 100]]);
    expect(pair.b.completions.at(-1)).toMatchObject({ hasImm: true, immLo: 0xabc, extra: 200, sourceId: 1 });
    expect(pair.sent).toEqual([[1, Status.SUCCESS]]);
  });

  it('keeps its place among unexpected messages: a short one behind it is taken second', () => {
    const pair = new Pair();
    pair.send(1, 1000);
    pair.send(2, 16);
    pair.run();
    pair.receive(7, 0, 1000);
    pair.receive(8, 1000, 1000);
    pair.run();
    expect(pair.received).toEqual(
      expect.arrayContaining([
        [7, 0, 1000],
        [8, 0, 16],
      ]),
    ); // prettier-ignore
    expect(pair.at(0, 1000)).toEqual([...fill(1000, 1)]);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('many to many receive each message once, over a bad wire (R191)', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = new SeededRandom(seed);
      const pair = new Pair({ seed });
      pair.lose = () => random.chance(0.05);
      const count = 20;
      for (let id = 0; id < count; id++) pair.send(id, 200 + id * 30, {}, id);
      pair.run(5 * MS);
      const order = Array.from({ length: count }, (_, id) => id).sort(() => random.next() - 0.5);
      for (const id of order) {
        pair.receive(id, id * 1000, 1000, { tagged: true, tagLo: id });
        if (random.chance(0.3)) pair.run(random.below(20 * MS));
      }
      pair.run(20 * S);
      expect(
        pair.received.map(([id]) => id).sort((x, y) => x - y),
        `seed ${seed}`,
      ).toEqual([...order].sort((x, y) => x - y));
      expect(pair.sent.map(([, status]) => status)).toEqual(Array(count).fill(0));
      for (let id = 0; id < count; id++)
        expect(pair.at(id * 1000, 200 + id * 30)).toEqual([...fill(200 + id * 30, id)]);
      expect(pair.left, `seed ${seed}`).toEqual(NOTHING_LEFT);
    }
  });
});

describe('a deferred message when something goes wrong (uet:ses/3.5)', () => {
  it('is offered again while no receive comes, and stays one message', () => {
    const pair = new Pair();
    pair.send(1, 1000);
    pair.run(5 * TIMEOUT + TIMEOUT / 2);
    expect(pair.requests(SesOpcode.DEFERRABLE_SEND).filter(({ ses }) => ses!.som === 1)).toHaveLength(6);
    expect(pair.b.engine.census()).toMatchObject({ deferrals: 1, unexpected_messages: 1 });
    pair.receive(7, 0, 1000);
    pair.run();
    expect(pair.received).toEqual([[7, 0, 1000]]);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('comes although the call is lost for good: it is offered again, and takes the receive that waits for it', () => {
    const pair = new Pair();
    pair.send(1, 1000);
    pair.run();
    pair.lose = (seen) => seen.kind === 'request' && seen.ses?.opcode === SesOpcode.DEFERRABLE_RTR;
    pair.receive(7, 0, 1000);
    pair.run(3 * TIMEOUT);
    expect(pair.received).toEqual([[7, 0, 1000]]);
    expect(pair.sent).toEqual([[1, 0]]);
    pair.lose = () => false;
    pair.run(10 * S);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('takes a call that overtakes the answer', () => {
    const pair = new Pair();
    pair.lose = (seen, fromA) => !fromA && seen.kind === 'ack';
    pair.send(1, 40);
    pair.run(MS);
    pair.receive(7, 0, 1000);
    pair.run(5 * MS);
    expect(pair.requests(SesOpcode.DEFERRABLE_RTR).length).toBeGreaterThan(0);
    pair.lose = () => false;
    pair.run(60 * MS);
    expect(pair.received).toEqual([[7, 0, 40]]);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('gives the receive back, in its old place, when the sender is gone', () => {
    const pair = new Pair();
    pair.send(1, 1000, {}, 5);
    pair.run();
    pair.a.engine.removeQueuePair(pair.rig.now, 1);
    expect(pair.sent).toEqual([[1, Status.WR_FLUSH_ERR]]);
    const wanted = { tagged: true, tagLo: 5 };
    pair.receive(7, 0, 1000, wanted);
    pair.receive(8, 1000, 1000, wanted);
    pair.run(); // the call is answered: no such message
    expect(pair.log.some(({ ses }) => ses?.returnCode === ReturnCode.CANCELLED)).toBe(true);
    expect(pair.left).toEqual(NOTHING_LEFT);
    pair.a.addQueuePair(1, { matching: true });
    pair.send(2, 16, {}, 5);
    pair.run();
    expect(pair.received).toEqual([[7, 0, 16]]);
  });

  it('forgets a sender that is silent, with its head and its receive', () => {
    const pair = new Pair();
    pair.send(1, 1000, {}, 5);
    pair.send(2, 1000, {}, 6);
    pair.run();
    pair.lose = (_seen, fromA) => fromA; // the sender is dead from now on
    pair.receive(7, 0, 1000, { tagged: true, tagLo: 5 });
    pair.run(20 * S);
    expect(pair.b.engine.census()).toMatchObject({ deferrals: 0, unexpected_messages: 0, messages: 0 });
    expect(pair.received).toEqual([]); // it waits for others
    pair.b.engine.removeQueuePair(pair.rig.now, 1);
    expect(pair.received).toEqual([[7, Status.WR_FLUSH_ERR, 0]]);
  });

  it('fails at its sender when the target is dead', () => {
    const pair = new Pair();
    pair.send(1, 1000);
    pair.run();
    pair.lose = () => true;
    pair.run(60 * S);
    expect(pair.sent).toEqual([[1, Status.RETRY_EXC_ERR]]);
    expect(pair.a.engine.census()).toMatchObject({ deferred_sends: 0, messages: 0 });
  });

  it('leaves nothing when both sides close', () => {
    const pair = new Pair();
    pair.send(1, 1000, {}, 5);
    pair.send(2, 1000, {}, 6);
    pair.run();
    pair.receive(7, 0, 1000, { tagged: true, tagLo: 5 });
    for (const node of [pair.a, pair.b]) node.engine.removeQueuePair(pair.rig.now, 1);
    for (const node of [pair.a, pair.b]) node.engine.close(pair.rig.now);
    pair.run(60 * S);
    expect(pair.a.engine.quiet()).toBe(true);
    expect(pair.b.engine.quiet()).toBe(true);
    expect(pair.sent.map(([, status]) => status)).toEqual([Status.WR_FLUSH_ERR, Status.WR_FLUSH_ERR]);
    expect(pair.received).toEqual([[7, Status.WR_FLUSH_ERR, 0]]);
    expect(pair.left).toEqual(NOTHING_LEFT);
    expect([pair.a.engine.deadline(), pair.b.engine.deadline()]).toEqual([Infinity, Infinity]);
  });

  it('a receive that waits for it can be called back; the message finds another', () => {
    const pair = new Pair();
    pair.send(1, 1000, {}, 5);
    pair.run();
    pair.lose = (seen) => seen.kind === 'request' && seen.ses?.opcode === SesOpcode.DEFERRABLE_RTR;
    pair.receive(7, 0, 1000, { tagged: true, tagLo: 5 });
    pair.run(5 * MS);
    pair.receive(7, 0, 0, { operation: ReceiveOp.CANCEL });
    expect(pair.received).toEqual([
      [7, Status.WR_FLUSH_ERR, 0],
      [7, Status.SUCCESS, 0],
    ]);
    pair.receive(8, 1000, 1000, { tagged: true, tagLo: 5 });
    pair.run(10 * TIMEOUT);
    expect(pair.received.at(-1)).toEqual([8, 0, 1000]);
    expect(pair.at(1000, 1000)).toEqual([...fill(1000, 1)]);
  });

  it('one that is thrown away comes, goes nowhere, and its sender is done', () => {
    const pair = new Pair();
    pair.send(1, 1000, {}, 5);
    pair.run();
    pair.receive(9, 0, 0, { operation: ReceiveOp.PEEK, tagged: true, tagLo: 5, discard: true });
    expect(pair.b.completions.at(-1)).toMatchObject({ opcode: CompletionOpcode.PEEK, status: 0, byteLength: 1000 });
    pair.run();
    expect(pair.sent).toEqual([[1, 0]]);
    expect(pair.left).toEqual(NOTHING_LEFT);
  });

  it('goes to queue pairs that do not match as other sends do', () => {
    const pair = new Pair({ matching: false });
    pair.send(1, 100);
    pair.run(MS / 2);
    expect(pair.log.some(({ ses }) => ses?.returnCode === ReturnCode.NO_MATCH)).toBe(true);
    pair.receive(7, 0, 1000);
    pair.run();
    expect(pair.received).toEqual([[7, 0, 100]]);
  });
});

describe('match complete (uet:ses/3.14)', () => {
  for (const ordered of [false, true]) {
    it(`completes only when a receive has taken it, ${ordered ? 'ordered' : 'unordered'}`, () => {
      const pair = new Pair({ ordered, deferAbove: 0 });
      pair.send(1, 8, { matchComplete: true });
      pair.send(2, 8);
      pair.run();
      expect(pair.sent).toEqual([[2, 0]]);
      pair.receive(7, 0, 8);
      pair.receive(8, 8, 8);
      pair.run();
      expect(pair.sent).toEqual([
        [2, 0],
        [1, 0],
      ]);
      // the order of arrival decides, whenever the data comes
      expect(pair.at(0, 8)).toEqual([...fill(8, 1)]);
      expect(pair.at(8, 8)).toEqual([...fill(8, 2)]);
      expect(pair.left).toEqual(NOTHING_LEFT);
    });
  }
});
