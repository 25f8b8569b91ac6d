/** The header that begins every RoCEv2 packet, right behind UDP (IBTA vol. 1 §9.2, annex A17). */
import { bits, byteLength, header } from '../header.ts';
import { RoceOpcode } from './opcodes.ts';

export const Bth = header('BTH', 'IBTA vol. 1 §9.2', {
  opcode: bits(8, 'Transport service and operation', RoceOpcode),
  solicited: bits(1, 'The responder is to raise a completion event'),
  migrated: bits(1, 'Path migration state'),
  padCount: bits(2, 'Padding behind the payload').unit('bytes'),
  version: bits(4, 'Version of the transport headers: 0'),
  pkey: bits(16, 'Partition key').hex(),
  fecn: bits(1, 'The packet met congestion'),
  becn: bits(1, 'Packets in the other direction met congestion'),
  _r1: bits(6),
  destQp: bits(24, 'Queue pair of the receiver').hex(),
  ackReq: bits(1, 'The requester wants an acknowledgement'),
  _r2: bits(7),
  psn: bits(24, 'Packet sequence number').hex(),
});

export const BTH_BYTES = byteLength(Bth);
/** UDP destination port of RoCEv2 (IBTA annex A17). */
export const ROCE_UDP_PORT = 4791;
/** Partition key that every port has: the default partition, full member (IBTA vol. 1 §10.9.1). */
export const DEFAULT_PKEY = 0xffff;
