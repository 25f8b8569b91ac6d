/** Copies of our endpoint with a fault in each, and what the rules say of them. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fault } from './faults.ts';

/** A copy of the built packages and of the endpoint program, in a folder of its own. */
export class EngineCopy {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Makes a copy.
   *
   * @param conformance - folder with the built endpoint program
   * @throws Error the packages were not built
   */
  static make(conformance = dirname(dirname(fileURLToPath(import.meta.url)))): EngineCopy {
    const folder = mkdtempSync(join(tmpdir(), 'verbena-conformance-'));
    const copy = new EngineCopy(folder);
    try {
      for (const name of ['core', 'node'] as const) {
        const from = packageOf(name);
        const to = join(folder, 'node_modules/@verbena', name);
        if (!existsSync(join(from, 'dist'))) throw new Error(`${from} was not built: npm run build`);
        mkdirSync(to, { recursive: true });
        for (const part of ['dist', 'package.json']) cpSync(join(from, part), join(to, part), { recursive: true });
      }
      const others = join(packageOf('core'), '../../node_modules');
      for (const name of readdirSync(others)) {
        if (name !== '@verbena') symlinkSync(join(others, name), join(folder, 'node_modules', name));
      }
      for (const part of ['endpoint', 'tester', 'target.js', 'rule.js']) {
        // a program in one piece has no others beside it
        if (existsSync(join(conformance, part)))
          cpSync(join(conformance, part), join(folder, part), { recursive: true });
      }
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
      return copy;
    } catch (error) {
      copy.remove();
      throw error;
    }
  }

  /** The program of the endpoint. */
  get program(): string {
    return join(this.#folder, 'endpoint/main.js');
  }

  /** Builds a fault in. @returns what takes it out again @throws Error its text is not there exactly once */
  build({ name, file, from, to }: Fault): () => void {
    const [of, ...rest] = file.split('/') as [string, ...string[]];
    const path = join(this.#folder, 'node_modules/@verbena', of, 'dist', ...rest);
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const found = text.split(from).length - 1;
    if (found !== 1) throw new Error(`fault ${name}: ${file} has its text ${found} times, not once`);
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
    return () => writeFileSync(path, text);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const require = createRequire(import.meta.url);

/** Folder of one of our packages. */
function packageOf(name: 'core' | 'node'): string {
  return dirname(dirname(require.resolve(`@verbena/${name}`)));
}
