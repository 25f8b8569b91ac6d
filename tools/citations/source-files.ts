/** The files of the workspace that may cite sections and requirements. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

export interface SourceFile {
  /** From the root of the workspace, with `/`. */
  readonly path: string;
  readonly text: string;
  /** Tests, their data, and the libraries and folders that consist of tests. */
  readonly isTest: boolean;
}

/** All TypeScript sources below these folders of the workspace, in the order of their paths. */
export function sourceFiles(root: string, folders: readonly string[]): SourceFile[] {
  return folders
    .flatMap((folder) => [...paths(join(root, folder))])
    .map((path) => relative(root, path).replaceAll(sep, '/'))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8'), isTest: TEST_PATH.test(path) }));
}

function* paths(folder: string): IterableIterator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name === 'dist') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* paths(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

const TEST_PATH = /\.(test|testdata)\.ts$|\/testing\/|^testing\/|^fuzz\//;
