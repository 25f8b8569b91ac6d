import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const SOURCE = fileURLToPath(new URL('./', import.meta.url));
/** What no file of the library may name, except in comments and strings. */
const FORBIDDEN =
  /(?<![\w.#$'"-])(process|Buffer|console|require|setTimeout|setInterval|setImmediate|queueMicrotask|performance|Date|window|document|__dirname|globalThis)(?![\w$'":-])|(?<=[=(,;:?]\s*|await )fetch\(|Math\.random|import\.meta/;

const sources = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
  (path) => path.endsWith('.ts') && !/\.(test|testdata)\.ts$/.test(path),
);

describe('the library knows no runtime', () => {
  it('names no global of a host', () => {
    const offenders = sources.flatMap((path) =>
      withoutComments(readFileSync(`${SOURCE}${path}`, 'utf8'))
        .split('\n')
        .flatMap((line, i) => (FORBIDDEN.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
    );
    expect(sources.length).toBeGreaterThan(80);
    expect(offenders).toEqual([]);
  });

  it('would notice', () => {
    for (const line of [
      'a = Date.now()',
      'console.log(1)',
      'x = Math.random()',
      'new Buffer(3)',
      '(setTimeout(f))',
      'await fetch(url)',
    ]) {
      expect(FORBIDDEN.test(line), line).toBe(true);
    }
    for (const line of ['the.process()', "'console'", 'updateDate(3)', 'this.#fetch()']) {
      expect(FORBIDDEN.test(line), line).toBe(false);
    }
  });

  it('bundles for a browser without anything from outside, and moves data where there is nothing but the language', async () => {
    const { outputFiles, metafile, warnings } = await build({
      stdin: { contents: PROGRAM, resolveDir: SOURCE, loader: 'ts' },
      bundle: true,
      write: false,
      metafile: true,
      platform: 'browser',
      format: 'iife',
      globalName: 'verbena',
      target: 'es2023',
    });
    expect(warnings).toEqual([]);
    const outside = Object.values(metafile.inputs).flatMap(({ imports }) => imports.filter((one) => one.external));
    expect(outside).toEqual([]);
    expect(Object.keys(metafile.inputs).filter((path) => path.includes('node_modules'))).toEqual([]);

    const bare = createContext({});
    expect(runInContext('typeof process + typeof Buffer + typeof setTimeout + typeof console', bare)).toBe(
      'undefinedundefinedundefinedobject',
    );
    runInContext('delete globalThis.console; delete globalThis.performance; Date = undefined;', bare);
    runInContext("Math.random = () => { throw new Error('chance from outside'); };", bare);
    runInContext(outputFiles[0]!.text, bare);
    const first = JSON.parse(runInContext('JSON.stringify(verbena.run())', bare));
    expect(first.map(({ name }: { name: string }) => name).sort()).toEqual(['loop', 'roce', 'uet']);
    for (const { name, status, equal, retransmitted } of first) {
      expect(status).toBe('SUCCESS');
      expect(equal).toBe(true);
      if (name !== 'loop') expect(retransmitted).toBeGreaterThan(0);
    }
    // the same run, packet for packet, in this runtime
    const { run } = await import('./purity.testdata.ts');
    expect(JSON.parse(JSON.stringify(run()))).toEqual(first);
  });
});

const PROGRAM = `export { run } from './purity.testdata.ts'; export * from './index.ts'; export * as wire from './wire/index.ts';`;

function withoutComments(source: string): string {
  const blank = (text: string) => text.replaceAll(/[^\n]/g, ' ');
  return source
    .replaceAll(/\/\*[\s\S]*?\*\//g, blank)
    .replaceAll(/(^|\s)\/\/.*$/gm, blank)
    .replaceAll(/`[^`$]*`|'[^'\n]*'/g, (text) => `''${' '.repeat(Math.max(0, text.length - 2))}`);
}
