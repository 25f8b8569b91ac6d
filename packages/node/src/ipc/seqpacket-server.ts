/** The daemon's end of local sockets: a socket that only the right users reach, and that nobody else can replace. */
import { unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { VerbsError } from '@verbena/core';
import { ERRNO, LINUX, type Libc, requireLibc, type Watch } from '../memory/libc.ts';
import { FrameMemory } from './frame-memory.ts';
import { SeqpacketConnection } from './seqpacket.ts';
import { checkSocketDirectory, lookUp, makeSocketDirectory, ownUid, socketPathBytes } from './socket-path.ts';

export interface SeqpacketServerOptions {
  /** Who may connect: the owner, or the owner and the directory's group. Default 0o600. */
  readonly mode?: 0o600 | 0o660;
  /** Gets each connection; who does not keep it closes it. */
  readonly onConnection: (connection: SeqpacketConnection) => void;
}

export class SeqpacketServer {
  readonly path: string;
  /** Counts since the start. */
  readonly counters = {
    acceptedConnections: 0,
    /** Closed at once, because this process has no descriptor left. */
    refusedConnections: 0,
    acceptErrors: 0,
  };
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #memory: FrameMemory;
  readonly #inode: bigint;
  readonly #device: bigint;
  readonly #onConnection: (connection: SeqpacketConnection) => void;
  readonly #watch: Watch;
  /** A descriptor to give up when there are no more, so that a connection can be taken and closed. */
  #reserve: number;
  #closed = false;

  /**
   * Serves a path. Its directory is created when only that one is missing; a socket that nobody serves any more is
   * replaced, anything else at the path stays.
   *
   * @throws VerbsError `EINVAL` no path of a socket · `EADDRINUSE` another daemon serves it · `EEXIST` something else
   * is there · `EACCES` others could replace it · `EOPNOTSUPP` no system calls
   */
  static listen(libc: Libc | undefined, path: string, options: SeqpacketServerOptions): SeqpacketServer {
    const calls = requireLibc(libc, 'listen');
    const name = socketPathBytes(path, 'listen');
    const mode = options.mode ?? 0o600;
    makeSocketDirectory(path, 'listen');
    checkSocketDirectory(path, 'listen');
    const memory = new FrameMemory(calls);
    let fd = -1;
    let lock = -1;
    try {
      lock = lockDirectory(calls, memory, path);
      removeStale(calls, memory, path, name);
      fd = bindSocket(calls, memory, path, name, mode);
      return new SeqpacketServer(calls, path, fd, memory, options);
    } catch (error) {
      if (fd >= 0) calls.close(fd);
      memory.release();
      throw error;
    } finally {
      if (lock >= 0) calls.close(lock);
    }
  }

  private constructor(libc: Libc, path: string, fd: number, memory: FrameMemory, options: SeqpacketServerOptions) {
    const stats = lookUp(path);
    if (stats === undefined) throw vanished(path);
    this.path = path;
    this.#libc = libc;
    this.#fd = fd;
    this.#memory = memory;
    this.#inode = stats.ino;
    this.#device = stats.dev;
    this.#onConnection = options.onConnection;
    this.#reserve = openReserve(libc);
    this.#watch = libc.watch(fd, () => this.#accept());
  }

  /** Keeps the process alive, as at the start; {@link unref} lets it end. */
  ref(): void {
    this.#watch.ref();
  }

  unref(): void {
    this.#watch.unref();
  }

  /**
   * Accepts no more, and removes the socket if it is still the own one. Connections stay; their owner closes them.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    // Removed while it still answers: nobody takes it for stale and puts another there in between.
    const stats = lookUp(this.path);
    if (stats?.ino === this.#inode && stats.dev === this.#device) unlinkSync(this.path);
    this.#libc.close(this.#fd);
    if (this.#reserve >= 0) this.#libc.close(this.#reserve);
    this.#memory.release();
  }

  #accept(): void {
    for (let budget = ACCEPTS_PER_TURN; budget > 0 && !this.#closed; budget--) {
      const fd = this.#libc.accept4(this.#fd, 0, 0, LINUX.SOCK_NONBLOCK | LINUX.SOCK_CLOEXEC);
      if (fd >= 0) {
        this.#serve(fd);
        continue;
      }
      const error = this.#libc.errno();
      if (error === ERRNO.EAGAIN) return;
      if (error === ERRNO.EINTR || error === ERRNO.ECONNABORTED) continue;
      if (error === ERRNO.EMFILE || error === ERRNO.ENFILE) {
        if (this.#refuse()) continue;
        return;
      }
      this.counters.acceptErrors++;
      return;
    }
  }

  #serve(fd: number): void {
    let connection: SeqpacketConnection;
    try {
      connection = new SeqpacketConnection(this.#libc, fd, this.#memory);
    } catch {
      this.counters.acceptErrors++;
      return;
    }
    this.counters.acceptedConnections++;
    this.#onConnection(connection);
  }

  /**
   * Takes a connection on the reserved descriptor and closes it: better an answer than a queue nobody serves.
   *
   * @returns false when nobody waits, or there is not even the reserved one
   */
  #refuse(): boolean {
    if (this.#reserve >= 0) this.#libc.close(this.#reserve);
    const fd = this.#libc.accept4(this.#fd, 0, 0, LINUX.SOCK_CLOEXEC);
    const error = fd < 0 ? this.#libc.errno() : 0;
    if (fd >= 0) {
      this.#libc.close(fd);
      this.counters.refusedConnections++;
    } else if (error !== ERRNO.EAGAIN) this.counters.acceptErrors++;
    this.#reserve = openReserve(this.#libc);
    return fd >= 0;
  }
}

/** Two daemons that start at once do not remove each other's socket: one looks and binds, then the other. */
function lockDirectory(libc: Libc, memory: FrameMemory, path: string): number {
  const fd = libc.open(dirname(path), LINUX.O_RDONLY | LINUX.O_CLOEXEC, 0);
  if (fd < 0) throw cannot(path, 'its directory cannot be opened', libc.errno());
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    if (libc.flock(fd, LINUX.LOCK_EX | LINUX.LOCK_NB) === 0) return fd;
    libc.poll(memory.scratch[0], 0, LOCK_PAUSE_MS);
  }
  libc.close(fd);
  throw new VerbsError('EBUSY', 'listen', `another program holds a lock on ${dirname(path)}`, {
    given: path,
    try: 'again, or find the program with `fuser`',
  });
}

function removeStale(libc: Libc, memory: FrameMemory, path: string, name: Uint8Array): void {
  const stats = lookUp(path);
  if (stats === undefined) return;
  if (!stats.isSocket()) throw occupied(path, 'something that is not a socket');
  if (Number(stats.uid) !== ownUid()) throw occupied(path, `a socket of user ${stats.uid}`);
  const fd = openSocket(libc, path);
  const refused = libc.connect(fd, memory.scratch[0], memory.setPath(name)) !== 0;
  const error = refused ? libc.errno() : 0;
  libc.close(fd);
  // A full queue, or a socket of another type, is a sign of life.
  if (error !== ERRNO.ECONNREFUSED) {
    throw new VerbsError('EADDRINUSE', 'listen', `another daemon serves ${path}`, {
      try: 'use that one, stop it, or serve another path',
    });
  }
  unlinkSync(path);
}

function bindSocket(libc: Libc, memory: FrameMemory, path: string, name: Uint8Array, mode: number): number {
  const fd = openSocket(libc, path);
  const length = memory.setPath(name);
  // The socket never has a wider mode, not even for a moment, as it would with a later chmod.
  const before = libc.umask(0o777 & ~mode);
  const failed = libc.bind(fd, memory.scratch[0], length) !== 0;
  const error = failed ? libc.errno() : 0;
  libc.umask(before);
  if (failed) {
    libc.close(fd);
    throw error === ERRNO.EADDRINUSE
      ? occupied(path, 'something that was not there a moment ago')
      : cannot(path, 'it cannot be bound', error);
  }
  const stats = lookUp(path);
  const good = stats?.isSocket() === true && Number(stats.uid) === ownUid() && (Number(stats.mode) & 0o777) === mode;
  if (good && libc.listen(fd, BACKLOG) === 0) return fd;
  libc.close(fd);
  throw vanished(path);
}

function openSocket(libc: Libc, path: string): number {
  const fd = libc.socket(LINUX.AF_UNIX, LINUX.SOCK_SEQPACKET | LINUX.SOCK_NONBLOCK | LINUX.SOCK_CLOEXEC, 0);
  if (fd < 0) throw cannot(path, 'no socket can be opened', libc.errno());
  return fd;
}

function openReserve(libc: Libc): number {
  return libc.open('/dev/null', LINUX.O_RDONLY | LINUX.O_CLOEXEC, 0);
}

function occupied(path: string, what: string): VerbsError {
  return new VerbsError('EEXIST', 'listen', `at ${path} there is ${what}`, {
    try: 'look at it, remove it if it is not needed, or serve another path',
  });
}

function cannot(path: string, problem: string, error: number): VerbsError {
  const code = error === ERRNO.EACCES || error === ERRNO.EPERM ? 'EACCES' : 'EIO';
  return new VerbsError(code, 'listen', `${path}: ${problem}: error ${error}`, { try: '`verbena doctor`' });
}

function vanished(path: string): VerbsError {
  return new VerbsError('EIO', 'listen', `the socket at ${path} is not the one that was put there`, {
    try: 'a directory that only you may write, on a file system with modes',
  });
}

const ACCEPTS_PER_TURN = 64;
const BACKLOG = 128;
const LOCK_TRIES = 25;
const LOCK_PAUSE_MS = 10;
