import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOSTILE_CASES } from './cases/index.ts';
import { HostileSuite } from './suite.ts';

const SEED = 20_260_802;
/** Many processes start here; a busy machine takes its time. */
const TIMEOUT_MS = 180_000;

describe(`hostile clients of a daemon (seed ${SEED})`, () => {
  let suite: HostileSuite;
  beforeAll(async () => {
    suite = await HostileSuite.start();
  });
  afterAll(async () => {
    expect(await suite.close()).toEqual([]);
  });

  it('the victim gets its work done when nobody attacks', () => {
    expect(suite.quiet).toMatchObject({ wrongBytes: 0, failures: [] });
    expect(suite.quiet.exchanges).toBeGreaterThan(10);
  });

  for (const one of HOSTILE_CASES) {
    it(
      `${one.proves}: ${one.name}`,
      async () => {
        const { problems } = await suite.run(one, SEED);
        expect(problems).toEqual([]);
      },
      TIMEOUT_MS,
    );
  }
});
