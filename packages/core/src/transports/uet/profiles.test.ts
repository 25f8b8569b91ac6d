import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loop } from '../loop/index.ts';
import { roce } from '../roce/index.ts';
import { ATTRIBUTES, OFFER } from './attributes.ts';
import { FEATURES, type Offer, PARTS, type Part, PROFILES, profilesOf } from './profiles.ts';

const NAMES = Object.keys(PARTS) as Part[];
const allParts = (value: boolean) =>
  Object.fromEntries(NAMES.map((name) => [name, value])) as Readonly<Record<Part, boolean>>;

/** Features with a different answer, as `profile: feature`. */
const changed = (offer: Offer, parts: Readonly<Record<Part, boolean>>): string[] => {
  const before = answers(OFFER, PARTS);
  return Object.entries(answers(offer, parts)).flatMap(([name, met]) => (before[name] === met ? [] : [name]));
};

const answers = (offer: Offer, parts: Readonly<Record<Part, boolean>>): Readonly<Record<string, boolean>> =>
  Object.fromEntries(
    profilesOf(offer, parts).flatMap(({ name, demands }) => demands.map((one) => [`${name}: ${one.feature}`, one.met])),
  );

const demandedOf = (feature: string) => PROFILES.map((name) => `${name}: ${feature}`);

describe('profiles (uet:ses/6.3, uet:cms/11)', () => {
  it('are part of what UET says of itself; other transports have none', () => {
    expect(ATTRIBUTES.profiles).toEqual(profilesOf(OFFER));
    expect(ATTRIBUTES.profiles!.map(({ name }) => name)).toEqual(['AI Base', 'AI Full', 'HPC']);
    expect([roce, loop].map(({ attributes }) => attributes.profiles)).toEqual([undefined, undefined]);
  });

  it('judge every feature that they demand, each once', () => {
    expect(new Set(FEATURES.map(({ name }) => name)).size).toBe(FEATURES.length);
    profilesOf(OFFER).forEach(({ name, demands }, i) => {
      const musts = FEATURES.filter((one) => one.demands[i] === 'must');
      expect(
        demands.map(({ feature }) => feature),
        name,
      ).toEqual(musts.map((one) => one.name));
      for (const { section } of demands) expect(section).toMatch(/^uet:(ses|cms)\/\d/);
    });
    // AI Full is AI Base and more; HPC is not AI Full and more
    const [base, full, hpc] = profilesOf(OFFER).map(({ demands }) => demands.map(({ feature }) => feature));
    expect(base!.filter((one) => !full!.includes(one))).toEqual([]);
    expect(full!.filter((one) => !hpc!.includes(one))).toEqual(['deferrable send']);
  });

  it('are met by an engine that has everything, and by none that lacks a part that they demand', () => {
    const everything = answers(OFFER, allParts(true));
    expect(Object.keys(everything).filter((name) => !everything[name])).toEqual([]);
    for (const name of NAMES) {
      const lacking = profilesOf(OFFER, { ...allParts(true), [name]: false });
      const unmet = lacking.filter(({ demands }) => demands.some(({ met }) => !met)).length;
      // what no profile demands, only permits
      expect(unmet > 0, name).toBe(name !== 'rccc');
    }
  });

  it('change their answer with each part, in one feature', () => {
    for (const name of NAMES.filter((one) => one !== 'rccc')) {
      const different = changed(OFFER, { ...PARTS, [name]: !PARTS[name] });
      expect(new Set(different.map((one) => one.slice(one.indexOf(': ')))).size, name).toBe(1);
    }
  });

  const without: [Partial<Offer>, string][] = [
    [{ operations: ['send', 'write', 'write-imm'] }, 'untagged send, write, read'],
    [{ queuePairTypes: ['RU'] }, 'datagrams (UUD)'],
    [{ ordering: ['ordered'] }, 'unordered delivery (RUD)'],
    [{ ordering: ['unordered'] }, 'ordered delivery (ROD)'],
    [{ immediateBits: 32 }, 'completion data of 64 bits'],
    [{ limits: { ...OFFER.limits, maxMessageBytes: 2 ** 30 - 1 } }, 'remote accesses of 1 GB'],
  ];
  for (const [offer, feature] of without) {
    it(`change their answer without ${feature}`, () => {
      expect(changed({ ...OFFER, ...offer }, PARTS)).toEqual(demandedOf(feature));
    });
  }

  it('change their answer without idempotent delivery, which HPC alone demands', () => {
    expect(changed({ ...OFFER, idempotent: false }, PARTS)).toEqual(['HPC: idempotent delivery (RUDI)']);
  });

  it('claim atomics exactly when the operations have them', () => {
    expect(PARTS.fetchingAtomics).toBe(OFFER.operations.includes('fetch-add'));
  });

  it('stand in the documents as they are in the table', () => {
    const page = readFileSync(new URL('../../../../../docs/transports/uet.md', import.meta.url), 'utf8');
    const rows = FEATURES.map(
      ({ name, demands, sure, isThere }) =>
        `| ${name} | ${demands.join(' | ')} | ${sure} | ${isThere(OFFER, PARTS) ? 'yes' : 'not yet'} |`,
    );
    expect(page).toContain(`\n${rows.join('\n')}\n`);
  });
});
