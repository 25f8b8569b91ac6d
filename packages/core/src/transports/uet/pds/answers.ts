/**
 * What a destination says back: when a packet is acknowledged, acknowledgements that many packets share, answers to
 * single packets, NACKs.
 *
 * @spec uet:pds/4.5 uet:pds/4.6 uet:pds/4.8
 */
import { psnAdd, psnAfter, psnBefore, psnDelta } from '../../../base/psn.ts';
import type { Packet } from '../../../engine/packet.ts';
import { type Nanos, NEVER } from '../../../engine/time.ts';
import { FLAG_AR, FLAG_M, FLAG_RETX, FLAG_SYN, NextHeader, PdsRequest, REQ_CLEAR } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { Answer } from '../ses/answer.ts';
import { CcState, writeOwnRefusal, writeOwnState, writeState } from './congestion.ts';
import type { DeliveryContext } from './delivery-context.ts';
import { Post } from './outbox.ts';
import {
  ECT,
  storedHeader,
  widenAck,
  widenNack,
  writeAck,
  writeAckCc,
  writeControl,
  writeNack,
  writeResponse,
  writeStored,
} from './packets.ts';
import { PdcState } from './states.ts';

const { spdcid: requestSpdcid } = PdsRequest;

export class Answers {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Fills `out` with the next answer that leaves on its own; false when there is none. */
  transmitPost(now: Nanos, out: Packet): boolean {
    const { outbox } = this.#core;
    while (!outbox.empty) {
      const i = outbox.take();
      out.path = outbox.path[i]!;
      out.entropy = outbox.entropy[i]!;
      out.control = true;
      if (this.#writePost(now, out, i)) return true;
    }
    return false;
  }

  /** Fills `out` with the next coalesced acknowledgement that is due; false when there is none. */
  transmitAck(now: Nanos, out: Packet): boolean {
    const core = this.#core;
    for (let n = core.acksWanted; n > 0; n--) {
      const context = core.takeAck();
      if (!context.ackWanted || context.state === PdcState.CLOSED) continue;
      if (now < context.ackDue) {
        core.wantAck(context);
        continue;
      }
      context.ackWanted = false;
      context.ackDue = NEVER;
      context.ackBytes = 0;
      this.#writeCoalesced(now, context, out);
      context.ackMarked = false;
      core.count(EVENT.sent_acks);
      if (context.state === PdcState.ACK_WAIT) core.makeReady(context); // the close waited for this
      return true;
    }
    return false;
  }

  /** Data just left for the same peer: a wanted acknowledgement travels along. */
  hurryAck(now: Nanos, context: DeliveryContext): void {
    if (!context.ackWanted) return;
    if (context.ackDue > now) context.ackDue = now;
    context.ackEntropy = context.entropy; // the same route: both leave in one burst
  }

  /** The response kept for a PSN, again. */
  repeatStored(context: DeliveryContext, packet: Packet, psn: number, flags: number): void {
    const i = this.post(Post.ACK_STORED, context, packet, psn);
    if (i >= 0) this.#core.outbox.flags[i] = (flags & FLAG_RETX) | (packet.ecn === 3 ? FLAG_M : 0) | REQ_CLEAR;
  }

  /** An acknowledgement of one PSN with a response that is not kept. */
  answerOne(
    context: DeliveryContext,
    packet: Packet,
    psn: number,
    flags: number,
    opcode: number,
    code: number,
    of?: Answer,
  ): void {
    const i = this.post(Post.ACK, context, packet, psn);
    if (i < 0) return;
    const { outbox } = this.#core;
    outbox.code[i] = opcode;
    outbox.returnCode[i] = code;
    if (of !== undefined) {
      outbox.messageId[i] = of.messageId;
      outbox.jobId[i] = of.jobId;
      outbox.payload[i] = of.generation;
    }
    outbox.flags[i] = (flags & FLAG_RETX) | (packet.ecn === 3 ? FLAG_M : 0);
  }

  /** An acknowledgement of one PSN without semantic content. */
  plainAck(context: DeliveryContext, packet: Packet, psn: number, cack: number, flags: number): void {
    const i = this.post(Post.ACK_PLAIN, context, packet, psn);
    if (i < 0) return;
    this.#core.outbox.payload[i] = cack;
    this.#core.outbox.flags[i] = flags & FLAG_RETX;
  }

  /** Decides when the packet is acknowledged. @spec uet:pds/4.5 */
  wantAck(now: Nanos, context: DeliveryContext, packet: Packet, psn: number, flags: number, bytes: number): void {
    const core = this.#core;
    const { settings } = core;
    context.ackPsn = psn;
    context.ackRetx = (flags & FLAG_RETX) !== 0;
    // one marked packet among those that an acknowledgement covers is enough
    const isMarked = packet.ecn === 3;
    context.ackMarked ||= isMarked;
    context.ackSince = now;
    context.ackEntropy = packet.entropy;
    context.ackBytes += Math.max(bytes, settings.ackGenMinPktAdd);
    let due = NEVER;
    if (
      (flags & (FLAG_SYN | FLAG_RETX)) !== 0 ||
      (isMarked && settings.ackOnEcn === 1) ||
      context.ackBytes >= settings.ackGenTrigger
    )
      due = now;
    else if ((flags & FLAG_AR) !== 0) due = now + settings.ackDelay;
    if (due === NEVER) return;
    if (due < context.ackDue) {
      context.ackDue = due;
      if (due > now) core.wake(context, due);
    }
    core.wantAck(context);
  }

  /** Something came ahead of its turn: the source hears that it is here, and nothing of it is acknowledged. */
  wantBitmap(now: Nanos, context: DeliveryContext, packet: Packet): void {
    context.ackMarked ||= packet.ecn === 3;
    context.ackDue = Math.min(context.ackDue, now);
    this.#core.wantAck(context);
  }

  #writeCoalesced(now: Nanos, context: DeliveryContext, out: Packet): void {
    const { ccState, ecn } = this.#core.settings;
    const { rx } = context;
    const offset = psnDelta(rx.cack, context.ackPsn);
    const nextHeader = context.ackWithResponse ? NextHeader.RESPONSE : NextHeader.NONE;
    const flags = (context.ackRetx ? FLAG_RETX : 0) | (context.ackMarked ? FLAG_M : 0);
    out.path = context.path;
    out.entropy = context.ackEntropy;
    out.control = true;
    // it may share a burst with data, which a mark on it does not harm
    out.ecn = ecn === 1 ? ECT : 0;
    let length: number;
    if (rx.ahead > 0 || rx.early > 0 || ccState !== CcState.WITH_BITMAPS) {
      length = writeAckCc(out, context, offset, nextHeader, flags, this.#sackBase(context));
      length = this.#writeState(now, out, context, length, context.ackSince);
    } else {
      context.sackStep = 0;
      length = writeAck(out, context.localId, context.remoteId, rx.cack, offset, nextHeader, flags);
    }
    if (context.ackWithResponse) {
      length += writeResponse(
        out,
        out.at + length,
        context.ackOpcode,
        codeOf(context.ackOpcode),
        context.ackMessageId,
        0,
        context.ackJobId,
        0,
      );
    }
    out.length = length;
  }

  /** Congestion state behind an ACK_CC. @returns the length of the header that it makes */
  #writeState(now: Nanos, out: Packet, context: DeliveryContext, length: number, since: Nanos): number {
    const { ccState } = this.#core.settings;
    if (ccState !== CcState.BOTH) {
      writeState(out, now, context, ccState, since);
      return length;
    }
    const wide = widenAck(out);
    writeOwnState(out, now, context, since);
    return wide;
  }

  /** Bitmaps of 64 walk over everything that arrived out of order, then begin anew. */
  #sackBase(context: DeliveryContext): number {
    const { rx } = context;
    const base = psnAdd(rx.cack, 1 + context.sackStep);
    if (psnAfter(base, rx.top)) {
      context.sackStep = SACK_BITS;
      return psnAdd(rx.cack, 1);
    }
    context.sackStep += SACK_BITS;
    return base;
  }

  #writePost(now: Nanos, out: Packet, i: number): boolean {
    const core = this.#core;
    const { outbox } = core;
    const post = outbox.post[i]!;
    const localId = outbox.localId[i]!;
    const remoteId = outbox.remoteId[i]!;
    const psn = outbox.psn[i]!;
    const flags = outbox.flags[i]!;
    if (post === Post.NACK) {
      out.length = writeNack(out, outbox.code[i]!, psn, localId, remoteId, outbox.payload[i]!, flags);
      const refused = core.settings.ccState === CcState.BOTH ? core.contexts.get(localId) : undefined;
      if (refused !== undefined) {
        out.length = widenNack(out);
        writeOwnRefusal(out, refused);
      }
      core.count(EVENT.sent_nacks);
      return true;
    }
    if (post === Post.CONTROL) {
      out.length = writeControl(
        out,
        localId,
        remoteId,
        outbox.code[i]!,
        psn,
        outbox.payload[i]!,
        flags,
        outbox.messageId[i]!,
      );
      return true;
    }
    if (post === Post.ACK_PLAIN) {
      const cack = outbox.payload[i]!;
      out.length = writeAck(out, localId, remoteId, cack, psnDelta(cack, psn), NextHeader.NONE, flags);
      core.count(EVENT.sent_acks);
      return true;
    }
    const context = core.contexts.get(localId);
    if (context === undefined || context.remoteId !== remoteId) return false; // closed meanwhile
    core.count(EVENT.sent_acks);
    if (post === Post.ACK_PROBE) {
      out.length = writeAckCc(
        out,
        context,
        outbox.messageId[i]!,
        NextHeader.NONE,
        flags,
        this.#probeBase(context, outbox.payload[i]!),
      );
      out.length = this.#writeState(now, out, context, out.length, outbox.since[i]!);
      return true;
    }
    const { rx } = context;
    const offset = psnDelta(rx.cack, psn);
    if (post === Post.ACK_STORED) {
      const stored = rx.response(psn);
      if (stored === undefined) return false; // cleared meanwhile
      const nextHeader = storedHeader(stored);
      const length = writeAck(out, localId, remoteId, rx.cack, offset, nextHeader, flags);
      out.length = length + writeStored(out, out.at + length, stored);
      return true;
    }
    const length = writeAck(out, localId, remoteId, rx.cack, offset, NextHeader.RESPONSE, flags);
    out.length =
      length +
      writeResponse(
        out,
        out.at + length,
        outbox.code[i]!,
        outbox.returnCode[i]!,
        outbox.messageId[i]!,
        outbox.payload[i]!,
        outbox.jobId[i]!,
        0,
      );
    return true;
  }

  /** The base that a probe asks for, as far as it makes sense. */
  #probeBase(context: DeliveryContext, wanted: number): number {
    const { rx } = context;
    const lowest = psnAdd(rx.cack, 1);
    return psnBefore(wanted, lowest) || psnDelta(lowest, wanted) > rx.range ? lowest : wanted;
  }

  /** Reserves an answer. @returns its place in the outbox; -1 when that is full */
  post(post: number, context: DeliveryContext, packet: Packet, psn: number): number {
    const { outbox } = this.#core;
    const i = outbox.add(post, context.path, context.localId, context.remoteId);
    if (i < 0) this.#core.count(EVENT.outbox_full);
    else {
      outbox.psn[i] = psn;
      outbox.entropy[i] = packet.entropy;
    }
    return i;
  }

  /** Refuses one packet of a context. */
  nack(packet: Packet, context: DeliveryContext, code: number, psn: number, payload: number, flags: number): void {
    const remoteId = requestSpdcid.get(packet.view, packet.at);
    this.#core.nack(
      packet,
      code,
      psn,
      context.localId,
      remoteId,
      payload,
      (flags & FLAG_RETX) | (packet.ecn === 3 ? FLAG_M : 0),
    );
  }
}

const SACK_BITS = 64;
/** NO_RESPONSE says nothing; a default response says that all is well. */
const codeOf = (opcode: number): number => (opcode === SesResponseOpcode.NO_RESPONSE ? ReturnCode.NULL : ReturnCode.OK);
