/** Keeps a number of messages in flight until all are done. */

import type { Run } from './measurement.ts';
import type { PerfLane } from './perf-lane.ts';
import type { VerbsTest } from './perf-tests.ts';
import { checkBatch, type WorkTemplate } from './work-template.ts';

export class BandwidthRun implements Run {
  /** Messages posted. */
  posted = 0;
  progress = 0;
  /** Most bytes per second over a window of one depth of messages. */
  peak = 0;
  readonly #lane: PerfLane;
  readonly #request: WorkTemplate;
  readonly #isOneSided: boolean;
  readonly #signalEvery: number;
  #wanted: number;
  #windowStart = performance.now();
  #windowDone = 0;

  constructor(test: VerbsTest, lane: PerfLane, messages: number) {
    this.#lane = lane;
    this.#wanted = messages;
    this.#isOneSided = test.operation !== 'send';
    this.#signalEvery = Math.max(1, Math.min(MODERATION, lane.depth >> 2));
    const remote = test.operation === 'write' ? lane.remoteIn : lane.remoteOut;
    this.#request = {
      opcode: test.operation,
      ...lane.route,
      region: test.operation === 'read' ? lane.in : lane.out,
      offset: 0,
      length: lane.size,
      id: 0,
      ...(this.#isOneSided ? { remote, remoteOffset: 0 } : {}),
    };
  }

  step(): boolean {
    const { cq, batch, qp, idleSpace, depth } = this.#lane;
    if (cq.poll(batch) > 0) checkBatch(batch, 'perf');
    let inFlight = idleSpace - qp.sendSpace;
    const done = this.posted - inFlight;
    if (done !== this.progress) this.#note(done);
    while (inFlight < depth && this.posted < this.#wanted) {
      this.#post();
      inFlight++;
    }
    return this.posted >= this.#wanted && inFlight === 0;
  }

  stop(): void {
    this.#wanted = Math.min(this.#wanted, this.posted);
  }

  idle(): Promise<void> {
    return this.#lane.idle();
  }

  #post(): void {
    const request = this.#request;
    request.id = this.posted;
    if (this.#isOneSided) request.offset = request.remoteOffset = this.#lane.offset(this.posted);
    this.posted++;
    request.signaled = this.posted % this.#signalEvery === 0 || this.posted === this.#wanted;
    this.#lane.qp.post(request);
  }

  #note(done: number): void {
    this.progress = done;
    if (done - this.#windowDone < this.#lane.depth) return;
    const now = performance.now();
    const rate = ((done - this.#windowDone) * this.#lane.size * 1e3) / (now - this.#windowStart);
    if (rate > this.peak && Number.isFinite(rate)) this.peak = rate;
    this.#windowStart = now;
    this.#windowDone = done;
  }
}

/** A completion for every so many messages, as perftest's CQ moderation. */
const MODERATION = 32;
