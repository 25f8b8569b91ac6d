/** Internet protocols: declarations, checksums and addresses. */
export * from '../../base/ip-address.ts';
export * from './ipv4.ts';
export * from './ipv6.ts';
export * from './protocols.ts';
export * from './udp.ts';
