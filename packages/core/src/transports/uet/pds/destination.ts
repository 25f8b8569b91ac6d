/**
 * The destination's half of packet delivery: finds or makes the context, tells new from old, hands new packets to the
 * semantic sublayer exactly once. What it answers is in `answers.ts`.
 *
 * @spec uet:pds/3.4 uet:pds/4.3 uet:pds/4.5 uet:pds/4.8 uet:pds/5.4
 */
import { psnAdd, psnAfter } from '../../../base/psn.ts';
import type { Packet } from '../../../engine/packet.ts';
import type { Nanos } from '../../../engine/time.ts';
import { byteLength } from '../../../wire/header.ts';
import {
  ControlPacket,
  ControlType,
  FLAG_ISROD,
  FLAG_P,
  FLAG_RETX,
  FLAG_SYN,
  NackCode,
  Negotiation,
  NextHeader,
  PdsRequest,
  PdsRequestCc,
  PdsType,
  pdsLength,
  sesLength,
} from '../../../wire/uet/pds.ts';
import { ResponseData, ResponseDataSmall, ReturnCode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import { NOTHING_REFUSED } from '../ses/abandoned-messages.ts';
import { type Initiator, keyOfPsn } from '../ses/initiator.ts';
import type { Target } from '../ses/target.ts';
import { Acceptance, trimCode } from './acceptance.ts';
import type { Answers } from './answers.ts';
import { grantedCredit, nominalBytes } from './congestion.ts';
import type { DeliveryContext } from './delivery-context.ts';
import { Post } from './outbox.ts';
import { MAX_STORED, Place } from './receive-window.ts';
import { Kind } from './send-window.ts';
import type { Source } from './source.ts';

const { clearPsnOffset, psn: requestPsn, spdcid: requestSpdcid, dpdcid: requestDpdcid } = PdsRequest;
const { creditTarget } = PdsRequestCc;
const { probeOpaque, payload: controlPayload } = ControlPacket;
const { negType, negLength, featureMask } = Negotiation;

export class Destination {
  readonly #core: Core;
  readonly #initiator: Initiator;
  readonly #target: Target;
  readonly #source: Source;
  readonly #answers: Answers;
  readonly #acceptance: Acceptance;

  constructor(core: Core, initiator: Initiator, target: Target, source: Source, answers: Answers) {
    this.#core = core;
    this.#initiator = initiator;
    this.#target = target;
    this.#source = source;
    this.#answers = answers;
    this.#acceptance = new Acceptance(core);
  }

  /** A packet that carries a semantic request, or read data. */
  request(now: Nanos, packet: Packet, type: number, nextHeader: number, flags: number): void {
    const core = this.#core;
    const ordered = type === PdsType.ROD_REQ || type === PdsType.ROD_CC_REQ;
    const context = this.#context(now, packet, ordered, nextHeader, flags);
    if (context === undefined) return;
    const { view, at } = packet;
    const psn = requestPsn.get(view, at);
    const { rx } = context;
    const data = nextHeader === NextHeader.RESPONSE_DATA || nextHeader === NextHeader.RESPONSE_DATA_SMALL;
    if (
      data !== context.initiator ||
      nextHeader === NextHeader.NONE ||
      nextHeader > NextHeader.RESPONSE_DATA_SMALL ||
      nextHeader === NextHeader.RESPONSE
    ) {
      core.drop('next_header');
      return this.#answers.nack(packet, context, NackCode.PDC_HDR_MISMATCH, psn, 0, flags);
    }
    rx.cleared(psnAdd(psn, clearPsnOffset.get(view, at)));
    if (type >= PdsType.RUD_CC_REQ) context.credit.want(creditTarget.get(view, at));
    if (!this.#admit(now, context, packet, psn, flags, true)) return;
    this.#execute(now, context, packet, psn, type, nextHeader, flags);
    if (rx.early > 0) this.#executeEarly(now, context);
  }

  /** What waited for the packet that was just executed. */
  #executeEarly(now: Nanos, context: DeliveryContext): void {
    const { rx, slot } = context;
    for (let psn = psnAdd(rx.highest, 1); rx.isEarly(psn); psn = psnAdd(rx.highest, 1)) {
      rx.setEarly(psn, false);
      const packet = this.#core.reorder.take(slot, psn);
      if (packet === undefined) return;
      const word = packet.view.getUint16(packet.at);
      this.#execute(now, context, packet, psn, word >>> 11, (word >>> 7) & 15, word & 0x7f);
      if (rx.highest !== psn) return; // refused: it comes again, and what is behind it waits
    }
  }

  /** A new packet whose turn it is. */
  #execute(
    now: Nanos,
    context: DeliveryContext,
    packet: Packet,
    psn: number,
    type: number,
    nextHeader: number,
    flags: number,
  ): void {
    const core = this.#core;
    const { rx, ordered } = context;
    const { at } = packet;
    const data = context.initiator;
    const header = pdsLength(type);
    const room = packet.length - header;
    if (data) {
      if (!this.#readData(now, context, packet, psn, at + header, room, nextHeader, flags)) {
        core.drop('next_header');
        this.#answers.nack(packet, context, NackCode.PDC_HDR_MISMATCH, psn, 0, flags);
      }
      return;
    }
    const target = this.#target;
    if (!target.request(context, packet, psn, at + header, room, nextHeader)) {
      core.drop('next_header');
      return this.#answers.nack(packet, context, NackCode.PDC_HDR_MISMATCH, psn, 0, flags);
    }
    const { answer } = target;
    if (answer.nack !== 0) {
      core.drop('no_resource');
      return this.#answers.nack(packet, context, answer.nack, psn, 0, flags);
    }
    core.count(EVENT.received_requests);
    context.receivedBytes += nominalBytes(packet, core.config.frontBytes);
    rx.accept(psn, answer.guaranteed);
    if (answer.guaranteed) return this.#store(context, packet, psn, flags);
    context.ackOpcode = answer.opcode;
    context.ackMessageId = answer.messageId;
    context.ackJobId = answer.jobId;
    context.ackWithResponse = true;
    if (answer.opcode === SesResponseOpcode.RESPONSE) {
      // a later packet of a failed message: the same code again, not kept
      this.#answers.answerOne(context, packet, psn, flags, answer.opcode, answer.code, answer);
      return;
    }
    this.#answers.wantAck(now, context, packet, psn, flags, room);
    if (!ordered && rx.ahead > 0) this.#inferLoss(context, packet, flags);
  }

  /** Much has arrived behind a gap: says so before the source finds out. @spec uet:pds/5.3 */
  #inferLoss(context: DeliveryContext, packet: Packet, flags: number): void {
    const { rx } = context;
    const { inferLossPackets } = this.#core.settings;
    if (inferLossPackets === 0 || rx.ahead < inferLossPackets) return;
    const missing = psnAdd(rx.cack, 1);
    if (rx.has(missing) || context.inferredLoss === missing) return; // one held back is not one lost
    context.inferredLoss = missing;
    this.#answers.nack(packet, context, NackCode.RCVR_INFER_LOSS, missing, 0, flags & ~FLAG_RETX);
  }

  /** Control packets of every type. */
  control(now: Nanos, packet: Packet, type: number, flags: number): void {
    const core = this.#core;
    const { view, at } = packet;
    const psn = requestPsn.get(view, at);
    const consumes =
      type === ControlType.NOOP ||
      type === ControlType.NEGOTIATION ||
      type === ControlType.CLOSE_COMMAND ||
      type === ControlType.CLOSE_REQUEST;
    const opens = type === ControlType.NOOP || type === ControlType.NEGOTIATION;
    if ((flags & FLAG_SYN) !== 0 && !opens) {
      const spdcid = requestSpdcid.get(view, at);
      if (spdcid === 0) return core.drop('pdcid_zero');
      core.drop('control');
      return core.nack(packet, NackCode.PDC_MODE_MISMATCH, psn, 0, spdcid, 0, flags & FLAG_RETX);
    }
    let context: DeliveryContext | undefined;
    if (type === ControlType.PROBE && core.contexts.get(requestDpdcid.get(view, at)) === undefined) {
      return core.drop('unknown_pdc');
    }
    if (opens) context = this.#context(now, packet, (flags & FLAG_ISROD) !== 0, NextHeader.REQUEST_STD, flags);
    else {
      // a Probe consumes no PSN, and asks for bitmaps from one
      const evidence = type === ControlType.PROBE ? controlPayload.get(view, at) : psn;
      context = this.#established(now, packet, flags, evidence);
    }
    if (context === undefined) return;
    if (consumes) {
      // who closes has seen all answers
      if (type === ControlType.CLOSE_COMMAND && !context.initiator) context.rx.cleared(psnAdd(psn, -1));
      if (!this.#admit(now, context, packet, psn, flags, false)) return;
      return this.#controlWithPsn(now, context, packet, type, psn, flags);
    }
    core.count(EVENT.received_controls);
    const { rx } = context;
    switch (type) {
      case ControlType.ACK_REQUEST:
        if (rx.response(psn) !== undefined) return this.#answers.repeatStored(context, packet, psn, flags);
        if (!psnAfter(psn, rx.cack) || rx.place(psn) === Place.DUPLICATE) {
          return this.#answers.answerOne(
            context,
            packet,
            psn,
            flags,
            SesResponseOpcode.DEFAULT_RESPONSE,
            ReturnCode.OK,
          );
        }
        if (rx.isEarly(psn)) return this.#answers.nack(packet, context, NackCode.RCVD_SES_PROCG, psn, 0, flags);
        return this.#answers.nack(packet, context, NackCode.PKT_NOT_RCVD, psn, psnAdd(rx.highest, 1), flags);
      case ControlType.CLEAR_COMMAND:
        return rx.cleared(controlPayload.get(view, at));
      case ControlType.CLEAR_REQUEST:
        return this.#source.sendClear(context);
      case ControlType.PROBE: {
        const i = this.#answers.post(Post.ACK_PROBE, context, packet, psn);
        if (i < 0) return;
        core.outbox.messageId[i] = probeOpaque.get(view, at);
        core.outbox.payload[i] = controlPayload.get(view, at);
        core.outbox.flags[i] = FLAG_P;
        core.outbox.since[i] = now;
        return;
      }
      case ControlType.CREDIT:
        return this.#source.creditCame(context, controlPayload.get(view, at) & 0xff_ffff);
      case ControlType.CREDIT_REQUEST:
        context.credit.want(controlPayload.get(view, at) & 0xff_ffff);
        return core.control(context, ControlType.CREDIT, 0, grantedCredit(context), 0);
      default:
        core.drop('control');
        return this.#answers.nack(packet, context, NackCode.UNEXP_EVENT, psn, 0, flags);
    }
  }

  /** The context of a request, made when a SYN asks for it; undefined when the packet has been dealt with. */
  #context(
    now: Nanos,
    packet: Packet,
    ordered: boolean,
    nextHeader: number,
    flags: number,
  ): DeliveryContext | undefined {
    if ((flags & FLAG_SYN) === 0) {
      const psn = requestPsn.get(packet.view, packet.at);
      const context = this.#established(now, packet, flags, psn);
      if (context === undefined || context.ordered === ordered) return context;
      this.#core.drop('pdc_mismatch');
      this.#answers.nack(packet, context, NackCode.PDC_MODE_MISMATCH, psn, 0, flags);
      return undefined;
    }
    return this.#acceptance.accept(now, packet, ordered, nextHeader, flags);
  }

  /**
   * Looks up by the PDCID that the packet names.
   * @param evidence - the PSN by which a peer whose own number is not known yet shows that it has heard of this context
   */
  #established(now: Nanos, packet: Packet, flags: number, evidence: number): DeliveryContext | undefined {
    const core = this.#core;
    const { view, at } = packet;
    const psn = requestPsn.get(view, at);
    const spdcid = requestSpdcid.get(view, at);
    if (spdcid === 0) {
      core.drop('pdcid_zero');
      return undefined;
    }
    const dpdcid = requestDpdcid.get(view, at);
    const context = core.contexts.get(dpdcid);
    if (context === undefined) {
      core.drop('unknown_pdc');
      const code = core.contexts.closedCode(now, dpdcid) || NackCode.INV_DPDCID;
      core.nack(packet, code, psn, 0, spdcid, 0, flags & FLAG_RETX);
      return undefined;
    }
    if (context.path !== packet.path) {
      core.drop('peer_mismatch');
      return undefined;
    }
    if (context.remoteId === 0) {
      // read data overtook the first acknowledgement: it names the peer's context as well. Whoever only guessed the
      // number of the context does not know where its PSNs are
      if (context.rx.place(evidence) !== Place.NEW) {
        core.drop('state');
        return undefined;
      }
      core.learn(context, spdcid, 'return packet');
    } else if (context.remoteId !== spdcid) {
      core.drop('pdc_mismatch');
      core.nack(packet, NackCode.PDC_HDR_MISMATCH, psn, 0, spdcid, 0, flags & FLAG_RETX);
      return undefined;
    }
    if (!context.proven) core.prove(context);
    if (packet.trimmed) {
      core.drop('trimmed');
      this.#answers.nack(packet, context, trimCode(packet), psn, 0, flags);
      return undefined;
    }
    context.lastActivity = now;
    return context;
  }

  /**
   * Duplicates, the window, order and room.
   * @param mayWait - one that comes too early may be kept until its turn
   * @returns true when the packet is to be executed
   */
  #admit(now: Nanos, context: DeliveryContext, packet: Packet, psn: number, flags: number, mayWait: boolean): boolean {
    const core = this.#core;
    const { rx } = context;
    const place = rx.place(psn);
    if (place === Place.DUPLICATE) {
      core.drop('duplicate');
      if (rx.response(psn) !== undefined) this.#answers.repeatStored(context, packet, psn, flags);
      else this.#answers.answerOne(context, packet, psn, flags, SesResponseOpcode.DEFAULT_RESPONSE, ReturnCode.OK);
      return false;
    }
    if (place === Place.OUTSIDE) {
      core.drop('window');
      this.#answers.nack(packet, context, NackCode.PSN_OOR_WINDOW, psn, 0, flags);
      return false;
    }
    const expected = psnAdd(rx.highest, 1);
    if (context.ordered && psn !== expected) {
      if (rx.isEarly(psn)) {
        core.drop('duplicate');
        this.#answers.wantBitmap(now, context, packet);
        return false;
      }
      const isKept = mayWait && core.reorder.keep(context.slot, rx.early, psn, packet);
      if (isKept) {
        rx.setEarly(psn, true);
        this.#answers.wantBitmap(now, context, packet);
        // a few may just have overtaken what is missing
        if (rx.early < EARLY_BEFORE_NACK) return false;
      } else core.drop('out_of_order');
      // one NACK for a gap; the same gap again only after a while, in case the NACK was lost
      if (context.nackedExpected !== expected || now >= context.nackedAt + core.settings.nackRetx) {
        context.nackedExpected = expected;
        context.nackedAt = now;
        this.#answers.nack(packet, context, NackCode.ROD_OOO, psn, expected, flags);
      }
      return false;
    }
    return true;
  }

  /** NOOP, Negotiation, Close Command, Close Request: new PSNs. */
  #controlWithPsn(
    now: Nanos,
    context: DeliveryContext,
    packet: Packet,
    type: number,
    psn: number,
    flags: number,
  ): void {
    const core = this.#core;
    if (type === ControlType.CLOSE_COMMAND) {
      if (context.initiator) {
        core.drop('control');
        return this.#answers.nack(packet, context, NackCode.UNEXP_EVENT, psn, 0, flags);
      }
      const outstanding = context.tx.pendingOf(Kind.RETURN) + (context.returns?.count ?? 0);
      if (outstanding > 0) {
        this.#answers.nack(packet, context, NackCode.CLOSING_IN_ERR, psn, outstanding, flags);
        this.#source.fail(now, context, 0, NackCode.CLOSING_IN_ERR, NOTHING_REFUSED);
        return;
      }
      this.#answers.plainAck(context, packet, psn, psn, flags);
      this.#source.release(now, context, 'Close Command');
      return;
    }
    if (type === ControlType.CLOSE_REQUEST && !context.initiator) {
      core.drop('control');
      return this.#answers.nack(packet, context, NackCode.UNEXP_EVENT, psn, 0, flags);
    }
    if (type === ControlType.NEGOTIATION) {
      const { view, at, length } = packet;
      const isWhole = length >= NEGOTIATION_BYTES && negLength.get(view, at) === NEGOTIATION_WORDS;
      // what is not understood is agreed to by ignoring it
      if (isWhole && negType.get(view, at) === FEATURES) context.peerFeatures = featureMask.get(view, at);
    }
    core.count(EVENT.received_controls);
    context.rx.accept(psn, false);
    this.#answers.plainAck(context, packet, psn, context.rx.cack, flags);
    if (type === ControlType.CLOSE_REQUEST) this.#source.beginClose(now, context);
  }

  /** Read data in the return direction. @returns false when the header is cut short */
  #readData(
    now: Nanos,
    context: DeliveryContext,
    packet: Packet,
    psn: number,
    at: number,
    room: number,
    nextHeader: number,
    flags: number,
  ): boolean {
    const core = this.#core;
    const { view } = packet;
    const header = sesLength(nextHeader);
    if (room < header) return false;
    const small = nextHeader === NextHeader.RESPONSE_DATA_SMALL;
    const length = small ? ResponseDataSmall.payloadLength.get(view, at) : ResponseData.payloadLength.get(view, at);
    if (room !== header + length) return false;
    const id = small
      ? keyOfPsn(ResponseDataSmall.originalRequestPsn.get(view, at))
      : ResponseData.readRequestMessageId.get(view, at);
    const offset = small ? 0 : ResponseData.messageOffset.get(view, at);
    const code = ResponseData.returnCode.get(view, at);
    this.#initiator.returned(now, context, code, id, offset, packet, at + header, length);
    core.count(EVENT.received_requests);
    context.receivedBytes += nominalBytes(packet, core.config.frontBytes);
    context.rx.accept(psn, false);
    context.ackOpcode = SesResponseOpcode.DEFAULT_RESPONSE;
    context.ackMessageId = small ? 0 : ResponseData.responseMessageId.get(view, at);
    context.ackJobId = ResponseData.jobId.get(view, at);
    context.ackWithResponse = true;
    this.#answers.wantAck(now, context, packet, psn, flags, room);
    core.makeReady(context); // a finished read may make room for the next
    return true;
  }

  /** Keeps a guaranteed response and sends it at once. */
  #store(context: DeliveryContext, packet: Packet, psn: number, flags: number): void {
    const { answer } = this.#target;
    const stored = context.rx.store(psn);
    stored.opcode = answer.opcode;
    stored.code = answer.code;
    stored.messageId = answer.messageId;
    stored.jobId = answer.jobId;
    stored.generation = answer.generation;
    stored.modifiedLength = answer.modifiedLength;
    stored.withData = answer.withData;
    stored.small = answer.small;
    if (answer.withData) {
      stored.dataLength = answer.dataLength;
      const { dma } = this.#core.services;
      // what cannot be read must not leave as what was there before, of another peer perhaps
      if (!dma.fetch(answer.dataRegion, answer.dataOffset, stored.data, 0, answer.dataLength)) {
        stored.data.fill(0, 0, answer.dataLength);
      }
    }
    this.#answers.repeatStored(context, packet, psn, flags);
    // the source may have nothing to send that could carry a clear
    if (context.rx.storedCount === ASK_FOR_CLEAR) {
      this.#core.control(context, ControlType.CLEAR_REQUEST, 0, context.rx.highest, 0);
    }
  }
}

/** Responses kept at which a source is asked to clear some: three quarters of the room. */
const ASK_FOR_CLEAR = (MAX_STORED * 3) / 4;
/** Packets ahead of their turn after which what is missing counts as lost. */
const EARLY_BEFORE_NACK = 3;
/** Kind and length of the one Negotiation there is. @spec uet:pds/2.13 */
const FEATURES = 1;
const NEGOTIATION_WORDS = 2;
const NEGOTIATION_BYTES = byteLength(Negotiation);
