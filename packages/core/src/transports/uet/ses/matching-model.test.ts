import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../base/random.ts';
import { Status, WorkOpcode } from '../../../engine/status.ts';
import { ReceiveOp, ReceiveWork } from '../../../engine/work.ts';
import { EngineRig } from '../../../testing/engine-rig.ts';
import { uet } from '../index.ts';
import { fill, JOB, MS, MTU } from '../rig-packets.testdata.ts';
import {
  MatchingModel,
  type ModelCompletion,
  type ModelMessage,
  type ModelReceive,
  takes,
} from './matching-model.testdata.ts';

const QP = 2;
const SOURCES = [1, 3] as const;
const INBOX_BYTES = 1 << 17;

/** Two engines; messages go from two queue pairs of one to the queue pair of the other that matches. */
class World {
  readonly random: SeededRandom;
  readonly rig: EngineRig;
  readonly inbox = new Uint8Array(INBOX_BYTES);
  readonly places = new Map<number, number>();
  readonly #region: number;
  readonly #loss: number;
  #at = 0;
  #ids = 0;
  #salts = 0;
  sent = 0;

  constructor(seed: number, ordered: boolean, loss: number) {
    this.random = new SeededRandom(seed);
    this.#loss = loss;
    const settings = { maxRnrRetries: 255, maxUnexpected: 512, maxInboundMessages: 64, maxInboundPerPeer: 64 };
    this.rig = new EngineRig(uet, { seed, payloadMtu: MTU, settings });
    const { a, b } = this.rig;
    for (const node of [a, b]) node.engine.addJob(JOB);
    for (const qp of SOURCES) a.addQueuePair(qp, { ordered });
    b.addQueuePair(QP, { ordered, matching: true });
    this.#region = b.register(this.inbox, 1);
  }

  tag(): number | undefined {
    return this.random.chance(0.3) ? undefined : this.random.below(4);
  }

  aReceive(): ModelReceive {
    const { random } = this;
    return {
      id: this.#ids++,
      tag: this.tag(),
      ignore: random.chance(0.3) ? random.below(4) : 0,
      source: random.chance(0.2) ? SOURCES[random.below(2)] : undefined,
      length: random.below(5) * 50,
      multi: random.chance(0.15) ? 1 + random.below(60) : undefined,
    };
  }

  /** Takes part in the ring as it is; the engine is told by a doorbell. */
  post(receive: ModelReceive, more: Partial<ReceiveWork> = {}): void {
    const { id, tag, ignore, source, length, multi } = receive;
    const work = Object.assign(new ReceiveWork(), { wrIdLo: id, length, ...more });
    if (tag !== undefined) Object.assign(work, { tagged: true, tagLo: tag, ignoreLo: ignore });
    if (source !== undefined) Object.assign(work, { directed: true, sourceId: source });
    if (multi !== undefined && work.operation === ReceiveOp.RECEIVE && !work.claim) {
      Object.assign(work, { multi: true, minBytes: multi });
    }
    if (length > 0) work.segments.add(this.#region, this.#at, length);
    this.places.set(id, this.#at);
    this.#at += length;
    this.rig.b.receives.get(QP)!.push(work);
    this.rig.b.engine.doorbell(this.rig.now, QP);
  }

  send(): ModelMessage {
    const { random, rig } = this;
    const source = SOURCES[random.below(2)]!;
    const salt = ++this.#salts;
    const length = random.below(4) === 0 ? random.below(10) * MTU + random.below(3) : random.below(100);
    const tag = this.tag();
    const opcode = tag === undefined ? WorkOpcode.SEND : WorkOpcode.TAGGED_SEND;
    const region = rig.a.register(fill(length, salt), 100 + salt);
    rig.a.post(source, { opcode, wrIdLo: salt, rkeyLo: tag ?? 0, region, length, remoteQpn: (QP << 12) | 1 });
    rig.a.engine.doorbell(rig.now, source);
    this.sent++;
    return { tag, source, length, salt };
  }

  run(forNanos = 5_000 * MS): void {
    this.rig.run({ forNanos, lose: () => this.random.chance(this.#loss) });
  }

  /** What the queue pair was told since the last call; bytes are compared with those that were sent. */
  told(): ModelCompletion[] {
    const { completions } = this.rig.b;
    const told = completions.splice(0).map((one) => ({
      ...{ id: one.wrIdLo, opcode: one.opcode, status: one.status, bytes: one.byteLength, extra: one.extra },
      ...{ tag: one.tagLo, source: one.sourceId, holds: one.holdsReceive, released: one.isReleased },
    }));
    return told;
  }

  expectData({ id, bytes, data }: ModelCompletion): void {
    if (data === undefined) return;
    const from = this.places.get(id)! + data.at;
    expect([...this.inbox.subarray(from, from + bytes)]).toEqual([...fill(data.total, data.salt).subarray(0, bytes)]);
  }

  /** All sends are done, and well. */
  expectSent(): void {
    const done = this.rig.a.completions;
    expect(done.filter(({ status }) => status !== Status.SUCCESS)).toEqual([]);
    expect(done).toHaveLength(this.sent);
  }
}

describe('matching over a wire that loses packets (uet:ses/4, R122)', () => {
  it('ordered: does step by step what the rules as plain lists do, 60 seeds', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const world = new World(seed, true, seed % 3 === 0 ? 0.05 : 0);
      const model = new MatchingModel();
      const { random, rig } = world;
      const lately: number[] = [];
      for (let step = 0; step < 60; step++) {
        const what = random.below(10);
        if (what < 4) {
          for (let n = random.below(4); n >= 0; n--) model.arrive(world.send());
          world.run();
        } else if (what < 8) {
          const receive = world.aReceive();
          lately.push(receive.id);
          world.post(receive);
          model.post(receive);
        } else if (what === 8) {
          const id = lately[random.below(lately.length + 1)] ?? 9999;
          world.post(
            { id, tag: undefined, ignore: 0, source: undefined, length: 0, multi: undefined },
            { operation: ReceiveOp.CANCEL },
          );
          model.cancel(id);
        } else {
          const look = { ...world.aReceive(), length: 0 };
          const then = (['nothing', 'claim', 'discard'] as const)[random.below(3)]!;
          world.post(look, { operation: ReceiveOp.PEEK, claim: then === 'claim', discard: then === 'discard' });
          model.peek(look, then);
          if (then === 'claim' && random.chance(0.7)) {
            const receive = { ...look, length: 200 };
            const discard = random.chance(0.3);
            world.post(receive, { claim: true, discard });
            model.claim(receive, discard);
          }
        }
        const due = model.told();
        const where = `seed ${seed}, step ${step}`;
        expect(world.told(), where).toEqual(due.map(({ data: _, ...rest }) => rest));
        for (const one of due) world.expectData(one);
        expect(rig.b.engine.census().unexpected_messages, where).toBe(model.waiting);
      }
      world.expectSent();
      rig.b.engine.removeQueuePair(rig.now, QP);
      model.close();
      expect(world.told()).toEqual(model.told());
      expect(rig.b.engine.census()).toMatchObject({ unexpected_messages: 0, unexpected_bytes: 0, inbound_messages: 0 });
    }
  });

  it('unordered, receives posted while messages arrive: each goes once, whole, to one that takes it, 60 seeds', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const world = new World(seed, false, 0.03);
      const { random, rig } = world;
      const messages: ModelMessage[] = [];
      const receives: ModelReceive[] = [];
      for (let step = 0; step < 60; step++) {
        if (random.chance(0.5)) messages.push(world.send());
        else {
          const receive = { ...world.aReceive(), multi: undefined, length: 1000 };
          receives.push(receive);
          world.post(receive);
        }
        if (random.chance(0.5)) world.run(random.below(200) * 1_000);
      }
      world.run();
      world.expectSent();
      const left = [...messages];
      const used = new Set<number>();
      for (const one of world.told()) {
        const where = `seed ${seed}, receive ${one.id}`;
        expect(one.status, where).toBe(Status.SUCCESS);
        expect(used.has(one.id), where).toBe(false);
        used.add(one.id);
        const receive = receives.find(({ id }) => id === one.id)!;
        const from = world.places.get(one.id)!;
        const bytes = world.inbox.subarray(from, from + one.bytes);
        const at = left.findIndex(
          (message) =>
            message.length === one.bytes &&
            message.source === one.source &&
            takes(receive, message) &&
            Buffer.compare(fill(message.length, message.salt), bytes) === 0,
        );
        expect(at, where).toBeGreaterThanOrEqual(0);
        left.splice(at, 1);
      }
      // what is left over fits nothing that is left over
      const free = receives.filter(({ id }) => !used.has(id));
      for (const message of left) expect(free.some((one) => takes(one, message))).toBe(false);
      expect(rig.b.engine.census().unexpected_messages).toBe(left.length);
      rig.b.engine.removeQueuePair(rig.now, QP);
      expect(rig.b.engine.census()).toMatchObject({ unexpected_messages: 0, unexpected_bytes: 0, inbound_messages: 0 });
      expect(world.told().map(({ id, status }) => [id, status])).toEqual(
        free.map(({ id }) => [id, Status.WR_FLUSH_ERR]),
      );
    }
  });
});

describe('many (uet:ses/4.1)', () => {
  it('10,000 messages wait, and 10,000 receives take them in another order, by tag and by wildcard', () => {
    const count = 10_000;
    const rig = new EngineRig(uet, { payloadMtu: MTU, settings: { maxRnrRetries: 255 } });
    const { a, b } = rig;
    a.keepCompletions = false;
    for (const node of [a, b]) node.engine.addJob(JOB);
    a.addQueuePair(1);
    b.addQueuePair(QP, { matching: true });
    const outbox = new Uint8Array(4 * count);
    new Uint32Array(outbox.buffer).forEach((_, n, all) => {
      all[n] = n;
    });
    const region = a.register(outbox, 1);
    const to = { opcode: WorkOpcode.TAGGED_SEND, remoteQpn: (QP << 12) | 1, region, length: 4 };
    for (let n = 0; n < count; n++) a.post(1, { ...to, rkeyLo: n, rkeyHi: n & 1, offset: 4 * n });
    a.engine.doorbell(rig.now, 1);
    rig.run({ until: () => a.completed === count });
    expect(b.engine.census().unexpected_messages).toBe(count);
    const inbox = new Uint8Array(4 * count);
    const inRegion = b.register(inbox, 2);
    const receives = b.receives.get(QP)!;
    for (let n = count - 1; n >= 0; n--) {
      // odd ones do not look at the high word
      const work = Object.assign(new ReceiveWork(), { tagged: true, tagLo: n, ignoreHi: n & 1, wrIdLo: n, length: 4 });
      work.segments.add(inRegion, 4 * n, 4);
      receives.push(work);
    }
    b.engine.doorbell(rig.now, QP);
    expect(b.completions).toHaveLength(count);
    expect(b.completions.every(({ status, wrIdLo, tagLo }) => status === Status.SUCCESS && wrIdLo === tagLo)).toBe(
      true,
    );
    expect(Buffer.compare(inbox, outbox)).toBe(0);
    expect(b.engine.census().unexpected_messages).toBe(0);
  });
});
