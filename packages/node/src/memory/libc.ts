/**
 * The C library through koffi: the system calls of the live host, with pointers as plain numbers.
 *
 * User-space addresses of 64-bit Linux stay below 2^47 (x64) or 2^48 (arm64), so a double holds each exactly.
 * Memory that a call touches comes from `mmap`, never from the JavaScript heap, which moves.
 */
import { arch, platform } from 'node:process';

export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  close(fd: number): number;
  bind(fd: number, address: number, length: number): number;
  getsockname(fd: number, address: number, length: number): number;
  setsockopt(fd: number, level: number, option: number, value: number, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: number, length: number): number;
  sendmsg(fd: number, header: number, flags: number): number;
  recvmsg(fd: number, header: number, flags: number): number;
  recvmmsg(fd: number, headers: number, count: number, flags: number, timeout: number): number;
  /** @returns the address; not a number below 2^53 when the call failed */
  mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number | bigint;
  munmap(address: number, length: number): number;
  memcpy(to: number, from: number, length: number): void;
  /** The error of the last call; read it before any other call. */
  errno(): number;
  /** Foreign memory as a buffer, without copying. The memory must outlive every use. */
  view(address: number, length: number): ArrayBuffer;
  /** Where a buffer's bytes are. Only for memory that does not move. */
  address(bytes: Uint8Array): number;
  /** Calls back when the descriptor becomes readable; level-triggered. */
  watch(fd: number, readable: () => void): Watch;
}

/**
 * An address for calls that are made per burst. A field that only holds large numbers stores them bare, so each call
 * would box it again, 16 bytes of garbage; an array with something else beside keeps the box.
 */
export type Pointer = readonly [address: number, beside: null];

export interface Watch {
  start(): void;
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

let loading: Promise<Libc | undefined> | undefined;
let problem = '';

async function load(): Promise<Libc | undefined> {
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) {
    problem = `system calls are known for Linux on x64 and arm64, this is ${platform} on ${arch}`;
    return undefined;
  }
  let koffi: Koffi;
  try {
    koffi = (await import('koffi')).default;
  } catch {
    problem = 'the optional package koffi is not installed; `npm install koffi` makes packets 5 to 10 times cheaper';
    return undefined;
  }
  try {
    return bindings(koffi);
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
    watch: (fd, readable) => watch(koffi, fd, readable),
  };
}

function watch(koffi: Koffi, fd: number, readable: () => void): Watch {
  const handle = koffi.node.poll(fd, { readable: true }, readable);
  return {
    start: () => handle.start({ readable: true }, readable),
    stop: () => handle.stop(),
    close: () => handle.close(),
    ref: () => handle.ref(),
    unref: () => handle.unref(),
  };
}

type Koffi = typeof import('koffi').default;

/** Result, then parameters. Results of `ssize_t` are read as `int`: no call here moves 2 GiB. */
const PROTOTYPES: Record<string, readonly string[]> = {
  socket: ['int', 'int', 'int', 'int'],
  close: ['int', 'int'],
  bind: ['int', 'int', 'uintptr_t', 'uint32_t'],
  getsockname: ['int', 'int', 'uintptr_t', 'uintptr_t'],
  setsockopt: ['int', 'int', 'int', 'int', 'uintptr_t', 'uint32_t'],
  getsockopt: ['int', 'int', 'int', 'int', 'uintptr_t', 'uintptr_t'],
  sendmsg: ['int', 'int', 'uintptr_t', 'int'],
  recvmsg: ['int', 'int', 'uintptr_t', 'int'],
  recvmmsg: ['int', 'int', 'uintptr_t', 'uint32_t', 'int', 'uintptr_t'],
  mmap: ['uintptr_t', 'uintptr_t', 'size_t', 'int', 'int', 'int', 'int64_t'],
  munmap: ['int', 'uintptr_t', 'size_t'],
  memcpy: ['void', 'uintptr_t', 'uintptr_t', 'size_t'],
};

/** Numbers of Linux on x64 and arm64, which agree on all of these. */
export const LINUX = {
  AF_INET: 2,
  AF_INET6: 10,
  SOCK_DGRAM: 2,
  SOCK_NONBLOCK: 0x800,
  SOCK_CLOEXEC: 0x80000,
  SOL_SOCKET: 1,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  SOL_IP: 0,
  IP_TOS: 1,
  IP_MTU_DISCOVER: 10,
  IP_RECVTOS: 13,
  IP_PMTUDISC_DO: 2,
  SOL_IPV6: 41,
  IPV6_MTU_DISCOVER: 23,
  IPV6_V6ONLY: 26,
  IPV6_RECVTCLASS: 66,
  IPV6_TCLASS: 67,
  SOL_UDP: 17,
  UDP_SEGMENT: 103,
  UDP_GRO: 104,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
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
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EINVAL: 22,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
} as const;
