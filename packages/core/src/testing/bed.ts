/** A test bed: devices on a pump, one program's objects on each, and buffers whose surroundings are watched. */
import { SeededRandom } from '../base/random.ts';
import { QP_KINDS } from '../device/qp-transitions.ts';
import type { Transport, TransportAttributes } from '../engine/engine.ts';
import { type Nanos, SECOND } from '../engine/time.ts';
import type { QpType } from '../uapi/objects/qp.ts';
import type { AccessRight } from '../verbs/access-rights.ts';
import type { AddressHandle } from '../verbs/address-handle.ts';
import type { Completion } from '../verbs/completion.ts';
import type { CompletionQueue } from '../verbs/completion-queue.ts';
import type { Context } from '../verbs/context.ts';
import type { Job, JobKey } from '../verbs/job.ts';
import type { MemoryRegion } from '../verbs/memory-region.ts';
import type { ProtectionDomain } from '../verbs/protection-domain.ts';
import type { QueuePairOptions } from '../verbs/queue-pair.ts';
import { RemoteMemory } from '../verbs/remote-memory.ts';
import type { ReceiveRequest } from '../verbs/work-request.ts';
import { type DirectoryOptions, type EndQueuePair, PeerDirectory, PeerQueuePairs } from './peer-queue-pairs.ts';
import { Pump, type PumpOptions } from './pump.ts';
import type { SimNode } from './sim-node.ts';

export interface EndOptions {
  readonly ordered?: boolean;
  readonly job?: number;
  readonly depth?: number;
  readonly cqEntries?: number;
  /** Buffers are registered as safe to access more than once. Default false. */
  readonly idempotentMemory?: boolean;
  /** More about the queue pair. */
  readonly queuePair?: Partial<QueuePairOptions>;
}

/** One program with one queue pair. Completions are collected in `sent` and `received` as they come. */
export class End {
  readonly node: SimNode;
  readonly context: Context;
  readonly pd: ProtectionDomain;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly job: Job;
  readonly jobKey: JobKey;
  readonly qp: EndQueuePair;
  readonly idempotentMemory: boolean;
  readonly #world: World;
  readonly sent: Completion[] = [];
  readonly received: Completion[] = [];
  readonly #handles = new Map<End, AddressHandle>();

  constructor(node: SimNode, world: World, options: EndOptions = {}) {
    const { ordered = false, job = JOB, depth = 256, cqEntries = 4 * depth } = options;
    this.node = node;
    this.idempotentMemory = options.idempotentMemory === true;
    this.#world = world;
    this.context = node.device.open();
    this.pd = this.context.allocatePd();
    this.sendCq = this.context.createCompletionQueue({ entries: cqEntries });
    this.recvCq = this.context.createCompletionQueue({ entries: cqEntries });
    this.job = this.context.createJob({ id: job });
    this.jobKey = this.pd.createJobKey(this.job);
    this.qp = this.queuePair({ ordered, sendDepth: depth, receiveDepth: depth, ...options.queuePair });
  }

  /** A further queue pair: reaches every end, and shares the completion queues. */
  queuePair(options: Partial<QueuePairOptions> = {}): EndQueuePair {
    const { pd, sendCq, recvCq, jobKey, node } = this;
    const { kind, directory } = this.#world;
    const all: QueuePairOptions = { type: kind, sendCq, recvCq, jobKey, ...options };
    return directory === undefined ? pd.createQueuePair(all) : new PeerQueuePairs(pd, node.address, directory, all);
  }

  /** The address handle to another end. */
  to(other: End): AddressHandle {
    let handle = this.#handles.get(other);
    if (handle === undefined) {
      handle = this.pd.createAddressHandle({ address: other.node.address, qpn: other.qp.qpn });
      this.#handles.set(other, handle);
    }
    return handle;
  }

  /**
   * Makes ready for a write with immediate data: a receive, where the transport takes one.
   *
   * @returns whether it does
   */
  postNotice(request: ReceiveRequest = {}): boolean {
    const { noticesTakeReceives = false } = this.#world.attributes;
    if (noticesTakeReceives) this.qp.postReceive(request);
    return noticesTakeReceives;
  }

  /** Connections that have failed are made again; what was under way there is flushed. */
  revive(): void {
    if (this.qp instanceof PeerQueuePairs) this.qp.revive();
  }

  /** Takes what has completed. */
  drain(): void {
    for (let one = this.sendCq.take(); one !== undefined; one = this.sendCq.take()) this.sent.push(one);
    for (let one = this.recvCq.take(); one !== undefined; one = this.recvCq.take()) this.received.push(one);
  }

  /** Memory of `length` bytes with guard bytes on both sides, as a region of all of it. */
  buffer(length: number, options: BufferOptions = {}): GuardedBuffer {
    return new GuardedBuffer(this, length, options);
  }
}

export interface BufferOptions {
  readonly access?: readonly AccessRight[];
  /** The bytes are a pattern that depends on this number; without it they are empty. */
  readonly salt?: number;
  readonly jobKey?: JobKey;
}

/** Part of a region. */
interface Place {
  readonly region: MemoryRegion;
  readonly start: number;
}

export class GuardedBuffer {
  readonly length: number;
  readonly region: MemoryRegion;
  readonly remote: RemoteMemory;
  /** Where the bytes start in the region: odd, so that nothing is aligned. */
  readonly offset: number;
  /** Where the guards start. */
  readonly #start: number;

  constructor(end: End, length: number, options: BufferOptions, place: Place = ownRegion(end, length, options)) {
    const { region, start } = place;
    this.length = length;
    this.region = region;
    this.#start = start;
    this.offset = start + GUARD;
    const { bytes } = region;
    bytes.fill(GUARD_BYTE, start, start + GUARD);
    bytes.fill(GUARD_BYTE, this.offset + length, this.offset + length + GUARD);
    const { salt } = options;
    if (salt === undefined) bytes.fill(EMPTY_BYTE, this.offset, this.offset + length);
    else for (let i = 0; i < length; i++) bytes[this.offset + i] = patternByte(i, salt);
    this.remote = new RemoteMemory(region.rkey, this.offset);
  }

  get bytes(): Uint8Array {
    return this.region.bytes.subarray(this.offset, this.offset + this.length);
  }

  /** For work requests: the whole buffer, or a part. */
  part(offset = 0, length = this.length - offset): { region: MemoryRegion; offset: number; length: number } {
    return { region: this.region, offset: this.offset + offset, length };
  }

  /** @throws Error unless the buffer holds the pattern from `from` on, in its first `length` bytes, and nothing else */
  expectPattern(salt: number, length = this.length, from = 0): void {
    const { bytes } = this;
    for (let i = 0; i < this.length; i++) {
      const due = i < length ? patternByte(from + i, salt) : EMPTY_BYTE;
      if (bytes[i] !== due) throw new Error(`byte ${i} of ${this.length} is ${bytes[i]}, not ${due}`);
    }
    this.expectGuards();
  }

  /** @throws Error when something was written */
  expectUntouched(): void {
    this.expectPattern(0, 0);
  }

  /** @throws Error when something was written beside the buffer */
  expectGuards(): void {
    const all = this.region.bytes;
    for (let i = 0; i < GUARD; i++) {
      if (all[this.#start + i] !== GUARD_BYTE) throw new Error(`guard byte ${GUARD - i} before the buffer was written`);
      if (all[this.offset + this.length + i] !== GUARD_BYTE)
        throw new Error(`guard byte ${i} behind the buffer was written`);
    }
  }
}

function ownRegion(end: End, length: number, { access = ALL, jobKey }: BufferOptions): Place {
  const bytes = end.context.allocate(length + 2 * GUARD);
  const region = end.pd.registerMemory(bytes, {
    ...{ access, idempotent: end.idempotentMemory },
    ...(jobKey === undefined ? {} : { jobKey }),
  });
  return { region, start: 0 };
}

/** Many buffers in few regions, for runs that make thousands. */
export class BufferPool {
  readonly #end: End;
  readonly #chunkBytes: number;
  #region: MemoryRegion | undefined = undefined;
  #used = 0;

  constructor(end: End, chunkBytes = 0x2_0000) {
    this.#end = end;
    this.#chunkBytes = chunkBytes;
  }

  /** Like `end.buffer`, with the default rights. */
  buffer(length: number, options: Pick<BufferOptions, 'salt'> = {}): GuardedBuffer {
    const needed = length + 2 * GUARD;
    if (this.#region === undefined || this.#used + needed > this.#region.bytes.length) {
      this.#region = ownRegion(this.#end, Math.max(this.#chunkBytes, needed), {}).region;
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += needed;
    return new GuardedBuffer(this.#end, length, options, { region: this.#region, start });
  }
}

/** What all ends of a bed have in common. */
interface World {
  readonly attributes: TransportAttributes;
  readonly kind: QpType;
  /** Where connected queue pairs find each other; others need none. */
  readonly directory: PeerDirectory | undefined;
}

export interface BedOptions extends Omit<PumpOptions, 'nodes'>, EndOptions {
  /** Kind of the queue pairs. Default: reliable unconnected ones where the transport has them, else its first kind. */
  readonly kind?: QpType;
  /** How connected ones are connected. */
  readonly connection?: Partial<DirectoryOptions>;
  /** One number: so many nodes. Options: one node for each. Default 2. */
  readonly ends?: number | readonly EndOptions[];
}

export class Bed {
  readonly pump: Pump;
  readonly ends: readonly End[];
  readonly kind: QpType;
  /** Payload bytes of a full packet. */
  readonly mtu: number;

  constructor(options: BedOptions) {
    const { ends = 2 } = options;
    const list = typeof ends === 'number' ? Array.from({ length: ends }, (): EndOptions => ({})) : ends;
    this.mtu = options.payloadMtu ?? 1024;
    this.pump = new Pump({ ...options, nodes: list.length });
    this.kind = options.kind ?? defaultKind(options.transport);
    const random = new SeededRandom((options.seed ?? 1) ^ CONNECTIONS);
    const connection = { payloadMtu: this.mtu, ...options.connection };
    const directory = isConnected(this.kind) ? new PeerDirectory(random, connection) : undefined;
    const world = { attributes: options.transport.attributes, kind: this.kind, directory };
    this.ends = list.map((one, index) => new End(this.pump.node(index), world, { ...options, ...one }));
  }

  get a(): End {
    return this.ends[0]!;
  }

  get b(): End {
    return this.ends[1]!;
  }

  /** Drives until it holds. @throws SimulationError it does not, in time */
  until(what: string, holds: () => boolean, limitNs: Nanos = 60 * SECOND): void {
    this.pump.drive({
      until: () => {
        this.drain();
        return holds();
      },
      limitNs,
      what,
    });
  }

  /** Drives for a while. */
  pass(forNs: Nanos): void {
    this.pump.drive({ limitNs: forNs });
    this.drain();
  }

  drain(): void {
    for (const end of this.ends) if (end.context.isOpen) end.drain();
  }

  /** Drives until so much has completed. */
  completed(end: End, sends: number, receives: number, limitNs?: Nanos): void {
    const enough = () => end.sent.length >= sends && end.received.length >= receives;
    this.until(`${sends} sends and ${receives} receives to complete on node ${end.node.index}`, enough, limitNs);
  }

  /** Closes everything in order; nothing may be left. */
  close(): void {
    this.pump.close();
  }
}

/** The kind that test beds use unless told. */
export const defaultKind = ({ attributes: { queuePairTypes } }: Transport): QpType =>
  (queuePairTypes.includes('RU') ? 'RU' : (queuePairTypes[0] ?? 'RU')) as QpType;

export const isConnected = (kind: QpType): boolean => kind in QP_KINDS && QP_KINDS[kind as 'RC'].connected;

export const patternByte = (i: number, salt: number): number => (i * 31 + (i >> 8) * 7 + (i >> 16) + salt * 13) & 0xff;

/** Of all ends unless told. */
export const JOB = 7;
/** PSNs come from another sequence than faults. */
const CONNECTIONS = 0xc0_99ec7;
const ALL: readonly AccessRight[] = ['local-write', 'remote-write', 'remote-read'];
const GUARD = 61;
const GUARD_BYTE = 0xa5;
const EMPTY_BYTE = 0xee;
