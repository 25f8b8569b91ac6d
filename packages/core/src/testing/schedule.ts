/**
 * One random schedule of reliable queue pairs. Whatever happens, each request completes once, what succeeds has the right
 * bytes in the right place, no message is received twice, ordered ones are in order, and nothing is left at the end.
 */
import { SeededRandom } from '../base/random.ts';
import type { Transport } from '../engine/engine.ts';
import { MILLISECOND, SECOND } from '../engine/time.ts';
import type { QpType } from '../uapi/objects/qp.ts';
import type { Completion } from '../verbs/completion.ts';
import type { MemoryRegion } from '../verbs/memory-region.ts';
import { RemoteMemory } from '../verbs/remote-memory.ts';
import type { WorkRequest } from '../verbs/work-request.ts';
import { Bed, BufferPool, defaultKind, type End, type GuardedBuffer, patternByte } from './bed.ts';
import { CLEAN } from './faults.ts';
import type { SentPacket } from './pump.ts';
import { randomFaults } from './random-faults.ts';

type Kind = 'send' | 'tagged-send' | 'write' | 'write-imm' | 'read' | 'fetch-add' | 'add' | 'add-list';

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
  /** Of tagged sends. */
  readonly tag: bigint;
}

/** A receive that takes tagged messages. */
interface TaggedReceive {
  readonly buffer: GuardedBuffer;
  readonly tag: bigint;
  readonly ignore: bigint;
}

/** One run: what its options, its seed and its world say. */
export interface ScheduleRun {
  readonly settings?: Readonly<Record<string, number>>;
  readonly kind?: QpType;
  readonly ordered?: boolean;
  readonly idempotent?: boolean;
  readonly idempotentMemory?: boolean;
  readonly faults?: boolean;
  readonly completesLate?: boolean;
  readonly inspect?: (packet: SentPacket) => string | undefined;
  /** Packets kept in full. */
  readonly keep?: number;
}

export class Schedule {
  readonly bed: Bed;
  readonly operations: Operation[] = [];
  readonly #random: SeededRandom;
  readonly #ordered: boolean;
  readonly #hasFaults: boolean;
  readonly #inboxes = new Map<End, GuardedBuffer[]>();
  readonly #pools = new Map<End, BufferPool>();
  /** A word of each end that the others add to, and a list of words that change together. */
  readonly #sums = new Map<End, MemoryRegion>();
  readonly #kinds: readonly Kind[];
  /** Queue pairs match tags. */
  readonly #hasTags: boolean;
  readonly #hasLevels: boolean;
  readonly #asksForMatch: boolean;
  /** A message may be complete after later ones; receives are taken in order all the same. */
  readonly #completesLate: boolean;
  readonly #tagged = new Map<number, TaggedReceive>();
  /** Tagged receives that come when their messages have been there for a while. */
  readonly #later: [end: End, receive: Omit<TaggedReceive, 'buffer'>][] = [];
  readonly #largest: number;
  readonly #closed = new Set<End>();
  /** Receives may be missing. */
  #mayRefuse = false;

  constructor(
    transport: Transport,
    seed: number,
    {
      settings = {},
      kind = defaultKind(transport),
      faults = true,
      ordered,
      idempotent,
      idempotentMemory = idempotent === true,
      completesLate = false,
      keep = 0,
      inspect,
    }: ScheduleRun,
  ) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#hasFaults = faults;
    const isOrdered = random.chance(0.5);
    this.#ordered = ordered ?? isOrdered;
    // a queue pair either has its receives in the ring, or lets the engine match them
    this.#hasTags = transport.attributes.operations.includes('tagged') && kind === 'RU' && random.chance(0.5);
    const payloadMtu = [256, 512, 1024][random.below(3)]!;
    this.#largest = payloadMtu * (1 + random.below(6));
    this.bed = new Bed({
      ...{ transport, seed, payloadMtu, keep, settings, kind, ordered: this.#ordered, depth: 64, idempotentMemory },
      connection: CONNECTION,
      ends: 2 + random.below(2),
      entropies: 1 + random.below(4),
      faults: randomFaults(random, this.#hasFaults),
      queuePair: { ...(idempotent === true ? { idempotent } : {}), ...(this.#hasTags ? { matching: true } : {}) },
      ...(inspect === undefined ? {} : { inspect }),
    });
    const can = (operation: Transport['attributes']['operations'][number]) =>
      transport.attributes.operations.includes(operation);
    this.#hasLevels = can('tagged');
    this.#asksForMatch = this.#hasTags && (seed & 1) === 1;
    // a message that tells when it was matched may be put off until then, and comes behind others
    this.#completesLate = completesLate || this.#asksForMatch;
    const hasAtomics = can('fetch-add');
    this.#kinds = [
      ...(['send', 'send', 'write', 'write-imm', 'read'] as const),
      ...(hasAtomics ? (['fetch-add'] as const) : []),
      ...(can('atomic') ? (['add'] as const) : []),
      ...(can('fetching-atomic') ? (['add-list'] as const) : []),
      ...(this.#hasTags ? (['tagged-send', 'tagged-send'] as const) : []),
    ];
    for (const end of this.bed.ends) {
      this.#inboxes.set(end, []);
      this.#pools.set(end, new BufferPool(end));
      if (!hasAtomics) continue;
      const access = ['local-write', 'remote-write', 'remote-read', 'remote-atomic'] as const;
      this.#sums.set(end, end.pd.registerMemory(end.context.allocate(SUM_BYTES), { access }));
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
    for (const [end, receive] of this.#later) this.#postTagged(end, receive);
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
    for (const [end, { bytes }] of this.#sums) {
      this.#checkSum(end, 'fetch-add', wordAt(bytes, 0), 0);
      for (let at = 0; at < LIST_BYTES; at += 4) this.#checkSum(end, 'add-list', wordAt(bytes, LIST_AT + at), at);
      this.#checkSum(end, 'add', wordAt(bytes, ADDED_AT), 0);
    }
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
    const tag = kind === 'tagged-send' ? this.#randomTag(id) : 0n;
    const operation: Operation = { id, kind, from, to, salt, length, sink: undefined, status: '', tag };
    this.operations.push(operation);
    const request = { id, to: from.to(to), ...this.#level(id, kind) };
    if (kind === 'send') {
      from.qp.post({ opcode: 'send', ...request, ...this.#source(from, length, salt), imm: id });
    } else if (kind === 'tagged-send') {
      const receive = { tag, ignore: tag >> GROUP_SHIFT === NO_GROUP ? 0n : (1n << GROUP_SHIFT) - 1n };
      if (random.chance(0.5)) this.#postTagged(to, receive);
      else this.#later.push([to, receive]);
      from.qp.post({ opcode: kind, ...request, ...this.#source(from, length, salt), imm: id, tag });
    } else if (kind === 'add') {
      const one = this.#pools.get(from)!.buffer(8);
      one.bytes.set([1, 0, 0, 0, 0, 0, 0, 0]);
      const asked = { atomicOp: 'SUM', atomicType: 'UINT64', remoteOffset: ADDED_AT } as const;
      const remote = new RemoteMemory(this.#sums.get(to)!.rkey);
      from.qp.post({ opcode: 'atomic', ...request, ...asked, ...one.part(), remote });
    } else if (kind === 'fetch-add') {
      operation.sink = this.#pools.get(from)!.buffer(8);
      const remote = new RemoteMemory(this.#sums.get(to)!.rkey);
      from.qp.post({ opcode: 'fetch-add', ...request, ...operation.sink.part(), remote, add: 1 });
    } else if (kind === 'add-list') {
      operation.sink = this.#pools.get(from)!.buffer(LIST_BYTES);
      const ones = this.#pools.get(from)!.buffer(LIST_BYTES);
      ones.bytes.set(ONES);
      const remote = new RemoteMemory(this.#sums.get(to)!.rkey);
      const asked = { atomicOp: 'SUM', atomicType: 'UINT32', remote, remoteOffset: LIST_AT } as const;
      from.qp.post({ opcode: 'fetching-atomic', ...request, ...asked, ...ones.part(), result: operation.sink.part() });
    } else if (kind === 'read') {
      operation.sink = this.#pools.get(from)!.buffer(length);
      const { remote } = this.#pools.get(to)!.buffer(length, { salt });
      from.qp.post({ opcode: 'read', ...request, ...operation.sink.part(), remote });
    } else {
      operation.sink = this.#pools.get(to)!.buffer(length);
      const target = { remote: operation.sink.remote, ...(kind === 'write-imm' ? { imm: id } : {}) };
      from.qp.post({ opcode: 'write', ...request, ...this.#source(from, length, salt), ...target });
    }
  }

  /** When it counts as done, which some transports can tell. */
  #level(id: number, kind: Kind): Pick<WorkRequest, 'deliveryComplete' | 'matchComplete'> {
    if (!this.#hasLevels) return {};
    const isMatched = this.#asksForMatch && (kind === 'send' || kind === 'tagged-send');
    return { deliveryComplete: id % 5 === 1, matchComplete: isMatched && id % 5 === 3 };
  }

  /** Names the message, or is one of a few that receives take with a mask. */
  #randomTag(id: number): bigint {
    const group = this.#random.chance(0.5) ? NO_GROUP : BigInt(this.#random.below(GROUPS));
    return (group << GROUP_SHIFT) | BigInt(id);
  }

  /** The bytes in one to four pieces. */
  #source(end: End, length: number, salt: number) {
    const buffer = this.#pools.get(end)!.buffer(length, { salt });
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
    const buffer = this.#pools.get(end)!.buffer(this.#largest);
    end.qp.postReceive({ id: list.length, ...buffer.part() });
    list.push(buffer);
  }

  #postTagged(end: End, { tag, ignore }: Omit<TaggedReceive, 'buffer'>): void {
    if (this.#closed.has(end) || end.node.dead) return;
    const buffer = this.#pools.get(end)!.buffer(this.#largest);
    const id = TAGGED_RECEIVES + this.#tagged.size;
    this.#tagged.set(id, { buffer, tag, ignore });
    end.qp.postReceive({ id, ...buffer.part(), tag, ignore });
  }

  #close(end: End): void {
    end.qp.close();
    this.#closed.add(end);
  }

  #changeLinks(): void {
    const { ends, pump } = this.bed;
    for (const from of ends) {
      for (const to of ends) {
        if (from !== to)
          Object.assign(pump.link(from.node.index, to.node.index).faults, randomFaults(this.#random, this.#hasFaults));
      }
    }
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
    const inOrder = this.#completesLate ? end.received.toSorted((x, y) => Number(x.id - y.id)) : end.received;
    for (const one of inOrder) {
      if (!one.ok) {
        if (!EXPECTED.has(one.status)) throw new Error(`a receive ended with ${one.status}`);
        continue;
      }
      const message = this.operations.find(({ id }) => BigInt(id) === one.imm);
      if (message === undefined || message.to !== end) throw new Error(`a message that nobody sent: ${one.imm}`);
      if (seen.has(one.imm!)) throw new Error(`message ${one.imm} was received twice`);
      seen.add(one.imm!);
      if (one.byteLength !== message.length) throw new Error(`message ${one.imm} has ${one.byteLength} bytes`);
      const lane = this.#lane(message);
      const before = last.get(lane);
      if (this.#ordered && before !== undefined && message.id < before.id) {
        throw new Error(`${message.kind} ${message.id} arrived after ${before.kind} ${before.id}`);
      }
      last.set(lane, message);
      if (message.kind === 'send') {
        this.#inboxes.get(end)![Number(one.id)]!.expectPattern(message.salt, message.length);
      }
      if (message.kind === 'tagged-send') this.#checkTagged(one, message);
    }
    for (const { id, kind, to, status } of this.operations) {
      const tells = kind === 'send' || kind === 'write-imm' || kind === 'tagged-send';
      // what waits for its receive has been taken over, and goes with its queue pair
      if (this.#hasTags && this.#closed.has(end)) continue;
      if (to === end && tells && status === 'SUCCESS' && !seen.has(BigInt(id))) {
        const state = this.#closed.has(end) ? 'closed' : 'open';
        throw new Error(`${kind} ${id} succeeded and was not received by node ${end.node.index}, which is ${state}`);
      }
    }
  }

  /** What is ordered among itself. */
  #lane({ id, kind, from, tag }: Operation): string {
    const sender = from.node.index;
    // a message that is refused for want of a receive may be overtaken by one that needs none
    if (!this.#mayRefuse && !this.#hasTags && !this.#completesLate) return `${sender}`;
    if (kind !== 'tagged-send') return `${sender} ${kind}`;
    const group = tag >> GROUP_SHIFT;
    return `${sender} tag ${group === NO_GROUP ? id : `group ${group}`}`;
  }

  #checkTagged({ id, tag }: Completion, message: Operation): void {
    const receive = this.#tagged.get(Number(id));
    if (receive === undefined) throw new Error(`tagged message ${message.id} came in receive ${id}, which has no tag`);
    if (tag !== message.tag) throw new Error(`message ${message.id} has tag ${tag}, not ${message.tag}`);
    if ((tag & ~receive.ignore) !== (receive.tag & ~receive.ignore)) {
      throw new Error(`tag ${tag} came in a receive for ${receive.tag} but for ${receive.ignore}`);
    }
    receive.buffer.expectPattern(message.salt, message.length);
  }

  /** Each addition that succeeded happened once, those that failed at most once. */
  #checkSum(end: End, what: Kind, sum: number, at: number): void {
    const all = this.operations.filter(({ kind, to }) => kind === what && to === end);
    const good = all.filter(({ status }) => status === 'SUCCESS');
    const done = what === 'add' ? [] : good.map(({ sink }) => wordAt(sink!.bytes, at));
    if (sum < good.length || sum > all.length) {
      throw new Error(`the word of node ${end.node.index} is ${sum} after ${good.length} of ${all.length} additions`);
    }
    if (new Set(done).size < done.length || done.some((one) => one >= sum)) {
      throw new Error(`additions to the word of node ${end.node.index}, which is ${sum}, found ${done.join(', ')}`);
    }
  }

  #checkMemory(): void {
    for (const { id, kind, sink, salt, status } of this.operations) {
      if (sink === undefined || kind === 'fetch-add' || kind === 'add-list') continue;
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
const wordAt = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
/** What end has to add to: a word, a list, and another word. */
const LIST_AT = 8;
/** A list too long for an acknowledgement: its result travels on its own. */
const LIST_BYTES = 32;
const ADDED_AT = LIST_AT + LIST_BYTES;
const SUM_BYTES = ADDED_AT + 8;
const ONES = Uint8Array.from({ length: LIST_BYTES }, (_, i) => (i % 4 === 0 ? 1 : 0));

/** How requests may end on bad links, with peers that die and queue pairs that close. */
const EXPECTED = new Set([
  ...['SUCCESS', 'RETRY_EXC_ERR', 'RNR_RETRY_EXC_ERR', 'WR_FLUSH_ERR', 'REM_INV_RD_REQ_ERR', 'REM_ABORT_ERR'],
  ...['REM_OP_ERR', 'RESP_TIMEOUT_ERR'],
]);
const EMPTY = 0xee;
const TAGGED_RECEIVES = 1_000_000;
const GROUPS = 4;
/** The group of messages whose receives take one each. */
const NO_GROUP = 9n;
const GROUP_SHIFT = 40n;
/** Peers that are not ready are asked seven times at intervals of 10 ms: longer than receives are late. */
const CONNECTION = { timeout: 10, rnrRetry: 6, minRnrTimer: 20 };
