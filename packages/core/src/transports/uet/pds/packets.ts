/** Writers of PDS headers into a transmit slot. Each returns the bytes it wrote. @spec uet:pds/2 */
import { psnDelta } from '../../../base/psn.ts';
import type { Packet } from '../../../engine/packet.ts';
import { byteLength } from '../../../wire/header.ts';
import {
  Ack,
  AckCc,
  AckCcx,
  ControlPacket,
  ControlType,
  FLAG_ISROD,
  FLAG_SYN,
  Nack,
  NackCcx,
  Negotiation,
  NextHeader,
  PdsRequest,
  PdsRequestCc,
  PdsRequestSyn,
  PdsType,
} from '../../../wire/uet/pds.ts';
import { Response, ResponseData, ResponseDataSmall } from '../../../wire/uet/ses.ts';
import type { DeliveryContext } from './delivery-context.ts';
import type { StoredResponse } from './receive-window.ts';

const { clearPsnOffset, psn: requestPsn, spdcid: requestSpdcid, dpdcid: requestDpdcid } = PdsRequest;
const { psnOffset } = PdsRequestSyn;
const { ackPsnOffset, cackPsn, spdcid: ackSpdcid, dpdcid: ackDpdcid } = Ack;
const { mpr, sackPsnOffset, sackBitmap } = AckCc;
const { nackCode, nackPsn, spdcid: nackSpdcid, dpdcid: nackDpdcid, payload: nackPayload } = Nack;
const {
  probeOpaque,
  psn: controlPsn,
  spdcid: controlSpdcid,
  dpdcid: controlDpdcid,
  payload: controlPayload,
} = ControlPacket;

const { negType, negLength, featureMask } = Negotiation;

/** Type, next header and flags are one 16-bit word; writing it whole costs one store instead of three. */
const prologue = (view: DataView, at: number, type: number, nextHeader: number, flags: number): void =>
  view.setUint16(at, (type << 11) | (nextHeader << 7) | flags);

/**
 * RUD or ROD request; in SYN form while the peer's PDCID is unknown.
 * @param creditWanted - makes it the CC form; -1: the plain one
 */
export function writeRequest(
  out: Packet,
  context: DeliveryContext,
  psn: number,
  nextHeader: number,
  flags: number,
  creditWanted = -1,
): number {
  const { view, at } = out;
  const syn = context.remoteId === 0;
  const type = context.ordered ? PdsType.ROD_REQ : PdsType.RUD_REQ;
  const withCredit = creditWanted >= 0;
  prologue(view, at, withCredit ? type + CC_FORM : type, nextHeader, syn ? flags | FLAG_SYN : flags);
  clearPsnOffset.set(view, at, psnDelta(psn, context.tx.clear));
  requestPsn.set(view, at, psn);
  requestSpdcid.set(view, at, context.localId);
  // the SYN form has pdc_info (0) and psn_offset in the place of the peer's PDCID
  requestDpdcid.set(view, at, context.remoteId);
  if (syn) psnOffset.set(view, at, psnDelta(context.tx.start, psn));
  if (!withCredit) return REQUEST_BYTES;
  // each context has a congestion control context of its own
  view.setUint32(at + REQUEST_BYTES, ((context.localId & 0xff) << 24) | creditWanted);
  return REQUEST_CC_BYTES;
}

/** Control packet of a context. */
export function writeControl(
  out: Packet,
  localId: number,
  remoteId: number,
  type: number,
  psn: number,
  payload: number,
  flags: number,
  opaque: number,
): number {
  const { view, at } = out;
  prologue(view, at, PdsType.CP, type, flags);
  probeOpaque.set(view, at, opaque);
  controlPsn.set(view, at, psn);
  controlSpdcid.set(view, at, localId);
  controlDpdcid.set(view, at, remoteId);
  controlPayload.set(view, at, payload);
  return CONTROL_BYTES;
}

/** Control packet with a PSN of its own; in SYN form while the peer's PDCID is unknown. */
export function writeTracked(
  out: Packet,
  context: DeliveryContext,
  type: number,
  psn: number,
  flags: number,
  features: number,
): number {
  const { view, at } = out;
  const syn = context.remoteId === 0;
  const isModeTold = context.ordered && (type === ControlType.NOOP || type === ControlType.NEGOTIATION);
  const all = flags | (syn ? FLAG_SYN : 0) | (isModeTold ? FLAG_ISROD : 0);
  writeControl(out, context.localId, syn ? psnDelta(context.tx.start, psn) : context.remoteId, type, psn, 0, all, 0);
  if (type !== ControlType.NEGOTIATION) return CONTROL_BYTES;
  negType.set(view, at, 1);
  negLength.set(view, at, (NEGOTIATION_BYTES - CONTROL_PREFIX_BYTES) >> 2);
  featureMask.set(view, at, features);
  return NEGOTIATION_BYTES;
}

/** NACK; its PDCIDs may be 0. */
export function writeNack(
  out: Packet,
  code: number,
  psn: number,
  localId: number,
  remoteId: number,
  payload: number,
  flags: number,
): number {
  const { view, at } = out;
  prologue(view, at, PdsType.NACK, NextHeader.NONE, flags);
  view.setUint16(at + 2, 0);
  nackCode.set(view, at, code);
  nackPsn.set(view, at, psn);
  nackSpdcid.set(view, at, localId);
  nackDpdcid.set(view, at, remoteId);
  nackPayload.set(view, at, payload);
  return NACK_BYTES;
}

/** Plain ACK. */
export function writeAck(
  out: Packet,
  localId: number,
  remoteId: number,
  cack: number,
  offset: number,
  nextHeader: number,
  flags: number,
): number {
  const { view, at } = out;
  prologue(view, at, PdsType.ACK, nextHeader, flags);
  ackPsnOffset.set(view, at, offset);
  cackPsn.set(view, at, cack);
  ackSpdcid.set(view, at, localId);
  ackDpdcid.set(view, at, remoteId);
  return ACK_BYTES;
}

/**
 * ACK_CC: the same with window and SACK bitmap. The congestion state is left at zero, see `congestion.ts`.
 * @param sackBase - PSN of bit 0
 */
export function writeAckCc(
  out: Packet,
  context: DeliveryContext,
  offset: number,
  nextHeader: number,
  flags: number,
  sackBase: number,
): number {
  const { rx } = context;
  writeAck(out, context.localId, context.remoteId, rx.cack, offset, nextHeader, flags);
  const { view, at } = out;
  prologue(view, at, PdsType.ACK_CC, nextHeader, flags);
  for (let i = ACK_BYTES; i < ACK_CC_BYTES; i += 4) view.setUint32(at + i, 0);
  mpr.set(view, at, rx.range >> 7);
  sackPsnOffset.set(view, at, psnDelta(rx.cack, sackBase));
  sackBitmap.lo.set(view, at, rx.arrivals(sackBase));
  sackBitmap.hi.set(view, at, rx.arrivals((sackBase + 32) >>> 0));
  return ACK_CC_BYTES;
}

/** Makes an ACK_CC an ACK_CCX, whose state is written apart. @returns its length */
export function widenAck({ view, at }: Packet): number {
  view.setUint16(at, (view.getUint16(at) & 0x07ff) | (PdsType.ACK_CCX << 11));
  view.setUint32(at + ACK_CC_BYTES, 0);
  view.setUint32(at + ACK_CC_BYTES + 4, 0);
  return ACK_CCX_BYTES;
}

/** Makes a NACK a NACK_CCX, whose state is written apart. @returns its length */
export function widenNack({ view, at }: Packet): number {
  view.setUint16(at, (view.getUint16(at) & 0x07ff) | (PdsType.NACK_CCX << 11));
  return NACK_CCX_BYTES;
}

/** RESPONSE header at `at`. */
export function writeResponse(
  out: Packet,
  at: number,
  opcode: number,
  code: number,
  messageId: number,
  generation: number,
  jobId: number,
  modifiedLength: number,
): number {
  const { view } = out;
  view.setUint16(at, (opcode << 8) | code); // list EXPECTED, version 0
  Response.messageId.set(view, at, messageId);
  Response.riGeneration.set(view, at, generation);
  Response.jobId.set(view, at, jobId);
  Response.modifiedLength.set(view, at, modifiedLength);
  return RESPONSE_BYTES;
}

/** The next header that announces a stored response. */
export const storedHeader = (stored: StoredResponse): number =>
  !stored.withData ? NextHeader.RESPONSE : stored.small ? NextHeader.RESPONSE_DATA_SMALL : NextHeader.RESPONSE_DATA;

/** The response kept for a PSN, with its data where it has some. */
export function writeStored(out: Packet, at: number, stored: StoredResponse): number {
  if (!stored.withData) {
    return writeResponse(
      out,
      at,
      stored.opcode,
      stored.code,
      stored.messageId,
      stored.generation,
      stored.jobId,
      stored.modifiedLength,
    );
  }
  const { view } = out;
  const header = stored.small ? RESPONSE_DATA_SMALL_BYTES : RESPONSE_DATA_BYTES;
  for (let i = 0; i < header; i += 4) view.setUint32(at + i, 0);
  view.setUint16(at, (stored.opcode << 8) | stored.code);
  for (let i = 0; i < stored.dataLength; i++) view.setUint8(at + header + i, stored.data[i]!);
  if (stored.small) {
    ResponseDataSmall.payloadLength.set(view, at, stored.dataLength);
    ResponseDataSmall.jobId.set(view, at, stored.jobId);
    ResponseDataSmall.originalRequestPsn.set(view, at, stored.psn);
    return header + stored.dataLength;
  }
  ResponseData.jobId.set(view, at, stored.jobId);
  ResponseData.readRequestMessageId.set(view, at, stored.messageId);
  ResponseData.payloadLength.set(view, at, stored.dataLength);
  ResponseData.modifiedLength.set(view, at, stored.dataLength);
  return header + stored.dataLength;
}

export const REQUEST_BYTES = byteLength(PdsRequest);
const REQUEST_CC_BYTES = byteLength(PdsRequestCc);
/** From the type of a request to the one that tells the credit wanted. */
const CC_FORM = PdsType.RUD_CC_REQ - PdsType.RUD_REQ;
const CONTROL_BYTES = byteLength(ControlPacket);
const NEGOTIATION_BYTES = byteLength(Negotiation);
/** What all control packets begin with. */
const CONTROL_PREFIX_BYTES = 12;
const NACK_BYTES = byteLength(Nack);
export const ACK_BYTES = byteLength(Ack);
const ACK_CC_BYTES = byteLength(AckCc);
const ACK_CCX_BYTES = byteLength(AckCcx);
const NACK_CCX_BYTES = byteLength(NackCcx);
const RESPONSE_BYTES = byteLength(Response);
const RESPONSE_DATA_BYTES = byteLength(ResponseData);
const RESPONSE_DATA_SMALL_BYTES = byteLength(ResponseDataSmall);
/** ECN-capable transport, ECT(0). */
export const ECT = 2;
