/** Queue pairs and memory of one perftest run. */
import {
  type AccessRight,
  type AddressHandle,
  type CompletionQueue,
  type MemoryRegion,
  type QueuePair,
  RemoteMemory,
  VerbsError,
} from '@verbena/core';
import type { PerftestCard, PerftestTerms } from '@verbena/node';
import { checkSame, ownPattern } from './byte-check.ts';
import type { StandInPlan } from './plan.ts';
import { GRH_BYTES, randomPsn, type ToolBench } from './tool-bench.ts';
import type { StandInTool } from './tools.ts';

/**
 * Memory, one stretch each: what each queue pair sends or fetches into, in `slots`; what peers reach, or where messages
 * arrive, in `areas`; and guards, which nobody has a right to change.
 */
export class PerftestLane {
  readonly bench: ToolBench;
  readonly plan: StandInPlan;
  readonly queuePairs: readonly QueuePair[];
  readonly cq: CompletionQueue;
  readonly cards: readonly PerftestCard[];
  readonly theirs: PerftestCard[] = [];
  readonly access: readonly AccessRight[];
  /** Reads and atomics under way at a time, each direction; 0 where there are none. */
  readonly reads: number;
  /** Requests under way at a time, of one queue pair. */
  readonly depth: number;
  /** This side makes requests. */
  readonly sends: boolean;
  /** Receives of one queue pair. */
  readonly receives: number;
  readonly local: MemoryRegion;
  readonly shared: MemoryRegion;
  /** What it checked, for the report. */
  checked = 'nothing';
  readonly #terms: PerftestTerms;
  readonly #slotBytes: number;
  readonly #areaBytes: number;
  readonly #handles: AddressHandle[] = [];
  readonly #remotes: RemoteMemory[] = [];

  constructor(bench: ToolBench, plan: StandInPlan, terms: PerftestTerms, isManaged: boolean) {
    this.bench = bench;
    this.plan = plan;
    this.#terms = terms;
    const { size, kind, queuePairs, tool, isClient } = plan;
    const { verb, measures } = tool;
    this.access = ACCESS[verb];
    this.reads = verb === 'read' || verb === 'atomic' ? bench.outstandingReads : 0;
    this.#slotBytes = (size + GRH_BYTES + 63) & ~63;
    const fitting = Math.max(2, Math.floor(MEMORY_BYTES / this.#slotBytes / queuePairs));
    this.depth = measures === 'latency' ? 1 : Math.min(plan.depth, fitting);
    this.sends = isClient || plan.bothWays;
    const takes = verb === 'send' && (measures === 'latency' || plan.bothWays || !isClient);
    this.receives = takes ? Math.min(MAX_RECEIVES, fitting) : 0;
    this.#areaBytes = takes
      ? this.receives * this.#slotBytes
      : (Math.max(size, terms.pageBytes) + GUARD_BYTES + 63) & ~63;
    this.local = bench.register(queuePairs * this.depth * this.#slotBytes, ['local-write']);
    this.shared = bench.register(queuePairs * this.#areaBytes, ['local-write', ...this.access]);
    this.#fill();
    this.cq = bench.completionQueue(queuePairs * (this.depth + this.receives) + 64);
    this.queuePairs = Array.from({ length: queuePairs }, () =>
      bench.queuePair(this.cq, {
        ...{ kind, sendDepth: this.depth + 1, receiveDepth: Math.max(1, this.receives) },
        ...(isManaged ? {} : { access: this.access }),
      }),
    );
    this.cards = this.queuePairs.map(({ qpn }, i) => ({
      ...{ qpn, psn: randomPsn(), address: bench.address, outstandingReads: Math.max(1, this.reads) },
      rkey: verb === 'send' ? 0 : Number(this.shared.rkey),
      remoteAddress: BigInt(i * this.#areaBytes),
    }));
  }

  /** Bytes after which small messages of the tools begin again; one message when they are large. */
  get period(): number {
    const { pageBytes, cacheLineBytes } = this.#terms;
    const { size } = this.plan;
    if (size > pageBytes / 2) return 1;
    return Math.floor(pageBytes / (Math.ceil(size / cacheLineBytes) * cacheLineBytes));
  }

  /** Connects all queue pairs as the cards say; the connection manager has done so where there is one. */
  connect(): void {
    const { plan, bench } = this;
    for (const [i, qp] of this.queuePairs.entries()) {
      const theirs = this.theirs[i]!;
      if (!plan.manager) bench.connect(qp, plan, this.cards[i]!, theirs);
      if (plan.kind === 'UD') this.#handles.push(bench.addressHandle(theirs));
      const { remoteAddress } = theirs;
      if (remoteAddress > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw new VerbsError('EIO', 'standIn', `the peer's memory at 0x${remoteAddress.toString(16)} cannot be named`);
      }
      this.#remotes.push(new RemoteMemory(BigInt(theirs.rkey), Number(remoteAddress)));
    }
  }

  remote(index: number): RemoteMemory {
    return this.#remotes[index]!;
  }

  /** Where a datagram of a queue pair goes; nothing for the others. */
  to(index: number): { readonly to?: AddressHandle } {
    const handle = this.#handles[index];
    return handle === undefined ? {} : { to: handle };
  }

  slotAt(index: number, slot: number): number {
    return (index * this.depth + slot) * this.#slotBytes;
  }

  /** Where a receive of a queue pair begins. */
  receiveAt(index: number, slot: number): number {
    return index * this.#areaBytes + slot * this.#slotBytes;
  }

  areaAt(index: number): number {
    return index * this.#areaBytes;
  }

  postReceives(): void {
    for (let i = 0; i < this.queuePairs.length; i++) for (let s = 0; s < this.receives; s++) this.postReceive(i, s);
  }

  postReceive(index: number, slot: number): void {
    this.queuePairs[index]!.postReceive({
      ...{ region: this.shared, offset: this.receiveAt(index, slot), id: RECEIVE_ID + slot },
      length: this.plan.size + this.headBytes,
    });
  }

  /** Bytes in front of a message that came. */
  get headBytes(): number {
    return this.plan.kind === 'UD' ? GRH_BYTES : 0;
  }

  /** Looks at the memory that the peer reached. @throws VerbsError EIO it is not as it should be */
  checkMemory(): void {
    const { verb } = this.plan.tool;
    if (verb === 'send') return;
    for (let i = 0; i < this.queuePairs.length; i++) {
      const area = this.shared.bytes.subarray(this.areaAt(i), this.areaAt(i) + this.#areaBytes);
      if (verb === 'write') this.#checkWritten(area);
      else if (verb === 'read' || this.plan.isClient)
        checkSame(area, this.#initial(), 'memory that nobody was to write');
      else this.#checkCounted(area);
    }
  }

  #checkWritten(area: Uint8Array): void {
    const { size, isClient, tool, iterations } = this.plan;
    const reach = this.#reach();
    checkSame(area.subarray(reach), this.#initial().subarray(reach), 'memory behind the message');
    if (tool.measures === 'latency') {
      const wanted = new Uint8Array(size);
      wanted[size - 1] = iterations;
      checkSame(area.subarray(0, size), wanted, 'the last message');
      this.checked = 'the count in each message, the bytes before it, and the memory behind';
      return;
    }
    if (isClient) {
      checkSame(area, this.#initial(), 'memory that nobody was to write');
      this.checked = 'nothing: the tool keeps what is written to it';
      return;
    }
    this.checked = 'nothing written behind the message';
    if (size < LEAST_WRITTEN) return;
    const before = this.#initial();
    let same = 0;
    for (let at = 0; at < size; at++) if (area[at] === before[at]) same++;
    if (same > size / 2) throw new VerbsError('EIO', 'standIn', `${same} of ${size} bytes were not written`);
    this.checked = 'that all was written, and nothing behind it';
  }

  #checkCounted(area: Uint8Array): void {
    const { iterations, atomic } = this.plan;
    if (atomic !== 'fetch-add') {
      this.checked = 'nothing: the tool swaps zero for zero';
      return;
    }
    const view = new DataView(area.buffer, area.byteOffset, area.length);
    let sum = 0n;
    for (let at = 0; at + 8 <= area.length; at += 8) sum += view.getBigUint64(at, true);
    if (sum !== BigInt(iterations)) {
      throw new VerbsError('EIO', 'standIn', `${iterations} times 1 was added, and the sum is ${sum}`);
    }
    this.checked = 'the sum of all that was added';
  }

  /** How far the tools write: small messages walk through a page. */
  #reach(): number {
    const { size, tool } = this.plan;
    return tool.measures === 'latency' || this.period === 1 ? size : Math.max(size, this.#terms.pageBytes);
  }

  #fill(): void {
    const { queuePairs, size, tool } = this.plan;
    const message =
      tool.verb === 'write' && tool.measures === 'latency' ? new Uint8Array(size) : ownPattern(size, OWN_SEED);
    for (let i = 0; i < queuePairs * this.depth; i++) this.local.bytes.set(message, i * this.#slotBytes);
    if (tool.verb === 'send') return;
    for (let i = 0; i < queuePairs; i++) this.shared.bytes.set(this.#initial(), this.areaAt(i));
  }

  /** What an area holds at first. */
  #initial(): Uint8Array {
    const { size, tool } = this.plan;
    if (tool.verb === 'atomic') return new Uint8Array(this.#areaBytes);
    const bytes = ownPattern(this.#areaBytes, AREA_SEED);
    if (tool.verb === 'write' && tool.measures === 'latency') bytes.fill(0, 0, size);
    return bytes;
  }
}

const ACCESS: Readonly<Record<StandInTool['verb'], readonly AccessRight[]>> = {
  send: [],
  write: ['remote-write'],
  read: ['remote-read'],
  atomic: ['remote-atomic'],
};

/** Numbers of receives begin here; those of requests are slots. */
export const RECEIVE_ID = 1 << 20;
const MAX_RECEIVES = 512;
/** For messages under way, each direction. */
const MEMORY_BYTES = 64 << 20;
const GUARD_BYTES = 64;
/** Fewer bytes may be what they were by chance. */
const LEAST_WRITTEN = 64;
const OWN_SEED = 0x1234_5679;
const AREA_SEED = 0x2468_ace1;
