/** Many requests under way, and who takes them: the tests of bandwidth, and round trips as one request at a time. */
import { CompletionOpcode, VerbsError } from '@verbena/core';
import { checkSame } from './byte-check.ts';
import { type PerftestLane, RECEIVE_ID } from './perftest-lane.ts';
import type { StandInTool } from './tools.ts';

/**
 * Sends, takes, or both, until all is done.
 *
 * @returns seconds; of a side that only takes, from the first message to the last
 * @throws VerbsError EIO a request failed, or what came is wrong
 */
export async function runStream(lane: PerftestLane): Promise<number> {
  const { plan, bench, cq, queuePairs } = lane;
  const { batch } = bench;
  const total = plan.iterations * queuePairs.length;
  const requests = lane.sends ? queuePairs.map((_, index) => new Requests(lane, index)) : [];
  const takers = lane.receives > 0 ? queuePairs.map((_, index) => new Taker(lane, index)) : [];
  const sendTotal = lane.sends ? total : 0;
  const takeTotal = takers.length > 0 ? total : 0;
  let sent = 0;
  let taken = 0;
  const doing = () =>
    [
      ...(sendTotal > 0 ? [`${sent} of ${sendTotal} requests were done`] : []),
      ...(takeTotal > 0 ? [`${taken} of ${takeTotal} messages had come`] : []),
    ].join(' and ');
  let start = performance.now();
  for (const one of requests) one.post();
  while (sent < sendTotal || taken < takeTotal) {
    const count = await bench.completions(cq, plan, () => `after ${doing()}`);
    if (!lane.sends && taken === 0) start = performance.now();
    for (let row = 0; row < count; row++) {
      const index = queuePairs.findIndex(({ qpn }) => qpn === batch.qpn[row]);
      if (batch.opcode[row] === CompletionOpcode.RECV) {
        takers[index]!.take(batch.id[row]! - RECEIVE_ID, batch.byteLength[row]!);
        taken++;
      } else {
        requests[index]!.finish(batch.id[row]!);
        sent++;
      }
    }
    for (const one of requests) one.post();
  }
  if (lane.sends) lane.checked = CHECKED[plan.tool.verb];
  if (takers.length > 0)
    lane.checked = plan.kind === 'RC' ? 'every byte: messages repeat as the tool repeats them' : 'lengths';
  return (performance.now() - start) / 1e3;
}

/** The requests of one queue pair. They finish in the order of posting. */
class Requests {
  readonly #lane: PerftestLane;
  readonly #index: number;
  readonly #view: DataView;
  #posted = 0;
  #done = 0;
  /** What the first request brought. */
  #first: Uint8Array | undefined;
  #value = 0n;

  constructor(lane: PerftestLane, index: number) {
    this.#lane = lane;
    this.#index = index;
    const { bytes } = lane.local;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Posts what there is room for; at first one alone, if later ones are measured by it. */
  post(): void {
    const { plan, depth } = this.#lane;
    const { verb } = plan.tool;
    const room = this.#done === 0 && (verb === 'read' || verb === 'atomic') ? 1 : depth;
    while (this.#posted < plan.iterations && this.#posted - this.#done < room) this.#postOne();
  }

  finish(slot: number): void {
    const { plan, local } = this.#lane;
    const { verb } = plan.tool;
    const at = this.#lane.slotAt(this.#index, slot);
    if (verb === 'read') {
      const came = local.bytes.subarray(at, at + plan.size);
      if (this.#first === undefined) this.#first = came.slice();
      else checkSame(came, this.#first, `read ${this.#done + 1}`);
    } else if (verb === 'atomic') this.#finishAtomic(this.#view.getBigUint64(at, true));
    this.#done++;
  }

  #finishAtomic(value: bigint): void {
    const isFirst = this.#done === 0;
    if (isFirst) this.#value = value;
    const wanted = this.#expected(this.#done);
    if (!isFirst && value !== wanted) {
      const what = `wrong data: atomic ${this.#done + 1} found ${value}, not ${wanted}`;
      throw new VerbsError('EIO', 'standIn', what, { object: this.#lane.plan.tool.name });
    }
  }

  /** What request `number` is to find: each finds what the one before it left. */
  #expected(number: number): bigint {
    if (this.#lane.plan.atomic === 'fetch-add') return BigInt.asUintN(64, this.#value + BigInt(number));
    return number === 1 ? this.#value : BigInt(number - 1);
  }

  #postOne(): void {
    const lane = this.#lane;
    const { plan, local: region, depth } = lane;
    const slot = this.#posted % depth;
    const request = { region, offset: lane.slotAt(this.#index, slot), length: plan.size, id: slot };
    const qp = lane.queuePairs[this.#index]!;
    const { verb } = plan.tool;
    if (verb === 'send') qp.post({ ...request, opcode: 'send', ...lane.to(this.#index) });
    else if (verb === 'write' || verb === 'read')
      qp.post({ ...request, opcode: verb, remote: lane.remote(this.#index) });
    else qp.post({ ...request, ...this.#atomic(), remote: lane.remote(this.#index) });
    this.#posted++;
  }

  #atomic() {
    if (this.#lane.plan.atomic === 'fetch-add') return { opcode: 'fetch-add', add: 1 } as const;
    // The first one swaps zero for zero, as the tool does, and learns what is there.
    const number = this.#posted;
    if (number === 0) return { opcode: 'cmp-swap', compare: 0, swap: 0 } as const;
    return { opcode: 'cmp-swap', compare: this.#expected(number), swap: BigInt(number) } as const;
  }
}

/** Messages of one queue pair. The tool sends the same ones again and again. */
class Taker {
  readonly #lane: PerftestLane;
  readonly #index: number;
  readonly #first: Uint8Array[] = [];
  #count = 0;

  constructor(lane: PerftestLane, index: number) {
    this.#lane = lane;
    this.#index = index;
  }

  take(slot: number, byteLength: number): void {
    const lane = this.#lane;
    const { size, kind } = lane.plan;
    checkLength(byteLength - lane.headBytes, size, this.#count);
    const at = lane.receiveAt(this.#index, slot) + lane.headBytes;
    const message = lane.shared.bytes.subarray(at, at + size);
    const place = this.#count % lane.period;
    const earlier = this.#first[place];
    if (earlier === undefined) this.#first[place] = message.slice();
    else if (kind === 'RC') checkSame(message, earlier, `message ${this.#count + 1}`);
    this.#count++;
    lane.postReceive(this.#index, slot);
  }
}

export function checkLength(found: number, wanted: number, number: number): void {
  if (found === wanted) return;
  throw new VerbsError('EIO', 'standIn', `message ${number + 1} has ${found} bytes, not ${wanted}`, {
    try: 'the same size on both sides',
  });
}

const CHECKED: Readonly<Record<StandInTool['verb'], string>> = {
  send: 'nothing: the tool throws away what it gets',
  write: 'nothing: the tool keeps what is written to it',
  read: 'every byte: each read gave the same',
  atomic: 'each atomic found what the one before it left',
};
