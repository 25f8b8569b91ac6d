/**
 * Two processes on loopback, inline progress, beside libfabric in the same run: rounds are interleaved, ratios are
 * taken within a round, medians are reported. Figures of one run compare; figures of different runs do not.
 *
 *   npm run bench -- live [--rounds 5] [--seconds 1] [--json]
 */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openDevice } from '@verbena/node';
import { libfabricVersion, type PeerResult, PROVIDERS, pingpong } from './peers.ts';
import { start, waitForExit } from './processes.ts';

interface PerfRow {
  readonly bandwidth_bytes_per_s: number;
  readonly messages_per_s: number;
  readonly latency_us: { readonly p50: number; readonly p99: number };
  readonly retransmitted_packets: number;
  readonly cpu_seconds: number;
}

interface Test {
  readonly name: string;
  readonly perf: readonly string[];
  readonly unit: 'GB/s' | 'M/s' | 'us';
  /** Message size at which the peers run, bytes; their iterations. */
  readonly peer?: { readonly size: number; readonly iterations: number };
  /** The floor that the project set itself. */
  readonly floor?: number;
}

const TESTS: readonly Test[] = [
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

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const command = fileURLToPath(new URL('../../../packages/cli/dist/main.js', import.meta.url));

const value = (test: Test, row: PerfRow): number =>
  test.unit === 'GB/s'
    ? row.bandwidth_bytes_per_s / 1e9
    : test.unit === 'M/s'
      ? row.messages_per_s / 1e6
      : row.latency_us.p50;
const peerValue = (test: Test, row: PeerResult): number =>
  test.unit === 'GB/s' ? row.bytes_per_s / 1e9 : row.latency_us;

async function ours(test: Test): Promise<PerfRow> {
  const duration = ['-D', values.seconds!];
  const server = start(
    process.execPath,
    [command, 'perf', ...test.perf, ...duration, '--listen', '127.0.0.1', '--json'],
    0,
  );
  await new Promise((resolve) => setTimeout(resolve, 400));
  const client = start(
    process.execPath,
    [command, 'perf', ...test.perf, ...duration, '127.0.0.1', '--from', '127.0.0.2', '--json'],
    1,
  );
  const code = await waitForExit(client, 60_000);
  await waitForExit(server, 5_000);
  if (code !== 0) throw new Error(`${test.name}: the client ended with ${code}\n${client.errors}\n${server.errors}`);
  return JSON.parse(client.output.trim().split('\n').at(-1)!) as PerfRow;
}

/** Share of a core that an open, idle device uses. */
async function idle(): Promise<number> {
  const device = await openDevice({ address: '127.0.0.9' });
  const context = device.open();
  const started = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const used = process.cpuUsage(started);
  context.close();
  await device.close();
  return (used.user + used.system) / 3e6;
}

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.length % 2 === 1
    ? sorted[sorted.length >> 1]!
    : (sorted[sorted.length / 2 - 1]! + sorted[sorted.length / 2]!) / 2;
};
const spread = (numbers: readonly number[]): string => {
  const digits = median(numbers) >= 100 ? 0 : 2;
  return `${median(numbers).toFixed(digits)} [${Math.min(...numbers).toFixed(digits)}..${Math.max(...numbers).toFixed(digits)}]`;
};

const version = libfabricVersion();
const figures = TESTS.map((test) => ({
  test,
  ours: [] as number[],
  cpu: [] as number[],
  peers: new Map<string, number[]>(),
}));
let port = 42_000;
for (let round = 0; round < rounds; round++) {
  for (const figure of figures) {
    const row = await ours(figure.test);
    figure.ours.push(value(figure.test, row));
    figure.cpu.push(row.cpu_seconds);
    const { peer } = figure.test;
    if (version === undefined || peer === undefined) continue;
    for (const provider of PROVIDERS) {
      const result = await pingpong(provider, peer.size, peer.iterations, port++);
      if (result === undefined) continue;
      const list = figure.peers.get(provider) ?? [];
      list.push(peerValue(figure.test, result));
      figure.peers.set(provider, list);
    }
  }
  if (!values.json) process.stderr.write(`round ${round + 1} of ${rounds}\n`);
}
const idleShare = await idle();

const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout.trim();
if (values.json) {
  console.log(
    JSON.stringify({
      bench: 'live',
      commit,
      node: process.version,
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      libfabric: version ?? null,
      rounds,
      idle_core_share: idleShare,
      results: figures.map((f) => ({
        test: f.test.name,
        unit: f.test.unit,
        floor: f.test.floor ?? null,
        median: median(f.ours),
        values: f.ours,
        peers: Object.fromEntries([...f.peers].map(([name, list]) => [name, { median: median(list), values: list }])),
      })),
    }),
  );
} else {
  console.log(
    `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}, commit ${commit}, ${rounds} rounds; medians [min..max]`,
  );
  console.log(
    version === undefined
      ? 'no peers: fi_pingpong is not installed (Debian package libfabric-bin)\n'
      : `peers: fi_pingpong of ${version}\n`,
  );
  const names = version === undefined ? [] : [...PROVIDERS];
  console.log(
    [
      'test'.padEnd(24),
      'unit',
      'floor',
      'verbena'.padEnd(22),
      ...names.map((name) => `${name} (ratio)`.padEnd(34)),
    ].join('  '),
  );
  for (const { test, ours: list, peers } of figures) {
    const cells = names.map((name) => {
      const other = peers.get(name);
      if (other === undefined) return '-'.padEnd(34);
      const ratios = list.map((mine, i) => mine / (other[i] ?? Number.NaN)).filter((ratio) => !Number.isNaN(ratio));
      return `${spread(other)} (${median(ratios).toFixed(2)}x)`.padEnd(34);
    });
    console.log(
      [
        test.name.padEnd(24),
        test.unit.padEnd(4),
        String(test.floor ?? '').padEnd(5),
        spread(list).padEnd(22),
        ...cells,
      ].join('  '),
    );
  }
  console.log(`\nan open, idle device uses ${(idleShare * 100).toFixed(2)} % of a core`);
}
