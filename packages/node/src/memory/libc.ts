/**
 * The C library through koffi: the system calls of the live host, with pointers as plain numbers.
 *
 * User-space addresses of 64-bit Linux stay below 2^47 (x64) or 2^48 (arm64), so a double holds each exactly.
 * Memory that a call touches comes from `mmap`, never from the JavaScript heap, which moves.
 */
import { createRequire } from 'node:module';
import { arch, platform } from 'node:process';
import { VerbsError } from '@verbena/core';

export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  close(fd: number): number;
  bind(fd: number, address: number, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: number, length: number, flags: number): number;
  connect(fd: number, address: number, length: number): number;
  getsockname(fd: number, address: number, length: number): number;
  setsockopt(fd: number, level: number, option: number, value: number, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: number, length: number): number;
  sendmsg(fd: number, header: number, flags: number): number;
  /** @returns how many were sent; an error only for the first */
  sendmmsg(fd: number, headers: number, count: number, flags: number): number;
  recvmsg(fd: number, header: number, flags: number): number;
  recvmmsg(fd: number, headers: number, count: number, flags: number, timeout: number): number;
  /** @returns the address; not a number below 2^53 when the call failed */
  mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number | bigint;
  munmap(address: number, length: number): number;
  memcpy(to: number, from: number, length: number): void;
  open(path: string, flags: number, mode: number): number;
  openat(directory: number, path: string, flags: number, mode: number): number;
  lseek(fd: number, offset: number, whence: number): number | bigint;
  pread(fd: number, into: number, length: number, offset: number): number;
  /** @param offset - below 2^53 */
  preadv(fd: number, segments: number, count: number, offset: number): number;
  pwritev(fd: number, segments: number, count: number, offset: number): number;
  ftruncate(fd: number, length: number): number;
  fstatfs(fd: number, result: number): number;
  flock(fd: number, operation: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  memfd_create(name: string, flags: number): number;
  poll(entries: number, count: number, timeoutMs: number): number;
  umask(mask: number): number;
  prctl(option: number, a: number, b: number, c: number, d: number): number;
  setrlimit(resource: number, limits: number): number;
  /** The error of the last call; read it before any other call. */
  errno(): number;
  /** Foreign memory as a buffer, without copying. The memory must outlive every use. */
  view(address: number, length: number): ArrayBuffer;
  /** Where a buffer's bytes are. Only for memory that does not move. */
  address(bytes: Uint8Array): number;
  /**
   * Calls back while the descriptor is readable, or its other end is gone; level-triggered.
   *
   * @param writable - called while there is room to write, after `start(true)`
   */
  watch(fd: number, readable: () => void, writable?: () => void): Watch;
}

/**
 * An address for calls that are made per burst. A field that only holds large numbers stores them bare, so each call
 * would box it again, 16 bytes of garbage; an array with something else beside keeps the box.
 */
export type Pointer = readonly [address: number, beside: null];

export interface Watch {
  /** @param alsoWritable - wait for room to write as well; until the next `start` */
  start(alsoWritable?: boolean): void;
  stop(): void;
  close(): void;
  ref(): void;
  unref(): void;
}

/** The library; undefined where koffi is not installed or the platform's structures are not known. */
export async function loadLibc(): Promise<Libc | undefined> {
  loading ??= load();
  return loading;
}

/** Why {@link loadLibc} found nothing; '' when it did, or was not asked yet. */
export function libcProblem(): string {
  return problem;
}

/**
 * @param call - who asks, for the error
 * @throws VerbsError `EOPNOTSUPP` there are no system calls here, with the reason
 */
export function requireLibc(libc: Libc | undefined, call: string): Libc {
  if (libc !== undefined) return libc;
  throw new VerbsError('EOPNOTSUPP', call, `no system calls: ${problem === '' ? 'they were not loaded' : problem}`, {
    try: 'an embedded device, which works without them',
  });
}

/** As {@link loadLibc}, at once. */
export function loadLibcNow(): Libc | undefined {
  if (loaded !== undefined) return loaded;
  if (!isKnownPlatform()) return undefined;
  try {
    return bind(createRequire(import.meta.url)('koffi') as Koffi);
  } catch {
    problem = NOT_INSTALLED;
    return undefined;
  }
}

let loading: Promise<Libc | undefined> | undefined;
let loaded: Libc | undefined;
let problem = '';

async function load(): Promise<Libc | undefined> {
  if (!isKnownPlatform()) return undefined;
  let koffi: Koffi;
  try {
    koffi = (await import('koffi')).default;
  } catch {
    problem = NOT_INSTALLED;
    return undefined;
  }
  return loaded ?? bind(koffi);
}

function isKnownPlatform(): boolean {
  if (platform === 'linux' && (arch === 'x64' || arch === 'arm64')) return true;
  problem = `system calls are known for Linux on x64 and arm64, this is ${platform} on ${arch}`;
  return false;
}

function bind(koffi: Koffi): Libc | undefined {
  try {
    loaded = bindings(koffi);
    problem = '';
    return loaded;
  } catch (error) {
    problem = `koffi cannot reach the C library: ${String(error)}`;
    return undefined;
  }
}

function bindings(koffi: Koffi): Libc {
  const library = koffi.load(null);
  const bound = Object.fromEntries(
    Object.entries(PROTOTYPES).map(([name, [result, ...parameters]]) => [
      name,
      library.func(name, result as string, parameters),
    ]),
  );
  return {
    ...(bound as unknown as Omit<Libc, 'errno' | 'view' | 'address' | 'watch'>),
    errno: koffi.errno as () => number,
    view: (address, length) => koffi.view(address, length),
    address: (bytes) => Number(koffi.address(bytes)),
    watch: (fd, readable, writable) => watch(koffi, fd, readable, writable),
  };
}

function watch(koffi: Koffi, fd: number, readable: () => void, writable?: () => void): Watch {
  let wanted = { readable: true, writable: false };
  let open = true;
  // koffi's declarations leave out the status, which comes first.
  const happened = ((status: number, events: typeof wanted) => {
    // An error at the socket, such as a peer that left without reading, ends the watch; reading tells what it was,
    // and what is left to be read is watched for again.
    if (status < 0) handle.start(wanted, happened);
    try {
      if (events.writable) writable?.();
      if (open && (events.readable || status < 0)) readable();
    } catch (error) {
      // koffi would swallow it and never call again
      setImmediate(() => {
        throw error;
      });
    }
  }) as unknown as () => void;
  const handle = koffi.node.poll(fd, wanted, happened);
  // A handle that is closed must not be touched: koffi would end the process.
  const whenOpen =
    (call: () => void): (() => void) =>
    () => {
      if (open) call();
    };
  return {
    start: (alsoWritable = false) => {
      if (!open) return;
      wanted = { readable: true, writable: alsoWritable };
      handle.start(wanted, happened);
    },
    stop: whenOpen(() => handle.stop()),
    close: whenOpen(() => {
      open = false;
      handle.close();
    }),
    ref: whenOpen(() => handle.ref()),
    unref: whenOpen(() => handle.unref()),
  };
}

type Koffi = typeof import('koffi').default;

const NOT_INSTALLED =
  'the optional package koffi is not installed; `npm install koffi` makes packets 5 to 10 times cheaper';

/** Result, then parameters. Results of `ssize_t` are read as `int`: no call here moves 2 GiB. */
const PROTOTYPES: Record<string, readonly string[]> = {
  socket: ['int', 'int', 'int', 'int'],
  close: ['int', 'int'],
  bind: ['int', 'int', 'uintptr_t', 'uint32_t'],
  listen: ['int', 'int', 'int'],
  accept4: ['int', 'int', 'uintptr_t', 'uintptr_t', 'int'],
  connect: ['int', 'int', 'uintptr_t', 'uint32_t'],
  getsockname: ['int', 'int', 'uintptr_t', 'uintptr_t'],
  setsockopt: ['int', 'int', 'int', 'int', 'uintptr_t', 'uint32_t'],
  getsockopt: ['int', 'int', 'int', 'int', 'uintptr_t', 'uintptr_t'],
  sendmsg: ['int', 'int', 'uintptr_t', 'int'],
  sendmmsg: ['int', 'int', 'uintptr_t', 'uint32_t', 'int'],
  recvmsg: ['int', 'int', 'uintptr_t', 'int'],
  recvmmsg: ['int', 'int', 'uintptr_t', 'uint32_t', 'int', 'uintptr_t'],
  mmap: ['uintptr_t', 'uintptr_t', 'size_t', 'int', 'int', 'int', 'int64_t'],
  munmap: ['int', 'uintptr_t', 'size_t'],
  memcpy: ['void', 'uintptr_t', 'uintptr_t', 'size_t'],
  // `open`, `openat`, `fcntl` and `prctl` are variadic in C; with integers both ABIs pass the arguments the same way.
  open: ['int', 'str', 'int', 'uint32_t'],
  openat: ['int', 'int', 'str', 'int', 'uint32_t'],
  lseek: ['int64_t', 'int', 'int64_t', 'int'],
  pread: ['int', 'int', 'uintptr_t', 'size_t', 'int64_t'],
  preadv: ['int', 'int', 'uintptr_t', 'int', 'int64_t'],
  pwritev: ['int', 'int', 'uintptr_t', 'int', 'int64_t'],
  ftruncate: ['int', 'int', 'int64_t'],
  fstatfs: ['int', 'int', 'uintptr_t'],
  flock: ['int', 'int', 'int'],
  fcntl: ['int', 'int', 'int', 'int'],
  memfd_create: ['int', 'str', 'uint32_t'],
  poll: ['int', 'uintptr_t', 'uint64_t', 'int'],
  umask: ['uint32_t', 'uint32_t'],
  prctl: ['int', 'int', 'uint64_t', 'uint64_t', 'uint64_t', 'uint64_t'],
  setrlimit: ['int', 'int', 'uintptr_t'],
};

/** Numbers of Linux on x64 and arm64, which agree on all of these. */
export const LINUX = {
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_RAW: 3,
  SOCK_SEQPACKET: 5,
  SOCK_NONBLOCK: 0x800,
  SOCK_CLOEXEC: 0x80000,
  SOL_SOCKET: 1,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_PEERCRED: 17,
  SO_SNDTIMEO: 21,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  SO_PEERPIDFD: 77,
  SCM_RIGHTS: 1,
  SOL_IP: 0,
  IP_TOS: 1,
  IP_MTU_DISCOVER: 10,
  IP_RECVTOS: 13,
  IP_MTU: 14,
  IP_PMTUDISC_DO: 2,
  SOL_IPV6: 41,
  IPV6_MTU_DISCOVER: 23,
  IPV6_MTU: 24,
  IPV6_V6ONLY: 26,
  IPV6_RECVTCLASS: 66,
  IPV6_TCLASS: 67,
  SOL_UDP: 17,
  UDP_NO_CHECK6_RX: 102,
  UDP_SEGMENT: 103,
  UDP_GRO: 104,
  MSG_CTRUNC: 0x08,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
  MSG_CMSG_CLOEXEC: 0x4000_0000,
  POLLIN: 1,
  POLLOUT: 4,
  O_RDONLY: 0,
  O_RDWR: 2,
  O_CLOEXEC: 0x80000,
  LOCK_EX: 2,
  LOCK_NB: 4,
  SEEK_END: 2,
  O_ACCMODE: 3,
  F_GETFL: 3,
  F_DUPFD_CLOEXEC: 1030,
  F_ADD_SEALS: 1033,
  F_GET_SEALS: 1034,
  F_SEAL_SEAL: 1,
  F_SEAL_SHRINK: 2,
  F_SEAL_GROW: 4,
  F_SEAL_WRITE: 8,
  F_SEAL_FUTURE_WRITE: 16,
  MFD_CLOEXEC: 1,
  MFD_ALLOW_SEALING: 2,
  MFD_NOEXEC_SEAL: 8,
  TMPFS_MAGIC: 0x0102_1994,
  PR_SET_DUMPABLE: 4,
  PR_SET_PTRACER: 0x5961_6d61,
  RLIMIT_CORE: 4,
  PROT_READ: 1,
  PROT_WRITE: 2,
  MAP_SHARED: 1,
  MAP_PRIVATE: 2,
  MAP_FIXED: 0x10,
  MAP_ANONYMOUS: 0x20,
  MAP_NORESERVE: 0x4000,
} as const;

export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EMSGSIZE: 90,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ETOOMANYREFS: 109,
  ECONNREFUSED: 111,
} as const;
