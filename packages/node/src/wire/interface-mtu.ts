/** The MTU of the interface that has a local address. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { formatAddress, isIpv4, parseAddress } from '@verbena/core/wire';

/** @returns bytes of a whole IP packet; undefined where the system does not tell */
export function interfaceMtu(address: Uint8Array): number | undefined {
  const name = interfaceOf(address);
  if (name === undefined) return undefined;
  try {
    const mtu = Number(readFileSync(`/sys/class/net/${name}/mtu`, 'utf8'));
    return Number.isSafeInteger(mtu) && mtu > 0 ? mtu : undefined;
  } catch {
    return undefined;
  }
}

/** Largest payload of the common sizes that fits a route with `mtu`, behind IP, UDP and the transport's headers. */
export function payloadFor(mtu: number | undefined, address: Uint8Array, headerBytes: number): number {
  if (mtu === undefined) return SMALL_PAYLOAD;
  const behind = (isIpv4(address) ? 20 : 40) + 8 + headerBytes;
  return mtu >= behind + FULL_PAYLOAD ? FULL_PAYLOAD : SMALL_PAYLOAD;
}

function interfaceOf(address: Uint8Array): string | undefined {
  const text = formatAddress(address);
  const all = Object.entries(networkInterfaces());
  for (const [name, entries] of all) {
    for (const entry of entries ?? []) {
      const own = parseAddress(entry.address);
      if (own !== undefined && formatAddress(own) === text) return name;
    }
  }
  // All of 127.0.0.0/8 is local on Linux, though only one address of it is listed.
  const loopback = isIpv4(address) && address[12] === 127;
  return loopback ? all.find(([, entries]) => entries?.some((entry) => entry.internal))?.[0] : undefined;
}

const FULL_PAYLOAD = 4096;
const SMALL_PAYLOAD = 1024;
