/** Runs the rules against the engine as it is, then with each fault; says which rules found it. */
import { onOwn } from '../own-suite.ts';
import type { Rule } from '../rule.ts';
import { FAULTS, type Fault } from './faults.ts';
import { EngineCopy } from './mutate.ts';

export interface Verdict {
  readonly fault: Fault;
  /** Names of the rules that are broken. */
  readonly foundBy: readonly string[];
}

export interface MutationRun {
  /** Rules that are broken without any fault. */
  readonly cleanFailures: readonly string[];
  readonly verdicts: readonly Verdict[];
}

export interface MutationOptions {
  /** Folder with the built endpoint program. */
  readonly conformance?: string;
  /** Rules that are tried with faults; all when left out. */
  readonly faultRules?: readonly Rule[];
}

/** @throws Error a fault does not fit the engine any more */
export async function runMutations(
  rules: readonly Rule[],
  seed: number,
  faults: readonly Fault[] = FAULTS,
  say: (line: string) => void = () => {},
  options: MutationOptions = {},
): Promise<MutationRun> {
  const { conformance, faultRules = rules } = options;
  const copy = EngineCopy.make(conformance);
  try {
    for (const fault of faults) copy.build(fault)(); // all must fit before the first one runs
    const broken = async (tried: readonly Rule[]) => {
      const { results } = await onOwn(tried, seed, () => {}, copy.program);
      return results.filter(({ outcome }) => outcome === 'fail').map(({ rule }) => rule.id);
    };
    const cleanFailures = await broken(rules);
    say(`without a fault: ${cleanFailures.length === 0 ? 'all rules kept' : `broken: ${cleanFailures.join(', ')}`}`);
    const verdicts: Verdict[] = [];
    for (const fault of faults) {
      const takeOut = copy.build(fault);
      const foundBy = await broken(faultRules).catch((error: Error) => [`(the endpoint: ${error.message})`]);
      takeOut();
      verdicts.push({ fault, foundBy });
      say(`${foundBy.length > 0 ? 'found' : 'MISSED'}  ${fault.name}: ${fault.text}\n        ${shown(foundBy)}`);
    }
    return { cleanFailures, verdicts };
  } finally {
    copy.remove();
  }
}

const shown = (ids: readonly string[]): string =>
  `${ids.slice(0, SHOWN).join(', ')}${ids.length > SHOWN ? ` and ${ids.length - SHOWN} more` : ''}`;

const SHOWN = 6;
