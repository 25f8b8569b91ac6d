import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonLines, RunningCommand, verbena } from '../process-rig.testdata.ts';

let folder: string;
let socket: string;
let daemon: RunningCommand;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'verbena-capture-'));
  socket = join(folder, 'v.sock');
  const devices = ['uet0=127.0.12.1', 'uet1=127.0.12.2', 'roce0=127.0.12.3,type=roce', 'roce1=127.0.12.4,type=roce'];
  const words = ['up', '--socket', socket, ...devices.flatMap((one) => ['--device', one])];
  daemon = await RunningCommand.server(words, { timeoutMs: 150_000 });
});
afterAll(async () => {
  const { status } = await daemon.stop();
  rmSync(folder, { recursive: true });
  expect(status).toBe(0);
});

const capture = (...words: string[]) => ['capture', ...words, '--socket', socket];

/** A measurement between two programs on devices of the daemon. */
async function perf(host: string): Promise<void> {
  const env = { VERBENA_SOCKET: socket };
  const server = await RunningCommand.server(['perf', 'write-bw', '--listen', host], { env });
  const client = await verbena(['perf', 'write-bw', host, '-n', '20', '-s', '9000', '--warmup', '0', '--json'], {
    env,
  });
  expect(client).toMatchObject({ status: 0, stderr: '' });
  expect((await server.ended).status).toBe(0);
}

describe('capture of a device of a daemon', () => {
  it.each([
    ['uet0', '127.0.12.1', 'PDS'],
    ['roce0', '127.0.12.3', 'BTH'],
  ])(
    'has a perf run over %s, which decodes without a problem; Ctrl-C ends it properly',
    async (device, host, header) => {
      const file = join(folder, `${device}.pcapng`);
      const running = new RunningCommand(capture(device, '-o', file, '--json'));
      await running.says('"capturing"');
      await perf(host);
      const { status, stdout, stderr } = await running.stop();
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const [, end] = jsonLines(stdout);
      expect(end).toEqual({ device, frames: expect.any(Number), bytes: statSync(file).size, lost_frames: 0 });
      const decoded = await verbena(['decode', file, '--json']);
      expect(decoded).toMatchObject({ status: 0, stderr: '' });
      const packets = jsonLines(decoded.stdout);
      expect(packets.length).toBe(end!.frames);
      expect(packets.length).toBeGreaterThan(60);
      for (const packet of packets) expect(packet.problems).toEqual([]);
      expect(JSON.stringify(packets[0]!.fields)).toContain(header);
    },
  );

  it('goes to standard output in a pipe, ends after --count, and says so elsewhere', async () => {
    const running = new RunningCommand(capture('uet1', '--count', '5', '-o', '-'));
    const [, { status, stdout, stderr }] = await Promise.all([
      ready(running).then(() => perf('127.0.12.2')),
      running.ended,
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\n\r\r\n/);
    expect(stderr).toMatch(/^capturing uet1\n5 frames, \d+ bytes, 0 frames lost\n$/);
  });

  it('ends after --seconds, and before --limit', async () => {
    const idle = await verbena(capture('2', '--seconds', '0.2'));
    expect(idle).toMatchObject({ status: 0, stderr: expect.stringMatching(/\n0 frames, \d+ bytes, 0 frames lost\n$/) });
    const file = join(folder, 'limit.pcapng');
    const running = new RunningCommand(capture('roce1', '-o', file, '--limit', '20K'));
    await running.says('capturing roce1');
    await perf('127.0.12.4');
    expect((await running.ended).stdout).toMatch(/\n\d+ frames, \d+ bytes, \d+ frames? lost\n$/);
    expect(statSync(file).size).toBeLessThanOrEqual(20 * 1024);
    expect(statSync(file).size).toBeGreaterThan(5 * 1024);
    expect((await verbena(['decode', file, '--summary'])).status).toBe(0);
  });

  it('ends with its device', async () => {
    const on = ['--socket', socket];
    await verbena(['dev', 'add', 'gone0', 'address', '127.0.12.5', ...on]);
    const file = join(folder, 'gone.pcapng');
    const running = new RunningCommand(capture('gone0', '-o', file));
    await running.says('capturing gone0');
    await verbena(['dev', 'delete', 'gone0', ...on]);
    expect(await running.ended).toMatchObject({ status: 0, stderr: 'device gone0 is gone\n' });
    expect(readFileSync(file).length).toBeGreaterThan(50);
  });

  it('explains what is wrong', async () => {
    const which = await verbena(capture());
    expect(which).toMatchObject({ status: 2, stdout: '' });
    expect(which.stderr).toMatch(/which device.*\n.*uet0 \| uet1 \| roce0/);
    expect(await verbena(capture('uet9'))).toMatchObject({ status: 1, stderr: expect.stringContaining('ENODEV') });
    const nowhere = await verbena(capture('uet0', '-o', join(folder, 'no', 'x')));
    expect(nowhere).toMatchObject({ status: 1, stderr: expect.stringMatching(/ENOENT in capture.*no such file/) });
    const alone = await verbena(['capture', 'uet0'], { env: { XDG_RUNTIME_DIR: folder, VERBENA_SOCKET: '' } });
    expect(alone).toMatchObject({ status: 1, stdout: '' });
    expect(alone.stderr).toMatch(/no daemon serves [\s\S]*`--capture FILE` of perf, cp, serve or pingpong/);
  });
});

/** Its standard output has the capture; the header is there when it has begun. */
const ready = (running: RunningCommand) => running.says('Verbena');
