/** Headers of the UET packet delivery sublayer (uet:pds/2.1 to 2.15). Code points and flag masks: `pds-codes.ts`, exported again here. */
import { bits, bytes, header, u64 } from '../header.ts';
import { AckRequest, CcType, ControlType, NackCode, NextHeader, PdsType } from './pds-codes.ts';

export * from './pds-codes.ts';

const start = { type: bits(5, 'Packet type', PdsType), nextHeader: bits(4, 'SES header that follows', NextHeader) };
const spdcid = bits(16, 'PDCID of the sender').hex();
const dpdcid = bits(16, 'PDCID of the receiver').hex();
const retx = bits(1, 'This packet is a retransmission');
const retxCopy = bits(1, 'Copy of retx of the packet being answered');
const marked = bits(1, 'The packet being answered carried a congestion mark');
const psn = bits(32, 'Packet sequence number').hex();
const synPlace = {
  pdcInfo: bits(4, 'Wanted PDC pool; sent as 0, ignored on receipt'),
  psnOffset: bits(12, 'First PSN of the delivery context = psn - psnOffset'),
};

/** First two bytes of each packet (uet:pds/2.1). */
export const Prologue = header('PDS prologue', 'uet:pds/2.1', {
  ...start,
  flags: bits(7, 'Meaning depends on the type').hex(),
});

const requestPrefix = {
  ...start,
  _r1: bits(2),
  retx,
  ar: bits(1, 'Answer at once'),
  syn: bits(1, 'The receiver PDCID is not known yet'),
  _r2: bits(2),
  clearPsnOffset: bits(16, 'Responses up to psn + clearPsnOffset need not be kept any longer').signed(),
  psn,
  spdcid,
};
const creditTail = {
  cccId: bits(8, 'Congestion control context of the sender').hex(),
  creditTarget: bits(24, 'Credit that the sender wants'),
};

/** RUD or ROD request, established (uet:pds/2.5). */
export const PdsRequest = header('PDS request', 'uet:pds/2.5', { ...requestPrefix, dpdcid });
/** RUD or ROD request while the peer's PDCID is unknown (`syn` = 1; uet:pds/2.5). */
export const PdsRequestSyn = header('PDS request, SYN', 'uet:pds/2.5', { ...requestPrefix, ...synPlace });
/** RUD_CC or ROD_CC request (uet:pds/2.6). */
export const PdsRequestCc = header('PDS CC request', 'uet:pds/2.6', { ...requestPrefix, dpdcid, ...creditTail });
/** RUD_CC or ROD_CC request while the peer's PDCID is unknown (uet:pds/2.6). */
export const PdsRequestCcSyn = header('PDS CC request, SYN', 'uet:pds/2.6', {
  ...requestPrefix,
  ...synPlace,
  ...creditTail,
});

const ackFlags = {
  ...start,
  _r1: bits(1),
  m: marked,
  retx: retxCopy,
  p: bits(1, 'Answers a Probe'),
  req: bits(2, 'What the target asks for', AckRequest),
  _r2: bits(1),
};
const ackPsnOffset = bits(16, 'PSN being acknowledged = cackPsn + ackPsnOffset').signed();
const probeOpaque = bits(16, 'Value of the Probe').hex();
const ackTail = { cackPsn: bits(32, 'All PSNs up to this one have arrived').hex(), spdcid, dpdcid };
const ackPrefix = { ...ackFlags, ackPsnOffset, ...ackTail };
const probePrefix = { ...ackFlags, probeOpaque, ...ackTail };
const sack = {
  ccFlags: bits(4, 'Reserved for congestion control'),
  mpr: bits(8, 'Largest PSN range that the sender of the ACK tracks').unit('128 packets'),
  sackPsnOffset: bits(16, 'PSN of bit 0 of the bitmap = cackPsn + sackPsnOffset').signed(),
  sackBitmap: u64('Bit i (value 2^i): that PSN + i has arrived; 0 says nothing'),
};
const nsccTail = {
  ccType: bits(4, 'Layout of the congestion state', CcType),
  ...sack,
  serviceTime: bits(16, 'Time that the destination held the packet; 0 invalid, 65535 more than that').unit('128 ns'),
  rc: bits(1, 'Receiver penalty has ended: restore the saved window'),
  rcvCwndPend: bits(7, 'Receiver window penalty; 0 none, 127 one packet per round trip'),
  rcvdBytes: bits(24, 'Bytes received on the delivery context, rounded up, wraps').unit('256 bytes'),
  oooCount: bits(16, 'Packets out of order now; 65535 not valid'),
};
const creditState = {
  ccType: bits(4, 'Layout of the congestion state', CcType),
  ...sack,
  credit: bits(24, 'Credit granted'),
  _r3: bits(24),
  oooCount: bits(16, 'Packets out of order now; 65535 not valid'),
};
const ccxState = {
  ccxType: bits(4, 'Layout of the state; 14 and 15 are proprietary'),
  ...sack,
  ackCcxState: bytes(16, 'Opaque'),
};

/** ACK (uet:pds/2.7). */
export const Ack = header('PDS ACK', 'uet:pds/2.7', ackPrefix);
/** ACK that answers a Probe (`p` = 1; uet:pds/2.7). Also the first 12 bytes of the longer forms. */
export const AckProbe = header('PDS ACK of a Probe', 'uet:pds/2.7', probePrefix);
/** ACK with SACK bitmap and NSCC state (uet:pds/2.8). */
export const AckCc = header('PDS ACK_CC, NSCC', 'uet:pds/2.8', { ...ackPrefix, ...nsccTail });
/** The same, answering a Probe (uet:pds/2.8). */
export const AckCcProbe = header('PDS ACK_CC of a Probe', 'uet:pds/2.8', { ...probePrefix, ...nsccTail });
/** ACK with SACK bitmap and receiver credit (uet:pds/2.8). */
export const AckCcCredit = header('PDS ACK_CC, credit', 'uet:pds/2.8', { ...ackPrefix, ...creditState });
/** The same, answering a Probe (uet:pds/2.8). */
export const AckCcCreditProbe = header('PDS ACK_CC of a Probe, credit', 'uet:pds/2.8', {
  ...probePrefix,
  ...creditState,
});
/** ACK with SACK bitmap and proprietary congestion state (uet:pds/2.9, length after D8). */
export const AckCcx = header('PDS ACK_CCX', 'uet:pds/2.9', { ...ackPrefix, ...ccxState });
/** The same, answering a Probe (uet:pds/2.9). */
export const AckCcxProbe = header('PDS ACK_CCX of a Probe', 'uet:pds/2.9', { ...probePrefix, ...ccxState });
/** Behind the ACK of a close in the reference provider's secure form, announced by flag 0x40 (uet:pds/8 D6). */
export const ExpectedPsn = header('PDS expected PSN', 'uet:pds/8 D6', {
  expectedPsn: bits(32, 'PSN with which a later delivery context must start').hex(),
});

const nackFields = {
  ...start,
  _r1: bits(1),
  m: marked,
  retx: retxCopy,
  nt: bits(1, 'Answers a RUDI packet: nackPsn is its packet identifier'),
  _r2: bits(3),
  nackCode: bits(8, 'Why the packet was refused', NackCode),
  vendorCode: bits(8, 'Vendor detail'),
  nackPsn: bits(32, 'PSN refused; packet identifier with nt = 1').hex(),
  spdcid,
  dpdcid,
  payload: bits(32, 'Meaning depends on the code').hex(),
};

/** NACK (uet:pds/2.10). */
export const Nack = header('PDS NACK', 'uet:pds/2.10', nackFields);
/** NACK with proprietary congestion state (uet:pds/2.11, length after D8). */
export const NackCcx = header('PDS NACK_CCX', 'uet:pds/2.11', {
  ...nackFields,
  nccxType: bits(4, 'Layout of the state; 14 and 15 are proprietary'),
  nackCcxStateHi: bits(28, 'Opaque, first 28 of 124 bits').hex(),
  nackCcxStateLo: bytes(12, 'Opaque, the rest'),
});

const controlPrefix = {
  type: bits(5, 'Packet type', PdsType),
  ctlType: bits(4, 'Kind of control packet', ControlType),
  _r1: bits(1),
  isrod: bits(1, 'The delivery context is an ordered one (NOOP and Negotiation)'),
  retx,
  ar: bits(1, 'Answer at once'),
  syn: bits(1, 'The receiver PDCID is not known yet'),
  _r2: bits(2),
  probeOpaque: bits(16, 'Value that the ACK of a Probe returns').hex(),
  psn: bits(32, 'Packet sequence number, or 0; depends on the kind').hex(),
  spdcid,
};
const controlPayload = { payload: bits(32, 'Meaning depends on the kind').hex() };
const negotiationTail = {
  negType: bits(8, 'Kind of negotiation; 1 switches features on and off'),
  negLength: bits(8, 'Length of the TLV').unit('32-bit words'),
  _r3: bits(16),
  featureMask: bits(32, 'Features; bit 0 is SYN_RETX_TRANSFER').hex(),
};

/** Control packet (uet:pds/2.13). */
export const ControlPacket = header('PDS control', 'uet:pds/2.13', { ...controlPrefix, dpdcid, ...controlPayload });
/** Control packet while the peer's PDCID is unknown (uet:pds/2.13). */
export const ControlPacketSyn = header('PDS control, SYN', 'uet:pds/2.13', {
  ...controlPrefix,
  ...synPlace,
  ...controlPayload,
});
/** Negotiation in its TLV form (uet:pds/2.13). */
export const Negotiation = header('PDS negotiation', 'uet:pds/2.13', { ...controlPrefix, dpdcid, ...negotiationTail });
/** Negotiation that opens a delivery context (uet:pds/2.13). */
export const NegotiationSyn = header('PDS negotiation, SYN', 'uet:pds/2.13', {
  ...controlPrefix,
  ...synPlace,
  ...negotiationTail,
});

/** RUDI request or response (uet:pds/2.14). */
export const RudiPacket = header('PDS RUDI', 'uet:pds/2.14', {
  ...start,
  _r1: bits(1),
  m: bits(1, 'Response: the request carried a congestion mark'),
  retx,
  _r2: bits(4),
  _r3: bits(16),
  pktId: bits(32, 'Packet identifier, chosen by the initiator and returned').hex(),
});

/** UUD request (uet:pds/2.15). */
export const UudRequest = header('PDS UUD request', 'uet:pds/2.15', { ...start, _r1: bits(7), _r2: bits(16) });
