/** A peer as requests name it. */
import type { ProtectionDomain } from './protection-domain.ts';
import { VerbsObject } from './verbs-object.ts';

export class AddressHandle extends VerbsObject {
  readonly pd: ProtectionDomain;
  /** Number by which requests in the ring name it. */
  readonly number: number;
  /** The peer's address as text. */
  readonly address: string;
  readonly port: number;
  /** Queue pair of the peer. */
  readonly qpn: number;
  /** The device's path to the peer, as completions name it. */
  readonly path: number;
  readonly #handle: number;

  constructor(
    pd: ProtectionDomain,
    handle: number,
    number: number,
    to: { readonly address: string; readonly port: number; readonly qpn: number; readonly path: number },
  ) {
    super(pd.context);
    this.pd = pd;
    this.#handle = handle;
    this.number = number;
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
    this.context.call('AH', 'DESTROY', { handle: this.#handle });
  }
}
