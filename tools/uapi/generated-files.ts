/** The files that are made from the schema, by path. */
import { lostLines, MANAGEMENT, type ObjectSchema, snapshotOf, UAPI } from '@verbena/core/uapi';
import { cHeader } from './c-header.ts';
import { referencePage } from './reference-page.ts';

export const SNAPSHOT_PATH = 'packages/core/src/uapi/abi-snapshot.txt';

export function generatedFiles(): ReadonlyMap<string, string> {
  const programs: readonly ObjectSchema[] = Object.values(UAPI);
  const tools: readonly ObjectSchema[] = Object.values(MANAGEMENT);
  const all = [...programs, ...tools];
  return new Map([
    ['packages/core/include/verbena.h', cHeader(all)],
    ['docs/uapi.md', referencePage(programs, tools)],
    [SNAPSHOT_PATH, `${snapshotOf(all).join('\n')}\n`],
  ]);
}

/** Lines of a committed snapshot that the schema does not keep: programs built on it would break. */
export const brokenPromises = (committed: string, files: ReadonlyMap<string, string>): string[] =>
  lostLines(committed.split('\n'), files.get(SNAPSHOT_PATH)!.split('\n'));
