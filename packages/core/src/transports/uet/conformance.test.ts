import { describe, it } from 'vitest';
import { transportSuite } from '../../testing/transport-suite.ts';
import { idempotentSuite } from './idempotent-suite.testdata.ts';
import { uet } from './index.ts';

describe('everything that Ultra Ethernet does here is reached through the common user API (R005 R181)', () => {
  transportSuite(uet, { describe, it });
});

describe('the same with writes and reads as idempotent requests (RUDI, uet:pds/6.1)', () => {
  idempotentSuite(uet);
});
