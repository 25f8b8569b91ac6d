/**
 * System calls of attackers. Bound here anew, and not taken from the host library: an attacker shares no code with what
 * it attacks, and may pass what the library would refuse to pass.
 */
import koffi from 'koffi';

const libc = koffi.load(null);
const errnoOf = koffi.errno as () => number;
const bind = (result: string, name: string, ...parameters: string[]): ((...given: unknown[]) => number) =>
  libc.func(name, result, parameters) as never;

const calls = {
  socket: bind('int', 'socket', 'int', 'int', 'int'),
  connect: bind('int', 'connect', 'int', 'uintptr_t', 'uint32_t'),
  sendmsg: bind('int', 'sendmsg', 'int', 'uintptr_t', 'int'),
  recvmsg: bind('int', 'recvmsg', 'int', 'uintptr_t', 'int'),
  poll: bind('int', 'poll', 'uintptr_t', 'uint64_t', 'int'),
  close: bind('int', 'close', 'int'),
  pipe: bind('int', 'pipe', 'uintptr_t'),
  memfd: bind('int', 'memfd_create', 'str', 'uint32_t'),
  ftruncate: bind('int', 'ftruncate', 'int', 'int64_t'),
  fcntl: bind('int', 'fcntl', 'int', 'int', 'int'),
  mmap: bind('uintptr_t', 'mmap', 'uintptr_t', 'size_t', 'int', 'int', 'int', 'int64_t'),
  munmap: bind('int', 'munmap', 'uintptr_t', 'size_t'),
  mprotect: bind('int', 'mprotect', 'uintptr_t', 'size_t', 'int'),
};
const execvBinding = libc.func('execv', 'int', ['str', 'char **']) as (
  path: string,
  words: (string | null)[],
) => number;

/** Memory at an address, as it is: nothing is copied. It must be mapped for as long as the view is used. */
export function viewAt(address: number, length: number): Uint8Array {
  return new Uint8Array(koffi.view(address, length));
}

/** Where memory lies that does not move. */
export const addressOf = (bytes: Uint8Array): number => Number(koffi.address(bytes));

export interface Pages {
  readonly address: number;
  readonly bytes: Uint8Array;
  unmap(): void;
}

/** @param fd - of a memory file; without it, anonymous private pages. @param protection - default: read and write */
export function mapPages(length: number, fd = -1, protection = PROT_READ | PROT_WRITE): Pages {
  const flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  const address = calls.mmap(0, length, protection, flags, fd, 0);
  if (typeof address !== 'number') throw new Error(`mmap of ${length} bytes: error ${errnoOf()}`);
  return { address, bytes: viewAt(address, length), unmap: () => void calls.munmap(address, length) };
}

export const protect = (pages: Pages, protection: number): void =>
  void calls.mprotect(pages.address, pages.bytes.length, protection);

/** A memory file, sealed against changes of its size unless said otherwise. @returns its descriptor */
export function memoryFile(length: number, sealed = true): number {
  const fd = calls.memfd('hostile', MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || calls.ftruncate(fd, length) !== 0) throw new Error(`memory file: error ${errnoOf()}`);
  if (sealed) calls.fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
  return fd;
}

export const closeDescriptor = (fd: number): void => void calls.close(fd);
/** Lets a descriptor survive exec. */
export const keepOverExec = (fd: number): void => void calls.fcntl(fd, F_SETFD, 0);

export function pipePair(): readonly [number, number] {
  const { bytes, address } = SCRATCH;
  calls.pipe(address);
  const view = new DataView(bytes.buffer);
  return [view.getInt32(0, true), view.getInt32(4, true)];
}

export const datagramSocket = (): number => calls.socket(2, 2 | SOCK_CLOEXEC, 0);

/** Becomes another program, in this process. Returns only when that fails. */
export const exec = (path: string, words: readonly string[]): number => execvBinding(path, [path, ...words, null]);

/** @returns a connected socket; a negative number is an error */
export function connectPacketSocket(path: string): number {
  const fd = calls.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  const { bytes, address } = SCRATCH;
  const name = new TextEncoder().encode(path);
  bytes.fill(0, 0, 128);
  bytes[0] = AF_UNIX;
  bytes.set(name, 2);
  if (calls.connect(fd, address, name.length + 3) === 0) return fd;
  const error = errnoOf();
  calls.close(fd);
  return -error;
}

/** @returns 0, or an error number; `EAGAIN` when there is no room */
export function sendPacket(fd: number, frame: Uint8Array, fds: readonly number[] = []): number {
  const { bytes, address } = SCRATCH;
  const view = new DataView(bytes.buffer);
  const length = Math.min(frame.length, MAX_SENT);
  bytes.set(frame.subarray(0, length), DATA_AT);
  header(view, address, length, fds.length === 0 ? 0 : 16 + 4 * fds.length);
  if (fds.length > 0) {
    setPointer(view, CONTROL_AT, 16 + 4 * fds.length);
    view.setInt32(CONTROL_AT + 8, 1, true);
    view.setInt32(CONTROL_AT + 12, 1, true);
    for (const [i, one] of fds.entries()) view.setInt32(CONTROL_AT + 16 + 4 * i, one, true);
  }
  return calls.sendmsg(fd, address + HEADER_AT, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 0 : errnoOf();
}

/** The next packet; 'none' after the time, 'end' when the other side is gone. */
export function receivePacket(fd: number, timeoutMs: number): Packet | 'none' | 'end' {
  const { bytes, address } = SCRATCH;
  const view = new DataView(bytes.buffer);
  if (timeoutMs > 0) {
    view.setInt32(0, fd, true);
    view.setUint32(4, 1, true);
    calls.poll(address, 1, timeoutMs);
  }
  header(view, address, MAX_RECEIVED, 16 + 4 * 64);
  const length = calls.recvmsg(fd, address + HEADER_AT, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) return errnoOf() === EAGAIN ? 'none' : 'end';
  if (length === 0) return 'end';
  const control = view.getUint32(HEADER_AT + 40, true);
  const count = control < 20 ? 0 : (view.getUint32(CONTROL_AT, true) - 16) >> 2;
  const fds = Array.from({ length: count }, (_, i) => view.getInt32(CONTROL_AT + 16 + 4 * i, true));
  return { bytes: bytes.slice(DATA_AT, DATA_AT + length), fds };
}

export interface Packet {
  readonly bytes: Uint8Array;
  /** The receiver's to close. */
  readonly fds: readonly number[];
}

/** `struct msghdr` with one segment. */
function header(view: DataView, address: number, length: number, control: number): void {
  for (let i = 0; i < 56; i += 4) view.setUint32(HEADER_AT + i, 0, true);
  setPointer(view, HEADER_AT + 16, address + SEGMENT_AT);
  setPointer(view, HEADER_AT + 24, 1);
  setPointer(view, HEADER_AT + 32, control === 0 ? 0 : address + CONTROL_AT);
  setPointer(view, HEADER_AT + 40, control);
  setPointer(view, SEGMENT_AT, address + DATA_AT);
  setPointer(view, SEGMENT_AT + 8, length);
}

function setPointer(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

export const EAGAIN = 11;
export const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0x80000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_SETFD = 2;
const F_ADD_SEALS = 1033;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;

const HEADER_AT = 256;
const SEGMENT_AT = 320;
const CONTROL_AT = 512;
const DATA_AT = 4096;
/** More than the daemon takes in one message. */
const MAX_SENT = 160_000;
const MAX_RECEIVED = 65_536;
const SCRATCH = mapPages(DATA_AT + MAX_SENT);
