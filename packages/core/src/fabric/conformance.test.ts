import { describe, it } from 'vitest';
import { TRANSPORTS } from '../catalog.ts';
import { fabricSuite } from '../testing/fabric-suite.ts';

const LOSSY = [
  'messages/ordered-endpoints-keep-order-SAS',
  'rma/ordered-writes-then-message',
  'rma/a-fence-waits-for-writes-without-an-order',
  'rma/fence-waits-for-reads',
  'queues/lossy-links-lose-nothing',
];

for (const transport of TRANSPORTS) {
  const skip =
    transport.name === 'loop' ? [{ reason: 'the tutorial transport does not repair losses', cases: LOSSY }] : [];
  fabricSuite(transport, { describe, it, skip });
}
