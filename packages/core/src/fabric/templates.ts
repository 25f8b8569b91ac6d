/** Requests that are filled again and again, so that an operation allocates nothing. Absent is `undefined` in them. */
import type { AtomicOpName, AtomicTypeName } from '../engine/atomics.ts';
import { MAX_INLINE, MAX_SEGMENTS } from '../engine/work.ts';
import type { AddressHandle } from '../verbs/address-handle.ts';
import type { JobKey } from '../verbs/job.ts';
import type { MemoryRegion as VerbsRegion } from '../verbs/memory-region.ts';
import type { RemoteMemory } from '../verbs/remote-memory.ts';
import type { ReceiveRequest, WorkRequest } from '../verbs/work-request.ts';
import type { MemoryRegion } from './memory-region.ts';

/** A stretch of registered memory. */
export interface Segment {
  readonly region: MemoryRegion;
  /** Default 0. */
  readonly offset?: number;
  /** Default: to the end of the region. */
  readonly length?: number;
}

/** Where data is, for every kind of operation. */
export interface DataOptions {
  readonly region?: MemoryRegion;
  readonly offset?: number;
  readonly length?: number;
  /** Instead of `region`: several, up to the limit of the info. */
  readonly segments?: readonly Segment[];
}

export class SendTemplate {
  readonly opcode: WorkRequest['opcode'];
  id = 0;
  to: AddressHandle | undefined = undefined;
  region: VerbsRegion | undefined = undefined;
  offset = 0;
  length = 0;
  segments: readonly VerbsSegment[] | undefined = undefined;
  inline: Uint8Array | undefined = undefined;
  remote: RemoteMemory | undefined = undefined;
  remoteOffset: number | bigint = 0;
  imm: number | bigint | undefined = undefined;
  tag: number | bigint | undefined = undefined;
  atomicOp: AtomicOpName | undefined = undefined;
  atomicType: AtomicTypeName | undefined = undefined;
  comparand: VerbsSegment | undefined = undefined;
  result: VerbsSegment | undefined = undefined;
  deliveryComplete = false;
  matchComplete = false;
  fence = false;
  jobKey: JobKey | undefined = undefined;
  readonly #lists = new SegmentLists();
  /** Bytes that are sent. */
  bytes = 0;

  constructor(opcode: WorkRequest['opcode']) {
    this.opcode = opcode;
  }

  /** For queue pairs, which take undefined for absent. */
  get request(): WorkRequest {
    return this as unknown as WorkRequest;
  }

  fromRegion(region: MemoryRegion | undefined, offset: number, length: number): void {
    this.region = region?.region;
    this.offset = offset;
    this.length = length;
    this.segments = undefined;
    this.inline = undefined;
    this.bytes = length;
  }

  /** The bytes are copied when the request is posted. */
  fromBytes(bytes: Uint8Array): void {
    this.region = undefined;
    this.offset = this.length = 0;
    this.segments = undefined;
    this.inline = bytes;
    this.bytes = bytes.length;
  }

  fromOptions(options: DataOptions): void {
    const { region, segments, offset = 0 } = options;
    if (segments === undefined) {
      this.fromRegion(region, offset, options.length ?? (region === undefined ? 0 : region.length - offset));
      return;
    }
    this.region = region?.region;
    this.offset = this.length = 0;
    this.inline = undefined;
    this.segments = this.#lists.fill(segments);
    this.bytes = this.#lists.bytes;
  }

  /** Copies what is named into the request itself. @returns false when it is too long for that */
  inject(options: DataOptions): boolean {
    const { region, segments, offset = 0 } = options;
    const list = segments ?? (region === undefined ? [] : [{ region, offset, ...lengthOf(options) }]);
    let at = 0;
    for (const one of list) {
      const from = one.offset ?? 0;
      const length = one.length ?? one.region.length - from;
      if (!(length >= 0 && at + length <= MAX_INLINE && from >= 0 && from + length <= one.region.length)) return false;
      for (let i = 0; i < length; i++) SCRATCH[at + i] = one.region.bytes[from + i]!;
      at += length;
    }
    this.fromBytes(VIEWS[at]!);
    return true;
  }

  levels(deliveryComplete: boolean, matchComplete: boolean, fence: boolean): void {
    this.deliveryComplete = deliveryComplete;
    this.matchComplete = matchComplete;
    this.fence = fence;
  }
}

export class ReceiveTemplate {
  id = 0;
  region: VerbsRegion | undefined = undefined;
  offset = 0;
  length = 0;
  segments: readonly VerbsSegment[] | undefined = undefined;
  tag: number | bigint | undefined = undefined;
  ignore: number | bigint | undefined = undefined;
  sourceId: number | undefined = undefined;
  from: AddressHandle | undefined = undefined;
  jobId: number | undefined = undefined;
  multi: number | undefined = undefined;
  operation: ReceiveRequest['operation'] | undefined = undefined;
  claim = false;
  discard = false;
  readonly #lists: SegmentLists;
  /** Something that is put in front of the segments. */
  readonly #first: VerbsSegment | undefined;

  /** @param first - stands in front of what the program names */
  constructor(first?: VerbsSegment) {
    this.#first = first;
    this.#lists = new SegmentLists(first);
  }

  get request(): ReceiveRequest {
    return this as unknown as ReceiveRequest;
  }

  fromRegion(region: MemoryRegion | undefined, offset: number, length: number): void {
    if (this.#first !== undefined) {
      this.region = undefined;
      this.offset = this.length = 0;
      this.segments = this.#lists.one(region, offset, length);
      return;
    }
    this.region = region?.region;
    this.offset = offset;
    this.length = length;
    this.segments = undefined;
  }

  fromOptions(options: DataOptions): void {
    const { region, segments, offset = 0 } = options;
    if (segments === undefined) {
      this.fromRegion(region, offset, options.length ?? (region === undefined ? 0 : region.length - offset));
      return;
    }
    this.region = region?.region;
    this.offset = this.length = 0;
    this.segments = this.#lists.fill(segments);
  }

  /** Takes whatever comes, once. */
  plain(): void {
    this.tag = this.ignore = this.sourceId = this.jobId = this.multi = this.from = this.operation = undefined;
    this.claim = this.discard = false;
  }
}

export interface VerbsSegment {
  region: VerbsRegion;
  offset: number;
  length: number;
}

/** Lists of segments of every length, whose members are used again. */
class SegmentLists {
  bytes = 0;
  readonly #made: VerbsSegment[] = [];
  readonly #lists: VerbsSegment[][];
  readonly #first: VerbsSegment | undefined;

  constructor(first?: VerbsSegment) {
    this.#first = first;
    this.#lists = Array.from({ length: MAX_SEGMENTS + 2 }, () => []);
  }

  fill(segments: readonly Segment[]): readonly VerbsSegment[] {
    // too many are refused by the queue pair, which needs one more than it takes to see that
    const count = Math.min(segments.length, MAX_SEGMENTS + 1);
    const list = this.#listOf(count);
    const at = this.#first === undefined ? 0 : 1;
    this.bytes = 0;
    for (let i = 0; i < count; i++) {
      const { region, offset = 0, length = region.length - offset } = segments[i]!;
      this.#set(list, at + i, region, offset, length);
      this.bytes += length;
    }
    return list;
  }

  one(region: MemoryRegion | undefined, offset: number, length: number): readonly VerbsSegment[] {
    const list = this.#listOf(region === undefined ? 0 : 1);
    if (region !== undefined) this.#set(list, this.#first === undefined ? 0 : 1, region, offset, length);
    return list;
  }

  #listOf(count: number): VerbsSegment[] {
    const list = this.#lists[Math.min(count, this.#lists.length - 1)]!;
    if (list.length === 0 && this.#first !== undefined) list.push(this.#first);
    return list;
  }

  #set(list: VerbsSegment[], at: number, { region }: MemoryRegion, offset: number, length: number): void {
    let segment = this.#made[at];
    if (segment === undefined) this.#made[at] = segment = { region, offset, length };
    segment.region = region;
    segment.offset = offset;
    segment.length = length;
    list[at] = segment;
  }
}

const lengthOf = ({ length }: DataOptions) => (length === undefined ? {} : { length });

const SCRATCH = new Uint8Array(MAX_INLINE);
/** By length. */
const VIEWS = Array.from({ length: MAX_INLINE + 1 }, (_, length) => SCRATCH.subarray(0, length));
