/** The routing header in front of received datagrams: IPv6 fills all 40 bytes, IPv4 the last 20. @spec verbs/3.5 */
import { isIpv4 } from '../base/ip-address.ts';

/** @param from, to - 16 bytes each; of one family */
export function writeRoutingHeader(from: Uint8Array, to: Uint8Array, into: Uint8Array): void {
  into.fill(0, 0, 40);
  if (isIpv4(from)) {
    into[20] = 0x45;
    into[28] = HOP_LIMIT;
    into[29] = UDP;
    into.set(from.subarray(12), 32);
    into.set(to.subarray(12), 36);
    return;
  }
  into[0] = 0x60;
  into[6] = UDP;
  into[7] = HOP_LIMIT;
  into.set(from, 8);
  into.set(to, 24);
}

/** Hosts do not tell the one of a received packet. */
const HOP_LIMIT = 64;
const UDP = 17;
