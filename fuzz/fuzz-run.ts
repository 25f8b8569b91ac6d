/** What all targets have in common: a bound, a seed, and a report. */

export interface FuzzOptions {
  readonly seed: number;
  /** Stop after so many inputs, */
  readonly inputs?: number;
  /** or when this says so. */
  readonly expired?: () => boolean;
  /** Further inputs to start from. */
  readonly corpus?: readonly Uint8Array[];
}

export interface FuzzReport {
  readonly target: string;
  readonly inputs: number;
  /** What went wrong, with what is needed to repeat it. */
  readonly failures: readonly string[];
  /** Facts about the run that show that it was not in vain. */
  readonly facts: Readonly<Record<string, number>>;
}

export const goesOn = ({ inputs = Number.POSITIVE_INFINITY, expired }: FuzzOptions, done: number): boolean =>
  done < inputs && (done % 64 !== 0 || expired === undefined || !expired());

export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export const MAX_FAILURES = 10;
