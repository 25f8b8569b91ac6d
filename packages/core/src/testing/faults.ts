/** What a link does to packets on their way, one direction of it. Each may be changed while packets are under way. */
import type { Nanos } from '../engine/time.ts';

export interface LinkFaults {
  /** Chances of one packet, 0 to 1. */
  loss: number;
  duplicate: number;
  /** Held back by up to `reorderNs`, so that later ones overtake. */
  reorder: number;
  /** Some random bits are flipped. */
  corrupt: number;
  /** A switch cuts the payload off and marks the packet. */
  trim: number;
  /** Marked with congestion experienced. */
  mark: number;
  /** Corrupted packets are noticed and dropped on arrival, as checksums would; false: they are delivered. */
  checksum: boolean;
  delayNs: Nanos;
  /** Added to the delay, uniform from 0; below `delayNs` it does not reorder by itself. */
  jitterNs: Nanos;
  reorderNs: Nanos;
  /** Nothing gets through. */
  blackout: boolean;
}

export const CLEAN: Readonly<LinkFaults> = {
  loss: 0,
  duplicate: 0,
  reorder: 0,
  corrupt: 0,
  trim: 0,
  mark: 0,
  checksum: true,
  delayNs: 2_000,
  jitterNs: 0,
  reorderNs: 50_000,
  blackout: false,
};
