/** Each header in both directions. The bytes are from packets of Linux Soft-RoCE, read there by another dissector too. */
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../base/ip-address.ts';
import { type AnyHeader, byteLength, describe as describeHeader } from '../header.ts';
import { nameOf } from '../names.ts';
import { emit, extract, type HeaderValues } from '../record.ts';
import { fromHex, toHex, type WorkedLayer, worked } from '../uet/worked.testdata.ts';
import { BTH_BYTES, Bth, DEFAULT_PKEY, ROCE_UDP_PORT } from './bth.ts';
import * as cm from './cm.ts';
import * as extended from './extended.ts';
import { IcrcTrailer } from './icrc.ts';
import { CmAttribute, CmMad, GSI_QKEY, MAD_BYTES, MAD_HEADER_BYTES, Mad, MadClass, MadMethod } from './mad.ts';
import { RoceOpcode } from './opcodes.ts';
import { AETH_CREDITS, AethKind, NO_CREDITS_CODE, RNR_TIMER_10US, RnrTimer, RoceNak, syndromeOf } from './syndrome.ts';

const UC = { opcode: RoceOpcode.UC_SEND_ONLY, migrated: 1, padCount: 2, pkey: 0xffff };
const GUID = 0x5054_00ff_fe77_0002n;
const ZEROS = new Uint8Array(72);
const GIDS = { localGid: parseAddress('192.168.77.2')!, remoteGid: parseAddress('192.168.77.3')! };
const IP_CM = (last: number) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 168, 77, last);

/** [bytes, header and values] */
const WORKED: readonly (readonly [hex: string, layer: WorkedLayer])[] = [
  [
    '0c 00 ff ff 00 00 00 2a 80 e3 16 2a',
    worked(Bth, { opcode: RoceOpcode.RC_READ_REQUEST, pkey: DEFAULT_PKEY, destQp: 42, ackReq: 1, psn: 0xe3162a }),
  ],
  [
    '02 30 ff ff 00 00 00 11 80 4e 1c 27',
    worked(Bth, { opcode: RoceOpcode.RC_SEND_LAST, padCount: 3, pkey: 0xffff, destQp: 17, ackReq: 1, psn: 0x4e1c27 }),
  ],
  [
    '81 80 12 34 40 00 01 18 00 00 00 00',
    worked(Bth, { opcode: RoceOpcode.CNP, solicited: 1, pkey: 0x1234, becn: 1, destQp: 0x118 }),
  ],
  ['24 6f ff ff 80 ab cd ef 00 00 00 01', worked(Bth, { ...UC, version: 15, fecn: 1, destQp: 0xabcdef, psn: 1 })],
  ['01 23 45 67 00 00 00 4b', worked(extended.Deth, { qkey: 0x0123_4567, sourceQp: 75 })],
  [
    '00 00 55 56 21 bf b0 00 00 00 0c 9b 00 00 0b b9',
    worked(extended.Reth, { virtualAddress: 0x5556_21bf_b000n, rkey: 3227, dmaLength: 3001 }),
  ],
  [
    '00 00 55 a8 94 8e 10 00 00 00 18 fa 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 00',
    worked(extended.AtomicEth, { virtualAddress: 0x55a8_948e_1000n, rkey: 6394, swapAdd: 1n }),
  ],
  [
    '00 00 00 00 00 00 00 10 00 00 00 07 01 02 03 04 05 06 07 08 11 12 13 14 15 16 17 18',
    worked(extended.AtomicEth, {
      virtualAddress: 16n,
      rkey: 7,
      swapAdd: 0x0102_0304_0506_0708n,
      compare: 0x1112_1314_1516_1718n,
    }),
  ],
  ['1f 00 00 01', worked(extended.Aeth, { kind: AethKind.ACK, value: NO_CREDITS_CODE, msn: 1 })],
  ['1f 00 00 01', worked(extended.AethAck, { creditCode: NO_CREDITS_CODE, msn: 1 })],
  ['2c 00 00 04', worked(extended.AethRnr, { kind: AethKind.RNR_NAK, timer: 12, msn: 4 })],
  ['60 00 00 03', worked(extended.AethNak, { kind: AethKind.NAK, reason: RoceNak.PSN_SEQUENCE_ERROR, msn: 3 })],
  ['b4 e6 b3 aa 93 a0 75 6b', worked(extended.AtomicAckEth, { original: 0xb4e6_b3aa_93a0_756bn })],
  ['00 00 00 4b', worked(extended.ImmDt, { immediate: 75 })],
  ['00 00 20 f4', worked(extended.Ieth, { rkey: 8436 })],
  ['00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00', worked(extended.CnpPadding, {})],
  ['78 f3 53 f3', worked(IcrcTrailer, { icrc: 0x78f353f3 })],
  [
    '01 07 02 03 00 00 00 00 00 00 00 02 ef 1d a5 73 00 10 00 00 00 00 00 00',
    worked(CmMad, {
      baseVersion: 1,
      managementClass: MadClass.COMMUNICATION,
      classVersion: 2,
      method: MadMethod.SEND,
      transactionId: 0x2_ef1d_a573n,
      attributeId: CmAttribute.REQ,
    }),
  ],
  [
    `73 a5 1d ef 00 00 00 00 00 00 00 00 01 06 1c 06 50 54 00 ff fe 77 00 02 00 00 00 00 00 00 00 00
     00 00 47 01 00 00 00 01 00 00 00 a0 48 27 dc a7 ff ff 37 f0 ff ff ff ff
     00 00 00 00 00 00 00 00 00 00 ff ff c0 a8 4d 02 00 00 00 00 00 00 00 00 00 00 ff ff c0 a8 4d 03
     53 77 80 00 00 40 00 98 ${'00 '.repeat(44)}`,
    worked(cm.CmReq, {
      localCommId: 0x73a5_1def,
      serviceId: cm.ipServiceId(6, 7174),
      localCaGuid: GUID,
      localQpn: 0x47,
      responderResources: 1,
      initiatorDepth: 1,
      remoteCmResponseTimeout: 20,
      startingPsn: 0x4827dc,
      localCmResponseTimeout: 20,
      retryCount: 7,
      pkey: 0xffff,
      pathMtu: cm.PathMtu.MTU_1024,
      rnrRetryCount: 7,
      maxCmRetries: 15,
      localLid: 0xffff,
      remoteLid: 0xffff,
      ...GIDS,
      flowLabel: 0x53778,
      hopLimit: 64,
      localAckTimeout: 19,
      alternateLocalGid: ZEROS.subarray(0, 16),
      alternateRemoteGid: ZEROS.subarray(0, 16),
    }),
  ],
  [
    'b7 85 17 ba 73 a5 1d ef 00 00 00 00 00 00 46 00 00 00 00 00 f1 87 91 00 01 01 78 e0 50 54 00 ff fe 77 00 03',
    worked(cm.CmRep, {
      localCommId: 0xb785_17ba,
      remoteCommId: 0x73a5_1def,
      localQpn: 0x46,
      startingPsn: 0xf18791,
      responderResources: 1,
      initiatorDepth: 1,
      targetAckDelay: 15,
      rnrRetryCount: 7,
      localCaGuid: GUID + 1n,
    }),
  ],
  ['73 a5 1d ef b7 85 17 ba', worked(cm.CmRtu, { localCommId: 0x73a5_1def, remoteCommId: 0xb785_17ba })],
  [
    '73 a5 1d ef b7 85 17 ba 00 00 46 00',
    worked(cm.CmDreq, { localCommId: 0x73a5_1def, remoteCommId: 0xb785_17ba, remoteQpn: 0x46 }),
  ],
  ['b7 85 17 ba 73 a5 1d ef', worked(cm.CmDrep, { localCommId: 0xb785_17ba, remoteCommId: 0x73a5_1def })],
  [
    `00 00 00 00 7b a5 1d ef 00 00 00 08 ${'00 '.repeat(72)}`,
    worked(cm.CmRej, {
      remoteCommId: 0x7ba5_1def,
      rejected: cm.CmRejected.REQ,
      reason: cm.CmRejectReason.INVALID_SERVICE_ID,
      additionalInfo: ZEROS,
    }),
  ],
  [
    '00 00 00 01 00 00 00 02 40 a0',
    worked(cm.CmMra, { localCommId: 1, remoteCommId: 2, acknowledged: 1, serviceTimeout: 20 }),
  ],
  [
    '77 a5 1d ef ff ff 00 00 00 00 00 00 01 11 1c 06',
    worked(cm.CmSidrReq, { requestId: 0x77a5_1def, pkey: 0xffff, serviceId: cm.ipServiceId(17, 7174) }),
  ],
  [
    `77 a5 1d ef 00 00 00 00 00 00 4a 00 00 00 00 00 01 11 1c 06 01 23 45 67 ${'00 '.repeat(72)}`,
    worked(cm.CmSidrRep, {
      requestId: 0x77a5_1def,
      qpn: 74,
      serviceId: cm.ipServiceId(17, 7174),
      qkey: 0x0123_4567,
      additionalInfo: ZEROS,
    }),
  ],
  [
    `00 40 ae 4e ${'00 '.repeat(12)} c0 a8 4d 02 ${'00 '.repeat(12)} c0 a8 4d 03`,
    worked(cm.IpCmPrivateData, {
      ipVersion: 4,
      sourcePort: 44622,
      sourceAddress: IP_CM(2),
      destinationAddress: IP_CM(3),
    }),
  ],
];

describe.each(WORKED.map(([hex, { header, values }]) => ({ name: describeHeader(header).name, hex, header, values })))(
  '$name (IBTA vol. 1 §9.2, §9.3, §12.6, §13.4)',
  ({ hex, header, values }) => {
    const bytes = fromHex(hex.replaceAll(/\s/g, ''));

    it('bytes to fields', () => {
      const zero = extract(header, viewOf(new Uint8Array(byteLength(header))), 0);
      const read: HeaderValues<AnyHeader> = extract(header, viewOf(bytes), 0);
      expect(read).toEqual({ ...zero, ...values });
    });

    it('fields to bytes, over garbage', () => {
      const made = new Uint8Array(bytes.length).fill(0xa5);
      expect(emit(header, viewOf(made), 0, values)).toBe(bytes.length);
      expect(toHex(made)).toBe(toHex(bytes));
    });
  },
);

it('every header of the folder is worked', () => {
  const all: unknown[] = [Bth, IcrcTrailer, CmMad, ...Object.values(extended), ...Object.values(cm)];
  const seen = new Set(WORKED.map(([, { header }]) => header));
  expect(
    all
      .filter(isHeader)
      .filter((one) => !seen.has(one))
      .map((one) => describeHeader(one).name),
  ).toEqual([]);
  // CmMad with other names
  expect(describeHeader(Mad).fields.map(({ bit }) => bit)).toEqual(describeHeader(CmMad).fields.map(({ bit }) => bit));
});

describe('lengths and numbers', () => {
  it('of the base header and the port (IBTA vol. 1 §9.2, annex A17)', () => {
    expect([BTH_BYTES, ROCE_UDP_PORT, GSI_QKEY]).toEqual([12, 4791, 0x8001_0000]);
  });

  it('of management datagrams: each message fills one with its private data (IBTA vol. 1 §12.6, §13.4)', () => {
    expect([MAD_HEADER_BYTES, MAD_BYTES]).toEqual([24, 256]);
    const room = [cm.CmReq, cm.CmMra, cm.CmRej, cm.CmRep, cm.CmRtu, cm.CmDreq, cm.CmDrep, cm.CmSidrReq, cm.CmSidrRep];
    expect(room.map(cm.cmPrivateBytes)).toEqual([92, 222, 148, 196, 224, 220, 224, 216, 136]);
    expect(cm.IP_CM_BYTES).toBe(36);
  });

  it('of services that belong to IP (IBTA annex A11)', () => {
    expect(cm.ipServiceId(6, 18_515)).toBe(0x0106_4853n);
    expect(cm.isIpServiceId(0, 0x0106_4853)).toBe(true);
    expect(cm.isIpServiceId(1, 0x0106_4853)).toBe(false);
    expect(cm.isIpServiceId(0, 0x0206_4853)).toBe(false);
  });
});

describe('the AETH syndrome (IBTA vol. 1 §9.7.5)', () => {
  it('is put together from kind and value', () => {
    expect(syndromeOf(AethKind.ACK, NO_CREDITS_CODE)).toBe(0x1f);
    expect(syndromeOf(AethKind.RNR_NAK, 12)).toBe(0x2c);
    expect(syndromeOf(AethKind.NAK, RoceNak.REMOTE_OPERATIONAL_ERROR)).toBe(0x63);
  });

  it('has a timer for each of the 32 codes, the longest first, then rising', () => {
    expect(RNR_TIMER_10US.length).toBe(32);
    expect([0, 1, 7, 12, 31].map((code) => RNR_TIMER_10US[code])).toEqual([65_536, 1, 12, 64, 49_152]);
    expect([0, 1, 12, 31].map((code) => nameOf(RnrTimer, code))).toEqual([
      '655.36 ms',
      '0.01 ms',
      '0.64 ms',
      '491.52 ms',
    ]);
    for (let code = 2; code < 32; code++) expect(RNR_TIMER_10US[code]!).toBeGreaterThan(RNR_TIMER_10US[code - 1]!);
  });

  it('has a number of receives for each credit code but the one that counts none', () => {
    expect(AETH_CREDITS.length).toBe(NO_CREDITS_CODE);
    expect([0, 1, 5, 16, 30].map((code) => AETH_CREDITS[code])).toEqual([0, 1, 6, 256, 32_768]);
    for (let code = 1; code < AETH_CREDITS.length; code++)
      expect(AETH_CREDITS[code]!).toBeGreaterThan(AETH_CREDITS[code - 1]!);
  });
});

function isHeader(value: unknown): value is AnyHeader {
  try {
    return describeHeader(value as AnyHeader) !== undefined;
  } catch {
    return false;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
