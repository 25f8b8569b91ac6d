/** Test data: worked packets of uet:pds/9, each with its bytes and the value of each field that is not 0. */
import { Ipv4 } from '../ip/ipv4.ts';
import { Udp } from '../ip/udp.ts';
import { UetCrcTrailer } from './crc.ts';
import { EntropyHeader } from './entropy.ts';
import {
  Ack,
  AckCc,
  AckCcCredit,
  AckCcProbe,
  AckCcx,
  ControlPacket,
  ControlPacketSyn,
  ExpectedPsn,
  Nack,
  NackCcx,
  NegotiationSyn,
  PdsRequest,
  PdsRequestCc,
  PdsRequestSyn,
  RudiPacket,
  UudRequest,
} from './pds.ts';
import { SecurityHeader } from './security.ts';
import { RequestMedium, RequestSmall, RequestStd, Response, ResponseData } from './ses.ts';
import { type Worked, worked } from './worked.testdata.ts';

/** Packets E1 to E38 of uet:pds/9. Those that start `ip` begin with the IP header. */
// biome-ignore format: one header per line
export const WORKED_PDS: readonly Worked[] = [
  {
    id: 'E1',
    what: 'RUD_REQ, first SYN packet, IPv4 and UDP',
    starts: 'ip',
    hex: '45 02 00 5c 00 01 40 00 40 11 26 8c 0a 00 00 01 0a 00 00 02 42 42 12 b9 00 48 00 00 11 8c ff ff 1a 2b 3c 00 00 12 00 00 05 07 00 01 00 00 07 77 00 21 00 05 00 00 00 00 00 00 00 00 00 00 00 03 11 22 33 44 55 66 77 88 aa bb cc dd 00 00 00 01 00 00 00 08 55 45 54 44 41 54 41 21',
    layers: [
      worked(Ipv4, { version: 4, ihl: 5, dscp: 0, ecn: 2, totalLength: 92, identification: 1, df: 1, ttl: 64, protocol: 17, checksum: 0x268c, source: Uint8Array.of(10, 0, 0, 1), destination: Uint8Array.of(10, 0, 0, 2) }),
      worked(Udp, { sourcePort: 0x4242, destinationPort: 4793, length: 72, checksum: 0 }),
      worked(PdsRequestSyn, { type: 2, nextHeader: 3, ar: 1, syn: 1, clearPsnOffset: -1, psn: 0x1a2b3c00, spdcid: 0x12, pdcInfo: 0, psnOffset: 0 }),
      worked(RequestStd, { opcode: 5, ver: 0, dc: 0, ie: 0, rel: 0, hd: 1, eom: 1, som: 1, messageId: 1, riGeneration: 0, jobId: 0x777, pidOnFep: 0x21, resourceIndex: 5, bufferOffset: 0n, initiator: 3, memoryKey: 0x1122334455667788n, headerData: 0xaabbccdd00000001n, requestLength: 8 }),
    ],
    payload: '5545544441544121',
  },
  {
    id: 'E2',
    what: 'The same PDS/SES bytes over native IPv4 with entropy header and UET CRC',
    starts: 'ip',
    hex: '45 02 00 5c 00 01 40 00 40 fd 25 a0 0a 00 00 01 0a 00 00 02 42 42 00 00 11 8c ff ff 1a 2b 3c 00 00 12 00 00 05 07 00 01 00 00 07 77 00 21 00 05 00 00 00 00 00 00 00 00 00 00 00 03 11 22 33 44 55 66 77 88 aa bb cc dd 00 00 00 01 00 00 00 08 55 45 54 44 41 54 41 21 8b 3d af 07',
    layers: [
      worked(Ipv4, { version: 4, ihl: 5, dscp: 0, ecn: 2, totalLength: 92, identification: 1, df: 1, ttl: 64, protocol: 253, checksum: 0x25a0, source: Uint8Array.of(10, 0, 0, 1), destination: Uint8Array.of(10, 0, 0, 2) }),
      worked(EntropyHeader, { entropy: 0x4242 }),
      worked(PdsRequestSyn, { type: 2, nextHeader: 3, ar: 1, syn: 1, clearPsnOffset: -1, psn: 0x1a2b3c00, spdcid: 0x12, pdcInfo: 0, psnOffset: 0 }),
      worked(RequestStd, { opcode: 5, ver: 0, dc: 0, ie: 0, rel: 0, hd: 1, eom: 1, som: 1, messageId: 1, riGeneration: 0, jobId: 0x777, pidOnFep: 0x21, resourceIndex: 5, bufferOffset: 0n, initiator: 3, memoryKey: 0x1122334455667788n, headerData: 0xaabbccdd00000001n, requestLength: 8 }),
      worked(UetCrcTrailer, { crc: 0x8b3daf07 }),
    ],
    payload: '5545544441544121',
  },
  {
    id: 'E3',
    what: 'RUD_REQ, second packet while the TPDCID is unknown',
    starts: 'uet',
    hex: '10 84 ff fe 1a 2b 3c 01 00 12 00 01 01 03 00 08 00 00 07 77 00 21 00 05 00 00 00 00 00 00 00 40 00 01 02 03 04 05 06 07',
    layers: [
      worked(PdsRequestSyn, { type: 2, nextHeader: 1, syn: 1, clearPsnOffset: -2, psn: 0x1a2b3c01, spdcid: 0x12, pdcInfo: 0, psnOffset: 1 }),
      worked(RequestSmall, { opcode: 1, ver: 0, dc: 0, ie: 0, rel: 0, hd: 0, eom: 1, som: 1, requestLength: 8, riGeneration: 0, jobId: 0x777, pidOnFep: 0x21, resourceIndex: 5, bufferOffset: 0x40n }),
    ],
    payload: '0001020304050607',
  },
  {
    id: 'E4',
    what: 'ACK of the first packet, with SES response (teaches the TPDCID)',
    starts: 'uet',
    hex: '3a 00 00 00 1a 2b 3c 00 00 34 00 12 01 01 00 01 00 00 07 77 00 00 00 08',
    layers: [
      worked(Ack, { type: 7, nextHeader: 4, ackPsnOffset: 0, cackPsn: 0x1a2b3c00, spdcid: 0x34, dpdcid: 0x12 }),
      worked(Response, { list: 0, opcode: 1, ver: 0, returnCode: 1, messageId: 1, riGeneration: 0, jobId: 0x777, modifiedLength: 8 }),
    ],
  },
  {
    id: 'E5',
    what: 'ACK of a guaranteed-delivery response: CACK does not move, clear requested',
    starts: 'uet',
    hex: '3a 02 00 01 1a 2b 3c 00 00 34 00 12 01 01 00 02 00 00 07 77 00 00 00 08',
    layers: [
      worked(Ack, { type: 7, nextHeader: 4, req: 1, ackPsnOffset: 1, cackPsn: 0x1a2b3c00, spdcid: 0x34, dpdcid: 0x12 }),
      worked(Response, { list: 0, opcode: 1, ver: 0, returnCode: 1, messageId: 2, riGeneration: 0, jobId: 0x777, modifiedLength: 8 }),
    ],
  },
  {
    id: 'E6',
    what: 'RUD_REQ, established, retransmitted, acknowledgement wanted',
    starts: 'uet',
    hex: '11 18 ff fd 1a 2b 3c 05 00 12 00 34 05 03 00 04 00 00 07 77 00 21 00 05 00 00 00 00 00 00 00 00 00 00 00 03 11 22 33 44 55 66 77 88 64 61 74 61',
    layers: [
      worked(PdsRequest, { type: 2, nextHeader: 2, retx: 1, ar: 1, clearPsnOffset: -3, psn: 0x1a2b3c05, spdcid: 0x12, dpdcid: 0x34 }),
      worked(RequestMedium, { opcode: 5, ver: 0, dc: 0, ie: 0, rel: 0, hd: 0, eom: 1, som: 1, requestLength: 4, riGeneration: 0, jobId: 0x777, pidOnFep: 0x21, resourceIndex: 5, bufferOffset: 0n, initiator: 3, memoryKey: 0x1122334455667788n }),
    ],
    payload: '64617461',
  },
  {
    id: 'E7',
    what: 'ACK_CC (NSCC), ECN-marked request, with SACK bitmap',
    starts: 'uet',
    hex: '40 20 00 04 1a 2b 3c 04 00 34 00 12 00 08 00 01 00 00 00 00 00 00 00 0a 00 19 00 00 01 23 00 02',
    layers: [
      worked(AckCc, { type: 8, nextHeader: 0, m: 1, ackPsnOffset: 4, cackPsn: 0x1a2b3c04, spdcid: 0x34, dpdcid: 0x12, ccType: 0, ccFlags: 0, mpr: 8, sackPsnOffset: 1, sackBitmap: 0xan, serviceTime: 25, rc: 0, rcvCwndPend: 0, rcvdBytes: 291, oooCount: 2 }),
    ],
  },
  {
    id: 'E8',
    what: 'ACK_CC (CREDIT)',
    starts: 'uet',
    hex: '40 00 00 00 1a 2b 3c 08 00 34 00 12 10 08 00 00 00 00 00 00 00 00 00 00 00 04 00 00 00 00 00 00',
    layers: [
      worked(AckCcCredit, { type: 8, nextHeader: 0, ackPsnOffset: 0, cackPsn: 0x1a2b3c08, spdcid: 0x34, dpdcid: 0x12, ccType: 1, ccFlags: 0, mpr: 8, sackPsnOffset: 0, sackBitmap: 0n, credit: 1024, oooCount: 0 }),
    ],
  },
  {
    id: 'E9',
    what: 'ACK_CCX, proprietary type 14',
    starts: 'uet',
    hex: '48 00 00 00 1a 2b 3c 08 00 34 00 12 e0 08 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00',
    layers: [
      worked(AckCcx, { type: 9, nextHeader: 0, ackPsnOffset: 0, cackPsn: 0x1a2b3c08, spdcid: 0x34, dpdcid: 0x12, ccFlags: 0, ccxType: 14, mpr: 8, sackPsnOffset: 0, sackBitmap: 0n, ackCcxState: new Uint8Array(16) }),
    ],
  },
  {
    id: 'E10',
    what: 'ROD_CC_REQ',
    starts: 'uet',
    hex: '71 08 ff fa 1a 2b 3c 09 00 12 00 34 07 00 08 00 05 03 00 04 00 00 07 77 00 21 00 05 00 00 00 00 00 00 00 00 00 00 00 03 11 22 33 44 55 66 77 88 64 61 74 61',
    layers: [
      worked(PdsRequestCc, { type: 14, nextHeader: 2, ar: 1, clearPsnOffset: -6, psn: 0x1a2b3c09, spdcid: 0x12, dpdcid: 0x34, cccId: 7, creditTarget: 2048 }),
      worked(RequestMedium, { opcode: 5, ver: 0, dc: 0, ie: 0, rel: 0, hd: 0, eom: 1, som: 1, requestLength: 4, riGeneration: 0, jobId: 0x777, pidOnFep: 0x21, resourceIndex: 5, bufferOffset: 0n, initiator: 3, memoryKey: 0x1122334455667788n }),
    ],
    payload: '64617461',
  },
  {
    id: 'E11',
    what: 'RUD_CC_REQ, zero credit target',
    starts: 'uet',
    hex: '68 80 ff ff 1a 2b 3c 0a 00 12 00 34 07 00 00 00 01 03 00 08 00 00 07 77 00 21 00 05 00 00 00 00 00 00 00 40 00 01 02 03 04 05 06 07',
    layers: [
      worked(PdsRequestCc, { type: 13, nextHeader: 1, clearPsnOffset: -1, psn: 0x1a2b3c0a, spdcid: 0x12, dpdcid: 0x34, cccId: 7, creditTarget: 0 }),
      worked(RequestSmall, { opcode: 1, ver: 0, dc: 0, ie: 0, rel: 0, hd: 0, eom: 1, som: 1, requestLength: 8, riGeneration: 0, jobId: 0x777, pidOnFep: 0x21, resourceIndex: 5, bufferOffset: 0x40n }),
    ],
    payload: '0001020304050607',
  },
  {
    id: 'E12',
    what: 'NACK, ROD out of order',
    starts: 'uet',
    hex: '50 00 0d 00 1a 2b 3c 09 00 34 00 12 1a 2b 3c 07',
    layers: [
      worked(Nack, { type: 10, nextHeader: 0, nackCode: 0xd, vendorCode: 0, nackPsn: 0x1a2b3c09, spdcid: 0x34, dpdcid: 0x12, payload: 0x1a2b3c07 }),
    ],
  },
  {
    id: 'E13',
    what: 'NACK, no PDC available',
    starts: 'uet',
    hex: '50 00 04 00 1a 2b 3c 00 00 00 00 12 00 00 00 00',
    layers: [
      worked(Nack, { type: 10, nextHeader: 0, nackCode: 4, vendorCode: 0, nackPsn: 0x1a2b3c00, spdcid: 0, dpdcid: 0x12, payload: 0 }),
    ],
  },
  {
    id: 'E14',
    what: 'NACK, new Start_PSN (secure establishment)',
    starts: 'uet',
    hex: '50 00 17 00 1a 2b 3c 00 00 00 00 12 5a 00 00 00',
    layers: [
      worked(Nack, { type: 10, nextHeader: 0, nackCode: 0x17, vendorCode: 0, nackPsn: 0x1a2b3c00, spdcid: 0, dpdcid: 0x12, payload: 0x5a000000 }),
    ],
  },
  {
    id: 'E15',
    what: 'NACK, trimmed packet, request was a retransmission and carried CE',
    starts: 'uet',
    hex: '50 30 01 00 1a 2b 3c 06 00 34 00 12 1a 2b 3c 09',
    layers: [
      worked(Nack, { type: 10, nextHeader: 0, m: 1, retx: 1, nackCode: 1, vendorCode: 0, nackPsn: 0x1a2b3c06, spdcid: 0x34, dpdcid: 0x12, payload: 0x1a2b3c09 }),
    ],
  },
  {
    id: 'E16',
    what: 'NACK for RUDI (nt = 1)',
    starts: 'uet',
    hex: '50 08 07 00 00 c0 ff ee 00 00 00 00 00 00 00 00',
    layers: [
      worked(Nack, { type: 10, nextHeader: 0, nt: 1, nackCode: 7, vendorCode: 0, nackPsn: 0xc0ffee, spdcid: 0, dpdcid: 0, payload: 0 }),
    ],
  },
  {
    id: 'E17',
    what: 'NACK_CCX, receiver-inferred loss, proprietary type 14',
    starts: 'uet',
    hex: '60 20 1a 00 1a 2b 3c 06 00 34 00 12 1a 2b 3c 09 e0 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00',
    layers: [
      worked(NackCcx, { type: 12, nextHeader: 0, m: 1, nackCode: 0x1a, vendorCode: 0, nackPsn: 0x1a2b3c06, spdcid: 0x34, dpdcid: 0x12, payload: 0x1a2b3c09, nccxType: 14, nackCcxStateHi: 0, nackCcxStateLo: new Uint8Array(12) }),
    ],
  },
  {
    id: 'E18',
    what: 'CP NOOP that opens a ROD PDC',
    starts: 'uet',
    hex: '58 2c 00 00 1a 2b 3c 00 00 12 00 00 00 00 00 00',
    layers: [
      worked(ControlPacketSyn, { type: 11, ctlType: 0, isrod: 1, ar: 1, syn: 1, psn: 0x1a2b3c00, spdcid: 0x12, pdcInfo: 0, psnOffset: 0, payload: 0 }),
    ],
  },
  {
    id: 'E19',
    what: 'CP ACK Request for Start+6, message_id 3',
    starts: 'uet',
    hex: '58 88 00 00 1a 2b 3c 06 00 12 00 34 00 00 00 03',
    layers: [
      worked(ControlPacket, { type: 11, ctlType: 1, ar: 1, psn: 0x1a2b3c06, spdcid: 0x12, dpdcid: 0x34, payload: 3 }),
    ],
  },
  {
    id: 'E20',
    what: 'CP Clear Command',
    starts: 'uet',
    hex: '59 00 00 00 00 00 00 00 00 12 00 34 1a 2b 3c 06',
    layers: [
      worked(ControlPacket, { type: 11, ctlType: 2, psn: 0, spdcid: 0x12, dpdcid: 0x34, payload: 0x1a2b3c06 }),
    ],
  },
  {
    id: 'E21',
    what: 'CP Clear Request (target to initiator)',
    starts: 'uet',
    hex: '59 80 00 00 00 00 00 00 00 34 00 12 1a 2b 3c 06',
    layers: [
      worked(ControlPacket, { type: 11, ctlType: 3, psn: 0, spdcid: 0x34, dpdcid: 0x12, payload: 0x1a2b3c06 }),
    ],
  },
  {
    id: 'E22',
    what: 'CP Close Command',
    starts: 'uet',
    hex: '5a 08 00 00 1a 2b 3c 0b 00 12 00 34 00 00 00 00',
    layers: [
      worked(ControlPacket, { type: 11, ctlType: 4, ar: 1, psn: 0x1a2b3c0b, spdcid: 0x12, dpdcid: 0x34, payload: 0 }),
    ],
  },
  {
    id: 'E23',
    what: 'ACK of the Close Command',
    starts: 'uet',
    hex: '38 00 00 00 1a 2b 3c 0b 00 34 00 12',
    layers: [
      worked(Ack, { type: 7, nextHeader: 0, ackPsnOffset: 0, cackPsn: 0x1a2b3c0b, spdcid: 0x34, dpdcid: 0x12 }),
    ],
  },
  {
    id: 'E24',
    what: 'The same ACK in the reference-provider form with Expected_PSN (secure close)',
    starts: 'uet',
    hex: '38 40 00 00 1a 2b 3c 0b 00 34 00 12 1a 2b 3c 01',
    layers: [
      worked(Ack, { type: 7, nextHeader: 0, ackPsnOffset: 0, cackPsn: 0x1a2b3c0b, spdcid: 0x34, dpdcid: 0x12 }),
      worked(ExpectedPsn, { expectedPsn: 0x1a2b3c01 }),
    ],
    reservedBits: true,
  },
  {
    id: 'E25',
    what: 'CP Close Request (target to initiator, return-direction PSN)',
    starts: 'uet',
    hex: '5a 88 00 00 1a 2b 3c 01 00 34 00 12 00 00 00 00',
    layers: [
      worked(ControlPacket, { type: 11, ctlType: 5, ar: 1, psn: 0x1a2b3c01, spdcid: 0x34, dpdcid: 0x12, payload: 0 }),
    ],
  },
  {
    id: 'E26',
    what: 'CP Probe',
    starts: 'uet',
    hex: '5b 08 be ef 00 00 00 00 00 12 00 34 1a 2b 3c 05',
    layers: [
      worked(ControlPacket, { type: 11, ctlType: 6, ar: 1, probeOpaque: 0xbeef, psn: 0, spdcid: 0x12, dpdcid: 0x34, payload: 0x1a2b3c05 }),
    ],
  },
  {
    id: 'E27',
    what: 'ACK_CC answering the Probe (p = 1)',
    starts: 'uet',
    hex: '40 08 be ef 1a 2b 3c 04 00 34 00 12 00 08 00 01 00 00 00 00 00 00 00 0a 00 05 00 00 01 23 00 02',
    layers: [
      worked(AckCcProbe, { type: 8, nextHeader: 0, p: 1, probeOpaque: 0xbeef, cackPsn: 0x1a2b3c04, spdcid: 0x34, dpdcid: 0x12, ccType: 0, ccFlags: 0, mpr: 8, sackPsnOffset: 1, sackBitmap: 0xan, serviceTime: 5, rc: 0, rcvCwndPend: 0, rcvdBytes: 291, oooCount: 2 }),
    ],
  },
  {
    id: 'E28',
    what: 'CP Credit',
    starts: 'uet',
    hex: '5b 80 00 00 00 00 00 00 00 34 00 12 00 00 04 00',
    layers: [
      worked(ControlPacket, { type: 11, ctlType: 7, psn: 0, spdcid: 0x34, dpdcid: 0x12, payload: 0x400 }),
    ],
  },
  {
    id: 'E29',
    what: 'CP Credit Request',
    starts: 'uet',
    hex: '5c 00 00 00 00 00 00 00 00 12 00 34 00 00 08 00',
    layers: [
      worked(ControlPacket, { type: 11, ctlType: 8, psn: 0, spdcid: 0x12, dpdcid: 0x34, payload: 0x800 }),
    ],
  },
  {
    id: 'E30',
    what: 'CP Negotiation (1.0.3 TLV form) opening a RUD PDC',
    starts: 'uet',
    hex: '5c 8c 00 00 1a 2b 3c 00 00 12 00 00 01 02 00 00 00 00 00 01',
    layers: [
      worked(NegotiationSyn, { type: 11, ctlType: 9, ar: 1, syn: 1, psn: 0x1a2b3c00, spdcid: 0x12, pdcInfo: 0, psnOffset: 0, negType: 1, negLength: 2, featureMask: 1 }),
    ],
  },
  {
    id: 'E31',
    what: 'RUDI_REQ, WRITE of 8 bytes, small SES header',
    starts: 'uet',
    hex: '20 80 00 00 00 c0 ff ee 01 03 00 08 00 00 07 77 00 21 00 05 00 00 00 00 00 00 00 40 00 01 02 03 04 05 06 07',
    layers: [
      worked(RudiPacket, { type: 4, nextHeader: 1, pktId: 0xc0ffee }),
      worked(RequestSmall, { opcode: 1, ver: 0, dc: 0, ie: 0, rel: 0, hd: 0, eom: 1, som: 1, requestLength: 8, riGeneration: 0, jobId: 0x777, pidOnFep: 0x21, resourceIndex: 5, bufferOffset: 0x40n }),
    ],
    payload: '0001020304050607',
  },
  {
    id: 'E32',
    what: 'RUDI_RESP, the request carried CE',
    starts: 'uet',
    hex: '2a 20 00 00 00 c0 ff ee 01 01 00 00 00 00 07 77 00 00 00 08',
    layers: [
      worked(RudiPacket, { type: 5, nextHeader: 4, m: 1, pktId: 0xc0ffee }),
      worked(Response, { list: 0, opcode: 1, ver: 0, returnCode: 1, messageId: 0, riGeneration: 0, jobId: 0x777, modifiedLength: 8 }),
    ],
  },
  {
    id: 'E33',
    what: 'UUD_REQ, DATAGRAM_SEND of 4 bytes',
    starts: 'uet',
    hex: '31 80 00 00 07 07 00 00 00 00 07 77 00 21 00 05 00 00 00 00 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 04 70 69 6e 67',
    layers: [
      worked(UudRequest, { type: 6, nextHeader: 3 }),
      worked(RequestStd, { opcode: 7, ver: 0, dc: 0, ie: 0, rel: 0, hd: 1, eom: 1, som: 1, messageId: 0, riGeneration: 0, jobId: 0x777, pidOnFep: 0x21, resourceIndex: 5, bufferOffset: 0n, initiator: 3, memoryKey: 0n, headerData: 0n, requestLength: 4 }),
    ],
    payload: '70696e67',
  },
  {
    id: 'E34',
    what: 'Return-direction RUD_REQ carrying read response data',
    starts: 'uet',
    hex: '12 88 ff ff 1a 2b 3c 00 00 34 00 12 02 01 00 09 00 00 07 77 00 01 00 10 00 00 00 10 00 00 00 00 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f',
    layers: [
      worked(PdsRequest, { type: 2, nextHeader: 5, ar: 1, clearPsnOffset: -1, psn: 0x1a2b3c00, spdcid: 0x34, dpdcid: 0x12 }),
      worked(ResponseData, { list: 0, opcode: 2, ver: 0, returnCode: 1, responseMessageId: 9, jobId: 0x777, readRequestMessageId: 1, payloadLength: 16, modifiedLength: 16, messageOffset: 0 }),
    ],
    payload: '000102030405060708090a0b0c0d0e0f',
  },
  {
    id: 'E35',
    what: 'ACK for a duplicate, default response',
    starts: 'uet',
    hex: '3a 10 ff fc 1a 2b 3c 04 00 34 00 12 00 00 00 01 00 00 00 00 00 00 00 00',
    layers: [
      worked(Ack, { type: 7, nextHeader: 4, retx: 1, ackPsnOffset: -4, cackPsn: 0x1a2b3c04, spdcid: 0x34, dpdcid: 0x12 }),
      worked(Response, { list: 0, opcode: 0, ver: 0, returnCode: 0, messageId: 1, riGeneration: 0, jobId: 0, modifiedLength: 0 }),
    ],
  },
  {
    id: 'E36',
    what: 'TSS header in front of a PDS header',
    starts: 'uet',
    hex: '09 00 ab cd 00 02 00 00 00 00 00 11 11 8c ff ff 1a 2b 3c 00 00 12 00 00',
    layers: [
      worked(SecurityHeader, { type: 1, sp: 0, an: 1, sdi: 0xabcd, epoch: 2, counterHi: 0, counterLo: 17 }),
      worked(PdsRequestSyn, { type: 2, nextHeader: 3, ar: 1, syn: 1, clearPsnOffset: -1, psn: 0x1a2b3c00, spdcid: 0x12, pdcInfo: 0, psnOffset: 0 }),
    ],
  },
  {
    id: 'E37',
    what: 'E1 after trimming to 24 bytes behind the IP header',
    starts: 'ip',
    hex: '45 2a 00 2c 00 01 40 00 40 11 26 94 0a 00 00 01 0a 00 00 02 42 42 12 b9 00 48 00 00 11 8c ff ff 1a 2b 3c 00 00 12 00 00 05 07 00 01',
    layers: [
      worked(Ipv4, { version: 4, ihl: 5, dscp: 10, ecn: 2, totalLength: 44, identification: 1, df: 1, ttl: 64, protocol: 17, checksum: 0x2694, source: Uint8Array.of(10, 0, 0, 1), destination: Uint8Array.of(10, 0, 0, 2) }),
      worked(Udp, { sourcePort: 0x4242, destinationPort: 4793, length: 72, checksum: 0 }),
      worked(PdsRequestSyn, { type: 2, nextHeader: 3, ar: 1, syn: 1, clearPsnOffset: -1, psn: 0x1a2b3c00, spdcid: 0x12, pdcInfo: 0, psnOffset: 0 }),
    ],
    payload: '05070001',
  },
  {
    id: 'E38',
    what: 'ROD_REQ, established',
    starts: 'uet',
    hex: '19 88 ff ff 1a 2b 3c 0b 00 12 00 34 05 07 00 04 00 00 07 77 00 21 00 05 00 00 00 00 00 00 00 00 00 00 00 03 11 22 33 44 55 66 77 88 00 00 00 00 00 00 00 00 00 00 00 04 6c 61 73 74',
    layers: [
      worked(PdsRequest, { type: 3, nextHeader: 3, ar: 1, clearPsnOffset: -1, psn: 0x1a2b3c0b, spdcid: 0x12, dpdcid: 0x34 }),
      worked(RequestStd, { opcode: 5, ver: 0, dc: 0, ie: 0, rel: 0, hd: 1, eom: 1, som: 1, messageId: 4, riGeneration: 0, jobId: 0x777, pidOnFep: 0x21, resourceIndex: 5, bufferOffset: 0n, initiator: 3, memoryKey: 0x1122334455667788n, headerData: 0n, requestLength: 4 }),
    ],
    payload: '6c617374',
  },
];
