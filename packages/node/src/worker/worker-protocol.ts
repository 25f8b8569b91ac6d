/** What the two threads of a device in worker mode say to each other. */
import type { MessagePort } from 'node:worker_threads';
import { type ErrorCode, type ErrorFacts, isVerbsError, type KernelCallName, VerbsError } from '@verbena/core';
import type { LocalAddress } from '../wire/live-wire.ts';
import type { WireStackOptions } from '../wire/wire-stack.ts';

/** Given to the worker when it starts. */
export interface WorkerSetup {
  readonly name: string;
  /** Name in the catalog: code cannot be handed to another thread. */
  readonly transport: string;
  readonly payloadMtu: number;
  readonly seed: number;
  readonly settings: Readonly<Record<string, number>>;
  readonly wire: WireStackOptions;
  /** Questions and answers. The answer is read without the event loop, by a thread that blocks. */
  readonly calls: MessagePort;
  /** What the device reports of its own accord. */
  readonly reports: MessagePort;
  /** Words of {@link Word}. */
  readonly words: SharedArrayBuffer;
}

/** Index into the shared words. */
export const Word = {
  /** Counts answers; the asking thread blocks on it. */
  ANSWERS: 0,
  /** The worker sleeps: who rings a doorbell must send a kick. */
  ASLEEP: 1,
} as const;
export const WORDS_BYTES = 8;

export type Question =
  | { readonly kind: 'call'; readonly id: number; readonly name: KernelCallName | WireCall; readonly args: unknown }
  | { readonly kind: 'kick' }
  | { readonly kind: 'close'; readonly timeoutNs: number };

/** Calls that the host answers beside the device. */
export type WireCall = 'wireCounters';

export type Answer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: PlainError };

export type Report =
  | { readonly kind: 'opened'; readonly local: LocalAddress; readonly level: string }
  | { readonly kind: 'refused'; readonly error: PlainError }
  | { readonly kind: 'wake'; readonly handle: number }
  | { readonly kind: 'closed'; readonly orderly: boolean };

/** An error as it crosses: classes and symbols do not survive a structured clone. */
export interface PlainError {
  readonly code?: ErrorCode;
  readonly call: string;
  readonly text: string;
  readonly facts: ErrorFacts;
}

export function toPlain(thrown: unknown, call: string): PlainError {
  if (!isVerbsError(thrown)) return { call, text: String(thrown), facts: {} };
  const prefix = `${thrown.code} in ${thrown.call}: `;
  return { code: thrown.code, call: thrown.call, text: thrown.message.slice(prefix.length), facts: thrown.facts };
}

export function fromPlain({ code, call, text, facts }: PlainError): VerbsError {
  return new VerbsError(code ?? 'EIO', call, text, facts);
}
