/** Which tests prove which requirement: the ids in their names decide. */
import type { SourceFile } from '../citations/source-files.ts';
import { testNames } from '../citations/test-names.ts';
import type { Requirement, RequirementSection } from './requirement.ts';

export interface Proof {
  /** From the root of the workspace. */
  readonly file: string;
  /** The name of the test. */
  readonly name: string;
}

export interface JudgedRequirement extends Requirement {
  /** Letter of the section. */
  readonly section: string;
  readonly status: RequirementStatus;
  /** In the order of files and of tests within a file. */
  readonly proofs: readonly Proof[];
  /** Test files that name the id, but not in the name of a test: that proves nothing. */
  readonly mentions: readonly string[];
}

/** Proven by a test, argued by a reason, or open: neither. */
export type RequirementStatus = (typeof REQUIREMENT_STATUSES)[number];

export interface Judgement {
  readonly requirements: readonly JudgedRequirement[];
  /** Ids that tests cite and the table does not have. */
  readonly unknown: readonly Proof[];
}

export function judge(sections: readonly RequirementSection[], files: readonly SourceFile[]): Judgement {
  const proofs = new Map<string, Proof[]>();
  const mentions = new Map<string, string[]>();
  for (const { path, text, isTest } of files) {
    // most files cite nothing: parsing them would be the cost of this tool
    if (!isTest || text.search(REQUIREMENT_ID) < 0) continue;
    const inNames = new Set<string>();
    for (const name of testNames(text)) {
      for (const id of idsIn(name)) {
        append(proofs, id, { file: path, name });
        inNames.add(id);
      }
    }
    for (const id of idsIn(text)) if (!inNames.has(id)) mentions.set(id, [...(mentions.get(id) ?? []), path]);
  }
  const requirements = sections.flatMap(({ letter, requirements }) =>
    requirements.map((requirement) => {
      const own = proofs.get(requirement.id) ?? [];
      const status: RequirementStatus =
        own.length > 0 ? 'proven' : requirement.reason !== undefined ? 'argued' : 'open';
      return { ...requirement, section: letter, status, proofs: own, mentions: mentions.get(requirement.id) ?? [] };
    }),
  );
  const known = new Set(requirements.map(({ id }) => id));
  const unknown = [...proofs].flatMap(([id, cited]) => (known.has(id) ? [] : cited));
  return { requirements, unknown };
}

/** Each id once, however often a name has it. */
function idsIn(text: string): Set<string> {
  return new Set(text.match(new RegExp(REQUIREMENT_ID, 'g')) ?? []);
}

function append(proofs: Map<string, Proof[]>, id: string, proof: Proof): void {
  const list = proofs.get(id) ?? [];
  proofs.set(id, list);
  if (!list.some(({ file, name }) => file === proof.file && name === proof.name)) list.push(proof);
}

export const REQUIREMENT_STATUSES = ['proven', 'argued', 'open'] as const;
const REQUIREMENT_ID = /\bR\d{3}\b/;
