/** A client's way to the daemon: it checks whom it talks to before it says anything. */
import { VerbsError } from '@verbena/core';
import { ERRNO, LINUX, type Libc, requireLibc } from '../memory/libc.ts';
import { FrameMemory } from './frame-memory.ts';
import { SeqpacketConnection } from './seqpacket.ts';
import { checkSocketDirectory, isTrusted, lookUp, ownUid, socketPathBytes } from './socket-path.ts';

export interface ConnectOptions {
  /** Users whose daemon is believed besides the own one and root's. */
  readonly trustedUids?: readonly number[];
}

/**
 * Connects to the daemon that serves a path.
 *
 * @throws VerbsError `ENOENT`, `ECONNREFUSED` no daemon · `EACCES` not allowed, or not a daemon to believe · `EAGAIN`
 * the daemon does not answer · `EINVAL` no path of a socket · `EOPNOTSUPP` no system calls
 */
export function connectSeqpacket(
  libc: Libc | undefined,
  path: string,
  options: ConnectOptions = {},
): SeqpacketConnection {
  const calls = requireLibc(libc, 'connect');
  const trusted = options.trustedUids ?? [];
  const name = socketPathBytes(path, 'connect');
  const stats = lookUp(path);
  if (stats === undefined) throw noDaemon('ENOENT', path);
  checkSocketDirectory(path, 'connect', trusted);
  if (!stats.isSocket()) throw impostor(path, 'it is not a socket');
  if (!isTrusted(Number(stats.uid), trusted)) throw impostor(path, `it belongs to user ${stats.uid}`);
  const memory = new FrameMemory(calls);
  const fd = calls.socket(LINUX.AF_UNIX, LINUX.SOCK_SEQPACKET | LINUX.SOCK_CLOEXEC, 0);
  if (fd < 0) {
    const error = calls.errno();
    memory.release();
    throw new VerbsError('EIO', 'connect', `no socket can be opened: error ${error}`, { try: '`verbena doctor`' });
  }
  let connection: SeqpacketConnection;
  let open = true;
  try {
    // A daemon whose queue is full is waited for, but not for ever: seconds, then microseconds, 64 bits each.
    for (const [at, value] of [CONNECT_SECONDS, 0, 0, 0].entries()) memory.setScratch(4 * at, value);
    calls.setsockopt(fd, LINUX.SOL_SOCKET, LINUX.SO_SNDTIMEO, memory.scratch[0], 16);
    const length = memory.setPath(name);
    if (calls.connect(fd, memory.scratch[0], length) !== 0) throw refused(calls.errno(), path);
    open = false; // the connection closes it
    connection = new SeqpacketConnection(calls, fd, memory);
  } finally {
    if (open) calls.close(fd);
    memory.release();
  }
  if (!isTrusted(connection.peer.uid, trusted)) {
    connection.close();
    throw impostor(path, `user ${connection.peer.uid} serves it`);
  }
  return connection;
}

function refused(error: number, path: string): VerbsError {
  switch (error) {
    case ERRNO.ENOENT:
      return noDaemon('ENOENT', path);
    case ERRNO.ECONNREFUSED:
      return noDaemon('ECONNREFUSED', path);
    case ERRNO.EACCES:
    case ERRNO.EPERM:
      return new VerbsError('EACCES', 'connect', `this user may not use the daemon at ${path}`, {
        try: 'its owner decides by the mode of the socket and its directory',
      });
    case ERRNO.EAGAIN:
    case ERRNO.EINTR:
      return new VerbsError('EAGAIN', 'connect', `the daemon at ${path} takes no connection`, {
        try: 'again later; is it stopped or overloaded?',
      });
    default:
      return new VerbsError('EIO', 'connect', `${path}: error ${error}`, { try: '`verbena doctor`' });
  }
}

function noDaemon(code: 'ENOENT' | 'ECONNREFUSED', path: string): VerbsError {
  return new VerbsError(code, 'connect', `no daemon serves ${path}`, { try: 'verbena up' });
}

function impostor(path: string, problem: string): VerbsError {
  return new VerbsError('EACCES', 'connect', `${path} is not to be trusted: ${problem}`, {
    given: `own user ${ownUid()}`,
    try: 'the path of your own daemon, or of one that root runs',
  });
}

const CONNECT_SECONDS = 2;
