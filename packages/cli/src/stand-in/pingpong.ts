/** ibv_rc_pingpong, ibv_uc_pingpong, ibv_ud_pingpong and ibv_srq_pingpong, either side. @spec verbs/8.3 */
import type { AddressHandle, CompletionQueue, MemoryRegion, QueuePair, SharedReceiveQueue } from '@verbena/core';
import { CompletionOpcode } from '@verbena/core';
import { answerPingpong, introducePingpong, type PingpongCard, SRQ_CARDS } from '@verbena/node';
import { checkSame, ownPattern, toolPattern } from './byte-check.ts';
import { reportOf, type StandInPlan, type StandInReport } from './plan.ts';
import { GRH_BYTES, linger, randomPsn, type ToolBench } from './tool-bench.ts';
import { meet } from './tool-meeting.ts';

export async function runPingpong(bench: ToolBench, plan: StandInPlan): Promise<StandInReport> {
  const game = new PingpongGame(bench, plan);
  const cards = game.queuePairs.map(({ qpn }) => ({ qpn, psn: randomPsn(), address: bench.address }));
  const count = plan.tool.isShared ? SRQ_CARDS : 1;
  const options = { cards, count, timeoutMs: plan.patienceMs, signal: plan.signal };
  const link = await meet(bench, plan);
  try {
    if (plan.isClient) game.connect(cards, await introducePingpong(link, options));
    else await answerPingpong(link, options, (theirs) => game.connect(cards, theirs));
  } finally {
    link.close();
  }
  const start = performance.now();
  await game.play();
  const seconds = (performance.now() - start) / 1e3;
  // The tool leaves without a word; until then its last message may have to be acknowledged again.
  await linger(LINGER_MS);
  const { size, iterations } = plan;
  return reportOf({ bytes: size * iterations * 2, iterations, seconds, checked: game.checked });
}

class PingpongGame {
  readonly queuePairs: QueuePair[] = [];
  readonly #bench: ToolBench;
  readonly #plan: StandInPlan;
  readonly #cq: CompletionQueue;
  readonly #srq: SharedReceiveQueue | undefined;
  readonly #region: MemoryRegion;
  readonly #slotBytes: number;
  readonly #slots: number;
  readonly #headBytes: number;
  readonly #handles: AddressHandle[] = [];
  /** Of each queue pair: what has to complete before it sends again. */
  readonly #pending: Uint8Array;
  /** Of each queue pair: the slot that came, or whose message is on its way back. */
  readonly #came: Int32Array;
  readonly #goes: Int32Array;
  readonly #own: Uint8Array;
  /** What the client sends, when it is the tool. */
  #wanted: Uint8Array | undefined;
  #indexes = new Map<number, number>();
  #sent = 0;
  #posted = 0;
  #received = 0;

  constructor(bench: ToolBench, plan: StandInPlan) {
    const { size, kind, queuePairs, tool } = plan;
    this.#bench = bench;
    this.#plan = plan;
    this.#headBytes = kind === 'UD' ? GRH_BYTES : 0;
    this.#slots = 2 * queuePairs + 2;
    this.#slotBytes = (size + this.#headBytes + 63) & ~63;
    this.#region = bench.register((this.#slots + queuePairs) * this.#slotBytes, ['local-write']);
    this.#cq = bench.completionQueue(2 * this.#slots + queuePairs);
    this.#srq = tool.isShared ? bench.sharedReceives(this.#slots) : undefined;
    this.#pending = new Uint8Array(queuePairs).fill(RECEIVE);
    this.#came = new Int32Array(queuePairs).fill(-1);
    this.#goes = new Int32Array(queuePairs).fill(-1);
    this.#own = ownPattern(size, 0x5eed);
    for (let i = 0; i < queuePairs; i++) {
      const qp = bench.queuePair(this.#cq, {
        ...{ kind, sendDepth: 4, receiveDepth: this.#slots, access: [] },
        ...(this.#srq === undefined ? {} : { srq: this.#srq }),
      });
      this.queuePairs.push(qp);
      this.#indexes.set(qp.qpn, i);
      this.#region.bytes.set(this.#own, this.#sendAt(i));
    }
    for (let slot = 0; slot < this.#slots; slot++) this.#postReceive(slot);
  }

  get checked(): string {
    if (this.#plan.isClient) return 'every byte of every message came back';
    return this.#wanted === undefined ? 'nothing: the client’s messages are its own' : 'every byte of every message';
  }

  connect(mine: readonly PingpongCard[], theirs: readonly PingpongCard[]): void {
    const { kind } = this.#plan;
    for (const [i, qp] of this.queuePairs.entries()) {
      const card = theirs[i] ?? { qpn: 0, psn: 0, address: '::' };
      this.#bench.connect(qp, this.#plan, mine[i]!, card);
      if (kind === 'UD') this.#handles.push(this.#bench.addressHandle(card));
    }
  }

  async play(): Promise<void> {
    const { iterations, isClient } = this.#plan;
    if (isClient) for (let i = 0; i < this.queuePairs.length; i++) this.#send(i);
    const doing = () => `after ${this.#received} of ${iterations} messages had come and ${this.#sent} were sent`;
    const { batch } = this.#bench;
    while (this.#received < iterations || this.#sent < iterations) {
      let count: number;
      try {
        count = await this.#bench.completions(this.#cq, this.#plan, doing);
      } catch (thrown) {
        // The tool may be gone before it acknowledges the last message; that it answered all of them proves enough.
        if (this.#received >= iterations && this.#sent === iterations - 1 && !this.#plan.signal?.aborted) return;
        throw thrown;
      }
      for (let row = 0; row < count; row++) {
        const index = this.#indexes.get(batch.qpn[row]!)!;
        if (batch.opcode[row] === CompletionOpcode.RECV) this.#take(index, batch.id[row]!, batch.byteLength[row]!);
        else this.#leave(index);
        if (this.#pending[index] === 0 && this.#sent < iterations) this.#send(index);
      }
    }
  }

  #take(index: number, slot: number, byteLength: number): void {
    const { size, isClient } = this.#plan;
    const at = slot * this.#slotBytes + this.#headBytes;
    const message = this.#region.bytes.subarray(at, at + byteLength - this.#headBytes);
    this.#received++;
    this.#pending[index]! &= ~RECEIVE;
    const what = `message ${this.#received}`;
    if (isClient) {
      const sent = this.#sendAt(index);
      checkSame(message, this.#region.bytes.subarray(sent, sent + size), what);
      this.#postReceive(slot);
      return;
    }
    if (this.#received === 1) this.#wanted = this.#patterns().find((pattern) => Buffer.compare(pattern, message) === 0);
    if (this.#wanted !== undefined) checkSame(message, this.#wanted, what);
    this.#came[index] = slot;
  }

  /** The last message of a queue pair is acknowledged. */
  #leave(index: number): void {
    this.#sent++;
    this.#pending[index]! &= ~SEND;
    const slot = this.#goes[index]!;
    if (slot >= 0) this.#postReceive(slot);
    this.#goes[index] = -1;
  }

  #send(index: number): void {
    const { isClient, size, kind } = this.#plan;
    let offset = this.#sendAt(index);
    if (isClient) this.#stamp(offset);
    else {
      // Back it goes from where it lies: the tool has one buffer for both directions.
      const slot = this.#came[index]!;
      offset = slot * this.#slotBytes + this.#headBytes;
      this.#goes[index] = slot;
      this.#came[index] = -1;
    }
    const to = kind === 'UD' ? { to: this.#handles[index]! } : {};
    this.queuePairs[index]!.post({ opcode: 'send', region: this.#region, offset, length: size, ...to });
    this.#posted++;
    this.#pending[index] = RECEIVE | SEND;
  }

  /** Makes each message another one. With a shared queue the tool's one buffer holds whatever came last. */
  #stamp(at: number): void {
    if (this.#plan.tool.isShared || this.#plan.size < STAMP_AT + 4) return;
    new DataView(this.#region.bytes.buffer, this.#region.bytes.byteOffset).setUint32(at + STAMP_AT, this.#posted);
  }

  #patterns(): Uint8Array[] {
    const { size, tool } = this.#plan;
    if (tool.isShared) return [toolPattern(size, 0, true)];
    return [toolPattern(size, TOOL_FILL, false), toolPattern(size, TOOL_FILL, true)];
  }

  #sendAt(index: number): number {
    return (this.#slots + index) * this.#slotBytes;
  }

  #postReceive(slot: number): void {
    const length = this.#plan.size + this.#headBytes;
    const request = { region: this.#region, offset: slot * this.#slotBytes, length, id: slot };
    if (this.#srq !== undefined) this.#srq.postReceive(request);
    else this.queuePairs[0]!.postReceive(request);
  }
}

const RECEIVE = 1;
const SEND = 2;
const STAMP_AT = 8;
/** What the tools fill their buffers with. */
const TOOL_FILL = 0x7b;
const LINGER_MS = 500;
