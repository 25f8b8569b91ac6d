/**
 * Ordinary memory of another process, reached where it is.
 *
 * Only through a descriptor of `/proc/PID/mem` that is opened once: it stays bound to that address space, and after an
 * exit or an exec it yields nothing. A call that names the process by its number would reach whoever has the number at
 * that moment; decision 0010 has the measurements.
 */
import { existsSync, fstatSync } from 'node:fs';
import { geteuid } from 'node:process';
import { VerbsError } from '@verbena/core';
import { LINUX, type Libc, type Pointer, requireLibc } from './libc.ts';
import { addressOf, type MappedMemory, MemoryPool } from './mapped-memory.ts';

export interface PeerProcess {
  /** From SO_PEERCRED of the peer's connection, never from a message. */
  readonly pid: number;
  readonly uid: number;
}

/** What the process itself may do with a range of its memory. */
export type MemoryRights = 'none' | 'read' | 'write';

export class ProcessMemory {
  readonly #libc: Libc;
  readonly #segment: MappedMemory;
  readonly #segmentPointer: Pointer;
  readonly #words: Uint32Array;
  #fd: number;
  #maps: number;
  #bounce: MappedMemory | undefined;

  /**
   * Binds to the address space that the process has now.
   *
   * @param socket - the peer's connection; with it, a process that got the number after the peer's death is recognised
   * (Linux 6.5 and later; ignored before)
   * @throws VerbsError `EPERM` the process is not visible from here, or is not the peer's · `EACCES` the system does not
   * allow it · `EOPNOTSUPP` no system calls
   */
  static open(libc: Libc | undefined, peer: PeerProcess, socket?: number): ProcessMemory {
    const calls = requireLibc(libc, 'registerMemory');
    const { pid, uid } = peer;
    if (!Number.isSafeInteger(pid) || pid < 1) {
      throw refused('EPERM', pid, 'is not visible from here, as from another pid namespace', {
        try: 'memory from context.allocate(), which is handed over as a descriptor',
      });
    }
    const scratch = new MemoryPool(calls).allocate(PAGE);
    const open: number[] = [];
    const keep = (fd: number): number => {
      if (fd >= 0) open.push(fd);
      return fd;
    };
    try {
      const witness = socket === undefined ? -1 : keep(peerWitness(calls, scratch, socket));
      const directory = keep(calls.open(`/proc/${pid}`, LINUX.O_RDONLY | LINUX.O_CLOEXEC, 0));
      const memory = keep(calls.openat(directory, 'mem', LINUX.O_RDWR | LINUX.O_CLOEXEC, 0));
      const error = memory < 0 ? calls.errno() : 0;
      if (directory < 0) throw refused('EPERM', pid, 'does not exist any more');
      if (memory < 0) throw notAllowed(pid, error);
      const maps = keep(calls.openat(directory, 'maps', LINUX.O_RDONLY | LINUX.O_CLOEXEC, 0));
      if (maps < 0) throw notAllowed(pid, calls.errno());
      // After opening: what an exec to another user changed in between would show here.
      const owner = fstatSync(directory).uid;
      if (owner !== uid) throw refused('EPERM', pid, `belongs to user ${owner}, the peer is user ${uid}`);
      if (witness >= 0 && hasExited(calls, scratch, witness)) throw refused('EPERM', pid, 'is not the peer any more');
      open.splice(open.indexOf(memory), 1);
      open.splice(open.indexOf(maps), 1);
      return new ProcessMemory(calls, memory, maps, scratch);
    } catch (error) {
      scratch.release();
      throw error;
    } finally {
      for (const fd of open) calls.close(fd);
    }
  }

  private constructor(libc: Libc, fd: number, maps: number, segment: MappedMemory) {
    this.#libc = libc;
    this.#fd = fd;
    this.#maps = maps;
    this.#segment = segment;
    this.#segmentPointer = [segment.address, null];
    this.#words = new Uint32Array(segment.bytes.buffer);
    this.#words.fill(0);
  }

  /**
   * Copies the process's bytes.
   *
   * @param address - in the process
   * @param into - memory with an address (see mapped-memory.ts), or any other, which costs a second copy
   * @param at - where in `into` to begin
   * @returns false when not everything was copied: the range is not mapped, or the process has ended or become another
   * program. `into` may have changed then.
   */
  read(address: number | bigint, into: Uint8Array, length: number = into.length, at = 0): boolean {
    return this.#transfer(false, address, into, length, at);
  }

  /** Copies bytes into the process; arguments and result as {@link read}. */
  write(address: number | bigint, from: Uint8Array, length: number = from.length, at = 0): boolean {
    return this.#transfer(true, address, from, length, at);
  }

  /**
   * What the process itself may do with a range now, by its own map; to be asked before memory is registered, because
   * the system lets {@link write} into private pages that the process only reads. For the control path.
   */
  rights(address: number | bigint, length: number): MemoryRights {
    const start = inRange(address, length);
    if (start < 0 || length === 0 || this.#maps < 0) return 'none';
    let rights: MemoryRights = 'write';
    let covered = start;
    for (const line of mapLines(this.#libc, this.#maps, this.#bounced())) {
      const [from, to] = line.split(/[- ]/, 2).map((word) => Number.parseInt(word, 16));
      if (from === undefined || to === undefined || to <= covered) continue;
      if (from > covered) return 'none';
      const flags = line.slice(line.indexOf(' ') + 1);
      if (flags[0] !== 'r') return 'none';
      if (flags[1] !== 'w') rights = 'read';
      covered = to;
      if (covered >= start + length) return rights;
    }
    return 'none';
  }

  close(): void {
    if (this.#fd < 0) return;
    this.#libc.close(this.#fd);
    this.#libc.close(this.#maps);
    this.#fd = -1;
    this.#maps = -1;
    this.#segment.release();
    this.#bounce?.release();
  }

  #transfer(writes: boolean, address: number | bigint, bytes: Uint8Array, length: number, at: number): boolean {
    const start = inRange(address, length);
    if (start < 0 || length > bytes.length - at || this.#fd < 0) return false;
    const base = addressOf(bytes, this.#libc);
    if (base === 0) return this.#transferCopied(writes, start, bytes, length, at);
    const local = base + at;
    for (let done = 0; done < length; done += MAX_TRANSFER_BYTES) {
      if (!this.#call(writes, local + done, start + done, Math.min(length - done, MAX_TRANSFER_BYTES))) return false;
    }
    return true;
  }

  /** For memory that may move: through memory that does not. */
  #transferCopied(writes: boolean, start: number, bytes: Uint8Array, length: number, at: number): boolean {
    const bounce = this.#bounced();
    for (let done = 0; done < length; done += BOUNCE_BYTES) {
      const part = Math.min(length - done, BOUNCE_BYTES);
      if (writes) bounce.bytes.set(bytes.subarray(at + done, at + done + part));
      if (!this.#call(writes, bounce.address, start + done, part)) return false;
      if (!writes) bytes.set(bounce.bytes.subarray(0, part), at + done);
    }
    return true;
  }

  #call(writes: boolean, local: number, remote: number, length: number): boolean {
    const words = this.#words;
    words[0] = local % WORD;
    words[1] = (local / WORD) | 0;
    words[2] = length;
    const libc = this.#libc;
    const segment = this.#segmentPointer[0];
    const moved = writes ? libc.pwritev(this.#fd, segment, 1, remote) : libc.preadv(this.#fd, segment, 1, remote);
    return moved === length;
  }

  #bounced(): MappedMemory {
    this.#bounce ??= new MemoryPool(this.#libc).allocate(BOUNCE_BYTES);
    return this.#bounce;
  }
}

/**
 * Lets the daemon reach this process's memory where the system asks for consent (Yama).
 *
 * @returns false when the system refuses; where it asks nobody, there is nothing to allow, and it is true
 */
export function allowTracing(libc: Libc | undefined, daemonPid: number): boolean {
  const calls = requireLibc(libc, 'allowTracing');
  return calls.prctl(LINUX.PR_SET_PTRACER, daemonPid, 0, 0, 0) === 0 || !asksForConsent();
}

function asksForConsent(): boolean {
  return existsSync('/proc/sys/kernel/yama/ptrace_scope');
}

/** @returns the range's start as a number; -1 for a range that no process has */
function inRange(address: number | bigint, length: number): number {
  if (!Number.isSafeInteger(length) || length < 0) return -1;
  if (typeof address === 'bigint') {
    if (address < 1n || address >= BigInt(ADDRESS_LIMIT)) return -1;
    address = Number(address);
  }
  return Number.isInteger(address) && address >= 1 && address <= ADDRESS_LIMIT - length ? address : -1;
}

/** A descriptor that tells whether the very process at the other end still runs; -1 where the kernel has none. */
function peerWitness(libc: Libc, scratch: MappedMemory, socket: number): number {
  const view = new DataView(scratch.bytes.buffer);
  view.setInt32(0, -1, true);
  view.setUint32(4, 4, true);
  const at = scratch.address;
  return libc.getsockopt(socket, LINUX.SOL_SOCKET, LINUX.SO_PEERPIDFD, at, at + 4) === 0 ? view.getInt32(0, true) : -1;
}

function hasExited(libc: Libc, scratch: MappedMemory, witness: number): boolean {
  const view = new DataView(scratch.bytes.buffer);
  view.setInt32(0, witness, true);
  view.setUint32(4, LINUX.POLLIN, true);
  return libc.poll(scratch.address, 1, 0) !== 0;
}

/** The lines of a map, read in pieces; ends early at a map of absurd length. */
function* mapLines(libc: Libc, fd: number, buffer: MappedMemory): Generator<string> {
  const decoder = new TextDecoder('latin1');
  let rest = '';
  for (let at = 0; at < MAX_MAP_BYTES; ) {
    const length = libc.pread(fd, buffer.address, BOUNCE_BYTES, at);
    if (length <= 0) return;
    at += length;
    const lines = (rest + decoder.decode(buffer.bytes.subarray(0, length))).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

function notAllowed(pid: number, error: number): VerbsError {
  return refused('EACCES', pid, `does not let its memory be reached: error ${error}`, {
    given: `daemon of user ${geteuid!()}`,
    try: 'let the program call allowTracing(), run the daemon as the same user, or use memory from context.allocate()',
  });
}

function refused(code: 'EPERM' | 'EACCES', pid: number, problem: string, facts: { given?: string; try?: string } = {}) {
  return new VerbsError(code, 'registerMemory', `process ${pid} ${problem}`, facts);
}

/** Above all user addresses, below the kernel's, and a number that is exact. */
const ADDRESS_LIMIT = 2 ** 53 - 1;
/** One system call moves less than 2 GiB. */
const MAX_TRANSFER_BYTES = 2 ** 30;
const BOUNCE_BYTES = 65_536;
const MAX_MAP_BYTES = 16 * 2 ** 20;
const WORD = 2 ** 32;
const PAGE = 4096;
