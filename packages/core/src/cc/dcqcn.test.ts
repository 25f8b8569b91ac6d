import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../base/random.ts';
import { Dcqcn, type DcqcnParameters } from './dcqcn.ts';

const US = 1_000;
const PARAMETERS: DcqcnParameters = {
  ...{ lineRate: 1000e6, minRate: 1e6, additiveRate: 5e6, hyperRate: 50e6, gain: 1 / 16 },
  ...{ alphaTime: 55 * US, increaseTime: 300 * US, increaseBytes: 10e6, recoverySteps: 5 },
};
const MB = 1e6;
const make = () => new Dcqcn(PARAMETERS, 512);

describe('DCQCN (SIGCOMM 2015 §3)', () => {
  it('limits nothing before the first mark', () => {
    const cc = make();
    cc.onSent(1e9);
    expect(cc.rate(1e9)).toBe(Number.POSITIVE_INFINITY);
    expect(cc.isLimited).toBe(false);
  });

  it('halves at the first mark, and again while marks keep coming', () => {
    const cc = make();
    cc.onMark(0);
    expect(cc.rate(0)).toBe(500 * MB);
    cc.onMark(50 * US);
    expect(cc.rate(50 * US)).toBe(250 * MB);
    for (let i = 2; i < 100; i++) cc.onMark(i * 50 * US);
    expect(cc.rate(99 * 50 * US)).toBe(1 * MB); // and no lower
  });

  it('falls less after a time without marks: its estimate of congestion fell', () => {
    const cc = make();
    cc.onMark(0);
    expect(cc.alpha).toBe(1);
    expect(cc.rate(250 * US)).toBe(500 * MB);
    expect(cc.alpha).toBeCloseTo((15 / 16) ** 4, 10);
    cc.onMark(250 * US);
    expect(cc.rate(250 * US)).toBeCloseTo(500 * MB * (1 - (15 / 16) ** 4 / 2), 0);
  });

  it('recovers half way back at each step, then beyond: the curve', () => {
    const cc = make();
    cc.onMark(0);
    cc.onMark(0); // target 500
    const curve = Array.from({ length: 9 }, (_, i) => Math.round((cc.rate(i * 300 * US) / MB) * 10) / 10);
    expect(curve).toEqual([250, 375, 437.5, 468.8, 484.4, 492.2, 498.6, 504.3, 509.6]);
  });

  it('counts bytes as well as time, and hurries when both are beyond the recovery', () => {
    const slow = make();
    const fast = make();
    for (const cc of [slow, fast]) {
      cc.onMark(0);
      cc.onMark(0);
    }
    for (let i = 0; i < 10; i++) fast.onSent(10e6);
    const at = 9 * 300 * US;
    expect(fast.rate(at)).toBeGreaterThan(slow.rate(at) + 100 * MB);
  });

  it('is free again at the rate of the line, after however long a silence', () => {
    for (const silence of [1e9, 1e12, 9e15]) {
      const cc = make();
      for (let i = 0; i < 20; i++) cc.onMark(i);
      expect(cc.rate(20)).toBe(MB);
      expect(cc.rate(silence)).toBe(Number.POSITIVE_INFINITY);
      cc.onMark(silence);
      expect(cc.rate(silence)).toBe(500 * MB);
    }
  });

  it('stays between its bounds, whatever happens (seed 5; N18)', () => {
    const random = new SeededRandom(5);
    const cc = make();
    let now = 0;
    for (let i = 0; i < 20_000; i++) {
      now += random.below(200 * US);
      if (random.chance(0.3)) cc.onMark(now);
      else cc.onSent(random.below(20e6));
      if (random.chance(0.1)) cc.onLoss();
      if (random.chance(0.05)) cc.onTimeout();
      cc.onAck(random.below(10));
      const rate = cc.rate(now);
      expect(rate === Number.POSITIVE_INFINITY || (rate >= MB && rate <= 1000 * MB)).toBe(true);
      expect(cc.alpha >= 0 && cc.alpha <= 1).toBe(true);
      expect(cc.windowPackets()).toBeGreaterThan(0);
      expect(cc.windowPackets()).toBeLessThanOrEqual(512);
    }
  });
});
