/** Receives and messages that meet often: few tags, sources and masks. */
import fc from 'fast-check';
import { ReceiveWork } from '../work.ts';
import { Envelope } from './envelope.ts';

const word = fc.constantFrom(0, 1, 2, 3, 0x8000_0000, 0xffff_ffff);
const mask = fc.constantFrom(0, 0, 0, 1, 0xff, 0xffff_fffe, 0xffff_ffff);
const path = fc.constantFrom(1, 2, 3);
const job = fc.constantFrom(7, 8);
const source = fc.constantFrom(0, 5, 0x8000_0001);

export const anEnvelope: fc.Arbitrary<Envelope> = fc
  .record({
    tagged: fc.boolean(),
    tagLo: word,
    tagHi: fc.constantFrom(0, 0x8000_0000),
    sourceId: source,
    path,
    jobId: job,
  })
  .map((fields) => Object.assign(new Envelope(), fields));

/** @param masks - how the bits that do not count are drawn */
export const aReceive = (masks: fc.Arbitrary<number> = mask): fc.Arbitrary<ReceiveWork> =>
  fc
    .record({
      tagged: fc.boolean(),
      tagLo: word,
      tagHi: fc.constantFrom(0, 0x8000_0000),
      ignoreLo: masks,
      ignoreHi: fc.constantFrom(0, 0xffff_ffff),
      directed: fc.boolean(),
      sourceId: source,
      path: fc.oneof(fc.constant(0), path),
      jobId: fc.oneof(fc.constant(0), job),
      wrIdLo: fc.nat({ max: 8 }),
      wrIdHi: fc.constantFrom(0, 0xffff_ffff),
    })
    .map((fields) => Object.assign(new ReceiveWork(), fields));

/** So many masks that not all of them get a hash. */
export const manyMasks: fc.Arbitrary<number> = fc.nat({ max: 63 }).map((n) => n << 2);
