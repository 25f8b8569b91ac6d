/** Ultra Ethernet Transport (UET 1.0). */
import type { Transport } from '../../engine/engine.ts';
import { randomQpn } from '../../engine/random-qpn.ts';
import type { PacketSeal } from '../../engine/seal.ts';
import { ATTRIBUTES } from './attributes.ts';
import { uetCrcSeal } from './crc-seal.ts';
import { DROPS } from './drops.ts';
import { UetEngine } from './engine.ts';
import { NACK_TABLE } from './pds/nacks.ts';
import { RETURN_CODE_TABLE } from './return-codes.ts';
import { SecuredEngine } from './tss/secured-engine.ts';

/** Ultra Ethernet with protected packets (TSS). */
const secureUet = (seal: PacketSeal): Transport => ({
  ...uet,
  protects: true,
  headerBytes: uet.headerBytes + seal.headBytes + seal.tailBytes,
  createEngine: (services, config) => new SecuredEngine(uet.createEngine, services, config, seal),
});

export const uet: Transport = {
  name: 'uet',
  udpPort: 4793,
  headerBytes: 64,
  attributes: ATTRIBUTES,
  drops: DROPS,
  codes: [RETURN_CODE_TABLE, NACK_TABLE],
  assignQpn: randomQpn,
  createEngine: (services, config) => new UetEngine(services, config),
  sealFor: ({ crc = 0 }) => (crc === 1 ? uetCrcSeal : undefined),
  secured: secureUet,
};
