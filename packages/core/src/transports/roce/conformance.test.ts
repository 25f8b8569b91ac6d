import { describe, it } from 'vitest';
import { transportSuite } from '../../testing/transport-suite.ts';
import { roce } from './index.ts';

describe('everything that RoCEv2 does here is reached through the common user API (R005 R181)', () => {
  transportSuite(roce, { describe, it });
});
