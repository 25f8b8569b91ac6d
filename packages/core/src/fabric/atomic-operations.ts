/** Atomics on memory of peers: `fi_atomic`, `fi_fetch_atomic`, `fi_compare_atomic`. @spec uet:ses/2.10 uet:ses/3.9 */
import {
  ATOMIC_TYPE_BYTES,
  AtomicOp,
  type AtomicOpName,
  AtomicType,
  type AtomicTypeName,
  isCompare,
} from '../engine/atomics.ts';
import { OperationFlag } from './flags.ts';
import type { MemoryRegion, RemoteKey } from './memory-region.ts';
import {
  applyDefaults,
  applyOptions,
  type OperationRules,
  type TransmitOptions,
  tooLongToInject,
} from './operation-options.ts';
import { RemoteKeys } from './remote-keys.ts';
import { type Segment, SendTemplate, type VerbsSegment } from './templates.ts';

/** What is done, to how many elements of which type. */
export interface AtomicRequest extends TransmitOptions {
  readonly op: AtomicOpName;
  readonly type: AtomicTypeName;
  /** Elements. Default 1. */
  readonly count?: number;
  /** The operands; none for 'READ'. */
  readonly operand?: Segment;
  /** What is compared with, for operations that compare. */
  readonly comparand?: Segment;
  /** Where goes what was there. Without it the operation fetches nothing. */
  readonly result?: Segment;
  /** Number of the peer in the address vector. */
  readonly to: number;
  /** Key of its memory. */
  readonly key?: bigint | RemoteKey;
  /** Instead of a key: the first receive of the peer that takes this tag is changed. */
  readonly tag?: number | bigint;
  /** Bytes from the start of that memory, a multiple of the size of an element. Default 0. */
  readonly remoteOffset?: number | bigint;
  readonly context?: unknown;
}

export class AtomicOperations {
  readonly #rules: OperationRules;
  readonly #keys = new RemoteKeys();
  readonly #plain = new SendTemplate('atomic');
  readonly #fetching = new SendTemplate('fetching-atomic');
  readonly #result: { current: VerbsSegment | undefined } = { current: undefined };
  readonly #comparand: { current: VerbsSegment | undefined } = { current: undefined };

  constructor(rules: OperationRules) {
    this.#rules = rules;
  }

  /** Most elements that one operation changes without fetching; 0: it does not exist. */
  valid(op: AtomicOpName, type: AtomicTypeName): number {
    return op === 'READ' || isCompare(AtomicOp[op]) ? 0 : this.#elements(op, type);
  }

  /** The same of operations that fetch. */
  fetchValid(op: AtomicOpName, type: AtomicTypeName): number {
    return isCompare(AtomicOp[op]) ? 0 : this.#elements(op, type);
  }

  /** The same of operations that compare: one element, since the request has room for no more. */
  compareValid(op: AtomicOpName, type: AtomicTypeName): number {
    return isCompare(AtomicOp[op]) ? Math.min(1, this.#elements(op, type)) : 0;
  }

  /**
   * Changes elements of memory of a peer, each as a whole.
   *
   * @param offset - where the operands are
   * @param count - elements, up to {@link valid}
   * @param remoteOffset - bytes from the start of its memory, a multiple of the size of an element
   * @throws VerbsError `EOPNOTSUPP` no such operation on this type, or on so many · `EAGAIN` · `EINVAL`
   */
  apply(
    op: AtomicOpName,
    type: AtomicTypeName,
    region: MemoryRegion,
    offset: number,
    count: number,
    to: number,
    remoteOffset: number | bigint,
    key: bigint | RemoteKey,
    context?: unknown,
  ): void {
    this.#check('atomic', this.valid(op, type), op, type, count);
    const template = this.#plain;
    template.fromRegion(region, offset, count * sizeOf(type));
    const wanted = applyDefaults(this.#rules, template);
    this.#name(template, op, type, remoteOffset, key, undefined);
    this.#rules.traffic.transmit('atomic', template, to, context, CHANGE, wanted);
  }

  /** Copies the operands; counts, and completes invisibly. @throws VerbsError as {@link apply} */
  inject(
    op: AtomicOpName,
    type: AtomicTypeName,
    bytes: Uint8Array,
    to: number,
    remoteOffset: number | bigint,
    key: bigint | RemoteKey,
  ): void {
    const rules = this.#rules;
    this.#check('injectAtomic', this.valid(op, type), op, type, bytes.length / sizeOf(type));
    if (bytes.length > rules.traffic.parts.info.transmit.injectBytes) throw tooLongToInject(rules, 'injectAtomic');
    const template = this.#plain;
    template.fromBytes(bytes);
    template.levels(false, false, false);
    this.#name(template, op, type, remoteOffset, key, undefined);
    rules.traffic.transmit('injectAtomic', template, to, undefined, CHANGE, false);
  }

  /**
   * The same, and brings back what was there.
   *
   * @param region - operands; undefined for 'READ'
   * @param result - where goes what was there
   * @throws VerbsError as {@link apply}
   */
  fetch(
    op: AtomicOpName,
    type: AtomicTypeName,
    region: MemoryRegion | undefined,
    offset: number,
    count: number,
    result: MemoryRegion,
    resultOffset: number,
    to: number,
    remoteOffset: number | bigint,
    key: bigint | RemoteKey,
    context?: unknown,
  ): void {
    this.#check('fetchAtomic', this.fetchValid(op, type), op, type, count);
    const template = this.#fetching;
    const bytes = count * sizeOf(type);
    template.fromRegion(op === 'READ' ? undefined : region, offset, op === 'READ' ? 0 : bytes);
    template.result = fill(this.#result, result, resultOffset, bytes);
    template.comparand = undefined;
    const wanted = applyDefaults(this.#rules, template);
    this.#name(template, op, type, remoteOffset, key, undefined);
    this.#rules.traffic.transmit('fetchAtomic', template, to, context, FETCH, wanted);
  }

  /**
   * Changes one element if the comparison holds (`comparand op what is there`), and brings back what was there.
   *
   * @throws VerbsError as {@link apply}
   */
  compare(
    op: AtomicOpName,
    type: AtomicTypeName,
    region: MemoryRegion,
    offset: number,
    comparand: MemoryRegion,
    comparandOffset: number,
    result: MemoryRegion,
    resultOffset: number,
    to: number,
    remoteOffset: number | bigint,
    key: bigint | RemoteKey,
    context?: unknown,
  ): void {
    this.#check('compareAtomic', this.compareValid(op, type), op, type, 1);
    const template = this.#fetching;
    const bytes = sizeOf(type);
    template.fromRegion(region, offset, bytes);
    template.result = fill(this.#result, result, resultOffset, bytes);
    template.comparand = fill(this.#comparand, comparand, comparandOffset, bytes);
    const wanted = applyDefaults(this.#rules, template);
    this.#name(template, op, type, remoteOffset, key, undefined);
    this.#rules.traffic.transmit('compareAtomic', template, to, context, FETCH, wanted);
  }

  /** With everything that can be said. @throws VerbsError as {@link apply} */
  message(request: AtomicRequest): void {
    const { op, type, count = 1, operand, comparand, result, key, tag, to, context } = request;
    const rules = this.#rules;
    const valid = isCompare(AtomicOp[op])
      ? this.compareValid(op, type)
      : result === undefined
        ? this.valid(op, type)
        : this.fetchValid(op, type);
    this.#check('atomicMessage', valid, op, type, count);
    if ((key === undefined) === (tag === undefined)) {
      throw rules.refusal('atomicMessage', 'the memory is named by a key, or by a tag', 'one of `key` and `tag`');
    }
    const bytes = count * sizeOf(type);
    const template = result === undefined ? this.#plain : this.#fetching;
    if (request.inject === true && operand !== undefined) {
      if (!template.inject({ segments: [{ ...operand, length: bytes }] }))
        throw tooLongToInject(rules, 'atomicMessage');
    } else template.fromRegion(operand?.region, operand?.offset ?? 0, operand === undefined ? 0 : bytes);
    if (result !== undefined) {
      template.result = fill(this.#result, result.region, result.offset ?? 0, bytes);
      template.comparand =
        comparand === undefined
          ? undefined
          : fill(this.#comparand, comparand.region, comparand.offset ?? 0, comparand.length ?? bytes);
    }
    const wanted = applyOptions(rules, 'atomicMessage', template, request);
    this.#name(template, op, type, request.remoteOffset ?? 0, key, tag);
    const flags = result === undefined ? CHANGE : FETCH;
    rules.traffic.transmit('atomicMessage', template, to, context, flags, wanted);
  }

  #name(
    template: SendTemplate,
    op: AtomicOpName,
    type: AtomicTypeName,
    remoteOffset: number | bigint,
    key: bigint | RemoteKey | undefined,
    tag: number | bigint | undefined,
  ): void {
    template.atomicOp = op;
    template.atomicType = type;
    template.remoteOffset = remoteOffset;
    template.remote = key === undefined ? undefined : this.#keys.of(key).memory;
    template.tag = tag;
  }

  #elements(op: AtomicOpName, type: AtomicTypeName): number {
    const { atomics } = this.#rules.traffic.parts.info.domain;
    const size = sizeOf(type);
    if (atomics === undefined || size === 0) return 0;
    if (!atomics.ops.includes(AtomicOp[op]) || !atomics.types.includes(AtomicType[type])) return 0;
    if (!goesWith(op, type)) return 0;
    return Math.floor(Math.min(atomics.maxBytes, this.#rules.traffic.parts.info.endpoint.mtu) / size);
  }

  #check(call: string, most: number, op: AtomicOpName, type: AtomicTypeName, count: number): void {
    if (count >= 1 && count <= most && count === Math.floor(count)) return;
    const what = `${op} on ${count} elements of type ${type}`;
    throw this.#rules.refusal(
      call,
      most === 0 ? `there is no ${op} on type ${type} here` : `${what} is not possible`,
      most === 0 ? 'ask `valid`, `fetchValid` and `compareValid` first' : `1 to ${most} elements`,
      most === 0 ? 'EOPNOTSUPP' : 'EINVAL',
    );
  }
}

/** What libfabric defines: numbers with a point have no bits, complex ones no order. */
function goesWith(op: AtomicOpName, type: AtomicTypeName): boolean {
  if (type.includes('COMPLEX')) return !ORDERED.has(op) && !BITWISE.has(op);
  return !type.includes('FLOAT') && type !== 'DOUBLE' ? true : !BITWISE.has(op);
}

function fill(
  place: { current: VerbsSegment | undefined },
  { region }: MemoryRegion,
  offset: number,
  length: number,
): VerbsSegment {
  let segment = place.current;
  if (segment === undefined) place.current = segment = { region, offset, length };
  segment.region = region;
  segment.offset = offset;
  segment.length = length;
  return segment;
}

const sizeOf = (type: AtomicTypeName): number => ATOMIC_TYPE_BYTES[AtomicType[type]] ?? 0;
const CHANGE = OperationFlag.ATOMIC | OperationFlag.WRITE;
const FETCH = OperationFlag.ATOMIC | OperationFlag.READ;
const BITWISE = new Set<AtomicOpName>(['BOR', 'BAND', 'BXOR', 'MSWAP']);
const ORDERED = new Set<AtomicOpName>(['MIN', 'MAX', 'CSWAP_LE', 'CSWAP_LT', 'CSWAP_GE', 'CSWAP_GT']);
