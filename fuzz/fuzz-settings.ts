/** Settings of the devices under attack, drawn for each bed: they decide which packets are on the way at all. */
import type { SeededRandom } from '@verbena/core';

export const drawSettings = (transport: string, random: SeededRandom): Record<string, number> =>
  Object.fromEntries((CHOICES[transport] ?? []).filter(() => random.chance(0.5)).map(([name, value]) => [name, value]));

const CHOICES: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  uet: [
    ['shortHeaders', 1],
    ['deferAbove', 64],
    ['rendezvousAbove', 300],
    ['ccState', 3],
    ['ccRequests', 1],
    ['negotiate', 1],
    ['rejectTooLong', 1],
    ['maxUnexpected', 16],
    ['maxUnexpectedBytes', 4096],
    ['maxUnproven', 0],
    ['rudiAnyRegion', 1],
    ['windowPackets', 16],
    ['inferLossPackets', 8],
  ],
};
