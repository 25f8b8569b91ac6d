/**
 * The other end of the wire, played by hand: packets are made field by field and given to one engine, and what the
 * engine sends is decoded. State tests say "give this packet, expect exactly these packets, then silence".
 */
import { expect } from 'vitest';
import { WorkOpcode } from '../../engine/status.ts';
import type { Nanos } from '../../engine/time.ts';
import { EngineRig, type RigNode } from '../../testing/engine-rig.ts';
import { byteLength } from '../../wire/header.ts';
import { emit, extract, type HeaderValues } from '../../wire/record.ts';
import {
  Ack,
  AckCc,
  AckCcCredit,
  ControlPacket,
  ControlType,
  FLAG_AR,
  FLAG_ISROD,
  FLAG_M,
  FLAG_P,
  FLAG_RETX,
  FLAG_SYN,
  Nack,
  NextHeader,
  PdsRequest,
  PdsRequestCc,
  PdsRequestSyn,
  PdsType,
  pdsLength,
} from '../../wire/uet/pds.ts';
import {
  RequestMedium,
  RequestMediumData,
  RequestSmall,
  RequestStd,
  RequestStdNext,
  Response,
  ResponseData,
  ResponseDataSmall,
  SesOpcode,
  SesResponseOpcode,
} from '../../wire/uet/ses.ts';
import type { UetEngine } from './engine.ts';
import { uet } from './index.ts';

/** PDCID of the played end. */
export const PEER = 0x0077;
/** First PSN of contexts that the played end opens. */
export const START = 0x1a2b_3c00;
/** Payload bytes of a full packet in these tests. */
export const MTU = 64;
export const JOB = 7;
export const KEY = 0x1234;
/** Of the same memory: accesses may be repeated. */
export const SAFE_KEY = (1n << 63n) | BigInt(KEY);
/** Its upper half. */
export const SAFE_HI = 0x8000_0000;
export const PATH = 1;
export const MS: Nanos = 1_000_000;

/** A packet as the engine sent it. Offsets are resolved: `clear`, `start` and `sack` are PSNs. */
export interface Seen {
  kind: 'request' | 'ack' | 'nack' | 'control';
  type: number;
  next: number;
  flags: number;
  psn: number;
  spdcid: number;
  dpdcid: number;
  clear?: number;
  start?: number;
  cack?: number;
  req?: number;
  opaque?: number;
  mpr?: number;
  credit?: number;
  /** Congestion state of an ACK_CC. */
  cc?: { ccType: number; serviceTime: number; rcvdBytes: number; oooCount: number; credit: number };
  sackBase?: number;
  sack?: number[];
  code?: number;
  payload?: number;
  ctl?: number;
  ses?: Record<string, unknown>;
  data?: number[];
}

/** The flags of a request, ACK or CP in words, for expectations. */
export const RETX = FLAG_RETX;
export const AR = FLAG_AR;
export const SYN = FLAG_SYN;
export const MARKED = FLAG_M;
export const PROBED = FLAG_P;
export const ISROD = FLAG_ISROD;

export function decode(bytes: Uint8Array): Seen {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = view.getUint16(0);
  const type = word >>> 11;
  const next = (word >>> 7) & 15;
  const flags = word & 0x7f;
  if (type === PdsType.NACK) {
    const n = extract(Nack, view, 0);
    const { spdcid, dpdcid, payload } = n;
    return { kind: 'nack', type, next, flags, psn: n.nackPsn, spdcid, dpdcid, code: n.nackCode, payload };
  }
  if (type === PdsType.CP) {
    const c = extract(ControlPacket, view, 0);
    const { psn, spdcid, dpdcid, payload } = c;
    return { kind: 'control', type, next, flags, ctl: c.ctlType, psn, spdcid, dpdcid, payload, opaque: c.probeOpaque };
  }
  if (type === PdsType.ACK || type === PdsType.ACK_CC) {
    const a = extract(Ack, view, 0);
    const seen: Seen = {
      kind: 'ack',
      type,
      next,
      flags: flags & ~0x06,
      psn: (a.cackPsn + a.ackPsnOffset) >>> 0,
      cack: a.cackPsn,
      spdcid: a.spdcid,
      dpdcid: a.dpdcid,
      req: a.req,
    };
    if ((flags & FLAG_P) !== 0) seen.opaque = a.ackPsnOffset & 0xffff;
    if (type === PdsType.ACK_CC) {
      const cc = extract(AckCc, view, 0);
      seen.mpr = cc.mpr;
      const { ccType, serviceTime, rcvdBytes, oooCount } = cc;
      seen.cc = { ccType, serviceTime, rcvdBytes, oooCount, credit: extract(AckCcCredit, view, 0).credit };
      seen.sackBase = (a.cackPsn + cc.sackPsnOffset) >>> 0;
      seen.sack = [];
      for (let n = 0; n < 64; n++) {
        if ((cc.sackBitmap >> BigInt(n)) & 1n) seen.sack.push((seen.sackBase + n) >>> 0);
      }
    }
    decodeResponse(seen, view, type === PdsType.ACK ? byteLength(Ack) : byteLength(AckCc));
    return seen;
  }
  const isCc = type === PdsType.RUD_CC_REQ || type === PdsType.ROD_CC_REQ;
  if (type !== PdsType.RUD_REQ && type !== PdsType.ROD_REQ && !isCc) throw new Error(`unexpected packet type ${type}`);
  const r = extract(PdsRequest, view, 0);
  const { psn, spdcid, dpdcid } = r;
  const seen: Seen = { kind: 'request', type, next, flags, psn, spdcid, dpdcid, clear: (psn + r.clearPsnOffset) >>> 0 };
  if ((flags & FLAG_SYN) !== 0) {
    seen.start = (psn - extract(PdsRequestSyn, view, 0).psnOffset) >>> 0;
    seen.dpdcid = 0;
  }
  const at = pdsLength(type);
  if (isCc) seen.credit = extract(PdsRequestCc, view, 0).creditTarget;
  if (next === NextHeader.RESPONSE_DATA || next === NextHeader.RESPONSE_DATA_SMALL) decodeResponse(seen, view, at);
  else if (next === NextHeader.REQUEST_SMALL || next === NextHeader.REQUEST_MEDIUM) {
    const hasData = RequestMedium.hd.get(view, at) === 1;
    const header = next === NextHeader.REQUEST_SMALL ? RequestSmall : hasData ? RequestMediumData : RequestMedium;
    seen.ses = extract(header, view, at);
    seen.data = [...bytes.subarray(at + byteLength(header))];
  } else {
    const first = extract(RequestStd, view, at);
    seen.ses = first.som === 1 ? first : extract(RequestStdNext, view, at);
    seen.data = [...bytes.subarray(at + byteLength(RequestStd))];
  }
  return seen;
}

function decodeResponse(seen: Seen, view: DataView, at: number): void {
  const header =
    seen.next === NextHeader.RESPONSE
      ? Response
      : seen.next === NextHeader.RESPONSE_DATA
        ? ResponseData
        : seen.next === NextHeader.RESPONSE_DATA_SMALL
          ? ResponseDataSmall
          : undefined;
  if (header === undefined) {
    expect(view.byteLength).toBe(at);
    return;
  }
  seen.ses = extract(header, view, at);
  if (header === Response) return;
  seen.data = [...new Uint8Array(view.buffer, view.byteOffset + at + byteLength(header))];
}

// ------------------------------------------------------------------ making packets

export interface RequestOptions {
  readonly ordered?: boolean;
  readonly flags?: number;
  readonly psn: number;
  /** CLEAR_PSN; the one before `psn` unless told. */
  readonly clear?: number;
  readonly spdcid?: number;
  readonly dpdcid?: number;
  /** With SYN: the first PSN of the context. */
  readonly start?: number;
  readonly next?: number;
  readonly ses?: Uint8Array;
}

export function request(options: RequestOptions): Uint8Array {
  const { ordered = false, flags = 0, psn, clear = psn - 1, spdcid = PEER, next = NextHeader.REQUEST_STD } = options;
  const { ses = writeSes({}) } = options;
  const head = new DataView(new ArrayBuffer(byteLength(PdsRequest)));
  emit(PdsRequest, head, 0, {
    type: ordered ? PdsType.ROD_REQ : PdsType.RUD_REQ,
    nextHeader: next,
    clearPsnOffset: (clear - psn) | 0,
    psn: psn >>> 0,
    spdcid,
    dpdcid: (flags & FLAG_SYN) !== 0 ? (psn - (options.start ?? START)) & 0xfff : (options.dpdcid ?? 0),
  });
  head.setUint16(0, (head.getUint16(0) & 0xff80) | flags);
  return join(new Uint8Array(head.buffer), ses);
}

const STD = {
  rel: 1,
  eom: 1,
  som: 1,
  messageId: 1,
  jobId: JOB,
  pidOnFep: 1,
  resourceIndex: 1,
  initiator: 3,
};

/** Semantic header with payload; a WRITE of 8 bytes in one packet unless told. */
export function writeSes(values: HeaderValues<typeof RequestStd>, payload = fill(8)): Uint8Array {
  return ses(
    RequestStd,
    { opcode: SesOpcode.WRITE, memoryKey: KEY, requestLength: payload.length, ...STD, ...values },
    payload,
  );
}

/** A further packet of a message. */
export function nextSes(values: HeaderValues<typeof RequestStdNext>, payload = fill(8)): Uint8Array {
  return ses(
    RequestStdNext,
    { opcode: SesOpcode.WRITE, memoryKey: KEY, payloadLength: payload.length, ...STD, som: 0, eom: 0, ...values },
    payload,
  );
}

export const sendSes = (values: HeaderValues<typeof RequestStd>, payload = fill(8)): Uint8Array =>
  writeSes({ opcode: SesOpcode.SEND, memoryKey: 0, ...values }, payload);
export const sendNextSes = (values: HeaderValues<typeof RequestStdNext>, payload = fill(8)): Uint8Array =>
  nextSes({ opcode: SesOpcode.SEND, memoryKey: 0, ...values }, payload);
/** A READ of `length` bytes. */
export const readSes = (length: number, values: HeaderValues<typeof RequestStd> = {}): Uint8Array =>
  writeSes({ opcode: SesOpcode.READ, requestLength: length, ...values }, fill(0));

export const smallSes = (values: HeaderValues<typeof RequestSmall>, payload = fill(8)): Uint8Array =>
  ses(RequestSmall, { ...SHORT, opcode: SesOpcode.WRITE, requestLength: payload.length, ...values }, payload);
export const mediumSes = (values: HeaderValues<typeof RequestMedium>, payload = fill(8)): Uint8Array =>
  ses(
    RequestMedium,
    { ...SHORT, opcode: SesOpcode.WRITE, requestLength: payload.length, memoryKey: KEY, initiator: 3, ...values },
    payload,
  );
export const mediumDataSes = (values: HeaderValues<typeof RequestMediumData>, payload = fill(8)): Uint8Array =>
  ses(
    RequestMediumData,
    { ...SHORT, opcode: SesOpcode.SEND, hd: 1, requestLength: payload.length, initiator: 3, ...values },
    payload,
  );
const SHORT = { rel: 1, eom: 1, som: 1, jobId: JOB, pidOnFep: 1, resourceIndex: 1 };

function ses<H extends typeof RequestStd | typeof RequestStdNext | typeof RequestSmall | typeof RequestMedium>(
  header: H | typeof RequestMediumData,
  values: object,
  payload: Uint8Array,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(byteLength(header)));
  emit(header, view, 0, values as never);
  return join(new Uint8Array(view.buffer), payload);
}

export interface AckOptions {
  readonly cack: number;
  /** ACK_PSN; CACK_PSN unless told. */
  readonly psn?: number;
  readonly spdcid?: number;
  readonly dpdcid: number;
  readonly flags?: number;
  readonly req?: number;
  /** Makes it an ACK_CC. */
  readonly mpr?: number;
  readonly sackBase?: number;
  readonly sack?: readonly number[];
  readonly opaque?: number;
  readonly next?: number;
  readonly ses?: Uint8Array;
}

export function ack(options: AckOptions): Uint8Array {
  const { cack, psn = cack, spdcid = PEER, dpdcid, flags = 0, req = 0, mpr, sack, ses: response } = options;
  const cc = mpr !== undefined || sack !== undefined || options.sackBase !== undefined;
  const header = cc ? AckCc : Ack;
  const view = new DataView(new ArrayBuffer(byteLength(header)));
  emit(header, view, 0, {
    type: cc ? PdsType.ACK_CC : PdsType.ACK,
    nextHeader: options.next ?? (response === undefined ? NextHeader.NONE : NextHeader.RESPONSE),
    ackPsnOffset: options.opaque !== undefined ? (options.opaque << 16) >> 16 : (psn - cack) | 0,
    cackPsn: cack >>> 0,
    spdcid,
    dpdcid,
    req,
  });
  view.setUint16(0, view.getUint16(0) | flags);
  if (cc) {
    const base = options.sackBase ?? cack + 1;
    AckCc.mpr.set(view, 0, mpr ?? 8);
    AckCc.sackPsnOffset.set(view, 0, (base - cack) | 0);
    let bits = 0n;
    for (const one of sack ?? []) bits |= 1n << BigInt((one - base) >>> 0);
    AckCc.sackBitmap.setBig(view, 0, bits);
  }
  return join(new Uint8Array(view.buffer), response ?? fill(0));
}

export function responseSes(values: HeaderValues<typeof Response>): Uint8Array {
  const view = new DataView(new ArrayBuffer(byteLength(Response)));
  emit(Response, view, 0, { opcode: SesResponseOpcode.RESPONSE, jobId: JOB, ...values });
  return new Uint8Array(view.buffer);
}

export function dataSes(values: HeaderValues<typeof ResponseData>, payload: Uint8Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(byteLength(ResponseData)));
  emit(ResponseData, view, 0, {
    opcode: SesResponseOpcode.RESPONSE_W_DATA,
    returnCode: 1,
    jobId: JOB,
    payloadLength: payload.length,
    ...values,
  });
  return join(new Uint8Array(view.buffer), payload);
}

export function nack(
  code: number,
  values: HeaderValues<typeof Nack> & { readonly nackPsn: number; readonly dpdcid: number },
): Uint8Array {
  const view = new DataView(new ArrayBuffer(byteLength(Nack)));
  emit(Nack, view, 0, { type: PdsType.NACK, nackCode: code, spdcid: PEER, ...values, nackPsn: values.nackPsn >>> 0 });
  return new Uint8Array(view.buffer);
}

export function control(
  ctl: number,
  values: HeaderValues<typeof ControlPacket> & { readonly flags?: number } = {},
): Uint8Array {
  const { flags = 0, ...fields } = values;
  const view = new DataView(new ArrayBuffer(byteLength(ControlPacket)));
  emit(ControlPacket, view, 0, {
    type: PdsType.CP,
    spdcid: PEER,
    ...fields,
    ctlType: ctl,
    psn: (fields.psn ?? 0) >>> 0,
  });
  view.setUint16(0, view.getUint16(0) | flags);
  return new Uint8Array(view.buffer);
}

export function fill(length: number, salt = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + salt) & 0xff);
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

// ------------------------------------------------------------------ one engine and its played peer

export interface BenchOptions {
  readonly ordered?: boolean;
  readonly settings?: Record<string, number>;
  readonly seed?: number;
  /** Requests that it posts name memory by {@link SAFE_KEY}. */
  readonly safe?: boolean;
}

/** An engine with queue pair 1 and 4 KiB of memory under {@link KEY} and {@link SAFE_KEY}; everything it sends comes to the test. */
export class Bench {
  readonly rig: EngineRig;
  readonly node: RigNode;
  readonly engine: UetEngine;
  readonly ordered: boolean;
  readonly #keyHi: number;
  /** Memory that the peer may write and read. */
  readonly memory = fill(4096, 5);
  readonly memoryRegion: number;
  /** PDCID of the engine's context. */
  id = 0;
  /** First PSN of the context. */
  start = 0;

  constructor(options: BenchOptions = {}) {
    const { ordered = false, settings = {}, seed = 1 } = options;
    this.ordered = ordered;
    this.#keyHi = options.safe === true ? SAFE_HI : 0;
    this.rig = new EngineRig(uet, { seed, payloadMtu: MTU, settings });
    this.node = this.rig.a;
    this.engine = this.node.engine as UetEngine;
    this.engine.addJob(JOB);
    this.node.addQueuePair(1, { ordered });
    this.memoryRegion = this.node.register(this.memory, KEY);
    this.node.regions.push({ ...this.node.regions[0]!, keyHi: SAFE_HI });
  }

  get now(): Nanos {
    return this.rig.now;
  }

  /** Everything that the engine sends now. */
  take(): Seen[] {
    return this.rig.drain(this.node).map(({ bytes }) => decode(bytes));
  }

  give(...packets: Uint8Array[]): void {
    for (const bytes of packets) this.rig.deliver(this.node, bytes, PATH);
  }

  /** Gives packets and returns what comes back, with acknowledgements that wait a little included. */
  exchange(...packets: Uint8Array[]): Seen[] {
    this.give(...packets);
    return [...this.take(), ...this.pass(5_000)];
  }

  /** Lets time pass, deadline by deadline; returns what is sent meanwhile. */
  pass(time: Nanos): Seen[] {
    const end = this.rig.now + time;
    const seen: Seen[] = [];
    for (;;) {
      const due = Math.min(this.engine.deadline(), end);
      this.rig.now = Math.max(this.rig.now, due);
      this.engine.expire(this.rig.now);
      seen.push(...this.take());
      if (due >= end && this.engine.deadline() > end) return seen;
    }
  }

  /** Posts a write from memory of its own. */
  postWrite(length = 8, id = 1): void {
    this.#post(WorkOpcode.RDMA_WRITE, length, id);
  }

  postSend(length = 8, id = 1): void {
    this.#post(WorkOpcode.SEND, length, id);
  }

  /** Posts a read into memory of its own. @returns that memory */
  postRead(length: number, id = 1): Uint8Array {
    return this.#post(WorkOpcode.RDMA_READ, length, id);
  }

  #post(opcode: number, length: number, id: number): Uint8Array {
    const bytes = opcode === WorkOpcode.RDMA_READ ? new Uint8Array(length) : fill(length, id);
    const region = this.node.register(bytes, 0x8000 + this.node.regions.length);
    this.node.post(1, { opcode, region, length, rkeyLo: KEY, rkeyHi: this.#keyHi, wrIdLo: id });
    this.engine.doorbell(this.rig.now, 1);
    return bytes;
  }

  /** Statuses of finished requests, by work request id, in order. */
  get done(): [id: number, status: number][] {
    return this.node.completions.filter((one) => !one.receive).map(({ wrIdLo, status }) => [wrIdLo, status]);
  }

  get received(): [id: number, status: number, bytes: number][] {
    return this.node.completions
      .filter((one) => one.receive)
      .map(({ wrIdLo, status, byteLength }) => [wrIdLo, status, byteLength]);
  }

  /** States of the contexts. */
  get states(): string[] {
    return [...this.engine.describeContexts()].map(({ state }) => state);
  }

  drops(name: string): number {
    return this.engine.counters.get(`dropped_${name}`)!;
  }

  count(name: string): number {
    return this.engine.counters.get(name)!;
  }

  census(name: string): number {
    return this.engine.census()[name]!;
  }

  /** Answer of the played target to a PSN of the engine. */
  ack(offset: number, more: Partial<AckOptions> = {}): Uint8Array {
    return ack({ cack: this.start + offset, dpdcid: this.id, ...more });
  }

  nack(code: number, offset: number, more: HeaderValues<typeof Nack> = {}): Uint8Array {
    return nack(code, { dpdcid: this.id, ...more, nackPsn: this.start + offset });
  }

  /** A request of the played initiator on the established context; `offset` counts from its first PSN. */
  request(offset: number, more: Partial<RequestOptions> = {}): Uint8Array {
    return request({ ordered: this.ordered, psn: this.start + offset, dpdcid: this.id, ...more });
  }

  control(ctl: number, values: HeaderValues<typeof ControlPacket> & { readonly flags?: number } = {}): Uint8Array {
    return control(ctl, { dpdcid: this.id, ...values });
  }
}

/** The engine opened a context with one write of `packets` packets; nothing has been answered. */
export function creating(options: BenchOptions = {}, packets = 1): Bench & { readonly sent: Seen[] } {
  const bench = new Bench(options);
  bench.postWrite(packets === 1 ? 8 : packets * MTU);
  const sent = bench.take();
  bench.id = sent[0]!.spdcid;
  bench.start = sent[0]!.start!;
  return Object.assign(bench, { sent });
}

/** The engine's context is established: its first write is done. The next PSN is `start` + 1. */
export function established(options: BenchOptions = {}): Bench {
  const bench = creating(options);
  bench.give(bench.ack(0));
  expect(bench.take()).toEqual([]);
  expect(bench.done).toEqual([[1, 0]]);
  bench.node.completions.length = 0;
  return bench;
}

/** The played end opened a context with a write of 8 bytes, which is done. Its next PSN is `start` + 1. */
export function accepted(options: BenchOptions = {}): Bench {
  const bench = new Bench(options);
  const [first] = bench.exchange(
    request({ ordered: bench.ordered, psn: START, flags: FLAG_SYN | FLAG_AR, ses: writeSes({}) }),
  );
  bench.id = first!.spdcid;
  bench.start = START;
  return bench;
}

/** All that is sent, then silence. */
export function expectSent(bench: Bench, sent: Seen[], wanted: readonly Partial<Seen>[]): void {
  expect(sent).toMatchObject(wanted as object[]);
  expect(bench.take()).toEqual([]);
}

export const isControl = (ctl: number) => ({ kind: 'control', ctl }) as const;
export { ControlType };

/** Without the probes that go with a time-out. */
export const withoutProbes = (sent: readonly Seen[]): Seen[] =>
  sent.filter(({ kind, ctl }) => kind !== 'control' || ctl !== ControlType.PROBE);
