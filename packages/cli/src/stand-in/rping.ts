/** rping, either side: a client's buffer is read, then written back, by a server that is told where it is. @spec verbs/8.4 */
import {
  CompletionOpcode,
  type CompletionQueue,
  type MemoryRegion,
  type QueuePair,
  RemoteMemory,
  Status,
  VerbsError,
} from '@verbena/core';
import type { Connection } from '@verbena/core/cm';
import { checkSame } from './byte-check.ts';
import { reportOf, type StandInPlan, type StandInReport } from './plan.ts';
import type { ToolBench } from './tool-bench.ts';
import { ToolConnections } from './tool-connections.ts';

export async function runRping(bench: ToolBench, plan: StandInPlan): Promise<StandInReport> {
  const connections = new ToolConnections(bench, plan);
  let isDone = false;
  try {
    const side = new RpingSide(bench, plan);
    if (!plan.isClient) plan.ready?.();
    const reads = 1;
    const connection = await connections.connect(side.queuePair, reads, side.access, () => side.postReceives());
    const start = performance.now();
    const rounds = await (plan.isClient ? side.ask() : side.answer(connection));
    const seconds = (performance.now() - start) / 1e3;
    isDone = true;
    return reportOf({ bytes: 2 * side.bytes, iterations: rounds, seconds, checked: 'every byte of every round' });
  } finally {
    await connections.close(isDone ? undefined : 0);
  }
}

/** What the client tells: where, by which key, how much. In network byte order, 16 bytes. */
interface Advertisement {
  readonly remote: RemoteMemory;
  readonly length: number;
}

class RpingSide {
  readonly queuePair: QueuePair;
  readonly access = ['remote-read', 'remote-write'] as const;
  /** Of all rounds, one way. */
  bytes = 0;
  readonly #bench: ToolBench;
  readonly #plan: StandInPlan;
  readonly #cq: CompletionQueue;
  readonly #words: MemoryRegion;
  readonly #view: DataView;
  /** The client's text, and where the server's copy of it comes back; the server has the second only. */
  readonly #source: MemoryRegion;
  readonly #sink: MemoryRegion;
  #wordsCame = 0;
  #wordsUsed = 0;
  #moved = 0;

  constructor(bench: ToolBench, plan: StandInPlan) {
    this.#bench = bench;
    this.#plan = plan;
    this.#cq = bench.completionQueue(64);
    this.#words = bench.register(2 * WORDS * WORD_BYTES, ['local-write']);
    const { bytes } = this.#words;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const room = plan.isClient ? plan.size : Math.max(plan.size, MAX_SIZE);
    const rights = ['local-write', ...this.access] as const;
    this.#source = bench.register(room, rights);
    this.#sink = bench.register(room, rights);
    this.queuePair = bench.queuePair(this.#cq, { kind: 'RC', sendDepth: 16, receiveDepth: WORDS });
  }

  postReceives(): void {
    for (let slot = 0; slot < WORDS; slot++) this.#postReceive(slot);
  }

  /** The client's half. @returns rounds */
  async ask(): Promise<number> {
    const { iterations, size } = this.#plan;
    for (let round = 0; round < iterations; round++) {
      const text = rpingText(round, size);
      const doing = () => `in round ${round + 1} of ${iterations}`;
      this.#source.bytes.set(text);
      this.#sink.bytes.fill(0, 0, size);
      this.#advertise(this.#source, size);
      await this.#word(doing);
      this.#advertise(this.#sink, size);
      await this.#word(doing);
      // The server writes the text and the zero behind it.
      checkSame(this.#sink.bytes.subarray(0, size), text, `what came back in round ${round + 1}`);
      this.bytes += size;
    }
    return iterations;
  }

  /** The server's half: as many rounds as the client wants. @returns rounds */
  async answer(connection: Connection): Promise<number> {
    const { iterations } = this.#plan;
    let isOver = false;
    void connection.closed.then(() => {
      isOver = true;
    });
    const gone = () => isOver;
    let round = 0;
    for (;;) {
      const doing = () => `in round ${round + 1}`;
      const source = await this.#wordOrEnd(doing, gone);
      if (source === undefined) break;
      const { length } = source;
      this.queuePair.post({ opcode: 'read', region: this.#sink, length, remote: source.remote, id: MOVE_ID });
      await this.#settled(doing);
      const text = this.#sink.bytes.subarray(0, length);
      checkSame(text, rpingText(round, length), `the client’s text of round ${round + 1}`);
      this.#goAhead();
      const sink = (await this.#wordOrEnd(doing, gone)) ?? this.#tooEarly(doing());
      const written = text.indexOf(0) + 1;
      this.queuePair.post({ opcode: 'write', region: this.#sink, length: written, remote: sink.remote, id: MOVE_ID });
      await this.#settled(doing);
      this.#goAhead();
      this.bytes += length;
      round++;
    }
    if (round > 0 && (iterations === 0 || round === iterations)) return round;
    return this.#tooEarly(`after ${round} of ${iterations || 'some'} rounds`);
  }

  #tooEarly(when: string): never {
    throw new VerbsError('EIO', 'standIn', `the client ended the connection ${when}`, {
      object: this.#plan.tool.name,
      try: 'look at what the tool prints on the other side',
    });
  }

  #advertise(region: MemoryRegion, length: number): void {
    this.#send((at) => {
      this.#view.setBigUint64(at, 0n); // regions begin at 0
      this.#view.setUint32(at + 8, Number(region.rkey));
      this.#view.setUint32(at + 12, length);
    });
  }

  /** The tool's server says the same 16 bytes each time; nobody reads them. */
  #goAhead(): void {
    this.#send(() => {});
  }

  #send(fill: (at: number) => void): void {
    const offset = (WORDS + (this.#wordsUsed % WORDS)) * WORD_BYTES;
    fill(offset);
    this.queuePair.post({ opcode: 'send', region: this.#words, offset, length: WORD_BYTES, id: SEND_ID });
  }

  async #word(doing: () => string): Promise<Advertisement> {
    return (await this.#wordOrEnd(doing, () => false))!;
  }

  /** The peer's next word; undefined when it left instead. */
  async #wordOrEnd(doing: () => string, isOver: () => boolean): Promise<Advertisement | undefined> {
    while (this.#wordsCame === this.#wordsUsed) if (!(await this.#step(doing, isOver))) return undefined;
    const slot = this.#wordsUsed % WORDS;
    const at = slot * WORD_BYTES;
    this.#wordsUsed++;
    const address = Number(this.#view.getBigUint64(at));
    const length = this.#view.getUint32(at + 12);
    const rkey = BigInt(this.#view.getUint32(at + 8));
    this.#postReceive(slot);
    if (!this.#plan.isClient && (length < 1 || length > this.#sink.length || !Number.isSafeInteger(address))) {
      throw new VerbsError('EIO', 'standIn', `the client offers ${length} bytes at ${address}`, {
        try: `1 to ${this.#sink.length} bytes, or --size`,
      });
    }
    return { remote: new RemoteMemory(rkey, this.#plan.isClient ? 0 : address), length };
  }

  /** Waits until the read or write is done. */
  async #settled(doing: () => string): Promise<void> {
    while (this.#moved === 0) await this.#step(doing, () => false);
    this.#moved = 0;
  }

  /** @returns false when the connection ended */
  async #step(doing: () => string, isOver: () => boolean): Promise<boolean> {
    const { batch } = this.#bench;
    let count: number;
    try {
      count = await this.#bench.completions(this.#cq, this.#plan, doing);
    } catch (thrown) {
      if (batch.status[0] === Status.WR_FLUSH_ERR && (isOver() || (await becomes(isOver)))) return false;
      throw thrown;
    }
    for (let row = 0; row < count; row++) {
      if (batch.opcode[row] === CompletionOpcode.RECV) this.#came(batch.id[row]!, batch.byteLength[row]!);
      else if (batch.id[row] === MOVE_ID) this.#moved++;
    }
    return true;
  }

  #came(slot: number, byteLength: number): void {
    if (slot !== this.#wordsCame % WORDS || byteLength !== WORD_BYTES) {
      throw new VerbsError('EIO', 'standIn', `the peer sent ${byteLength} bytes, where rping sends ${WORD_BYTES}`);
    }
    this.#wordsCame++;
  }

  #postReceive(slot: number): void {
    this.queuePair.postReceive({ region: this.#words, offset: slot * WORD_BYTES, length: WORD_BYTES, id: slot });
  }
}

/** Completions may be flushed before the manager tells why. */
async function becomes(isSo: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < 200 && !isSo(); turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  return isSo();
}

/** The text of a round: its number, then letters, each round beginning with the next one. */
export function rpingText(round: number, size: number): Uint8Array {
  const text = new Uint8Array(size);
  const head = Buffer.from(`rdma-ping-${round}: `, 'latin1').subarray(0, size);
  text.set(head);
  let letter = FIRST + (round % LETTERS);
  for (let at = head.length; at < size; at++) {
    text[at] = letter;
    letter = letter === LAST ? FIRST : letter + 1;
  }
  text[size - 1] = 0;
  return text;
}

const WORDS = 4;
const WORD_BYTES = 16;
const SEND_ID = 100;
const MOVE_ID = 101;
/** `A` to `z`. */
const FIRST = 65;
const LAST = 122;
const LETTERS = LAST - FIRST + 1;
/** A server does not know beforehand how much its client has. */
const MAX_SIZE = 1 << 20;
