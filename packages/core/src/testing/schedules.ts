/**
 * Random schedules: from one seed a topology, links whose faults change while work is under way, and a mix of
 * operations. Whatever happens, each request completes once, what succeeds has the right bytes in the right place, no
 * message is received twice, ordered ones are in order, and nothing is left at the end.
 */
import { SeededRandom } from '../base/random.ts';
import type { Transport } from '../engine/engine.ts';
import { MILLISECOND, SECOND } from '../engine/time.ts';
import type { QpType } from '../uapi/objects/qp.ts';
import type { MemoryRegion } from '../verbs/memory-region.ts';
import { RemoteMemory } from '../verbs/remote-memory.ts';
import { Bed, defaultKind, type End, type GuardedBuffer, patternByte } from './bed.ts';
import { CLEAN, type LinkFaults } from './faults.ts';
import type { SentPacket } from './pump.ts';

export interface ScheduleOptions {
  /** First seed. Default 1. */
  readonly from?: number;
  readonly count: number;
  readonly settings?: Readonly<Record<string, number>>;
  /** Kind of the queue pairs. Default: as test beds choose. */
  readonly kind?: QpType;
  /** False: links delay packets and do nothing else to them. Default true. */
  readonly faults?: boolean;
  /** Makes the inspector of one run: rules of the transport for each packet. */
  readonly inspector?: () => (packet: SentPacket) => string | undefined;
}

/** What one run must know. */
type RunOptions = Pick<ScheduleOptions, 'settings' | 'kind' | 'faults' | 'inspector'>;

export interface ScheduleFailure {
  readonly seed: number;
  readonly text: string;
}

export interface ScheduleReport {
  readonly runs: number;
  readonly operations: number;
  readonly packets: number;
  /** Requests that ended with another status than success. */
  readonly failedRequests: number;
  readonly failures: readonly ScheduleFailure[];
}

/** Runs `count` schedules, seed after seed. */
export function runSchedules(transport: Transport, options: ScheduleOptions): ScheduleReport {
  const { from = 1, count } = options;
  const failures: ScheduleFailure[] = [];
  let [operations, packets, failedRequests] = [0, 0, 0];
  for (let seed = from; seed < from + count; seed++) {
    try {
      const done = runSchedule(transport, seed, options);
      operations += done.operations;
      packets += done.packets;
      failedRequests += done.failedRequests;
    } catch {
      failures.push({ seed, text: explainSchedule(transport, seed, options) });
    }
  }
  return { runs: count, operations, packets, failedRequests, failures };
}

/** Runs one schedule. @throws Error what went wrong */
export function runSchedule(
  transport: Transport,
  seed: number,
  options: RunOptions = {},
  keep = 0,
): { operations: number; packets: number; failedRequests: number; hash: string } {
  const schedule = new Schedule(transport, seed, options, keep);
  schedule.run();
  const { operations, bed } = schedule;
  const failedRequests = operations.filter(({ status }) => status !== 'SUCCESS').length;
  return { operations: operations.length, packets: bed.pump.trace.packets, failedRequests, hash: bed.pump.trace.hash };
}

/** Runs a failing schedule again, with the last packets in full. */
function explainSchedule(transport: Transport, seed: number, options: ScheduleOptions): string {
  try {
    runSchedule(transport, seed, options, 48);
  } catch (thrown) {
    return `schedule ${seed}: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`;
  }
  return `schedule ${seed} failed once and not again: the run is not deterministic`;
}

type Kind = 'send' | 'write' | 'write-imm' | 'read' | 'fetch-add';

interface Operation {
  readonly id: number;
  readonly kind: Kind;
  readonly from: End;
  readonly to: End;
  readonly salt: number;
  readonly length: number;
  /** Where the bytes must appear; for sends the receive decides. */
  sink: GuardedBuffer | undefined;
  status: string;
}

class Schedule {
  readonly bed: Bed;
  readonly operations: Operation[] = [];
  readonly #random: SeededRandom;
  readonly #ordered: boolean;
  readonly #hasFaults: boolean;
  readonly #inboxes = new Map<End, GuardedBuffer[]>();
  /** A word of each end that the others add to. */
  readonly #sums = new Map<End, MemoryRegion>();
  readonly #kinds: readonly Kind[];
  readonly #largest: number;
  readonly #closed = new Set<End>();
  /** Receives may be missing. */
  #mayRefuse = false;

  constructor(
    transport: Transport,
    seed: number,
    { settings = {}, kind = defaultKind(transport), faults = true, inspector }: RunOptions,
    keep: number,
  ) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#hasFaults = faults;
    this.#ordered = random.chance(0.5);
    const payloadMtu = [256, 512, 1024][random.below(3)]!;
    this.#largest = payloadMtu * (1 + random.below(6));
    this.bed = new Bed({
      ...{ transport, seed, payloadMtu, keep, settings, kind, ordered: this.#ordered, depth: 64 },
      connection: CONNECTION,
      ends: 2 + random.below(2),
      entropies: 1 + random.below(4),
      faults: this.#faults(),
      ...(inspector === undefined ? {} : { inspect: inspector() }),
    });
    const hasAtomics = transport.attributes.operations.includes('fetch-add');
    this.#kinds = ['send', 'send', 'write', 'write-imm', 'read', ...(hasAtomics ? (['fetch-add'] as const) : [])];
    for (const end of this.bed.ends) {
      this.#inboxes.set(end, []);
      if (!hasAtomics) continue;
      const access = ['local-write', 'remote-write', 'remote-atomic'] as const;
      this.#sums.set(end, end.pd.registerMemory(end.context.allocate(8), { access }));
    }
  }

  run(): void {
    const { bed } = this;
    const random = this.#random;
    const count = 4 + random.below(24);
    const dies = random.chance(0.05);
    const closes = !dies && random.chance(0.1);
    const accident = random.below(count);
    // receives come early, or in time, or late
    const early = random.chance(0.6) ? count : random.below(count);
    this.#mayRefuse = early < count;
    for (const end of bed.ends) for (let i = 0; i < early; i++) this.#postReceive(end);
    for (let i = 0; i < count; i++) {
      this.#post(i);
      if (random.chance(0.4)) bed.pass(random.below(300_000));
      if (random.chance(0.15)) this.#changeLinks();
      if (i === accident && dies) bed.b.node.dead = true;
      if (i === accident && closes) this.#close(bed.a);
    }
    bed.pass(random.below(2 * MILLISECOND));
    for (const end of bed.ends) for (let i = early; i < count; i++) this.#postReceive(end);
    if (random.chance(0.5)) bed.pass(random.below(20 * MILLISECOND));
    bed.pump.setFaults({ ...CLEAN });
    const alive = bed.ends.filter(({ node }) => !node.dead);
    const due = this.operations.filter(({ from }) => alive.includes(from)).length;
    const completed = () => alive.reduce((sum, { sent }) => sum + sent.length, 0);
    bed.until(`${due} requests to complete`, () => completed() >= due, 300 * SECOND);
    bed.pass(SECOND);
    this.#checkSends(alive);
    for (const end of alive) this.#checkReceives(end);
    this.#checkMemory();
    for (const [end, { bytes }] of this.#sums) this.#checkSum(end, wordAt(bytes));
    bed.close();
  }

  #post(id: number): void {
    const random = this.#random;
    const { ends } = this.bed;
    const from = ends[random.below(ends.length)]!;
    const others = ends.filter((end) => end !== from);
    const to = others[random.below(others.length)]!;
    if (this.#closed.has(from) || from.node.dead) return;
    const kind = this.#kinds[random.below(this.#kinds.length)]!;
    const length = random.chance(0.1) ? 0 : random.chance(0.4) ? random.below(100) : random.below(this.#largest + 1);
    const salt = random.below(256);
    const operation: Operation = { id, kind, from, to, salt, length, sink: undefined, status: '' };
    this.operations.push(operation);
    const request = { id, to: from.to(to) };
    if (kind === 'send') {
      from.qp.post({ opcode: 'send', ...request, ...this.#source(from, length, salt), imm: id });
    } else if (kind === 'fetch-add') {
      operation.sink = from.buffer(8);
      const remote = new RemoteMemory(this.#sums.get(to)!.rkey);
      from.qp.post({ opcode: 'fetch-add', ...request, ...operation.sink.part(), remote, add: 1 });
    } else if (kind === 'read') {
      operation.sink = from.buffer(length);
      const { remote } = to.buffer(length, { salt });
      from.qp.post({ opcode: 'read', ...request, ...operation.sink.part(), remote });
    } else {
      operation.sink = to.buffer(length);
      const target = { remote: operation.sink.remote, ...(kind === 'write-imm' ? { imm: id } : {}) };
      from.qp.post({ opcode: 'write', ...request, ...this.#source(from, length, salt), ...target });
    }
  }

  /** The bytes in one to four pieces. */
  #source(end: End, length: number, salt: number) {
    const buffer = end.buffer(length, { salt });
    const pieces = 1 + this.#random.below(4);
    if (pieces === 1) return buffer.part();
    const segments: ReturnType<GuardedBuffer['part']>[] = [];
    for (let i = 0, at = 0; i < pieces; i++) {
      const size = i === pieces - 1 ? length - at : this.#random.below(length - at + 1);
      segments.push(buffer.part(at, size));
      at += size;
    }
    return { segments };
  }

  #postReceive(end: End): void {
    if (this.#closed.has(end) || end.node.dead) return;
    const list = this.#inboxes.get(end)!;
    const buffer = end.buffer(this.#largest);
    end.qp.postReceive({ id: list.length, ...buffer.part() });
    list.push(buffer);
  }

  #close(end: End): void {
    end.qp.close();
    this.#closed.add(end);
  }

  #changeLinks(): void {
    const { ends, pump } = this.bed;
    for (const from of ends) {
      for (const to of ends) {
        if (from !== to) Object.assign(pump.link(from.node.index, to.node.index).faults, this.#faults());
      }
    }
  }

  #faults(): LinkFaults {
    const random = this.#random;
    const sometimes = (most: number) => (random.chance(0.4) ? random.next() * most : 0);
    const faults = {
      ...CLEAN,
      loss: sometimes(0.15),
      duplicate: sometimes(0.2),
      reorder: sometimes(0.3),
      corrupt: sometimes(0.05),
      mark: sometimes(0.5),
      trim: sometimes(0.05),
      delayNs: 1_000 + random.below(20_000),
      jitterNs: random.chance(0.5) ? random.below(10_000) : 0,
      reorderNs: 1_000 + random.below(100_000),
      blackout: random.chance(0.03),
    };
    const { delayNs, jitterNs } = faults;
    return this.#hasFaults ? faults : { ...CLEAN, delayNs, jitterNs };
  }

  #checkSends(alive: readonly End[]): void {
    for (const end of alive) {
      const mine = new Map(this.operations.filter(({ from }) => from === end).map((one) => [BigInt(one.id), one]));
      for (const { id, status } of end.sent) {
        const operation = mine.get(id);
        if (operation === undefined) throw new Error(`request ${id} of node ${end.node.index} was never posted`);
        if (operation.status !== '') throw new Error(`request ${id} completed twice`);
        if (!EXPECTED.has(status)) throw new Error(`request ${id} (${operation.kind}) ended with ${status}`);
        operation.status = status;
      }
    }
  }

  #checkReceives(end: End): void {
    const seen = new Set<bigint>();
    const last = new Map<string, Operation>();
    for (const one of end.received) {
      if (!one.ok) {
        if (!EXPECTED.has(one.status)) throw new Error(`a receive ended with ${one.status}`);
        continue;
      }
      const message = this.operations.find(({ id }) => BigInt(id) === one.imm);
      if (message === undefined || message.to !== end) throw new Error(`a message that nobody sent: ${one.imm}`);
      if (seen.has(one.imm!)) throw new Error(`message ${one.imm} was received twice`);
      seen.add(one.imm!);
      if (one.byteLength !== message.length) throw new Error(`message ${one.imm} has ${one.byteLength} bytes`);
      // a message that is refused for want of a receive may be overtaken by one that needs none
      const lane = this.#mayRefuse ? `${message.from.node.index} ${message.kind}` : `${message.from.node.index}`;
      const before = last.get(lane);
      if (this.#ordered && before !== undefined && message.id < before.id) {
        throw new Error(`${message.kind} ${message.id} arrived after ${before.kind} ${before.id}`);
      }
      last.set(lane, message);
      if (message.kind === 'send') {
        this.#inboxes.get(end)![Number(one.id)]!.expectPattern(message.salt, message.length);
      }
    }
    for (const { id, kind, to, status } of this.operations) {
      const tells = kind === 'send' || kind === 'write-imm';
      if (to === end && tells && status === 'SUCCESS' && !seen.has(BigInt(id))) {
        const state = this.#closed.has(end) ? 'closed' : 'open';
        throw new Error(`${kind} ${id} succeeded and was not received by node ${end.node.index}, which is ${state}`);
      }
    }
  }

  /** Each addition that succeeded happened once, those that failed at most once. */
  #checkSum(end: End, sum: number): void {
    const all = this.operations.filter(({ kind, to }) => kind === 'fetch-add' && to === end);
    const done = all.filter(({ status }) => status === 'SUCCESS').map(({ sink }) => wordAt(sink!.bytes));
    if (sum < done.length || sum > all.length) {
      throw new Error(`the word of node ${end.node.index} is ${sum} after ${done.length} of ${all.length} additions`);
    }
    if (new Set(done).size < done.length || done.some((one) => one >= sum)) {
      throw new Error(`additions to the word of node ${end.node.index}, which is ${sum}, found ${done.join(', ')}`);
    }
  }

  #checkMemory(): void {
    for (const { id, kind, sink, salt, status } of this.operations) {
      if (sink === undefined || kind === 'fetch-add') continue;
      if (status === 'SUCCESS') sink.expectPattern(salt);
      sink.expectGuards();
      // what failed may have come in part, but nothing else
      const { bytes } = sink;
      for (let i = 0; i < bytes.length; i++) {
        const byte = bytes[i]!;
        if (byte !== patternByte(i, salt) && byte !== EMPTY) throw new Error(`${kind} ${id}: byte ${i} is ${byte}`);
      }
    }
  }
}

/** A word as memory has it. */
const wordAt = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);

/** How requests may end on bad links, with peers that die and queue pairs that close. */
const EXPECTED = new Set([
  ...['SUCCESS', 'RETRY_EXC_ERR', 'RNR_RETRY_EXC_ERR', 'WR_FLUSH_ERR', 'REM_INV_RD_REQ_ERR', 'REM_ABORT_ERR'],
  ...['REM_OP_ERR', 'RESP_TIMEOUT_ERR'],
]);
const EMPTY = 0xee;
/** Peers that are not ready are asked seven times at intervals of 10 ms: longer than receives are late. */
const CONNECTION = { timeout: 10, rnrRetry: 6, minRnrTimer: 20 };
