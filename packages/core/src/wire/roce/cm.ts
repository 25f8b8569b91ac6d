/**
 * Messages of the connection manager, behind the header of a management datagram (IBTA vol. 1 §12.6, §12.11).
 *
 * Private data stands behind each of them, up to the end of the datagram. Bits that only alternate paths, reliable
 * datagrams and XRC need are here too, because Linux fills some of them.
 */
import { formatAddress } from '../../base/ip-address.ts';
import { bits, byteLength, bytes, header, u64 } from '../header.ts';
import { names } from '../names.ts';
import { CmRejected, CmRejectReason, CmService, PathMtu, SidrStatus } from './cm-codes.ts';
import { MAD_BYTES, MAD_HEADER_BYTES } from './mad.ts';

export * from './cm-codes.ts';

const localCommId = bits(32, 'Number that the sender gave to the connection').hex();
const remoteCommId = bits(32, 'Number that the receiver gave to the connection').hex();
const communication = { localCommId, remoteCommId };
const localCaGuid = u64('Identifier of the channel adapter of the sender');
const localQkey = bits(32, 'Queue key, for datagrams').hex();
const localQpn = bits(24, 'Queue pair of the sender').hex();
const startingPsn = bits(24, 'First PSN that the sender will use').hex();
const responderResources = bits(8, 'READs and atomics that the sender takes at a time');
const initiatorDepth = bits(8, 'READs and atomics that the sender would have under way');
const endToEndFlowControl = bits(1, 'The sender counts credits');
const rnrRetryCount = bits(3, 'How often to try again when no receive is posted; 7 for ever');
const srq = bits(1, 'The queue pair has a shared receive queue');
const serviceId = u64('Service that is asked for');

/** Request for a connection. */
export const CmReq = header('CM REQ', 'IBTA vol. 1 §12.6.5', {
  localCommId,
  _r1: bits(32),
  serviceId,
  localCaGuid,
  _r2: bits(32),
  localQkey,
  localQpn,
  responderResources,
  localEecn: bits(24, 'Reliable datagrams: end-to-end context of the sender'),
  initiatorDepth,
  remoteEecn: bits(24, 'Reliable datagrams: end-to-end context of the receiver'),
  remoteCmResponseTimeout: bits(5, 'The receiver must answer within 4.096 µs × 2 to the power of this'),
  transportService: bits(2, 'Kind of connection', CmService),
  endToEndFlowControl,
  startingPsn,
  localCmResponseTimeout: bits(5, 'The sender will answer within 4.096 µs × 2 to the power of this'),
  retryCount: bits(3, 'How often the receiver is to repeat packets'),
  pkey: bits(16, 'Partition key').hex(),
  pathMtu: bits(4, 'Largest payload of a packet', PathMtu),
  rdcExists: bits(1, 'Reliable datagrams: there is a channel'),
  rnrRetryCount,
  maxCmRetries: bits(4, 'How often messages of the connection manager are repeated'),
  srq,
  extendedTransport: bits(3, 'Kind of connection where the other field is 3; 1 is XRC'),
  localLid: bits(16, 'LID of the sender; 0xffff for RoCE').hex(),
  remoteLid: bits(16, 'LID of the receiver; 0xffff for RoCE').hex(),
  localGid: bytes(16, 'Address of the sender', formatAddress),
  remoteGid: bytes(16, 'Address of the receiver', formatAddress),
  flowLabel: bits(20, 'Flow label').hex(),
  _r3: bits(6),
  packetRate: bits(6, 'Rate code of the path'),
  trafficClass: bits(8, 'Traffic class'),
  hopLimit: bits(8, 'Hop limit'),
  serviceLevel: bits(4, 'Service level, for RoCE the priority'),
  subnetLocal: bits(1, 'No router is on the path'),
  _r4: bits(3),
  localAckTimeout: bits(5, 'Acknowledgement time-out of the receiver: 4.096 µs × 2 to the power of this'),
  _r5: bits(3),
  alternateLocalLid: bits(16, 'Alternate path; all fields are 0 where there is none').hex(),
  alternateRemoteLid: bits(16, 'Alternate path').hex(),
  alternateLocalGid: bytes(16, 'Alternate path', formatAddress),
  alternateRemoteGid: bytes(16, 'Alternate path', formatAddress),
  alternateFlowLabel: bits(20, 'Alternate path').hex(),
  _r6: bits(6),
  alternatePacketRate: bits(6, 'Alternate path'),
  alternateTrafficClass: bits(8, 'Alternate path'),
  alternateHopLimit: bits(8, 'Alternate path'),
  alternateServiceLevel: bits(4, 'Alternate path'),
  alternateSubnetLocal: bits(1, 'Alternate path'),
  _r7: bits(3),
  alternateLocalAckTimeout: bits(5, 'Alternate path'),
  _r8: bits(3),
});

/** Answer to a request: the connection is there once this is acknowledged. */
export const CmRep = header('CM REP', 'IBTA vol. 1 §12.6.8', {
  ...communication,
  localQkey,
  localQpn,
  _r1: bits(8),
  localEecn: bits(24, 'Reliable datagrams: end-to-end context of the sender'),
  _r2: bits(8),
  startingPsn,
  _r3: bits(8),
  responderResources,
  initiatorDepth,
  targetAckDelay: bits(5, 'The sender acknowledges within 4.096 µs × 2 to the power of this'),
  failoverAccepted: bits(2, 'Alternate path; 0 accepted, 1 not supported, 2 rejected'),
  endToEndFlowControl,
  rnrRetryCount,
  srq,
  _r4: bits(4),
  localCaGuid,
});

/** Ready to use: acknowledges the answer. */
export const CmRtu = header('CM RTU', 'IBTA vol. 1 §12.6.9', communication);

/** Refuses a request or an answer, or gives up. */
export const CmRej = header('CM REJ', 'IBTA vol. 1 §12.6.7', {
  ...communication,
  rejected: bits(2, 'Which message is refused', CmRejected),
  _r1: bits(6),
  additionalInfoLength: bits(7, 'Used bytes of the additional information').unit('bytes'),
  _r2: bits(1),
  reason: bits(16, 'Why', CmRejectReason),
  additionalInfo: bytes(72, 'What would be accepted; depends on the reason'),
});

/** More time is needed for an answer. */
export const CmMra = header('CM MRA', 'IBTA vol. 1 §12.6.6', {
  ...communication,
  acknowledged: bits(2, 'Which message was received', names({ REQ: 0, REP: 1, LAP: 2 })),
  _r1: bits(6),
  serviceTimeout: bits(5, 'Time needed: 4.096 µs × 2 to the power of this'),
  _r2: bits(3),
});

/** Asks to end the connection. */
export const CmDreq = header('CM DREQ', 'IBTA vol. 1 §12.6.10', {
  ...communication,
  remoteQpn: bits(24, 'Queue pair of the receiver').hex(),
  _r1: bits(8),
});

/** The connection has ended. */
export const CmDrep = header('CM DREP', 'IBTA vol. 1 §12.6.11', communication);

/** Asks which queue pair serves datagrams for a service. */
export const CmSidrReq = header('CM SIDR_REQ', 'IBTA vol. 1 §12.11.1', {
  requestId: bits(32, 'Pairs the answer with the question').hex(),
  pkey: bits(16, 'Partition key').hex(),
  _r1: bits(16),
  serviceId,
});

/** Answers that. */
export const CmSidrRep = header('CM SIDR_REP', 'IBTA vol. 1 §12.11.2', {
  requestId: bits(32, 'Pairs the answer with the question').hex(),
  status: bits(8, 'Whether there is one', SidrStatus),
  additionalInfoLength: bits(8, 'Used bytes of the additional information').unit('bytes'),
  _r1: bits(16),
  qpn: bits(24, 'Queue pair of the service').hex(),
  _r2: bits(8),
  serviceId,
  qkey: bits(32, 'Queue key of the service').hex(),
  additionalInfo: bytes(72, 'Where to ask instead'),
});

/** First 36 bytes of the private data of a REQ or SIDR_REQ whose service belongs to IP (IBTA annex A11). */
export const IpCmPrivateData = header('IP CM private data', 'IBTA annex A11', {
  majorVersion: bits(4, 'Version of this layout: 0'),
  minorVersion: bits(4, 'Version of this layout: 0'),
  ipVersion: bits(4, 'Kind of both addresses: 4 or 6'),
  _r1: bits(4),
  sourcePort: bits(16, 'Port of the requester'),
  sourceAddress: bytes(16, 'Address of the requester; an IPv4 one is the last four bytes', formatIpCm),
  destinationAddress: bytes(16, 'Address that is asked; an IPv4 one is the last four bytes', formatIpCm),
});

/** Service of a port of an IP protocol (IBTA annex A11): 6 for connections, 17 for datagrams. */
export function ipServiceId(protocol: number, port: number): bigint {
  return (1n << 24n) | (BigInt(protocol) << 16n) | BigInt(port);
}

/** Whether a service belongs to a port of an IP protocol, so that private data begins with {@link IpCmPrivateData}. */
export function isIpServiceId(hi: number, lo: number): boolean {
  return hi === 0 && lo >>> 24 === 1;
}

/** Room for private data behind a message. */
export function cmPrivateBytes(message: Parameters<typeof byteLength>[0]): number {
  return MAD_BYTES - MAD_HEADER_BYTES - byteLength(message);
}

export const IP_CM_BYTES = byteLength(IpCmPrivateData);

function formatIpCm(address: Uint8Array): string {
  return formatAddress(address.subarray(0, 12).every((byte) => byte === 0) ? address.subarray(12) : address);
}
