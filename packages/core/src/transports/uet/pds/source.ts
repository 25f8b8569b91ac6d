/**
 * The source's half of packet delivery: what leaves and when, what acknowledgements and NACKs do, time-outs, and the
 * close of a context.
 *
 * @spec uet:pds/3.7 uet:pds/3.8 uet:pds/4.6 uet:pds/4.7 uet:pds/5
 */
import { psnAdd, psnAfter, psnBefore, psnDelta } from '../../../base/psn.ts';
import type { Packet } from '../../../engine/packet.ts';
import { Status } from '../../../engine/status.ts';
import { type Nanos, NEVER } from '../../../engine/time.ts';
import {
  Ack,
  AckCc,
  AckProbe,
  AckRequest,
  ControlType,
  FLAG_AR,
  FLAG_P,
  FLAG_RETX,
  Nack,
  NackCode,
  NextHeader,
  PdsType,
  pdsLength,
  sesLength,
} from '../../../wire/uet/pds.ts';
import { Response, ResponseData, ResponseDataSmall, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import { type Initiator, NO_MESSAGE, NOTHING_REFUSED } from '../ses/initiator.ts';
import type { Message } from '../ses/message.ts';
import { returnHeader, writeReturn } from '../ses/return-data.ts';
import type { Target } from '../ses/target.ts';
import type { DeliveryContext } from './delivery-context.ts';
import { nackRow } from './nacks.ts';
import { writeControl, writeRequest } from './packets.ts';
import { Kind, Sent } from './send-window.ts';
import { PdcState } from './states.ts';

const { ackPsnOffset, cackPsn, spdcid: ackSpdcid, dpdcid: ackDpdcid, req } = Ack;
const { mpr, sackPsnOffset, sackBitmap } = AckCc;
const { nackCode, nackPsn, spdcid: nackSpdcid, dpdcid: nackDpdcid, payload: nackPayload, nt } = Nack;

export class Source {
  readonly #core: Core;
  readonly #initiator: Initiator;
  readonly #target: Target;
  readonly #resubmit: (message: Message) => void;

  /** @param resubmit - finds another context for a message whose own is gone */
  constructor(core: Core, initiator: Initiator, target: Target, resubmit: (message: Message) => void) {
    this.#core = core;
    this.#initiator = initiator;
    this.#target = target;
    this.#resubmit = resubmit;
  }

  /** Fills `out` with the next packet of the context that is tracked by PSN; false when there is none now. */
  transmit(now: Nanos, context: DeliveryContext, out: Packet): boolean {
    const { tx } = context;
    if (context.retryHead >= 0) this.#initiator.resume(now, context);
    if (tx.lost > 0) {
      const psn = tx.firstLost();
      if (tx.inFlight >= context.cc.packets || !tx.inRange(psn)) return false;
      return this.#resend(now, context, out, psn);
    }
    if (tx.inFlight >= context.cc.packets || !tx.open) return false;
    if (context.remoteId === 0 && psnDelta(tx.start, tx.next) > MAX_PSN_OFFSET) return false;
    if (context.returns !== undefined && context.returns.count > 0) {
      const psn = this.#push(now, context, Kind.RETURN, 0, 0, context.returns.peekLength());
      context.returns.take(psn);
      this.#writePacket(context, out, psn, context.returns.count === 0 ? FLAG_AR : this.#arIfClosing(context));
      return true;
    }
    if (!context.initiator) return false;
    if (this.#initiator.plan(context)) {
      const { kind, ref, offset, length, last } = this.#initiator.planned;
      const psn = this.#push(now, context, kind, ref, offset, length);
      this.#initiator.planTaken(context);
      this.#writePacket(context, out, psn, last && context.queueHead < 0 ? FLAG_AR : this.#arIfClosing(context));
      return true;
    }
    return this.#advanceClose(now, context, out);
  }

  /** ACK, ACK_CC or ACK_CCX. */
  acknowledgement(now: Nanos, packet: Packet, type: number, nextHeader: number, flags: number): void {
    const core = this.#core;
    const { view, at } = packet;
    const context = core.contexts.get(ackDpdcid.get(view, at));
    if (context === undefined) return core.drop('unknown_pdc');
    if (context.path !== packet.path) return core.drop('peer_mismatch');
    const spdcid = ackSpdcid.get(view, at);
    if (spdcid === 0 || (context.remoteId !== 0 && context.remoteId !== spdcid)) return core.drop('pdc_mismatch');
    const { tx } = context;
    const cack = cackPsn.get(view, at);
    if (psnBefore(cack, tx.floor) || !psnBefore(cack, tx.next)) return core.drop('ack_range');
    const probe = (flags & FLAG_P) !== 0;
    const ackPsn = psnAdd(cack, ackPsnOffset.get(view, at));
    if (!probe && !psnBefore(ackPsn, tx.next)) return core.drop('ack_range');
    if (
      nextHeader !== NextHeader.NONE &&
      (nextHeader < NextHeader.RESPONSE || nextHeader > NextHeader.RESPONSE_DATA_SMALL)
    ) {
      return core.drop('next_header');
    }
    const header = pdsLength(type);
    if (packet.length < header + sesLength(nextHeader)) return core.drop('next_header');
    core.count(EVENT.received_acks);
    context.lastActivity = now;
    if (context.remoteId === 0) {
      context.remoteId = spdcid;
      if (context.state === PdcState.CREATING) core.enter(context, PdcState.ESTABLISHED, 'acknowledgement');
    }
    const base = tx.base;
    let acked = 0;
    if (!probe && tx.pending(ackPsn)) {
      const i = ackPsn & tx.mask;
      if (tx.again[i] === 0 && (flags & FLAG_RETX) === 0) this.#sample(context, now - tx.sentAt[i]!);
      if (nextHeader !== NextHeader.NONE) this.#deliver(now, context, packet, ackPsn, at + header, nextHeader);
      // what CACK covers is acknowledged below, oldest first, so that requests complete in the order of posting
      if (psnAfter(ackPsn, cack)) acked += this.#ackOne(now, context, ackPsn);
    }
    const withState = type !== PdsType.ACK;
    if (!psnBefore(cack, tx.cackSeen)) {
      tx.cackSeen = cack;
      if (withState) tx.range = Math.max(1, mpr.get(view, at)) * 128;
    }
    for (let psn = tx.base; !psnAfter(psn, cack); psn = psnAdd(psn, 1)) acked += this.#ackOne(now, context, psn);
    if (withState) this.#selective(now, context, packet, cack, probe);
    if (context.state === PdcState.CLOSED) return; // the last of these finished a close
    tx.advance();
    if (acked > 0) context.cc.onAck(acked);
    if (tx.base !== base) {
      context.progressAt = now;
      context.backoff = context.tailLosses = 0;
      context.probed = false;
    }
    this.#requested(now, context, req.get(view, at), ackPsn);
    core.makeReady(context);
    this.rearm(now, context);
  }

  /** NACK: the table says what the code asks for. */
  refusal(now: Nanos, packet: Packet): void {
    const core = this.#core;
    const { view, at } = packet;
    if (nt.get(view, at) === 1) return core.drop('nack_range');
    const context = core.contexts.get(nackDpdcid.get(view, at));
    if (context === undefined) return core.drop('unknown_pdc');
    if (context.path !== packet.path) return core.drop('peer_mismatch');
    const psn = nackPsn.get(view, at);
    const { tx } = context;
    if (!tx.pending(psn)) return core.drop('nack_range');
    const spdcid = nackSpdcid.get(view, at);
    if (spdcid !== 0 && context.remoteId !== 0 && context.remoteId !== spdcid) return core.drop('pdc_mismatch');
    const code = nackCode.get(view, at);
    const row = nackRow(code);
    if (row.reaction === 'ignore') return core.drop('nack_code');
    core.count(EVENT.received_nacks);
    context.lastActivity = now;
    const i = psn & tx.mask;
    switch (row.reaction) {
      case 'fail':
      case 'reopen':
        return this.#fatal(now, context, code, i, row.reaction === 'reopen');
      case 'later':
        context.progressAt = now;
        break;
      case 'goBack': {
        const expected = nackPayload.get(view, at);
        if (!tx.holds(expected) && expected !== tx.next) return core.drop('nack_range');
        const count = tx.loseFrom(expected);
        if (count > 0) this.#lossSeen(context, count);
        break;
      }
      case 'resendNow':
      case 'repeatRead':
        if (++tx.refusals[i]! > core.settings.maxNackRetries)
          return this.fail(now, context, Status.RETRY_EXC_ERR, code, NOTHING_REFUSED);
        tx.lose(psn);
        break;
      case 'resend': {
        const tries = ++tx.refusals[i]!;
        const limit = core.settings.maxNackRetries;
        if (limit < NO_NACK_LIMIT && tries > limit)
          return this.fail(now, context, Status.RETRY_EXC_ERR, code, NOTHING_REFUSED);
        tx.refuse(psn);
        const wait = Math.min(core.settings.nackRetx * 2 ** (tries - 1), MAX_NACK_WAIT);
        context.refusedUntil = Math.min(context.refusedUntil, now + wait);
        context.progressAt = Math.max(context.progressAt, now + wait);
        break;
      }
    }
    core.makeReady(context);
    this.rearm(now, context);
  }

  /** Deadlines of the context that may have passed. */
  expire(now: Nanos, context: DeliveryContext): void {
    const core = this.#core;
    const { tx } = context;
    if (now >= context.refusedUntil) {
      context.refusedUntil = NEVER;
      tx.retryRefused();
      core.makeReady(context);
    }
    if (tx.outstanding > 0 && now >= this.#rtoDue(context)) {
      if (!this.#timeout(now, context)) return;
    } else if (this.#tailDue(context) <= now) this.#probe(context);
    if (now >= context.clearDue) this.sendClear(context);
    if (now >= context.retryAt) core.makeReady(context);
    if (now >= context.closeDue)
      return this.fail(now, context, Status.REM_ABORT_ERR, NackCode.CLOSING_IN_ERR, NOTHING_REFUSED);
    if (now >= context.lastActivity + core.settings.idleTime && context.resting) {
      context.lastActivity = now;
      this.beginClose(now, context);
    }
    // all is acknowledged, and yet data of a read or room in the window never comes: nothing else ends that
    if (now >= this.#stuckDue(context)) return this.fail(now, context, Status.RETRY_EXC_ERR, 0, NOTHING_REFUSED);
    this.rearm(now, context);
  }

  /** Starts the orderly end of a context. */
  beginClose(now: Nanos, context: DeliveryContext): void {
    const core = this.#core;
    if (context.state !== PdcState.ESTABLISHED && context.state !== PdcState.CREATING) return;
    core.enter(context, PdcState.QUIESCE, 'close');
    if (!context.initiator) {
      // the target only asks; the initiator closes
      this.#push(now, context, Kind.CONTROL, ControlType.CLOSE_REQUEST, 0, 0);
      context.tx.lose(psnAdd(context.tx.next, -1));
      context.closeDue = now + core.settings.closeRequestTime;
      core.wake(context, context.closeDue);
    }
    core.makeReady(context);
  }

  /** Tells the peer that responses up to CLEAR_PSN have been seen. */
  sendClear(context: DeliveryContext): void {
    context.clearDue = NEVER;
    context.clearOwed = -1;
    if (context.remoteId !== 0) this.#core.control(context, ControlType.CLEAR_COMMAND, 0, context.tx.clear, 0);
  }

  /**
   * Gives a context up and reports everything on it.
   * @param refused - message of which the peer refused a packet that left once, so that another context may try
   * again; `NO_MESSAGE` for none, `NOTHING_REFUSED` when no message at all may move
   */
  fail(now: Nanos, context: DeliveryContext, status: number, vendorStatus: number, refused: number): void {
    this.#core.count(EVENT.contexts_failed);
    const moved = this.#initiator.contextFailed(context, status, vendorStatus, refused);
    this.release(now, context, 'failed');
    for (let i = moved; i >= 0; ) {
      const message = this.#initiator.messages.at(i);
      i = message.next;
      this.#resubmit(message);
    }
  }

  /** Ends a context without anything left to report. */
  release(now: Nanos, context: DeliveryContext, why: string): void {
    const core = this.#core;
    this.#target.contextClosed(context);
    core.enter(context, PdcState.CLOSED, why);
    core.timers.set(context.slot, NEVER);
    context.ackWanted = false;
    core.contexts.release(now, context, now + core.settings.synSafetyTime);
    core.count(EVENT.contexts_closed);
  }

  /** Sets the context's deadline to its earliest timer. */
  rearm(now: Nanos, context: DeliveryContext): void {
    if (context.state === PdcState.CLOSED) return;
    const { idleTime } = this.#core.settings;
    const idle = context.lastActivity + idleTime;
    // idle, but not at rest: look again an idle time later
    let due = Math.min(idle > now ? idle : now + idleTime, this.#stuckDue(context));
    if (context.tx.outstanding > 0) due = Math.min(due, this.#rtoDue(context), this.#tailDue(context));
    if (context.ackWanted) due = Math.min(due, context.ackDue);
    due = Math.min(due, context.refusedUntil, context.clearDue, context.closeDue);
    if (context.retryHead >= 0 && !(context.ordered && context.openMessages > 0)) due = Math.min(due, context.retryAt);
    // a deadline that has passed and was not acted upon must not spin
    this.#core.timers.set(context.slot, Math.max(due, now + 1));
  }

  #push(now: Nanos, context: DeliveryContext, kind: number, ref: number, offset: number, length: number): number {
    const { tx } = context;
    if (tx.outstanding === 0) {
      context.progressAt = now;
      context.backoff = context.tailLosses = 0;
      context.probed = false;
      this.#core.wake(context, now + Math.min(this.#core.settings.tailLoss || NEVER, this.#core.settings.rtoInit));
    }
    context.lastActivity = now;
    this.#core.count(EVENT.sent_requests);
    return tx.push(now, kind, ref, offset, length);
  }

  #resend(now: Nanos, context: DeliveryContext, out: Packet, psn: number): boolean {
    const { tx } = context;
    const i = psn & tx.mask;
    const kind = tx.kind[i]!;
    const firstTime = kind === Kind.CONTROL && tx.length[i] === 0;
    tx.resent(now, psn);
    if (firstTime) tx.again[i] = 0;
    if (kind === Kind.REQUEST) this.#initiator.messages.at(tx.ref[i]!).resent = true;
    if (!firstTime) this.#core.count(EVENT.retransmitted_packets);
    context.lastActivity = now;
    this.#writePacket(context, out, psn, firstTime ? FLAG_AR : FLAG_RETX | FLAG_AR);
    if (firstTime) tx.length[i] = 1; // marks a control packet as sent
    return true;
  }

  /** Headers of the packet that `psn` stands for. */
  #writePacket(context: DeliveryContext, out: Packet, psn: number, flags: number): void {
    const { tx } = context;
    const i = psn & tx.mask;
    out.path = context.path;
    out.entropy = context.entropy;
    out.control = false;
    const kind = tx.kind[i]!;
    if (kind === Kind.CONTROL) {
      out.control = true;
      out.length = writeControl(out, context.localId, context.remoteId, tx.ref[i]!, psn, 0, flags, 0);
      return;
    }
    if (kind === Kind.RETURN) {
      const { slots } = context.returns!;
      const length = writeRequest(out, context, psn, returnHeader(slots, i), flags);
      out.length = length + writeReturn(this.#core.services.dma, slots, i, out, out.at + length);
    } else {
      const length = writeRequest(out, context, psn, NextHeader.REQUEST_STD, flags);
      out.length = length + this.#initiator.write(out, out.at + length, kind, tx.ref[i]!, tx.offset[i]!, tx.length[i]!);
    }
    this.#cleared(context);
  }

  /** The request that was just written carries CLEAR_PSN. */
  #cleared(context: DeliveryContext): void {
    if (context.clearOwed < 0 || psnAfter(context.clearOwed, context.tx.clear)) return;
    context.clearOwed = -1;
    context.clearDue = NEVER;
  }

  /** The window is about to close: ask for an acknowledgement that opens it. */
  #arIfClosing(context: DeliveryContext): number {
    const { tx } = context;
    return tx.inFlight >= context.cc.packets || !tx.open ? FLAG_AR : 0;
  }

  /** QUIESCE and beyond, at the initiator. @returns true when `out` holds the Close Command */
  #advanceClose(now: Nanos, context: DeliveryContext, out: Packet): boolean {
    const core = this.#core;
    if (
      context.state === PdcState.QUIESCE &&
      context.openMessages === 0 &&
      context.queueHead < 0 &&
      context.retryHead < 0
    ) {
      core.enter(context, PdcState.ACK_WAIT, 'last message done');
    }
    if (context.state !== PdcState.ACK_WAIT || context.tx.outstanding > 0) return false;
    if (context.ackWanted) {
      // a close that overtakes the last acknowledgement would look premature to the peer
      context.ackDue = now;
      return false;
    }
    if (context.remoteId === 0) {
      this.release(now, context, 'never answered, nothing left');
      return false;
    }
    core.enter(context, PdcState.CLOSE, 'all acknowledged');
    const psn = this.#push(now, context, Kind.CONTROL, ControlType.CLOSE_COMMAND, 0, 1);
    this.#writePacket(context, out, psn, FLAG_AR);
    return true;
  }

  /** One PSN becomes acknowledged. @returns 1 if it was not before */
  #ackOne(now: Nanos, context: DeliveryContext, psn: number): number {
    const { tx } = context;
    if (!tx.acknowledge(psn)) return 0;
    const i = psn & tx.mask;
    const kind = tx.kind[i]!;
    if (kind === Kind.REQUEST || kind === Kind.ABORT) this.#initiator.acknowledged(now, context, tx.ref[i]!);
    else if (kind === Kind.CONTROL && tx.ref[i] === ControlType.CLOSE_COMMAND) {
      this.release(now, context, 'close acknowledged');
    }
    return 1;
  }

  /** The semantic response that came with an acknowledgement belongs to ACK_PSN. */
  #deliver(now: Nanos, context: DeliveryContext, packet: Packet, psn: number, at: number, nextHeader: number): void {
    const { view } = packet;
    const { tx } = context;
    const i = psn & tx.mask;
    if (tx.kind[i] !== Kind.REQUEST) return;
    const opcode = Response.opcode.get(view, at);
    const code = Response.returnCode.get(view, at);
    if (nextHeader === NextHeader.RESPONSE) {
      if (opcode === SesResponseOpcode.DEFAULT_RESPONSE || opcode === SesResponseOpcode.NO_RESPONSE) return;
      this.#initiator.answered(context, tx.ref[i]!, code, Response.riGeneration.get(view, at));
      return;
    }
    const small = nextHeader === NextHeader.RESPONSE_DATA_SMALL;
    const length = small ? ResponseDataSmall.payloadLength.get(view, at) : ResponseData.payloadLength.get(view, at);
    const header = sesLength(nextHeader);
    const id = this.#initiator.messages.at(tx.ref[i]!).messageId;
    if (at - packet.at + header + length > packet.length) return this.#core.drop('response');
    const offset = small ? 0 : ResponseData.messageOffset.get(view, at);
    this.#initiator.returned(now, context, code, id, offset, packet, at + header, length);
  }

  /** SACK bitmap: what arrived out of order, and what is therefore missing. */
  #selective(now: Nanos, context: DeliveryContext, packet: Packet, cack: number, probe: boolean): void {
    const { view, at } = packet;
    const { tx } = context;
    const base = psnAdd(cack, sackPsnOffset.get(view, at));
    const lo = sackBitmap.lo.get(view, at);
    const hi = sackBitmap.hi.get(view, at);
    for (let n = 0, bits = lo; bits !== 0; n++, bits >>>= 1) if ((bits & 1) === 1) tx.arrived(psnAdd(base, n));
    for (let n = 32, bits = hi; bits !== 0; n++, bits >>>= 1) if ((bits & 1) === 1) tx.arrived(psnAdd(base, n));
    tx.advance();
    if (context.ordered) {
      if (probe && tx.outstanding > 0 && AckProbe.probeOpaque.get(view, at) === context.probeOpaque && context.probed) {
        if (tx.serial[tx.base & tx.mask]! <= context.probeSerial) this.#lossSeen(context, tx.loseFrom(tx.base));
      }
      return;
    }
    let lost = 0;
    if (probe && context.probed && AckProbe.probeOpaque.get(view, at) === context.probeOpaque) {
      // a bitmap without a bit says that nothing behind the gap arrived either
      lost += tx.loseUnprobed((lo | hi) === 0 ? tx.next : psnAdd(base, 64), context.probeSerial);
      if (context.tailLosses < MAX_TAIL_LOSSES) {
        context.progressAt = now;
        context.probed = tx.lost === 0; // what is sent again may need another probe
        if (tx.lost > 0) context.tailLosses++;
      }
    }
    if ((lo | hi) !== 0) lost += tx.inferLosses(this.#core.settings.reorderPackets);
    if (lost > 0) this.#lossSeen(context, lost);
  }

  #lossSeen(context: DeliveryContext, count: number): void {
    if (count === 0) return;
    this.#core.count(EVENT.lost_packets, count);
    if (context.tx.arrivedSerial < context.recoverySerial) return;
    context.recoverySerial = context.tx.serials;
    context.cc.onLoss();
  }

  /** The `req` bits of an acknowledgement. */
  #requested(now: Nanos, context: DeliveryContext, request: number, psn: number): void {
    if (request === AckRequest.CLEAR) {
      if (context.clearOwed < 0 || psnAfter(psn, context.clearOwed)) context.clearOwed = psn;
      const idle = context.queueHead < 0 && context.current < 0;
      if (idle && !psnAfter(context.clearOwed, context.tx.clear)) this.sendClear(context);
      else if (context.clearDue === NEVER) context.clearDue = now + this.#core.settings.clearTime;
    } else if (request === AckRequest.CLOSE && context.initiator) this.beginClose(now, context);
  }

  /** The peer says that the context is of no use any more. */
  #fatal(now: Nanos, context: DeliveryContext, code: number, i: number, movable: boolean): void {
    if (context.state === PdcState.CLOSE) {
      this.release(now, context, 'close refused: the peer has closed');
      return;
    }
    if (!movable) return this.fail(now, context, Status.REM_ABORT_ERR, code, NOTHING_REFUSED);
    const { tx } = context;
    // the refusal of a repetition says nothing about the first copy
    const refused = tx.kind[i] === Kind.REQUEST && tx.again[i] === 0 ? tx.ref[i]! : NO_MESSAGE;
    this.fail(now, context, Status.REM_OP_ERR, code, refused);
  }

  /** The retransmission time-out. @returns false when the context is gone */
  #timeout(now: Nanos, context: DeliveryContext): boolean {
    const core = this.#core;
    const { tx } = context;
    const i = tx.base & tx.mask;
    const { maxRtoRetries } = core.settings;
    core.count(EVENT.timeouts);
    if (maxRtoRetries < NO_RTO_LIMIT && tx.retries[i]! >= maxRtoRetries) {
      if (context.state === PdcState.CLOSE) this.release(now, context, 'close never acknowledged');
      else this.fail(now, context, Status.RETRY_EXC_ERR, 0, NOTHING_REFUSED);
      return false;
    }
    if (tx.retries[i]! < 255) tx.retries[i]!++;
    context.progressAt = now;
    if (!context.ordered) this.#askForAnswers(now, context);
    if (context.backoff++ === 0 && context.remoteId !== 0) {
      // more likely the peer was not running than that all is lost: one packet, and a probe that tells about the rest
      if (tx.state[i] === Sent.IN_FLIGHT) tx.lose(tx.base);
      this.#probe(context);
    } else {
      const lost = context.ordered ? tx.loseFrom(tx.base) : tx.loseSentBefore(now - this.#rto(context));
      if (lost > 0) core.count(EVENT.lost_packets, lost);
      context.cc.onTimeout();
      context.probed = false;
    }
    core.makeReady(context);
    return true;
  }

  /** Asks the peer what has arrived. */
  #probe(context: DeliveryContext): void {
    context.probed = true;
    context.probeSerial = context.tx.serials;
    context.probeOpaque = (context.probeOpaque + 1) & 0xffff;
    this.#core.count(EVENT.probes);
    this.#core.control(context, ControlType.PROBE, 0, context.tx.base, FLAG_AR, context.probeOpaque);
  }

  /** Packets that are there but whose response is not: asks for that, not for the data again. @spec uet:pds/4.6 */
  #askForAnswers(now: Nanos, context: DeliveryContext): void {
    const { tx } = context;
    const sentBefore = now - this.#rto(context);
    let left = MAX_ACK_REQUESTS;
    for (let psn = tx.base; left > 0 && psnBefore(psn, tx.next); psn = psnAdd(psn, 1)) {
      const i = psn & tx.mask;
      if (tx.state[i] !== Sent.ARRIVED || tx.sentAt[i]! > sentBefore) continue;
      left--;
      const id = tx.kind[i] === Kind.REQUEST ? this.#initiator.messages.at(tx.ref[i]!).messageId : 0;
      this.#core.control(context, ControlType.ACK_REQUEST, psn, id, FLAG_AR);
    }
  }

  #rto(context: DeliveryContext): number {
    return Math.max(this.#core.settings.rtoInit, 4 * context.srtt);
  }

  #rtoDue(context: DeliveryContext): Nanos {
    return context.progressAt + Math.min(this.#rto(context) * 2 ** context.backoff, MAX_RTO);
  }

  #tailDue(context: DeliveryContext): Nanos {
    const { tailLoss } = this.#core.settings;
    if (tailLoss === 0 || context.probed || context.remoteId === 0 || context.tx.outstanding === 0) return NEVER;
    return context.progressAt + Math.max(tailLoss, 2 * context.srtt);
  }

  #stuckDue(context: DeliveryContext): Nanos {
    if (context.tx.outstanding > 0 || context.retryHead >= 0 || context.resting) return NEVER;
    return context.lastActivity + Math.max(this.#core.settings.idleTime, STUCK_TIME);
  }

  #sample(context: DeliveryContext, rtt: number): void {
    context.srtt = context.srtt === 0 ? rtt : context.srtt + (rtt - context.srtt) / 8;
  }
}

const MAX_PSN_OFFSET = 4095;
/** Responses asked for at one time-out: as many as a target keeps. */
const MAX_ACK_REQUESTS = 64;
/** Probes in a row that may find the same packet missing; afterwards the retransmission time-out decides. */
const MAX_TAIL_LOSSES = 5;
/** Least silence after which work that waits for the peer is given up. */
const STUCK_TIME: Nanos = 10_000_000_000;
const MAX_RTO: Nanos = 8_000_000_000;
const MAX_NACK_WAIT: Nanos = 1_000_000_000;
const NO_RTO_LIMIT = 15;
const NO_NACK_LIMIT = 31;
