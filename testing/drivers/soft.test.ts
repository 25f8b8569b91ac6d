import { TRANSPORTS } from '@verbena/core';
import { driverSuite, softUnderTest } from '@verbena/core/testing';
import { describe, it } from 'vitest';

for (const transport of TRANSPORTS) driverSuite(softUnderTest(transport), { describe, it });
