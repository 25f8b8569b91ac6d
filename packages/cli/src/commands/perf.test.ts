import { describe, expect, it } from 'vitest';
import { PERF_TESTS } from '../perf/perf-tests.ts';
import { jsonLines, RunningCommand, verbena } from '../process-rig.testdata.ts';

const KEYS = [
  'test',
  'transport',
  'size_bytes',
  'iterations',
  'seconds',
  'bandwidth_bytes_per_s',
  'messages_per_s',
  'latency_us',
  'retransmitted_packets',
  'dropped_packets',
  'cpu_seconds',
  'seed',
];

describe('perf', () => {
  it.each(PERF_TESTS.map(({ name }) => name))('%s in one process: fixed keys, verified data', async (name) => {
    const size = name.startsWith('atomic') ? 8 : 5000;
    const words = [
      'perf',
      name,
      '--loopback',
      '-s',
      String(size),
      '-n',
      '200',
      '--warmup',
      '20',
      '--json',
      '--seed',
      '9',
    ];
    const { status, stdout, stderr } = await verbena(words);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const [result] = jsonLines(stdout);
    expect(Object.keys(result!)).toEqual(KEYS);
    expect(result).toMatchObject({ test: name, transport: 'uet', size_bytes: size, iterations: 200, seed: 9 });
    const latency = result!.latency_us as Record<string, number> | null;
    if (!name.endsWith('lat')) expect(latency).toBeNull();
    else {
      expect(Object.keys(latency!)).toEqual(['min', 'p50', 'p90', 'p99', 'p999', 'max']);
      expect(latency!.min).toBeGreaterThan(0);
    }
  });

  it('prints the table of perftest', async () => {
    const { status, stdout } = await verbena(['perf', 'write-bw', '--loopback', '-n', '100', '-s', '64', '--ordered']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^-{87}\n {20}RDMA_Write BW Test\n/);
    expect(stdout).toMatch(/\n #bytes {5}#iterations {4}BW peak\[MB\/sec\]/);
    expect(stdout).toMatch(/\n 64 +100 +[\d.]+ +[\d.]+ +[\d.]+\n-{87}\n data verified/);
  });

  it.each([['write-bw'], ['send-lat'], ['read-bw'], ['tagged-bw'], ['tagged-lat'], ['atomic-rate']])(
    '%s between two processes',
    async (name) => {
      const host = `127.0.2.${1 + PERF_TESTS.findIndex((test) => test.name === name)}`;
      const server = await RunningCommand.server(['perf', name, '--listen', host]);
      const client = await verbena([
        'perf',
        name,
        host,
        '-n',
        '100',
        '-s',
        name.startsWith('atomic') ? '8' : '3000',
        '--warmup',
        '10',
        '--json',
        '--drop',
        '1%',
      ]);
      expect(client.stderr).toBe('');
      expect(client.status).toBe(0);
      expect(jsonLines(client.stdout)).toHaveLength(1);
      expect((await server.ended).status).toBe(0);
    },
  );

  it('works with node:dgram and in a worker', async () => {
    const words = ['perf', 'write-bw', '--loopback', '-n', '50', '-s', '10000', '--warmup', '5', '--json'];
    expect((await verbena([...words, '--io', 'dgram'])).stderr).toBe('');
    const worker = await verbena([...words, '--mode', 'worker']);
    expect(worker.stderr).toBe('');
    expect(worker.status).toBe(0);
  });

  it('pingpong checks data and prints the lines of ibv_rc_pingpong', async () => {
    const server = await RunningCommand.server(['pingpong', '--listen', '127.0.2.9']);
    const client = await verbena(['pingpong', '127.0.2.9', '-n', '50', '-s', '100', '-c', '--warmup', '200']);
    expect(client.stderr).toBe('');
    expect(client.stdout).toMatch(
      /^ {2}local address: {2}LID 0x0000, QPN 0x[0-9a-f]+, PSN 0x[0-9a-f]+, GID ::ffff:127\.0\.0\.\d+\n {2}remote address: LID/,
    );
    expect(client.stdout).toMatch(
      /\n10000 bytes in [\d.]+ seconds = [\d.]+ Mbit\/sec\n50 iters in [\d.]+ seconds = [\d.]+ usec\/iter\n$/,
    );
    expect((await server.ended).status).toBe(0);
  });

  it.each([
    [['perf', 'nonsense'], /write-bw/],
    [['perf', 'write-bw', '--loopback', 'host'], /--loopback/],
    [['perf', 'write-bw', 'h', '--listen', 'x'], /--listen/],
    [['perf', 'write-bw', '-s', '0'], /bytes/],
    [['perf', 'write-bw', '-a', '-s', '4'], /cannot be used with/],
    [['perf', 'atomic-lat', '--loopback', '-s', '16'], /no other size/],
    [['perf', 'atomic-rate', '--loopback', '-a'], /no other size/],
  ])('%j is bad input', async (words, message) => {
    const { status, stderr } = await verbena(words);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });
});
