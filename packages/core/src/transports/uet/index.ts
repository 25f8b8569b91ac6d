/** Ultra Ethernet Transport (UET 1.0). */
import type { EngineConfig, Services, Transport } from '../../engine/engine.ts';
import { randomQpn } from '../../engine/random-qpn.ts';
import type { PacketSeal } from '../../engine/seal.ts';
import { UET_IP_PROTOCOL } from '../../wire/uet/entropy.ts';
import { ATTRIBUTES } from './attributes.ts';
import { nativeCrcSeal, uetCrcSeal } from './crc-seal.ts';
import { DROPS } from './drops.ts';
import { UetEngine } from './engine.ts';
import { NACK_TABLE } from './pds/nacks.ts';
import { RETURN_CODE_TABLE } from './return-codes.ts';
import { SecuredEngine } from './tss/secured-engine.ts';

/** All but what depends on what is below. */
const common = {
  name: 'uet',
  udpPort: 4793,
  headerBytes: 64,
  drops: DROPS,
  codes: [RETURN_CODE_TABLE, NACK_TABLE],
  assignQpn: randomQpn,
  createEngine: (services: Services, config: EngineConfig) => new UetEngine(services, config),
};

/** Ultra Ethernet with protected packets (TSS). @param portsKnown - the two halves of the entropy header are seen */
const secure = (bare: Transport, seal: PacketSeal, portsKnown: boolean): Transport => ({
  ...bare,
  protects: true,
  headerBytes: bare.headerBytes + seal.headBytes + seal.tailBytes,
  createEngine: (services, config) => new SecuredEngine(bare.createEngine, services, config, seal, portsKnown),
});

/** Ultra Ethernet directly over IP. @spec uet:pds/1.3 */
const uetOverIp: Transport = {
  ...common,
  createEngine: (services, config) => common.createEngine(services, { ...config, frontBytes: ENTROPY_BYTES }),
  ipProtocol: UET_IP_PROTOCOL,
  attributes: { ...ATTRIBUTES, addressType: 'UET/IP' },
  sealFor: ({ crc = 0 }) => (crc === 1 ? nativeCrcSeal : undefined),
  secured: (seal) => secure(uetOverIp, seal, true),
};

export const uet: Transport = {
  ...common,
  overIp: uetOverIp,
  attributes: ATTRIBUTES,
  sealFor: ({ crc = 0 }) => (crc === 1 ? uetCrcSeal : undefined),
  secured: (seal) => secure(uet, seal, false),
};

const ENTROPY_BYTES = 4;
