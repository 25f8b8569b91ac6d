/**
 * Frames as trees: link layer, IP, UDP. What follows a UDP port or an IP protocol number is a table, so that a new
 * protocol is one entry.
 *
 * Input is untrusted. Nothing here throws on any bytes, and nothing is read outside of them.
 */
import { LinkType } from './capture.ts';
import { type Dissected, Dissection, type DissectOptions } from './dissection.ts';
import { Ethernet, EtherType, VlanTag } from './eth.ts';
import { Ipv4, ipv4Checksum } from './ip/ipv4.ts';
import { Ipv6, Ipv6Extension, Ipv6Fragment, isSkippableExtension } from './ip/ipv6.ts';
import { IpProtocol } from './ip/protocols.ts';
import { Udp, udpChecksum } from './ip/udp.ts';
import { ROCE_UDP_PORT } from './roce/bth.ts';
import { dissectRoceDatagram, dissectRocePacket } from './roce/dissector.ts';
import { dissectPacket, dissectSealed } from './uet/dissector.ts';
import { EntropyHeader, UET_IP_PROTOCOL, UET_UDP_PORT } from './uet/entropy.ts';

/**
 * Dissects one captured frame.
 *
 * @param linkType - one of `LinkType`; other values give a problem
 */
export function dissectFrame(bytes: Uint8Array, linkType: number, options: DissectOptions = {}): Dissected {
  const d = new Dissection(bytes, options);
  if (linkType === LinkType.ETHERNET) ethernet(d);
  else if (linkType === LinkType.RAW || linkType === LinkType.IPV4 || linkType === LinkType.IPV6) ip(d, 0);
  else {
    d.problem(0, 'link', `link type ${linkType} is not supported`);
    d.payload(0, bytes.length);
  }
  return d.result();
}

/** Dissects bytes that begin at the PDS prologue or at the UET security header, and end before any CRC. */
export function dissectUet(bytes: Uint8Array, at = 0, end = bytes.length, options: DissectOptions = {}): Dissected {
  const d = new Dissection(bytes, options);
  dissectPacket(d, Math.max(0, at), Math.min(end, bytes.length));
  return d.result();
}

/** Dissects bytes that begin at the BTH and end before the ICRC. */
export function dissectRoce(bytes: Uint8Array, at = 0, end = bytes.length, options: DissectOptions = {}): Dissected {
  const d = new Dissection(bytes, options);
  dissectRocePacket(d, Math.max(0, at), Math.min(end, bytes.length));
  return d.result();
}

function ethernet(d: Dissection): void {
  const end = d.bytes.length;
  let at = d.add('Ethernet', Ethernet, 0, end);
  if (at < 0) return;
  let type = Ethernet.etherType.get(d.view, 0);
  for (let tags = 0; tags < MAX_VLAN_TAGS && (type === EtherType.VLAN || type === EtherType.QINQ); tags++) {
    const tag = at;
    at = d.add('VLAN', VlanTag, tag, end);
    if (at < 0) return;
    type = VlanTag.etherType.get(d.view, tag);
  }
  if (type === EtherType.IPV4 || type === EtherType.IPV6) ip(d, at);
  else d.payload(at, end);
}

function ip(d: Dissection, at: number): void {
  if (at >= d.bytes.length) {
    d.problem(at, 'IP', 'the frame ends before the IP header');
    return;
  }
  const version = d.bytes[at]! >> 4;
  if (version === 4) ipv4(d, at);
  else if (version === 6) ipv6(d, at);
  else {
    d.problem(at, 'IP.version', `IP version ${version}`);
    d.payload(at, d.bytes.length);
  }
}

function ipv4(d: Dissection, at: number): void {
  const { view } = d;
  if (d.add('IPv4', Ipv4, at, d.bytes.length) < 0) return;
  const headerBytes = Ipv4.ihl.get(view, at) * 4;
  const total = Ipv4.totalLength.get(view, at);
  if (headerBytes < 20 || headerBytes > d.bytes.length - at) {
    d.problem(at, 'IPv4.ihl', `header length ${headerBytes} is impossible here`);
    return;
  }
  if (total < headerBytes) {
    d.problem(at + 2, 'IPv4.totalLength', `${total} is less than the header`);
    return;
  }
  const checksum = ipv4Checksum(view, at, headerBytes);
  if (checksum !== Ipv4.checksum.get(view, at)) {
    d.problem(at + 10, 'IPv4.checksum', `is wrong, ${hex16(checksum)} would be right`);
  }
  const upper = at + headerBytes;
  const end = announcedEnd(d, at, total, 'IPv4.totalLength', at + 2);
  if (headerBytes > 20) d.note(at + 20, 'IPv4', `${headerBytes - 20} bytes of options`);
  if (Ipv4.mf.get(view, at) === 1 || Ipv4.fragmentOffset.get(view, at) !== 0) {
    d.note(at + 6, 'IPv4.fragmentOffset', 'fragment: its content is not dissected');
    d.payload(upper, end);
    return;
  }
  const protocol = Ipv4.protocol.get(view, at);
  transport(d, { ip: at, addresses: at + 12, addressBytes: 8, at: upper, end }, protocol);
}

function ipv6(d: Dissection, at: number): void {
  const { view } = d;
  let upper = d.add('IPv6', Ipv6, at, d.bytes.length);
  if (upper < 0) return;
  const end = announcedEnd(d, at, 40 + Ipv6.payloadLength.get(view, at), 'IPv6.payloadLength', at + 4);
  let next = Ipv6.nextHeader.get(view, at);
  for (let count = 0; isSkippableExtension(next) && count < MAX_EXTENSIONS; count++) {
    const start = upper;
    if (d.add('IPv6 extension', Ipv6Extension, start, end) < 0) return;
    upper = start + 8 * (Ipv6Extension.length.get(view, start) + 1);
    if (upper > end) {
      d.problem(start + 1, 'IPv6 extension.length', 'reaches beyond the packet');
      return;
    }
    next = Ipv6Extension.nextHeader.get(view, start);
  }
  if (next === IpProtocol.FRAGMENT) {
    upper = d.add('IPv6 fragment', Ipv6Fragment, upper, end);
    if (upper < 0) return;
    d.note(upper - 8, 'IPv6 fragment', 'fragment: its content is not dissected');
    d.payload(upper, end);
    return;
  }
  transport(d, { ip: at, addresses: at + 8, addressBytes: 32, at: upper, end }, next);
}

/** Where the IP packet ends in the capture. Bytes behind it are link padding. */
function announcedEnd(d: Dissection, at: number, total: number, field: string, offset: number): number {
  const held = d.bytes.length - at;
  if (total > held) d.problem(offset, field, `the packet has ${total} bytes, the capture holds ${held}`);
  return at + Math.min(total, held);
}

function transport(d: Dissection, upper: Upper, protocol: number): void {
  if (protocol === IpProtocol.UDP) udp(d, upper);
  else if ((d.options.ipProtocols ?? DEFAULT_PROTOCOLS).includes(protocol)) {
    const at = d.add('UET-Entropy', EntropyHeader, upper.at, upper.end);
    if (at >= 0) dissectSealed(d, upper.ip, at, upper.end);
  } else d.payload(upper.at, upper.end);
}

function udp(d: Dissection, { ip, addresses, addressBytes, at, end }: Upper): void {
  const { view } = d;
  if (d.add('UDP', Udp, at, end) < 0) return;
  const port = Udp.destinationPort.get(view, at);
  const isUet = (d.options.udpPorts ?? DEFAULT_PORTS).includes(port);
  const isRoce = !isUet && (d.options.rocePorts ?? ROCE_PORTS).includes(port);
  const length = Udp.length.get(view, at);
  const held = end - at;
  const isWhole = length >= 8 && length <= held;
  if (length < 8) d.problem(at + 4, 'UDP.length', `${length} is less than the header`);
  else if (length < held) d.problem(at + 4, 'UDP.length', `${length}, but the IP packet holds ${held} bytes`);
  else if (length > held) lengthBeyondPacket(d, at, isUet, length, held);
  const given = Udp.checksum.get(view, at);
  if (isWhole && given !== 0) {
    const right = udpChecksum(view, addresses, addressBytes, at, length);
    if (right !== given) d.problem(at + 6, 'UDP.checksum', `is wrong, ${hex16(right)} would be right`);
  }
  const last = isWhole ? at + length : end;
  if (isUet) dissectSealed(d, ip, at + 8, last);
  else if (isRoce) dissectRoceDatagram(d, ip, at + 8, last);
  else d.payload(at + 8, last);
}

/**
 * A switch that trims corrects the IP length and leaves the UDP length (uet:pds/1.8): the difference is the trace of
 * it. A frame that the capture itself has cut was reported with the IP header already.
 */
function lengthBeyondPacket(d: Dissection, at: number, isUet: boolean, length: number, held: number): void {
  const isCutByCapture = d.problems.some(({ field }) => field.startsWith('IPv'));
  if (isUet && !isCutByCapture && held >= MIN_TRIMMED_BYTES) {
    d.trimmed = true;
    d.note(at + 4, 'UDP.length', `trimmed by a switch: ${held} of ${length} bytes are left, only PDS fields count`);
  } else if (!isCutByCapture) {
    d.problem(at + 4, 'UDP.length', `${length}, but the IP packet holds ${held} bytes`);
  }
}

function hex16(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}

/** A packet seen from the layer above IP. */
interface Upper {
  readonly ip: number;
  /** Source and destination address, one behind the other. */
  readonly addresses: number;
  readonly addressBytes: number;
  readonly at: number;
  readonly end: number;
}

const DEFAULT_PROTOCOLS: readonly number[] = [UET_IP_PROTOCOL];
const DEFAULT_PORTS: readonly number[] = [UET_UDP_PORT];
const ROCE_PORTS: readonly number[] = [ROCE_UDP_PORT];
const MAX_VLAN_TAGS = 2;
const MAX_EXTENSIONS = 8;
/** UDP header and the largest request header: what a switch must leave. */
const MIN_TRIMMED_BYTES = 24;
