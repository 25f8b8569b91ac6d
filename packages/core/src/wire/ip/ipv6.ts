/** IPv6 header, and the extension headers that stand between it and a transport header. */

import { formatAddress } from '../../base/ip-address.ts';
import { bits, bytes, header } from '../header.ts';
import { Ecn, IpProtocol } from './protocols.ts';

export const Ipv6 = header('IPv6', 'RFC 8200 §3', {
  version: bits(4, 'Always 6'),
  dscp: bits(6, 'Differentiated services code point'),
  ecn: bits(2, 'Congestion notification', Ecn),
  flowLabel: bits(20, 'Flow, for routers that spread load').hex(),
  payloadLength: bits(16, 'Everything behind this header').unit('bytes'),
  nextHeader: bits(8, 'What follows', IpProtocol),
  hopLimit: bits(8, 'Hops left'),
  source: bytes(16, 'Source address', formatAddress),
  destination: bytes(16, 'Destination address', formatAddress),
});

/** Common start of the hop-by-hop, routing, destination options and mobility headers. */
export const Ipv6Extension = header('IPv6 extension', 'RFC 8200 §4', {
  nextHeader: bits(8, 'What follows', IpProtocol),
  length: bits(8, 'Length beyond the first 8 bytes').unit('8 bytes'),
});

export const Ipv6Fragment = header('IPv6 fragment', 'RFC 8200 §4.5', {
  nextHeader: bits(8, 'What follows', IpProtocol),
  _r1: bits(8),
  fragmentOffset: bits(13, 'Place of this fragment').unit('8 bytes'),
  _r2: bits(2),
  mf: bits(1, 'More fragments follow'),
  identification: bits(32, 'Groups the fragments of a packet').hex(),
});

/** Extension headers that a receiver steps over (uet:pds/1.4); all have the form of `Ipv6Extension`. */
export function isSkippableExtension(nextHeader: number): boolean {
  return (
    nextHeader === IpProtocol.HOP_BY_HOP ||
    nextHeader === IpProtocol.ROUTING ||
    nextHeader === IpProtocol.DESTINATION_OPTIONS ||
    nextHeader === IpProtocol.MOBILITY
  );
}
