/** The commands on a transport of connected queue pairs: the same options, the same output. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFabricTest, PERF_TESTS } from '../perf/perf-tests.ts';
import { jsonLines, RunningCommand, verbena } from '../process-rig.testdata.ts';

const ROCE = ['--transport', 'roce'];

describe('perf over RoCEv2', () => {
  it.each(PERF_TESTS.filter((test) => !isFabricTest(test)).map(({ name }) => name))(
    '%s in one process: the keys of every transport, verified data',
    async (name) => {
      const words = ['perf', name, '--loopback', '-s', '5000', '-n', '100', '--warmup', '10', '--json', '--seed', '9'];
      const { status, stdout, stderr } = await verbena([...words, ...ROCE]);
      expect(stderr).toBe('');
      expect(status).toBe(0);
      expect(jsonLines(stdout)).toMatchObject([{ test: name, transport: 'roce', size_bytes: 5000, iterations: 100 }]);
    },
  );

  it.each(PERF_TESTS.filter(isFabricTest).map(({ name }) => name))(
    '%s is refused: what is missing is said',
    async (name) => {
      const { status, stdout, stderr } = await verbena(['perf', name, '--loopback', ...ROCE]);
      expect(stdout).toBe('');
      expect(status).toBe(1);
      expect(stderr).toMatch(/no endpoint is as the hints want it/);
      expect(stderr.match(/\n {2}missing/g)).toHaveLength(1);
    },
  );

  it('says in its table what is different: RC, and who connected', async () => {
    const { stdout } = await verbena(['perf', 'write-bw', '--loopback', '-n', '20', '-s', '64', ...ROCE]);
    expect(stdout).toMatch(/Transport type : ROCE\n Connection type : RC\t/);
    expect(stdout).toMatch(/Data ex\. method : rdma_cm/);
    expect(stdout).toMatch(/local address: LID 0000 QPN 0x00[0-9a-f]{6} PSN 0x[0-9a-f]{6} RKey 0x0000[0-9a-f]{8}/);
  });

  it('measures between two processes that the connection manager joins, with loss (seed 4)', async () => {
    const server = await RunningCommand.server(['perf', 'send-bw', '--listen', '127.0.9.1', ...ROCE]);
    const words = ['perf', 'send-bw', '127.0.9.1', '-n', '60', '-s', '9000', '--warmup', '5', '--json'];
    const client = await verbena([...words, '--drop', '1%', '--seed', '4', ...ROCE]);
    expect(client.stderr).toBe('');
    expect(client.status).toBe(0);
    expect((await server.ended).status).toBe(0);
  });
});

describe('pingpong over RoCEv2', () => {
  const PLAYERS =
    /^ {2}local address: {2}LID 0x0000, QPN 0x[0-9a-f]{6}, PSN 0x[0-9a-f]{6}, GID ::ffff:127\.0\.0\.\d+\n/;

  it('meets over TCP as ibv_rc_pingpong does: same options on both sides, nothing to warm up', async () => {
    const options = ['-n', '60', '-s', '3000', '-c', '-p', '42611', ...ROCE];
    const server = await RunningCommand.server(['pingpong', '--listen', '127.0.9.2', ...options]);
    const client = await verbena(['pingpong', '127.0.9.2', ...options]);
    expect(client.stderr).toBe('');
    expect(client.stdout).toMatch(PLAYERS);
    expect(client.stdout).toMatch(/\n360000 bytes in .*\n60 iters in /);
    expect((await server.ended).status).toBe(0);
  });

  it('meets through the connection manager: the client decides what is played', async () => {
    const server = await RunningCommand.server(['pingpong', '--listen', '127.0.9.3', '--cm', ...ROCE]);
    const client = await verbena([
      'pingpong',
      '127.0.9.3',
      '--cm',
      '-n',
      '40',
      '-s',
      '100',
      '-c',
      '--warmup',
      '50',
      ...ROCE,
    ]);
    expect(client.stderr).toBe('');
    expect(client.stdout).toMatch(PLAYERS);
    expect(client.stdout).toMatch(/\n8000 bytes in .*\n40 iters in /);
    const { status, stdout } = await server.ended;
    expect(status).toBe(0);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ bytes: 8000, iterations: 40 });
  });

  it('has no connection manager where queue pairs reach everybody', async () => {
    const { status, stderr } = await verbena(['pingpong', '127.0.9.3', '--cm']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^VerbsError EOPNOTSUPP in pingpong: uet connects nobody.*\n {2}try .*--transport roce/);
  });
});

describe('cp over RoCEv2', () => {
  let base: string;
  let server: RunningCommand;
  const HOST = '127.0.9.4';
  const CONTENT = randomBytes(2_345_678);

  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'verbena-roce-'));
    mkdirSync(join(base, 'served'));
    writeFileSync(join(base, 'served/big'), CONTENT);
    writeFileSync(join(base, 'local'), CONTENT);
    const words = ['serve', join(base, 'served'), '--listen', HOST, '--writable', ...ROCE];
    server = await RunningCommand.server(words, { timeoutMs: 240_000 });
  });
  afterAll(async () => {
    const { status } = await server.stop();
    rmSync(base, { recursive: true });
    expect(status).toBe(0);
  });

  const cp = (...words: string[]) => verbena(['cp', ...words, ...ROCE], { cwd: base });
  const sha256 = createHash('sha256').update(CONTENT).digest('hex');

  it('gets and puts a file over a link that loses packets, verified (seed 5)', async () => {
    const faults = ['--drop', '0.01', '--seed', '5', '--json'];
    const got = await cp(`${HOST}:big`, 'got', ...faults);
    expect(got.stderr).toBe('');
    expect(jsonLines(got.stdout)).toMatchObject([{ bytes: CONTENT.length, sha256 }]);
    expect(readFileSync(join(base, 'got')).equals(CONTENT)).toBe(true);
    const put = await cp('local', `${HOST}:put`, ...faults);
    expect(put.stderr).toBe('');
    expect(jsonLines(put.stdout)).toMatchObject([{ bytes: CONTENT.length, sha256 }]);
    expect(readFileSync(join(base, 'served/put')).equals(CONTENT)).toBe(true);
    expect(jsonLines(got.stdout + put.stdout).some((one) => Number(one.retransmitted_packets) > 0)).toBe(true);
  });

  it('agrees on the size of packets by itself', async () => {
    const { status, stderr } = await cp(`${HOST}:big`, 'small', '--mtu', '512');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it.each([
    [[`${HOST}:nope`, 'x'], /the server has no 'nope'/],
    [[`${HOST}:big`, 'x', '--port', '5000'], /there is a device at 127\.0\.9\.4, but no service on its port 5000/],
    [['127.0.9.250:big', 'x'], /no answer from 127\.0\.9\.250[\s\S]*verbena serve/],
    [[`${HOST}:big`, 'x', '--mtu', '1000'], /packets of roce cannot have 1000 bytes of payload/],
  ])('explains why %j fails', async (words, message) => {
    const { status, stderr } = await cp(...words);
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
  });
});

describe('what tools show of RoCEv2', () => {
  it('demo runs all operations, and its capture decodes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'verbena-roce-demo-'));
    try {
      const { status, stdout, stderr } = await verbena(['demo', '--json', ...ROCE], { cwd: folder });
      expect(stderr).toBe('');
      expect(status).toBe(0);
      expect(jsonLines(stdout).map(({ ok }) => ok)).toEqual([true, true, true, true, true]);
      const decoded = await verbena(['decode', 'verbena-demo.pcapng', '--frame', '1-20', '--json'], { cwd: folder });
      expect(decoded.stderr).toBe('');
      expect(jsonLines(decoded.stdout)[0]).toMatchObject({ frame: 1, problems: [], fields: { BTH: { padCount: 0 } } });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('devices and devinfo take the transport, or a device by name and type', async () => {
    const listed = await verbena(['devices', '--json', ...ROCE]);
    expect(jsonLines(listed.stdout)[0]).toMatchObject({ name: 'roce0', transport: 'roce' });
    const { status, stdout } = await verbena(['devinfo', '-v', '-d', 'roce0=127.0.9.5,type=roce']);
    expect(status).toBe(0);
    for (const line of [
      /^hca_id:\troce0\n\ttransport:\t+InfiniBand \(0\)\n/,
      /\n\tatomic_cap:\t+ATOMIC_HCA \(1\)\n/,
      /\n\t+active_mtu:\t+4096 \(5\)\n/,
      /\n\t+GID\[ {2}0\]:\t+::ffff:127\.0\.9\.5, RoCE v2\n/,
    ]) {
      expect(stdout).toMatch(line);
    }
    const wrong = await verbena(['devinfo', '-d', 'x0=127.0.9.5,type=iwarp']);
    expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining("there is no transport 'iwarp'") });
  });

  it('two programs measure through devices of a daemon', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'verbena-roce-up-'));
    const socket = join(folder, 'v.sock');
    const devices = ['roce0=127.0.9.6,type=roce', 'uet0=127.0.9.6', 'roce1=127.0.9.7,type=roce'];
    const words = ['up', '--socket', socket, ...devices.flatMap((one) => ['--device', one])];
    const up = await RunningCommand.server(words, { timeoutMs: 100_000 });
    try {
      const env = { VERBENA_SOCKET: socket };
      const server = await RunningCommand.server(['perf', 'send-bw', '--listen', '127.0.9.7'], { env });
      const client = await verbena(['perf', 'send-bw', '127.0.9.7', '-n', '100', '--json'], { env });
      expect(client.stderr).toBe('');
      expect(jsonLines(client.stdout)).toMatchObject([{ transport: 'roce', iterations: 100 }]);
      expect((await server.ended).status).toBe(0);
    } finally {
      expect(await up.stop()).toMatchObject({ status: 0 });
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
