import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonLines, RunningCommand, verbena } from '../process-rig.testdata.ts';

let folder: string;
let socket: string;
let daemon: RunningCommand;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'verbena-management-'));
  socket = join(folder, 'v.sock');
  daemon = new RunningCommand(['up', '--device', 'uet0=127.0.0.1,port=0', '--socket', socket, '--json']);
  await daemon.says(socket);
});
afterAll(async () => {
  const { status } = await daemon.stop();
  rmSync(folder, { recursive: true });
  expect(status).toBe(0);
});

const run = (...words: string[]) => verbena([...words, '--socket', socket]);

describe('management of a daemon by another process (R157 R159)', () => {
  it('shows its devices, in text and in JSON', async () => {
    const text = await run('dev');
    expect(text).toMatchObject({ status: 0, stderr: '' });
    expect(text.stdout).toMatch(/^1: uet0: node_type ca fw /);
    const { stdout } = await run('resource', 'show', 'uet0', '--json');
    expect(jsonLines(stdout)).toMatchObject([{ dev: 'uet0', ctx: 0, qp: 0 }]);
  });

  it('adds, renames and removes devices, which a monitor sees (R037 R161 R209)', async () => {
    const monitor = new RunningCommand(['monitor', '--count', '3', '--json', '--socket', socket]);
    await monitor.says('"watching"');
    expect(await run('link', 'add', 'uet1', 'type', 'uet', 'address', '127.0.0.2', 'port', '0')).toMatchObject({
      status: 0,
      stderr: '',
    });
    await run('dev', 'set', 'uet1', 'name', 'left');
    await run('dev', 'delete', 'left');
    const { status, stdout } = await monitor.ended;
    expect(status).toBe(0);
    expect(jsonLines(stdout).slice(1)).toMatchObject([
      { event: 'register', dev: 'uet1' },
      { event: 'rename', dev: 'left', before: 'uet1' },
      { event: 'unregister', dev: 'left' },
    ]);
  });

  it('says what is wrong: exit status 1 from the daemon, 2 for words that make no sense (R158)', async () => {
    const missing = await run('dev', 'show', 'uet9');
    expect(missing).toMatchObject({ status: 1, stdout: '' });
    expect(missing.stderr).toMatch(/ENODEV in DEV.SHOW: there is no device uet9\n {2}try {6}uet0/);
    const wrong = await run('dev', 'frob');
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain('verbena dev [show [DEV]]');
  });
});

it('says how to start a daemon where there is none', async () => {
  const { status, stderr } = await verbena(['link'], { env: { XDG_RUNTIME_DIR: folder, VERBENA_SOCKET: '' } });
  expect(status).toBe(1);
  expect(stderr).toMatch(/no daemon serves .*verbena.*\.sock/);
  expect(stderr).toContain('verbena up --device uet0=127.0.0.1');
});
