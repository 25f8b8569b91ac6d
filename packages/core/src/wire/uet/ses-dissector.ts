/** UET SES headers, their extensions, and whether the lengths in them agree with the packet. */
import type { Dissection, Rename } from '../dissection.ts';
import type { AnyHeader } from '../header.ts';
import { NextHeader } from './pds-codes.ts';
import {
  AmoOpcode,
  AtomicExtension,
  CompareSwapExtension,
  RendezvousExtension,
  RequestDeferrable,
  RequestDeferrableNext,
  RequestMedium,
  RequestMediumData,
  RequestReadyToRestart,
  RequestSmall,
  RequestStd,
  RequestStdNext,
  Response,
  ResponseData,
  ResponseDataSmall,
  SesOpcode,
} from './ses.ts';

/** Dissects what follows a PDS header that announces `next`, which is not NONE and not reserved. */
export function dissectSes(d: Dissection, next: number, at: number, end: number): void {
  if (next === NextHeader.RESPONSE) response(d, Response, at, end, () => 0);
  else if (next === NextHeader.RESPONSE_DATA) {
    response(d, ResponseData, at, end, () => ResponseData.payloadLength.get(d.view, at));
  } else if (next === NextHeader.RESPONSE_DATA_SMALL) {
    response(d, ResponseDataSmall, at, end, () => ResponseDataSmall.payloadLength.get(d.view, at));
  } else request(d, next, at, end);
}

function response(d: Dissection, declared: AnyHeader, at: number, end: number, expected: () => number): void {
  const upper = d.add(SES, declared, at, end);
  if (upper >= 0) payload(d, upper, end, expected());
}

function request(d: Dissection, next: number, at: number, end: number): void {
  const { view } = d;
  if (end - at < PREFIX_BYTES) {
    d.add(SES, next === NextHeader.REQUEST_STD ? RequestStd : RequestSmall, at, end);
    return;
  }
  const opcode = RequestStd.opcode.get(view, at);
  const isFirst = next !== NextHeader.REQUEST_STD || RequestStd.som.get(view, at) === 1;
  let upper = d.add(SES, requestHeader(d, next, opcode, isFirst, at), at, end, keyName(opcode));
  let extension: AnyHeader | undefined;
  if (upper < 0) return;
  const extensionAt = upper;
  if (isFirst) {
    extension = extensionOf(d, opcode, upper, end);
    if (extension !== undefined) upper = d.add(SES, extension, upper, end);
    if (upper < 0) return;
  }
  payload(d, upper, end, expectedPayload(d, { next, opcode, isFirst, at, extension, extensionAt }));
}

function requestHeader({ view }: Dissection, next: number, opcode: number, isFirst: boolean, at: number): AnyHeader {
  if (next === NextHeader.REQUEST_SMALL) return RequestSmall;
  if (next === NextHeader.REQUEST_MEDIUM) return RequestStd.hd.get(view, at) === 1 ? RequestMediumData : RequestMedium;
  if (opcode === SesOpcode.DEFERRABLE_RTR) return RequestReadyToRestart;
  if (opcode === SesOpcode.DEFERRABLE_SEND || opcode === SesOpcode.DEFERRABLE_TSEND) {
    return isFirst ? RequestDeferrable : RequestDeferrableNext;
  }
  return isFirst ? RequestStd : RequestStdNext;
}

/** Extensions stand in the first packet of a message only (uet:ses/2.6). */
function extensionOf({ view }: Dissection, opcode: number, at: number, end: number): AnyHeader | undefined {
  if (opcode === SesOpcode.RENDEZVOUS_SEND || opcode === SesOpcode.RENDEZVOUS_TSEND) return RendezvousExtension;
  if (!ATOMICS.has(opcode)) return undefined;
  const amo = end > at ? AtomicExtension.amoOpcode.get(view, at) : 0;
  return amo >= AmoOpcode.CSWAP && amo <= AmoOpcode.CSWAP_GT ? CompareSwapExtension : AtomicExtension;
}

/** Payload that the headers announce, or undefined where they do not say (first of several packets). */
function expectedPayload({ view }: Dissection, request: RequestFacts): number | undefined {
  const { next, opcode, isFirst, at, extension, extensionAt } = request;
  if (opcode === SesOpcode.READ || opcode === SesOpcode.DEFERRABLE_RTR || opcode === SesOpcode.NO_OP) return 0;
  if (extension === CompareSwapExtension) return 0;
  if (extension === RendezvousExtension) {
    return RequestStd.eom.get(view, at) === 1 ? RendezvousExtension.eagerLength.get(view, extensionAt) : undefined;
  }
  // What an initiator in error sends instead of its data is nowhere said.
  if (RequestStd.ie.get(view, at) === 1) return undefined;
  if (next !== NextHeader.REQUEST_STD) return RequestSmall.requestLength.get(view, at);
  if (!isFirst) return RequestStdNext.payloadLength.get(view, at);
  if (opcode === SesOpcode.MSG_ERROR) return undefined;
  return RequestStd.eom.get(view, at) === 1 ? RequestStd.requestLength.get(view, at) : undefined;
}

function payload(d: Dissection, at: number, end: number, expected: number | undefined): void {
  const length = end - at;
  if (expected !== undefined && expected !== length && !d.trimmed) {
    d.problem(at, 'UET-SES', `the header announces ${expected} bytes of payload, ${length} are there`);
  }
  d.payload(at, end);
}

/** Match bits and memory key share a place; the operation decides (uet:ses/2.4). */
function keyName(opcode: number): Rename | undefined {
  return MATCHING.has(opcode) ? ['memoryKey', 'matchBits'] : undefined;
}

/** What is known about a request when its payload comes up. */
interface RequestFacts {
  readonly next: number;
  readonly opcode: number;
  readonly isFirst: boolean;
  readonly at: number;
  readonly extension: AnyHeader | undefined;
  readonly extensionAt: number;
}

const SES = 'UET-SES';
const PREFIX_BYTES = 12;
const ATOMICS: ReadonlySet<number> = new Set([
  SesOpcode.ATOMIC,
  SesOpcode.FETCHING_ATOMIC,
  SesOpcode.TSEND_ATOMIC,
  SesOpcode.TSEND_FETCH_ATOMIC,
]);
const MATCHING: ReadonlySet<number> = new Set([
  SesOpcode.SEND,
  SesOpcode.TAGGED_SEND,
  SesOpcode.DATAGRAM_SEND,
  SesOpcode.RENDEZVOUS_SEND,
  SesOpcode.RENDEZVOUS_TSEND,
  SesOpcode.DEFERRABLE_SEND,
  SesOpcode.DEFERRABLE_TSEND,
  SesOpcode.TSEND_ATOMIC,
  SesOpcode.TSEND_FETCH_ATOMIC,
]);
