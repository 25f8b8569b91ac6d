/** Ultra Ethernet Transport (UET 1.0). */
import type { Transport } from '../../engine/engine.ts';
import { randomQpn } from '../../engine/random-qpn.ts';
import { ATTRIBUTES } from './attributes.ts';
import { DROPS } from './drops.ts';
import { UetEngine } from './engine.ts';

export const uet: Transport = {
  name: 'uet',
  udpPort: 4793,
  headerBytes: 56,
  attributes: ATTRIBUTES,
  drops: DROPS,
  assignQpn: randomQpn,
  createEngine: (services, config) => new UetEngine(services, config),
};
