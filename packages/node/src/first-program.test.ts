import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('the first program of the documentation runs as printed there', () => {
  const file = fileURLToPath(new URL('../../../docs/first-program.mjs', import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 20_000 });
  expect(stderr).toBe('');
  expect(stdout).toBe('SUCCESS - hello, remote memory\n');
  expect(status).toBe(0);
});
