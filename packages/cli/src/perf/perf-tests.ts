/** The measurements, named as in perftest. A table: command, titles and defaults come from here. */

export type PerfTest = (typeof PERF_TESTS)[number];

export const PERF_TESTS = [
  { name: 'write-bw', operation: 'write', kind: 'bw', title: 'RDMA_Write BW Test', size: 65_536, iterations: 5_000 },
  { name: 'write-lat', operation: 'write', kind: 'lat', title: 'RDMA_Write Latency Test', size: 2, iterations: 1_000 },
  { name: 'read-bw', operation: 'read', kind: 'bw', title: 'RDMA_Read BW Test', size: 65_536, iterations: 1_000 },
  { name: 'read-lat', operation: 'read', kind: 'lat', title: 'RDMA_Read Latency Test', size: 2, iterations: 1_000 },
  { name: 'send-bw', operation: 'send', kind: 'bw', title: 'Send BW Test', size: 65_536, iterations: 1_000 },
  { name: 'send-lat', operation: 'send', kind: 'lat', title: 'Send Latency Test', size: 2, iterations: 1_000 },
  { name: 'tagged-bw', operation: 'tagged', kind: 'bw', title: 'Tagged Send BW Test', size: 65_536, iterations: 1_000 },
  {
    name: 'tagged-lat',
    operation: 'tagged',
    kind: 'lat',
    title: 'Tagged Send Latency Test',
    size: 2,
    iterations: 1_000,
  },
  {
    ...{ name: 'atomic-lat', operation: 'atomic', kind: 'lat', title: 'Atomic Fetch-Add Latency Test' },
    ...{ size: 8, iterations: 1_000 },
  },
  {
    ...{ name: 'atomic-rate', operation: 'atomic', kind: 'bw', title: 'Atomic Fetch-Add Rate Test' },
    ...{ size: 8, iterations: 20_000 },
  },
] as const;

/** Those that go through the verbs API. */
export type VerbsTest = Extract<PerfTest, { readonly operation: 'write' | 'read' | 'send' }>;

/** Those that go through the fabric API. */
export type FabricTest = Exclude<PerfTest, VerbsTest>;

export const isFabricTest = (test: PerfTest): test is FabricTest =>
  test.operation === 'tagged' || test.operation === 'atomic';

/** An atomic changes one element. */
export const ATOMIC_BYTES = 8;

export function perfTest(name: string): PerfTest | undefined {
  return PERF_TESTS.find((test) => test.name === name);
}

export interface PerfPlan {
  readonly test: PerfTest;
  readonly sizes: readonly number[];
  /** Messages per size; undefined: as many as fit in `seconds`, or the default. */
  readonly iterations: number | undefined;
  readonly seconds: number | undefined;
  /** Messages in flight (bandwidth). */
  readonly depth: number;
  readonly ordered: boolean;
  readonly warmup: number | undefined;
  readonly seed: number;
}

/** Sizes of `-a`: powers of two up to 8 MiB. */
export const ALL_SIZES: readonly number[] = Array.from({ length: 23 }, (_, i) => 2 ** (i + 1));

/** Messages of one size when the user does not say: perftest's number, but not more than 2 GiB of them. */
export function defaultIterations(test: PerfTest, size: number): number {
  return Math.max(20, Math.min(test.iterations, Math.floor(MAX_DEFAULT_BYTES / Math.max(1, size))));
}

/** Messages before the clock starts: enough for the compiler and the window, not more than 64 MiB. */
export function defaultWarmup(test: PerfTest, size: number): number {
  const few = test.kind === 'bw' ? 1_000 : 500;
  return Math.max(4, Math.min(few, Math.floor(MAX_WARMUP_BYTES / Math.max(1, size))));
}

const MAX_DEFAULT_BYTES = 2 ** 31;
const MAX_WARMUP_BYTES = 2 ** 26;
