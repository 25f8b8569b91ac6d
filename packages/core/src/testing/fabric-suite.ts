/**
 * The conformance suite of the fabric API over a transport, as a library:
 *
 *   fabricSuite(uet, { describe, it });
 *
 * What an endpoint cannot do is skipped with the reason. Everything runs on simulated devices, in simulated time.
 */
import type { Transport } from '../engine/engine.ts';
import type { Capability } from '../fabric/info.ts';
import { FABRIC_ATOMIC_CASES } from './fabric-cases/atomics.ts';
import { type FabricCase, FabricSuiteContext, rdmFits } from './fabric-cases/fabric-case.ts';
import { FABRIC_LIFE_CASES } from './fabric-cases/life.ts';
import { FABRIC_MEMORY_CASES } from './fabric-cases/memory.ts';
import { FABRIC_MESSAGE_CASES } from './fabric-cases/messages.ts';
import { FABRIC_QUEUE_CASES } from './fabric-cases/queues.ts';
import { FABRIC_TAGGED_CASES } from './fabric-cases/tagged.ts';
import type { SuiteOptions } from './transport-suite.ts';

/** All cases, for those who run them without a test framework. */
export const FABRIC_CASES: readonly FabricCase[] = [
  ...FABRIC_LIFE_CASES,
  ...FABRIC_MESSAGE_CASES,
  ...FABRIC_MEMORY_CASES,
  ...FABRIC_QUEUE_CASES,
  ...FABRIC_TAGGED_CASES,
  ...FABRIC_ATOMIC_CASES,
];

export function fabricSuite(
  transport: Transport,
  options: Pick<SuiteOptions, 'describe' | 'it' | 'settings' | 'skip'>,
): void {
  const { describe, it, settings = {}, skip = [] } = options;
  describe(`fabric suite: ${transport.name} (R122 R168)`, () => {
    for (const { name, needs, datagrams = false, run } of FABRIC_CASES) {
      const reason = missing(transport, needs, datagrams) ?? skip.find(({ cases }) => cases.includes(name))?.reason;
      if (reason !== undefined) it.skip(`${name} (${reason})`, () => {});
      else it(name, () => run(new FabricSuiteContext(transport, settings)));
    }
  });
}

function missing(transport: Transport, needs: readonly Capability[], datagrams: boolean): string | undefined {
  const kind = datagrams ? 'UD' : 'RU';
  if (!transport.attributes.queuePairTypes.includes(kind))
    return `${transport.name} has no queue pairs of kind ${kind}`;
  const lacking = needs.filter((one) => !rdmFits(transport, one));
  return lacking.length === 0 ? undefined : `${transport.name} has no ${lacking.join(', ')}`;
}
