/**
 * What engines are served with: work out of hostile rings, checked; remote accesses, checked; completions into rings.
 *
 * A ring entry is read field by field, each field once, into the engine's own record. Only that copy is checked and
 * used, so a program that rewrites its ring meanwhile changes nothing.
 */
import { PAYLOAD_AT, ReceiveEntry, ReceiveFlag, SegmentEntry, SendEntry, SendFlag } from '../abi/entries.ts';
import { RingError } from '../abi/ring.ts';
import type { Counters } from '../base/counters.ts';
import type { SeededRandom } from '../base/random.ts';
import type { Device } from '../device/device.ts';
import { EventValue } from '../device/events.ts';
import { ATOMIC_TYPE_BYTES, AtomicOp, isCompare } from '../engine/atomics.ts';
import type { DmaSpace } from '../engine/dma.ts';
import type { Services, TransportAttributes } from '../engine/engine.ts';
import { Access, AccessFault, CompletionOpcode, Status, WorkOpcode } from '../engine/status.ts';
import type { PeerAddress, WireHost } from '../engine/wire-host.ts';
import {
  CompletionRecord,
  MAX_INLINE,
  MAX_SEGMENTS,
  type Reach,
  ReceiveOp,
  type ReceiveWork,
  type Segments,
  type SendWork,
} from '../engine/work.ts';
import { count } from './completion-counts.ts';
import { COUNT } from './device-counters.ts';
import type { SoftCompletionQueue, SoftPd, SoftQueuePair, SoftRegion, SoftSharedQueue } from './objects.ts';
import type { Publisher } from './publisher.ts';
import type { Registry } from './registry.ts';
import { writeRoutingHeader } from './routing-header.ts';
import { wakeReader } from './wake-reader.ts';
import { BindWork, bindWindow, invalidateKey } from './windows.ts';

const { opcode, flags, inlineLength, jobKey, address, idLo, idHi, rkeyLo, rkeyHi } = SendEntry.fields;
const { remoteLo, remoteHi, immLo, immHi, index, qpn, operandLo, operandHi } = SendEntry.fields;
const sendSegments = SendEntry.fields.segments;
const receiveSegments = ReceiveEntry.fields.segments;
const receiveIdLo = ReceiveEntry.fields.idLo;
const receiveIdHi = ReceiveEntry.fields.idHi;
const receiveFlags = ReceiveEntry.fields.flags;
const { tagLo, tagHi, ignoreLo, ignoreHi, minBytes } = ReceiveEntry.fields;
const receiveSource = ReceiveEntry.fields.sourceId;
const receiveAddress = ReceiveEntry.fields.address;
const receiveJob = ReceiveEntry.fields.jobId;
const { lkey, length: segmentLength, offsetLo, offsetHi } = SegmentEntry.fields;

export class DataPath implements Services {
  readonly dma: DmaSpace;
  readonly random: () => number;
  readonly #registry: Registry;
  readonly #counters: Counters;
  readonly #device: () => Device | undefined;
  readonly #maxMessage: number;
  readonly #noticesTakeReceives: boolean;
  /** Packets name jobs, so requests must. */
  readonly #jobsOnWire: boolean;
  readonly #immediateBits: number;
  readonly #maxAtomic: number;
  readonly #place: Place;
  readonly #publisher: Publisher;
  readonly #flushed = new CompletionRecord();
  readonly #done = new CompletionRecord();
  readonly #bind = new BindWork();

  constructor(
    registry: Registry,
    dma: DmaSpace,
    random: SeededRandom,
    counters: Counters,
    device: () => Device | undefined,
    publisher: Publisher,
    attributes: TransportAttributes,
    place: Place,
  ) {
    this.#registry = registry;
    this.dma = dma;
    this.random = () => random.next();
    this.#counters = counters;
    this.#device = device;
    this.#publisher = publisher;
    this.#maxMessage = attributes.limits.maxMessageBytes;
    this.#noticesTakeReceives = attributes.noticesTakeReceives ?? false;
    this.#jobsOnWire = attributes.jobsOnWire && attributes.limits.maxJobId > 0;
    this.#immediateBits = attributes.immediateBits;
    this.#maxAtomic = attributes.atomics?.maxBytes ?? 0;
    this.#place = place;
  }

  takeSend(handle: number, into: SendWork): boolean {
    const qp = this.#registry.qps.get(handle);
    if (qp === undefined || !qp.sending || qp.doomed !== '') return false;
    const { ring } = qp.sends;
    const { view } = ring;
    let at = qp.sends.take();
    let code = at < 0 ? 0 : opcode.get(view, at);
    if (at >= 0 && this.#isOwn(qp, code)) {
      // what the device does itself is done here, in its turn; a program that posts on and on is left at some point
      for (let done = 0; this.#isOwn(qp, code); done++) {
        this.#doOwn(qp, code, view, at);
        at = done < ring.size && qp.doomed === '' ? qp.sends.take() : -1;
        if (at < 0) break;
        code = opcode.get(view, at);
      }
    }
    if (at < 0) {
      if (qp.sends.broken) this.#publisher.doom(qp);
      return false;
    }
    const flag = flags.get(view, at);
    into.wrIdLo = idLo.get(view, at);
    into.wrIdHi = idHi.get(view, at);
    into.opcode = code;
    into.signaled = qp.signalAll || (flag & SendFlag.SIGNALED) !== 0;
    into.solicited = (flag & SendFlag.SOLICITED) !== 0;
    into.fence = (flag & SendFlag.FENCE) !== 0;
    into.deliveryComplete = (flag & SendFlag.DELIVERY_COMPLETE) !== 0;
    into.matchComplete = (flag & SendFlag.MATCH_COMPLETE) !== 0;
    into.rkeyLo = rkeyLo.get(view, at);
    into.rkeyHi = rkeyHi.get(view, at);
    into.remoteOffsetLo = remoteLo.get(view, at);
    into.remoteOffsetHi = remoteHi.get(view, at);
    into.immLo = immLo.get(view, at);
    into.immHi = immHi.get(view, at);
    into.status = Status.SUCCESS;
    into.length = 0;
    into.segments.clear();
    if (code > WorkOpcode.TAGGED_FETCHING_ATOMIC || ((1 << code) & qp.opcodes) === 0) {
      if (code > WorkOpcode.RDMA_READ) into.opcode = WorkOpcode.SEND; // the record goes on with an opcode that exists
      into.status = Status.LOC_QP_OP_ERR;
    }
    this.#takeOperands(qp, into, view, at, flag);
    this.#address(qp, into, view, at, flag);
    if (into.status !== Status.SUCCESS) return true;
    if (((1 << into.opcode) & TYPED_ATOMICS) !== 0) this.#takeAtomic(qp, into, view, at, flag);
    else if ((flag & SendFlag.INLINE) !== 0) {
      this.#takeInline(into, ring.bytes, at, inlineLength.get(view, at));
    } else {
      const rights = ((1 << into.opcode) & FETCHING) !== 0 ? Access.LOCAL_WRITE : 0;
      into.status = this.#takeSegments(qp.pd, into.segments, view, at, 0, sendSegments.get(view, at), rights);
      if (into.status === Status.SUCCESS) {
        into.length = into.segments.total();
        const most = ((1 << into.opcode) & ATOMICS) !== 0 ? ATOMIC_BYTES : this.#maxMessage;
        if (into.length > most || (most === ATOMIC_BYTES && into.length < most)) into.status = Status.LOC_LEN_ERR;
      }
    }
    return true;
  }

  takeReceive(handle: number, into: ReceiveWork): boolean {
    const qp = this.#registry.qps.get(handle);
    if (qp === undefined || !qp.receiving || qp.doomed !== '') return false;
    const at = qp.receives.take();
    if (at < 0) {
      if (qp.srq !== undefined) this.#foundEmpty(qp, qp.srq);
      else if (qp.receives.broken) this.#publisher.doom(qp);
      return false;
    }
    const { view } = qp.receives.ring;
    into.wrIdLo = receiveIdLo.get(view, at);
    into.wrIdHi = receiveIdHi.get(view, at);
    into.segments.clear();
    const count = receiveSegments.get(view, at);
    into.status = this.#takeSegments(qp.pd, into.segments, view, at, 0, count, Access.LOCAL_WRITE);
    into.length = into.segments.total();
    if (qp.matching) this.#takeSelection(qp, into, view, at);
    if (qp.srq !== undefined) this.#tookShared(qp, qp.srq);
    return true;
  }

  reach(access: Reach): number {
    const registry = this.#registry;
    if (registry.guardedQps > 0 && !this.#lets(access)) return this.#refuse(access, AccessFault.NO_RIGHT);
    const handle = registry.keys.get(access.pd, access.keyLo, access.keyHi);
    const region = handle === 0 ? undefined : registry.regions.get(handle);
    if (region === undefined) return this.#reachWindow(access, handle);
    if (region.jobKey !== undefined && !this.#isOfJob(region, access))
      return this.#refuse(access, AccessFault.WRONG_JOB);
    if (region.attached !== undefined && !region.attached.has(access.qp)) {
      return this.#refuse(access, AccessFault.NO_RIGHT);
    }
    if ((region.rights & access.rights) !== access.rights) return this.#refuse(access, AccessFault.NO_RIGHT);
    const { length, offset } = access;
    if (!(offset <= region.length && length <= region.length - offset)) {
      return this.#refuse(access, AccessFault.OUT_OF_BOUNDS);
    }
    access.region = region.region;
    access.regionOffset = region.base + offset;
    return AccessFault.NONE;
  }

  /** Access through a window: within its part, by its rights, as its region allows. */
  #reachWindow(access: Reach, handle: number): number {
    const fault = this.#findInWindow(access, handle);
    return fault === AccessFault.NONE ? fault : this.#refuse(access, fault);
  }

  #findInWindow(access: Reach, handle: number): number {
    const mw = handle === 0 ? undefined : this.#registry.windows.get(handle);
    const region = mw?.region;
    if (mw === undefined || region === undefined) return AccessFault.NO_KEY;
    if (region.jobKey !== undefined && !this.#isOfJob(region, access)) return AccessFault.WRONG_JOB;
    if (region.attached !== undefined && !region.attached.has(access.qp)) return AccessFault.NO_RIGHT;
    if (mw.qp !== 0 && mw.qp !== access.qp) return AccessFault.NO_RIGHT;
    if ((mw.rights & access.rights) !== access.rights) return AccessFault.NO_RIGHT;
    const { length, offset } = access;
    if (!(offset <= mw.length && length <= mw.length - offset)) return AccessFault.OUT_OF_BOUNDS;
    access.region = region.region;
    access.regionOffset = region.base + mw.offset + offset;
    return AccessFault.NONE;
  }

  /** The same number at another address entry is another job. Where packets do not say, a peer is of its queue pair's job. */
  #isOfJob({ jobKey }: SoftRegion, access: Reach): boolean {
    if (!this.#jobsOnWire) {
      return jobKey !== undefined && this.#registry.qps.get(access.qp)?.jobKey?.job === jobKey.job;
    }
    return jobKey !== undefined && jobKey.job.id === access.jobId && jobKey.job.link.data === this;
  }

  /** Whether a queue pair lets peers do what they ask for. */
  #lets(access: Reach): boolean {
    const qp = this.#registry.qps.get(access.qp);
    return qp === undefined || (qp.access & access.rights) === access.rights;
  }

  /** A connected queue pair fails with the first access that it must refuse. */
  #refuse({ qp: handle, isProbe }: Reach, fault: number): number {
    const qp = this.#registry.qps.get(handle);
    if (isProbe || qp === undefined || qp.peerPath === 0 || qp.rules.failed !== 'ERR') return fault;
    this.raise(EventValue.QP_ACCESS_ERR, handle);
    this.#publisher.doom(qp);
    return fault;
  }

  completeSend(handle: number, signaled: boolean, completion: CompletionRecord): void {
    const qp = this.#registry.qps.get(handle);
    if (qp === undefined) return;
    qp.sends.retire();
    this.#publisher.touch(qp);
    if (qp.counters !== undefined) count(qp.counters, completion);
    if (signaled || completion.status !== Status.SUCCESS) this.#complete(qp, qp.sendCq, completion);
    if (completion.status !== Status.SUCCESS) this.#sendFailed(qp);
    if (!qp.sending && qp.drainNotice) this.noticeDrained(qp);
  }

  completeReceive(handle: number, completion: CompletionRecord): void {
    const qp = this.#registry.qps.get(handle);
    if (qp === undefined) return;
    // receives of a shared queue were retired when they were taken
    const isNotice = completion.opcode === CompletionOpcode.RECV_RDMA_WITH_IMM;
    const tookReceive = (this.#noticesTakeReceives || !isNotice) && !completion.holdsReceive;
    if (tookReceive && qp.srq === undefined) {
      qp.receives.retire();
      this.#publisher.touch(qp);
    }
    if (qp.counters !== undefined) count(qp.counters, completion);
    this.#complete(qp, qp.recvCq, completion);
    if (completion.status !== Status.SUCCESS && qp.peerPath !== 0) this.#publisher.doom(qp);
  }

  invalidate(handle: number, keyLo: number, keyHi: number): boolean {
    const qp = this.#registry.qps.get(handle);
    return qp !== undefined && invalidateKey(this.#registry, qp, keyLo, keyHi) === Status.SUCCESS;
  }

  fail(handle: number, fault: number): void {
    const qp = this.#registry.qps.get(handle);
    if (qp === undefined || qp.doomed !== '') return;
    this.raise(fault, handle);
    this.#publisher.doom(qp);
  }

  route(path: number, into: Uint8Array): void {
    const { wire, localAddress } = this.#place;
    const peer = wire.peer(path);
    if (peer === undefined) into.fill(0);
    else writeRoutingHeader(peer.address, localAddress.address, into);
  }

  /** Raises SQ_DRAINED when it is asked for and nothing is under way. */
  noticeDrained(qp: SoftQueuePair): void {
    if (!qp.drainNotice || qp.state !== 'SQD' || qp.sends.inFlight > 0) return;
    qp.drainNotice = false;
    this.raise(EventValue.SQ_DRAINED, qp.handle);
  }

  /** Events about an object go to its context, all others to every context. */
  raise(event: number, object: number): void {
    const { qps, cqs, srqs } = this.#registry;
    const about = qps.get(object) ?? cqs.get(object) ?? srqs.get(object);
    this.#device()?.raise(event, about?.object ?? object);
  }

  /** Completes with WR_FLUSH_ERR what is in the rings and was never taken. */
  flushRings(qp: SoftQueuePair): void {
    this.flushSends(qp);
    if (qp.srq !== undefined) return;
    const flushed = this.#flushed;
    for (let at = qp.receives.take(); at >= 0; at = qp.receives.take()) {
      const { view } = qp.receives.ring;
      flushed.wrIdLo = receiveIdLo.get(view, at);
      flushed.wrIdHi = receiveIdHi.get(view, at);
      flushed.opcode = CompletionOpcode.RECV;
      qp.receives.retire();
      if (qp.counters !== undefined) count(qp.counters, flushed);
      this.#complete(qp, qp.recvCq, flushed);
    }
  }

  /** The same for sends alone. */
  flushSends(qp: SoftQueuePair): void {
    const flushed = this.#flushed;
    flushed.status = Status.WR_FLUSH_ERR;
    flushed.jobId = qp.jobKey?.job.id ?? 0;
    for (let at = qp.sends.take(); at >= 0; at = qp.sends.take()) {
      const { view } = qp.sends.ring;
      flushed.wrIdLo = idLo.get(view, at);
      flushed.wrIdHi = idHi.get(view, at);
      flushed.opcode = COMPLETES_AS[opcode.get(view, at)] ?? CompletionOpcode.SEND;
      qp.sends.retire();
      if (qp.counters !== undefined) count(qp.counters, flushed);
      this.#complete(qp, qp.sendCq, flushed);
    }
    this.#publisher.touch(qp);
  }

  /** A request that the device does itself, and this queue pair may post. */
  #isOwn(qp: SoftQueuePair, code: number): boolean {
    return (code === WorkOpcode.BIND_MW || code === WorkOpcode.LOCAL_INV) && ((1 << code) & qp.opcodes) !== 0;
  }

  #doOwn(qp: SoftQueuePair, code: number, view: DataView, at: number): void {
    const done = this.#done;
    done.wrIdLo = idLo.get(view, at);
    done.wrIdHi = idHi.get(view, at);
    done.opcode = code === WorkOpcode.BIND_MW ? CompletionOpcode.BIND_MW : CompletionOpcode.LOCAL_INV;
    const keyLo = rkeyLo.get(view, at);
    const keyHi = rkeyHi.get(view, at);
    const signaled = qp.signalAll || (flags.get(view, at) & SendFlag.SIGNALED) !== 0;
    if (code === WorkOpcode.LOCAL_INV) done.status = invalidateKey(this.#registry, qp, keyLo, keyHi);
    else {
      const bind = this.#bind;
      bind.mw = index.get(view, at);
      bind.keyLo = keyLo;
      bind.keyHi = keyHi;
      bind.rights = immLo.get(view, at);
      bind.length = remoteHi.get(view, at) * 0x1_0000_0000 + remoteLo.get(view, at);
      bind.lkey = lkey.get(view, at + PAYLOAD_AT);
      bind.offset = offsetHi.get(view, at + PAYLOAD_AT) * 0x1_0000_0000 + offsetLo.get(view, at + PAYLOAD_AT);
      done.status = bindWindow(this.#registry, qp, bind);
    }
    this.completeSend(qp.handle, signaled, done);
  }

  /** A request failed: what follows must not run before the program has looked, where the kind says so. */
  #sendFailed(qp: SoftQueuePair): void {
    if (!qp.sending) return;
    const { failed } = qp.rules;
    if (failed !== undefined) this.#publisher.doom(qp, failed);
  }

  /** A receive of a shared queue is free to be posted again at once, and the queue may run low. */
  #tookShared(qp: SoftQueuePair, srq: SoftSharedQueue): void {
    srq.receives.retire();
    this.#publisher.touch(qp);
    if (srq.limit > 0) this.checkLimit(srq);
  }

  /** Raises the limit event of a shared queue when it is due. */
  checkLimit(srq: SoftSharedQueue): void {
    if (srq.limit === 0 || srq.receives.waiting >= srq.limit) return;
    srq.limit = 0;
    this.raise(EventValue.SRQ_LIMIT_REACHED, srq.handle);
  }

  #foundEmpty(qp: SoftQueuePair, srq: SoftSharedQueue): void {
    srq.waiting.add(qp);
    if (!srq.receives.broken || srq.failed) return;
    srq.failed = true;
    this.raise(EventValue.SRQ_ERR, srq.handle);
    for (const user of srq.users) this.#publisher.doom(user);
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
    if (qp.peerPath !== 0) {
      into.jobId = qp.jobKey?.job.id ?? 0;
      into.path = qp.peerPath;
      into.remoteQpn = qp.peerQpn;
      return;
    }
    if (key !== undefined && key.pd === qp.pd && (key.job.link === qp.link || !this.#jobsOnWire)) {
      into.jobId = key.job.id;
    } else if (keyValue !== 0) into.status = Status.LOC_ACCESS_ERR;
    else if (this.#jobsOnWire) into.status = Status.LOC_QP_OP_ERR;
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

  /** What only some opcodes have. */
  #takeOperands(qp: SoftQueuePair, into: SendWork, view: DataView, at: number, flag: number): void {
    const bit = 1 << into.opcode;
    into.qkey = (flag & SendFlag.QKEY) !== 0 ? operandLo.get(view, at) : qp.attributes.qkey;
    if ((bit & ATOMICS) !== 0) {
      into.compareAddLo = into.immLo;
      into.compareAddHi = into.immHi;
      into.swapLo = operandLo.get(view, at);
      into.swapHi = operandHi.get(view, at);
    } else if ((bit & IMMEDIATES) !== 0 && this.#immediateBits === 32 && into.immHi !== 0) {
      into.status = Status.LOC_QP_OP_ERR;
    }
  }

  /** Operands, what is compared with, and where goes what was there. */
  #takeAtomic(qp: SoftQueuePair, into: SendWork, view: DataView, at: number, flag: number): void {
    const which = operandLo.get(view, at);
    const split = operandHi.get(view, at);
    const count = sendSegments.get(view, at);
    into.atomicOp = which & 0xff;
    into.atomicType = which >>> 8;
    into.comparand.clear();
    into.result.clear();
    const isFetching = ((1 << into.opcode) & FETCHING) !== 0;
    const operands = split & 0xff;
    const compared = operands + (split >>> 8);
    if (compared > count || (!isFetching && compared !== count)) {
      into.status = Status.LOC_QP_OP_ERR;
      return;
    }
    if ((flag & SendFlag.INLINE) !== 0 && !isFetching) {
      this.#takeInline(into, qp.sends.ring.bytes, at, inlineLength.get(view, at));
    } else {
      into.status = this.#takeSegments(qp.pd, into.segments, view, at, 0, operands, 0);
    }
    if (into.status === Status.SUCCESS)
      into.status = this.#takeSegments(qp.pd, into.comparand, view, at, operands, compared, 0);
    if (into.status === Status.SUCCESS)
      into.status = this.#takeSegments(qp.pd, into.result, view, at, compared, count, Access.LOCAL_WRITE);
    if (into.status !== Status.SUCCESS) return;
    const bytes = into.segments.total();
    const wanted = isFetching ? into.result.total() : bytes;
    into.length = wanted;
    const given = into.atomicOp === AtomicOp.READ ? 0 : wanted;
    const compares = isCompare(into.atomicOp) ? wanted : 0;
    const size = ATOMIC_TYPE_BYTES[into.atomicType] ?? 0;
    const isWhole = size > 0 && wanted > 0 && wanted % size === 0;
    if (!isWhole || bytes !== given || into.comparand.total() !== compares) into.status = Status.LOC_LEN_ERR;
    else if (wanted > this.#maxAtomic) into.status = Status.LOC_LEN_ERR;
  }

  /** What a receive of a matching queue pair takes. */
  #takeSelection(qp: SoftQueuePair, into: ReceiveWork, view: DataView, at: number): void {
    const flag = receiveFlags.get(view, at);
    const operation =
      (flag & ReceiveFlag.PEEK) !== 0 ? ReceiveOp.PEEK : (flag & ReceiveFlag.CANCEL) !== 0 ? ReceiveOp.CANCEL : 0;
    into.operation = operation;
    into.tagged = (flag & ReceiveFlag.TAGGED) !== 0;
    into.directed = (flag & ReceiveFlag.DIRECTED) !== 0;
    into.multi = (flag & ReceiveFlag.MULTI) !== 0;
    into.claim = (flag & ReceiveFlag.CLAIM) !== 0;
    into.discard = (flag & ReceiveFlag.DISCARD) !== 0;
    into.tagLo = tagLo.get(view, at);
    into.tagHi = tagHi.get(view, at);
    into.ignoreLo = ignoreLo.get(view, at);
    into.ignoreHi = ignoreHi.get(view, at);
    into.sourceId = receiveSource.get(view, at);
    into.jobId = receiveJob.get(view, at);
    into.minBytes = minBytes.get(view, at);
    into.path = 0;
    const handle = receiveAddress.get(view, at);
    if (handle === 0) return;
    const from = this.#registry.addresses.get(handle);
    if (from !== undefined && from.pd === qp.pd && from.link === qp.link) into.path = from.path;
    else if (into.status === Status.SUCCESS) into.status = Status.LOC_QP_OP_ERR;
  }

  #takeInline(into: SendWork, bytes: Uint8Array, at: number, length: number): void {
    if (((1 << into.opcode) & FETCHING) !== 0) into.status = Status.LOC_QP_OP_ERR;
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

  /** Takes segments `first` to below `end`. @returns a status */
  #takeSegments(
    pd: SoftPd,
    into: Segments,
    view: DataView,
    at: number,
    first: number,
    end: number,
    rights: number,
  ): number {
    if (end > MAX_SEGMENTS) return Status.LOC_QP_OP_ERR;
    for (let i = first; i < end; i++) {
      const from = at + PAYLOAD_AT + i * SegmentEntry.bytes;
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

/** Where a device is on the network, and its peers are. */
interface Place {
  readonly wire: WireHost;
  readonly localAddress: PeerAddress;
}

const IMMEDIATES =
  (1 << WorkOpcode.SEND_WITH_IMM) | (1 << WorkOpcode.RDMA_WRITE_WITH_IMM) | (1 << WorkOpcode.TAGGED_SEND_WITH_IMM);
/** Bits of opcodes, by what they have in common. */
const ATOMICS = (1 << WorkOpcode.ATOMIC_CMP_AND_SWP) | (1 << WorkOpcode.ATOMIC_FETCH_AND_ADD);
/** Atomics of any kind and type. */
const TYPED_ATOMICS =
  (1 << WorkOpcode.ATOMIC) |
  (1 << WorkOpcode.FETCHING_ATOMIC) |
  (1 << WorkOpcode.TAGGED_ATOMIC) |
  (1 << WorkOpcode.TAGGED_FETCHING_ATOMIC);
const FETCHING =
  (1 << WorkOpcode.RDMA_READ) | ATOMICS | (1 << WorkOpcode.FETCHING_ATOMIC) | (1 << WorkOpcode.TAGGED_FETCHING_ATOMIC);
const ATOMIC_BYTES = 8;
/** By work opcode. */
const COMPLETES_AS: readonly number[] = [
  ...[CompletionOpcode.RDMA_WRITE, CompletionOpcode.RDMA_WRITE, CompletionOpcode.SEND, CompletionOpcode.SEND],
  ...[CompletionOpcode.RDMA_READ, CompletionOpcode.COMP_SWAP, CompletionOpcode.FETCH_ADD],
  ...[CompletionOpcode.LOCAL_INV, CompletionOpcode.BIND_MW, CompletionOpcode.SEND],
  ...[CompletionOpcode.TAGGED_SEND, CompletionOpcode.TAGGED_SEND, CompletionOpcode.ATOMIC],
  ...[CompletionOpcode.FETCHING_ATOMIC, CompletionOpcode.ATOMIC, CompletionOpcode.FETCHING_ATOMIC],
];
