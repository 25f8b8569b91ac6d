import type { ErrorCode } from './errno.ts';

export type { ErrorCode } from './errno.ts';

/**
 * A wrong call, explained: what was asked, on which object, what is wrong, what would work.
 * Match on `code`; the text may change. Identity survives two copies of the library (see {@link isVerbsError}).
 */
export class VerbsError extends Error {
  override readonly name = 'VerbsError';
  readonly code: ErrorCode;
  /** The call, for example `createQueuePair`. */
  readonly call: string;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, call: string, problem: string, facts: ErrorFacts = {}) {
    super(`${code} in ${call}: ${problem}`);
    this.code = code;
    this.call = call;
    this.facts = facts;
    Object.defineProperty(this, MARK, { value: true });
  }

  /** Several lines: the message, then what is known, then what to try. */
  explain(): string {
    const lines = [`VerbsError ${this.message}`];
    for (const key of ['object', 'given', 'missing', 'try', 'see'] as const) {
      const text = this.facts[key];
      if (text !== undefined) lines.push(`  ${key.padEnd(8)} ${text}`);
    }
    return lines.join('\n');
  }
}

export interface ErrorFacts {
  readonly object?: string;
  readonly given?: string;
  readonly missing?: string;
  readonly try?: string;
  readonly see?: string;
}

export function isVerbsError(thrown: unknown): thrown is VerbsError {
  return typeof thrown === 'object' && thrown !== null && MARK in thrown;
}

const MARK = Symbol.for('verbena.VerbsError');
