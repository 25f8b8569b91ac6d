/**
 * What is made from the schema of the user API: the C header, the reference page, and the snapshot of all numbers.
 *
 *   npm run uapi             writes them; refuses to take a number out of the snapshot
 *   npm run uapi -- --check  exit status 1 when one of them is not up to date
 *   npm run uapi -- --break  also takes numbers out of the snapshot: before a first release only
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brokenPromises, generatedFiles, SNAPSHOT_PATH } from './uapi/generated-files.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({ options: { check: { type: 'boolean' }, break: { type: 'boolean' } } });
const files = generatedFiles();
const read = (path: string): string => (existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), 'utf8') : '');
const broken = brokenPromises(read(SNAPSHOT_PATH), files);

if (broken.length > 0 && values.break !== true) {
  console.error(`numbers are only added; these are gone or changed:\n  ${broken.join('\n  ')}`);
  process.exitCode = 1;
} else if (values.check) {
  const stale = [...files].filter(([path, text]) => read(path) !== text).map(([path]) => path);
  if (stale.length > 0) {
    console.error(`not up to date: ${stale.join(', ')}; npm run uapi`);
    process.exitCode = 1;
  }
} else {
  for (const [path, text] of files) writeFileSync(join(ROOT, path), text);
  console.log(`${files.size} files from ${files.get(SNAPSHOT_PATH)!.split('\n').length - 1} numbers`);
}
