/** Test data: header vectors of another implementation (uet:pds/2.17). */
import { Ack, AckCc, ControlPacketSyn, Nack, PdsRequest, UudRequest } from './pds.ts';
import { type Worked, worked } from './worked.testdata.ts';

// biome-ignore format: one header per line
export const THIRD_PARTY: readonly Worked[] = [
  {
    id: 'N1',
    what: 'RUD_REQ with standard SES header announced',
    starts: 'uet',
    hex: '11 98 12 34 01 02 03 04 11 22 33 44',
    layers: [worked(PdsRequest, { type: 2, nextHeader: 3, retx: 1, ar: 1, clearPsnOffset: 0x1234, psn: 0x01020304, spdcid: 0x1122, dpdcid: 0x3344 })],
  },
  {
    id: 'N2',
    what: 'ACK without SES header',
    starts: 'uet',
    hex: '38 00 00 02 10 20 30 40 01 02 03 04',
    layers: [worked(Ack, { type: 7, ackPsnOffset: 2, cackPsn: 0x10203040, spdcid: 0x0102, dpdcid: 0x0304 })],
  },
  {
    id: 'N3',
    what: 'ACK_CC',
    starts: 'uet',
    hex: '40 20 ff fe 10 20 30 40 01 02 03 04 00 80 ff f0 80 00 00 00 00 00 00 01 12 34 92 34 56 78 9a bc',
    layers: [worked(AckCc, { type: 8, m: 1, ackPsnOffset: -2, cackPsn: 0x10203040, spdcid: 0x0102, dpdcid: 0x0304, mpr: 128, sackPsnOffset: -16, sackBitmap: 2n ** 63n + 1n, serviceTime: 0x1234, rc: 1, rcvCwndPend: 18, rcvdBytes: 0x345678, oooCount: 0x9abc })],
  },
  {
    id: 'N4',
    what: 'NACK, ROD out of order',
    starts: 'uet',
    hex: '50 00 0d 00 01 02 03 04 11 22 33 44 05 06 07 08',
    layers: [worked(Nack, { type: 10, nackCode: 0x0d, nackPsn: 0x01020304, spdcid: 0x1122, dpdcid: 0x3344, payload: 0x05060708 })],
  },
  {
    id: 'N5',
    what: 'UUD with medium SES header announced',
    starts: 'uet',
    hex: '31 00 00 00',
    layers: [worked(UudRequest, { type: 6, nextHeader: 2 })],
  },
  {
    id: 'N6',
    what: 'Negotiation; the vector has no payload, four zero bytes complete it',
    starts: 'uet',
    hex: '5c ac 12 34 01 02 03 04 11 22 33 44 00 00 00 00',
    layers: [worked(ControlPacketSyn, { type: 11, ctlType: 9, isrod: 1, ar: 1, syn: 1, probeOpaque: 0x1234, psn: 0x01020304, spdcid: 0x1122, pdcInfo: 3, psnOffset: 0x344 })],
  },
];
