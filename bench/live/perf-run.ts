/** One run of `verbena perf` between two processes, and the tests that are run. */
import { fileURLToPath } from 'node:url';
import { start, waitForExit, waitForOutput } from './processes.ts';

export interface PerfRow {
  readonly bandwidth_bytes_per_s: number;
  readonly messages_per_s: number;
  readonly latency_us: { readonly p50: number; readonly p99: number };
  readonly retransmitted_packets: number;
  readonly cpu_seconds: number;
}

export interface Test {
  readonly name: string;
  readonly perf: readonly string[];
  readonly unit: 'GB/s' | 'M/s' | 'us';
  /** Message size at which the peers run, bytes; their iterations. */
  readonly peer?: { readonly size: number; readonly iterations: number };
  /** The floor that the project set itself. */
  readonly floor?: number;
}

export const TESTS: readonly Test[] = [
  {
    name: 'write 1 MiB',
    perf: ['write-bw', '-s', '1048576', '-t', '16'],
    unit: 'GB/s',
    peer: { size: 1 << 20, iterations: 200 },
    floor: 2.5,
  },
  {
    name: 'read 1 MiB',
    perf: ['read-bw', '-s', '1048576', '-t', '16'],
    unit: 'GB/s',
    peer: { size: 1 << 20, iterations: 200 },
  },
  {
    name: 'send 1 MiB',
    perf: ['send-bw', '-s', '1048576', '-t', '16'],
    unit: 'GB/s',
    peer: { size: 1 << 20, iterations: 200 },
  },
  { name: 'write 64 B, window 1024', perf: ['write-bw', '-s', '64', '-t', '1024'], unit: 'M/s', floor: 1 },
  {
    name: 'send 64 B one way',
    perf: ['send-lat', '-s', '64'],
    unit: 'us',
    peer: { size: 64, iterations: 20_000 },
    floor: 8,
  },
  { name: 'write 64 B one way', perf: ['write-lat', '-s', '64'], unit: 'us', peer: { size: 64, iterations: 20_000 } },
  { name: 'read 64 B round trip', perf: ['read-lat', '-s', '64'], unit: 'us' },
];

export interface RunOptions {
  /** Of the daemons that serve server and client; without, both have devices of their own. */
  readonly sockets?: readonly [server: string, client: string];
  /** Default `uet`. */
  readonly transport?: Protocol;
  /** Key file: packets are protected. */
  readonly keys?: string;
}

/** What the project's devices speak, in the order of the table. */
export const PROTOCOLS = ['uet', 'roce'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/**
 * Runs one test between two processes.
 *
 * @param seconds - duration
 */
export async function runPerf(
  test: Test,
  seconds: string,
  { sockets, transport = 'uet', keys }: RunOptions = {},
): Promise<PerfRow> {
  const duration = [
    ...['-D', seconds, ...(transport === 'uet' ? [] : ['--transport', transport])],
    ...(keys === undefined ? [] : ['--keys', keys]),
  ];
  const server = start(
    process.execPath,
    [command, 'perf', ...test.perf, ...duration, '--listen', '127.0.0.1', '--json'],
    0,
    sockets?.[0],
  );
  await waitForOutput(server, '"listening"', 20_000);
  const client = start(
    process.execPath,
    [command, 'perf', ...test.perf, ...duration, '127.0.0.1', '--from', '127.0.0.2', '--json'],
    1,
    sockets?.[1],
  );
  const code = await waitForExit(client, 60_000);
  await waitForExit(server, 5_000);
  if (code !== 0)
    throw new Error(`${test.name}, ${transport}: the client ended with ${code}\n${client.errors}\n${server.errors}`);
  return JSON.parse(client.output.trim().split('\n').at(-1)!) as PerfRow;
}

const command = fileURLToPath(new URL('../../../packages/cli/dist/main.js', import.meta.url));

/** The figure that a test is about. */
export const value = (test: Test, row: PerfRow): number =>
  test.unit === 'GB/s'
    ? row.bandwidth_bytes_per_s / 1e9
    : test.unit === 'M/s'
      ? row.messages_per_s / 1e6
      : row.latency_us.p50;
