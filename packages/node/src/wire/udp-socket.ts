/** Non-blocking UDP sockets through the C library: open, bind, buffers, offloads. */
import { VerbsError } from '@verbena/core';
import { isIpv4 } from '@verbena/core/wire';
import { ERRNO, LINUX, type Libc } from '../memory/libc.ts';
import type { MappedMemory } from '../memory/mapped-memory.ts';
import { isLinkLocal } from './zoned-address.ts';

export interface UdpSocket {
  readonly fd: number;
  readonly port: number;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
}

/**
 * @param scratch - mapped memory for arguments, {@link SCRATCH_BYTES}
 * @param bufferBytes - wanted for each direction; the system may grant less
 * @throws VerbsError `EADDRINUSE` · `EADDRNOTAVAIL` · `EACCES` · `EIO`
 */
export function openUdpSocket(
  libc: Libc,
  scratch: MappedMemory,
  address: Uint8Array,
  text: string,
  port: number,
  bufferBytes: number,
  scope = 0,
): UdpSocket {
  const v4 = isIpv4(address);
  const fd = libc.socket(v4 ? LINUX.AF_INET : LINUX.AF_INET6, LINUX.SOCK_DGRAM | SOCKET_FLAGS, 0);
  if (fd < 0) throw socketError(libc.errno(), text, port);
  if (!v4) setOption(libc, scratch, fd, LINUX.SOL_IPV6, LINUX.IPV6_V6ONLY, 1);
  const length = writeSocketAddress(scratch.bytes, 0, address, port, scope);
  if (libc.bind(fd, scratch.address, length) !== 0) {
    const error = socketError(libc.errno(), text, port);
    libc.close(fd);
    throw error;
  }
  return { fd, port: boundPort(libc, scratch, fd), ...prepareSocket(libc, scratch, fd, v4, bufferBytes) };
}

/** What every socket for packets is told. */
export function prepareSocket(
  libc: Libc,
  scratch: MappedMemory,
  fd: number,
  v4: boolean,
  bufferBytes: number,
): Pick<UdpSocket, 'receiveBufferBytes' | 'sendBufferBytes'> {
  const option = (level: number, name: number, value: number) => setOption(libc, scratch, fd, level, name, value);
  // Not fragmenting is a wish: a device without it works, only less well.
  if (v4) option(LINUX.SOL_IP, LINUX.IP_MTU_DISCOVER, LINUX.IP_PMTUDISC_DO);
  else option(LINUX.SOL_IPV6, LINUX.IPV6_MTU_DISCOVER, LINUX.IP_PMTUDISC_DO);
  const buffer = (forced: number, plain: number) => {
    if (!option(LINUX.SOL_SOCKET, forced, bufferBytes)) option(LINUX.SOL_SOCKET, plain, bufferBytes);
    return getOption(libc, scratch, fd, LINUX.SOL_SOCKET, plain) / 2; // the system reports twice what it granted
  };
  return {
    receiveBufferBytes: buffer(LINUX.SO_RCVBUFFORCE, LINUX.SO_RCVBUF),
    sendBufferBytes: buffer(LINUX.SO_SNDBUFFORCE, LINUX.SO_SNDBUF),
  };
}

/**
 * What the route to a peer carries now, as far as the system knows.
 *
 * @returns bytes of a whole IP packet; 0 where it does not tell
 */
export function pathMtu(libc: Libc, scratch: MappedMemory, peer: Uint8Array, scope: number): number {
  const v4 = isIpv4(peer);
  const fd = libc.socket(v4 ? LINUX.AF_INET : LINUX.AF_INET6, LINUX.SOCK_DGRAM | SOCKET_FLAGS, 0);
  if (fd < 0) return 0;
  try {
    const length = writeSocketAddress(scratch.bytes, 0, peer, ANY_PORT, scope);
    if (libc.connect(fd, scratch.address, length) !== 0) return 0;
    return v4
      ? getOption(libc, scratch, fd, LINUX.SOL_IP, LINUX.IP_MTU)
      : getOption(libc, scratch, fd, LINUX.SOL_IPV6, LINUX.IPV6_MTU);
  } finally {
    libc.close(fd);
  }
}

/** @returns false when the system refuses */
export function setOption(
  libc: Libc,
  scratch: MappedMemory,
  fd: number,
  level: number,
  option: number,
  value: number,
): boolean {
  new DataView(scratch.bytes.buffer).setInt32(OPTION_AT, value, true);
  return libc.setsockopt(fd, level, option, scratch.address + OPTION_AT, 4) === 0;
}

function getOption(libc: Libc, scratch: MappedMemory, fd: number, level: number, option: number): number {
  const view = new DataView(scratch.bytes.buffer);
  view.setUint32(OPTION_AT + 4, 4, true);
  const at = scratch.address + OPTION_AT;
  return libc.getsockopt(fd, level, option, at, at + 4) === 0 ? view.getInt32(OPTION_AT, true) : 0;
}

function boundPort(libc: Libc, scratch: MappedMemory, fd: number): number {
  const view = new DataView(scratch.bytes.buffer);
  view.setUint32(OPTION_AT, SOCKET_ADDRESS_BYTES, true);
  libc.getsockname(fd, scratch.address, scratch.address + OPTION_AT);
  return view.getUint16(2);
}

/**
 * Writes `sockaddr_in` or `sockaddr_in6`.
 *
 * @param scope - number of the interface that the address is on, if it is link-local
 * @returns its length
 */
export function writeSocketAddress(
  bytes: Uint8Array,
  at: number,
  address: Uint8Array,
  port: number,
  scope = 0,
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const v4 = isIpv4(address);
  bytes.fill(0, at, at + SOCKET_ADDRESS_BYTES);
  view.setUint16(at, v4 ? LINUX.AF_INET : LINUX.AF_INET6, true);
  view.setUint16(at + 2, port);
  if (v4) bytes.set(address.subarray(12), at + 4);
  else bytes.set(address, at + 8);
  if (isLinkLocal(address)) view.setUint32(at + 24, scope, true);
  return v4 ? IPV4_ADDRESS_BYTES : IPV6_ADDRESS_BYTES;
}

/** The answer to a socket that cannot be opened, for every way of opening it. */
export function socketError(error: number | string, text: string, port: number): VerbsError {
  switch (error) {
    case ERRNO.EADDRINUSE:
    case 'EADDRINUSE':
      return new VerbsError('EADDRINUSE', 'openDevice', `UDP port ${port} of ${text} is taken`, {
        given: `address ${text}, port ${port}`,
        try: 'another port, another local address (127.0.0.2 is free on Linux), or close the program that has it (`ss -ulpn`)',
      });
    case ERRNO.EADDRNOTAVAIL:
    case ERRNO.EINVAL:
    case 'EADDRNOTAVAIL':
    case 'EINVAL':
      return new VerbsError('EADDRNOTAVAIL', 'openDevice', `${text} is not an address of this machine`, {
        given: `address ${text}, port ${port}`,
        try: '127.0.0.1, ::1, or an address that `ip address` lists',
      });
    case ERRNO.EACCES:
    case ERRNO.EPERM:
    case 'EACCES':
    case 'EPERM':
      return new VerbsError('EACCES', 'openDevice', `this user may not bind UDP port ${port} of ${text}`, {
        given: `address ${text}, port ${port}`,
        try: 'a port from 1024 up',
      });
    default:
      return new VerbsError('EIO', 'openDevice', `no UDP socket on ${text}, port ${port}: error ${error}`, {
        given: `address ${text}, port ${port}`,
        try: '`verbena doctor`',
      });
  }
}

export const IPV4_ADDRESS_BYTES = 16;
export const IPV6_ADDRESS_BYTES = 28;
/** Room for either, aligned. */
export const SOCKET_ADDRESS_BYTES = 32;
const OPTION_AT = SOCKET_ADDRESS_BYTES;
export const SOCKET_FLAGS = LINUX.SOCK_NONBLOCK | LINUX.SOCK_CLOEXEC;
/** Nothing is sent there: a route has no port. */
const ANY_PORT = 9;
export const SCRATCH_BYTES = 4096;
