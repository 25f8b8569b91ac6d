/** What the device itself counts, beside its engine. */
export const DEVICE_COUNTERS = [
  'cq_overruns',
  'completions_lost',
  'events_lost',
  'queue_pairs_failed',
  'steps',
  'doorbells',
] as const;

/** Position of each counter by name. */
export const COUNT = Object.freeze(Object.fromEntries(DEVICE_COUNTERS.map((name, i) => [name, i]))) as Readonly<
  Record<(typeof DEVICE_COUNTERS)[number], number>
>;
