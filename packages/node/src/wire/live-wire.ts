/** What a live wire adds to the wire host contract: memory to gather from, wake-ups, figures, an end. */
import type { DmaSpace, Seal, WireHost } from '@verbena/core';
import type { TrafficClasses } from './traffic-classes.ts';

export interface LiveWire extends WireHost {
  /** How packets travel: `gso` bursts, `batch` single system calls, `dgram` Node's own sockets. */
  readonly level: IoLevel;
  /** False: packets arrive only when the event loop turns. */
  readonly polls: boolean;
  /** The address that peers send to, with the port that was bound. */
  readonly local: LocalAddress;
  /** Send routes of one path. */
  readonly entropies: number;
  /** UDP source port of each route; directly over IP the entropy value. */
  readonly ports: readonly number[];
  /** Bytes that the system buffers on receive; 0 when unknown. */
  readonly receiveBufferBytes: number;
  /** The memory that payload slices name. To be set before the first packet is sent. */
  dma: DmaSpace;
  counters(): Record<string, number>;
  /** Calls back once when packets may wait; returns at once. Call again to be woken again. */
  wakeOnPacket(woken: () => void): void;
  /** Takes the wish of {@link wakeOnPacket} back. */
  stopWaking(): void;
  /** Whether waiting for packets keeps the process alive. */
  hold(alive: boolean): void;
  close(): void;
}

export type IoLevel = 'gso' | 'batch' | 'dgram';

export interface LocalAddress {
  /** Without a zone: that is of this end only. */
  readonly text: string;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  /** UDP port; 0 directly over IP. */
  readonly port: number;
}

export interface WireOptions {
  /** Local address as text, with or without a zone. */
  readonly address: string;
  /** UDP port; 0 lets the system choose. */
  readonly port: number;
  /** Port that peers listen on when nothing else is said. */
  readonly peerPort: number;
  /** Send routes, 1 to {@link MAX_ENTROPIES}; route 0 is the receiving socket. */
  readonly entropies: number;
  /** Number of the IP protocol that packets are, without UDP: then there are no ports. */
  readonly ipProtocol?: number | undefined;
  /** DSCP of packets. Default 0 for all of them. */
  readonly classes?: TrafficClasses | undefined;
  /** They were asked for: a wire that cannot set them is refused. */
  readonly classesAsked?: boolean;
  /** What is put behind each packet, and checked before an engine sees one. */
  readonly seal?: Seal | undefined;
}

export const MAX_ENTROPIES = 64;
export const DEFAULT_ENTROPIES = 4;
/** Of a wire that is not told. */
export const NO_CLASSES: TrafficClasses = { data: 0, control: 0 };
/** Packets of one flush. */
export const MAX_PACKETS = 128;
/** Most bytes of one datagram; below the 65,507 that IPv4 allows, so that a burst has room to spare. */
export const MAX_DATAGRAM = 65_000;
