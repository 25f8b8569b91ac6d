import { TRANSPORTS } from '@verbena/core';
import { captureTraffic } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { readCorpus } from './corpus.ts';
import { fuzzEngine } from './targets/engine.ts';
import { fuzzParsers } from './targets/parsers.ts';
import { fuzzSecured } from './targets/secured.ts';
import { fuzzUapi } from './targets/uapi.ts';

const SEED = Number(process.env.SEED ?? 1);

describe('a short fuzzing run', () => {
  it.each([...TRANSPORTS])('of the $name engine finds nothing', (transport) => {
    const report = fuzzEngine(transport, { seed: SEED, inputs: 8000, corpus: readCorpus(transport.name) });
    expect(report.failures).toEqual([]);
    // it was not in vain: most packets were dropped under a reason, and honest work went on
    expect(report.facts.dropped).toBeGreaterThan(2000);
    expect(report.facts.exchanges).toBeGreaterThan(20);
  });

  it.each(TRANSPORTS.filter(({ secured }) => secured !== undefined))(
    'of protected $name endpoints finds nothing: packets that are forged, and such as a member of the domain makes (R191)',
    (transport) => {
      const report = fuzzSecured(transport, { seed: SEED, inputs: 4096, corpus: readCorpus(transport.name) });
      expect(report.failures).toEqual([]);
      // both kinds were met, and what got past protection was processed
      expect(report.facts.unopened).toBeGreaterThan(300);
      expect(report.facts.dropped! - report.facts.unopened!).toBeGreaterThan(500);
      expect(report.facts.exchanges).toBeGreaterThan(20);
    },
  );

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

  it('of the user API finds nothing: always an answer, books in order, nothing left (R224 R058)', () => {
    const report = fuzzUapi({ seed: SEED, inputs: 20_000 });
    expect(report.failures).toEqual([]);
    // it was not in vain: calls of most methods went well, and most errors of the table were met
    expect(report.facts.accepted).toBeGreaterThan(4000);
    expect(report.facts.refused).toBeGreaterThan(4000);
    expect(report.facts.methods).toBeGreaterThan(50);
    expect(report.facts.codes).toBeGreaterThan(10);
    expect(report.facts.objects).toBeGreaterThan(100);
  });
});
