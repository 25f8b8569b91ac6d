/** What the contexts of one peer use together, and are limited together. */
export class PeerShare {
  /** Contexts of both directions. */
  contexts = 0;
  /** Contexts that the peer opened. */
  targets = 0;
  /** Incomplete messages that are being received. */
  inbound = 0;
  /** Results of atomics on their way to the peer. */
  results = 0;
}
