import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RunningCommand, verbena } from '../process-rig.testdata.ts';

const CONTENT = randomBytes(300_000);
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log('skipped: copies directly over IP: this user is not root');
let base: string;

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'verbena-cp-'));
  writeFileSync(join(base, 'file'), CONTENT);
});
afterAll(() => rmSync(base, { recursive: true }));

async function copy(listen: string, from: string, ...words: string[]): Promise<void> {
  const server = await RunningCommand.server(['serve', base, '--listen', listen, ...words]);
  const got = await verbena(['cp', `${from}:file`, 'got', '--force', ...words], { cwd: base });
  expect([got.status, got.stderr]).toEqual([0, '']);
  expect(readFileSync(join(base, 'got')).equals(CONTENT)).toBe(true);
  expect((await server.stop()).status).toBe(0);
}

it.skipIf(!isRoot)('cp copies directly over IP (uet:pds/1.3)', async () => {
  await copy('127.0.1.9', '127.0.1.9', '--encapsulation', 'ip');
});

it('cp takes addresses with a zone', async () => {
  await copy('::1%lo', '[::1%lo]', '--port', '5327');
});
