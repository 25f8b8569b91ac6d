import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { jsonLines, RunningCommand, verbena } from '../process-rig.testdata.ts';

let host = 1;
const nextAddress = () => `127.0.76.${host++}`;

describe('verbena up', () => {
  let folder: string;
  let socket: string;
  let up: RunningCommand;
  let addresses: readonly [string, string];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'verbena-'));
    socket = join(folder, 'verbena.sock');
    addresses = [nextAddress(), nextAddress()];
    const devices = addresses.flatMap((address, i) => ['--device', `uet${i}=${address}`]);
    up = await RunningCommand.server(['up', '--socket', socket, ...devices]);
  });

  afterEach(async () => {
    up.child.kill('SIGKILL');
    await up.ended;
    rmSync(folder, { recursive: true, force: true });
  });

  const shared = (...words: string[]) => verbena([...words, '--json'], { env: { VERBENA_SOCKET: socket } });

  test('its devices are those that the tools list', async () => {
    const { stdout, stderr } = await shared('devices');
    expect(stderr).toBe('');
    expect(jsonLines(stdout).map(({ name, address }) => [name, address])).toEqual([
      ['uet0', addresses[0]],
      ['uet1', addresses[1]],
    ]);
    const info = await shared('devinfo', '-d', 'uet1');
    expect(jsonLines(info.stdout)).toMatchObject([{ name: 'uet1', transport: 'uet' }]);
  });

  test('two programs measure through it', async () => {
    const env = { VERBENA_SOCKET: socket };
    const server = await RunningCommand.server(['perf', 'send-bw', '--listen', addresses[0]], { env });
    const client = await shared('perf', 'send-bw', '-n', '200', '-s', '64K', addresses[0]);
    expect(client.stderr).toBe('');
    expect(jsonLines(client.stdout)).toMatchObject([{ transport: 'uet', size_bytes: 65_536, iterations: 200 }]);
    expect((await server.ended).status).toBe(0);
  });

  test('what belongs to the daemon is refused with advice; an address that it lacks, too', async () => {
    const faulty = await shared('perf', 'send-bw', '--loopback', '--drop', '0.1');
    expect(faulty).toMatchObject({ status: 1, stderr: expect.stringContaining('verbena up') });
    const absent = await shared('perf', 'send-bw', '--listen', '127.0.76.250');
    expect(absent).toMatchObject({ status: 1, stderr: expect.stringContaining('ENXIO') });
  });

  test('SIGINT ends it with 0', async () => {
    expect(await up.stop()).toMatchObject({ status: 0, stderr: '' });
  });
});
