/**
 * Rendezvous of two programs over RDMA itself: well-known numbers, and small JSON messages carried by SEND.
 *
 * There is no TCP side channel. A server listens on an absolute queue pair with a fixed number; a client has the
 * same number on a device of its own, so each side knows where to send without asking.
 */

/** Version of the messages below; both sides must have the same. */
export const PROTOCOL = 1;

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
  | { readonly v: number; readonly id: number; readonly qpn: number; readonly ask: string; readonly body: Body }
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
  const { v, id, qpn, ask, body, answer, refuse } = value;
  if (typeof ask === 'string' && isCount(qpn) && isBody(body)) return { v, id, qpn, ask, body };
  if (isBody(answer)) return { v, id, answer };
  if (isBody(refuse) && typeof refuse.code === 'string' && typeof refuse.problem === 'string') {
    const advice = typeof refuse.try === 'string' ? { try: refuse.try } : {};
    return { v, id, refuse: { code: refuse.code, problem: refuse.problem, ...advice } };
  }
  return undefined;
}

/** A signal is a SEND without payload: its 64-bit immediate says what happened to which chunk of which transfer. */
export interface Signal {
  readonly kind: number;
  readonly transfer: number;
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

/** @param sequence - below 2^32 */
export function packSignal(kind: number, transfer: number, sequence: number): bigint {
  return (BigInt(kind) << 48n) | (BigInt(transfer) << 32n) | BigInt(sequence);
}

export function unpackSignal(imm: bigint): Signal {
  return {
    kind: Number((imm >> 48n) & 0xffffn),
    transfer: Number((imm >> 32n) & 0xffffn),
    sequence: Number(imm & 0xffff_ffffn),
  };
}

/** A whole number that a peer may send: zero or more, exact. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

export function isBody(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const ABSOLUTE = 0x8000_0000;
const RESOURCE_INDEX_SHIFT = 12;

/** Where messages go. */
export const SERVICE_QPN = absoluteQpn(SERVICE_INDEX);
