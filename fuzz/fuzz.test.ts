import { TRANSPORTS } from '@verbena/core';
import { captureTraffic } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { readCorpus } from './corpus.ts';
import { fuzzEngine } from './targets/engine.ts';
import { fuzzParsers } from './targets/parsers.ts';

const SEED = Number(process.env.SEED ?? 1);

describe('a short fuzzing run', () => {
  it.each([...TRANSPORTS])('of the $name engine finds nothing', (transport) => {
    const report = fuzzEngine(transport, { seed: SEED, inputs: 8000, corpus: readCorpus(transport.name) });
    expect(report.failures).toEqual([]);
    // it was not in vain: most packets were dropped under a reason, and honest work went on
    expect(report.facts.dropped).toBeGreaterThan(2000);
    expect(report.facts.exchanges).toBeGreaterThan(20);
  });

  it('of the parsers finds nothing', () => {
    const packets = TRANSPORTS.flatMap((transport) =>
      captureTraffic(transport, SEED).packets.map(({ bytes }) => bytes),
    );
    const report = fuzzParsers({ seed: SEED, inputs: 10_000, packets, corpus: readCorpus('captures') });
    expect(report.failures).toEqual([]);
    expect(report.facts.layers).toBeGreaterThan(5000);
    expect(report.facts.problems).toBeGreaterThan(1000);
    expect(report.facts.refusedFiles).toBeGreaterThan(100);
    expect(report.facts.readFrames).toBeGreaterThan(1000);
  });
});
