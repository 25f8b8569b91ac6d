/** The faults of a link, by chance: what schedules live with. */
import type { SeededRandom } from '../base/random.ts';
import { CLEAN, type LinkFaults } from './faults.ts';

/** @param isHostile - false: it delays packets, and does nothing else */
export function randomFaults(random: SeededRandom, isHostile: boolean): LinkFaults {
  const sometimes = (most: number) => (random.chance(0.4) ? random.next() * most : 0);
  const faults = {
    ...CLEAN,
    loss: sometimes(0.15),
    duplicate: sometimes(0.2),
    reorder: sometimes(0.3),
    corrupt: sometimes(0.05),
    mark: sometimes(0.5),
    trim: sometimes(0.05),
    delayNs: 1_000 + random.below(20_000),
    jitterNs: random.chance(0.5) ? random.below(10_000) : 0,
    reorderNs: 1_000 + random.below(100_000),
    blackout: random.chance(0.03),
  };
  const { delayNs, jitterNs } = faults;
  return isHostile ? faults : { ...CLEAN, delayNs, jitterNs };
}
