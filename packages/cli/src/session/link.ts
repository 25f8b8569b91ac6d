/** A queue pair for data between two programs that know each other already. */
import type { AddressHandle, CompletionQueue, QueuePair, SharedReceiveQueue } from '@verbena/core';

/** Where a device is. */
export interface Place {
  readonly address: string;
  /** UDP port of the device. */
  readonly port: number;
}

/** What the other side must know of one end. */
export interface LinkEnd {
  readonly qpn: number;
  /** First sequence number that is sent; 0 where the transport has none to agree on. */
  readonly psn: number;
  /** Payload bytes of a full packet. */
  readonly mtu: number;
}

/** How requests name the peer: to be spread into them. */
export interface Route {
  readonly to?: AddressHandle;
}

export interface Link {
  readonly qp: QueuePair;
  /** This side. */
  readonly end: LinkEnd;
  /** @throws Error before {@link join} */
  readonly route: Route;
  /** How messages arrive, in a few words. */
  readonly delivery: string;
  /** A peer's write with immediate data takes a receive here. */
  readonly immTakesReceive: boolean;
  /** Makes it ready: from now on both sides may send. Receives may be posted before. */
  join(place: Place, end: LinkEnd): void;
  /** Closes the queue pair. */
  close(): void;
}

export interface LinkOptions {
  readonly cq: CompletionQueue;
  /** Takes receives from here. */
  readonly srq?: SharedReceiveQueue;
  readonly sendDepth?: number;
  readonly receiveDepth?: number;
  /** Default false; a link whose transport knows order only is always ordered. */
  readonly ordered?: boolean;
  /** Default true. */
  readonly signalAll?: boolean;
}
