/** Loop: the smallest complete transport, first chapter of the tutorial in docs/transports/loop.md. */
import type { Transport } from '../../engine/engine.ts';
import { randomQpn } from '../../engine/random-qpn.ts';
import { MAX_INLINE, MAX_SEGMENTS } from '../../engine/work.ts';
import { LOOP_HEADER_BYTES } from '../../wire/loop/loop.ts';
import { createLoopEngine, TIMEOUT } from './engine.ts';

const drop = (name: string, text: string) => ({ name, text, section: 'docs/transports/loop' });

export const loop: Transport = {
  name: 'loop',
  udpPort: 4799,
  headerBytes: LOOP_HEADER_BYTES,
  attributes: {
    addressType: 'Loop/UDP',
    queuePairTypes: ['RU', 'RC'],
    operations: ['send', 'write', 'write-imm', 'read'],
    ordering: ['ordered', 'unordered'],
    ...{ reliable: true, immediateBits: 64, keyBits: 48, jobsOnWire: true },
    limits: {
      ...{ maxQueuePairs: 64, maxMessageBytes: 0xffff_ffff, maxPayloadMtu: 65_000, maxWorkRequests: 16_384 },
      ...{ maxSegments: MAX_SEGMENTS, maxInlineBytes: MAX_INLINE, maxJobs: 4096, maxJobId: 0xff_ffff },
    },
    settings: [{ name: 'timeout', value: TIMEOUT, unit: 'ns', min: 1e5, max: 6e10, text: 'longest silence of a peer' }],
  },
  drops: [
    drop('malformed', 'shorter than the header, trimmed, or of an unknown kind'),
    drop('stray', 'an answer that nobody waits for'),
    drop('refused', 'a request to an engine that closes or has too much to send'),
  ],
  assignQpn: randomQpn,
  createEngine: createLoopEngine,
};
