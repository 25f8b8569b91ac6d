/** Code points of the UET packet delivery sublayer (uet:pds/2). */
import { names } from '../names.ts';

/** Packet type, first five bits of a packet (uet:pds/2.2). */
export const PdsType = names({
  TSS: 1,
  RUD_REQ: 2,
  ROD_REQ: 3,
  RUDI_REQ: 4,
  RUDI_RESP: 5,
  UUD_REQ: 6,
  ACK: 7,
  ACK_CC: 8,
  ACK_CCX: 9,
  NACK: 10,
  CP: 11,
  NACK_CCX: 12,
  RUD_CC_REQ: 13,
  ROD_CC_REQ: 14,
});

/** Kind of the SES header behind the PDS header (uet:pds/2.3). */
export const NextHeader = names({
  NONE: 0,
  REQUEST_SMALL: 1,
  REQUEST_MEDIUM: 2,
  REQUEST_STD: 3,
  RESPONSE: 4,
  RESPONSE_DATA: 5,
  RESPONSE_DATA_SMALL: 6,
});

/** Kind of control packet (uet:pds/2.13). */
export const ControlType = names({
  NOOP: 0,
  ACK_REQUEST: 1,
  CLEAR_COMMAND: 2,
  CLEAR_REQUEST: 3,
  CLOSE_COMMAND: 4,
  CLOSE_REQUEST: 5,
  PROBE: 6,
  CREDIT: 7,
  CREDIT_REQUEST: 8,
  NEGOTIATION: 9,
});

/** Why a packet was refused (uet:pds/2.12). */
export const NackCode = names({
  TRIMMED: 0x01,
  TRIMMED_LASTHOP: 0x02,
  TRIMMED_ACK: 0x03,
  NO_PDC_AVAIL: 0x04,
  NO_CCC_AVAIL: 0x05,
  NO_BITMAP: 0x06,
  NO_PKT_BUFFER: 0x07,
  NO_GTD_DEL_AVAIL: 0x08,
  NO_SES_MSG_AVAIL: 0x09,
  NO_RESOURCE: 0x0a,
  PSN_OOR_WINDOW: 0x0b,
  ROD_OOO: 0x0d,
  INV_DPDCID: 0x0e,
  PDC_HDR_MISMATCH: 0x0f,
  CLOSING: 0x10,
  CLOSING_IN_ERR: 0x11,
  PKT_NOT_RCVD: 0x12,
  GTD_RESP_UNAVAIL: 0x13,
  ACK_WITH_DATA: 0x14,
  INVALID_SYN: 0x15,
  PDC_MODE_MISMATCH: 0x16,
  NEW_START_PSN: 0x17,
  RCVD_SES_PROCG: 0x18,
  UNEXP_EVENT: 0x19,
  RCVR_INFER_LOSS: 0x1a,
  EXP_NORMAL: 0xfd,
  EXP_PDC_ERR: 0xfe,
  EXP_PDC_FATAL: 0xff,
});

/** What a target asks for in the `req` bits of an ACK (uet:pds/2.4). */
export const AckRequest = names({ NONE: 0, CLEAR: 1, CLOSE: 2 });

/** Layout of the congestion state in an ACK_CC (uet:pds/2.8). */
export const CcType = names({ NSCC: 0, CREDIT: 1 });

// Masks of the seven flag bits (`Prologue.flags`); which ones a packet has depends on its type (uet:pds/2.4).

/** Requests, ACK, NACK, control packets and RUDI: retransmission, or answer to one. */
export const FLAG_RETX = 0x10;
/** Requests and control packets: answer at once. */
export const FLAG_AR = 0x08;
/** Requests and control packets: the sender does not know the peer's PDCID yet. */
export const FLAG_SYN = 0x04;
/** ACK, NACK, RUDI response: the packet being answered carried a congestion mark. */
export const FLAG_M = 0x20;
/** ACK: answers a Probe. */
export const FLAG_P = 0x08;
/** ACK: the target asks for a clear. */
export const REQ_CLEAR = 0x02;
/** ACK: the target asks for a close. */
export const REQ_CLOSE = 0x04;
/** NACK: answers a RUDI packet. */
export const FLAG_NT = 0x08;
/** Control packet: the delivery context is an ordered one. */
export const FLAG_ISROD = 0x20;

/**
 * Bytes of the PDS header of a type, 0 for a reserved type and for the security header.
 *
 * A Negotiation control packet has four bytes more where the peer sends the TLV form.
 */
export function pdsLength(type: number): number {
  return PDS_LENGTHS[type & 31]!;
}

/** Bytes of the SES header that a `nextHeader` value announces, -1 for a reserved value. Extensions not included. */
export function sesLength(nextHeader: number): number {
  return SES_LENGTHS[nextHeader & 15]!;
}

/** Whether a PDS header of a type may announce that SES header (uet:pds/2.2). False for types without `nextHeader`. */
export function isNextHeaderAllowed(type: number, nextHeader: number): boolean {
  return ((ALLOWED_NEXT[type & 31]! >> nextHeader) & 1) === 1;
}

const PDS_LENGTHS = new Uint8Array([
  0, 0, 12, 12, 8, 8, 4, 12, 32, 40, 16, 16, 32, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);
const SES_LENGTHS = new Int8Array([0, 20, 32, 44, 12, 20, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1]);

// Bit n stands for `nextHeader` n. Requests also carry read data in the return direction.
const REQUEST_NEXT = 0b0110_1110;
const CONNECTIONLESS_NEXT = 0b0000_1110;
const ACK_NEXT = 0b0111_0001;
const RUDI_RESPONSE_NEXT = 0b0111_0000;
const ALLOWED_NEXT = new Uint8Array(32);
ALLOWED_NEXT.set(
  [
    ...[REQUEST_NEXT, REQUEST_NEXT, CONNECTIONLESS_NEXT, RUDI_RESPONSE_NEXT, CONNECTIONLESS_NEXT],
    ...[ACK_NEXT, ACK_NEXT, ACK_NEXT, 1, 0, 1, REQUEST_NEXT, REQUEST_NEXT],
  ],
  PdsType.RUD_REQ,
);
