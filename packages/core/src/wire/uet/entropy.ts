/** UET entropy header: stands behind the IP header when there is no UDP header to carry the entropy (uet:pds/1.3). */
import { bits, header } from '../header.ts';

export const EntropyHeader = header('UET entropy', 'uet:pds/1.3', {
  entropy: bits(16, 'Path choice: switches hash it, replies return it').hex(),
  _r1: bits(16),
});

/** IP protocol number of the native form. None is assigned; this is the experimental one that others use. */
export const UET_IP_PROTOCOL = 253;
/** UDP destination port assigned to UET. */
export const UET_UDP_PORT = 4793;
