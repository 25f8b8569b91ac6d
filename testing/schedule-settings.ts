/** Settings that runs draw from their seed: each alone changes what goes over the wire, and so do all together. */
import type { SeededRandom } from '@verbena/core';

/** Short headers, messages that are put off or read by their target, congestion state, a checksum, small windows. */
export function drawUetSettings(random: SeededRandom): Record<string, number> {
  const settings: Record<string, number> = {};
  for (const [names, values] of CHOICES) {
    if (!random.chance(0.5)) continue;
    const value = values[random.below(values.length)]!;
    for (const name of names) settings[name] = value;
  }
  return settings;
}

const MS = 1_000_000;
const CHOICES: readonly (readonly [names: readonly string[], values: readonly number[]])[] = [
  [['shortHeaders'], [1]],
  [['deferAbove'], [1, 64, 500]],
  [['deferTimeout'], [20 * MS, 200 * MS]],
  [['rendezvousAbove'], [1, 300, 1500]],
  [['ccRequests'], [1]],
  [['ccState'], [1, 2, 3]],
  [['crc'], [1]],
  [['windowPackets'], [16, 32]],
  [
    ['maxMessages', 'maxInboundMessages', 'maxInboundPerPeer'],
    [16, 32],
  ],
  [['maxUnexpected'], [0, 4, 16]],
  [['maxUnexpectedBytes'], [2_048, 16_384]],
  [['reorderBuffer'], [0, 4]],
  [['negotiate'], [1]],
  [['maxUnproven'], [0]],
  [['maxAckData'], [0]],
  [['atomicResults'], [4]],
  [['inferLossPackets'], [8, 64]],
];
