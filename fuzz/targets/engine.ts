/**
 * Mutated packets against live engines in simulated time, while honest work goes on between the same devices and with
 * a bystander. An engine must not throw, must come to rest, must count what it drops, must stay within its tables, and
 * must still serve the bystander.
 */
import { SeededRandom, type Transport } from '@verbena/core';
import { type CaptureBed, type CapturedPacket, captureTraffic, Notice } from '@verbena/core/testing';
import type { QpType } from '@verbena/core/uapi';
import { type Aim, aimOf } from '../aim.ts';
import { type FuzzOptions, type FuzzReport, goesOn, hexOf, MAX_FAILURES } from '../fuzz-run.ts';
import { drawSettings } from '../fuzz-settings.ts';
import { matchedTraffic } from '../matched-traffic.ts';
import { mutate } from '../mutator.ts';

/** What a bed adds for a transport that changes packets on their way. */
export interface Protection {
  readonly transport: Transport;
  /** The packets that went so far as they were before, those to the first two nodes. */
  readonly plain: () => CapturedPacket[];
  /** What goes over the wire for a packet. */
  readonly protect: (bytes: Uint8Array, from: number, to: number) => Uint8Array;
}

export function fuzzEngine(transport: Transport, options: FuzzOptions, kind?: QpType): FuzzReport {
  return fuzzBeds(`engine ${transport.name}`, () => ({ transport }), options, kind);
}

/** @param open - what is attacked, for each bed anew */
export function fuzzBeds(
  target: string,
  open: () => Pick<Protection, 'transport'> & Partial<Protection>,
  options: FuzzOptions,
  kind?: QpType,
): FuzzReport {
  const random = new SeededRandom(options.seed);
  const failures: string[] = [];
  const facts = { dropped: 0, unopened: 0, exchanges: 0, beds: 0 };
  let inputs = 0;
  while (goesOn(options, inputs) && failures.length < MAX_FAILURES) {
    const bedSeed = random.uint32();
    // in a sequence of its own, so that a bed can be made again by its seed
    const drawn = new SeededRandom(bedSeed);
    const { transport, plain, protect } = open();
    const settings = drawSettings(transport.name, drawn);
    const state = captureTraffic(transport, bedSeed, settings, kind, (bed) => {
      if (bed.kind === 'RU') matchedTraffic(bed);
    });
    const packets = plain?.() ?? state.packets;
    const run = new EngineRun({ bed: state.bed, packets }, random, options.corpus ?? [], facts, protect);
    facts.beds++;
    try {
      for (let i = 0; i < PER_BED && goesOn(options, inputs); i++) {
        inputs++;
        run.attack(i);
      }
      run.finish();
    } catch (thrown) {
      failures.push(
        `bed ${bedSeed} ${JSON.stringify(settings)}: ${thrown instanceof Error ? thrown.message : String(thrown)}\n${run.last()}`,
      );
    }
  }
  return { target, inputs, failures, facts };
}

class EngineRun {
  readonly #state: CaptureBed;
  readonly #random: SeededRandom;
  readonly #pool: readonly Uint8Array[];
  readonly #facts: Record<string, number>;
  readonly #notices: readonly Notice[];
  readonly #recent: string[] = [];
  readonly #aim: Aim | undefined;
  readonly #protect: Protection['protect'] | undefined;

  constructor(
    state: CaptureBed,
    random: SeededRandom,
    corpus: readonly Uint8Array[],
    facts: Record<string, number>,
    protect?: Protection['protect'],
  ) {
    this.#protect = protect;
    this.#state = state;
    this.#random = random;
    this.#pool = [...state.packets.map(({ bytes }) => bytes), ...corpus];
    this.#facts = facts;
    this.#aim = aimOf(state.bed.pump.transport.name, state);
    this.#notices = state.bed.ends.map(({ node }) => new Notice(node.kernel.links[0]!.engine.counters));
  }

  attack(i: number): void {
    const random = this.#random;
    const { bed, packets } = this.#state;
    const { pump } = bed;
    const captured = packets[random.below(packets.length)]!;
    const original = random.chance(0.9) ? captured.bytes : this.#pool[random.below(this.#pool.length)]!;
    const bytes = random.chance(0.05) ? original.slice() : mutate(random, original, this.#pool);
    // mostly in the name of the peer that it belongs to; sometimes the device hears itself
    const from = random.chance(0.9) ? captured.from : random.below(2);
    if (random.chance(0.05)) this.#work();
    const receiver = bed.ends[captured.to]!;
    receiver.revive();
    if (random.chance(0.7)) this.#aim?.(bytes, captured.to, receiver.node.kernel.links[0]!.engine, random);
    this.#recent.push(`${from} -> ${captured.to} ${hexOf(bytes)}`);
    if (this.#recent.length > KEPT) this.#recent.shift();
    const notice = this.#notices[captured.to]!;
    notice.mark();
    pump.network.inject(pump.now, from, captured.to, this.#onWire(bytes, from, captured.to));
    pump.drive({ limitNs: random.chance(0.02) ? random.below(5_000_000) : 1_000 });
    // what protection drops has not arrived, but is counted
    if (!notice.arrived && (this.#protect === undefined || !notice.noticed))
      throw new Error('the packet did not arrive');
    if (!notice.noticed) throw new Error('the packet was neither processed nor counted as dropped');
    if (i % 256 === 255) {
      this.#checkTables();
      bed.drain();
      this.#exchange();
    }
  }

  /** Under protection most packets are changed before it, so that they get past it, and some after it. */
  #onWire(bytes: Uint8Array, from: number, to: number): Uint8Array {
    const protect = this.#protect;
    if (protect === undefined) return bytes;
    const random = this.#random;
    const sealed = protect(bytes, from, to);
    return random.chance(0.8) ? sealed : mutate(random, sealed, this.#pool);
  }

  finish(): void {
    this.#checkTables();
    this.#exchange();
    for (const { node } of this.#state.bed.ends) {
      for (const [name, count] of Object.entries(node.kernel.counters())) {
        if (name.startsWith('dropped_')) this.#facts.dropped! += count;
        // protection did not let it in
        if (name.startsWith('dropped_tss_')) this.#facts.unopened! += count;
      }
    }
  }

  last(): string {
    return this.#recent.map((line) => `  ${line}`).join('\n');
  }

  /** Something new between the devices under attack; how it ends is open. */
  #work(): void {
    const { a, b } = this.#state.bed;
    const length = this.#random.below(1000);
    const source = a.buffer(length, { salt: 4 });
    a.qp.tryPost({ opcode: 'write', to: a.to(b), ...source.part(), remote: b.buffer(length).remote });
    b.qp.tryPostReceive(b.buffer(1000).part());
    a.qp.tryPost({ opcode: 'read', to: a.to(b), ...source.part(), remote: b.buffer(length).remote });
    a.qp.tryPost({ opcode: 'send', to: a.to(b), ...source.part() });
  }

  #checkTables(): void {
    for (const { node } of this.#state.bed.ends) {
      const grown = Object.entries(node.registered.census()).find(([, count]) => count > MAX_CENSUS);
      if (grown !== undefined) throw new Error(`${grown[0]} of node ${node.index} grew to ${grown[1]}`);
    }
  }

  /** The bystander reads and writes at both devices. */
  #exchange(): void {
    const { bed } = this.#state;
    const c = bed.ends[2]!;
    for (const end of [bed.a, bed.b]) {
      const before = c.sent.length;
      const [source, sink, back] = [c.buffer(600, { salt: 3 }), end.buffer(600), c.buffer(600)];
      c.qp.post({ opcode: 'write', to: c.to(end), ...source.part(), remote: sink.remote });
      bed.completed(c, before + 1, 0);
      c.qp.post({ opcode: 'read', to: c.to(end), ...back.part(), remote: sink.remote });
      bed.completed(c, before + 2, 0);
      for (const one of c.sent.slice(before)) if (!one.ok) throw new Error(`honest work fails: ${one.explain()}`);
      back.expectPattern(3);
      this.#facts.exchanges!++;
    }
  }
}

const PER_BED = 2048;
const KEPT = 8;
/** More of anything than this is a leak in a bed of this size. */
const MAX_CENSUS = 8000;
