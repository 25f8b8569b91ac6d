/** UDP header. */
import { bits, header } from '../header.ts';
import { foldSum, onesSum } from './checksum.ts';
import { IpProtocol } from './protocols.ts';

export const Udp = header('UDP', 'RFC 768', {
  sourcePort: bits(16, 'Source port; UET carries its entropy here'),
  destinationPort: bits(16, 'Destination port'),
  length: bits(16, 'Header and payload').unit('bytes'),
  checksum: bits(16, '0 means not computed').hex(),
});

/**
 * The value that `checksum` must have.
 *
 * @param addresses - where source and destination address stand, one behind the other, in the same view
 * @param addressBytes - 8 for IPv4, 32 for IPv6
 * @param at - where the UDP header begins
 * @param length - UDP header and payload, in bytes
 */
export function udpChecksum(
  view: DataView,
  addresses: number,
  addressBytes: number,
  at: number,
  length: number,
): number {
  const pseudo = onesSum(view, addresses, addressBytes) + IpProtocol.UDP + length;
  const sum = pseudo + onesSum(view, at, length) + (0xffff - checksum.get(view, at));
  const value = ~foldSum(sum) & 0xffff;
  // Zero would mean "not computed", so its other representation is sent.
  return value === 0 ? 0xffff : value;
}

const { checksum } = Udp;
