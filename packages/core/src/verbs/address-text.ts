/** Addresses as programs write them. */

import { parseAddress } from '../base/ip-address.ts';
import { VerbsError } from '../base/verbs-error.ts';

/** Address and port as they cross; port 0 stands for the transport's own. */
export interface RawAddress {
  readonly address: Uint8Array;
  readonly port: number;
}

/** Reads the text of an address. Port 0 stands for the transport's own. */
export function rawAddress(call: string, to: { readonly address: string; readonly port?: number }): RawAddress {
  const address = parseAddress(to.address);
  if (address === undefined) {
    throw new VerbsError('EINVAL', call, `'${to.address}' is not an IP address`, {
      try: "'192.0.2.1' or '2001:db8::1'",
    });
  }
  const port = to.port ?? 0;
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw new VerbsError('EINVAL', call, `${port} is not a port`, { try: '1 to 65535' });
  }
  return { address, port };
}
