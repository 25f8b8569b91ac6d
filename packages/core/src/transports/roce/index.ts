/** RoCEv2: RDMA over converged Ethernet, version 2 (IBTA annex A17). */
import type { Transport } from '../../engine/engine.ts';
import { ROCE_UDP_PORT } from '../../wire/roce/bth.ts';
import { ATTRIBUTES } from './attributes.ts';
import { CODES } from './codes.ts';
import { DROPS } from './drops.ts';
import { RoceEngine } from './engine.ts';
import { icrcSeal } from './seal.ts';

export const roce: Transport = {
  name: 'roce',
  udpPort: ROCE_UDP_PORT,
  headerBytes: 36,
  attributes: ATTRIBUTES,
  drops: DROPS,
  codes: CODES,
  seal: icrcSeal,
  assignQpn,
  createEngine: (services, config) => new RoceEngine(services, config),
};

/** By chance, so that numbers cannot be foreseen; 0 and 1 are the management queue pairs, all ones is multicast. */
function assignQpn(used: (qpn: number) => boolean, random: () => number): number {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const qpn = FIRST_QPN + Math.floor(random() * (MULTICAST_QPN - FIRST_QPN));
    if (!used(qpn)) return qpn;
  }
  return -1;
}

const FIRST_QPN = 2;
const MULTICAST_QPN = 0xff_ffff;
const MAX_TRIES = 10_000;
