/** Measurements through the fabric API: messages with tags, and atomics. Nothing in a loop allocates per message. */
import { ANY_SOURCE, OperationFlag } from '@verbena/core/fabric';
import { checkRows, type FabricLane } from './fabric-lane.ts';
import type { Run } from './measurement.ts';
import { RECEIVES } from './perf-lane.ts';
import { ATOMIC_BYTES, type FabricTest } from './perf-tests.ts';
import type { Responder } from './responder.ts';

/** Keeps a number of operations in flight until all are done. */
export class FabricRateRun implements Run {
  progress = 0;
  /** Most bytes per second over a window of one depth of messages. */
  peak = 0;
  readonly #lane: FabricLane;
  readonly #isAtomic: boolean;
  #posted = 0;
  #wanted: number;
  #windowStart = performance.now();
  #windowDone = 0;

  constructor(test: FabricTest, lane: FabricLane, messages: number) {
    this.#lane = lane;
    this.#isAtomic = test.operation === 'atomic';
    this.#wanted = messages;
    if (this.#isAtomic) writeOne(lane);
  }

  step(): boolean {
    const { queue, batch, depth } = this.#lane;
    if (queue.read(batch) > 0) {
      checkRows(batch);
      this.#note(batch.count);
    }
    while (this.#posted - this.progress < depth && this.#posted < this.#wanted) this.#post();
    return this.#posted >= this.#wanted && this.progress === this.#posted;
  }

  stop(): void {
    this.#wanted = Math.min(this.#wanted, this.#posted);
  }

  idle(): Promise<void> {
    return this.#lane.idle();
  }

  #post(): void {
    const { fabricEndpoint, out, size, peer } = this.#lane;
    const number = this.#posted++;
    if (this.#isAtomic) addOne(this.#lane, number);
    else fabricEndpoint.tagged.send(out, 0, size, peer, TAG);
  }

  #note(done: number): void {
    const { depth, size } = this.#lane;
    this.progress += done;
    if (this.progress - this.#windowDone < depth) return;
    const now = performance.now();
    const rate = ((this.progress - this.#windowDone) * size * 1e3) / (now - this.#windowStart);
    if (rate > this.peak && Number.isFinite(rate)) this.peak = rate;
    this.#windowStart = now;
    this.#windowDone = this.progress;
  }
}

/** One operation at a time, each timed: half a round trip of messages, the whole one of an atomic. */
export class FabricLatencyRun implements Run {
  progress = 0;
  readonly #lane: FabricLane;
  readonly #isAtomic: boolean;
  readonly #samples: Float64Array;
  #wanted: number;
  #isWaiting = false;
  #sentAt = 0;
  /** Sends that are not completed: the answer may come first. */
  #sending = 0;

  /** @param messages - also the most samples that are kept */
  constructor(test: FabricTest, lane: FabricLane, messages: number) {
    this.#lane = lane;
    this.#isAtomic = test.operation === 'atomic';
    this.#wanted = messages;
    this.#samples = new Float64Array(Math.min(messages, MAX_SAMPLES));
    if (this.#isAtomic) writeOne(lane);
    else fillTagged(lane);
  }

  /** What was measured, in microseconds. */
  get samples(): Float64Array {
    return this.#samples.subarray(0, Math.min(this.progress, this.#samples.length));
  }

  /** Begins anew: what was measured so far was for warming up. */
  restart(messages: number): void {
    this.#wanted = messages;
    this.progress = 0;
  }

  step(): boolean {
    const { queue, batch } = this.#lane;
    if (queue.read(batch) > 0) {
      checkRows(batch);
      this.#look();
    }
    if (this.#isWaiting) return false;
    if (this.progress >= this.#wanted) return this.#sending === 0;
    this.#begin();
    return false;
  }

  stop(): void {
    this.#wanted = Math.min(this.#wanted, this.progress + (this.#isWaiting ? 1 : 0));
  }

  idle(): Promise<void> {
    return this.#lane.idle();
  }

  #begin(): void {
    const { fabricEndpoint, out, size, peer } = this.#lane;
    this.#isWaiting = true;
    this.#sentAt = performance.now();
    if (this.#isAtomic) addOne(this.#lane, 0);
    else {
      fabricEndpoint.tagged.send(out, 0, size, peer, TAG);
      this.#sending++;
    }
  }

  #look(): void {
    const { batch } = this.#lane;
    for (let row = 0; row < batch.count; row++) {
      const flags = batch.flags[row]!;
      if ((flags & OperationFlag.RECV) !== 0) repostTagged(this.#lane, batch.context[row] as number);
      else if (!this.#isAtomic) {
        this.#sending--;
        continue;
      }
      const micros = (performance.now() - this.#sentAt) * (this.#isAtomic ? 1e3 : 500);
      if (this.progress < this.#samples.length) this.#samples[this.progress] = micros;
      this.progress++;
      this.#isWaiting = false;
    }
  }
}

export function createFabricResponder(test: FabricTest, lane: FabricLane): Responder {
  return test.operation === 'atomic' ? new AtomicBystander(lane) : new TaggedSink(lane, test.kind === 'lat');
}

/** Atomics need nobody: the device only has to be driven, if that is this thread's business. */
class AtomicBystander implements Responder {
  activity = 0;
  readonly #lane: FabricLane;
  readonly #drives: boolean;

  constructor(lane: FabricLane) {
    this.#lane = lane;
    this.#drives = lane.endpoint.device.polls;
  }

  step(): void {
    const work = this.#lane.endpoint.context.progress();
    this.activity += this.#drives ? work : 1;
  }

  idle(): Promise<void> {
    return this.#lane.idle();
  }
}

/** Takes messages, and sends one back for each if it is to echo. */
class TaggedSink implements Responder {
  activity = 0;
  readonly #lane: FabricLane;
  readonly #echoes: boolean;
  #owed = 0;

  constructor(lane: FabricLane, echoes: boolean) {
    this.#lane = lane;
    this.#echoes = echoes;
    fillTagged(lane);
  }

  step(): void {
    const { queue, batch, fabricEndpoint, out, size, peer } = this.#lane;
    if (queue.read(batch) > 0) {
      checkRows(batch);
      for (let row = 0; row < batch.count; row++) {
        if ((batch.flags[row]! & OperationFlag.RECV) === 0) continue;
        this.activity++;
        repostTagged(this.#lane, batch.context[row] as number);
        if (this.#echoes) this.#owed++;
      }
    }
    for (; this.#owed > 0 && fabricEndpoint.transmitSpace > 0; this.#owed--) {
      fabricEndpoint.tagged.send(out, 0, size, peer, TAG);
    }
  }

  idle(): Promise<void> {
    return this.#lane.idle();
  }
}

/** Posts all receives: each lands in its slot. */
function fillTagged(lane: FabricLane): void {
  for (let slot = 0; slot < RECEIVES; slot++) repostTagged(lane, slot);
}

function repostTagged(lane: FabricLane, slot: number): void {
  lane.fabricEndpoint.tagged.receive(lane.in, lane.offset(slot), lane.size, ANY_SOURCE, TAG, 0, slot);
}

/** The operand: 1. */
function writeOne({ out }: FabricLane): void {
  out.bytes.fill(0, 0, ATOMIC_BYTES);
  out.bytes[0] = 1;
}

/** Adds 1 to the first word of the peer; what was there comes back into a slot of its own. */
function addOne(lane: FabricLane, number: number): void {
  const { fabricEndpoint, out, in: memory, peer, remote } = lane;
  fabricEndpoint.atomics.fetch('SUM', 'UINT64', out, 0, 1, memory, lane.offset(number), peer, 0, remote);
}

const TAG = 0x7a6;
const MAX_SAMPLES = 4_000_000;
