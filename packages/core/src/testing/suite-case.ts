/** What a conformance case is, and the checks that cases use. They throw; no test framework is needed. */
import type { Transport } from '../engine/engine.ts';
import type { Completion } from '../verbs/completion.ts';
import { Bed, type BedOptions } from './bed.ts';

export interface SuiteCase {
  /** Topic and what it shows, for instance `send/four-segments`. */
  readonly name: string;
  run(suite: SuiteContext): void;
}

/** What a case gets: the transport under test, and beds on demand. */
export class SuiteContext {
  readonly transport: Transport;
  readonly settings: Readonly<Record<string, number>>;

  constructor(transport: Transport, settings: Readonly<Record<string, number>> = {}) {
    this.transport = transport;
    this.settings = settings;
  }

  bed(options: Omit<BedOptions, 'transport'> = {}): Bed {
    return new Bed({ settings: this.settings, ...options, transport: this.transport });
  }
}

export function testCase(name: string, run: (suite: SuiteContext) => void): SuiteCase {
  return { name, run };
}

export function check(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Error(text);
}

/** Compares numbers and texts, or lists of them. */
export function checkEqual<T extends number | string | bigint | boolean | undefined>(
  actual: T | readonly T[],
  expected: T | readonly T[],
  what: string,
): void {
  const [a, b] = [String(actual), String(expected)];
  check(a === b, `${what}: is ${a}, should be ${b}`);
}

export function checkStatus(completion: Completion | undefined, ...allowed: Completion['status'][]): void {
  check(completion !== undefined, 'there is no completion');
  const { status } = completion;
  check(allowed.includes(status), `status ${status} instead of ${allowed.join(' or ')}\n${completion.explain()}`);
}

/** @throws Error unless `run` throws a VerbsError with this code */
export function checkThrows(code: string, run: () => unknown): void {
  try {
    run();
  } catch (thrown) {
    const found = (thrown as { code?: string }).code;
    check(found === code, `threw ${found ?? String(thrown)} instead of ${code}`);
    return;
  }
  throw new Error(`did not throw ${code}`);
}
