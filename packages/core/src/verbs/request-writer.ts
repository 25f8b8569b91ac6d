/** Turns a request into an entry of the send ring. Mistakes are found here early; the device checks everything again. */
import { PAYLOAD_AT, SegmentEntry, SendEntry, SendFlag } from '../abi/entries.ts';
import type { Ring } from '../abi/ring.ts';
import { AtomicOp, AtomicType } from '../engine/atomics.ts';
import { WorkOpcode } from '../engine/status.ts';
import { MAX_INLINE, MAX_SEGMENTS } from '../engine/work.ts';
import type { QpType } from '../uapi/objects/qp.ts';
import type { JobKey } from './job.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { isConnected } from './queue-pair-state.ts';
import { RequestFault } from './request-faults.ts';
import { writeData, writeSegment } from './segment-writer.ts';
import { WordPair } from './word-pair.ts';
import type { WorkRequest } from './work-request.ts';

const { opcode, flags, segments, inlineLength, jobKey, address, idLo, idHi, rkeyLo, rkeyHi } = SendEntry.fields;
const { remoteLo, remoteHi, immLo, immHi, index, qpn, operandLo, operandHi } = SendEntry.fields;

export class RequestWriter {
  readonly #pd: ProtectionDomain;
  readonly #ring: Ring;
  readonly #connected: boolean;
  readonly #needsJob: boolean;
  readonly #jobKey: JobKey | undefined;
  readonly #words = new WordPair();

  /** @param jobKey - the one of requests that name none */
  constructor(pd: ProtectionDomain, ring: Ring, type: QpType, jobKey: JobKey | undefined) {
    this.#pd = pd;
    this.#ring = ring;
    this.#connected = isConnected(type);
    this.#needsJob = type === 'RU' && pd.context.attributes.maxJobId > 0;
    this.#jobKey = jobKey;
  }

  /** @returns one of `RequestFault`; the entry is not to be shown unless it is NONE */
  write(request: WorkRequest, view: DataView, at: number): number {
    const words = this.#words;
    if (!words.set(request.id ?? 0)) return RequestFault.ID;
    idLo.set(view, at, words.lo);
    idHi.set(view, at, words.hi);
    let fault =
      request.opcode === 'send' || request.opcode === 'tagged-send'
        ? this.#writeSend(request, view, at)
        : this.#writeRemote(request, view, at);
    if (fault !== RequestFault.NONE) return fault;
    fault = this.#writeAddress(request, view, at);
    if (fault !== RequestFault.NONE) return fault;
    let flag: number = request.signaled === true ? SendFlag.SIGNALED : 0;
    if (request.solicited === true) flag |= SendFlag.SOLICITED;
    if (request.fence === true) flag |= SendFlag.FENCE;
    if (request.deliveryComplete === true) flag |= SendFlag.DELIVERY_COMPLETE;
    if (request.matchComplete === true) flag |= SendFlag.MATCH_COMPLETE;
    if (request.qpn !== undefined) {
      if (!(request.qpn >= 0 && request.qpn <= 0xffff_ffff)) return RequestFault.QPN;
      flag |= SendFlag.QPN;
      qpn.set(view, at, request.qpn);
    }
    if (request.qkey !== undefined) {
      if (!(request.qkey >= 0 && request.qkey <= 0xffff_ffff)) return RequestFault.QKEY;
      flag |= SendFlag.QKEY;
      operandLo.set(view, at, request.qkey);
    }
    const { inline } = request;
    if (inline !== undefined) {
      if (inline.length > MAX_INLINE) return RequestFault.INLINE_LENGTH;
      if (request.region !== undefined || request.segments !== undefined) return RequestFault.TWO_SOURCES;
      const { bytes } = this.#ring;
      for (let i = 0; i < inline.length; i++) bytes[at + PAYLOAD_AT + i] = inline[i]!;
      inlineLength.set(view, at, inline.length);
      segments.set(view, at, 0);
      flag |= SendFlag.INLINE;
    } else {
      const count = writeData(this.#pd, view, at, request.region, request.offset, request.length, request.segments);
      if (count < 0) return -count;
      segments.set(view, at, count);
      inlineLength.set(view, at, 0);
    }
    if (request.atomicOp !== undefined) {
      fault = this.#writeAtomic(request, view, at);
      if (fault !== RequestFault.NONE) return fault;
    }
    flags.set(view, at, flag);
    return RequestFault.NONE;
  }

  #writeSend({ opcode: code, imm, invalidate, tag }: WorkRequest, view: DataView, at: number): number {
    if (code === 'tagged-send') {
      if (!this.#writeTag(tag, view, at)) return RequestFault.TAG;
      if (invalidate !== undefined) return RequestFault.INVALIDATE_NOT_SEND;
      opcode.set(view, at, imm === undefined ? WorkOpcode.TAGGED_SEND : WorkOpcode.TAGGED_SEND_WITH_IMM);
      return imm === undefined ? RequestFault.NONE : this.#writeImmediate(imm, view, at);
    }
    if (invalidate === undefined) {
      opcode.set(view, at, imm === undefined ? WorkOpcode.SEND : WorkOpcode.SEND_WITH_IMM);
      return imm === undefined ? RequestFault.NONE : this.#writeImmediate(imm, view, at);
    }
    if (imm !== undefined) return RequestFault.INVALIDATE_WITH_IMM;
    const words = this.#words;
    if (!words.set(invalidate)) return RequestFault.INVALIDATE;
    opcode.set(view, at, WorkOpcode.SEND_WITH_INV);
    rkeyLo.set(view, at, words.lo);
    rkeyHi.set(view, at, words.hi);
    return RequestFault.NONE;
  }

  /** What names memory of the peer. */
  #writeRemote(request: WorkRequest, view: DataView, at: number): number {
    if (request.tag !== undefined) return this.#writeTaggedAtomic(request, view, at);
    const words = this.#words;
    const { remote, imm } = request;
    if (remote === undefined) return RequestFault.NO_REMOTE;
    if (request.invalidate !== undefined) return RequestFault.INVALIDATE_NOT_SEND;
    const offset = request.remoteOffset ?? 0;
    if (!words.set(typeof offset === 'number' ? offset + remote.base : offset + BigInt(remote.base))) {
      return RequestFault.REMOTE_OFFSET;
    }
    rkeyLo.set(view, at, remote.keyLo);
    rkeyHi.set(view, at, remote.keyHi);
    remoteLo.set(view, at, words.lo);
    remoteHi.set(view, at, words.hi);
    if (request.opcode === 'write') {
      opcode.set(view, at, imm === undefined ? WorkOpcode.RDMA_WRITE : WorkOpcode.RDMA_WRITE_WITH_IMM);
      return imm === undefined ? RequestFault.NONE : this.#writeImmediate(imm, view, at);
    }
    if (imm !== undefined) return RequestFault.READ_WITH_IMM;
    if (request.inline !== undefined && request.opcode !== 'atomic') return RequestFault.READ_INLINE;
    switch (request.opcode) {
      case 'read':
        opcode.set(view, at, WorkOpcode.RDMA_READ);
        return RequestFault.NONE;
      case 'cmp-swap':
        opcode.set(view, at, WorkOpcode.ATOMIC_CMP_AND_SWP);
        if (!words.set(request.swap ?? -1)) return RequestFault.OPERAND;
        operandLo.set(view, at, words.lo);
        operandHi.set(view, at, words.hi);
        return this.#writeImmediate(request.compare ?? -1, view, at, RequestFault.OPERAND);
      case 'fetch-add':
        opcode.set(view, at, WorkOpcode.ATOMIC_FETCH_AND_ADD);
        return this.#writeImmediate(request.add ?? -1, view, at, RequestFault.OPERAND);
      case 'atomic':
      case 'fetching-atomic':
        opcode.set(view, at, request.opcode === 'atomic' ? WorkOpcode.ATOMIC : WorkOpcode.FETCHING_ATOMIC);
        return request.atomicOp === undefined ? RequestFault.ATOMIC : RequestFault.NONE;
      default:
        return RequestFault.OPCODE;
    }
  }

  #writeTag(tag: number | bigint | undefined, view: DataView, at: number): boolean {
    const words = this.#words;
    if (!words.set(tag ?? -1)) return false;
    rkeyLo.set(view, at, words.lo);
    rkeyHi.set(view, at, words.hi);
    return true;
  }

  /** An atomic on the receive that matches a tag. */
  #writeTaggedAtomic(request: WorkRequest, view: DataView, at: number): number {
    const words = this.#words;
    if (!this.#writeTag(request.tag, view, at)) return RequestFault.TAG;
    if (request.opcode !== 'atomic' && request.opcode !== 'fetching-atomic') return RequestFault.OPCODE;
    if (request.atomicOp === undefined) return RequestFault.ATOMIC;
    if (!words.set(request.remoteOffset ?? 0)) return RequestFault.REMOTE_OFFSET;
    remoteLo.set(view, at, words.lo);
    remoteHi.set(view, at, words.hi);
    const isFetching = request.opcode === 'fetching-atomic';
    opcode.set(view, at, isFetching ? WorkOpcode.TAGGED_FETCHING_ATOMIC : WorkOpcode.TAGGED_ATOMIC);
    return RequestFault.NONE;
  }

  /** Behind the operands, which are written: what is compared with, and where goes what was there. */
  #writeAtomic(request: WorkRequest, view: DataView, at: number): number {
    const { opcode: code, atomicOp, atomicType, comparand, result } = request;
    if (request.inline !== undefined && comparand !== undefined) return RequestFault.ATOMIC_RESULT;
    const op = AtomicOp[atomicOp!];
    const type = atomicType === undefined ? undefined : AtomicType[atomicType];
    if (op === undefined || type === undefined) return RequestFault.ATOMIC;
    if ((result !== undefined) !== (code === 'fetching-atomic')) return RequestFault.ATOMIC_RESULT;
    const operands = segments.get(view, at);
    let count = operands;
    for (const one of [comparand, result]) {
      if (one === undefined) continue;
      if (count >= MAX_SEGMENTS) return RequestFault.SEGMENTS;
      const place = at + PAYLOAD_AT + count++ * SegmentEntry.bytes;
      const fault = writeSegment(this.#pd, view, place, one.region, one.offset, one.length);
      if (fault !== RequestFault.NONE) return fault;
    }
    segments.set(view, at, count);
    operandLo.set(view, at, op | (type << 8));
    operandHi.set(view, at, operands | (comparand === undefined ? 0 : 256));
    return RequestFault.NONE;
  }

  #writeImmediate(value: number | bigint, view: DataView, at: number, fault: number = RequestFault.IMM): number {
    const words = this.#words;
    if (!words.set(value)) return fault;
    immLo.set(view, at, words.lo);
    immHi.set(view, at, words.hi);
    return RequestFault.NONE;
  }

  #writeAddress(request: WorkRequest, view: DataView, at: number): number {
    const { to, toIndex } = request;
    address.set(view, at, 0);
    jobKey.set(view, at, 0);
    if (this.#connected) {
      const named = to !== undefined || toIndex !== undefined || request.qpn !== undefined;
      return named || request.jobKey !== undefined ? RequestFault.ADDRESS_CONNECTED : RequestFault.NONE;
    }
    const key = request.jobKey ?? this.#jobKey;
    if (key !== undefined) {
      if (key.pd !== this.#pd || !key.isOpen) return RequestFault.FOREIGN_JOB_KEY;
      jobKey.set(view, at, key.value);
    } else if (this.#needsJob) return RequestFault.NO_JOB;
    if (to !== undefined) {
      if (to.pd !== this.#pd || !to.isOpen) return RequestFault.FOREIGN_ADDRESS;
      address.set(view, at, to.number);
      return RequestFault.NONE;
    }
    if (toIndex === undefined) return RequestFault.NO_ADDRESS;
    if (key === undefined || !(toIndex >= 0 && toIndex < key.job.addresses.size)) return RequestFault.ADDRESS_INDEX;
    index.set(view, at, toIndex);
    return RequestFault.NONE;
  }
}
