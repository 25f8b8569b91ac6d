import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test.each([
  ['first-program.mjs', 'SUCCESS - hello, remote memory\n'],
  ['first-fabric.mjs', 'from alice true - for bob 7n hello, tagged world\n'],
])('docs/%s runs, and prints what is said there', (name, printed) => {
  const file = fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 20_000 });
  expect(stderr).toBe('');
  expect(stdout).toBe(printed);
  expect(status).toBe(0);
});
