/** UET from the security or PDS header to the payload. Which header stands where is decided here; what is in it, by its declaration. */
import type { Dissection } from '../dissection.ts';
import { type AnyHeader, byteLength } from '../header.ts';
import { isNamed, nameOf } from '../names.ts';
import { checkUetCrc, UET_CRC_BYTES, UetCrcTrailer } from './crc.ts';
import {
  Ack,
  AckCc,
  AckCcCredit,
  AckCcCreditProbe,
  AckCcProbe,
  AckCcx,
  AckCcxProbe,
  AckProbe,
  CcType,
  ControlPacket,
  ControlPacketSyn,
  ControlType,
  ExpectedPsn,
  FLAG_P,
  FLAG_SYN,
  isNextHeaderAllowed,
  Nack,
  NackCcx,
  Negotiation,
  NegotiationSyn,
  NextHeader,
  PdsRequest,
  PdsRequestCc,
  PdsRequestCcSyn,
  PdsRequestSyn,
  PdsType,
  Prologue,
  RudiPacket,
  UudRequest,
} from './pds.ts';
import { CheckValue, SecurityHeader, SecurityHeaderSsi } from './security.ts';
import { dissectSes } from './ses-dissector.ts';

/** A UET packet whose IP header is at `ip`: like `dissectPacket`, and looks for the CRC at the end. */
export function dissectSealed(d: Dissection, ip: number, at: number, end: number): void {
  const hasCrc = !d.trimmed && end - at > UET_CRC_BYTES && checkUetCrc(d.bytes.subarray(ip, end));
  const last = hasCrc ? end - UET_CRC_BYTES : end;
  dissectPacket(d, at, last, ip);
  if (hasCrc) d.add('UET-CRC', UetCrcTrailer, last, end);
}

/**
 * A UET packet from `at`, where the PDS prologue or the security header stands, to `end`, without trailer.
 *
 * @param ip - where its IP header is, if there is one
 */
export function dissectPacket(d: Dissection, at: number, end: number, ip = -1): void {
  if (end - at < 2) {
    d.problem(at, 'UET-PDS', 'the packet ends before the PDS prologue');
    return;
  }
  if (Prologue.type.get(d.view, at) !== PdsType.TSS) {
    pds(d, at, end);
    return;
  }
  const secured = SecurityHeader.sp.get(d.view, at) === 1 ? SecurityHeaderSsi : SecurityHeader;
  const inner = d.add('UET-TSS', secured, at, end);
  if (inner < 0) return;
  if (d.options.open !== undefined) {
    opened(d, ip, at, inner, end);
    return;
  }
  if (d.options.encrypted !== false) {
    d.note(inner, 'UET-TSS', 'what follows is encrypted');
    d.payload(inner, end);
    return;
  }
  if (end - inner < 2) {
    d.problem(inner, 'UET-PDS', 'the packet ends before the PDS prologue');
    return;
  }
  if (Prologue.type.get(d.view, inner) === PdsType.TSS) {
    d.problem(inner, 'UET-PDS.type', 'a security header inside a protected packet');
    return;
  }
  pds(d, inner, end);
}

/** A protected packet, for who may have keys. */
function opened(d: Dissection, ip: number, at: number, inner: number, end: number): void {
  const problem = d.options.open!({ bytes: d.bytes, view: d.view, ip, at, end });
  if (problem !== '') {
    d.note(inner, 'UET-TSS', `stays encrypted: ${problem}`);
    d.payload(inner, end);
    return;
  }
  const last = end - byteLength(CheckValue);
  pds(d, inner, last);
  d.add('UET-TSS', CheckValue, last, end);
}

function pds(d: Dissection, at: number, end: number): void {
  const type = Prologue.type.get(d.view, at);
  const next = Prologue.nextHeader.get(d.view, at);
  const declared = pdsHeader(d, at, end);
  if (declared === undefined) {
    d.add('UET-PDS', Prologue, at, end);
    d.problem(at, 'UET-PDS.type', `type ${type} is reserved`);
    d.payload(at + 2, end);
    return;
  }
  const upper = d.add('UET-PDS', declared, at, end);
  if (upper < 0) return;
  if (needsSpdcid(type) && PdsRequest.spdcid.get(d.view, at) === 0) {
    d.problem(at + 8, 'UET-PDS.spdcid', 'is 0 in a packet that must name its sender');
  }
  if (type === PdsType.CP) {
    if (!isNamed(ControlType, next)) d.problem(at, 'UET-PDS.ctlType', `control type ${next} is reserved`);
    rest(d, upper, end, 'a control packet');
    return;
  }
  if (!isNamed(NextHeader, next)) {
    d.problem(at, 'UET-PDS.nextHeader', `value ${next} is reserved`);
    d.payload(upper, end);
    return;
  }
  if (!isNextHeaderAllowed(type, next)) {
    d.problem(at, 'UET-PDS.nextHeader', `${nameOf(NextHeader, next)} may not follow ${nameOf(PdsType, type)}`);
  }
  if (next === NextHeader.NONE) {
    const isSecureClose = type === PdsType.ACK && (d.view.getUint8(at + 1) & FLAG_EPSN) !== 0 && end - upper >= 4;
    const last = isSecureClose ? d.add('UET-PDS', ExpectedPsn, upper, end) : upper;
    rest(d, last, end, 'a packet without SES header');
    return;
  }
  dissectSes(d, next, upper, end);
}

/** Bytes where none belong. */
function rest(d: Dissection, at: number, end: number, where: string): void {
  if (end > at && !d.trimmed) d.problem(at, 'UET-PDS', `${end - at} bytes follow ${where}`);
  d.payload(at, end);
}

/** The declaration that fits the packet's type and flags; undefined for a reserved type. */
function pdsHeader({ view }: Dissection, at: number, end: number): AnyHeader | undefined {
  const flags = Prologue.flags.get(view, at);
  const isSyn = (flags & FLAG_SYN) !== 0;
  const isProbe = (flags & FLAG_P) !== 0;
  switch (Prologue.type.get(view, at)) {
    case PdsType.RUD_REQ:
    case PdsType.ROD_REQ:
      return isSyn ? PdsRequestSyn : PdsRequest;
    case PdsType.RUD_CC_REQ:
    case PdsType.ROD_CC_REQ:
      return isSyn ? PdsRequestCcSyn : PdsRequestCc;
    case PdsType.RUDI_REQ:
    case PdsType.RUDI_RESP:
      return RudiPacket;
    case PdsType.UUD_REQ:
      return UudRequest;
    case PdsType.ACK:
      return isProbe ? AckProbe : Ack;
    case PdsType.ACK_CC:
      if (end - at > CC_TYPE_BYTE && AckCc.ccType.get(view, at) === CcType.CREDIT) {
        return isProbe ? AckCcCreditProbe : AckCcCredit;
      }
      return isProbe ? AckCcProbe : AckCc;
    case PdsType.ACK_CCX:
      return isProbe ? AckCcxProbe : AckCcx;
    case PdsType.NACK:
      return Nack;
    case PdsType.NACK_CCX:
      return NackCcx;
    case PdsType.CP: {
      // Older peers send a Negotiation of 16 bytes (uet:pds/8 D10).
      const isNegotiation = ControlPacket.ctlType.get(view, at) === ControlType.NEGOTIATION;
      if (isNegotiation && end - at >= byteLength(Negotiation)) return isSyn ? NegotiationSyn : Negotiation;
      return isSyn ? ControlPacketSyn : ControlPacket;
    }
    default:
      return undefined;
  }
}

function needsSpdcid(type: number): boolean {
  return (
    type === PdsType.RUD_REQ ||
    type === PdsType.ROD_REQ ||
    type === PdsType.RUD_CC_REQ ||
    type === PdsType.ROD_CC_REQ ||
    type === PdsType.CP
  );
}

const CC_TYPE_BYTE = 12;
/** Reserved flag with which the reference provider announces an expected PSN. */
const FLAG_EPSN = 0x40;
