/**
 * Rendezvous of two programs over RDMA itself: well-known numbers, and small JSON messages carried by SEND.
 *
 * There is no TCP side channel. Where queue pairs reach everybody, a server listens on an absolute one with a fixed
 * number; a client has the same number on a device of its own, so each side knows where to send without asking. Where
 * queue pairs have one peer each, the connection manager makes one for each client.
 */

/** Version of the messages below; both sides must have the same. */
export const PROTOCOL = 2;

/** Job that every session works in: services are open to all who can reach them. */
export const SERVICE_JOB = 0x76_62_01;

/** The PIDonFEP of a program that speaks sessions. */
export const SERVICE_PID = 0x762;
/** The resource index of the queue pair that takes messages. Index 0 is set aside for providers. */
export const SERVICE_INDEX = 1;
/** The first resource index of queue pairs that carry data. */
export const FIRST_DATA_INDEX = 16;

/** Number of an absolute queue pair. @spec verbs/5.8 */
export function absoluteQpn(index: number, pid = SERVICE_PID): number {
  return (ABSOLUTE | (index << RESOURCE_INDEX_SHIFT) | pid) >>> 0;
}

/** Most bytes of one message: what a receive buffer holds. */
export const MAX_MESSAGE_BYTES = 4096;

/** One message of a session. */
export type Message =
  | { readonly v: number; readonly id: number; readonly ask: string; readonly body: Body }
  | { readonly v: number; readonly id: number; readonly answer: Body }
  | { readonly v: number; readonly id: number; readonly refuse: Refusal };

export type Body = Readonly<Record<string, unknown>>;

/** Why a request was refused, in the peer's words. */
export interface Refusal {
  readonly code: string;
  readonly problem: string;
  readonly try?: string;
}

/** Reads a message. Peers are not trusted: undefined for anything that is not one. */
export function parseMessage(text: string): Message | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isBody(value) || !isCount(value.v) || !isCount(value.id)) return undefined;
  const { v, id, ask, body, answer, refuse } = value;
  if (typeof ask === 'string' && isBody(body)) return { v, id, ask, body };
  if (isBody(answer)) return { v, id, answer };
  if (isBody(refuse) && typeof refuse.code === 'string' && typeof refuse.problem === 'string') {
    const advice = typeof refuse.try === 'string' ? { try: refuse.try } : {};
    return { v, id, refuse: { code: refuse.code, problem: refuse.problem, ...advice } };
  }
  return undefined;
}

/** A signal is a SEND without payload: its immediate, 32 bits, says what happened to which chunk of which transfer. */
export interface Signal {
  readonly kind: number;
  /** 0 to {@link MAX_TRANSFER}. */
  readonly transfer: number;
  /** The low bits of the chunk's number: see {@link nearestSequence}. */
  readonly sequence: number;
}

/** What signals (and writes with immediate data) tell. */
export const SignalKind = {
  /** The chunk is in your memory. */
  LANDED: 1,
  /** The chunk was consumed: its slot is free again. */
  CREDIT: 2,
  /** The chunk is in my memory, come and read it. */
  READY: 3,
  /** The transfer is given up. */
  ABORT: 4,
} as const;

/** @param sequence - of any size: its low bits are sent */
export function packSignal(kind: number, transfer: number, sequence: number): number {
  return ((kind << KIND_SHIFT) | (transfer << SEQUENCE_BITS) | (sequence & SEQUENCE_MASK)) >>> 0;
}

export function unpackSignal(imm: bigint): Signal {
  const word = Number(imm & 0xffff_ffffn);
  return {
    kind: word >>> KIND_SHIFT,
    transfer: (word >>> SEQUENCE_BITS) & MAX_TRANSFER,
    sequence: word & SEQUENCE_MASK,
  };
}

/** The number with these low bits that is nearest to `near`. Negative when there is none from 0. */
export function nearestSequence(low: number, near: number): number {
  const unused = 32 - SEQUENCE_BITS;
  return near + (((low - near) << unused) >> unused);
}

/** A whole number that a peer may send: zero or more, exact. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

export function isBody(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Largest number of a transfer. */
export const MAX_TRANSFER = 0xff;
const KIND_SHIFT = 29;
/** 2^21 chunks: what is on its way at a time is far less. */
const SEQUENCE_BITS = 21;
const SEQUENCE_MASK = 2 ** SEQUENCE_BITS - 1;
const ABSOLUTE = 0x8000_0000;
const RESOURCE_INDEX_SHIFT = 12;

/** Where messages go. */
export const SERVICE_QPN = absoluteQpn(SERVICE_INDEX);
