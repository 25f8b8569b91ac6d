import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../base/random.ts';
import { Status, WorkOpcode } from '../../engine/status.ts';
import { EngineRig, type RigNode, type RigPacket } from '../../testing/engine-rig.ts';
import { uet } from './index.ts';

const RUNS = 300;
const MTU = 256;
const ROOM = 4096;
const REMOTE_KEY = 0x77;

/** A wire that loses, doubles, delays and so reorders packets. */
class BadWire {
  readonly #random: SeededRandom;
  readonly #loss: number;
  readonly #double: number;
  readonly #delay: number;
  readonly #flying: { due: number; packet: RigPacket }[] = [];

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#loss = random.next() * 0.1;
    this.#double = random.next() * 0.05;
    this.#delay = random.chance(0.3) ? 0 : random.below(3_000_000);
  }

  take(now: number, packets: readonly RigPacket[]): void {
    for (const packet of packets) {
      if (this.#random.chance(this.#loss)) continue;
      for (let copies = this.#random.chance(this.#double) ? 2 : 1; copies > 0; copies--) {
        const slow = this.#random.chance(0.2) ? this.#random.below(this.#delay + 1) : 0;
        this.#flying.push({ due: now + 1_000 + slow, packet });
      }
    }
  }

  get next(): number {
    return Math.min(...this.#flying.map(({ due }) => due), Number.POSITIVE_INFINITY);
  }

  land(now: number): RigPacket[] {
    const landed = this.#flying.filter(({ due }) => due <= now);
    if (landed.length === 0) return [];
    const rest = this.#flying.filter(({ due }) => due > now);
    this.#flying.splice(0, this.#flying.length, ...rest);
    return landed.map(({ packet }) => packet);
  }
}

function drive(rig: EngineRig, wire: BadWire, end: number, each: () => void): void {
  for (let turns = 0; rig.now <= end; turns++) {
    if (turns > 200_000) throw new Error('the engines never come to rest');
    each();
    wire.take(rig.now, [...rig.drain(rig.a), ...rig.drain(rig.b)]);
    const next = Math.min(wire.next, rig.a.engine.deadline(), rig.b.engine.deadline());
    if (next > end) break;
    rig.now = Math.max(rig.now, next);
    for (const packet of wire.land(rig.now)) rig.deliver(packet.to, packet.bytes);
    rig.a.engine.expire(rig.now);
    rig.b.engine.expire(rig.now);
  }
  rig.now = Math.max(rig.now, end);
}

interface Sent {
  readonly id: number;
  readonly opcode: number;
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly at: number;
}

const content = (length: number, salt: number) =>
  Uint8Array.from({ length }, (_, i) => (i * 7 + salt * 13 + (i >> 8)) & 0xff);

/** One side's memory and what it has sent. */
function side(rig: EngineRig, node: RigNode, random: SeededRandom, messages: number) {
  const memory = new Uint8Array(messages * ROOM);
  const image = content(memory.length, 99);
  memory.set(image);
  node.register(memory, REMOTE_KEY);
  const sent: Sent[] = [];
  const post = (id: number) => {
    const opcode = random.below(5);
    const length = random.chance(0.4) ? random.below(40) : random.below(ROOM);
    const at = id * ROOM;
    const bytes = opcode === WorkOpcode.RDMA_READ ? new Uint8Array(length) : content(length, id + 1);
    node.post(1, {
      opcode,
      region: node.register(bytes, 1000 + id),
      length,
      rkeyLo: REMOTE_KEY,
      remoteOffsetLo: at,
      wrIdLo: id,
      immLo: id,
    });
    node.engine.doorbell(rig.now, 1);
    sent.push({ id, opcode, length, bytes, at });
  };
  return { node, memory, image, sent, post };
}

function run(seed: number): void {
  const random = new SeededRandom(seed);
  const ordered = seed % 2 === 1;
  const rig = new EngineRig(uet, {
    seed,
    payloadMtu: MTU,
    settings: {
      windowPackets: random.chance(0.3) ? 16 : 128,
      defaultMpr: 1,
      maxRtoRetries: 15,
      maxNackRetries: 31,
      maxRnrRetries: 255,
    },
  });
  const messages = 4 + random.below(12);
  const sides = [rig.a, rig.b].map((node) => side(rig, node, random, messages)) as [
    ReturnType<typeof side>,
    ReturnType<typeof side>,
  ];
  const inboxes = sides.map(() => [] as Uint8Array[]);
  for (const { node } of sides) {
    node.engine.addJob(7);
    node.addQueuePair(1, { ordered });
  }
  const wire = new BadWire(random);
  const oneWay = random.chance(0.5);
  let next = 0;
  let receives = 0;
  const postReceives = (count: number) => {
    for (; receives < count; receives++) {
      sides.forEach(({ node }, n) => {
        const inbox = new Uint8Array(ROOM);
        inboxes[n]!.push(inbox);
        node.postReceive(1, node.register(inbox, 5000 + receives), 0, ROOM, receives);
        node.engine.doorbell(rig.now, 1);
      });
    }
  };
  const late = random.chance(0.3);
  if (!late) postReceives(messages);
  drive(rig, wire, rig.now + 20_000_000_000, () => {
    while (next < messages && random.chance(0.7)) {
      sides[0].post(next);
      if (!oneWay) sides[1].post(next);
      next++;
    }
    if (late && random.chance(0.2)) postReceives(Math.min(messages, receives + 1 + random.below(3)));
  });
  while (next < messages) {
    sides[0].post(next);
    if (!oneWay) sides[1].post(next);
    next++;
  }
  postReceives(messages);
  drive(rig, wire, rig.now + 20_000_000_000, () => {});

  sides.forEach(({ node, sent }, n) => {
    const peer = sides[1 - n]!;
    const done = node.completions.filter((one) => !one.receive);
    expect(done.map(({ wrIdLo, status }) => [wrIdLo, status]).sort(byId)).toEqual(
      sent.map(({ id }) => [id, Status.SUCCESS]),
    );
    const sends = sent.filter(({ opcode }) => opcode === WorkOpcode.SEND || opcode === WorkOpcode.SEND_WITH_IMM);
    const arrived = peer.node.completions.filter((one) => one.receive && one.opcode === 128);
    const inbox = arrived.map(({ wrIdLo, byteLength }) => [...inboxes[1 - n]![wrIdLo]!.subarray(0, byteLength)]);
    const wanted = sends.map(({ bytes }) => [...bytes]);
    const settle = (lists: number[][]) =>
      ordered ? lists : lists.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(settle(inbox)).toEqual(settle(wanted));
    const told = peer.node.completions.filter((one) => one.receive && one.opcode === 129).map(({ immLo }) => immLo);
    const telling = sent.filter(({ opcode }) => opcode === WorkOpcode.RDMA_WRITE_WITH_IMM).map(({ id }) => id);
    expect(ordered ? told : told.sort((a, b) => a - b)).toEqual(telling);
    const image = peer.image.slice();
    for (const { opcode, bytes, at } of sent) {
      if (opcode === WorkOpcode.RDMA_WRITE || opcode === WorkOpcode.RDMA_WRITE_WITH_IMM) image.set(bytes, at);
      if (opcode === WorkOpcode.RDMA_READ) {
        expect(Buffer.compare(bytes, peer.memory.subarray(at, at + bytes.length)), 'read bytes').toBe(0);
      }
    }
    expect(Buffer.compare(image, peer.memory), 'written bytes').toBe(0);
  });
  for (const { node } of sides) node.engine.close(rig.now);
  drive(rig, wire, rig.now + 30_000_000_000, () => {});
  for (const { node } of sides) {
    expect(node.engine.census()).toMatchObject({
      contexts: 0,
      messages: 0,
      inbound_messages: 0,
      timers: 0,
      stranded_messages: 0,
    });
    expect(node.engine.quiet()).toBe(true);
    expect(node.engine.deadline()).toBe(Number.POSITIVE_INFINITY);
  }
}

const byId = (a: readonly number[], b: readonly number[]) => a[0]! - b[0]!;

describe('any traffic over a bad wire (uet:pds/4, uet:pds/5)', () => {
  for (let block = 0; block < RUNS; block += 50) {
    it(`moves everything exactly once, seeds ${block}..${block + 49} (R191)`, () => {
      for (let seed = block; seed < block + 50; seed++) {
        try {
          run(seed);
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
      }
    });
  }
});
