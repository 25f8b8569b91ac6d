/** The messages of the connection manager as values, and their bytes. @spec IBTA vol. 1 §12.6 · annex A11 */
import { formatAddress } from '../base/ip-address.ts';
import {
  CmDrep,
  CmDreq,
  CmMra,
  CmRej,
  CmRep,
  CmReq,
  CmRtu,
  cmPrivateBytes,
  IP_CM_BYTES,
  IpCmPrivateData,
} from '../wire/roce/cm.ts';
import {
  CM_CLASS_VERSION,
  CmAttribute,
  CmMad,
  MAD_BASE_VERSION,
  MAD_BYTES,
  MAD_HEADER_BYTES,
  MadClass,
  MadMethod,
} from '../wire/roce/mad.ts';

/** What all messages say. */
interface Common {
  readonly transactionId: bigint;
  /** Number that the sender gave to the connection; 0 where it gave none. */
  readonly localCommId: number;
  /** Number that the receiver gave to the connection; 0 where it is not known. */
  readonly remoteCommId: number;
  /** To the end of the message; shorter ones are sent with zeros behind. */
  readonly privateData: Uint8Array;
}

/** A request for a connection. `remoteCommId` is 0. */
export interface ReqMessage extends Common {
  readonly kind: 'REQ';
  readonly serviceId: bigint;
  readonly localCaGuid: bigint;
  readonly localQpn: number;
  readonly responderResources: number;
  readonly initiatorDepth: number;
  readonly remoteCmResponseTimeout: number;
  readonly transportService: number;
  readonly startingPsn: number;
  readonly localCmResponseTimeout: number;
  readonly retryCount: number;
  readonly pkey: number;
  /** Code 1 to 5. */
  readonly pathMtu: number;
  readonly rnrRetryCount: number;
  readonly maxCmRetries: number;
  readonly srq: boolean;
  /** 16 bytes. */
  readonly localGid: Uint8Array;
  readonly remoteGid: Uint8Array;
  readonly trafficClass: number;
  readonly localAckTimeout: number;
}

export interface RepMessage extends Common {
  readonly kind: 'REP';
  readonly localQpn: number;
  readonly startingPsn: number;
  readonly responderResources: number;
  readonly initiatorDepth: number;
  readonly targetAckDelay: number;
  readonly rnrRetryCount: number;
  readonly srq: boolean;
  readonly localCaGuid: bigint;
}

export interface RejMessage extends Common {
  readonly kind: 'REJ';
  /** Which message is refused: 0 REQ, 1 REP, 2 another. */
  readonly rejected: number;
  readonly reason: number;
  /** What would be accepted, up to 72 bytes. */
  readonly additionalInfo: Uint8Array;
}

export interface MraMessage extends Common {
  readonly kind: 'MRA';
  readonly acknowledged: number;
  readonly serviceTimeout: number;
}

export interface DreqMessage extends Common {
  readonly kind: 'DREQ';
  readonly remoteQpn: number;
}

export interface RtuMessage extends Common {
  readonly kind: 'RTU';
}

export interface DrepMessage extends Common {
  readonly kind: 'DREP';
}

export type CmMessage = ReqMessage | RepMessage | RtuMessage | RejMessage | MraMessage | DreqMessage | DrepMessage;
export type CmKind = CmMessage['kind'];

/** Why bytes are no message that is understood. */
export type MessageFault = 'notAMad' | 'otherClass' | 'unknownMessage';

/** Reads a management datagram. What it names may make no sense; private data is copied. */
export function parseMessage(view: DataView, at: number, length: number): CmMessage | MessageFault {
  if (length !== MAD_BYTES || CmMad.baseVersion.get(view, at) !== MAD_BASE_VERSION) return 'notAMad';
  if (
    CmMad.managementClass.get(view, at) !== MadClass.COMMUNICATION ||
    CmMad.classVersion.get(view, at) !== CM_CLASS_VERSION ||
    CmMad.method.get(view, at) !== MadMethod.SEND
  ) {
    return 'otherClass';
  }
  const kind = KINDS.get(CmMad.attributeId.get(view, at));
  if (kind === undefined) return 'unknownMessage';
  const body = at + MAD_HEADER_BYTES;
  const header = HEADERS[kind];
  const privateBytes = cmPrivateBytes(header);
  const rest = view.byteOffset + at + MAD_BYTES - privateBytes;
  const common: Common = {
    transactionId: CmMad.transactionId.big(view, at),
    localCommId: header.localCommId.get(view, body),
    remoteCommId: 'remoteCommId' in header ? header.remoteCommId.get(view, body) : 0,
    privateData: new Uint8Array(view.buffer, rest, privateBytes).slice(),
  };
  return { ...common, ...READERS[kind](view, body) } as CmMessage;
}

/** Writes a message as a management datagram: 256 bytes from `at`, all of them. */
export function emitMessage(message: CmMessage, view: DataView, at: number): void {
  new Uint8Array(view.buffer, view.byteOffset + at, MAD_BYTES).fill(0);
  CmMad.baseVersion.set(view, at, MAD_BASE_VERSION);
  CmMad.managementClass.set(view, at, MadClass.COMMUNICATION);
  CmMad.classVersion.set(view, at, CM_CLASS_VERSION);
  CmMad.method.set(view, at, MadMethod.SEND);
  CmMad.transactionId.setBig(view, at, message.transactionId);
  CmMad.attributeId.set(view, at, CmAttribute[message.kind]);
  const body = at + MAD_HEADER_BYTES;
  const header = HEADERS[message.kind];
  header.localCommId.set(view, body, message.localCommId);
  if ('remoteCommId' in header) header.remoteCommId.set(view, body, message.remoteCommId);
  const { privateData } = message;
  const room = cmPrivateBytes(header);
  const rest = at + MAD_BYTES - room;
  for (let i = 0; i < privateData.length && i < room; i++) view.setUint8(rest + i, privateData[i]!);
  writeOwn(message, view, body);
}

/** What the private data of a REQ for an IP service says first. */
export interface IpRequest {
  readonly sourcePort: number;
  /** As text. */
  readonly sourceAddress: string;
  readonly destinationAddress: string;
  /** What the program sent: 56 bytes. */
  readonly privateData: Uint8Array;
}

/** @returns undefined when the layout is not the one that is known */
export function parseIpRequest(privateData: Uint8Array): IpRequest | undefined {
  const view = new DataView(privateData.buffer, privateData.byteOffset, privateData.byteLength);
  const version = IpCmPrivateData.ipVersion.get(view, 0);
  if (IpCmPrivateData.majorVersion.get(view, 0) !== 0 || (version !== 4 && version !== 6)) return undefined;
  const text = (bytes: Uint8Array) => formatAddress(version === 4 ? bytes.subarray(12) : bytes);
  return {
    sourcePort: IpCmPrivateData.sourcePort.get(view, 0),
    sourceAddress: text(IpCmPrivateData.sourceAddress.get(view, 0)),
    destinationAddress: text(IpCmPrivateData.destinationAddress.get(view, 0)),
    privateData: privateData.slice(IP_CM_BYTES),
  };
}

/** Private data of a REQ for an IP service. @param source - 16 bytes, IPv4 mapped, like `destination` */
export function ipRequestData(
  sourcePort: number,
  source: Uint8Array,
  destination: Uint8Array,
  isIpv4: boolean,
  privateData: Uint8Array,
): Uint8Array {
  const made = new Uint8Array(cmPrivateBytes(CmReq));
  const view = new DataView(made.buffer);
  // an IPv4 address stands at the end, behind zeros
  const plain = (address: Uint8Array) => (isIpv4 ? address.map((byte, i) => (i < 12 ? 0 : byte)) : address);
  IpCmPrivateData.ipVersion.set(view, 0, isIpv4 ? 4 : 6);
  IpCmPrivateData.sourcePort.set(view, 0, sourcePort);
  IpCmPrivateData.sourceAddress.set(view, 0, plain(source));
  IpCmPrivateData.destinationAddress.set(view, 0, plain(destination));
  made.set(privateData, IP_CM_BYTES);
  return made;
}

/** Bytes that a program may say with each message. */
export const PRIVATE_BYTES: Readonly<Record<CmKind, number>> = {
  REQ: cmPrivateBytes(CmReq) - IP_CM_BYTES,
  REP: cmPrivateBytes(CmRep),
  REJ: cmPrivateBytes(CmRej),
  MRA: cmPrivateBytes(CmMra),
  RTU: cmPrivateBytes(CmRtu),
  DREQ: cmPrivateBytes(CmDreq),
  DREP: cmPrivateBytes(CmDrep),
};

type Own<K extends CmKind> = Omit<Extract<CmMessage, { kind: K }>, keyof Common>;

const READERS: { readonly [K in CmKind]: (view: DataView, body: number) => Own<K> } = {
  REQ: (view, body) => ({
    kind: 'REQ',
    serviceId: CmReq.serviceId.big(view, body),
    localCaGuid: CmReq.localCaGuid.big(view, body),
    localQpn: CmReq.localQpn.get(view, body),
    responderResources: CmReq.responderResources.get(view, body),
    initiatorDepth: CmReq.initiatorDepth.get(view, body),
    remoteCmResponseTimeout: CmReq.remoteCmResponseTimeout.get(view, body),
    transportService: CmReq.transportService.get(view, body),
    startingPsn: CmReq.startingPsn.get(view, body),
    localCmResponseTimeout: CmReq.localCmResponseTimeout.get(view, body),
    retryCount: CmReq.retryCount.get(view, body),
    pkey: CmReq.pkey.get(view, body),
    pathMtu: CmReq.pathMtu.get(view, body),
    rnrRetryCount: CmReq.rnrRetryCount.get(view, body),
    maxCmRetries: CmReq.maxCmRetries.get(view, body),
    srq: CmReq.srq.get(view, body) === 1,
    localGid: CmReq.localGid.get(view, body),
    remoteGid: CmReq.remoteGid.get(view, body),
    trafficClass: CmReq.trafficClass.get(view, body),
    localAckTimeout: CmReq.localAckTimeout.get(view, body),
  }),
  REP: (view, body) => ({
    kind: 'REP',
    localQpn: CmRep.localQpn.get(view, body),
    startingPsn: CmRep.startingPsn.get(view, body),
    responderResources: CmRep.responderResources.get(view, body),
    initiatorDepth: CmRep.initiatorDepth.get(view, body),
    targetAckDelay: CmRep.targetAckDelay.get(view, body),
    rnrRetryCount: CmRep.rnrRetryCount.get(view, body),
    srq: CmRep.srq.get(view, body) === 1,
    localCaGuid: CmRep.localCaGuid.big(view, body),
  }),
  REJ: (view, body) => ({
    kind: 'REJ',
    rejected: CmRej.rejected.get(view, body),
    reason: CmRej.reason.get(view, body),
    additionalInfo: CmRej.additionalInfo
      .get(view, body)
      .subarray(0, Math.min(CmRej.additionalInfoLength.get(view, body), CmRej.additionalInfo.length)),
  }),
  MRA: (view, body) => ({
    kind: 'MRA',
    acknowledged: CmMra.acknowledged.get(view, body),
    serviceTimeout: CmMra.serviceTimeout.get(view, body),
  }),
  DREQ: (view, body) => ({ kind: 'DREQ', remoteQpn: CmDreq.remoteQpn.get(view, body) }),
  RTU: () => ({ kind: 'RTU' }),
  DREP: () => ({ kind: 'DREP' }),
};

function writeOwn(message: CmMessage, view: DataView, body: number): void {
  switch (message.kind) {
    case 'REQ':
      CmReq.serviceId.setBig(view, body, message.serviceId);
      CmReq.localCaGuid.setBig(view, body, message.localCaGuid);
      CmReq.localQpn.set(view, body, message.localQpn);
      CmReq.responderResources.set(view, body, message.responderResources);
      CmReq.initiatorDepth.set(view, body, message.initiatorDepth);
      CmReq.remoteCmResponseTimeout.set(view, body, message.remoteCmResponseTimeout);
      CmReq.transportService.set(view, body, message.transportService);
      CmReq.startingPsn.set(view, body, message.startingPsn);
      CmReq.localCmResponseTimeout.set(view, body, message.localCmResponseTimeout);
      CmReq.retryCount.set(view, body, message.retryCount);
      CmReq.pkey.set(view, body, message.pkey);
      CmReq.pathMtu.set(view, body, message.pathMtu);
      CmReq.rnrRetryCount.set(view, body, message.rnrRetryCount);
      CmReq.maxCmRetries.set(view, body, message.maxCmRetries);
      CmReq.srq.set(view, body, Number(message.srq));
      CmReq.localLid.set(view, body, PERMISSIVE_LID);
      CmReq.remoteLid.set(view, body, PERMISSIVE_LID);
      CmReq.localGid.set(view, body, message.localGid);
      CmReq.remoteGid.set(view, body, message.remoteGid);
      CmReq.packetRate.set(view, body, RATE_10_GBPS);
      CmReq.trafficClass.set(view, body, message.trafficClass);
      CmReq.hopLimit.set(view, body, HOP_LIMIT);
      CmReq.localAckTimeout.set(view, body, message.localAckTimeout);
      break;
    case 'REP':
      CmRep.localQpn.set(view, body, message.localQpn);
      CmRep.startingPsn.set(view, body, message.startingPsn);
      CmRep.responderResources.set(view, body, message.responderResources);
      CmRep.initiatorDepth.set(view, body, message.initiatorDepth);
      CmRep.targetAckDelay.set(view, body, message.targetAckDelay);
      CmRep.rnrRetryCount.set(view, body, message.rnrRetryCount);
      CmRep.srq.set(view, body, Number(message.srq));
      CmRep.localCaGuid.setBig(view, body, message.localCaGuid);
      break;
    case 'REJ':
      CmRej.rejected.set(view, body, message.rejected);
      CmRej.additionalInfoLength.set(view, body, message.additionalInfo.length);
      CmRej.reason.set(view, body, message.reason);
      CmRej.additionalInfo.set(view, body, message.additionalInfo);
      break;
    case 'MRA':
      CmMra.acknowledged.set(view, body, message.acknowledged);
      CmMra.serviceTimeout.set(view, body, message.serviceTimeout);
      break;
    case 'DREQ':
      CmDreq.remoteQpn.set(view, body, message.remoteQpn);
      break;
    case 'RTU':
    case 'DREP':
  }
}

const HEADERS = { REQ: CmReq, REP: CmRep, RTU: CmRtu, REJ: CmRej, MRA: CmMra, DREQ: CmDreq, DREP: CmDrep } as const;
const KINDS = new Map((Object.keys(HEADERS) as CmKind[]).map((kind) => [CmAttribute[kind] as number, kind]));
/** RoCE has no LIDs: packets are routed. */
const PERMISSIVE_LID = 0xffff;
/** Code of a static rate that Linux gives to Ethernet links of 10 Gb/s; peers only take it as an upper bound. */
const RATE_10_GBPS = 3;
const HOP_LIMIT = 64;
