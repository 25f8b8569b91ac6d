/**
 * One random schedule of datagrams. Nothing is promised: they may be lost, and come in any order. What comes has the right
 * bytes, from whom it says, and comes once for each copy that the links made.
 */
import { SeededRandom } from '../base/random.ts';
import type { Transport } from '../engine/engine.ts';
import { MILLISECOND, SECOND } from '../engine/time.ts';
import type { AddressHandle } from '../verbs/address-handle.ts';
import type { QueuePair } from '../verbs/queue-pair.ts';
import { Bed, BufferPool, type End, type GuardedBuffer, patternByte } from './bed.ts';
import { CLEAN } from './faults.ts';
import { randomFaults } from './random-faults.ts';
import type { ScheduleRun } from './schedule.ts';
import { datagramQueuePair, handleOf } from './unreliable-pair.ts';

interface Sent {
  readonly id: number;
  readonly from: Party;
  readonly to: Party;
  readonly salt: number;
  readonly length: number;
  status: string;
}

/** An end with its queue pair for datagrams. */
interface Party {
  readonly end: End;
  readonly pool: BufferPool;
  readonly qp: QueuePair;
  readonly inboxes: GuardedBuffer[];
  readonly handles: Map<Party, AddressHandle>;
}

export class DatagramSchedule {
  readonly bed: Bed;
  readonly operations: Sent[] = [];
  readonly #random: SeededRandom;
  readonly #mtu: number;
  readonly #parties: readonly Party[];
  /** Links make copies: some datagrams may come more than once. */
  readonly #hasCopies: boolean;
  readonly #isHostile: boolean;

  constructor(transport: Transport, seed: number, { settings = {}, faults = true, keep = 0, inspect }: ScheduleRun) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#isHostile = faults;
    this.#hasCopies = random.chance(0.3);
    this.#mtu = [256, 512, 1024][random.below(3)]!;
    this.bed = new Bed({
      ...{ transport, seed, payloadMtu: this.#mtu, keep, settings },
      ends: 2 + random.below(2),
      entropies: 1 + random.below(4),
      faults: this.#faults(),
      ...(inspect === undefined ? {} : { inspect }),
    });
    this.#parties = this.bed.ends.map((end) => ({
      ...{
        end,
        pool: new BufferPool(end),
        qp: datagramQueuePair(end),
        inboxes: [],
        handles: new Map<Party, AddressHandle>(),
      },
    }));
  }

  run(): void {
    const { bed } = this;
    const random = this.#random;
    const count = 10 + random.below(50);
    const early = random.chance(0.6) ? count : random.below(count);
    for (const party of this.#parties) for (let n = 0; n < early; n++) this.#postReceive(party);
    const dead = random.chance(0.05) ? this.#parties[1] : undefined;
    const accident = random.below(count);
    for (let n = 0; n < count; n++) {
      this.#post(n);
      if (random.chance(0.3)) bed.pass(random.below(100_000));
      if (random.chance(0.1)) bed.pump.setFaults(this.#faults());
      if (random.chance(0.3)) this.#postReceive(this.#parties[random.below(this.#parties.length)]!);
      if (n === accident && dead !== undefined) dead.end.node.dead = true;
    }
    bed.pass(10 * MILLISECOND);
    bed.pump.setFaults({ ...CLEAN });
    const alive = this.#parties.filter(({ end }) => !end.node.dead);
    const due = this.operations.filter(({ from }) => alive.includes(from)).length;
    const completed = () => alive.reduce((sum, { end }) => sum + end.sent.length, 0);
    bed.until(`${due} datagrams to leave`, () => completed() >= due, SECOND);
    for (const party of alive) {
      this.#checkSends(party);
      this.#checkReceives(party);
    }
    bed.close();
  }

  #faults() {
    const faults = randomFaults(this.#random, this.#isHostile);
    return this.#hasCopies ? faults : { ...faults, duplicate: 0 };
  }

  #postReceive(party: Party): void {
    if (party.end.node.dead || party.inboxes.length >= DEPTH) return;
    const buffer = party.pool.buffer(ROUTE_BYTES + this.#mtu);
    party.qp.postReceive({ id: party.inboxes.length, ...buffer.part() });
    party.inboxes.push(buffer);
  }

  #post(id: number): void {
    const random = this.#random;
    const parties = this.#parties;
    const from = parties[random.below(parties.length)]!;
    const others = parties.filter((one) => one !== from);
    const to = others[random.below(others.length)]!;
    if (from.end.node.dead) return;
    let handle = from.handles.get(to);
    if (handle === undefined) {
      handle = handleOf(from.end, to.end, to.qp);
      from.handles.set(to, handle);
    }
    const length = random.chance(0.1) ? 0 : random.below(this.#mtu + 1);
    const salt = random.below(256);
    const buffer = from.pool.buffer(length, { salt });
    from.qp.post({ opcode: 'send', id, to: handle, ...buffer.part(), imm: id });
    this.operations.push({ id, from, to, salt, length, status: '' });
  }

  #checkSends({ end }: Party): void {
    for (const { id, status } of end.sent) {
      const operation = this.operations.find((one) => BigInt(one.id) === id);
      if (operation === undefined || operation.from.end !== end) throw new Error(`datagram ${id} was never posted`);
      if (operation.status !== '') throw new Error(`datagram ${id} completed twice`);
      if (status !== 'SUCCESS') throw new Error(`datagram ${id} ended with ${status}`);
      operation.status = status;
    }
  }

  #checkReceives(party: Party): void {
    const seen = new Map<bigint, number>();
    for (const one of party.end.received) {
      if (!one.ok) throw new Error(`a receive ended with ${one.status}`);
      const sent = this.operations.find(({ id }) => BigInt(id) === one.imm);
      if (sent === undefined || sent.to !== party) throw new Error(`a datagram that nobody sent: ${one.imm}`);
      const times = (seen.get(one.imm!) ?? 0) + 1;
      seen.set(one.imm!, times);
      if (times > 1 && !this.#hasCopies) throw new Error(`datagram ${one.imm} came twice`);
      if (one.byteLength !== ROUTE_BYTES + sent.length)
        throw new Error(`datagram ${one.imm} has ${one.byteLength} bytes`);
      if (one.remoteQpn !== sent.from.qp.qpn) throw new Error(`datagram ${one.imm} is from ${one.remoteQpn}, it says`);
      const inbox = party.inboxes[Number(one.id)]!;
      const bytes = inbox.bytes.subarray(ROUTE_BYTES);
      bytes.forEach((byte, i) => {
        const due = i < sent.length ? patternByte(i, sent.salt) : EMPTY;
        if (byte !== due) throw new Error(`datagram ${one.imm}: byte ${i} is ${byte}, not ${due}`);
      });
      inbox.expectGuards();
    }
  }
}

/** Where a datagram came from stands in front of it. */
const ROUTE_BYTES = 40;
/** Of receive queues. */
const DEPTH = 256;
const EMPTY = 0xee;
