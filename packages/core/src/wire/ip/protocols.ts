/** IP protocol numbers, which are also the next-header values of IPv6. */
import { names } from '../names.ts';

export const IpProtocol = names({
  HOP_BY_HOP: 0,
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  ROUTING: 43,
  FRAGMENT: 44,
  ICMPV6: 58,
  NO_NEXT: 59,
  DESTINATION_OPTIONS: 60,
  MOBILITY: 135,
  EXPERIMENT_253: 253,
});

/** The two ECN bits (RFC 3168). */
export const Ecn = names({ NOT_ECT: 0, ECT_1: 1, ECT_0: 2, CE: 3 });
