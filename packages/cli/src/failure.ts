/** What a failed command says on stderr, and the exit status it leaves. */
import { type ErrorCode, type ErrorFacts, isVerbsError, VerbsError } from '@verbena/core';

/** Input that a command cannot accept: one message, exit status 2. */
export class BadInput extends Error {
  override readonly name = 'BadInput';
  /** What would work. */
  readonly hint: string | undefined;

  constructor(problem: string, hint?: string) {
    super(problem);
    this.hint = hint;
  }
}

/** The user stopped the command: exit status 130, as shells expect after Ctrl-C. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Turns a failed file operation into an error that explains itself. */
export function fileError(call: string, path: string, thrown: unknown): VerbsError {
  if (isVerbsError(thrown)) return thrown;
  const code = systemCode(thrown);
  const [known, problem, advice] = FILE_ERRORS[code] ?? ['EIO', `${code || 'error'} (${messageOf(thrown)})`, undefined];
  return refusal(known, call, `${path}: ${problem}`, advice === undefined ? {} : { try: advice });
}

/** An error of this command in the library's form. */
export function refusal(code: ErrorCode, call: string, problem: string, facts: ErrorFacts = {}): VerbsError {
  return new VerbsError(code, call, problem, facts);
}

/** The text for stderr and the exit status. The stack is shown only on request: it explains nothing to a user. */
export function explainFailure(thrown: unknown, debug: boolean): { text: string; status: number } {
  const stack = debug && thrown instanceof Error ? `\n${thrown.stack ?? ''}` : '';
  if (thrown instanceof BadInput) {
    const hint = thrown.hint === undefined ? '' : `\n  try      ${thrown.hint}`;
    return { text: `verbena: ${thrown.message}${hint}${stack}`, status: 2 };
  }
  if (thrown instanceof Interrupted) return { text: `verbena: ${thrown.message}${stack}`, status: 130 };
  if (isVerbsError(thrown)) return { text: `${thrown.explain()}${stack}`, status: 1 };
  const hint = debug ? stack : '\n  try      VERBENA_DEBUG=1 shows where it happened';
  return { text: `verbena: ${messageOf(thrown)}${hint}`, status: 1 };
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The system's name of an error, such as `ENOENT`; empty for other errors. */
export function systemCode(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}

const FILE_ERRORS: Readonly<Record<string, readonly [ErrorCode, string, string | undefined]>> = {
  ENOENT: ['ENOENT', 'there is no such file or folder', 'check the spelling'],
  EACCES: ['EACCES', 'access is denied', 'check the permissions of the file and of its folder'],
  EPERM: ['EPERM', 'the operation is not permitted', 'check the permissions of the file and of its folder'],
  EEXIST: ['EEXIST', 'it exists already', '--force to replace it'],
  EISDIR: ['EINVAL', 'it is a folder', 'name a file'],
  ENOTDIR: ['EINVAL', 'a part of the path is a file, not a folder', 'check the path'],
  ENOSPC: ['ENOSPC', 'the disk is full', 'free some space'],
  EDQUOT: ['ENOSPC', 'the disk quota is used up', 'free some space'],
  EROFS: ['EACCES', 'the file system is read-only', 'choose another target'],
  ELOOP: ['EINVAL', 'it is a symbolic link, or there are too many in a row', 'name the file itself'],
  ENAMETOOLONG: ['EINVAL', 'the name is too long', 'choose a shorter name'],
};
