import { describe, it } from 'vitest';
import { transportSuite } from '../../testing/transport-suite.ts';
import { uet } from './index.ts';

describe('everything that Ultra Ethernet does here is reached through the common user API (R005 R181)', () => {
  transportSuite(uet, { describe, it });
});
