/**
 * Local sockets that keep the boundaries of messages (SOCK_SEQPACKET): a frame arrives whole or not at all, so nobody
 * waits for the second half of one, and descriptors arrive with exactly the message that names them.
 */
import { VerbsError } from '@verbena/core';
import { ERRNO, LINUX, type Libc, type Watch } from '../memory/libc.ts';
import { FrameMemory, MAX_FDS, MAX_FRAME_BYTES } from './frame-memory.ts';

export { MAX_FDS, MAX_FRAME_BYTES } from './frame-memory.ts';

/** Who is at the other end, as the kernel noted it when the connection was made; not what a message says. */
export interface PeerCredentials {
  /** 0 when the process is not visible from here, as from another pid namespace. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface Received {
  /** Valid until the next receive, see {@link SeqpacketConnection.receive}. */
  readonly bytes: Uint8Array;
  /** Belong to the receiver, who closes them; closed on exec. */
  readonly fds: readonly number[];
  /** The message or its descriptors were over the limit: `bytes` is a part, and all descriptors are closed. */
  readonly truncated: boolean;
}

/**
 * - `full`: nothing was sent, the peer has to read first
 * - `gone`: nothing was sent, the peer will never read
 */
export type SendResult = 'sent' | 'full' | 'gone';

export class SeqpacketConnection {
  readonly fd: number;
  readonly peer: PeerCredentials;
  readonly #libc: Libc;
  readonly #memory: FrameMemory;
  #watch: Watch | undefined;
  #watching = false;
  /** A send was refused, and somebody wants to know when there is room. */
  #wantsRoom = false;
  #ended = false;
  #closed = false;

  /**
   * Takes over a connected socket; `close()` closes it, and a failure here does so too.
   *
   * @param memory - shared with other connections of this thread
   * @throws VerbsError `EIO` the kernel does not say who the peer is
   */
  constructor(libc: Libc, fd: number, memory?: FrameMemory) {
    this.#libc = libc;
    this.fd = fd;
    this.#memory = memory?.retain() ?? new FrameMemory(libc);
    const peer = credentials(libc, fd, this.#memory);
    if (peer === undefined) {
      const error = libc.errno();
      this.close();
      throw new VerbsError('EIO', 'connect', `the system does not say who is at the other end: error ${error}`);
    }
    this.peer = peer;
  }

  /** The peer has closed, and everything that it sent was read; or this end is closed. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Sends one message, without waiting. The descriptors stay the caller's.
   *
   * @param bytes - 1 to {@link MAX_FRAME_BYTES}; an empty message would look like the end
   * @param fds - at most {@link MAX_FDS}
   * @throws VerbsError `EINVAL` no bytes, or too many descriptors · `EMSGSIZE` too many bytes · `EBADF` a descriptor is
   * not open
   */
  send(bytes: Uint8Array, fds: readonly number[] = []): SendResult {
    if (bytes.length === 0 || fds.length > MAX_FDS) throw notAMessage(bytes, fds);
    if (bytes.length > MAX_FRAME_BYTES) throw tooLong(bytes.length);
    if (this.#closed) return 'gone';
    const libc = this.#libc;
    const memory = this.#memory;
    memory.prepareSend(bytes, fds);
    if (libc.sendmsg(this.fd, memory.sendHeader[0], LINUX.MSG_DONTWAIT | LINUX.MSG_NOSIGNAL) >= 0) return 'sent';
    switch (libc.errno()) {
      case ERRNO.EBADF:
        throw new VerbsError('EBADF', 'send', 'a descriptor to send is not open', { given: fds.join(', ') });
      case ERRNO.EMSGSIZE:
        throw tooLong(bytes.length);
      case ERRNO.EAGAIN:
      case ERRNO.EINTR:
      case ERRNO.ENOBUFS:
      case ERRNO.ENOMEM:
      case ERRNO.ETOOMANYREFS: // descriptors that nobody received yet
        this.#wantsRoom = this.#watch !== undefined;
        if (this.#watching) this.#watch?.start(true);
        return 'full';
      default:
        return 'gone';
    }
  }

  /** As {@link send}; blocks the thread while the answer would be `full`, at most `timeoutMs`. */
  sendBlocking(bytes: Uint8Array, fds: readonly number[], timeoutMs: number): SendResult {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const result = this.send(bytes, fds);
      if (result !== 'full' || !this.#wait(LINUX.POLLOUT, until)) return result;
    }
  }

  /**
   * The next message; undefined when there is none, see {@link ended}.
   *
   * Its bytes lie in memory that the next receive overwrites: of this connection, and of all that share its
   * {@link FrameMemory}, which those of one server do. Whoever needs them later copies them.
   */
  receive(): Received | undefined {
    const libc = this.#libc;
    const memory = this.#memory;
    while (!this.#ended) {
      memory.prepareReceive();
      const length = libc.recvmsg(this.fd, memory.receiveHeader[0], LINUX.MSG_DONTWAIT | LINUX.MSG_CMSG_CLOEXEC);
      if (length < 0) {
        const error = libc.errno();
        if (error === ERRNO.EAGAIN) return undefined;
        if (error === ERRNO.EINTR) continue;
        // The peer left without reading everything. What it sent before is still here, and the end comes after it.
        if (error === ERRNO.ECONNRESET) continue;
        this.#ended = true;
        return undefined;
      }
      const fds = memory.receivedFds();
      const truncated = (memory.receivedFlags & (LINUX.MSG_TRUNC | LINUX.MSG_CTRUNC)) !== 0;
      if (truncated || length === 0) for (const fd of fds) libc.close(fd);
      if (length === 0) {
        this.#ended = true;
        return undefined;
      }
      return { bytes: memory.received.subarray(0, length), fds: truncated ? [] : fds, truncated };
    }
    return undefined;
  }

  /** As {@link receive}; blocks the thread until there is a message or the end, at most `timeoutMs`. */
  receiveBlocking(timeoutMs: number): Received | undefined {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const message = this.receive();
      if (message !== undefined || this.#ended || !this.#wait(LINUX.POLLIN, until)) return message;
    }
  }

  /**
   * Calls `readable` from the event loop while there is something to {@link receive}, the end included; once per
   * turn, so a reader may leave the rest for the next. Starts at once; `close()` ends it.
   *
   * @param writable - called once when there is room again after a `send` that answered `full` while watched
   */
  watch(readable: () => void, writable?: () => void): Watch {
    if (this.#closed || this.#watch !== undefined) {
      throw new VerbsError('EINVAL', 'watch', this.#closed ? 'the connection is closed' : 'it is watched already');
    }
    const watch = this.#libc.watch(
      this.fd,
      () => {
        if (this.#watching) readable();
      },
      () => {
        if (!this.#watching) return;
        this.#wantsRoom = false;
        watch.start();
        writable?.();
      },
    );
    this.#watch = watch;
    this.#watching = true;
    this.#wantsRoom = false;
    return {
      start: () => {
        this.#watching = this.#watch === watch;
        watch.start(this.#wantsRoom);
      },
      stop: () => {
        if (this.#watch === watch) this.#watching = false;
        watch.stop();
      },
      close: () => {
        if (this.#watch === watch) this.#endWatch();
      },
      ref: watch.ref,
      unref: watch.unref,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended = true;
    this.#endWatch();
    this.#libc.close(this.fd);
    this.#memory.release();
  }

  #endWatch(): void {
    this.#watching = false;
    this.#watch?.close();
    this.#watch = undefined;
  }

  /** @returns false when the time is over */
  #wait(events: number, until: number): boolean {
    const left = Math.ceil(until - performance.now());
    if (left <= 0 || this.#closed) return false;
    const memory = this.#memory;
    memory.setScratch(0, this.fd);
    memory.setScratch(4, events);
    this.#libc.poll(memory.scratch[0], 1, Math.min(left, MAX_WAIT_MS));
    return true;
  }
}

function credentials(libc: Libc, fd: number, memory: FrameMemory): PeerCredentials | undefined {
  const at = memory.scratch[0];
  memory.setScratch(CREDENTIALS_BYTES, CREDENTIALS_BYTES);
  if (libc.getsockopt(fd, LINUX.SOL_SOCKET, LINUX.SO_PEERCRED, at, at + CREDENTIALS_BYTES) !== 0) return undefined;
  return { pid: memory.getScratch(0), uid: memory.getScratch(4) >>> 0, gid: memory.getScratch(8) >>> 0 };
}

function notAMessage(bytes: Uint8Array, fds: readonly number[]): VerbsError {
  return new VerbsError('EINVAL', 'send', bytes.length === 0 ? 'a message has bytes' : 'too many descriptors', {
    given: `${bytes.length} bytes, ${fds.length} descriptors`,
    try: `1 to ${MAX_FRAME_BYTES} bytes, at most ${MAX_FDS} descriptors`,
  });
}

function tooLong(length: number): VerbsError {
  return new VerbsError('EMSGSIZE', 'send', `${length} bytes are too long for one message`, {
    try: `at most ${MAX_FRAME_BYTES} bytes; more goes in several messages, or in shared memory`,
  });
}

const CREDENTIALS_BYTES = 12;
/** A longer wait is made of several. */
const MAX_WAIT_MS = 60_000;
