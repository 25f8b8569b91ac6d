/** One side of a measurement, whatever it is made of. */
import type { Endpoint } from '../session/endpoint.ts';
import type { LinkEnd, Place } from '../session/link.ts';
import type { PerfTest } from './perf-tests.ts';

export interface Lane {
  readonly endpoint: Endpoint;
  /** Bytes of one message. */
  readonly size: number;
  readonly depth: number;
  /** Kind of its queue pair. */
  readonly connection: string;
  /** How messages arrive, in a few words. */
  readonly delivery: string;
  /** What the peer must know. */
  readonly card: LaneCard;
  /** The lane of a peer at this place, as its `card` says. */
  connect(place: Place, card: LaneCard): void;
  /** Fills the source with a pattern. */
  fill(seed: number): void;
  /** Whether `messages` messages arrived here as a lane that was filled with `seed` sends them. */
  verify(test: PerfTest, messages: number, seed: number): boolean;
  /** Resolves when a completion is there, or after a while. */
  idle(): Promise<void>;
  close(): void;
}

export interface LaneShape {
  /** Bytes of one message. */
  readonly size: number;
  readonly depth: number;
  readonly ordered: boolean;
}

export interface LaneCard extends LinkEnd {
  readonly in: bigint;
  readonly out: bigint;
  /** Address of a fabric endpoint, hexadecimal. */
  readonly name?: string;
}
