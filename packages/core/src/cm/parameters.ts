/** What two sides agree on when they connect, and what a program may say about it. @spec IBTA vol. 1 §12.6 */
import type { AbortSignalLike } from '../verbs/abort-signal.ts';
import type { AccessRight } from '../verbs/access-rights.ts';
import type { QueuePair } from '../verbs/queue-pair.ts';

/** Kinds of queue pair that are connected. */
export type ConnectedType = 'RC' | 'UC';

/** Who is on the other side. */
export interface ConnectionPeer {
  /** Address as text. */
  readonly address: string;
  /** UDP port that its device receives on. */
  readonly udpPort: number;
  /** Port of the service; of a peer that connected to us, the port that it says it comes from. */
  readonly port: number;
  /** Number of its queue pair. */
  readonly qpn: number;
}

/** What a peer asks for when it connects, in the terms of the side that is asked. */
export interface RequestParameters {
  readonly type: ConnectedType;
  /** Payload bytes of a full packet, 256 to 4096. */
  readonly pathMtu: number;
  /** Reads and atomics that the peer wants to have under way towards us. */
  readonly responderResources: number;
  /** Reads and atomics that we may have under way towards the peer. */
  readonly initiatorDepth: number;
  /** Times that we are to repeat an unanswered packet. */
  readonly retryCount: number;
  /** Times that we are to repeat when the peer has no receive; 7: for ever. */
  readonly rnrRetry: number;
  /** The peer takes receives from a shared queue. */
  readonly srq: boolean;
}

/** What was agreed on, as the queue pair has it. */
export interface ConnectionParameters {
  readonly type: ConnectedType;
  /** Payload bytes of a full packet. */
  readonly pathMtu: number;
  /** Reads and atomics that the peer may have under way. */
  readonly responderResources: number;
  /** Reads and atomics that this side may have under way. */
  readonly initiatorDepth: number;
  /** 4.096 µs · 2^n. */
  readonly timeout: number;
  readonly retryCount: number;
  /** 7: for ever. */
  readonly rnrRetry: number;
  readonly sqPsn: number;
  readonly rqPsn: number;
}

/** What `accept` and `connect` have in common; the names are those of `rdma_conn_param`. */
export interface ConnectionOptions {
  /**
   * RC or UC, in RESET or INIT, not connected. The manager takes it to RTS, and to ERR when the connection ends. In INIT
   * (see `ConnectionManager.prepare`) receives may be posted before.
   */
  readonly qp: QueuePair;
  /** For the peer: up to 56 bytes when connecting, up to 196 when accepting. It gets zeros behind. */
  readonly privateData?: Uint8Array;
  /** Reads and atomics that the peer may have under way, 0 to 255. Default 16, or what the peer asked for if less. */
  readonly responderResources?: number;
  /** Reads and atomics that this side wants to have under way, 0 to 255. Default 16, or what the peer grants if less. */
  readonly initiatorDepth?: number;
  /** When a packet counts as unanswered: 4.096 µs · 2^n, 1 to 31. Default 14 (67 ms) or what the peer says it needs. */
  readonly timeout?: number;
  /** Times that an unanswered packet is repeated, 0 to 7. Default 7; `accept` follows the peer. */
  readonly retryCount?: number;
  /** Times to repeat when a receive is missing, as this side asks it of the peer, 0 to 7. Default 7, for ever. */
  readonly rnrRetry?: number;
  /** Code of the least wait that the peer is told when a receive is missing, 0 to 31. Default 12 (0.64 ms). */
  readonly minRnrTimer?: number;
  /** What the peer may do in registered memory. Default: write, and read and atomics with `responderResources` above 0. */
  readonly access?: readonly AccessRight[];
}

/** For `ConnectionManager.connect`. */
export interface ConnectOptions extends ConnectionOptions {
  /** Address of the peer. */
  readonly address: string;
  /** Port of the service, 1 to 65,535, in the TCP port space of librdmacm. */
  readonly port: number;
  /** UDP port of the peer's device. Default: the one of the transport. */
  readonly udpPort?: number;
  /** Port that the peer is told this side comes from. Default: a free one. */
  readonly sourcePort?: number;
  /** Most payload bytes of a packet: 256, 512, 1024, 2048 or 4096. Default: what the port can do. */
  readonly pathMtu?: number;
  /** Bound of the whole attempt. Default 30,000 ms. */
  readonly timeoutMs?: number;
  /** How long the peer has for an answer until it is asked again: 4.096 µs · 2^n. Default 17 (0.54 s). */
  readonly responseTimeout?: number;
  /** Times that a message of the connection manager is repeated, 0 to 15. Default 15. */
  readonly maxRetries?: number;
  /** Gives up; `connect` throws its reason. */
  readonly signal?: AbortSignalLike;
}

/** For `ConnectionRequest.accept`. */
export type AcceptOptions = ConnectionOptions;
