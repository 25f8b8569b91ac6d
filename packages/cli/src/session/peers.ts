/** The programs that a session talks with: how they find each other, and who sent what. */
import type { Completion, QueuePair, ReceiveRequest } from '@verbena/core';
import type { Link, LinkOptions, Place, Route } from './link.ts';

/** The program at the other end. The same object for as long as both talk. */
export interface Peer extends Place {
  /** Messages to it are posted here, with this route. */
  readonly qp: QueuePair;
  readonly route: Route;
}

/** One implementation per kind of queue pair. */
export interface Peers {
  /** Packets of both sides must have the same size, since nothing else agrees on it. */
  readonly needsEqualMtu: boolean;
  /** A receive for the next message, of whichever peer. */
  postReceive(request: ReceiveRequest): void;
  /**
   * Finds a server.
   *
   * @throws VerbsError what is known of why it cannot be reached; where nothing has to be agreed on, it is found always
   */
  find(address: string, servicePort: number): Promise<Peer>;
  /** Lets clients come. */
  listen(servicePort: number): Promise<void>;
  /** Who sent what came in; undefined when it is gone. */
  sender(done: Completion): Peer | undefined;
  /** A message to it failed: whoever needed a connection has left. */
  lost(peer: Peer): void;
  /** A link for data to this peer; what comes in over it, comes in as over the peer itself. */
  createStream(peer: Peer): Link;
  close(): Promise<void>;
}

/** What peers need of the channel. */
export interface PeersHost {
  readonly cq: LinkOptions['cq'];
  /** Receives that are posted at a time. */
  readonly receiveSlots: number;
  /** A peer is gone, and said so or was found dead. */
  left(peer: Peer): void;
}
