/** Programs of this suite as files that Node runs: compiled by the build, or on the spot when tests run from source. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Programs {
  /** Path of a program. */
  path(name: ProgramName): string;
  remove(): void;
}
export type ProgramName = 'victim-main' | 'attacker-main' | 'scribbler-main';

export async function programs(): Promise<Programs> {
  if (!import.meta.url.endsWith('.ts')) {
    return { path: (name) => fileURLToPath(new URL(`./${name}.js`, import.meta.url)), remove() {} };
  }
  const { build } = await import('esbuild');
  // below node_modules, so that the packages are found from there
  const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'hostile-'));
  await build({
    entryPoints: NAMES.map((name) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // whole programs start faster, and many of them start here
    external: ['koffi'],
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  return {
    path: (name) => join(folder, `${name}.mjs`),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const NAMES: readonly ProgramName[] = ['victim-main', 'attacker-main', 'scribbler-main'];
