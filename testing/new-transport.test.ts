/**
 * The test of the architecture: the smallest transport is copied under another name into a scratch tree, and nothing
 * but the places that belong to a transport may differ. The copy passes its conformance suite and the suite of
 * drivers, and the command uses it.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** What a transport consists of: source, wire format, one line of the catalog, seeds and captures, its page. */
const PLACES = [
  /^packages\/core\/src\/wire\/orbit\//,
  /^packages\/core\/src\/transports\/orbit\//,
  /^packages\/core\/src\/catalog\.ts$/,
  /^fuzz\/corpus\/orbit\//,
  /^testing\/captures\/orbit\//,
  /^docs\/transports\/orbit\.md$/,
];
const COPIED = [
  'packages',
  'fuzz',
  'testing/drivers',
  'testing/reliable-kinds.ts',
  'docs',
  'package.json',
  'tsconfig.base.json',
  'vitest.config.ts',
];

let scratch = '';
/** Contents of the copy before anything was added. */
let pristine = new Map<string, string>();
let catalog: readonly string[] = [];

beforeAll(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'verbena-orbit-')));
  const filter = (path: string) => !['node_modules', 'dist'].includes(basename(path));
  for (const one of COPIED) cpSync(join(ROOT, one), join(scratch, one), { recursive: true, filter });
  pristine = hashes(scratch);
  catalog = lines(CATALOG);
  linkModules();
  addOrbit();
  bundleCommand();
}, 180_000);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('a further transport', () => {
  it('touches only the places of a transport, and two lines of the catalog (R003 R008 R223)', () => {
    const [before, after] = [pristine, hashes(scratch)];
    const changed = [...after].filter(([path, hash]) => before.get(path) !== hash).map(([path]) => path);
    const removed = [...before.keys()].filter((path) => !after.has(path));
    expect(removed).toEqual([]);
    expect(changed.filter((path) => !PLACES.some((place) => place.test(path)))).toEqual([]);
    expect(changed).toContain('packages/core/src/transports/orbit/engine.ts');
    expect(lines(CATALOG).filter((line) => !catalog.includes(line))).toHaveLength(2);
  });

  it('passes its conformance suite and the suite of drivers (R003 R226)', () => {
    const args = [
      'run',
      '--reporter=json',
      '-t',
      'orbit',
      'packages/core/src/transports/orbit',
      'testing/drivers/soft.test.ts',
    ];
    const out = execFileSync(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), ...args], {
      ...{ cwd: scratch, encoding: 'utf8', timeout: 180_000, stdio: ['ignore', 'pipe', 'ignore'] },
      env: { ...process.env, VITEST: '', VITEST_WORKER_ID: '' },
    });
    const report = JSON.parse(out.slice(out.indexOf('{'))) as Report;
    expect(report.success).toBe(true);
    const names = report.testResults.flatMap((file) => file.assertionResults.map(({ fullName }) => fullName));
    expect(names.filter((name) => name.includes('transport suite: orbit')).length).toBeGreaterThan(30);
    expect(names.filter((name) => name.includes('driver suite: soft with orbit')).length).toBeGreaterThan(25);
  });

  it('is there for the command without a change of it (R003)', () => {
    const args = ['perf', 'write-bw', '--transport', 'orbit', '--loopback', '-n', '20', '-s', '4096', '--json'];
    const line = run(...args)
      .trim()
      .split('\n')
      .at(-1)!;
    expect(JSON.parse(line)).toMatchObject({ test: 'write-bw', transport: 'orbit', size_bytes: 4096, iterations: 20 });
    expect(run('perf', '--help')).toContain('orbit');
  });
});

describe('the core knows no protocol', () => {
  const names = readdirSync(join(ROOT, 'packages/core/src/transports'));
  const words = new RegExp(`\\b(${[...names, 'roce', 'rocev2', 'iwarp', 'infiniband'].join('|')})\\b`, 'i');

  it.each(['base', 'uapi', 'device', 'soft', 'verbs', 'abi', 'engine'])(
    '%s names none in its code, and imports none (R001 R156)',
    (folder) => {
      const files = sources(join(ROOT, 'packages/core/src', folder));
      expect(files.length).toBeGreaterThan(2);
      for (const file of files) {
        const code = withoutComments(readFileSync(file, 'utf8'));
        const lines = code.split('\n').filter((line) => words.test(line) || /from '.*\/transports\//.test(line));
        expect(lines, relative(ROOT, file)).toEqual([]);
      }
    },
  );

  it('only the catalog imports transports, and no transport imports another one (R001)', () => {
    const core = join(ROOT, 'packages/core/src');
    for (const file of sources(core)) {
      const path = relative(core, file);
      const imported = [...readFileSync(file, 'utf8').matchAll(/from '[^']*transports\/(\w+)/g)].map(
        ([, name]) => name!,
      );
      if (path !== 'catalog.ts') expect(imported, path).toEqual([]);
      const [, own] = /^transports\/(\w+)\//.exec(path) ?? [];
      if (own === undefined) continue;
      const foreign = names.filter((name) => name !== own);
      for (const name of foreign) expect(readFileSync(file, 'utf8'), path).not.toMatch(new RegExp(`from '.*/${name}/`));
    }
  });
});

interface Report {
  readonly success: boolean;
  readonly testResults: readonly { readonly assertionResults: readonly { readonly fullName: string }[] }[];
}

/** Packages of the scratch tree find each other, and all else where it is. */
function linkModules(): void {
  const modules = join(scratch, 'node_modules');
  mkdirSync(join(modules, '@verbena'), { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@verbena' && name !== 'verbena') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  for (const name of ['core', 'node']) symlinkSync(join(scratch, 'packages', name), join(modules, '@verbena', name));
}

/** loop, renamed. */
function addOrbit(): void {
  for (const [from, to] of [
    ['packages/core/src/wire/loop', 'packages/core/src/wire/orbit'],
    ['packages/core/src/transports/loop', 'packages/core/src/transports/orbit'],
    ['fuzz/corpus/loop', 'fuzz/corpus/orbit'],
    ['docs/transports/loop.md', 'docs/transports/orbit.md'],
  ] as const) {
    cpSync(join(ROOT, from), join(scratch, to), { recursive: true });
    const made = [...files(join(scratch, dirname(to)))].filter((file) => file.startsWith(join(scratch, to)));
    for (const file of made) rename(file);
  }
  const changed = lines(CATALOG);
  const at = changed.findIndex((line) => line.includes("'./transports/loop/index.ts'"));
  changed.splice(at + 1, 0, changed[at]!.replaceAll('loop', 'orbit'));
  writeFileSync(join(scratch, CATALOG), changed.join('\n').replace(/= \[(.*)\];/, '= [$1, orbit];'));
}

function rename(file: string): void {
  const text = readFileSync(file, 'utf8')
    .replaceAll('loop', 'orbit')
    .replaceAll('Loop', 'Orbit')
    .replaceAll('LOOP', 'ORBIT')
    .replaceAll('4799', '4801');
  writeFileSync(join(file, '..', basename(file).replace('loop', 'orbit')), text);
  if (basename(file).includes('loop')) rmSync(file);
}

/** The command as one file: what the packages would be after a build, without building them. */
function bundleCommand(): void {
  const alias = [
    ['@verbena/core/wire', 'core/src/wire/index.ts'],
    ['@verbena/core/testing', 'core/src/testing/index.ts'],
    ['@verbena/core/uapi', 'core/src/uapi/index.ts'],
    ['@verbena/core/abi', 'core/src/abi/index.ts'],
    ['@verbena/core/cm', 'core/src/cm/index.ts'],
    ['@verbena/core/fabric', 'core/src/fabric/index.ts'],
    ['@verbena/core', 'core/src/index.ts'],
    ['@verbena/node/daemon', 'node/src/daemon/index.ts'],
    ['@verbena/node', 'node/src/index.ts'],
  ].map(([name, path]) => `--alias:${name}=${join(scratch, 'packages', path!)}`);
  const external = ['koffi', 'commander', 'pino', 'zod'].map((name) => `--external:${name}`);
  const main = join(scratch, 'packages/cli/src/main.ts');
  const options = ['--bundle', '--platform=node', '--format=esm', '--log-level=error', `--outfile=${command()}`];
  execFileSync(join(ROOT, 'node_modules/.bin/esbuild'), [main, ...options, ...alias, ...external], { cwd: scratch });
}

const lines = (path: string): string[] => readFileSync(join(scratch, path), 'utf8').split('\n');
const command = (): string => join(scratch, 'packages/cli/dist/main.js');

function run(...args: string[]): string {
  const { VERBENA_SOCKET: _, ...env } = process.env;
  return execFileSync(process.execPath, [command(), ...args], { encoding: 'utf8', timeout: 120_000, env });
}

function* files(path: string): IterableIterator<string> {
  for (const one of readdirSync(path, { withFileTypes: true })) {
    if (one.isDirectory()) yield* files(join(path, one.name));
    else yield join(path, one.name);
  }
}

const sources = (folder: string): string[] =>
  [...files(folder)].filter((file) => file.endsWith('.ts') && !/\.test\.ts$|testdata/.test(file));

/** Contents of everything that was copied, by path. */
function hashes(root: string): Map<string, string> {
  const all = new Map<string, string>();
  for (const one of ['packages', 'fuzz', 'testing/drivers', 'docs']) {
    for (const file of files(join(root, one))) {
      if (/\/(node_modules|dist)\//.test(file)) continue;
      all.set(relative(root, file), createHash('sha256').update(readFileSync(file)).digest('hex'));
    }
  }
  return all;
}

const withoutComments = (code: string): string =>
  code.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|[^:'"`\\])\/\/.*$/gm, '$1');

const CATALOG = 'packages/core/src/catalog.ts';
