/**
 * Fuzzing from the command line, for a bounded time:
 *
 *   npm run fuzz -w fuzz -- --seconds 30 --seed 1 [--target engine|secured|parsers|uapi]
 *
 * Prints what was done and what went wrong; exit status 1 when anything did.
 */
import { parseArgs } from 'node:util';
import { TRANSPORTS } from '@verbena/core';
import { captureTraffic } from '@verbena/core/testing';
import { readCorpus } from './corpus.ts';
import type { FuzzReport } from './fuzz-run.ts';
import { fuzzEngine } from './targets/engine.ts';
import { fuzzParsers } from './targets/parsers.ts';
import { fuzzSecured } from './targets/secured.ts';
import { fuzzUapi } from './targets/uapi.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: process.env.SEED ?? '1' },
    target: { type: 'string' },
  },
});
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
const targets: Record<string, (expired: () => boolean) => FuzzReport>[] = [
  ...TRANSPORTS.map((transport) => ({
    engine: (expired: () => boolean) => fuzzEngine(transport, { seed, expired, corpus: readCorpus(transport.name) }),
  })),
  ...TRANSPORTS.filter(({ secured }) => secured !== undefined).map((transport) => ({
    secured: (expired: () => boolean) => fuzzSecured(transport, { seed, expired, corpus: readCorpus(transport.name) }),
  })),
  { uapi: (expired: () => boolean) => fuzzUapi({ seed, expired }) },
  {
    parsers: (expired: () => boolean) => {
      const packets = TRANSPORTS.flatMap((transport) =>
        captureTraffic(transport, seed).packets.map(({ bytes }) => bytes),
      );
      return fuzzParsers({ seed, expired, packets, corpus: readCorpus('captures') });
    },
  },
];
const chosen = targets
  .flatMap((one) => Object.entries(one))
  .filter(([name]) => values.target === undefined || values.target === name);
if (!(seconds > 0) || !Number.isInteger(seed) || chosen.length === 0) {
  console.error('usage: --seconds N --seed N [--target engine|secured|parsers|uapi]');
  process.exit(2);
}
for (const [, run] of chosen) {
  const end = performance.now() + (seconds * 1000) / chosen.length;
  const { target, inputs, failures, facts } = run(() => performance.now() >= end);
  const about = Object.entries(facts).map(([name, count]) => `${name} ${count}`);
  console.log(`${target}: ${inputs} inputs, seed ${seed}, ${about.join(', ')}, ${failures.length} failures`);
  for (const failure of failures) console.log(`\n${failure}`);
  if (failures.length > 0) process.exitCode = 1;
}
