/** A packet that came from the endpoint, decoded field by field; and how it reads in a report. */
import {
  Ack,
  AckCc,
  AckCcCredit,
  AckRequest,
  AtomicExtension,
  byteLength,
  ControlPacket,
  ControlType,
  extract,
  FLAG_AR,
  FLAG_ISROD,
  FLAG_M,
  FLAG_P,
  FLAG_RETX,
  FLAG_SYN,
  Nack,
  NackCode,
  Negotiation,
  NextHeader,
  nameOf,
  PdsRequest,
  PdsRequestCc,
  PdsRequestSyn,
  PdsType,
  pdsLength,
  RequestMedium,
  RequestReadyToRestart,
  RequestSmall,
  RequestStd,
  RequestStdNext,
  Response,
  ResponseData,
  ResponseDataSmall,
  ReturnCode,
  RudiPacket,
  SesOpcode,
  SesResponseOpcode,
  sesLength,
} from '@verbena/core/wire';

/** Kind of a packet: request of the semantic sublayer, read data in the return direction, answers. */
export type Kind = 'request' | 'data' | 'ack' | 'nack' | 'control' | 'rudi' | 'rudi-answer' | 'datagram' | 'strange';

/** PSNs count from the first one of the context (`psn`, `cack`, `clear`, `sack`), as far as that is known. */
export interface Seen {
  readonly kind: Kind;
  readonly type: number;
  readonly next: number;
  /** All seven flags. */
  readonly flags: number;
  readonly retx: boolean;
  readonly ar: boolean;
  readonly syn: boolean;
  readonly m: boolean;
  readonly probed: boolean;
  readonly nt: boolean;
  readonly isrod: boolean;
  spdcid: number;
  dpdcid: number;
  psn: number;
  /** SYN: the first PSN of the context. */
  start: number;
  clear: number;
  cack: number;
  /** What an ACK asks for. */
  req: number;
  opaque: number;
  mpr: number;
  sackBase: number;
  sack: readonly number[];
  ccType: number;
  ccFlags: number;
  serviceTime: number;
  rcvdBytes: number;
  oooCount: number;
  credit: number;
  creditTarget: number;
  nackCode: number;
  vendorCode: number;
  payload: number;
  ctl: number;
  features: number;
  pktId: number;
  // of the semantic response
  list: number;
  answer: number;
  /** Return code. */
  code: number;
  messageId: number;
  generation: number;
  jobId: number;
  modified: number;
  readId: number;
  pieceLength: number;
  messageOffset: number;
  requestPsn: number;
  /** Fields of a semantic request. */
  ses: Readonly<Record<string, number | bigint | Uint8Array>>;
  amo: Readonly<Record<string, number>>;
  /** What follows the headers. */
  data: Uint8Array;
  /** The packet is longer or shorter than its headers say, or one of its reserved bits is set. */
  fault: string;
}

/** Which PSN fields are differences to the first PSN once that is known. */
const PSN_FIELDS = ['psn', 'start', 'clear', 'cack', 'sackBase', 'requestPsn'] as const;

export function decode(bytes: Uint8Array): Seen {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 2) return strange(bytes, 'shorter than the prologue');
  const word = view.getUint16(0);
  const type = word >>> 11;
  const header = pdsLength(type);
  if (header === 0) return strange(bytes, `type ${type}`);
  if (bytes.length < header) return strange(bytes, `${nameOf(PdsType, type)} of ${bytes.length} bytes`);
  const seen = fresh(KINDS[type] ?? 'strange', type, (word >>> 7) & 15, word & 0x7f);
  switch (seen.kind) {
    case 'ack':
      ack(seen, view);
      break;
    case 'nack': {
      const { spdcid, dpdcid, nackPsn, nackCode, vendorCode, payload } = extract(Nack, view, 0);
      Object.assign(seen, { spdcid, dpdcid, psn: nackPsn, nackCode, vendorCode, payload, pktId: nackPsn });
      tail(seen, view, header);
      break;
    }
    case 'control': {
      const { ctlType, psn, spdcid, dpdcid, probeOpaque, payload } = extract(ControlPacket, view, 0);
      Object.assign(seen, { ctl: ctlType, psn, spdcid, dpdcid, opaque: probeOpaque, payload });
      if (seen.syn) seen.start = (psn - (dpdcid & 0xfff)) >>> 0;
      if (ctlType === ControlType.NEGOTIATION && bytes.length >= byteLength(Negotiation)) {
        seen.features = extract(Negotiation, view, 0).featureMask;
        tail(seen, view, byteLength(Negotiation));
      } else tail(seen, view, header);
      break;
    }
    case 'rudi':
      seen.pktId = extract(RudiPacket, view, 0).pktId;
      request(seen, view, header);
      break;
    case 'rudi-answer':
      seen.pktId = extract(RudiPacket, view, 0).pktId;
      response(seen, view, header);
      break;
    case 'datagram':
      request(seen, view, header);
      break;
    case 'request': {
      const { psn, spdcid, dpdcid, clearPsnOffset } = extract(PdsRequest, view, 0);
      Object.assign(seen, { psn, spdcid, dpdcid, clear: (psn + clearPsnOffset) >>> 0 });
      if (seen.syn) seen.start = (psn - extract(PdsRequestSyn, view, 0).psnOffset) >>> 0;
      if (type >= PdsType.RUD_CC_REQ) seen.creditTarget = extract(PdsRequestCc, view, 0).creditTarget;
      if (seen.next === NextHeader.RESPONSE_DATA || seen.next === NextHeader.RESPONSE_DATA_SMALL) {
        (seen as { kind: Kind }).kind = 'data';
        response(seen, view, header);
      } else request(seen, view, header);
      break;
    }
  }
  if (seen.fault === '' && (seen.flags & RESERVED[seen.kind]!) !== 0) seen.fault = 'a reserved flag is set';
  return seen;
}

/** The same packet with PSNs counted from the first one of its context. */
export function relative(seen: Seen, start: number): Seen {
  const copy: Seen = { ...seen };
  for (const name of PSN_FIELDS) copy[name] = (seen[name] - start) | 0;
  copy.sack = seen.sack.map((psn) => (psn - start) | 0);
  return copy;
}

/** One line: what a report says of a packet. */
export function textOf(seen: Seen): string {
  const words: string[] = [];
  const flags = FLAG_WORDS.filter((name) => seen[name]).map((name) => name.toUpperCase());
  const psn = (value: number) =>
    Math.abs(value) < 100_000 ? `${value >= 0 ? '+' : ''}${value}` : `0x${(value >>> 0).toString(16)}`;
  switch (seen.kind) {
    case 'ack':
      words.push(
        nameOf(PdsType, seen.type) ?? '',
        seen.probed ? `of Probe 0x${seen.opaque.toString(16)}` : psn(seen.psn),
      );
      words.push(`cack ${psn(seen.cack)}`);
      if (seen.req !== 0) words.push(`asks for ${nameOf(AckRequest, seen.req)}`);
      if (seen.sack.length > 0) words.push(`sack ${seen.sack.slice(0, 8).map(psn).join(' ')}`);
      break;
    case 'nack':
      words.push(
        `NACK ${nameOf(NackCode, seen.nackCode) ?? seen.nackCode} ${psn(seen.psn)} payload ${psn(seen.payload)}`,
      );
      break;
    case 'control':
      words.push(`CP ${nameOf(ControlType, seen.ctl) ?? seen.ctl} ${psn(seen.psn)} payload ${psn(seen.payload)}`);
      break;
    case 'request':
    case 'data':
      words.push(`${nameOf(PdsType, seen.type)} ${psn(seen.psn)} clear ${psn(seen.clear)}`);
      break;
    case 'rudi':
    case 'rudi-answer':
      words.push(`${nameOf(PdsType, seen.type)} 0x${seen.pktId.toString(16)}`);
      break;
    default:
      words.push(nameOf(PdsType, seen.type) ?? `type ${seen.type}`);
  }
  words.push(...flags);
  if (seen.answer >= 0) {
    words.push(
      `${nameOf(SesResponseOpcode, seen.answer) ?? seen.answer} ${nameOf(ReturnCode, seen.code) ?? seen.code}`,
    );
    if (seen.list !== 0) words.push(`list ${seen.list}`);
    if (seen.modified !== 0) words.push(`modified ${seen.modified}`);
  }
  const { opcode } = seen.ses;
  if (opcode !== undefined) {
    words.push(`${nameOf(SesOpcode, Number(opcode)) ?? opcode}`);
    words.push(`${seen.ses['som'] ? 'som ' : ''}${seen.ses['eom'] ? 'eom ' : ''}of ${seen.ses['requestLength']} B`);
  }
  if (seen.data.length > 0) words.push(`+${seen.data.length} B`);
  if (seen.fault !== '') words.push(`(${seen.fault})`);
  return words.filter((word) => word !== '').join(' ');
}

/** What differs from what was expected, as text; '' when nothing does. */
export function differences(seen: Seen, expected: Partial<Seen>): string {
  const wrong: string[] = [];
  for (const [name, want] of Object.entries(expected)) {
    const got = seen[name as keyof Seen];
    if (!same(got, want)) wrong.push(`${name} ${show(name, got)} instead of ${show(name, want)}`);
  }
  return wrong.join(', ');
}

/** Expected fields as text. */
export const showFields = (fields: object): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name} ${show(name, value)}`)
    .join(', ');

function same(got: unknown, want: unknown): boolean {
  if (want instanceof Uint8Array) return got instanceof Uint8Array && Buffer.compare(got, want) === 0;
  if (Array.isArray(want))
    return Array.isArray(got) && got.length === want.length && want.every((one, i) => one === got[i]);
  if (typeof want === 'object' && want !== null) {
    return Object.entries(want).every(([name, value]) => same((got as Record<string, unknown>)[name], value));
  }
  return typeof want === 'bigint' || typeof got === 'bigint'
    ? BigInt(got as never) === BigInt(want as never)
    : got === want;
}

function show(name: string, value: unknown): string {
  if (value instanceof Uint8Array)
    return value.length > 24 ? `${value.length} bytes` : `<${Buffer.from(value).toString('hex')}>`;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return `{${showFields(value)}}`;
  const names = NAMES[name];
  const named = names === undefined ? undefined : nameOf(names, value as number);
  return named ?? String(value);
}

function ack(seen: Seen, view: DataView): void {
  const { cackPsn, ackPsnOffset, spdcid, dpdcid, req } = extract(Ack, view, 0);
  Object.assign(seen, { cack: cackPsn, spdcid, dpdcid, req, psn: (cackPsn + ackPsnOffset) >>> 0 });
  if (seen.probed) seen.opaque = ackPsnOffset & 0xffff;
  if (seen.type !== PdsType.ACK) {
    const { mpr, sackPsnOffset, sackBitmap, ccType, ccFlags, serviceTime, rcvdBytes, oooCount } = extract(
      AckCc,
      view,
      0,
    );
    const { credit } = extract(AckCcCredit, view, 0);
    Object.assign(seen, { mpr, ccType, ccFlags, serviceTime, rcvdBytes, oooCount, credit });
    seen.sackBase = (cackPsn + sackPsnOffset) >>> 0;
    const sack: number[] = [];
    for (let n = 0; n < 64; n++) if ((sackBitmap >> BigInt(n)) & 1n) sack.push((seen.sackBase + n) >>> 0);
    seen.sack = sack;
  }
  response(seen, view, pdsLength(seen.type));
}

function response(seen: Seen, view: DataView, at: number): void {
  const { next } = seen;
  const header = sesLength(next);
  if (next === NextHeader.NONE) return tail(seen, view, at);
  if (header < 0 || next < NextHeader.RESPONSE || view.byteLength < at + header) {
    seen.fault = `semantic header ${nameOf(NextHeader, next) ?? next} does not fit`;
    return;
  }
  const { list, opcode, returnCode, ver, jobId } = extract(Response, view, at);
  Object.assign(seen, { list, answer: opcode, code: returnCode, jobId });
  if (ver !== 0) seen.fault = `version ${ver}`;
  if (next === NextHeader.RESPONSE) {
    const { messageId, riGeneration, modifiedLength } = extract(Response, view, at);
    Object.assign(seen, { messageId, generation: riGeneration, modified: modifiedLength });
    return tail(seen, view, at + header);
  }
  if (next === NextHeader.RESPONSE_DATA) {
    const { responseMessageId, readRequestMessageId, payloadLength, modifiedLength, messageOffset } = extract(
      ResponseData,
      view,
      at,
    );
    Object.assign(seen, { messageId: responseMessageId, readId: readRequestMessageId, pieceLength: payloadLength });
    Object.assign(seen, { modified: modifiedLength, messageOffset });
  } else {
    const { payloadLength, originalRequestPsn } = extract(ResponseDataSmall, view, at);
    Object.assign(seen, { pieceLength: payloadLength, requestPsn: originalRequestPsn });
  }
  seen.data = rest(view, at + header);
  if (seen.data.length !== seen.pieceLength)
    seen.fault = `${seen.data.length} bytes of data, ${seen.pieceLength} announced`;
}

function request(seen: Seen, view: DataView, at: number): void {
  const header = sesLength(seen.next);
  if (header < 0 || seen.next > NextHeader.REQUEST_STD || seen.next === 0 || view.byteLength < at + header) {
    seen.fault = `semantic header ${nameOf(NextHeader, seen.next) ?? seen.next} does not fit`;
    return;
  }
  let end = at + header;
  if (seen.next === NextHeader.REQUEST_SMALL) seen.ses = extract(RequestSmall, view, at);
  else if (seen.next === NextHeader.REQUEST_MEDIUM) seen.ses = extract(RequestMedium, view, at);
  else {
    const first = extract(RequestStd, view, at);
    seen.ses = first.som === 1 ? first : extract(RequestStdNext, view, at);
    if (first.opcode === SesOpcode.DEFERRABLE_RTR) seen.ses = extract(RequestReadyToRestart, view, at);
  }
  const opcode = Number(seen.ses['opcode']);
  if (ATOMICS.has(opcode) && view.byteLength >= end + byteLength(AtomicExtension)) {
    seen.amo = extract(AtomicExtension, view, end);
    end += byteLength(AtomicExtension);
  }
  seen.data = rest(view, end);
}

function tail(seen: Seen, view: DataView, end: number): void {
  seen.data = rest(view, end);
  if (seen.data.length > 0) seen.fault = `${seen.data.length} bytes behind the headers`;
}

const rest = (view: DataView, at: number): Uint8Array =>
  Uint8Array.prototype.slice.call(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), at);

function fresh(kind: Kind, type: number, next: number, flags: number): Seen {
  const has = (mask: number) => (flags & mask) !== 0;
  const isAnswer = kind === 'ack' || kind === 'nack' || kind === 'rudi-answer';
  const asks = kind === 'request' || kind === 'control';
  return {
    ...{ kind, type, next, flags, retx: has(FLAG_RETX), ar: asks && has(FLAG_AR), syn: asks && has(FLAG_SYN) },
    ...{ m: isAnswer && has(FLAG_M), probed: kind === 'ack' && has(FLAG_P), nt: kind === 'nack' && has(FLAG_AR) },
    ...{
      isrod: kind === 'control' && has(FLAG_ISROD),
      spdcid: 0,
      dpdcid: 0,
      psn: 0,
      start: 0,
      clear: 0,
      cack: 0,
      req: 0,
    },
    ...{ opaque: 0, mpr: 0, sackBase: 0, sack: [], ccType: 0, ccFlags: 0, serviceTime: 0, rcvdBytes: 0, oooCount: 0 },
    ...{ credit: 0, creditTarget: 0, nackCode: 0, vendorCode: 0, payload: 0, ctl: -1, features: 0, pktId: 0, list: 0 },
    ...{ answer: -1, code: -1, messageId: 0, generation: 0, jobId: 0, modified: 0, readId: 0, pieceLength: 0 },
    ...{ messageOffset: 0, requestPsn: 0, ses: {}, amo: {}, data: new Uint8Array(), fault: '' },
  };
}

function strange(bytes: Uint8Array, fault: string): Seen {
  return { ...fresh('strange', bytes.length > 0 ? bytes[0]! >>> 3 : 0, 0, 0), fault, data: bytes };
}

const KINDS: Readonly<Record<number, Kind>> = {
  [PdsType.RUD_REQ]: 'request',
  [PdsType.ROD_REQ]: 'request',
  [PdsType.RUD_CC_REQ]: 'request',
  [PdsType.ROD_CC_REQ]: 'request',
  [PdsType.RUDI_REQ]: 'rudi',
  [PdsType.RUDI_RESP]: 'rudi-answer',
  [PdsType.UUD_REQ]: 'datagram',
  [PdsType.ACK]: 'ack',
  [PdsType.ACK_CC]: 'ack',
  [PdsType.ACK_CCX]: 'ack',
  [PdsType.NACK]: 'nack',
  [PdsType.NACK_CCX]: 'nack',
  [PdsType.CP]: 'control',
};
/** Flags that must be 0, by kind. @spec uet:pds/2.4 */
const RESERVED: Readonly<Record<Kind, number>> = {
  ...{ request: 0x63, data: 0x63, ack: 0x41, nack: 0x47, control: 0x43, rudi: 0x6f, 'rudi-answer': 0x4f },
  ...{ datagram: 0x7f, strange: 0 },
};
const ATOMICS = new Set<number>([
  SesOpcode.ATOMIC,
  SesOpcode.FETCHING_ATOMIC,
  SesOpcode.TSEND_ATOMIC,
  SesOpcode.TSEND_FETCH_ATOMIC,
]);
const FLAG_WORDS = ['retx', 'ar', 'syn', 'm', 'nt', 'isrod'] as const;
const NAMES: Readonly<Record<string, Parameters<typeof nameOf>[0]>> = {
  ...{ nackCode: NackCode, ctl: ControlType, code: ReturnCode, answer: SesResponseOpcode, type: PdsType },
  ...{ next: NextHeader, req: AckRequest, opcode: SesOpcode },
};
