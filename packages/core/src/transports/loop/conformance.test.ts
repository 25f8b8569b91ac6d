import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type SuiteOptions, transportSuite } from '../../testing/transport-suite.ts';
import { loop } from './index.ts';

const LINKS: NonNullable<SuiteOptions['skip']> = [
  {
    reason: 'loop is for links that lose nothing: it never sends again',
    cases: [
      ...['faults/loss-*', 'faults/corruption/*', 'faults/everything/*', 'faults/blackout-that-ends'],
      ...['order/ordered-messages-arrive-in-order', 'determinism/same-seed-same-trace'],
    ],
  },
  {
    reason: 'loop is for links that repeat nothing: it would do a repeated request twice',
    cases: [
      ...['faults/duplicates/*', 'faults/late-duplicates-change-nothing'],
      'receiver/each-message-takes-one-receive',
    ],
  },
];

transportSuite(loop, {
  ...{ describe, it },
  skip: [
    ...LINKS,
    {
      reason: 'a queue pair does one message at a time, so a dead peer holds up what was posted behind',
      cases: ['dead-peer/others-of-the-same-queue-pair-go-on'],
    },
  ],
});

transportSuite(loop, { describe, it, kind: 'RC', skip: LINKS });

describe('loop', () => {
  it('is a complete transport in under 200 lines', () => {
    const folder = new URL('./', import.meta.url);
    const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
    const lines = files.map((name) => readFileSync(new URL(name, folder), 'utf8').trimEnd().split('\n').length);
    expect(files.sort()).toEqual(['engine.ts', 'index.ts']);
    expect(lines.reduce((sum, count) => sum + count, 0)).toBeLessThan(200);
  });
});
