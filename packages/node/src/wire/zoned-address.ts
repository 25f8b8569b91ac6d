/** Local addresses with a zone behind them, such as `fe80::1%eth0`: which of several links a link-local address is on. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { formatAddress, parseAddress } from '@verbena/core/wire';

export interface ZonedAddress {
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  /** The canonical text, with the zone where one was given. */
  readonly text: string;
  /** Number of the interface that link-local peers are on; 0 for none. */
  readonly scope: number;
  readonly zone: string;
}

/** Reads `ADDRESS` or `ADDRESS%ZONE`, where a zone is the name or the number of an interface. @returns undefined for anything else */
export function parseZonedAddress(text: string): ZonedAddress | undefined {
  const at = text.indexOf('%');
  const address = parseAddress(at < 0 ? text : text.slice(0, at));
  if (address === undefined) return undefined;
  const plain = formatAddress(address);
  if (at < 0) return { address, text: plain, scope: 0, zone: '' };
  const zone = text.slice(at + 1);
  const scope = plain.includes(':') ? scopeOf(zone) : 0;
  return scope === 0 ? undefined : { address, text: `${plain}%${zone}`, scope, zone };
}

/** Whether an address means something on one link only (RFC 4291 §2.5.6). */
export function isLinkLocal(address: Uint8Array): boolean {
  return address[0] === 0xfe && (address[1]! & 0xc0) === 0x80;
}

/** An address as Node's sockets want it. */
export function withZone(address: Uint8Array, zone: string): string {
  const text = formatAddress(address);
  return zone !== '' && isLinkLocal(address) ? `${text}%${zone}` : text;
}

/** Number of an interface by its name; 0 where there is none. */
function scopeOf(zone: string): number {
  if (/^[1-9]\d{0,8}$/.test(zone)) return Number(zone);
  // Node tells numbers only beside link-local addresses, which loopback has none of
  for (const { family, scopeid } of (networkInterfaces()[zone] ?? []) as { family: string; scopeid?: number }[]) {
    if (family === 'IPv6' && scopeid !== undefined && scopeid !== 0) return scopeid;
  }
  if (!/^[\w.-]{1,15}$/.test(zone) || /^\.+$/.test(zone)) return 0;
  try {
    return Number(readFileSync(`/sys/class/net/${zone}/ifindex`, 'utf8')) || 0;
  } catch {
    return 0;
  }
}
