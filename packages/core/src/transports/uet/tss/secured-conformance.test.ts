import { describe, it } from 'vitest';
import { transportSuite } from '../../../testing/transport-suite.ts';
import { idempotentSuite } from '../idempotent-suite.testdata.ts';
import { SecuredNetwork } from './secured-rig.testdata.ts';

describe('everything that Ultra Ethernet does here, with protected packets (uet:tss/10, uet:tss/11)', () => {
  const { transport } = new SecuredNetwork(() => ({ mode: 'cluster' }), {}, undefined, false);
  transportSuite(transport, { describe, it });
});

describe('the same with idempotent requests, where replays are allowed (uet:tss/14.1)', () => {
  const { transport } = new SecuredNetwork(() => ({ mode: 'direct' }), { replays: true }, undefined, false);
  idempotentSuite(transport);
});
