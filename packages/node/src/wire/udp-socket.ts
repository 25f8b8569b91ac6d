/** Non-blocking UDP sockets through the C library: open, bind, buffers, offloads. */
import { VerbsError } from '@verbena/core';
import { isIpv4 } from '@verbena/core/wire';
import { ERRNO, LINUX, type Libc } from '../memory/libc.ts';
import type { MappedMemory } from '../memory/mapped-memory.ts';

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
): UdpSocket {
  const v4 = isIpv4(address);
  const type = LINUX.SOCK_DGRAM | LINUX.SOCK_NONBLOCK | LINUX.SOCK_CLOEXEC;
  const fd = libc.socket(v4 ? LINUX.AF_INET : LINUX.AF_INET6, type, 0);
  if (fd < 0) throw socketError(libc.errno(), text, port);
  const option = (level: number, name: number, value: number) => setOption(libc, scratch, fd, level, name, value);
  if (!v4) option(LINUX.SOL_IPV6, LINUX.IPV6_V6ONLY, 1);
  const length = writeSocketAddress(scratch.bytes, 0, address, port);
  if (libc.bind(fd, scratch.address, length) !== 0) {
    const error = socketError(libc.errno(), text, port);
    libc.close(fd);
    throw error;
  }
  // Not fragmenting is a wish: a device without it works, only less well.
  if (v4) option(LINUX.SOL_IP, LINUX.IP_MTU_DISCOVER, LINUX.IP_PMTUDISC_DO);
  else option(LINUX.SOL_IPV6, LINUX.IPV6_MTU_DISCOVER, LINUX.IP_PMTUDISC_DO);
  const buffer = (forced: number, plain: number) => {
    if (!option(LINUX.SOL_SOCKET, forced, bufferBytes)) option(LINUX.SOL_SOCKET, plain, bufferBytes);
    return getOption(libc, scratch, fd, LINUX.SOL_SOCKET, plain) / 2; // the system reports twice what it granted
  };
  return {
    fd,
    port: boundPort(libc, scratch, fd),
    receiveBufferBytes: buffer(LINUX.SO_RCVBUFFORCE, LINUX.SO_RCVBUF),
    sendBufferBytes: buffer(LINUX.SO_SNDBUFFORCE, LINUX.SO_SNDBUF),
  };
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

/** Writes `sockaddr_in` or `sockaddr_in6`. @returns its length */
export function writeSocketAddress(bytes: Uint8Array, at: number, address: Uint8Array, port: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const v4 = isIpv4(address);
  bytes.fill(0, at, at + SOCKET_ADDRESS_BYTES);
  view.setUint16(at, v4 ? LINUX.AF_INET : LINUX.AF_INET6, true);
  view.setUint16(at + 2, port);
  if (v4) bytes.set(address.subarray(12), at + 4);
  else bytes.set(address, at + 8);
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
export const SCRATCH_BYTES = 4096;
