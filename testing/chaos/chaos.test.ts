import { describe, expect, it } from 'vitest';
import { runChaos } from './chaos.ts';

const FROM = Number(process.env.SEED ?? 1);
const ROUNDS = 300;

describe('chaos', () => {
  it.each(Array.from({ length: 8 }, (_, i) => FROM + i))(
    'seed %i: unplug, replug, reset, death and failing calls under traffic leave nothing (R177 R026 R032 R178 R228)',
    (seed) => {
      const { left, counts, trace } = runChaos(seed, ROUNDS);
      expect(left).toEqual([]);
      for (const action of ['traffic', 'unplug', 'reset', 'die', 'close', 'fault']) {
        expect(counts[action], action).toBeGreaterThan(3);
      }
      const completions = trace.filter((line) => line.includes('completed')).join(' ');
      // both outcomes happen: data moves on, and what was cut off is told
      expect(completions.match(/SUCCESS/g)?.length).toBeGreaterThan(20);
      expect(completions).toMatch(/_ERR|EIO/);
      expect(trace.join(' ')).toContain('DEVICE_FATAL');
    },
  );

  it('the same seed makes the same trace, another seed another one (R177)', () => {
    expect(runChaos(FROM, 200)).toEqual(runChaos(FROM, 200));
    expect(runChaos(FROM, 200).trace).not.toEqual(runChaos(FROM + 1, 200).trace);
  });
});
