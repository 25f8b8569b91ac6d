/**
 * Congestion state in packets: what a destination measures and writes into ACK_CC, and what a source reads out of
 * ACK_CC, ACK_CCX and NACK_CCX for its controller.
 *
 * @spec uet:pds/2.6 uet:pds/2.8 uet:pds/2.9 uet:pds/2.11
 */
import { type CongestionState, StateKind } from '../../../cc/controller.ts';
import type { Packet } from '../../../engine/packet.ts';
import type { Nanos } from '../../../engine/time.ts';
import { byteLength } from '../../../wire/header.ts';
import { AckCc, AckCcCredit, AckCcx, CcType, NackCcx, PdsType } from '../../../wire/uet/pds.ts';
import type { DeliveryContext } from './delivery-context.ts';

const { ccType, serviceTime, rc, rcvCwndPend, rcvdBytes, oooCount } = AckCc;
const { credit } = AckCcCredit;

/** What `ccState` chooses: which acknowledgements carry state, and which. */
export const CcState = { WITH_BITMAPS: 0, MEASURED: 1, CREDIT: 2, BOTH: 3 } as const;

/**
 * Size of a packet as both ends count it: UDP or the entropy header and what is behind it, and 40 bytes for what is before.
 *
 * @spec uet:pds/1.5
 */
export const nominalBytes = (packet: Packet, frontBytes = UDP_BYTES): number =>
  packet.length + frontBytes + AROUND_BYTES;

/** Fills the state of an ACK_CC whose other fields are written. @param since - when the packet came; 0 = not known */
export function writeState(out: Packet, now: Nanos, context: DeliveryContext, kind: number, since: Nanos): void {
  const { view, at } = out;
  const received = Math.ceil(context.receivedBytes / UNIT);
  oooCount.set(view, at, Math.min(context.rx.ahead, MOST_OUT_OF_ORDER));
  if (kind === CcState.CREDIT) {
    ccType.set(view, at, CcType.CREDIT);
    credit.set(view, at, grantedCredit(context));
    return;
  }
  ccType.set(view, at, CcType.NSCC);
  // 0 would say that it is not known
  const held = since === 0 ? 0 : Math.max(1, Math.round((now - since) / SERVICE_UNIT));
  serviceTime.set(view, at, Math.min(held, MOST_SERVICE));
  rcvdBytes.set(view, at, received & MASK);
}

/**
 * Fills the state of an ACK_CCX: what is measured, as in an ACK_CC, and behind it the credit. The layout is our own, under
 * one of the two numbers that are free for that. @spec uet:pds/2.9 uet:pds/8 D8
 */
export function writeOwnState(out: Packet, now: Nanos, context: DeliveryContext, since: Nanos): void {
  const { view, at } = out;
  writeState(out, now, context, CcState.MEASURED, since);
  AckCcx.ccxType.set(view, at, OWN_LAYOUT);
  view.setUint32(at + CCX_STATE_AT + 8, grantedCredit(context) << 8);
  view.setUint32(at + CCX_STATE_AT + 12, 0);
}

/** Fills the state of a NACK_CCX: bytes received, packets out of order, credit. @spec uet:pds/2.11 uet:pds/8 D8 */
export function writeOwnRefusal(out: Packet, context: DeliveryContext): void {
  const { view, at } = out;
  const from = at + NACK_STATE_AT;
  view.setUint32(from, (OWN_LAYOUT << 28) | (Math.ceil(context.receivedBytes / UNIT) & MASK));
  view.setUint16(from + 4, Math.min(context.rx.ahead, MOST_OUT_OF_ORDER));
  view.setUint16(from + 6, 0);
  view.setUint32(from + 8, grantedCredit(context) << 8);
  view.setUint32(from + 12, 0);
}

/** Reads the state of an acknowledgement. */
export function readState(packet: Packet, type: number, context: DeliveryContext, into: CongestionState): void {
  const { view, at } = packet;
  into.serviceNs = into.penalty = into.layout = 0;
  into.restoresWindow = false;
  into.outOfOrder = -1;
  into.credit = context.creditSeen;
  into.receivedBytes = context.peerReceived;
  const layout = ccType.get(view, at);
  if (type === PdsType.ACK_CCX) {
    into.kind = StateKind.PROPRIETARY;
    into.layout = layout;
    copy(packet, CCX_STATE_AT, into.bytes);
    return;
  }
  const ahead = oooCount.get(view, at);
  if (ahead !== 0xffff) into.outOfOrder = ahead;
  if (layout === CcType.CREDIT) {
    into.kind = StateKind.CREDIT;
    takeCredit(context, credit.get(view, at));
    into.credit = context.creditSeen;
    return;
  }
  into.kind = layout === CcType.NSCC ? StateKind.MEASURED : StateKind.NONE;
  if (layout !== CcType.NSCC) return;
  into.serviceNs = serviceTime.get(view, at) * SERVICE_UNIT;
  into.restoresWindow = rc.get(view, at) === 1;
  into.penalty = rcvCwndPend.get(view, at);
  // an old acknowledgement may say less than one before it
  const more = (rcvdBytes.get(view, at) - Math.round(context.peerReceived / UNIT)) & MASK;
  if (more < 1 << 23) context.peerReceived += more * UNIT;
  into.receivedBytes = context.peerReceived;
}

/** Reads what a NACK_CCX carries. */
export function readRefusalState(packet: Packet, into: CongestionState): void {
  into.kind = StateKind.PROPRIETARY;
  into.layout = NackCcx.nccxType.get(packet.view, packet.at);
  into.rttNs = into.serviceNs = into.penalty = 0;
  copy(packet, NACK_STATE_AT, into.bytes);
}

/** Credit to tell the peer now. */
export const grantedCredit = (context: DeliveryContext): number =>
  context.credit.grant(Math.ceil(context.receivedBytes / UNIT) & MASK);

/** A credit that came: cumulative, so an old one says nothing. */
function takeCredit(context: DeliveryContext, value: number): void {
  if (((value - context.creditSeen) & MASK) < 1 << 23) context.creditSeen = value;
}

/** A credit came on its own: told to the controller. @param state - used for that */
export function tellCredit(context: DeliveryContext, value: number, state: CongestionState): void {
  takeCredit(context, value);
  if (context.cc.onState === undefined) return;
  state.kind = StateKind.CREDIT;
  state.credit = context.creditSeen;
  state.rttNs = state.serviceNs = state.penalty = 0;
  state.outOfOrder = -1;
  context.cc.onState(state);
}

/** What a source would send in all, for the header of its requests: what has left, and a window more. */
export const creditTarget = (context: DeliveryContext, mtu: number): number =>
  Math.ceil((context.sentBytes + context.cc.packets * mtu) / UNIT) & MASK;

function copy({ bytes, at }: Packet, from: number, into: Uint8Array): void {
  for (let i = 0; i < into.length; i++) into[i] = bytes[at + from + i]!;
}

const UDP_BYTES = 8;
const AROUND_BYTES = 40;
/** Of received bytes and of credit; that of credit is not written down anywhere. @spec uet:cms/4 */
const UNIT = 256;
const MASK = 0xff_ffff;
const SERVICE_UNIT: Nanos = 128;
const MOST_SERVICE = 0xffff;
const MOST_OUT_OF_ORDER = 0xfffe;
/** The first of the two numbers for layouts of one's own. */
const OWN_LAYOUT = 14;
const CCX_STATE_AT = byteLength(AckCcx) - 16;
const NACK_STATE_AT = byteLength(NackCcx) - 16;
