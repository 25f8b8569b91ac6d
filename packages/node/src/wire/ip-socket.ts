/** Non-blocking raw sockets for packets directly over IP: one address, one protocol. */
import { VerbsError } from '@verbena/core';
import { isIpv4 } from '@verbena/core/wire';
import { ERRNO, LINUX, type Libc } from '../memory/libc.ts';
import type { MappedMemory } from '../memory/mapped-memory.ts';
import { prepareSocket, SOCKET_FLAGS, socketError, type UdpSocket, writeSocketAddress } from './udp-socket.ts';

export interface IpSocket extends UdpSocket {
  /** Holds the name of (address, protocol), which ends with it: several raw sockets would all get every packet. */
  readonly claim: number;
}

/**
 * @param protocol - of IP; the system hands over packets of this one only
 * @param bufferBytes - wanted for each direction; the system may grant less
 * @throws VerbsError `EACCES` no right to raw sockets · `EADDRINUSE` · `EADDRNOTAVAIL` · `EIO`
 */
export function openIpSocket(
  libc: Libc,
  scratch: MappedMemory,
  address: Uint8Array,
  text: string,
  protocol: number,
  bufferBytes: number,
  scope = 0,
): IpSocket {
  const v4 = isIpv4(address);
  const fd = libc.socket(v4 ? LINUX.AF_INET : LINUX.AF_INET6, LINUX.SOCK_RAW | SOCKET_FLAGS, protocol);
  if (fd < 0) throw ipSocketError(libc.errno(), text, protocol);
  let claim = -1;
  try {
    if (libc.bind(fd, scratch.address, writeSocketAddress(scratch.bytes, 0, address, 0, scope)) !== 0) {
      throw ipSocketError(libc.errno(), text, protocol);
    }
    claim = claimAddress(libc, scratch, text, protocol);
    return { fd, claim, port: 0, ...prepareSocket(libc, scratch, fd, v4, bufferBytes) };
  } catch (error) {
    if (claim >= 0) libc.close(claim);
    libc.close(fd);
    throw error;
  }
}

/** Takes a name that only one socket of this network namespace can have. @returns the descriptor that holds it */
function claimAddress(libc: Libc, scratch: MappedMemory, text: string, protocol: number): number {
  const fd = libc.socket(LINUX.AF_UNIX, LINUX.SOCK_DGRAM | LINUX.SOCK_CLOEXEC, 0);
  if (fd < 0) throw ipSocketError(libc.errno(), text, protocol);
  // struct sockaddr_un; a name that begins with a zero byte is no file
  const { bytes } = scratch;
  const name = `verbena/ip/${protocol}/${text}`;
  bytes[0] = LINUX.AF_UNIX;
  bytes[1] = 0;
  bytes[2] = 0;
  for (let i = 0; i < name.length; i++) bytes[NAME_AT + i] = name.charCodeAt(i);
  if (libc.bind(fd, scratch.address, NAME_AT + name.length) === 0) return fd;
  const error = ipSocketError(libc.errno(), text, protocol);
  libc.close(fd);
  throw error;
}

function ipSocketError(error: number, text: string, protocol: number): VerbsError {
  const given = `address ${text}, IP protocol ${protocol}`;
  switch (error) {
    case ERRNO.EPERM:
    case ERRNO.EACCES:
      return new VerbsError('EACCES', 'openDevice', 'this process may not send packets directly over IP', {
        given,
        missing: 'the right to raw sockets (CAP_NET_RAW)',
        try: "encapsulation: 'udp', which needs no right; or `setcap cap_net_raw+ep` on the program, or root",
      });
    case ERRNO.EADDRINUSE:
      return new VerbsError('EADDRINUSE', 'openDevice', `another device has IP protocol ${protocol} of ${text}`, {
        given,
        try: 'another local address (127.0.0.2 is free on Linux), or close the program that has it',
      });
    case ERRNO.EPROTONOSUPPORT:
      return new VerbsError('EOPNOTSUPP', 'openDevice', `the system has no raw sockets for ${text}`, {
        given,
        try: "encapsulation: 'udp'",
      });
    default:
      return socketError(error, text, 0);
  }
}

const NAME_AT = 3;
