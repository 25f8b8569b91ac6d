/** A peer as requests name it. */
import type { ProtectionDomain } from './protection-domain.ts';
import { VerbsObject } from './verbs-object.ts';

export class AddressHandle extends VerbsObject {
  readonly pd: ProtectionDomain;
  /** Number by which requests in the ring name it. */
  readonly handle: number;
  /** The peer's address as text. */
  readonly address: string;
  readonly port: number;
  /** Queue pair of the peer. */
  readonly qpn: number;
  /** The device's path to the peer, as completions name it. */
  readonly path: number;

  constructor(
    pd: ProtectionDomain,
    handle: number,
    to: { readonly address: string; readonly port: number; readonly qpn: number; readonly path: number },
  ) {
    super(pd.context);
    this.pd = pd;
    this.handle = handle;
    this.address = to.address;
    this.port = to.port;
    this.qpn = to.qpn;
    this.path = to.path;
  }

  /** Never refused. Requests that the device has not taken yet fail. */
  destroy(): void {
    this.end();
  }

  describe(): string {
    return `the address handle to ${this.address}`;
  }

  protected destroyHandle(): void {
    this.context.port.call('destroyAddressHandle', { context: this.context.handle, handle: this.handle });
  }
}
