/** Ultra Ethernet Transport (UET 1.0). */
import type { Transport } from '../../engine/engine.ts';
import { ATTRIBUTES } from './attributes.ts';
import { DROPS } from './drops.ts';
import { UetEngine } from './engine.ts';

export const uet: Transport = {
  name: 'uet',
  udpPort: 4793,
  headerBytes: 56,
  attributes: ATTRIBUTES,
  drops: DROPS,
  assignQpn(used, random, pidOfPd) {
    for (let tries = 0; tries < 10_000; tries++) {
      const pid = pidOfPd ?? 1 + Math.floor(random() * 0xffe);
      const resource = 1 + Math.floor(random() * 0xffe);
      const qpn = (resource << 12) | pid;
      if (!used(qpn)) return qpn;
    }
    return -1;
  },
  createEngine: (services, config) => new UetEngine(services, config),
};
