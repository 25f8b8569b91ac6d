/**
 * The responder of reliable queue pairs: does each request once, in order, and owes an answer for it.
 *
 *     PSN before the expected one    a repetition: acknowledged, read or looked up again, not done again
 *     the expected one               checked and done
 *     behind it                      one NAK until the missing one comes
 *
 * @spec IBTA vol. 1 §9.7.3 to §9.7.5, §9.9.3
 */
import type { Packet } from '../../engine/packet.ts';
import { scatter } from '../../engine/scatter.ts';
import { Access, AccessFault, QpFault, Status } from '../../engine/status.ts';
import type { Nanos } from '../../engine/time.ts';
import { Reach } from '../../engine/work.ts';
import { BTH_BYTES } from '../../wire/roce/bth.ts';
import { AtomicEth, Reth } from '../../wire/roce/extended.ts';
import {
  ROCE_ATOMIC,
  ROCE_ENDS,
  ROCE_IMMEDIATE,
  ROCE_INVALIDATE,
  ROCE_READ,
  ROCE_SEND,
  ROCE_STARTS,
  RoceOpcode,
} from '../../wire/roce/opcodes.ts';
import { AethKind, RoceNak } from '../../wire/roce/syndrome.ts';
import { AtomicUnit } from './atomic-unit.ts';
import { MAX_MESSAGE_BYTES } from './attributes.ts';
import type { Core } from './core.ts';
import { EVENT } from './drops.ts';
import { completeMessage, isSolicited } from './inbound.ts';
import { SYNDROME_ACK } from './packets.ts';
import { PSN_MASK, psnAdd, psnDelta } from './psn.ts';
import { Inbound, type QueuePair } from './queue-pair.ts';
import { Owed } from './return-queue.ts';

const { virtualAddress, rkey, dmaLength } = Reth;
const atomicAddress = AtomicEth.virtualAddress;
const atomicKey = AtomicEth.rkey;

export class Responder {
  readonly #core: Core;
  readonly #reach = new Reach();
  readonly #atomics: AtomicUnit;

  constructor(core: Core) {
    this.#core = core;
    this.#atomics = new AtomicUnit(core.services.dma);
  }

  /** A request. @param header - bytes of headers @param payload - bytes behind them, without padding */
  receive(_now: Nanos, qp: QueuePair, packet: Packet, flags: number, header: number, payload: number): void {
    const rx = qp.responder;
    if (rx.hasFailed || qp.requester.hasFailed) return this.#core.drop('state');
    const psn = packet.view.getUint32(packet.at + 8) & PSN_MASK;
    rx.hasReceived = true;
    if (psn !== rx.expected) {
      if (psnDelta(rx.expected, psn) > 0) return this.#fromFuture(qp, psn);
      return this.#fromPast(qp, packet, flags, psn);
    }
    if ((flags & ROCE_READ) !== 0) return this.#read(qp, packet, psn);
    if ((flags & ROCE_ATOMIC) !== 0) return this.#atomic(qp, packet, psn);
    const inbound = (flags & ROCE_SEND) !== 0 ? Inbound.SEND : Inbound.WRITE;
    const starts = (flags & ROCE_STARTS) !== 0;
    if (rx.inbound !== (starts ? Inbound.NONE : inbound)) return this.#refuse(qp, psn, RoceNak.INVALID_REQUEST);
    // all packets but the last are full; the last of several has at least a byte
    const fits = (flags & ROCE_ENDS) === 0 ? payload === qp.mtu : payload <= qp.mtu && (starts || payload > 0);
    if (!fits) return this.#refuse(qp, psn, RoceNak.INVALID_REQUEST);
    const isDone =
      inbound === Inbound.SEND
        ? this.#send(qp, packet, flags, psn, header, payload)
        : this.#write(qp, packet, flags, psn, header, payload);
    if (!isDone) return;
    rx.expected = psnAdd(psn, 1);
    rx.isNaked = false;
    this.#core.count(EVENT.received_requests);
    if ((packet.view.getUint8(packet.at + 8) & ACK_REQUESTED) !== 0) this.#acknowledge(qp);
  }

  /** Owes an acknowledgement of all up to now. */
  #acknowledge(qp: QueuePair): void {
    const { returns, expected, msn } = qp.responder;
    const psn = psnAdd(expected, -1);
    const last = returns.last();
    if (last !== undefined && last.kind === Owed.ACK) {
      last.psn = psn;
      last.msn = msn;
    } else {
      const owed = returns.add(Owed.ACK, psn, msn);
      if (owed === undefined) return this.#core.count(EVENT.outbox_full);
      owed.syndrome = SYNDROME_ACK;
    }
    this.#core.makeReady(qp);
  }

  #nak(qp: QueuePair, psn: number, syndrome: number): void {
    const { returns, msn } = qp.responder;
    const owed = returns.add(Owed.NAK, psn, msn);
    if (owed === undefined) return this.#core.count(EVENT.outbox_full);
    owed.syndrome = syndrome;
    this.#core.makeReady(qp);
  }

  /** Refuses for good. @param fault - one of `QpFault`, or 0 where the device has been told by other means */
  #refuse(qp: QueuePair, psn: number, reason: number, fault: number = QpFault.REQUEST): void {
    const rx = qp.responder;
    rx.hasFailed = true;
    this.#core.drop('refused');
    this.#nak(qp, psn, (AethKind.NAK << 5) | reason);
    if (fault !== 0) this.#core.services.fail(qp.config.qp, fault);
  }

  /** No receive is posted: to be tried again. @returns false: the packet is not done */
  #notReady(qp: QueuePair, psn: number): false {
    const rx = qp.responder;
    this.#core.drop('no_receive');
    // what follows is from the future now, and needs no NAK of its own
    rx.isNaked = true;
    rx.nakedBy = -1;
    this.#nak(qp, psn, (AethKind.RNR_NAK << 5) | (qp.config.attributes.minRnrTimer & 31));
    return false;
  }

  #fromFuture(qp: QueuePair, psn: number): void {
    const rx = qp.responder;
    this.#core.drop('sequence');
    // who comes twice was sent again, and what is missing was lost again
    if (rx.isNaked && psn !== rx.nakedBy) return;
    rx.isNaked = true;
    rx.nakedBy = psn;
    this.#nak(qp, rx.expected, (AethKind.NAK << 5) | RoceNak.PSN_SEQUENCE_ERROR);
  }

  #fromPast(qp: QueuePair, packet: Packet, flags: number, psn: number): void {
    if ((flags & ROCE_READ) !== 0) return this.#readAgain(qp, packet, psn);
    if ((flags & ROCE_ATOMIC) !== 0) return this.#atomicAgain(qp, psn);
    this.#core.drop('duplicate');
    this.#acknowledge(qp);
  }

  /** Takes the payload of a SEND. @returns whether the packet is done */
  #send(qp: QueuePair, packet: Packet, flags: number, psn: number, header: number, payload: number): boolean {
    const rx = qp.responder;
    const core = this.#core;
    const { services } = core;
    if ((flags & ROCE_STARTS) !== 0) {
      if (!rx.hasReceive && !services.takeReceive(qp.config.qp, rx.receive)) return this.#notReady(qp, psn);
      rx.hasReceive = true;
      rx.arrived = 0;
    }
    const { receive } = rx;
    if (receive.status !== Status.SUCCESS)
      return this.#spoilt(qp, psn, receive.status, RoceNak.REMOTE_OPERATIONAL_ERROR);
    if (rx.arrived + payload > receive.length)
      return this.#spoilt(qp, psn, Status.LOC_LEN_ERR, RoceNak.INVALID_REQUEST);
    if (!scatter(services.dma, receive.segments, rx.arrived, packet, packet.at + header, payload)) {
      return this.#spoilt(qp, psn, Status.LOC_PROT_ERR, RoceNak.REMOTE_OPERATIONAL_ERROR);
    }
    rx.arrived += payload;
    rx.inbound = Inbound.SEND;
    if ((flags & ROCE_ENDS) === 0) return true;
    const key = packet.view.getUint32(packet.at + header - 4);
    if ((flags & ROCE_INVALIDATE) !== 0 && !services.invalidate(qp.config.qp, key, 0)) {
      return this.#spoilt(qp, psn, Status.REM_INV_REQ_ERR, RoceNak.REMOTE_ACCESS_ERROR);
    }
    this.#finish(qp, packet, flags, key, false);
    return true;
  }

  /** The receive fails, and with it the queue pair, on both sides. @returns false: the packet is not done */
  #spoilt(qp: QueuePair, psn: number, status: number, reason: number): false {
    this.#refuse(qp, psn, reason, 0);
    completeMessage(this.#core, qp, status);
    return false;
  }

  /** Puts the payload of a WRITE in its place. @returns whether the packet is done */
  #write(qp: QueuePair, packet: Packet, flags: number, psn: number, header: number, payload: number): boolean {
    const rx = qp.responder;
    const { services } = this.#core;
    const { view, at } = packet;
    const ends = (flags & ROCE_ENDS) !== 0;
    if ((flags & ROCE_STARTS) !== 0) rx.beginWrite(view, at);
    const arrived = rx.arrived + payload;
    const fits = rx.total <= MAX_MESSAGE_BYTES && (ends ? arrived === rx.total : arrived < rx.total);
    if (!fits) {
      this.#refuse(qp, psn, RoceNak.INVALID_REQUEST);
      return false;
    }
    if ((flags & ROCE_IMMEDIATE) !== 0 && !rx.hasReceive) {
      if (!services.takeReceive(qp.config.qp, rx.receive)) return this.#notReady(qp, psn);
      rx.hasReceive = true;
    }
    if (payload > 0) {
      // asked for each packet: what the peer was granted may be taken back in the middle
      const reach = this.#reach;
      const fault = this.#ask(qp, rx.key, rx.offset, rx.total, Access.REMOTE_WRITE, false);
      if (fault !== AccessFault.NONE) {
        this.#refuse(qp, psn, RoceNak.REMOTE_ACCESS_ERROR, this.#consequence());
        return false;
      }
      if (!services.dma.place(reach.region, reach.regionOffset + rx.arrived, packet, at + header, payload)) {
        this.#refuse(qp, psn, RoceNak.REMOTE_ACCESS_ERROR, QpFault.ACCESS);
        return false;
      }
    }
    rx.arrived = arrived;
    rx.inbound = Inbound.WRITE;
    if (ends) {
      if ((flags & ROCE_IMMEDIATE) !== 0 && rx.receive.status !== Status.SUCCESS) {
        return this.#spoilt(qp, psn, rx.receive.status, RoceNak.REMOTE_OPERATIONAL_ERROR);
      }
      this.#finish(qp, packet, flags, view.getUint32(at + header - 4), true);
    }
    return true;
  }

  /** The last packet of a message is done. @param extra - immediate data or key, where it has one */
  #finish(qp: QueuePair, packet: Packet, flags: number, extra: number, isWrite: boolean): void {
    const rx = qp.responder;
    const { completion } = rx;
    rx.inbound = Inbound.NONE;
    rx.msn = psnAdd(rx.msn, 1);
    this.#core.count(EVENT.messages_received);
    if (isWrite && (flags & ROCE_IMMEDIATE) === 0) return;
    completion.hasImm = (flags & ROCE_IMMEDIATE) !== 0;
    completion.hasInvalidated = (flags & ROCE_INVALIDATE) !== 0;
    completion.immLo = completion.hasImm || completion.hasInvalidated ? extra : 0;
    completion.solicited = isSolicited(packet);
    completeMessage(this.#core, qp, Status.SUCCESS, isWrite);
  }

  #read(qp: QueuePair, packet: Packet, psn: number): void {
    const rx = qp.responder;
    const { view, at } = packet;
    const length = dmaLength.get(view, at + BTH_BYTES);
    const key = rkey.get(view, at + BTH_BYTES);
    const offset = virtualAddress.num(view, at + BTH_BYTES);
    if (rx.inbound !== Inbound.NONE || length > MAX_MESSAGE_BYTES || !this.#hasRoom(qp)) {
      return this.#refuse(qp, psn, RoceNak.INVALID_REQUEST);
    }
    if (rx.returns.isFull) return this.#core.drop('no_resource');
    if (length > 0 && this.#ask(qp, key, offset, length, Access.REMOTE_READ, false) !== AccessFault.NONE) {
      return this.#refuse(qp, psn, RoceNak.REMOTE_ACCESS_ERROR, this.#consequence());
    }
    const packets = packetsOf(length, qp.mtu);
    rx.msn = psnAdd(rx.msn, 1);
    rx.expected = psnAdd(psn, packets);
    rx.isNaked = false;
    this.#core.count(EVENT.received_requests);
    this.#core.count(EVENT.messages_received);
    this.#oweData(qp, psn, key, offset, length, packets);
  }

  #oweData(qp: QueuePair, psn: number, key: number, offset: number, length: number, packets: number): void {
    const rx = qp.responder;
    const owed = rx.returns.add(Owed.READ, psn, rx.msn)!;
    owed.syndrome = SYNDROME_ACK;
    owed.key = key;
    owed.offset = offset;
    owed.length = length;
    owed.packets = packets;
    this.#core.makeReady(qp);
  }

  /** A READ, or the rest of one, is asked for again: from memory as it is now, if the peer may still see it. */
  #readAgain(qp: QueuePair, packet: Packet, psn: number): void {
    const rx = qp.responder;
    const core = this.#core;
    const { view, at } = packet;
    const length = dmaLength.get(view, at + BTH_BYTES);
    const key = rkey.get(view, at + BTH_BYTES);
    const offset = virtualAddress.num(view, at + BTH_BYTES);
    const packets = packetsOf(length, qp.mtu);
    if (length > MAX_MESSAGE_BYTES || packets > psnDelta(psn, rx.expected)) return core.drop('duplicate');
    if (length > 0 && this.#ask(qp, key, offset, length, Access.REMOTE_READ, true) !== AccessFault.NONE) {
      core.drop('duplicate');
      return this.#nak(qp, psn, (AethKind.NAK << 5) | RoceNak.REMOTE_ACCESS_ERROR);
    }
    const { returns } = rx;
    const end = psnAdd(psn, packets);
    for (let i = 0; i < returns.length; i++) {
      const owed = returns.at(i);
      if (owed.kind !== Owed.READ || psnAdd(owed.psn, owed.packets) !== end) continue;
      // still to be answered, or in the middle of it: it begins again where the peer wants it to
      if (owed.psn === psn && owed.sent === 0) return core.drop('duplicate');
      core.count(EVENT.duplicate_reads);
      owed.psn = psn;
      owed.key = key;
      owed.offset = offset;
      owed.length = length;
      owed.packets = packets;
      owed.sent = 0;
      return;
    }
    if (returns.isFull) return core.drop('no_resource');
    core.count(EVENT.duplicate_reads);
    this.#oweData(qp, psn, key, offset, length, packets);
  }

  #atomic(qp: QueuePair, packet: Packet, psn: number): void {
    const rx = qp.responder;
    const { view, at } = packet;
    if (rx.inbound !== Inbound.NONE || !this.#hasRoom(qp)) return this.#refuse(qp, psn, RoceNak.INVALID_REQUEST);
    if (rx.returns.isFull) return this.#core.drop('no_resource');
    const offset = atomicAddress.num(view, at + BTH_BYTES);
    const key = atomicKey.get(view, at + BTH_BYTES);
    if ((atomicAddress.lo.get(view, at + BTH_BYTES) & 7) !== 0) return this.#refuse(qp, psn, RoceNak.INVALID_REQUEST);
    if (this.#ask(qp, key, offset, ATOMIC_BYTES, Access.REMOTE_ATOMIC, false) !== AccessFault.NONE) {
      return this.#refuse(qp, psn, RoceNak.REMOTE_ACCESS_ERROR, this.#consequence());
    }
    const isSwap = view.getUint8(at) === RoceOpcode.RC_COMPARE_SWAP;
    if (!this.#atomics.execute(rx, this.#reach, packet, psn, isSwap)) {
      return this.#refuse(qp, psn, RoceNak.REMOTE_ACCESS_ERROR, QpFault.ACCESS);
    }
    rx.msn = psnAdd(rx.msn, 1);
    rx.expected = psnAdd(psn, 1);
    rx.isNaked = false;
    this.#core.count(EVENT.received_requests);
    this.#core.count(EVENT.messages_received);
    this.#oweResult(qp, psn);
  }

  #oweResult(qp: QueuePair, psn: number): void {
    const rx = qp.responder;
    const owed = rx.returns.add(Owed.ATOMIC, psn, rx.msn)!;
    owed.syndrome = SYNDROME_ACK;
    owed.packets = 1;
    owed.lo = this.#atomics.beforeLo;
    owed.hi = this.#atomics.beforeHi;
    this.#core.makeReady(qp);
  }

  /** Atomics are never done again: the result of the first time is kept. */
  #atomicAgain(qp: QueuePair, psn: number): void {
    const { returns } = qp.responder;
    const core = this.#core;
    for (let i = 0; i < returns.length; i++) {
      const owed = returns.at(i);
      if (owed.kind === Owed.ATOMIC && owed.psn === psn) return core.drop('duplicate');
    }
    if (!this.#atomics.recall(qp.responder, psn)) return core.drop('duplicate');
    if (returns.isFull) return core.drop('no_resource');
    core.count(EVENT.duplicate_atomics);
    this.#oweResult(qp, psn);
  }

  /** Whether another READ or atomic may be under way. */
  #hasRoom(qp: QueuePair): boolean {
    return qp.responder.returns.heavy < qp.config.attributes.maxDestRdAtomic;
  }

  /** @returns one of `AccessFault` */
  #ask(qp: QueuePair, key: number, offset: number, length: number, rights: number, isProbe: boolean): number {
    const reach = this.#reach;
    const { config } = qp;
    reach.qp = config.qp;
    reach.pd = config.pd;
    reach.jobId = config.jobId;
    reach.keyLo = key;
    reach.keyHi = 0;
    reach.offset = offset;
    reach.length = length;
    reach.rights = rights;
    reach.isProbe = isProbe;
    this.#wasAsked = offset <= Number.MAX_SAFE_INTEGER;
    return this.#wasAsked ? this.#core.services.reach(reach) : AccessFault.OUT_OF_BOUNDS;
  }

  #wasAsked = false;

  /** The device fails the queue pair itself when it refuses an access. */
  #consequence(): number {
    return this.#wasAsked ? 0 : QpFault.ACCESS;
  }
}

const packetsOf = (length: number, mtu: number): number => Math.max(1, Math.ceil(length / mtu));

/** Bit in the first byte of the third word of a BTH. */
const ACK_REQUESTED = 0x80;
const ATOMIC_BYTES = 8;
