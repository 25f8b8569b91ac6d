/** What a case of the fabric suite is. */

import { isVerbsError } from '../../base/verbs-error.ts';
import type { Transport } from '../../engine/engine.ts';
import type { Completion } from '../../fabric/completion.ts';
import type { FabricErrorName } from '../../fabric/errors.ts';
import type { FabricHints } from '../../fabric/hints.ts';
import type { Capability } from '../../fabric/info.ts';
import { patternByte } from '../bed.ts';
import { FabricBed, type FabricBedOptions } from '../fabric-bed.ts';
import { check } from '../suite-case.ts';

export interface FabricCase {
  readonly name: string;
  readonly needs: readonly Capability[];
  /** About datagram endpoints. */
  readonly datagrams?: boolean;
  run(suite: FabricSuiteContext): void;
}

/** What a case gets: the transport under test, and beds on demand. */
export class FabricSuiteContext {
  readonly transport: Transport;
  readonly settings: Readonly<Record<string, number>>;

  constructor(transport: Transport, settings: Readonly<Record<string, number>> = {}) {
    this.transport = transport;
    this.settings = settings;
  }

  bed(options: Omit<FabricBedOptions, 'transport'> = {}): FabricBed {
    return new FabricBed({ settings: this.settings, hints: PLAIN, ...options, transport: this.transport });
  }
}

export function fabricCase(
  name: string,
  needs: readonly Capability[],
  run: (suite: FabricSuiteContext) => void,
  datagrams = false,
): FabricCase {
  return { name, needs, datagrams, run };
}

/** What the protocol has, by what endpoints need of it. */
export function rdmFits({ attributes }: Transport, capability: Capability): boolean {
  const has = (...names: readonly string[]) =>
    names.every((name) => (attributes.operations as readonly string[]).includes(name));
  switch (capability) {
    case 'msg':
      return has('send');
    case 'rma':
      return has('write', 'read');
    case 'atomic':
      return has('atomic', 'fetching-atomic') && attributes.atomics !== undefined;
    case 'tagged':
    case 'directedReceive':
    case 'multiReceive':
    case 'cancel':
      return has('tagged');
    case 'idempotent':
      return attributes.idempotent === true;
    case 'fence':
      return attributes.ordering.includes('ordered');
    default:
      return true;
  }
}

/** @throws Error unless the operation went well */
export function checkOk(completion: Completion | undefined, what = 'the operation'): asserts completion {
  check(completion !== undefined, `${what} did not complete`);
  check(completion.ok, `${what} failed: ${completion.explain()}`);
}

/** @throws Error unless the operation failed in this way */
export function checkError(completion: Completion | undefined, ...names: readonly FabricErrorName[]): void {
  check(completion !== undefined, 'the operation did not complete');
  const found = completion.error?.name ?? 'success';
  check(
    names.includes(found as FabricErrorName),
    `ended with ${found}, not ${names.join(' or ')}: ${completion.explain()}`,
  );
}

/** @throws Error unless bytes hold the pattern */
export function checkPattern(bytes: Uint8Array, length: number, salt: number, at = 0): void {
  for (let i = 0; i < length; i++) {
    const due = patternByte(i, salt);
    check(bytes[at + i] === due, `byte ${i} of ${length} is ${bytes[at + i]}, not ${due}`);
  }
}

/** The code of what a call throws; '' when it does not. */
export function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    if (isVerbsError(thrown)) return thrown.code;
    throw thrown;
  }
  return '';
}

/** Messages and remote access, unordered. */
export const PLAIN: FabricHints = { caps: { msg: true, rma: true }, endpoint: { type: 'rdm' } };
export const ORDERED: FabricHints = { ...PLAIN, transmit: { messageOrder: ['SAS'] } };
