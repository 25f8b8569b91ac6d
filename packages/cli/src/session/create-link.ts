/** Makes links of the kind that the transport has. */
import { AddressedLink } from './addressed-link.ts';
import { ConnectedLink } from './connected-link.ts';
import type { Endpoint } from './endpoint.ts';
import type { Link, LinkOptions } from './link.ts';

/** A link that is not joined yet. */
export function createLink(endpoint: Endpoint, options: LinkOptions): Link {
  return new LINKS[endpoint.style](endpoint, options);
}

const LINKS = { addressed: AddressedLink, connected: ConnectedLink };
