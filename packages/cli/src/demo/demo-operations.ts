/** The operations that the demo shows, and how each is done and checked. */
import {
  CompletionBatch,
  CompletionOpcode,
  type CompletionQueue,
  type MemoryRegion,
  type QueuePair,
  RemoteMemory,
} from '@verbena/core';
import { drive, type Run } from '../perf/measurement.ts';
import { fillPattern } from '../perf/perf-lane.ts';
import { checkBatch, type WorkTemplate } from '../perf/work-template.ts';
import { createLink } from '../session/create-link.ts';
import { figuresOf } from '../session/device-figures.ts';
import type { Endpoint } from '../session/endpoint.ts';
import type { Link } from '../session/link.ts';

export interface DemoOperation {
  readonly name: string;
  readonly opcode: 'send' | 'write' | 'read';
  readonly messages: number;
  readonly bytes: number;
  /** Immediate data tell the other side which message arrived. */
  readonly hasImm: boolean;
}

/** 64 MiB in all. */
export const DEMO_OPERATIONS: readonly DemoOperation[] = [
  { name: 'send', opcode: 'send', messages: 256, bytes: 16_384, hasImm: true },
  { name: 'write', opcode: 'write', messages: 24, bytes: 2 ** 20, hasImm: false },
  { name: 'write with immediate', opcode: 'write', messages: 12, bytes: 2 ** 20, hasImm: true },
  { name: 'read', opcode: 'read', messages: 24, bytes: 2 ** 20, hasImm: false },
];

export interface OperationResult {
  readonly operation: DemoOperation;
  readonly bytes: number;
  readonly seconds: number;
  /** By both devices. */
  readonly retransmittedPackets: number;
  /** Every byte is where it should be, and no other one was touched. */
  readonly ok: boolean;
}

/** One side of the demo. */
export class DemoSide {
  readonly endpoint: Endpoint;
  readonly cq: CompletionQueue;
  readonly link: Link;
  readonly qp: QueuePair;
  readonly out: MemoryRegion;
  readonly in: MemoryRegion;
  readonly batch = new CompletionBatch(64);

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    this.cq = endpoint.context.createCompletionQueue({ entries: 2048 });
    this.link = createLink(endpoint, { cq: this.cq, sendDepth: 256, receiveDepth: 512 });
    this.qp = this.link.qp;
    this.out = endpoint.register(BUFFER_BYTES, ['local-write', 'remote-read']);
    this.in = endpoint.register(BUFFER_BYTES, ['local-write', 'remote-write']);
  }
}

/** Joins two sides that are in one process. */
export function joinSides(here: DemoSide, there: DemoSide): void {
  here.link.join(there.endpoint.place, there.link.end);
  there.link.join(here.endpoint.place, here.link.end);
}

/** Runs one operation from `here` to `there`. */
export async function runOperation(
  operation: DemoOperation,
  here: DemoSide,
  there: DemoSide,
): Promise<OperationResult> {
  const source = operation.opcode === 'read' ? there : here;
  const target = operation.opcode === 'read' ? here : there;
  const bytes = operation.messages * operation.bytes;
  fillPattern(source.out.bytes, bytes + operation.name.length); // another pattern for each operation
  target.in.bytes.fill(0);
  const arrivals = new Arrivals(operation, there);
  const before = retransmissions(here, there);
  const started = performance.now();
  await drive(
    new OperationRun(operation, here, there, arrivals),
    here.endpoint.device.polls && there.endpoint.device.polls,
  );
  const seconds = (performance.now() - started) / 1e3;
  const retransmittedPackets = retransmissions(here, there) - before;
  const ok = arrivals.isComplete && isRight(operation, source.out.bytes, target.in.bytes, arrivals);
  return { operation, bytes, seconds, retransmittedPackets, ok };
}

/** What the passive side is told: which message is where. */
class Arrivals {
  /** Place of message `n`; -1 until it is there. */
  readonly places: Int32Array;
  readonly #operation: DemoOperation;
  readonly #side: DemoSide;
  #left: number;

  constructor(operation: DemoOperation, side: DemoSide) {
    this.#operation = operation;
    this.#side = side;
    this.places = new Int32Array(operation.messages).fill(operation.hasImm ? -1 : 0);
    this.#left = operation.hasImm ? operation.messages : 0;
    const isSend = operation.opcode === 'send';
    if (!isSend && !(operation.hasImm && side.link.immTakesReceive)) return;
    for (let id = 0; id < operation.messages; id++) {
      side.qp.postReceive({ id, region: side.in, ...(isSend ? slotOf(id, operation) : NOTHING) });
    }
  }

  get isComplete(): boolean {
    return this.#left === 0;
  }

  step(): void {
    const { cq, batch } = this.#side;
    if (cq.poll(batch) === 0) return;
    checkBatch(batch, 'demo');
    for (let row = 0; row < batch.count; row++) {
      const isSend = batch.opcode[row] === CompletionOpcode.RECV;
      if (!isSend && batch.opcode[row] !== CompletionOpcode.RECV_RDMA_WITH_IMM) continue;
      const message = batch.immLo[row]!;
      if (message >= this.#operation.messages || this.places[message] !== -1) continue; // not what was sent: stays open
      this.places[message] = isSend ? batch.id[row]! : message;
      this.#left--;
    }
  }
}

class OperationRun implements Run {
  progress = 0;
  readonly #operation: DemoOperation;
  readonly #here: DemoSide;
  readonly #arrivals: Arrivals;
  readonly #request: WorkTemplate;
  #posted = 0;

  constructor(operation: DemoOperation, here: DemoSide, there: DemoSide, arrivals: Arrivals) {
    this.#operation = operation;
    this.#here = here;
    this.#arrivals = arrivals;
    const { opcode, bytes } = operation;
    const remote = new RemoteMemory(opcode === 'read' ? there.out.rkey : there.in.rkey);
    const region = opcode === 'read' ? here.in : here.out;
    const source = { region, offset: 0, length: bytes, id: 0 };
    this.#request = { opcode, ...here.link.route, ...source, ...(opcode === 'send' ? {} : { remote }) };
  }

  step(): boolean {
    const { cq, batch, qp } = this.#here;
    const { messages, bytes, hasImm } = this.#operation;
    if (cq.poll(batch) > 0) {
      checkBatch(batch, 'demo');
      this.progress += batch.count;
    }
    this.#arrivals.step();
    while (this.#posted < messages && this.#posted - this.progress < DEPTH && qp.sendSpace > 0) {
      const request = this.#request;
      request.id = this.#posted;
      request.offset = this.#posted * bytes;
      if (request.remote !== undefined) request.remoteOffset = request.offset;
      if (hasImm) request.imm = this.#posted;
      qp.post(request);
      this.#posted++;
    }
    return this.progress === messages && this.#arrivals.isComplete;
  }

  stop(): void {}
}

function isRight(operation: DemoOperation, sent: Uint8Array, arrived: Uint8Array, { places }: Arrivals): boolean {
  const { bytes, messages, opcode } = operation;
  for (let message = 0; message < messages; message++) {
    const from = message * bytes;
    const at = opcode === 'send' ? places[message]! * bytes : from;
    if (Buffer.compare(sent.subarray(from, from + bytes), arrived.subarray(at, at + bytes)) !== 0) return false;
  }
  return arrived.subarray(messages * bytes).every((byte) => byte === 0);
}

function retransmissions(here: DemoSide, there: DemoSide): number {
  return figuresOf(here.endpoint.device).retransmittedPackets + figuresOf(there.endpoint.device).retransmittedPackets;
}

function slotOf(id: number, { bytes }: DemoOperation) {
  return { offset: id * bytes, length: bytes };
}

/** A receive that only tells. */
const NOTHING = { offset: 0, length: 0 };
const DEPTH = 8;
const BUFFER_BYTES = 25 * 2 ** 20;
