/**
 * The requester of connected queue pairs: turns work into packets, and answers into completions.
 *
 * Every packet of a request has its PSN from the moment the request is taken, so going back is setting the cursor to the
 * oldest PSN without an answer: in the middle of a message, and of a READ, whose rest is asked for then.
 *
 * @spec IBTA vol. 1 §9.7
 */
import type { Packet } from '../../engine/packet.ts';
import { gather } from '../../engine/scatter.ts';
import { Status, WorkOpcode } from '../../engine/status.ts';
import { type Nanos, NEVER } from '../../engine/time.ts';
import { BTH_BYTES } from '../../wire/roce/bth.ts';
import { ATOMIC_ETH_BYTES, AtomicEth, IMM_DT_BYTES, RETH_BYTES, Reth } from '../../wire/roce/extended.ts';
import { RoceOpcode, RoceService } from '../../wire/roce/opcodes.ts';
import { MAX_MESSAGE_BYTES } from './attributes.ts';
import type { Completer } from './completer.ts';
import type { Core } from './core.ts';
import { EVENT } from './drops.ts';
import { mustWait, pay } from './pacing.ts';
import { ACK_REQUEST, ECT, firstWord, SOLICITED, writeBth } from './packets.ts';
import { PSN_MASK } from './psn.ts';
import type { QueuePair, RequesterState } from './queue-pair.ts';
import { Kind, type Request } from './request.ts';

const { virtualAddress, rkey, dmaLength } = Reth;
const atomicAddress = AtomicEth.virtualAddress;
const { rkey: atomicKey, swapAdd, compare } = AtomicEth;

export class Requester {
  readonly #core: Core;
  readonly #completer: Completer;
  readonly #pkey: number;
  readonly #ecn: number;
  readonly #ackEvery: number;

  constructor(core: Core, completer: Completer) {
    this.#core = core;
    this.#completer = completer;
    this.#pkey = core.settings.pkey;
    this.#ecn = core.settings.ecn === 1 ? ECT : 0;
    this.#ackEvery = core.settings.ackEvery;
  }

  /** Fills `out` with the next packet of a request. @returns false when none may leave now */
  transmit(now: Nanos, qp: QueuePair, out: Packet): boolean {
    const tx = qp.requester;
    const isReliable = qp.service === RoceService.RC;
    for (;;) {
      if (tx.hasFailed || tx.rnrUntil > now) return false;
      if (mustWait(this.#core, now, qp)) return false;
      const inFlight = tx.cursor - tx.base;
      const most = isReliable ? tx.cc.windowPackets() : Number.POSITIVE_INFINITY;
      if (inFlight >= most) return false;
      const request = tx.current ?? this.#take(qp);
      if (request === undefined) return false;
      if (request.status !== Status.SUCCESS) {
        if (request !== tx.head) return false;
        this.#completer.settle(qp);
        continue;
      }
      if (request.kind >= Kind.READ) {
        if (!this.#mayRead(qp, request, inFlight, most)) return false;
        this.#writeRead(qp, request, out);
      } else {
        if (request.fence && !request.hasBegun && tx.openReads > 0) return false;
        if (!this.#writeData(qp, request, out)) {
          // the memory is gone: what was posted before goes on, and then it fails
          out.reset();
          request.status = Status.LOC_PROT_ERR;
          tx.isBlocked = true;
          continue;
        }
      }
      this.#left(now, qp, request, out);
      return true;
    }
  }

  /** Takes work; the request gets its PSNs. @returns undefined when there is none, or none may be taken */
  #take(qp: QueuePair): Request | undefined {
    const tx = qp.requester;
    const core = this.#core;
    if (tx.isBlocked) return undefined;
    const request = core.requests.take();
    if (request === undefined) {
      core.starved.add(qp);
      return undefined;
    }
    const work: Request = request;
    if (!core.services.takeSend(qp.config.qp, work)) {
      core.requests.give(request);
      return undefined;
    }
    const kind = KIND_OF[work.opcode]!;
    request.kind = kind;
    request.mtu = qp.mtu;
    if (work.status === Status.SUCCESS) work.status = this.#fault(qp, request);
    const packets = work.status !== Status.SUCCESS ? 0 : Math.max(1, Math.ceil(work.length / qp.mtu));
    request.packets = packets;
    request.first = tx.tail === undefined ? tx.base : tx.tail.end;
    request.end = request.first + packets;
    request.chunk = kind === Kind.READ ? this.#chunk(qp) : 1;
    tx.hasSent = true;
    if (work.status !== Status.SUCCESS) tx.isBlocked = true;
    if (tx.tail === undefined) tx.head = request;
    else tx.tail.next = request;
    tx.tail = tx.current = request;
    tx.requests++;
    if (kind >= Kind.READ && packets > 0) tx.openReads++;
    return request;
  }

  /** @returns the status of a request that cannot be sent */
  #fault(qp: QueuePair, request: Request): number {
    const { length, kind } = request;
    if (length > MAX_MESSAGE_BYTES) return Status.LOC_LEN_ERR;
    if (kind < Kind.READ)
      return request.opcode === WorkOpcode.SEND_WITH_INV && qp.service !== RoceService.RC
        ? Status.LOC_QP_OP_ERR
        : Status.SUCCESS;
    if (qp.service !== RoceService.RC || qp.config.attributes.maxRdAtomic === 0) return Status.LOC_QP_OP_ERR;
    return kind === Kind.ATOMIC && length !== ATOMIC_BYTES ? Status.LOC_LEN_ERR : Status.SUCCESS;
  }

  /** Packets that one READ request asks for: as much as fits the window twice, and the host's buffer. */
  #chunk(qp: QueuePair): number {
    const { settings, config } = this.#core;
    const { receiveBufferBytes } = config;
    let most = Math.min(settings.readPackets, Math.max(1, settings.windowPackets >> 1));
    if (receiveBufferBytes > 0) most = Math.min(most, Math.floor(receiveBufferBytes / 4 / (qp.mtu + BUFFER_OVERHEAD)));
    return Math.max(1, most);
  }

  /** Whether a READ or atomic may be asked for now. */
  #mayRead(qp: QueuePair, request: Request, inFlight: number, most: number): boolean {
    const tx = qp.requester;
    if (tx.reads >= qp.config.attributes.maxRdAtomic) return false;
    if (request.fence && !request.hasBegun && tx.openReads > 1) return false;
    return inFlight === 0 || inFlight + this.#asked(tx, request) <= most;
  }

  /** Packets that the next request packet of a READ asks for: up to the next multiple of its chunk. */
  #asked(tx: RequesterState, request: Request): number {
    const index = tx.cursor - request.first;
    return Math.min(request.packets, index - (index % request.chunk) + request.chunk) - index;
  }

  #writeRead(qp: QueuePair, request: Request, out: Packet): void {
    const tx = qp.requester;
    const { view, at } = out;
    const psn = tx.cursor & PSN_MASK;
    const body = at + BTH_BYTES;
    out.path = qp.peerPath;
    out.entropy = qp.entropy;
    if (request.kind === Kind.ATOMIC) {
      const isSwap = request.opcode === WorkOpcode.ATOMIC_CMP_AND_SWP;
      const opcode = isSwap ? RoceOpcode.RC_COMPARE_SWAP : RoceOpcode.RC_FETCH_ADD;
      writeBth(out, firstWord(opcode, 0, 0, this.#pkey), qp.peerQpn, psn | ACK_REQUEST);
      atomicAddress.set(view, body, request.remoteOffsetHi, request.remoteOffsetLo);
      atomicKey.set(view, body, request.rkeyLo);
      if (isSwap) {
        swapAdd.set(view, body, request.swapHi, request.swapLo);
        compare.set(view, body, request.compareAddHi, request.compareAddLo);
      } else {
        swapAdd.set(view, body, request.compareAddHi, request.compareAddLo);
        compare.set(view, body, 0, 0);
      }
      out.length += ATOMIC_ETH_BYTES;
      tx.cursor++;
      return;
    }
    const offset = (tx.cursor - request.first) * request.mtu;
    const asked = this.#asked(tx, request);
    writeBth(out, firstWord(RoceOpcode.RC_READ_REQUEST, 0, 0, this.#pkey), qp.peerQpn, psn | ACK_REQUEST);
    this.#writeReth(out, request, offset, Math.min(asked * request.mtu, request.length - offset));
    tx.cursor += asked;
  }

  #writeReth(out: Packet, request: Request, offset: number, length: number): void {
    const { view } = out;
    const body = out.at + BTH_BYTES;
    const low = request.remoteOffsetLo + offset;
    const carry = low >= TWO_32 ? Math.floor(low / TWO_32) : 0;
    virtualAddress.set(view, body, request.remoteOffsetHi + carry, low - carry * TWO_32);
    rkey.set(view, body, request.rkeyLo);
    dmaLength.set(view, body, length);
    out.length += RETH_BYTES;
  }

  /** A packet of a SEND or WRITE. @returns false when its memory is gone */
  #writeData(qp: QueuePair, request: Request, out: Packet): boolean {
    const tx = qp.requester;
    const { mtu, opcode: work, length: total } = request;
    const index = tx.cursor - request.first;
    const offset = index * mtu;
    const length = Math.min(mtu, total - offset);
    const isLast = index === request.packets - 1;
    const isWrite = request.kind === Kind.WRITE;
    let opcode = (qp.service << 5) + (isWrite ? RoceOpcode.RC_WRITE_FIRST : RoceOpcode.RC_SEND_FIRST);
    let extra = 0;
    let flags = 0;
    if (isLast) {
      opcode += index === 0 ? ONLY : LAST;
      if (work === WorkOpcode.SEND_WITH_IMM || work === WorkOpcode.RDMA_WRITE_WITH_IMM) {
        opcode++;
        extra = request.immLo;
      } else if (work === WorkOpcode.SEND_WITH_INV) {
        opcode = index === 0 ? RoceOpcode.RC_SEND_ONLY_INVALIDATE : RoceOpcode.RC_SEND_LAST_INVALIDATE;
        extra = request.rkeyLo;
      }
      if (request.solicited && work !== WorkOpcode.RDMA_WRITE) flags = SOLICITED;
    } else if (index > 0) opcode += MIDDLE;
    const pad = -length & 3;
    let third = tx.cursor & PSN_MASK;
    if (qp.service === RoceService.RC && this.#wantsAck(tx, isLast)) {
      third |= ACK_REQUEST;
      tx.silent = 0;
    } else tx.silent++;
    writeBth(out, firstWord(opcode, flags, pad, this.#pkey), qp.peerQpn, third);
    if (isWrite && index === 0) this.#writeReth(out, request, 0, total);
    if (isLast && work !== WorkOpcode.SEND && work !== WorkOpcode.RDMA_WRITE) {
      out.view.setUint32(out.at + out.length, extra);
      out.length += IMM_DT_BYTES;
    }
    out.path = qp.peerPath;
    out.entropy = qp.entropy;
    out.padding = pad;
    out.ecn = this.#ecn;
    if (length > 0 && !gather(this.#core.services.dma, request.segments, offset, out, length)) return false;
    tx.cursor++;
    return true;
  }

  /** An acknowledgement is asked for at the end of a message, after some packets, and when no more may leave without. */
  #wantsAck(tx: RequesterState, isLast: boolean): boolean {
    return isLast || tx.silent + 1 >= this.#ackEvery || tx.cursor + 1 - tx.base >= tx.cc.windowPackets();
  }

  /** A packet leaves. */
  #left(now: Nanos, qp: QueuePair, request: Request, out: Packet): void {
    const tx = qp.requester;
    const core = this.#core;
    request.hasBegun = true;
    if (request.kind >= Kind.READ) tx.reads++;
    if (tx.cursor <= tx.top) core.count(EVENT.retransmitted_packets);
    else tx.top = tx.cursor;
    pay(now, qp, out);
    core.count(EVENT.sent_requests);
    if (tx.cursor < request.end) {
      tx.current = request;
    } else {
      tx.current = request.next;
      if (qp.service !== RoceService.RC) return this.#completer.finishUnreliable(qp, request);
    }
    if (tx.retryDue === NEVER && qp.service === RoceService.RC) this.#completer.arm(now, qp);
  }
}

const { SEND, WRITE, READ, ATOMIC } = Kind;
/** By `WorkOpcode`. */
const KIND_OF = [WRITE, WRITE, SEND, SEND, READ, ATOMIC, ATOMIC, SEND, SEND, SEND];
/** Distance of the opcodes of other packets of a message from that of its first. */
const MIDDLE = RoceOpcode.RC_SEND_MIDDLE - RoceOpcode.RC_SEND_FIRST;
const LAST = RoceOpcode.RC_SEND_LAST - RoceOpcode.RC_SEND_FIRST;
const ONLY = RoceOpcode.RC_SEND_ONLY - RoceOpcode.RC_SEND_FIRST;
const ATOMIC_BYTES = 8;
const TWO_32 = 2 ** 32;
/** What a host's buffer takes for a packet beside its payload, bytes. */
const BUFFER_OVERHEAD = 512;
