/**
 * The conformance suite of transports, as a library. A transport's `conformance.test.ts` calls it with the test
 * framework in use and says, with reasons, what the transport does not do:
 *
 *   transportSuite(loop, { describe, it, skip: [{ reason: 'one message at a time', cases: ['dead-peer/*same*'] }] });
 *
 * Every case runs over the verbs API on simulated devices, in simulated time.
 */
import type { Transport } from '../engine/engine.ts';
import type { QpType } from '../uapi/objects/qp.ts';
import { defaultKind } from './bed.ts';
import { ACCESS_CASES } from './cases/access.ts';
import { ATOMIC_CASES } from './cases/atomics.ts';
import { COMPLETION_LEVEL_CASES } from './cases/completion-levels.ts';
import { CONNECTED_CASES } from './cases/connected.ts';
import { DATAGRAM_CASES } from './cases/datagrams.ts';
import { FAULT_CASES } from './cases/faults.ts';
import { INVALIDATION_CASES } from './cases/invalidation.ts';
import { LATE_MESSAGE_CASES } from './cases/late-messages.ts';
import { LIFECYCLE_CASES } from './cases/lifecycle.ts';
import { LOOK_CASES } from './cases/looks.ts';
import { MEMORY_CASES } from './cases/memory.ts';
import { QUEUE_CASES } from './cases/queues.ts';
import { RECEIVER_CASES } from './cases/receiver.ts';
import { TAGGED_CASES } from './cases/tagged.ts';
import { TAGGED_ATOMIC_CASES } from './cases/tagged-atomics.ts';
import { TRANSFER_CASES } from './cases/transfer.ts';
import { TYPED_ATOMIC_CASES } from './cases/typed-atomics.ts';
import { inapplicable, type SuiteCase, SuiteContext } from './suite-case.ts';

export interface SuiteOptions {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: ((name: string, body: () => void) => unknown) & {
    readonly skip: (name: string, body: () => void) => unknown;
  };
  /** What the transport does not do. `*` in a case name stands for any text. */
  readonly skip?: readonly { readonly reason: string; readonly cases: readonly string[] }[];
  /** Kind of queue pair that the cases use. Default: reliable unconnected ones where there are any. */
  readonly kind?: QpType;
  /** Settings of all devices. */
  readonly settings?: Readonly<Record<string, number>>;
  /** Buffers are registered as safe to access more than once. Default false. */
  readonly idempotentMemory?: boolean;
}

/** All cases, for those who run them without a test framework. */
export const TRANSPORT_CASES: readonly SuiteCase[] = [
  ...TRANSFER_CASES,
  ...RECEIVER_CASES,
  ...ACCESS_CASES,
  ...MEMORY_CASES,
  ...QUEUE_CASES,
  ...FAULT_CASES,
  ...LIFECYCLE_CASES,
  ...ATOMIC_CASES,
  ...TAGGED_CASES,
  ...LOOK_CASES,
  ...COMPLETION_LEVEL_CASES,
  ...LATE_MESSAGE_CASES,
  ...TYPED_ATOMIC_CASES,
  ...TAGGED_ATOMIC_CASES,
  ...INVALIDATION_CASES,
  ...CONNECTED_CASES,
  ...DATAGRAM_CASES,
];

export function transportSuite(transport: Transport, options: SuiteOptions): void {
  const { describe, it, skip = [], settings = {}, kind = defaultKind(transport), idempotentMemory } = options;
  const patterns = skip.flatMap(({ reason, cases }) => cases.map((glob) => ({ reason, glob, pattern: regexOf(glob) })));
  describe(`transport suite: ${transport.name} ${kind}`, () => {
    for (const one of TRANSPORT_CASES) {
      const { name, run } = one;
      const reason = inapplicable(one, transport, kind) ?? patterns.find(({ pattern }) => pattern.test(name))?.reason;
      if (reason !== undefined) it.skip(`${name} (${reason})`, () => {});
      else it(name, () => run(new SuiteContext(transport, kind, settings, idempotentMemory)));
    }
    it('skips only what exists', () => {
      const idle = patterns.filter(({ pattern }) => !TRANSPORT_CASES.some(({ name }) => pattern.test(name)));
      if (idle.length > 0) throw new Error(`these match no case: ${idle.map(({ glob }) => glob).join(', ')}`);
    });
  });
}

const regexOf = (glob: string): RegExp =>
  new RegExp(`^${glob.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`);
