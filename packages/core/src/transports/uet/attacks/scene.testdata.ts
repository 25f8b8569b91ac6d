/**
 * A victim between an honest peer and an attacker. Honest traffic runs both ways while the attacker has a turn before
 * every step of it; the bytes are compared at the end, and nothing may be left when all have closed.
 */
import { expect } from 'vitest';
import { parseAddress } from '../../../base/ip-address.ts';
import type { Transport } from '../../../engine/engine.ts';
import { Status, WorkOpcode } from '../../../engine/status.ts';
import type { Nanos } from '../../../engine/time.ts';
import { EngineRig, type RigNode, type RigPacket } from '../../../testing/engine-rig.ts';
import { SETTINGS } from '../attributes.ts';
import { uet } from '../index.ts';
import { fill, JOB, KEY, SAFE_HI } from '../rig-packets.testdata.ts';
import type { SecuredNetwork } from '../tss/secured-rig.testdata.ts';

/** Payload bytes of a full packet. */
export const MTU = 256;
/** How the victim sees the two others. */
export const HONEST = 1;
export const ATTACKER = 2;
const addressOf = (n: number) => ({ address: parseAddress(`10.0.0.${n + 1}`)!, port: 4793 });
/** Of honest peer, victim and attacker. */
export const ADDRESSES = [addressOf(0), addressOf(1), addressOf(2)] as const;

export interface SceneOptions {
  readonly settings?: Readonly<Record<string, number>>;
  /** Protects what honest peer and victim send. */
  readonly network?: SecuredNetwork;
}

/** One row of `connections()`. */
export interface Row {
  readonly id: number;
  readonly remote_id: number;
  readonly path: number;
  readonly role: 'initiator' | 'target';
  readonly mode: 'rud' | 'rod';
  readonly state: string;
  readonly tx_base: number;
  readonly tx_next: number;
  readonly in_flight: number;
  readonly rx_cack: number;
  readonly rx_highest: number;
}

export class Scene {
  readonly rig: EngineRig;
  readonly honest: RigNode;
  readonly victim: RigNode;
  /** Memory of the victim that the attacker may reach as well, under `KEY`, with guards that it may not reach. */
  readonly open = new Uint8Array(OPEN_BYTES + 2 * GUARD_BYTES).fill(GUARD);
  /** What the victim sent to the attacker since it was looked at last. */
  readonly toAttacker: Uint8Array[] = [];
  /** Everything that went between the honest peer and the victim. */
  readonly recorded: RigPacket[] = [];
  /** Where messages go, by the number of the receive. What one transfer leaves the next one uses. */
  readonly inboxes = new Map<RigNode, Map<number, Uint8Array>>();
  readonly #limits: Readonly<Record<string, number>>;
  #transfers = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor({ settings = {}, network }: SceneOptions = {}) {
    this.#limits = Object.fromEntries(SETTINGS.map(({ name, value }) => [name, settings[name] ?? value]));
    let made = 0;
    const transport: Transport = {
      ...uet,
      createEngine: (services, config) => {
        const n = made++;
        const peer = (path: number) => [ADDRESSES[1 - n], ADDRESSES[2]][path - 1];
        return (network?.transport ?? uet).createEngine(services, { ...config, local: ADDRESSES[n]!, peer });
      },
    };
    this.rig = new EngineRig(transport, { payloadMtu: MTU, settings });
    this.honest = this.rig.a;
    this.victim = this.rig.b;
    for (const node of [this.honest, this.victim]) {
      node.engine.addJob(JOB);
      node.addQueuePair(1);
      node.addQueuePair(2, { ordered: true });
    }
    this.open.fill(0, GUARD_BYTES, GUARD_BYTES + OPEN_BYTES);
    this.victim.register(this.open.subarray(GUARD_BYTES, GUARD_BYTES + OPEN_BYTES), KEY);
    this.victim.regions.push({ ...this.victim.regions[0]!, keyHi: SAFE_HI });
  }

  /** Contexts of the victim, to one of the others. */
  contexts(path: number): Row[] {
    const rows = this.victim.engine.connections!() as unknown as readonly Row[];
    return rows.filter((row) => row.path === path);
  }

  /** Gives the victim a packet, as it comes from the attacker's address or from that of the honest peer. */
  attack(bytes: Uint8Array, path = ATTACKER): void {
    this.#bytesIn += bytes.length;
    this.rig.deliver(this.victim, bytes, path);
  }

  drops(name: string, node = this.victim): number {
    return node.engine.counters.get(`dropped_${name}`)!;
  }

  census(name: string): number {
    return this.victim.engine.census()[name]!;
  }

  /** Bytes that the victim sent to the attacker, for each that it got from there. */
  get amplification(): number {
    return this.#bytesOut / Math.max(1, this.#bytesIn);
  }

  /** Moves what is under way, or else the time to the next deadline. */
  step(end: Nanos = Number.POSITIVE_INFINITY): void {
    const { rig, honest, victim } = this;
    let moved = 0;
    for (const packet of [...rig.drain(honest), ...rig.drain(victim)]) {
      moved++;
      if (packet.path === HONEST) {
        this.recorded.push(packet);
        rig.deliver(packet.to, packet.bytes, HONEST);
      } else {
        this.#bytesOut += packet.bytes.length;
        this.toAttacker.push(packet.bytes);
      }
    }
    this.#isBounded();
    if (moved > 0) rig.now += 1_000;
    else rig.now = Math.min(Math.max(rig.now, Math.min(honest.engine.deadline(), victim.engine.deadline())), end);
    honest.engine.expire(rig.now);
    victim.engine.expire(rig.now);
  }

  /** Lets time pass. */
  pass(time: Nanos): void {
    const end = this.rig.now + time;
    while (this.rig.now < end) this.step(end);
  }

  /** Honest traffic of every kind in both directions, spread over that many turns of the attacker. */
  during(turns: number, attack: (turn: number) => void): void {
    const transfer = new Transfer(this, ++this.#transfers);
    for (let turn = 0; turn < turns || !transfer.isDone; turn++) {
      if (turn > turns + 100_000) throw new Error(`the honest transfer never ends: ${transfer.missing}`);
      while (transfer.posted < OPERATIONS && transfer.posted * turns <= turn * OPERATIONS) transfer.post();
      if (turn < turns) attack(turn);
      this.step(this.rig.now + PAUSE);
    }
    transfer.check();
    this.expectGuards();
  }

  /** Nothing was written beside what the attacker may write. */
  expectGuards(): void {
    const { open } = this;
    expect(open.subarray(0, GUARD_BYTES).every((byte) => byte === GUARD)).toBe(true);
    expect(open.subarray(GUARD_BYTES + OPEN_BYTES).every((byte) => byte === GUARD)).toBe(true);
  }

  /** Closes both engines. Nothing may be left, whatever the attacker did. */
  close(): void {
    for (const node of [this.honest, this.victim]) node.engine.close(this.rig.now);
    const end = this.rig.now + 200e9;
    const isQuiet = () => [this.honest, this.victim].every(({ engine }) => engine.quiet());
    while (!isQuiet() && this.rig.now < end) this.step(end);
    for (const { engine } of [this.honest, this.victim]) {
      expect(engine.quiet()).toBe(true);
      expect(engine.deadline()).toBe(Number.POSITIVE_INFINITY);
      expect(engine.census()).toMatchObject({ contexts: 0, messages: 0, inbound_messages: 0, timers: 0 });
    }
  }

  #isBounded(): void {
    const census = this.victim.engine.census();
    const { maxContexts, maxMessages, maxInboundMessages } = this.#limits;
    if (census['contexts']! > maxContexts!) throw new Error(`${census['contexts']} contexts`);
    if (census['messages']! > maxMessages!) throw new Error(`${census['messages']} messages`);
    if (census['inbound_messages']! > maxInboundMessages!) throw new Error(`${census['inbound_messages']} in arrival`);
    if (census['timers']! > census['contexts']!) throw new Error(`${census['timers']} timers`);
  }
}

interface Posted {
  readonly from: RigNode;
  readonly to: RigNode;
  readonly id: number;
  readonly opcode: number;
  readonly bytes: Uint8Array;
  readonly place: number;
}

/** Writes, sends and reads of several packets each way, on ordered and unordered contexts. */
class Transfer {
  posted = 0;
  readonly #rig: EngineRig;
  readonly #base: number;
  readonly #memory = new Map<RigNode, Uint8Array>();
  readonly #inboxes: Map<RigNode, Map<number, Uint8Array>>;
  readonly #operations: Posted[] = [];

  constructor(scene: Scene, number: number) {
    this.#rig = scene.rig;
    this.#base = number * 1000;
    this.#inboxes = scene.inboxes;
    for (const node of [scene.honest, scene.victim]) {
      const memory = fill(OPERATIONS * ROOM, number);
      this.#memory.set(node, memory);
      node.register(memory, HONEST_KEY + number);
      const inboxes = this.#inboxes.get(node) ?? new Map<number, Uint8Array>();
      this.#inboxes.set(node, inboxes);
      for (let n = 0; n < OPERATIONS; n++) {
        const inbox = new Uint8Array(ROOM);
        inboxes.set(this.#base + n, inbox);
        node.postReceive(1 + (n & 1), node.register(inbox, 0, 0), 0, ROOM, this.#base + n);
      }
      for (const qp of [1, 2]) node.engine.doorbell(scene.rig.now, qp);
    }
  }

  post(): void {
    const n = this.posted++;
    const rig = this.#rig;
    const from = n % 3 === 2 ? rig.b : rig.a;
    const opcode = [WorkOpcode.RDMA_WRITE, WorkOpcode.SEND_WITH_IMM, WorkOpcode.RDMA_READ][(n >> 1) % 3]!;
    const length = (n * 397) % ROOM;
    const id = this.#base + n;
    const bytes = opcode === WorkOpcode.RDMA_READ ? new Uint8Array(length) : fill(length, id);
    const place = n * ROOM;
    const qp = 1 + (n & 1);
    const where = { rkeyLo: HONEST_KEY + this.#base / 1000, remoteOffsetLo: place, remoteQpn: (qp << 12) | 1 };
    from.post(qp, {
      opcode,
      region: from.register(bytes, 0, 0),
      length,
      ...where,
      wrIdLo: id,
      immLo: id,
      path: HONEST,
    });
    from.engine.doorbell(rig.now, qp);
    this.#operations.push({ from, to: rig.other(from), id, opcode, bytes, place });
  }

  get isDone(): boolean {
    const sends = this.#operations.filter(({ opcode }) => opcode === WorkOpcode.SEND_WITH_IMM).length;
    const [done, came] = [this.#completions(false), this.#completions(true)];
    return this.posted === OPERATIONS && done.length >= OPERATIONS && came.length >= sends;
  }

  /** What has not ended, for messages. */
  get missing(): string {
    const ended = new Map(this.#completions(false).map(({ wrIdLo, status }) => [wrIdLo, status]));
    const came = new Set(this.#completions(true).map(({ immLo }) => immLo));
    return this.#operations
      .map(({ id, opcode }) => `${id} opcode ${opcode} status ${ended.get(id)} came ${came.has(id)}`)
      .join('\n');
  }

  check(): void {
    const done = this.#completions(false);
    expect(done.map(({ wrIdLo, status }) => [wrIdLo, status]).sort(([a], [b]) => a! - b!)).toEqual(
      this.#operations.map(({ id }) => [id, Status.SUCCESS]),
    );
    const sends = this.#operations.filter(({ opcode }) => opcode === WorkOpcode.SEND_WITH_IMM);
    const came = this.#completions(true);
    expect(came.map(({ immLo }) => immLo).sort((a, b) => a - b)).toEqual(sends.map(({ id }) => id));
    for (const { to, id, bytes } of sends) {
      const one = to.completions.find((each) => each.receive && each.immLo === id)!;
      expect([one.status, one.byteLength], `message ${id}`).toEqual([Status.SUCCESS, bytes.length]);
      expectSame(this.#inboxes.get(to)!.get(one.wrIdLo)!.subarray(0, bytes.length), bytes, `message ${id}`);
    }
    for (const [node, memory] of this.#memory) {
      const image = fill(memory.length, this.#base / 1000);
      for (const { to, from, opcode, bytes, place, id } of this.#operations) {
        if (to === node && opcode === WorkOpcode.RDMA_WRITE) image.set(bytes, place);
        const there = this.#memory.get(to)!;
        if (from === node && opcode === WorkOpcode.RDMA_READ) {
          expectSame(bytes, there.subarray(place, place + bytes.length), `read ${id}`);
        }
      }
      expectSame(memory, image, 'memory');
    }
  }

  #completions(receive: boolean) {
    const all = [...this.#rig.a.completions, ...this.#rig.b.completions];
    const isMine = (id: number) => id >= this.#base && id < this.#base + 1000;
    return all.filter(
      (one) => one.receive === receive && one.path === HONEST && isMine(receive ? one.immLo : one.wrIdLo),
    );
  }
}

function expectSame(is: Uint8Array, due: Uint8Array, what: string): void {
  expect(Buffer.compare(is, due), what).toBe(0);
}

/** Most time between two turns of the attacker. */
const PAUSE: Nanos = 1_000_000;
/** Requests of one transfer. */
const OPERATIONS = 24;
/** Most bytes of each. */
const ROOM = 2_000;
const HONEST_KEY = 0x7000;
export const OPEN_BYTES = 4096;
const GUARD_BYTES = 512;
const GUARD = 0xa5;
