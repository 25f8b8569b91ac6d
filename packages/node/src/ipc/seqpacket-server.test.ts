import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isVerbsError } from '@verbena/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LINUX, libcProblem, loadLibc } from '../memory/libc.ts';
import type { SeqpacketConnection } from './seqpacket.ts';
import { connectSeqpacket } from './seqpacket-client.ts';
import { SeqpacketServer } from './seqpacket-server.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: local socket server: ${libcProblem()}`);

const isRoot = process.getuid?.() === 0;
const STRANGER = 54_321;
const openFiles = () => readdirSync('/proc/self/fd').length;
const modeOf = (path: string) => lstatSync(path).mode & 0o7777;

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn === 3_000_000) throw new Error('it never came true');
    await new Promise((turned) => setImmediate(turned));
  }
}

describe.skipIf(libc === undefined)('server of a local socket', () => {
  let directory: string;
  let path: string;
  let servers: SeqpacketServer[];
  let accepted: SeqpacketConnection[];
  let before: number;

  beforeEach(() => {
    before = openFiles();
    directory = mkdtempSync(join(tmpdir(), 'verbena-'));
    path = join(directory, 'verbena.sock');
    servers = [];
    accepted = [];
  });

  afterEach(() => {
    for (const open of [...accepted, ...servers]) open.close();
    rmSync(directory, { recursive: true });
    expect(openFiles()).toBe(before);
  });

  function listen(at = path, mode?: 0o600 | 0o660): SeqpacketServer {
    const onConnection = (connection: SeqpacketConnection) => accepted.push(connection);
    const server = SeqpacketServer.listen(libc, at, mode === undefined ? { onConnection } : { mode, onConnection });
    servers.push(server);
    return server;
  }

  /** A socket that nobody serves any more. */
  function leaveStale(): void {
    listen();
    linkSync(path, `${path}.kept`);
    servers.pop()!.close();
    renameSync(`${path}.kept`, path);
  }

  /** What a failed call says first. */
  function failure(call: () => unknown): string {
    try {
      call();
    } catch (error) {
      if (isVerbsError(error)) return `${error.message}. ${error.facts.try ?? ''}`;
      throw error;
    }
    throw new Error('it did not fail');
  }

  test('threats L01: only the owner may connect, or the group when asked, whatever the umask', () => {
    const umask = process.umask(0);
    try {
      listen();
      expect(modeOf(path)).toBe(0o600);
      process.umask(0o077);
      listen(`${path}2`, 0o660);
      expect([modeOf(`${path}2`), process.umask()]).toEqual([0o660, 0o077]);
    } finally {
      process.umask(umask);
    }
  });

  test('threats L01: the directory is made for the owner alone, but only the last one', () => {
    listen(join(directory, 'run', 'verbena.sock'));
    expect(modeOf(join(directory, 'run'))).toBe(0o700);
    expect(failure(() => listen(join(directory, 'a', 'b', 'verbena.sock')))).toMatch(/^ENOENT/);
    expect(existsSync(join(directory, 'a'))).toBe(false);
  });

  test('threats L01, L02: a directory that others may write is refused, by both sides', () => {
    listen();
    for (const mode of [0o777, 0o770, 0o702]) {
      chmodSync(directory, mode);
      expect(failure(() => listen(`${path}2`))).toMatch(/^EACCES in listen: .* others could put/);
      expect(failure(() => connectSeqpacket(libc, path))).toMatch(/^EACCES in connect/);
    }
    chmodSync(directory, 0o1777);
    listen(`${path}2`);
    connectSeqpacket(libc, path).close();
    chmodSync(directory, 0o755);
    connectSeqpacket(libc, path).close();
    expect(failure(() => listen(join(path, 'x')))).toMatch(/^EACCES in listen: .* is not a directory/);
  });

  test('threats L02: what is there already stays, and is not followed', () => {
    const file = join(directory, 'file');
    writeFileSync(file, 'precious');
    for (const squat of [
      () => writeFileSync(path, 'mine'),
      () => mkdirSync(path),
      () => symlinkSync(file, path),
      () => symlinkSync(join(directory, 'nowhere'), path),
    ]) {
      squat();
      expect(failure(() => listen())).toMatch(/^EEXIST in listen: at .* something that is not a socket/);
      expect(existsSync(join(directory, 'nowhere'))).toBe(false);
      rmSync(path, { recursive: true });
    }
    // A link to a live socket is not a live socket.
    listen(`${path}2`);
    symlinkSync(`${path}2`, path);
    expect(failure(() => listen())).toMatch(/^EEXIST/);
    expect(failure(() => connectSeqpacket(libc, path))).toMatch(/^EACCES in connect: .* not a socket/);
    expect([readFileSync(file, 'utf8'), lstatSync(path).isSymbolicLink()]).toEqual(['precious', true]);
  });

  test.skipIf(!isRoot)('threats L02, L03: a socket or directory of another user (skipped unless root)', () => {
    leaveStale();
    chownSync(path, STRANGER, STRANGER);
    expect(failure(() => listen())).toMatch(/^EEXIST in listen: at .* a socket of user 54321/);
    expect(failure(() => connectSeqpacket(libc, path))).toMatch(/^EACCES in connect: .* it belongs to user 54321/);
    unlinkSync(path);
    listen();
    chownSync(directory, STRANGER, STRANGER);
    expect(failure(() => connectSeqpacket(libc, path))).toMatch(/^EACCES in connect: .* belongs to user 54321/);
    expect(failure(() => listen(`${path}2`))).toMatch(/^EACCES in listen/);
    connectSeqpacket(libc, path, { trustedUids: [STRANGER] }).close();
    chownSync(directory, 0, 0);
    // A link that another user made may point elsewhere tomorrow.
    const link = `${directory}.link`;
    symlinkSync(directory, link);
    try {
      connectSeqpacket(libc, join(link, 'verbena.sock')).close();
      lchown(link);
      expect(failure(() => connectSeqpacket(libc, join(link, 'verbena.sock')))).toMatch(/^EACCES in connect/);
    } finally {
      unlinkSync(link);
    }
  });

  test.skipIf(!isRoot)('threats L01: another user cannot connect (skipped unless root)', () => {
    listen();
    process.seteuid!(STRANGER);
    try {
      expect(failure(() => connectSeqpacket(libc, path))).toMatch(/^EACCES/);
      process.seteuid!(0);
      chmodSync(directory, 0o755);
      process.seteuid!(STRANGER);
      expect(failure(() => connectSeqpacket(libc, path))).toMatch(
        /^EACCES in connect: this user may not use the daemon/,
      );
      expect(failure(() => listen(`${path}2`))).toMatch(/^EACCES in listen/);
    } finally {
      process.seteuid!(0);
    }
  });

  test.skipIf(!isRoot)('threats L03: an impostor behind a good name is recognised (skipped unless root)', () => {
    process.seteuid!(STRANGER);
    const fd = libc!.socket(LINUX.AF_UNIX, LINUX.SOCK_SEQPACKET | LINUX.SOCK_CLOEXEC, 0);
    process.seteuid!(0);
    const address = Buffer.alloc(110);
    address[0] = LINUX.AF_UNIX;
    address.write(path, 2);
    native('int bind(int, const uint8_t *, int)')(fd, address, 110);
    process.seteuid!(STRANGER); // whoever says listen is the peer of all who connect
    libc!.listen(fd, 5);
    process.seteuid!(0);
    const held = openFiles();
    expect(failure(() => connectSeqpacket(libc, path))).toMatch(/^EACCES in connect: .* user 54321 serves it/);
    connectSeqpacket(libc, path, { trustedUids: [STRANGER] }).close();
    expect(openFiles()).toBe(held);
    libc!.close(fd);
  });

  test('a socket that nobody serves is replaced, one that somebody serves is not', () => {
    leaveStale();
    expect(failure(() => connectSeqpacket(libc, path))).toMatch(
      /^ECONNREFUSED in connect: no daemon serves .*verbena up$/,
    );
    const stale = lstatSync(path).ino;
    listen();
    connectSeqpacket(libc, path).close();
    expect(failure(() => listen())).toMatch(/^EADDRINUSE in listen: another daemon serves/);
    connectSeqpacket(libc, path).close();
    expect(stale).toBeGreaterThan(0);
  });

  test('a server of another kind is a live one', async () => {
    const other = createServer().listen(path);
    await new Promise((listening) => other.once('listening', listening));
    expect(failure(() => listen())).toMatch(/^EADDRINUSE/);
    await new Promise((closed) => other.close(closed));
  });

  test('no daemon says what to do', () => {
    expect(failure(() => connectSeqpacket(libc, path))).toMatch(
      /^ENOENT in connect: no daemon serves .*\. verbena up$/,
    );
    expect(failure(() => connectSeqpacket(libc, join(directory, 'x', 'y')))).toMatch(/^ENOENT .*verbena up$/);
  });

  test('threats L04: a path that does not fit is refused before anything happens', () => {
    const long = join(directory, 'x'.repeat(107 - directory.length - 1));
    listen(long);
    connectSeqpacket(libc, long).close();
    for (const bad of [`${long}x`, '', `${path}\0`, '\0abstract', `${directory}/${'ü'.repeat(50)}`]) {
      for (const call of [() => listen(bad), () => connectSeqpacket(libc, bad)])
        expect(failure(call)).toMatch(/^EINVAL/);
    }
    expect(readdirSync(directory).length).toBe(1);
  });

  test('closing removes the own socket, and no other', () => {
    const server = listen();
    server.unref();
    server.ref();
    unlinkSync(path);
    listen();
    server.close();
    server.close();
    connectSeqpacket(libc, path).close();
    servers.at(-1)!.close();
    expect(existsSync(path)).toBe(false);
  });

  test('two daemons that start at once take turns: a lock on the directory has an answer', () => {
    const lock = libc!.open(directory, LINUX.O_RDONLY | LINUX.O_CLOEXEC, 0);
    libc!.flock(lock, LINUX.LOCK_EX);
    expect(failure(() => listen())).toMatch(/^EBUSY in listen/);
    libc!.close(lock);
    listen();
  });

  test('threats L16, L18: without descriptors a connection is closed at once, and counted', async () => {
    const server = listen();
    const clients = Array.from({ length: 3 }, () => connectSeqpacket(libc, path));
    const limit = new BigUint64Array(2);
    native('int getrlimit(int, _Out_ uint64_t *)')(RLIMIT_NOFILE, limit);
    // No hole is left below the limit.
    const fillers: number[] = [];
    for (let top = Math.max(...readdirSync('/proc/self/fd').map(Number)); (fillers.at(-1) ?? 0) <= top; ) {
      fillers.push(libc!.open('/dev/null', LINUX.O_CLOEXEC, 0));
    }
    const setLimit = native('int setrlimit(int, const uint64_t *)');
    setLimit(RLIMIT_NOFILE, new BigUint64Array([BigInt(fillers.at(-1)! + 1), limit[1]!]));
    try {
      await until(() => server.counters.refusedConnections === 3);
    } finally {
      setLimit(RLIMIT_NOFILE, limit);
    }
    for (const fd of fillers) libc!.close(fd);
    for (const client of clients) {
      expect([client.receiveBlocking(5000), client.ended]).toEqual([undefined, true]);
      client.close();
    }
    const late = connectSeqpacket(libc, path);
    await until(() => accepted.length === 1);
    late.close();
    expect(server.counters).toEqual({ acceptedConnections: 1, refusedConnections: 3, acceptErrors: 0 });
  });

  function lchown(link: string): void {
    native('int lchown(str, uint32_t, uint32_t)')(link, STRANGER, STRANGER);
  }
});

test('without system calls there is an answer', () => {
  expect(() => connectSeqpacket(undefined, '/x/y')).toThrow(/EOPNOTSUPP in connect: no system calls/);
  expect(() => SeqpacketServer.listen(undefined, '/x/y', { onConnection: () => {} })).toThrow(/EOPNOTSUPP in listen/);
});

/** A function of the C library that only tests need. */
function native(prototype: string): (...args: unknown[]) => number {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi').default;
  return koffi.load(null).func(prototype) as (...args: unknown[]) => number;
}

const RLIMIT_NOFILE = 7;
