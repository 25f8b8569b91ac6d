/** Nanoseconds since the host's epoch. A safe integer for 104 days; never a bigint, never wall-clock time. */
export type Nanos = number;

/** The deadline of a timer that is not armed. */
export const NEVER: Nanos = Number.POSITIVE_INFINITY;

export const MICROSECOND: Nanos = 1_000;
export const MILLISECOND: Nanos = 1_000_000;
export const SECOND: Nanos = 1_000_000_000;
