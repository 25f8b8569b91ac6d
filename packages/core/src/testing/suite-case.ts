/** What a conformance case is, and the checks that cases use. They throw; no test framework is needed. */
import type { Operation, Transport } from '../engine/engine.ts';
import type { QpType } from '../uapi/objects/qp.ts';
import type { Completion } from '../verbs/completion.ts';
import { Bed, type BedOptions, defaultKind, isConnected } from './bed.ts';

export interface SuiteCase {
  /** Topic and what it shows, for instance `send/four-segments`. */
  readonly name: string;
  /** What the transport and the kind of queue pair must have. */
  readonly needs: Needs;
  run(suite: SuiteContext): void;
}

export interface Needs {
  readonly operations?: readonly Operation[];
  /** Settings that it gives to devices. */
  readonly settings?: readonly string[];
  /** Kinds of queue pair that it is about. */
  readonly kinds?: readonly QpType[];
  /** Kinds that the transport must offer beside. */
  readonly offers?: readonly QpType[];
  /** A write with immediate data takes a receive; false: it does not. */
  readonly noticesTakeReceives?: boolean;
  /** Packets tell the receiver of which job they are. */
  readonly jobsOnWire?: boolean;
}

/** What a case gets: the transport under test, and beds on demand. */
export class SuiteContext {
  readonly transport: Transport;
  /** Kind of queue pair that beds use. */
  readonly kind: QpType;
  readonly settings: Readonly<Record<string, number>>;
  /** Buffers are registered as safe to access more than once. */
  readonly idempotentMemory: boolean;

  constructor(
    transport: Transport,
    kind?: QpType,
    settings: Readonly<Record<string, number>> = {},
    idempotentMemory = false,
  ) {
    this.transport = transport;
    this.kind = kind ?? defaultKind(transport);
    this.settings = settings;
    this.idempotentMemory = idempotentMemory;
  }

  /** A queue pair has one peer: a request that fails takes it to ERR, and flushes what was posted behind it. */
  get connected(): boolean {
    return isConnected(this.kind);
  }

  bed(options: Omit<BedOptions, 'transport'> = {}): Bed {
    const { settings, kind, idempotentMemory, transport } = this;
    return new Bed({ settings, kind, idempotentMemory, ...options, transport });
  }

  /** Immediate data of all the bits that the transport carries. */
  imm(value: bigint): bigint {
    return BigInt.asUintN(this.transport.attributes.immediateBits, value);
  }
}

export function testCase(name: string, run: (suite: SuiteContext) => void, needs: Needs = {}): SuiteCase {
  return { name, run, needs };
}

/** Why a case does not apply; undefined when it does. */
export function inapplicable({ needs }: SuiteCase, { attributes }: Transport, kind: QpType): string | undefined {
  const { operations = [], settings = [], kinds, offers = [], noticesTakeReceives, jobsOnWire = false } = needs;
  const missing = operations.filter((one) => !attributes.operations.includes(one));
  if (missing.length > 0) return `the transport has no ${missing.join(', ')}`;
  const unknown = settings.filter((name) => !attributes.settings.some((one) => one.name === name));
  if (unknown.length > 0) return `the transport has no setting ${unknown.join(', ')}`;
  if (kinds !== undefined && !kinds.includes(kind)) return `about queue pairs of kind ${kinds.join(', ')}, not ${kind}`;
  const lacking = offers.filter((one) => !attributes.queuePairTypes.includes(one));
  if (lacking.length > 0) return `the transport has no queue pairs of kind ${lacking.join(', ')}`;
  if (noticesTakeReceives !== undefined && noticesTakeReceives !== (attributes.noticesTakeReceives ?? false)) {
    return `its writes with immediate data take ${noticesTakeReceives ? 'no receives' : 'receives'}`;
  }
  if (jobsOnWire && !attributes.jobsOnWire) return 'its packets name no job';
  return undefined;
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
