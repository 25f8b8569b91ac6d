/** What the two threads of a device in worker mode say to each other. */
import type { MessagePort } from 'node:worker_threads';
import { type ErrorCode, type ErrorFacts, isVerbsError, type Message, VerbsError } from '@verbena/core';
import type { DomainChange, HandedOver } from '../crypto/domain-store.ts';
import type { SecurityOptions } from '../device/device-plan.ts';
import type { LinkPlan } from '../device/live-kernel.ts';
import type { LocalAddress } from '../wire/live-wire.ts';

/** Given to the worker when it starts. */
export interface WorkerSetup {
  readonly name: string;
  readonly seed: number;
  readonly links: readonly LinkByName[];
  /** What packets are protected by. Keys come in this message only: not in the environment, not in arguments. */
  readonly security: WorkerSecurity | undefined;
  /** Questions and answers. The answer is read without the event loop, by a thread that blocks. */
  readonly calls: MessagePort;
  /** What the device reports of its own accord. */
  readonly reports: MessagePort;
  /** Words of {@link Word}. */
  readonly words: SharedArrayBuffer;
}

/** A link with the name of its transport in the catalog: code cannot be handed to another thread. */
export type LinkByName = Omit<LinkPlan, 'transport' | 'bare'> & {
  readonly transport: string;
  /** Its packets are protected. */
  readonly secured: boolean;
};

export type WorkerSecurity = Omit<SecurityOptions, 'domains'> & { readonly handed: HandedOver };

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
  | { readonly kind: 'domains'; readonly id: number; readonly change: DomainChange }
  | { readonly kind: 'kick' }
  | { readonly kind: 'close'; readonly timeoutNs: number };

export type Answer =
  | { readonly id: number; readonly message: Message }
  | { readonly id: number; readonly counters: Record<string, number> }
  | { readonly id: number; readonly error: PlainError | undefined };

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
