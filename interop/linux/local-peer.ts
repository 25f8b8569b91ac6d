/** Our side of a scenario: what stands in for the remote tool, on the project's own device. */
import type { Scenario } from './scenarios.ts';

/** A peer at work. */
export interface LocalPeer {
  /** Its end: whether it did all that the tool on its place would have done, and what to tell about it. Never rejects. */
  readonly finished: Promise<{ readonly ok: boolean; readonly text: string }>;
  /** Ends it early and frees all that it holds; `finished` resolves. */
  stop(): void | Promise<void>;
}

/** The place where a peer runs. It is in the network namespace of the run. */
export interface PeerPlace {
  /** Addresses of the tap, to send from and to listen on. */
  readonly own: { readonly ipv4: string; readonly ipv6: string };
  readonly guest: { readonly ipv4: string; readonly ipv6: string };
  /** Name of the tap. */
  readonly interface: string;
  /** For losses and anything else at random. */
  readonly seed: number;
}

/**
 * Starts our side.
 *
 * When the guest is the client, the promise resolves once the peer listens; the guest's tool begins only then. When the
 * guest is the server, its tool listens already. `{ skip }` says why this scenario cannot be played.
 *
 * Two facts about perftest with `-R`, which makes two connections one after the other: as server, listen without a gap; as
 * client, ask again when the second request is rejected with reason 8 (invalid service), since the tool may not listen yet.
 */
export type StartLocalPeer = (scenario: Scenario, place: PeerPlace) => Promise<LocalPeer | { readonly skip: string }>;
