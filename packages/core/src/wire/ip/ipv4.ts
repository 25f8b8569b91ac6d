/** IPv4 header without options. */

import { formatAddress } from '../../base/ip-address.ts';
import { bits, bytes, header } from '../header.ts';
import { foldSum, onesSum } from './checksum.ts';
import { Ecn, IpProtocol } from './protocols.ts';

export const Ipv4 = header('IPv4', 'RFC 791 §3.1', {
  version: bits(4, 'Always 4'),
  ihl: bits(4, 'Header length').unit('32-bit words'),
  dscp: bits(6, 'Differentiated services code point'),
  ecn: bits(2, 'Congestion notification', Ecn),
  totalLength: bits(16, 'Header and payload').unit('bytes'),
  identification: bits(16, 'Groups the fragments of a packet').hex(),
  _r1: bits(1),
  df: bits(1, 'Do not fragment'),
  mf: bits(1, 'More fragments follow'),
  fragmentOffset: bits(13, 'Place of this fragment').unit('8 bytes'),
  ttl: bits(8, 'Hops left'),
  protocol: bits(8, 'What follows', IpProtocol),
  checksum: bits(16, 'Of the header').hex(),
  source: bytes(4, 'Source address', formatAddress),
  destination: bytes(4, 'Destination address', formatAddress),
});

/** The value that `checksum` must have, for a header of `length` bytes (options included). */
export function ipv4Checksum(view: DataView, at: number, length: number): number {
  const sum = onesSum(view, at, length) + (0xffff - checksum.get(view, at));
  return ~foldSum(sum) & 0xffff;
}

const { checksum } = Ipv4;
