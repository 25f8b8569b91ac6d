/**
 * Two processes on loopback, inline progress: UET (RU) and RoCEv2 (RC), beside libfabric in the same run. Rounds are
 * interleaved, ratios are taken within a round and are those of UET to the other, medians are reported. Figures of one run
 * compare; figures of different runs do not.
 *
 *   npm run bench -- live [--rounds 5] [--seconds 1] [--json]
 *   npm run bench -- live --secured    UET beside itself with protected packets
 */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { openDevice } from '@verbena/node';
import { libfabricVersion, type PeerResult, PROVIDERS, pingpong } from './peers.ts';
import { PROTOCOLS, runPerf, TESTS, type Test, value } from './perf-run.ts';
import { compareSecured } from './secured.ts';
import { median, spread } from './statistics.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    secured: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
if (values.secured) {
  await compareSecured(rounds, values.seconds!, values.json!);
  process.exit();
}
const peerValue = (test: Test, row: PeerResult): number =>
  test.unit === 'GB/s' ? row.bytes_per_s / 1e9 : row.latency_us;

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

const version = libfabricVersion();
const figures = TESTS.map((test) => ({
  test,
  ours: [] as number[],
  roce: [] as number[],
  peers: new Map<string, number[]>(),
}));
let port = 42_000;
for (let round = 0; round < rounds; round++) {
  for (const figure of figures) {
    for (const transport of PROTOCOLS) {
      const row = await runPerf(figure.test, values.seconds!, { transport });
      (transport === 'uet' ? figure.ours : figure.roce).push(value(figure.test, row));
    }
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
        roce: { median: median(f.roce), values: f.roce },
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
      'UET'.padEnd(22),
      'RoCEv2 (ratio)'.padEnd(34),
      ...names.map((name) => `${name} (ratio)`.padEnd(34)),
    ].join('  '),
  );
  for (const { test, ours: list, roce, peers } of figures) {
    const cells = [roce, ...names.map((name) => peers.get(name))].map((other) => {
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
