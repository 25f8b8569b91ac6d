/** The wire host: batches of packets in and out. The host owns sockets and memory; engines never see them. */
import type { Engine } from './engine.ts';
import type { Packet } from './packet.ts';
import type { Nanos } from './time.ts';

export interface WireHost {
  /** Hands waiting packets to the engine, at most one batch. @returns how many */
  receive(now: Nanos, engine: Engine): number;
  /** The next transmit slot, reset, with {@link HEADER_ROOM} bytes of headers; undefined while the host is full. */
  slot(): Packet | undefined;
  /** Takes the slot that `slot` gave last, filled. Nothing need leave before `flush`. */
  send(now: Nanos): void;
  flush(now: Nanos): void;
  /** When the host itself must be driven again (delayed packets of a fault injector); NEVER otherwise. */
  deadline(): Nanos;
  /** The handle for a peer, made on first use. 0 when the table is full. */
  path(address: PeerAddress): number;
  /** The peer behind a path; undefined for an unknown one. */
  peer(path: number): PeerAddress | undefined;
}

/** 16 bytes, IPv4 as ::ffff:a.b.c.d, and the UDP port that packets are sent to. */
export interface PeerAddress {
  readonly address: Uint8Array;
  readonly port: number;
}
