/** Ethernet II header and VLAN tag. */
import { bits, bytes, header } from './header.ts';
import { names } from './names.ts';

export const EtherType = names({ IPV4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPV6: 0x86dd, QINQ: 0x88a8 });

export const Ethernet = header('Ethernet', 'IEEE 802.3 §3.2', {
  destination: bytes(6, 'Destination address', formatMac),
  source: bytes(6, 'Source address', formatMac),
  etherType: bits(16, 'What follows', EtherType),
});

/** Behind the Ethernet type 0x8100 or 0x88a8. */
export const VlanTag = header('VLAN', 'IEEE 802.1Q §9.6', {
  priority: bits(3, 'Priority code point'),
  dropEligible: bits(1, 'May be dropped first'),
  vlan: bits(12, 'VLAN identifier'),
  etherType: bits(16, 'What follows', EtherType),
});

/** `02:00:00:00:00:01` */
export function formatMac(address: Uint8Array): string {
  return Array.from(address, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
