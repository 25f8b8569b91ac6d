/**
 * IP addresses as 16 bytes and as text, without a host library.
 *
 * There is one form inside: 16 bytes, where an IPv4 address stands as `::ffff:a.b.c.d`. Text is what RFC 5952 calls
 * canonical; a mapped IPv4 address prints as plain IPv4.
 */

/**
 * Reads an IPv4 or IPv6 address.
 *
 * Strict: no zone, no brackets, no port, no leading zeros in IPv4 (some programs read those as octal).
 *
 * @returns 16 bytes, or undefined when the text is not an address
 */
export function parseAddress(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(':')) {
    const quad = parseQuad(text);
    return quad === undefined ? undefined : addressFromIpv4(quad);
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const address = new Uint8Array(16);
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  for (const [i, group] of groups.entries()) {
    address[2 * i] = group >> 8;
    address[2 * i + 1] = group & 255;
  }
  return address;
}

/** Canonical text of a 16-byte address, or of the 4 bytes of an IPv4 header. */
export function formatAddress(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  if (address.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, not ${address.length}`);
  if (isIpv4(address)) return address.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (address[2 * i]! << 8) | address[2 * i + 1]!);
  const [start, length] = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** Whether a 16-byte address stands for an IPv4 address. */
export function isIpv4(address: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return false;
  return address[10] === 0xff && address[11] === 0xff;
}

/** The 16-byte form of the four bytes of an IPv4 address. */
export function addressFromIpv4(quad: ArrayLike<number>): Uint8Array {
  const address = new Uint8Array(16);
  address.fill(0xff, 10, 12);
  address.set(quad, 12);
  return address;
}

function parseQuad(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => OCTET.test(part))) return undefined;
  return parts.map(Number);
}

/** Groups on one side of `::`; an IPv4 address may stand for the last two. */
function parseGroups(text: string, mayEndInQuad: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (GROUP.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const quad = mayEndInQuad && i === parts.length - 1 ? parseQuad(part) : undefined;
    if (quad === undefined) return undefined;
    groups.push((quad[0]! << 8) | quad[1]!, (quad[2]! << 8) | quad[3]!);
  }
  return groups;
}

/** First of the longest runs of zero groups: where it starts and how long it is. */
function longestZeros(groups: readonly number[]): [number, number] {
  let best: [number, number] = [0, 0];
  let start = 0;
  for (const [i, group] of groups.entries()) {
    if (group !== 0) start = i + 1;
    else if (i + 1 - start > best[1]) best = [start, i + 1 - start];
  }
  return best;
}

const OCTET = /^(?:0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;
