/** One requirement of the project, and what may be said about it beside its tests. */
export interface Requirement {
  /** `R001` to `R228`; test names cite it. */
  readonly id: string;
  readonly kind: RequirementKind;
  /** What has to hold, in one sentence. */
  readonly statement: string;
  /** Why no test proves it. A requirement with a reason and without a test is argued, not open. */
  readonly reason?: string;
  /** What its tests cannot show yet. It does not take the place of a test. */
  readonly limits?: string;
}

export type RequirementKind = (typeof REQUIREMENT_KINDS)[number];

export interface RequirementSection {
  /** `A` to `Q`. */
  readonly letter: string;
  readonly title: string;
  readonly requirements: readonly Requirement[];
}

type Remarks = Pick<Requirement, 'reason' | 'limits'>;

export const must = (id: string, statement: string, remarks: Remarks = {}): Requirement => ({
  id,
  kind: 'MUST',
  statement,
  ...remarks,
});

export const should = (id: string, statement: string, remarks: Remarks = {}): Requirement => ({
  id,
  kind: 'SHOULD',
  statement,
  ...remarks,
});

export const could = (id: string, statement: string, remarks: Remarks = {}): Requirement => ({
  id,
  kind: 'COULD',
  statement,
  ...remarks,
});

export const REQUIREMENT_KINDS = ['MUST', 'SHOULD', 'COULD'] as const;
