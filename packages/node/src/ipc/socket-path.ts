/** Where a daemon's socket may lie, and whom its clients believe. */
import { type BigIntStats, lstatSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { env, geteuid } from 'node:process';
import { VerbsError } from '@verbena/core';
import { SOCKET_PATH_BYTES } from './frame-memory.ts';

/** Where the daemon of this user is unless something else is said; its directory belongs to the user alone. */
export function defaultSocketPath(): string {
  const runtime = env.XDG_RUNTIME_DIR;
  const directory =
    runtime === undefined || runtime === '' ? join('/tmp', `verbena-${ownUid()}`) : join(runtime, 'verbena');
  return join(directory, 'verbena.sock');
}

/** The path in the environment variable `VERBENA_SOCKET`: empty or `1` is the usual one; undefined when it is not set, or `0`. */
export function socketPathFromEnvironment(): string | undefined {
  const value = env.VERBENA_SOCKET;
  if (value === undefined || value === '0') return undefined;
  return value === '' || value === '1' ? defaultSocketPath() : value;
}

/** @throws VerbsError `EINVAL` empty, too long, or with a zero byte (abstract names have no owner and no mode) */
export function socketPathBytes(path: string, call: string): Uint8Array {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length >= 1 && bytes.length < SOCKET_PATH_BYTES && !bytes.includes(0)) return bytes;
  const problem = bytes.includes(0) ? 'has a zero byte' : `has ${bytes.length} bytes`;
  throw new VerbsError('EINVAL', call, `the path of a local socket ${problem}`, {
    given: JSON.stringify(path),
    try: `a path of 1 to ${SOCKET_PATH_BYTES - 1} bytes, such as /run/verbena/verbena.sock`,
  });
}

/** Creates the socket's directory, for its owner only, when just that one is missing. @returns it */
export function makeSocketDirectory(path: string, call: string): string {
  const directory = dirname(path);
  try {
    mkdirSync(directory, 0o700);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') return directory;
    throw new VerbsError(code === 'ENOENT' ? 'ENOENT' : 'EACCES', call, `${directory} cannot be created: ${code}`, {
      given: path,
      try: 'a directory that exists and that only you may write, such as $XDG_RUNTIME_DIR',
    });
  }
  return directory;
}

/**
 * A directory where others may create names is one where they may put another socket.
 *
 * @throws VerbsError `ENOENT` · `EACCES` others may write it, or own it
 */
export function checkSocketDirectory(path: string, call: string, trusted: readonly number[] = []): void {
  const directory = dirname(path);
  const stats = lookUp(directory);
  const real = stats?.isSymbolicLink() === true ? lookUp(directory, true) : stats;
  if (stats === undefined || real === undefined) {
    throw new VerbsError('ENOENT', call, `${directory} does not exist`, { given: path, try: 'verbena up' });
  }
  const refuse = (problem: string): never => {
    throw new VerbsError('EACCES', call, `${directory} ${problem}`, {
      given: path,
      try: 'a directory that only you may write, such as $XDG_RUNTIME_DIR or one with mode 0700',
    });
  };
  // A link is as good as its owner, who may point it elsewhere at any time.
  for (const { uid } of [stats, real]) {
    if (!isTrusted(Number(uid), trusted)) refuse(`belongs to user ${uid}, who could replace the socket`);
  }
  if (!real.isDirectory()) refuse('is not a directory');
  const mode = Number(real.mode);
  const sticky = (mode & 0o1000) !== 0 && Number(real.uid) === ownUid();
  if ((mode & 0o022) !== 0 && !sticky) {
    refuse(`has mode ${(mode & 0o7777).toString(8).padStart(4, '0')}: others could put a socket of theirs there`);
  }
}

/** What is at a path, without following a link there; undefined when nothing is. */
export function lookUp(path: string, follow = false): BigIntStats | undefined {
  try {
    return follow ? statSync(path, { bigint: true }) : lstatSync(path, { bigint: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new VerbsError('EACCES', 'stat', `${path} cannot be looked at: ${code}`);
  }
}

/** The own user, root, or a user that the caller named. */
export function isTrusted(uid: number, trusted: readonly number[] = []): boolean {
  return uid === 0 || uid === ownUid() || trusted.includes(uid);
}

export function ownUid(): number {
  return geteuid!();
}
