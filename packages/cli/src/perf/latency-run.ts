/** One message at a time, each timed. */
import { CompletionOpcode } from '@verbena/core';
import type { Run } from './measurement.ts';
import type { PerfLane } from './perf-lane.ts';
import type { VerbsTest } from './perf-tests.ts';
import { fillReceives, nextMark, type ReceiveTemplate, repostReceive } from './responder.ts';
import { checkBatch, type WorkTemplate } from './work-template.ts';

/**
 * A ping-pong of writes or sends counts half a round trip, as in perftest; a read counts the whole one, since that is
 * what the program waits for.
 */
export class LatencyRun implements Run {
  progress = 0;
  readonly #lane: PerfLane;
  readonly #test: VerbsTest;
  readonly #request: WorkTemplate;
  readonly #receive: ReceiveTemplate | undefined;
  readonly #samples: Float64Array;
  readonly idle?: () => Promise<void>;
  readonly #scale: number;
  #wanted: number;
  #isWaiting = false;
  #sentAt = 0;
  #mark = 1;

  /** @param messages - also the most samples that are kept */
  constructor(test: VerbsTest, lane: PerfLane, messages: number) {
    this.#lane = lane;
    this.#test = test;
    this.#wanted = messages;
    this.#samples = new Float64Array(Math.min(messages, MAX_SAMPLES));
    this.#scale = test.operation === 'read' ? 1e3 : 500;
    // a write is seen in memory, and nobody is woken by that
    if (test.operation !== 'write') this.idle = () => lane.idle();
    this.#receive = test.operation === 'send' ? fillReceives(lane) : undefined;
    const remote = test.operation === 'write' ? lane.remoteIn : lane.remoteOut;
    this.#request = {
      opcode: test.operation,
      ...lane.route,
      region: test.operation === 'read' ? lane.in : lane.out,
      offset: 0,
      length: lane.size,
      id: 0,
      ...(test.operation === 'send' ? {} : { remote, remoteOffset: 0 }),
    };
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
    const { cq, batch } = this.#lane;
    if (cq.poll(batch) > 0) {
      checkBatch(batch, 'perf');
      if (this.#isWaiting) this.#look();
    }
    if (this.#isWaiting && this.#test.operation === 'write') this.#lookAtMemory();
    if (this.#isWaiting) return false;
    if (this.progress >= this.#wanted) return true;
    if (this.#lane.qp.sendSpace > 0) this.#send();
    return false;
  }

  stop(): void {
    this.#wanted = Math.min(this.#wanted, this.progress + (this.#isWaiting ? 1 : 0));
  }

  #send(): void {
    const { qp, out, size } = this.#lane;
    if (this.#test.operation === 'write') out.bytes[size - 1] = this.#mark;
    this.#request.signaled = this.#test.operation === 'read' || (this.progress & 15) === 0;
    this.#isWaiting = true;
    this.#sentAt = performance.now();
    qp.post(this.#request);
  }

  #look(): void {
    const { batch } = this.#lane;
    const awaited = this.#test.operation === 'read' ? CompletionOpcode.RDMA_READ : CompletionOpcode.RECV;
    for (let row = 0; row < batch.count; row++) {
      if (batch.opcode[row] !== awaited) continue;
      this.#record();
      if (this.#receive !== undefined) repostReceive(this.#lane, this.#receive, batch.id[row]!);
    }
  }

  #lookAtMemory(): void {
    if (this.#lane.in.bytes[this.#lane.size - 1] !== this.#mark) return;
    this.#record();
    this.#mark = nextMark(this.#mark);
  }

  #record(): void {
    const micros = (performance.now() - this.#sentAt) * this.#scale;
    if (this.progress < this.#samples.length) this.#samples[this.progress] = micros;
    this.progress++;
    this.#isWaiting = false;
  }
}

const MAX_SAMPLES = 4_000_000;
