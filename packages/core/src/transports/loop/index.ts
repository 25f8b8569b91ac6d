/**
 * Loop: the smallest complete transport, the first chapter of the tutorial. Stop-and-wait: each queue pair has one
 * packet in flight. Read `engine.ts` from top to bottom; nothing else is needed to understand it.
 */
import type { Transport } from '../../engine/engine.ts';
import { byteLength } from '../../wire/header.ts';
import { LoopHeader } from '../../wire/loop/loop.ts';
import { ATTRIBUTES } from './attributes.ts';
import { DROPS } from './drops.ts';
import { LoopEngine } from './engine.ts';

export const loop: Transport = {
  name: 'loop',
  udpPort: 4799,
  headerBytes: byteLength(LoopHeader),
  attributes: ATTRIBUTES,
  drops: DROPS,
  assignQpn(used, random, pidOfPd) {
    for (let tries = 0; tries < 10_000; tries++) {
      const qpn = ((1 + Math.floor(random() * 0xffe)) << 12) | (pidOfPd ?? 1 + Math.floor(random() * 0xffe));
      if (!used(qpn)) return qpn;
    }
    return -1;
  },
  createEngine: (services, config) => new LoopEngine(services, config),
};
