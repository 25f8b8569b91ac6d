/** The MTU of the interface that has a local address. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Transport } from '@verbena/core';
import { formatAddress, isIpv4, parseAddress } from '@verbena/core/wire';

/**
 * @param zone - name of the interface, where it is known
 * @returns bytes of a whole IP packet; undefined where the system does not tell
 */
export function interfaceMtu(address: Uint8Array, zone = ''): number | undefined {
  const name = zone in networkInterfaces() ? zone : interfaceOf(address);
  if (name === undefined) return undefined;
  try {
    const mtu = Number(readFileSync(`/sys/class/net/${name}/mtu`, 'utf8'));
    return Number.isSafeInteger(mtu) && mtu > 0 ? mtu : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Largest payload that fits a route with `mtu`, between headers and seal: of those that the transport allows, else of the
 * common sizes. The smallest of them when none fits; one that fits everywhere when `mtu` is unknown.
 */
export function payloadFor(mtu: number | undefined, address: Uint8Array, transport: Transport): number {
  const allowed = transport.attributes.payloadMtus ?? COMMON_PAYLOADS;
  const room = mtu === undefined ? SAFE_PAYLOAD : mtu - bytesAround(address, transport);
  return allowed.findLast((payload) => payload <= room) ?? allowed[0]!;
}

/** Bytes of a full IP packet beside its payload, at most. */
export function bytesAround(address: Uint8Array, transport: Transport): number {
  const ip = isIpv4(address) ? 20 : 40;
  const front = transport.ipProtocol === undefined ? UDP_BYTES : ENTROPY_BYTES;
  return ip + front + transport.headerBytes + (transport.seal?.bytes ?? 0);
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

const UDP_BYTES = 8;
const ENTROPY_BYTES = 4;
const SAFE_PAYLOAD = 1024;
/** Below the second one only where nothing else fits. */
const COMMON_PAYLOADS = [256, 512, SAFE_PAYLOAD, 4096];
