import { describe, expect, it } from 'vitest';
import { EngineRig } from '../../testing/engine-rig.ts';
import { ATTRIBUTES, SETTINGS } from './attributes.ts';
import { uet } from './index.ts';

describe('settings (uet:pds/7)', () => {
  it('have defaults inside their ranges, and names of their own', () => {
    for (const { name, value, min, max } of SETTINGS) expect(value >= min && value <= max, name).toBe(true);
    expect(new Set(SETTINGS.map(({ name }) => name)).size).toBe(SETTINGS.length);
  });

  it('are refused by name and by range, with what would work', () => {
    expect(() => new EngineRig(uet, { settings: { noSuch: 1 } })).toThrow(/no setting 'noSuch'; it has .*rtoInit/);
    for (const { name, min, max } of SETTINGS) {
      for (const wrong of [min - 1, max + 1, Number.NaN]) {
        expect(() => new EngineRig(uet, { settings: { [name]: wrong } }), name).toThrow(/out of range/);
      }
    }
  });
});

describe('sizes (uet:pds/1.5)', () => {
  it('payload of a packet fits the 14 bits that later packets have for it', () => {
    expect(ATTRIBUTES.limits.maxPayloadMtu).toBe(2 ** 14 - 1);
  });
});
