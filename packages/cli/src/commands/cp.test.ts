import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonLines, RunningCommand, verbena } from '../process-rig.testdata.ts';

let base: string;
let served: string;
let server: RunningCommand;
let server6: RunningCommand;
const HOST = '127.0.1.1';
const CONTENT = randomBytes(3_333_333);

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'verbena-cp-'));
  served = join(base, 'served');
  mkdirSync(join(served, 'sub'), { recursive: true });
  writeFileSync(join(served, 'big'), CONTENT);
  writeFileSync(join(served, 'empty'), '');
  writeFileSync(join(base, 'secret'), 'secret');
  writeFileSync(join(base, 'local'), CONTENT.subarray(0, 1_500_001));
  [server, server6] = await Promise.all([
    RunningCommand.server(['serve', served, '--listen', HOST, '--writable'], { timeoutMs: 120_000 }),
    RunningCommand.server(['serve', served, '--listen', '::1', '--port', '5321'], { timeoutMs: 120_000 }),
  ]);
});

afterAll(async () => {
  const ended = await Promise.all([server.stop(), server6.stop()]);
  rmSync(base, { recursive: true });
  expect(ended.map(({ status }) => status)).toEqual([0, 0]);
});

const cp = (...words: string[]) => verbena(['cp', ...words], { cwd: base });

describe('cp', () => {
  it('gets a file, verified, and says what it cost', async () => {
    const { status, stdout, stderr } = await cp(`${HOST}:big`, 'got', '--json');
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(readFileSync(join(base, 'got')).equals(CONTENT)).toBe(true);
    const [report] = jsonLines(stdout);
    expect(report).toMatchObject({ bytes: CONTENT.length, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(report).toHaveProperty('seconds');
    expect(report).toHaveProperty('retransmitted_packets');
  });

  it('puts a file into a folder of the server, through faults (seed 5)', async () => {
    const faults = ['--drop', '2%', '--duplicate', '1%', '--reorder', '2%', '--delay', '1%', '--seed', '5'];
    const { status, stderr, stdout } = await cp('local', `${HOST}:sub`, '--json', ...faults);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(jsonLines(stdout)[0]!.retransmitted_packets).toBeGreaterThan(0);
    expect(readFileSync(join(served, 'sub/local')).equals(readFileSync(join(base, 'local')))).toBe(true);
  });

  it('copies over ::1, where only the port tells devices apart, into a folder', async () => {
    mkdirSync(join(base, 'here'));
    const { status, stdout } = await cp('[::1]:big', 'here', '--port', '5321');
    expect(status).toBe(0);
    expect(stdout).toMatch(/sha256 [0-9a-f]{64}/);
    expect(readFileSync(join(base, 'here/big')).equals(CONTENT)).toBe(true);
  });

  it('works with node:dgram, and copies an empty file', async () => {
    const { status } = await cp(`${HOST}:empty`, 'nothing', '--io', 'dgram');
    expect(status).toBe(0);
    expect(readFileSync(join(base, 'nothing')).length).toBe(0);
    expect((await cp(`${HOST}:big`, 'dgram', '--io', 'dgram')).status).toBe(0);
    expect(readFileSync(join(base, 'dgram')).equals(CONTENT)).toBe(true);
  });

  it('overwrites nothing without --force', async () => {
    writeFileSync(join(base, 'mine'), 'mine');
    const refused = await cp(`${HOST}:big`, 'mine');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/mine exists[\s\S]*--force/);
    expect(readFileSync(join(base, 'mine'), 'utf8')).toBe('mine');
    expect((await cp(`${HOST}:big`, 'mine', '--force')).status).toBe(0);
    expect(readFileSync(join(base, 'mine')).equals(CONTENT)).toBe(true);
    const there = await cp('local', `${HOST}:big`);
    expect(there.status).toBe(1);
    expect(there.stderr).toMatch(/big exists on the server/);
  });

  it.each([
    ['../secret', /leads out of the served folder/],
    ['/etc/passwd', /is absolute/],
    ['nope', /the server has no 'nope'/],
    ['sub', /it is a folder/],
  ])('does not give out %s', async (path, message) => {
    const { status, stderr, stdout } = await cp(`${HOST}:${path}`, 'stolen');
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/ at .*\.js:/);
    expect(readdirSync(base)).not.toContain('stolen');
  });

  it('puts nothing on a read-only server', async () => {
    const { status, stderr } = await cp('local', '[::1]:x', '--port', '5321');
    expect(status).toBe(1);
    expect(stderr).toMatch(/--writable/);
  });

  it('explains packets of different size', async () => {
    const { status, stderr } = await cp(`${HOST}:big`, 'x', '--mtu', '1024');
    expect(status).toBe(1);
    expect(stderr).toMatch(/4096 bytes on the server, 1024 on the client[\s\S]*--mtu 4096/);
  });

  it('explains that nobody answers', async () => {
    const { status, stderr } = await cp('127.0.1.250:x', 'x');
    expect(status).toBe(1);
    expect(stderr).toMatch(/no answer from 127\.0\.1\.250[\s\S]*verbena serve/);
  });

  it.each([
    [['a', 'b'], /neither path is remote/],
    [['h:a', 'h:b'], /both paths are remote/],
    [['::1:a', 'b'], /brackets/],
    [['127.0.0.1:', 'b'], /names no file/],
    [['127.0.0.1:a', 'b', '--drop', '3'], /probability/],
    [['only'], /missing required argument/],
  ])('bad input %j ends with status 2', async (words, message) => {
    const { status, stderr } = await cp(...words);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('removes what is unfinished when it is interrupted', async () => {
    const folder = join(base, 'interrupted');
    mkdirSync(folder);
    writeFileSync(join(served, 'huge'), Buffer.alloc(400_000_000, 1));
    const begun = new Promise<void>((resolve) => {
      const watcher = watch(folder, () => {
        watcher.close();
        resolve();
      });
    });
    const running = new RunningCommand(['cp', `${HOST}:huge`, folder, '--io', 'dgram']);
    await begun;
    const { status, stderr } = await running.stop();
    expect(stderr).toMatch(/interrupted/);
    expect(status).toBe(130);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves nothing unfinished behind', () => {
    for (const folder of [base, served, join(served, 'sub')]) {
      expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
    }
  });
});
