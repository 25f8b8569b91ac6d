import { driverSuite, softUnderTest } from '@verbena/core/testing';
import { describe, it } from 'vitest';
import { RELIABLE_KINDS } from '../reliable-kinds.ts';

for (const { transport, kind } of RELIABLE_KINDS) {
  const name = `soft with ${transport.name} ${kind}`;
  driverSuite(softUnderTest(transport, undefined, name, kind), { describe, it });
}
