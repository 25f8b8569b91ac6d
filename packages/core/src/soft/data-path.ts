/**
 * What engines are served with: work out of hostile rings, checked; remote accesses, checked; completions into rings.
 *
 * A ring entry is read field by field, each field once, into the engine's own record. Only that copy is checked and
 * used, so a program that rewrites its ring meanwhile changes nothing.
 */
import { PAYLOAD_AT, ReceiveEntry, SegmentEntry, SendEntry, SendFlag } from '../abi/entries.ts';
import { RingError } from '../abi/ring.ts';
import type { Counters } from '../base/counters.ts';
import type { SeededRandom } from '../base/random.ts';
import type { ChannelQueue } from '../device/channel-queue.ts';
import type { Device } from '../device/device.ts';
import { EventValue } from '../device/events.ts';
import type { DmaSpace } from '../engine/dma.ts';
import type { Services, TransportAttributes } from '../engine/engine.ts';
import { Access, AccessFault, CompletionOpcode, Status, WorkOpcode } from '../engine/status.ts';
import {
  CompletionRecord,
  MAX_INLINE,
  MAX_SEGMENTS,
  type Reach,
  type ReceiveWork,
  type Segments,
  type SendWork,
} from '../engine/work.ts';
import { COUNT } from './device-counters.ts';
import type { SoftCompletionQueue, SoftPd, SoftQueuePair } from './objects.ts';
import type { Publisher } from './publisher.ts';
import type { Registry } from './registry.ts';

const { opcode, flags, inlineLength, jobKey, address, idLo, idHi, rkeyLo, rkeyHi } = SendEntry.fields;
const { remoteLo, remoteHi, immLo, immHi, index, qpn } = SendEntry.fields;
const sendSegments = SendEntry.fields.segments;
const receiveSegments = ReceiveEntry.fields.segments;
const receiveIdLo = ReceiveEntry.fields.idLo;
const receiveIdHi = ReceiveEntry.fields.idHi;
const { lkey, length: segmentLength, offsetLo, offsetHi } = SegmentEntry.fields;

export class DataPath implements Services {
  readonly dma: DmaSpace;
  readonly random: () => number;
  readonly #registry: Registry;
  readonly #counters: Counters;
  readonly #device: () => Device | undefined;
  readonly #maxMessage: number;
  readonly #needsJob: boolean;
  /** Bit n: work opcode n exists. */
  readonly #opcodes: number;
  readonly #publisher: Publisher;
  readonly #flushed = new CompletionRecord();

  constructor(
    registry: Registry,
    dma: DmaSpace,
    random: SeededRandom,
    counters: Counters,
    device: () => Device | undefined,
    publisher: Publisher,
    attributes: TransportAttributes,
  ) {
    this.#registry = registry;
    this.dma = dma;
    this.random = () => random.next();
    this.#counters = counters;
    this.#device = device;
    this.#publisher = publisher;
    this.#maxMessage = attributes.limits.maxMessageBytes;
    this.#needsJob = attributes.limits.maxJobId > 0;
    this.#opcodes = opcodesOf(attributes);
  }

  takeSend(handle: number, into: SendWork): boolean {
    const qp = this.#registry.qps.get(handle);
    if (qp === undefined || qp.state !== 'RTS' || qp.doomed) return false;
    const { ring } = qp.sends;
    const at = qp.sends.take();
    if (at < 0) {
      if (qp.sends.broken) this.#publisher.doom(qp);
      return false;
    }
    const { view } = ring;
    const flag = flags.get(view, at);
    into.wrIdLo = idLo.get(view, at);
    into.wrIdHi = idHi.get(view, at);
    into.opcode = opcode.get(view, at);
    into.signaled = qp.signalAll || (flag & SendFlag.SIGNALED) !== 0;
    into.rkeyLo = rkeyLo.get(view, at);
    into.rkeyHi = rkeyHi.get(view, at);
    into.remoteOffsetLo = remoteLo.get(view, at);
    into.remoteOffsetHi = remoteHi.get(view, at);
    into.immLo = immLo.get(view, at);
    into.immHi = immHi.get(view, at);
    into.status = Status.SUCCESS;
    into.length = 0;
    into.segments.clear();
    if (into.opcode > WorkOpcode.RDMA_READ || ((1 << into.opcode) & this.#opcodes) === 0) {
      into.opcode = WorkOpcode.SEND; // the record goes on with an opcode that exists
      into.status = Status.LOC_QP_OP_ERR;
    }
    this.#address(qp, into, view, at, flag);
    if (into.status !== Status.SUCCESS) return true;
    if ((flag & SendFlag.INLINE) !== 0) {
      this.#takeInline(into, ring.bytes, at, inlineLength.get(view, at));
    } else {
      const rights = into.opcode === WorkOpcode.RDMA_READ ? Access.LOCAL_WRITE : 0;
      into.status = this.#takeSegments(qp.pd, into.segments, view, at, sendSegments.get(view, at), rights);
      if (into.status === Status.SUCCESS) {
        into.length = into.segments.total();
        if (into.length > this.#maxMessage) into.status = Status.LOC_LEN_ERR;
      }
    }
    return true;
  }

  takeReceive(handle: number, into: ReceiveWork): boolean {
    const qp = this.#registry.qps.get(handle);
    if (qp === undefined || qp.state !== 'RTS' || qp.doomed) return false;
    const at = qp.receives.take();
    if (at < 0) {
      if (qp.receives.broken) this.#publisher.doom(qp);
      return false;
    }
    const { view } = qp.receives.ring;
    into.wrIdLo = receiveIdLo.get(view, at);
    into.wrIdHi = receiveIdHi.get(view, at);
    into.segments.clear();
    const count = receiveSegments.get(view, at);
    into.status = this.#takeSegments(qp.pd, into.segments, view, at, count, Access.LOCAL_WRITE);
    into.length = into.segments.total();
    return true;
  }

  reach(access: Reach): number {
    const registry = this.#registry;
    const handle = registry.keys.get(access.pd, access.keyLo, access.keyHi);
    const region = handle === 0 ? undefined : registry.regions.get(handle);
    if (region === undefined) return AccessFault.NO_KEY;
    if (region.jobKey !== undefined && region.jobKey.job.id !== access.jobId) return AccessFault.WRONG_JOB;
    if ((region.rights & access.rights) !== access.rights) return AccessFault.NO_RIGHT;
    const { length, offset } = access;
    if (!(offset <= region.length && length <= region.length - offset)) return AccessFault.OUT_OF_BOUNDS;
    access.region = region.region;
    access.regionOffset = region.base + offset;
    return AccessFault.NONE;
  }

  completeSend(handle: number, signaled: boolean, completion: CompletionRecord): void {
    const qp = this.#registry.qps.get(handle);
    if (qp === undefined) return;
    qp.sends.retire();
    this.#publisher.touch(qp);
    if (signaled || completion.status !== Status.SUCCESS) this.#complete(qp, qp.sendCq, completion);
  }

  completeReceive(handle: number, completion: CompletionRecord): void {
    const qp = this.#registry.qps.get(handle);
    if (qp === undefined) return;
    if (completion.opcode !== CompletionOpcode.RECV_RDMA_WITH_IMM) {
      qp.receives.retire();
      this.#publisher.touch(qp);
    }
    this.#complete(qp, qp.recvCq, completion);
  }

  /** Events about a queue pair or completion queue go to its context, all others to every context. */
  raise(event: number, object: number): void {
    const about = this.#registry.qps.get(object) ?? this.#registry.cqs.get(object);
    this.#device()?.raise(event, about?.object ?? object);
  }

  /** Completes with WR_FLUSH_ERR what is in the rings and was never taken. */
  flushRings(qp: SoftQueuePair): void {
    const flushed = this.#flushed;
    flushed.status = Status.WR_FLUSH_ERR;
    flushed.jobId = qp.jobKey?.job.id ?? 0;
    for (let at = qp.sends.take(); at >= 0; at = qp.sends.take()) {
      const { view } = qp.sends.ring;
      flushed.wrIdLo = idLo.get(view, at);
      flushed.wrIdHi = idHi.get(view, at);
      flushed.opcode = completionOpcode(opcode.get(view, at));
      qp.sends.retire();
      this.#complete(qp, qp.sendCq, flushed);
    }
    for (let at = qp.receives.take(); at >= 0; at = qp.receives.take()) {
      const { view } = qp.receives.ring;
      flushed.wrIdLo = receiveIdLo.get(view, at);
      flushed.wrIdHi = receiveIdHi.get(view, at);
      flushed.opcode = CompletionOpcode.RECV;
      qp.receives.retire();
      this.#complete(qp, qp.recvCq, flushed);
    }
    this.#publisher.touch(qp);
  }

  #complete(qp: SoftQueuePair, cq: SoftCompletionQueue, completion: CompletionRecord): void {
    if (cq.failed) {
      this.#counters.add(COUNT.completions_lost);
      return;
    }
    if (!cq.ring.add(qp.qpn, completion)) {
      this.#counters.add(COUNT.completions_lost);
      // what closing flushes is only a courtesy: without room it is left out, and the queue lives on
      if (qp.state !== 'CLOSING') this.#overrun(cq);
      return;
    }
    this.#publisher.completed(cq);
  }

  /** A completion was lost, so nobody can rely on the queue any more, nor on the queue pairs that use it. */
  #overrun(cq: SoftCompletionQueue): void {
    cq.failed = true;
    this.#counters.add(COUNT.cq_overruns);
    cq.ring.publish();
    cq.ring.fail(RingError.OVERRUN);
    wakeReader(cq);
    this.raise(EventValue.CQ_ERR, cq.handle);
    for (const qp of this.#registry.qps.values()) if (qp.sendCq === cq || qp.recvCq === cq) this.#publisher.doom(qp);
  }

  /** Job, path and queue pair number of a request; sets the status when they cannot be had. */
  #address(qp: SoftQueuePair, into: SendWork, view: DataView, at: number, flag: number): void {
    const keyValue = jobKey.get(view, at);
    const handle = address.get(view, at);
    const place = index.get(view, at);
    const key = keyValue === 0 ? qp.jobKey : this.#registry.jobKeys.get(keyValue);
    into.jobId = into.path = into.remoteQpn = 0;
    if (key !== undefined && key.pd === qp.pd) into.jobId = key.job.id;
    else if (keyValue !== 0) into.status = Status.LOC_ACCESS_ERR;
    else if (this.#needsJob) into.status = Status.LOC_QP_OP_ERR;
    if (handle !== 0) {
      const to = this.#registry.addresses.get(handle);
      if (to !== undefined && to.pd === qp.pd && to.link === qp.link) {
        into.path = to.path;
        into.remoteQpn = to.qpn;
      }
    } else if (key !== undefined && key.pd === qp.pd && key.job.link === qp.link && place < key.job.addresses.size) {
      into.path = key.job.addresses.paths[place]!;
      into.remoteQpn = key.job.addresses.qpns[place]!;
    }
    if ((flag & SendFlag.QPN) !== 0) into.remoteQpn = qpn.get(view, at);
    if (into.path === 0 && into.status === Status.SUCCESS) into.status = Status.LOC_QP_OP_ERR;
  }

  #takeInline(into: SendWork, bytes: Uint8Array, at: number, length: number): void {
    if (into.opcode === WorkOpcode.RDMA_READ) into.status = Status.LOC_QP_OP_ERR;
    else if (length > MAX_INLINE) into.status = Status.LOC_LEN_ERR;
    if (into.status !== Status.SUCCESS || length === 0) return;
    const room = this.dma.target(into.inlineRegion)?.bytes;
    if (room === undefined || into.inlineOffset > room.length - length) {
      into.status = Status.LOC_QP_OP_ERR;
      return;
    }
    for (let i = 0; i < length; i++) room[into.inlineOffset + i] = bytes[at + PAYLOAD_AT + i]!;
    into.segments.add(into.inlineRegion, into.inlineOffset, length);
    into.length = length;
  }

  /** @returns a status */
  #takeSegments(pd: SoftPd, into: Segments, view: DataView, at: number, count: number, rights: number): number {
    if (count > MAX_SEGMENTS) return Status.LOC_QP_OP_ERR;
    for (let i = 0, from = at + PAYLOAD_AT; i < count; i++, from += SegmentEntry.bytes) {
      const key = lkey.get(view, from);
      const bytes = segmentLength.get(view, from);
      const low = offsetLo.get(view, from);
      const high = offsetHi.get(view, from);
      const region = this.#registry.regions.get(key);
      const offset = high * 0x1_0000_0000 + low;
      if (
        region === undefined ||
        region.pd !== pd ||
        (region.rights & rights) !== rights ||
        !(offset <= region.length && bytes <= region.length - offset)
      ) {
        into.clear();
        return Status.LOC_PROT_ERR;
      }
      if (bytes > 0) into.add(region.region, region.base + offset, bytes);
    }
    return Status.SUCCESS;
  }
}

/** Whoever waits for a completion queue, itself or through a channel. */
export function wakeReader({ object }: SoftCompletionQueue): void {
  const channel = object.needs.find((one) => one.kind === 'COMP_CHANNEL');
  if (channel === undefined) object.context.session.wake(object.wake);
  else if ((channel.state as ChannelQueue).push(object.handle)) channel.context.session.wake(channel.wake);
}

function completionOpcode(work: number): number {
  if (work === WorkOpcode.RDMA_READ) return CompletionOpcode.RDMA_READ;
  return work === WorkOpcode.RDMA_WRITE || work === WorkOpcode.RDMA_WRITE_WITH_IMM
    ? CompletionOpcode.RDMA_WRITE
    : CompletionOpcode.SEND;
}

function opcodesOf({ operations }: TransportAttributes): number {
  let bits = 0;
  if (operations.includes('send')) bits |= (1 << WorkOpcode.SEND) | (1 << WorkOpcode.SEND_WITH_IMM);
  if (operations.includes('write')) bits |= 1 << WorkOpcode.RDMA_WRITE;
  if (operations.includes('write-imm')) bits |= 1 << WorkOpcode.RDMA_WRITE_WITH_IMM;
  if (operations.includes('read')) bits |= 1 << WorkOpcode.RDMA_READ;
  return bits;
}
