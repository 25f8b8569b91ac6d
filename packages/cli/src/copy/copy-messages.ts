/** Messages of a copy, both directions, and the checks on what a peer sends. */
import { refusal } from '../failure.ts';
import type { LinkEnd } from '../session/link.ts';
import { parseEnd } from '../session/link-end.ts';
import { type Body, isCount } from '../session/session.ts';
import { isFairShape, type WindowShape } from './chunk-window.ts';

export interface PeerWindow extends WindowShape {
  readonly rkey: bigint;
}

/** The client is ready to take what it asked for. */
export interface StartRequest extends PeerWindow {
  readonly transfer: number;
}

export interface PutRequest extends PeerWindow {
  /** Of the client's link. */
  readonly end: LinkEnd;
  readonly path: string;
  readonly fileName: string;
  readonly size: number;
  readonly force: boolean;
  readonly sync: boolean;
}

export interface Finish {
  readonly transfer: number;
  readonly sha256: string;
}

export function startBody(request: StartRequest): Body {
  return { ...request, rkey: request.rkey.toString(16) };
}

export function parseStart(body: Body): StartRequest {
  return { transfer: countOf(body, 'transfer'), ...windowOf(body) };
}

export function putBody(request: PutRequest): Body {
  return { ...request, rkey: request.rkey.toString(16) };
}

export function parsePut(body: Body): PutRequest {
  return {
    end: parseEnd(body.end),
    path: textOf(body, 'path'),
    fileName: textOf(body, 'fileName'),
    size: countOf(body, 'size'),
    force: body.force === true,
    sync: body.sync === true,
    ...windowOf(body),
  };
}

export function parseFinish(body: Body): Finish {
  return { transfer: countOf(body, 'transfer'), sha256: textOf(body, 'sha256') };
}

/** What the server answers to `get` and `put`. */
export interface Granted {
  readonly transfer: number;
  /** Of the server's link. */
  readonly end: LinkEnd;
}

export function parseGranted(body: Body): Granted {
  return { transfer: countOf(body, 'transfer'), end: parseEnd(body.end) };
}

export function countOf(body: Body, name: string): number {
  const value = body[name];
  if (!isCount(value)) throw refusal('EINVAL', 'cp', `the peer's message lacks a number '${name}'`);
  return value;
}

export function textOf(body: Body, name: string): string {
  const value = body[name];
  if (typeof value !== 'string') throw refusal('EINVAL', 'cp', `the peer's message lacks a text '${name}'`);
  return value;
}

function windowOf(body: Body): PeerWindow {
  const slots = countOf(body, 'slots');
  const slotBytes = countOf(body, 'slotBytes');
  if (!isFairShape(slots, slotBytes)) {
    throw refusal('EINVAL', 'cp', `a window of ${slots} x ${slotBytes} bytes is not served`);
  }
  const rkey = textOf(body, 'rkey');
  if (!/^[0-9a-f]{1,16}$/.test(rkey)) throw refusal('EINVAL', 'cp', 'the window has no valid key');
  return { slots, slotBytes, rkey: BigInt(`0x${rkey}`) };
}
