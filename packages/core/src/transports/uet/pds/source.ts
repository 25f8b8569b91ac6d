/**
 * The source's half of packet delivery: what leaves and when, what acknowledgements and NACKs do, time-outs, and the
 * close of a context.
 *
 * @spec uet:pds/3.7 uet:pds/3.8 uet:pds/4.6 uet:pds/4.7 uet:pds/5
 */

import { psnAdd, psnAfter, psnBefore, psnDelta } from '../../../base/psn.ts';
import { CongestionState } from '../../../cc/controller.ts';
import type { Packet } from '../../../engine/packet.ts';
import { Status } from '../../../engine/status.ts';
import { type Nanos, NEVER } from '../../../engine/time.ts';
import {
  Ack,
  AckCc,
  AckRequest,
  ControlType,
  FLAG_AR,
  FLAG_M,
  FLAG_P,
  FLAG_RETX,
  Nack,
  NackCode,
  NextHeader,
  PdsType,
  pdsLength,
  sesLength,
} from '../../../wire/uet/pds.ts';
import { Response, ResponseData, ResponseDataSmall, ReturnCode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import { contextFailed, NO_MESSAGE, NOTHING_REFUSED } from '../ses/abandoned-messages.ts';
import type { Initiator } from '../ses/initiator.ts';
import type { Message } from '../ses/message.ts';
import { returnHeader, writeReturn } from '../ses/return-data.ts';
import type { Target } from '../ses/target.ts';
import { isSpent } from '../tss/secure-starts.ts';
import { creditTarget, readRefusalState, readState, tellCredit } from './congestion.ts';
import type { DeliveryContext } from './delivery-context.ts';
import { Losses } from './losses.ts';
import { nackRow } from './nacks.ts';
import { ECT, writeRequest, writeTracked } from './packets.ts';
import { Kind, type SendWindow, Sent } from './send-window.ts';
import { PdcState } from './states.ts';
import { nextDue, rto, rtoDue, stuckDue, tailDue } from './timers.ts';

const { ackPsnOffset, cackPsn, spdcid: ackSpdcid, dpdcid: ackDpdcid, req } = Ack;
const { mpr } = AckCc;
const { nackCode, nackPsn, spdcid: nackSpdcid, dpdcid: nackDpdcid, payload: nackPayload } = Nack;

export class Source {
  readonly #core: Core;
  readonly #initiator: Initiator;
  readonly #target: Target;
  readonly #resubmit: (message: Message) => void;
  readonly #state = new CongestionState();
  readonly #losses: Losses;

  /** @param resubmit - finds another context for a message whose own is gone */
  constructor(core: Core, initiator: Initiator, target: Target, resubmit: (message: Message) => void) {
    this.#core = core;
    this.#losses = new Losses(core);
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
    if (context.negotiating) return false;
    if (context.returns !== undefined && context.returns.count > 0) {
      if (!context.proven && this.#core.settings.proveFirst === 1) return this.#askProof(now, context);
      const psn = this.#push(now, context, Kind.RETURN, 0, 0, context.returns.peekLength());
      context.returns.take(psn);
      this.#writePacket(context, out, psn, context.returns.count === 0 ? FLAG_AR : this.#arIfClosing(context));
      return true;
    }
    if (!context.initiator) return false;
    if (isSpent(context.path, tx.start, tx.next)) this.beginClose(now, context);
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
    if (context.remoteId === 0) core.learn(context, spdcid, 'acknowledgement');
    if (!context.proven) core.prove(context);
    const base = tx.base;
    let acked = 0;
    let rtt = 0;
    if (!probe && tx.pending(ackPsn)) {
      const i = ackPsn & tx.mask;
      if (tx.again[i] === 0 && (flags & FLAG_RETX) === 0) this.#sample(context, (rtt = now - tx.sentAt[i]!));
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
    if (withState) this.#losses.selective(now, context, packet, cack, probe);
    if (context.state === PdcState.CLOSED) return; // the last of these finished a close
    tx.advance();
    const { cc } = context;
    if (acked > 0) cc.onAck(acked);
    if ((flags & FLAG_M) !== 0 && tx.arrivedSerial >= context.markSerial) {
      // answers to what is out already will tell of the same queue
      context.markSerial = tx.serials;
      core.count(EVENT.marks);
      cc.onMark();
    }
    if (withState && cc.onState !== undefined) {
      readState(packet, type, context, this.#state);
      this.#state.rttNs = rtt;
      this.#state.isMarked = (flags & FLAG_M) !== 0;
      cc.onState(this.#state);
    }
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
    // these two speak of the start: once that was answered they are late, or lies
    const isOfStart = row.reaction === 'restart' || row.reaction === 'renumber';
    if (isOfStart && context.state !== PdcState.CREATING) return core.drop('nack_code');
    core.count(EVENT.received_nacks);
    context.lastActivity = now;
    if (view.getUint16(at) >>> 11 === PdsType.NACK_CCX && context.cc.onState !== undefined) {
      readRefusalState(packet, this.#state);
      context.cc.onState(this.#state);
    }
    if (!context.proven) core.prove(context);
    const i = psn & tx.mask;
    switch (row.reaction) {
      case 'fail':
      case 'reopen':
      case 'restart':
        return this.#fatal(now, context, code, i, row.reaction !== 'fail');
      case 'renumber':
        if (++context.renumberings > MAX_RENUMBERINGS) return core.drop('nack_code');
        this.#initiator.renumbered(context, psnDelta(tx.start, nackPayload.get(view, at)));
        tx.renumber(nackPayload.get(view, at));
        context.rx.reset(tx.start);
        context.refusedUntil = NEVER;
        context.progressAt = now;
        context.backoff = 0;
        break;
      case 'later':
        if (this.#isRefusedTooOften(tx, i)) return this.fail(now, context, Status.RETRY_EXC_ERR, code, NOTHING_REFUSED);
        context.progressAt = now;
        break;
      case 'goBack': {
        const problem = this.#losses.goBack(now, context, nackPayload.get(view, at));
        if (problem !== '') return core.drop(problem);
        break;
      }
      case 'resendNow':
      case 'repeatRead':
        if (this.#isRefusedTooOften(tx, i)) return this.fail(now, context, Status.RETRY_EXC_ERR, code, NOTHING_REFUSED);
        tx.lose(psn);
        if (row.isCongestion) this.#losses.congested(context);
        break;
      case 'resend': {
        if (this.#isRefusedTooOften(tx, i)) return this.fail(now, context, Status.RETRY_EXC_ERR, code, NOTHING_REFUSED);
        tx.refuse(psn);
        if (row.isCongestion) this.#losses.congested(context);
        const wait = Math.min(core.settings.nackRetx * 2 ** (tx.refusals[i]! - 1), MAX_NACK_WAIT);
        context.refusedUntil = Math.min(context.refusedUntil, now + wait);
        context.progressAt = Math.max(context.progressAt, now + wait);
        break;
      }
    }
    core.makeReady(context);
    this.rearm(now, context);
  }

  /** Counts one more refusal of a packet. @returns whether that was one too many */
  #isRefusedTooOften(tx: SendWindow, i: number): boolean {
    const { maxNackRetries } = this.#core.settings;
    if (tx.refusals[i]! < MAX_REFUSALS) tx.refusals[i]!++;
    return maxNackRetries < NO_NACK_LIMIT && tx.refusals[i]! > maxNackRetries;
  }

  /** A Credit control packet. */
  creditCame(context: DeliveryContext, credit: number): void {
    tellCredit(context, credit, this.#state);
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
    if (tx.outstanding > 0 && now >= rtoDue(core.settings, context)) {
      if (!this.#timeout(now, context)) return;
    } else if (tailDue(core.settings, context) <= now) this.#probe(context);
    if (now >= context.clearDue) this.sendClear(context);
    if (now >= context.proofDue) {
      if (++context.proofTries > MAX_PROOF_TRIES)
        return this.fail(now, context, Status.RETRY_EXC_ERR, 0, NOTHING_REFUSED);
      context.proofDue = NEVER;
      core.makeReady(context);
    }
    if (now >= context.retryAt || context.state === PdcState.ACK_WAIT) core.makeReady(context);
    if (now >= context.closeDue)
      return this.fail(now, context, Status.REM_ABORT_ERR, NackCode.CLOSING_IN_ERR, NOTHING_REFUSED);
    if (now >= context.lastActivity + core.settings.idleTime && context.resting) {
      context.lastActivity = now;
      this.beginClose(now, context);
    }
    // all is acknowledged, and yet data of a read or room in the window never comes: nothing else ends that
    if (now >= stuckDue(core.settings, context))
      return this.fail(now, context, Status.RETRY_EXC_ERR, 0, NOTHING_REFUSED);
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

  /** Opens the context by saying what this endpoint can do; work follows when that was answered. */
  negotiate(now: Nanos, context: DeliveryContext): void {
    context.negotiating = true;
    this.#push(now, context, Kind.CONTROL, ControlType.NEGOTIATION, 0, 0);
    context.tx.lose(context.tx.start);
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
    const moved = contextFailed(this.#initiator, context, status, vendorStatus, refused);
    const inError = !context.initiator && vendorStatus === NackCode.CLOSING_IN_ERR;
    this.release(now, context, 'failed', inError ? NackCode.CLOSING_IN_ERR : NackCode.CLOSING);
    for (let i = moved; i >= 0; ) {
      const message = this.#initiator.messages.at(i);
      i = message.next;
      this.#resubmit(message);
    }
  }

  /** Ends a context without anything left to report. */
  release(now: Nanos, context: DeliveryContext, why: string, code: number = NackCode.CLOSING): void {
    const core = this.#core;
    this.#target.contextClosed(context);
    core.reorder.release(context.slot);
    if (context.initiator) core.secureStarts.used(context.path, context.tx.next);
    else core.secureStarts.ended(context.path, context.rx.highest);
    core.enter(context, PdcState.CLOSED, why);
    core.timers.set(context.slot, NEVER);
    context.ackWanted = false;
    core.contexts.release(now, context, now + core.settings.synSafetyTime, code);
    core.count(EVENT.contexts_closed);
  }

  /** Sets the context's deadline to its earliest timer. */
  rearm(now: Nanos, context: DeliveryContext): void {
    if (context.state === PdcState.CLOSED) return;
    this.#core.timers.set(context.slot, nextDue(now, this.#core.settings, context));
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
    context.sentBytes += length;
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
    if (!firstTime && context.remoteId === 0) context.closeAfter = now + this.#core.settings.synRetxSafetyTime;
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
      out.length = writeTracked(out, context, tx.ref[i]!, psn, flags, this.#core.settings.negotiate);
      return;
    }
    const { ecn, ccRequests } = this.#core.settings;
    out.ecn = ecn === 1 ? ECT : 0;
    const wanted = ccRequests === 1 ? creditTarget(context, this.#core.config.payloadMtu) : -1;
    if (kind === Kind.RETURN) {
      const { slots } = context.returns!;
      const length = writeRequest(out, context, psn, returnHeader(slots, i), flags, wanted);
      out.length = length + writeReturn(this.#core.services.dma, slots, i, out, out.at + length);
    } else {
      const length = writeRequest(out, context, psn, this.#initiator.headerOf(kind, tx.ref[i]!), flags, wanted);
      out.length = length + this.#initiator.write(out, out.at + length, kind, tx.ref[i]!, tx.offset[i]!, tx.length[i]!);
    }
    this.#cleared(context);
  }

  /**
   * Read data goes only to a peer that is known to hear this endpoint: its request may come from a forged address, and
   * be much smaller. A probe tells: its answer names a PDCID that went to the true owner of the address.
   */
  #askProof(now: Nanos, context: DeliveryContext): false {
    if (context.proofDue !== NEVER) return false;
    context.proofDue = now + rto(this.#core.settings, context) * 2 ** context.proofTries;
    this.#core.wake(context, context.proofDue);
    this.#probe(context);
    return false;
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
    if (now < context.closeAfter) {
      core.wake(context, context.closeAfter);
      return false;
    }
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
    else if (kind === Kind.RETURN) this.#target.returned(context, i);
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
      const isPlain = opcode === SesResponseOpcode.DEFAULT_RESPONSE || opcode === SesResponseOpcode.NO_RESPONSE;
      if (isPlain && code <= ReturnCode.OK) return;
      const generation = Response.riGeneration.get(view, at);
      const modified = Response.modifiedLength.get(view, at);
      this.#initiator.answered(context, tx.ref[i]!, view.getUint16(at), generation, modified);
      return;
    }
    const small = nextHeader === NextHeader.RESPONSE_DATA_SMALL;
    const length = small ? ResponseDataSmall.payloadLength.get(view, at) : ResponseData.payloadLength.get(view, at);
    const header = sesLength(nextHeader);
    const id = this.#initiator.messages.at(tx.ref[i]!).readKey;
    if (at - packet.at + header + length > packet.length) return this.#core.drop('response');
    const offset = small ? 0 : ResponseData.messageOffset.get(view, at);
    this.#initiator.returned(now, context, code, id, offset, packet, at + header, length);
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
    if (tx.kind[i] === Kind.CONTROL && tx.ref[i] === ControlType.NEGOTIATION) this.#isPlain(context.path);
    // the refusal of a repetition says nothing about the first copy
    const refused = tx.kind[i] === Kind.REQUEST && tx.again[i] === 0 ? tx.ref[i]! : NO_MESSAGE;
    this.fail(now, context, Status.REM_OP_ERR, code, refused);
  }

  /** The peer takes no Negotiation: further contexts do without. */
  #isPlain(path: number): void {
    const { plainPeers } = this.#core;
    if (plainPeers.size >= MAX_PLAIN_PEERS) plainPeers.clear();
    plainPeers.add(path);
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
      const lost = context.ordered ? tx.loseFrom(tx.base) : tx.loseSentBefore(now - rto(core.settings, context));
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
    context.probeOpen = true;
    context.probeSerial = context.tx.serials;
    context.probeOpaque = (context.probeOpaque + 1) & 0xffff;
    this.#core.count(EVENT.probes);
    this.#core.control(context, ControlType.PROBE, 0, context.tx.base, FLAG_AR, context.probeOpaque);
  }

  /** Packets that are there but whose response is not: asks for that, not for the data again. @spec uet:pds/4.6 */
  #askForAnswers(now: Nanos, context: DeliveryContext): void {
    const { tx } = context;
    const sentBefore = now - rto(this.#core.settings, context);
    let left = MAX_ACK_REQUESTS;
    for (let psn = tx.base; left > 0 && psnBefore(psn, tx.next); psn = psnAdd(psn, 1)) {
      const i = psn & tx.mask;
      if (tx.state[i] !== Sent.ARRIVED || tx.sentAt[i]! > sentBefore) continue;
      left--;
      const id = tx.kind[i] === Kind.REQUEST ? this.#initiator.messages.at(tx.ref[i]!).messageId : 0;
      this.#core.control(context, ControlType.ACK_REQUEST, psn, id, FLAG_AR);
    }
  }

  #sample(context: DeliveryContext, rtt: number): void {
    context.srtt = context.srtt === 0 ? rtt : context.srtt + (rtt - context.srtt) / 8;
  }
}

const MAX_PSN_OFFSET = 4095;
/** Other first PSNs that one context takes from its peer; a number may run out of time on its way back. */
const MAX_RENUMBERINGS = 3;
const MAX_PROOF_TRIES = 5;
const MAX_PLAIN_PEERS = 4096;
/** Responses asked for at one time-out: as many as a target keeps. */
const MAX_ACK_REQUESTS = 64;
const MAX_NACK_WAIT: Nanos = 1_000_000_000;
const NO_RTO_LIMIT = 15;
const NO_NACK_LIMIT = 31;
/** Counted no further: as much as the field holds. */
const MAX_REFUSALS = 255;
