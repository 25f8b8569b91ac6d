/** A ping-pong of messages between two equal sides, as ibv_rc_pingpong plays it. */
import { CompletionOpcode } from '@verbena/core';
import { refusal } from '../failure.ts';
import type { Run } from './measurement.ts';
import type { PerfLane } from './perf-lane.ts';
import { fillReceives, type ReceiveTemplate, repostReceive } from './responder.ts';
import { checkBatch, type WorkTemplate } from './work-template.ts';

export class PingPong implements Run {
  /** Messages received. */
  progress = 0;
  /** When the first message after the warm-up was sent or arrived. */
  startedAt = 0;
  readonly #lane: PerfLane;
  readonly #receive: ReceiveTemplate;
  readonly #request: WorkTemplate;
  readonly #checks: boolean;
  readonly #warmUp: number;
  #wanted: number;
  #sent = 0;
  #owed: number;

  /**
   * @param starts - the client has the first word
   * @param warmUp - rounds before the clock starts, on top of `rounds`
   */
  constructor(lane: PerfLane, rounds: number, starts: boolean, checks: boolean, warmUp = 0) {
    this.#lane = lane;
    this.#warmUp = warmUp;
    this.#wanted = rounds + warmUp;
    this.#checks = checks;
    this.#owed = starts ? 1 : 0;
    this.#receive = fillReceives(lane);
    this.#request = {
      opcode: 'send',
      ...lane.route,
      region: lane.out,
      offset: 0,
      length: lane.size,
      id: 0,
      signaled: true,
    };
  }

  step(): boolean {
    const { cq, batch, qp, idleSpace } = this.#lane;
    if (cq.poll(batch) > 0) {
      checkBatch(batch, 'pingpong');
      for (let row = 0; row < batch.count; row++) {
        if (batch.opcode[row] === CompletionOpcode.RECV) this.#received(batch.id[row]!, batch.byteLength[row]!);
      }
    }
    if (this.#owed > 0 && this.#sent < this.#wanted && qp.sendSpace > 0) this.#send();
    return this.progress >= this.#wanted && this.#sent >= this.#wanted && qp.sendSpace === idleSpace;
  }

  /** Every message of the other side has arrived. */
  get hasAll(): boolean {
    return this.progress >= this.#wanted;
  }

  idle(): Promise<void> {
    return this.#lane.idle();
  }

  stop(): void {
    this.#wanted = Math.min(this.#wanted, this.#sent);
  }

  #received(id: number, length: number): void {
    if (this.progress === this.#warmUp && this.startedAt === 0) this.startedAt = performance.now();
    if (this.#checks) this.#check(id, length);
    this.progress++;
    this.#owed++;
    repostReceive(this.#lane, this.#receive, id);
  }

  #send(): void {
    const { out, qp, size } = this.#lane;
    if (this.#sent === this.#warmUp && this.startedAt === 0) this.startedAt = performance.now();
    if (this.#checks) mark(out.bytes, size, this.#sent);
    this.#request.id = this.#sent;
    qp.post(this.#request);
    this.#sent++;
    this.#owed--;
  }

  #check(id: number, length: number): void {
    const { in: memory, size } = this.#lane;
    const at = this.#lane.offset(id);
    for (let i = 0; i < size; i++) {
      if (length === size && memory.bytes[at + i] === ((this.progress + i) & 255)) continue;
      throw refusal('EIO', 'pingpong', `invalid data in message ${this.progress} at byte ${i}`);
    }
  }
}

function mark(bytes: Uint8Array, size: number, round: number): void {
  for (let i = 0; i < size; i++) bytes[i] = (round + i) & 255;
}
