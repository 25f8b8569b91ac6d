/** Where a client's own device should live: an address that can reach the server and that nobody uses yet. */
import { createSocket, type SocketType } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { refusal, systemCode } from '../failure.ts';

export interface LocalAddress {
  readonly address: string;
  /** 0: any free port. */
  readonly port: number;
}

/** The IP address of a host name or address; brackets around IPv6 are taken off, and zones that say nothing. */
export async function resolveHost(host: string, call: string): Promise<string> {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) !== 0) return /^fe[89ab]/i.test(bare) ? bare : bare.replace(/%.*$/, '');
  try {
    return (await lookup(bare)).address;
  } catch (thrown) {
    throw refusal('EADDRNOTAVAIL', call, `the host '${bare}' cannot be found (${systemCode(thrown)})`, {
      try: 'an IP address, such as 127.0.0.1 or [::1]',
    });
  }
}

/**
 * Local addresses to try, best first.
 *
 * A peer is named by its IP address alone, so a client on the server's machine needs another loopback address, or,
 * where there is only one address (::1), another port.
 */
export async function* localCandidates(remote: string, port: number): AsyncGenerator<LocalAddress> {
  if (remote.startsWith('127.')) {
    const first = process.pid % LOOPBACK_COUNT;
    for (let i = 0; i < LOOPBACK_COUNT; i++) {
      const address = `127.0.0.${2 + ((first + i) % LOOPBACK_COUNT)}`;
      if (address !== remote && (await canBind(address, port))) yield { address, port };
    }
    yield { address: remote, port: 0 };
    return;
  }
  const address = await sourceAddress(remote, port);
  yield { address, port: address === remote ? 0 : port };
}

/** Whether a UDP port can be had; the answer may be out of date when it arrives. */
export function canBind(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(socketType(address));
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}

/** The address that the system would send from. */
async function sourceAddress(remote: string, port: number): Promise<string> {
  const socket = createSocket(socketType(remote));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(port, remote, resolve);
    });
    return socket.address().address;
  } catch (thrown) {
    throw refusal('EADDRNOTAVAIL', 'openDevice', `there is no way to ${remote} from here (${systemCode(thrown)})`, {
      try: 'check the network, or name the local address with --from',
    });
  } finally {
    socket.close();
  }
}

function socketType(address: string): SocketType {
  return address.includes(':') ? 'udp6' : 'udp4';
}

/** 127.0.0.2 up to 127.0.0.254. */
const LOOPBACK_COUNT = 253;
