/**
 * Tables of codes: numbers with a name and a meaning, as data for tools that explain them. Whoever defines codes gives a
 * table of them, made of the rows that its own code runs by.
 */

/** Codes of one kind. */
export interface CodeTable {
  /** Word for the kind, lower case with hyphens: `return-code`. */
  readonly kind: string;
  /** What a row is: `UET return code`. */
  readonly name: string;
  /** The part of the system that it belongs to: `SES`, `verbs`. */
  readonly layer: string;
  /** What names begin with elsewhere, in C or in counters: `IBV_WC_`. */
  readonly prefixes: readonly string[];
  /** Section of the specification, for rows without one of their own. */
  readonly section: string;
  /** What the vendor status of a completion has besides the number. */
  readonly vendorBase?: number;
  readonly rows: readonly CodeRow[];
}

/** One code. */
export interface CodeRow {
  /** Absent where the kind has names only. */
  readonly value?: number;
  readonly name: string;
  readonly text: string;
  /** When it comes up. */
  readonly cause?: string;
  /** What becomes of it without anybody's help. */
  readonly effect?: string;
  /** Number of the completion status that a request with it fails with. */
  readonly status?: number;
  /** Error of the fabric API in that case, a libfabric number. */
  readonly fabricError?: number;
  /** What a user can do about it. */
  readonly advice?: string;
  readonly section?: string;
}
