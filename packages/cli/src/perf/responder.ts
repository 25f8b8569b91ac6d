/** What the passive side does during a measurement. `step` never blocks: it is called again and again. */
import { CompletionOpcode } from '@verbena/core';
import type { PerfLane } from './perf-lane.ts';
import { RECEIVES } from './perf-lane.ts';
import type { VerbsTest } from './perf-tests.ts';
import { checkBatch, type WorkTemplate } from './work-template.ts';

export interface Responder {
  step(): void;
  /** Grows when the peer does something: a silent peer is noticed. */
  readonly activity: number;
  /** As {@link Run.idle}: nothing to do before it resolves. */
  idle?(): Promise<void>;
}

export function createResponder(test: VerbsTest, lane: PerfLane): Responder {
  if (test.name === 'write-lat') return new WriteEcho(lane);
  if (test.operation === 'send') return new SendSink(lane, test.name === 'send-lat');
  return new Bystander(lane);
}

/** One-sided operations need nobody: the device only has to be driven, if that is this thread's business. */
class Bystander implements Responder {
  activity = 0;
  readonly #lane: PerfLane;
  readonly #drives: boolean;

  constructor(lane: PerfLane) {
    this.#lane = lane;
    this.#drives = lane.endpoint.device.polls;
  }

  step(): void {
    const work = this.#lane.endpoint.context.progress();
    // who does not drive the device does not see that the peer is silent
    this.activity += this.#drives ? work : 1;
  }

  idle(): Promise<void> {
    return this.#lane.idle();
  }
}

/** Takes messages, and sends one back for each if it is to echo. */
class SendSink implements Responder {
  activity = 0;
  readonly #lane: PerfLane;
  readonly #receive: ReceiveTemplate;
  readonly #answer: WorkTemplate | undefined;
  #owed = 0;

  constructor(lane: PerfLane, echoes: boolean) {
    this.#lane = lane;
    this.#receive = fillReceives(lane);
    this.#answer = echoes
      ? { opcode: 'send', ...lane.route, region: lane.out, length: lane.size, offset: 0, id: 0 }
      : undefined;
  }

  idle(): Promise<void> {
    return this.#lane.idle();
  }

  step(): void {
    const { cq, batch, qp } = this.#lane;
    if (cq.poll(batch) > 0) {
      checkBatch(batch, 'perf');
      for (let row = 0; row < batch.count; row++) {
        if (batch.opcode[row] !== CompletionOpcode.RECV) continue;
        this.activity++;
        repostReceive(this.#lane, this.#receive, batch.id[row]!);
        if (this.#answer !== undefined) this.#owed++;
      }
    }
    while (this.#owed > 0 && qp.tryPost(signalNow(this.#answer!, this.#owed))) this.#owed--;
  }
}

/** Looks at the last byte of its memory; when it changes, writes the same byte back. */
class WriteEcho implements Responder {
  activity = 0;
  readonly #lane: PerfLane;
  readonly #last: number;
  readonly #answer: WorkTemplate;
  #expected = 1;

  constructor(lane: PerfLane) {
    this.#lane = lane;
    this.#last = lane.size - 1;
    this.#answer = {
      opcode: 'write',
      ...lane.route,
      region: lane.out,
      offset: 0,
      length: lane.size,
      remote: lane.remoteIn,
      remoteOffset: 0,
      id: 0,
      signaled: false,
    };
  }

  step(): void {
    const { cq, batch, in: memory, out, qp } = this.#lane;
    if (cq.poll(batch) > 0) checkBatch(batch, 'perf');
    if (memory.bytes[this.#last] !== this.#expected || qp.sendSpace === 0) return;
    this.activity++;
    out.bytes[this.#last] = this.#expected;
    qp.post(signalNow(this.#answer, this.activity));
    this.#expected = nextMark(this.#expected);
  }
}

export interface ReceiveTemplate {
  id: number;
  region: PerfLane['in'];
  offset: number;
  length: number;
}

/** Posts all receives: message `n` lands in slot `n`. */
export function fillReceives(lane: PerfLane): ReceiveTemplate {
  const template: ReceiveTemplate = { id: 0, region: lane.in, offset: 0, length: lane.size };
  for (let slot = 0; slot < RECEIVES; slot++) repostReceive(lane, template, slot);
  return template;
}

export function repostReceive(lane: PerfLane, template: ReceiveTemplate, id: number): void {
  template.id = id;
  template.offset = lane.offset(id);
  lane.qp.postReceive(template);
}

/** The marks of a ping-pong of writes: 1 to 255, over and over. */
export function nextMark(mark: number): number {
  return mark === 255 ? 1 : mark + 1;
}

/** A completion now and then shows failures; success needs none. */
function signalNow(template: WorkTemplate, count: number): WorkTemplate {
  template.signaled = (count & 15) === 0;
  return template;
}
