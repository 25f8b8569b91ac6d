/** What the two threads of a device in worker mode say to each other. */
import type { MessagePort } from 'node:worker_threads';
import { type ErrorCode, type ErrorFacts, isVerbsError, type Message, VerbsError } from '@verbena/core';
import type { LinkPlan } from '../device/live-kernel.ts';
import type { LocalAddress } from '../wire/live-wire.ts';

/** Given to the worker when it starts. */
export interface WorkerSetup {
  readonly name: string;
  readonly seed: number;
  readonly links: readonly LinkByName[];
  /** Questions and answers. The answer is read without the event loop, by a thread that blocks. */
  readonly calls: MessagePort;
  /** What the device reports of its own accord. */
  readonly reports: MessagePort;
  /** Words of {@link Word}. */
  readonly words: SharedArrayBuffer;
}

/** A link with the name of its transport in the catalog: code cannot be handed to another thread. */
export type LinkByName = Omit<LinkPlan, 'transport'> & { readonly transport: string };

/** Index into the shared words. */
export const Word = {
  /** Counts answers; the asking thread blocks on it. */
  ANSWERS: 0,
  /** The worker sleeps: who rings a doorbell must send a kick. */
  ASLEEP: 1,
} as const;
export const WORDS_BYTES = 8;

export type Question =
  | { readonly kind: 'call'; readonly id: number; readonly message: Message }
  | { readonly kind: 'counters'; readonly id: number }
  | { readonly kind: 'kick' }
  | { readonly kind: 'close'; readonly timeoutNs: number };

export type Answer =
  | { readonly id: number; readonly message: Message }
  | { readonly id: number; readonly counters: Record<string, number> };

export type Report =
  | { readonly kind: 'opened'; readonly name: string; readonly local: LocalAddress }
  | { readonly kind: 'refused'; readonly error: PlainError }
  | { readonly kind: 'wake'; readonly number: number }
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
