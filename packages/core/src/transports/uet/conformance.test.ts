import { describe, it } from 'vitest';
import { transportSuite } from '../../testing/transport-suite.ts';
import { uet } from './index.ts';

transportSuite(uet, { describe, it });
