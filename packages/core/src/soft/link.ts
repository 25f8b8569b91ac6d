/**
 * One entry of a device's address table with what stands behind it: a transport's engine and the wire that it uses.
 * Several links make a device that speaks several protocols, on one port or on many.
 */
import type { Engine, Transport } from '../engine/engine.ts';
import type { PeerAddress, WireHost } from '../engine/wire-host.ts';
import type { DataPath } from './data-path.ts';
import type { SoftQueuePair } from './objects.ts';

/** What a host gives for one address entry. */
export interface LinkOptions {
  readonly transport: Transport;
  readonly wire: WireHost;
  /** Payload bytes of a full packet; the same at both ends. */
  readonly payloadMtu: number;
  /** Routes that the wire can tell apart for one path. */
  readonly entropies: number;
  /** Bytes that the wire can buffer before packets are lost; 0 = unknown. */
  readonly receiveBufferBytes: number;
  /** Address and port of this entry. */
  readonly localAddress: PeerAddress;
  /** The I/O level in use: 'gso', 'batch', 'dgram', 'simulated'. */
  readonly level: string;
  /** The transport's own settings by name. */
  readonly settings?: Readonly<Record<string, number>>;
  /** Port that the entry belongs to; default 1. */
  readonly port?: number;
}

export interface Link extends LinkOptions {
  /** Another one that leads to the same peers may take its place between steps. */
  wire: WireHost;
  /** Position in the address table. */
  readonly index: number;
  readonly port: number;
  readonly data: DataPath;
  /** Queue pairs by the lower 24 bits of their number. */
  readonly numbers: Map<number, SoftQueuePair>;
  engine: Engine;
}
