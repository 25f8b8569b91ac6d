import { describe, it } from 'vitest';
import { transportSuite } from '../../testing/transport-suite.ts';
import { loop } from './index.ts';

transportSuite(loop, {
  ...{ describe, it },
  skip: [
    {
      reason: 'a queue pair does one request at a time, so a dead peer holds up what was posted behind',
      cases: ['dead-peer/others-of-the-same-queue-pair-go-on'],
    },
  ],
});
