/** Attacks on protected traffic by those who have no key, another key, an old key, or recordings. */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../base/random.ts';
import { Datagram } from '../../../engine/seal.ts';
import { NackCode, NextHeader, PdsType } from '../../../wire/uet/pds.ts';
import {
  AR,
  ack,
  ControlType,
  control,
  nack,
  request,
  SAFE_KEY,
  START,
  SYN,
  writeSes,
} from '../rig-packets.testdata.ts';
import { DomainTable } from '../tss/domain-table.ts';
import { PacketProtection } from '../tss/packet-protection.ts';
import { keyOf, SDI, SecuredNetwork } from '../tss/secured-rig.testdata.ts';
import { TestCipher } from '../tss/test-cipher.testdata.ts';
import { ADDRESSES, ATTACKER, HONEST, type Row, Scene } from './scene.testdata.ts';

const OTHER_SDI = 0xbeef;

/** Seals what it likes under a key of its own, as coming from any address. */
class Forger {
  readonly #protection: PacketProtection;
  readonly #datagram = new Datagram();

  /** @param from - as which node: 0 the honest peer, 2 itself */
  constructor(key: Uint8Array, { sdi = SDI, an = 0, from = 0 } = {}) {
    const table = new DomainTable(new TestCipher());
    table.add({ sdi, mode: 'direct' }, { bytes: key, an });
    this.#protection = new PacketProtection(table, { domain: sdi });
    this.#datagram.source = ADDRESSES[from]!.address;
    this.#datagram.destination = ADDRESSES[1].address;
  }

  seal(clear: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(16 + clear.length + 16);
    bytes.set(clear, 16);
    const view = new DataView(bytes.buffer);
    const protection = this.#protection;
    const handle = protection.handleOf(undefined);
    return bytes.subarray(16 - protection.seal(handle, HONEST, this.#datagram, view, bytes, 16, clear.length));
  }
}

/** One packet of every kind that could do harm, by somebody who knows all numbers of a context. */
function everyKind({ id, remote_id: spdcid, tx_base: base, rx_cack: cack, mode }: Row): Uint8Array[] {
  const own = { spdcid, dpdcid: id };
  const ordered = mode === 'rod';
  const std = NextHeader.REQUEST_STD;
  return [
    request({ ...own, ordered, psn: cack + 1 }),
    request({ psn: START, flags: SYN | AR, spdcid: 0x7777 }),
    ack({ ...own, cack: base, req: 2 }),
    ack({ ...own, cack: base, mpr: 0, sack: [base + 1] }),
    nack(NackCode.CLOSING_IN_ERR, { ...own, nackPsn: base }),
    nack(NackCode.NEW_START_PSN, { ...own, nackPsn: base, payload: 1 }),
    control(ControlType.CLOSE_COMMAND, { ...own, psn: cack + 1, flags: AR }),
    control(ControlType.CLOSE_REQUEST, { ...own, psn: cack + 1, flags: AR }),
    Uint8Array.of(
      (PdsType.RUDI_REQ << 3) | (std >> 1),
      (std & 1) << 7,
      0,
      0,
      0,
      0,
      0,
      7,
      ...writeSes({ memoryKey: SAFE_KEY }),
    ),
  ];
}

const direct = () => new SecuredNetwork(() => ({ mode: 'direct' as const }));
const state = (scene: Scene): string => JSON.stringify([scene.contexts(HONEST), scene.contexts(ATTACKER)]);

describe('who has not the key', () => {
  it('a wrong key: no packet of any kind does anything, not even a forged close or start; nothing is answered (uet:tss/15, uet:pds/3.7, N04, N12)', () => {
    const network = direct();
    const scene = new Scene({ network });
    const forger = new Forger(keyOf(99));
    let given = 0;
    scene.during(200, () => {
      const before = state(scene);
      for (const row of scene.contexts(HONEST)) {
        for (const clear of everyKind(row)) {
          scene.attack(forger.seal(clear), HONEST);
          given++;
        }
      }
      expect(state(scene)).toBe(before);
    });
    expect(given).toBeGreaterThan(5_000);
    expect(scene.drops('tss_auth')).toBe(given);
    expect(network.nodes[1]!.table.get(SDI).forged).toBe(given);
    scene.close();
  }, 60_000);

  it('a flood of 20,000 starts under a wrong key keeps nothing and costs the honest peer nothing (uet:tss/14, N07, N12)', () => {
    const scene = new Scene({ network: direct() });
    const forger = new Forger(keyOf(99));
    const before = new Scene({ network: direct() });
    before.during(1, () => {});
    let starts = 0;
    scene.during(100, () => {
      for (let n = 0; n < 200; n++, starts++) {
        const psn = START + starts * 0x1_0001;
        const clear = request({ psn, start: psn, flags: SYN | AR, spdcid: 1 + starts });
        scene.attack(forger.seal(clear), n % 2 === 0 ? HONEST : ATTACKER);
      }
      expect(scene.census('contexts')).toBeLessThanOrEqual(before.census('contexts'));
    });
    expect(starts).toBe(20_000);
    expect(scene.drops('tss_auth')).toBe(starts);
    expect(scene.amplification).toBe(0);
    expect(scene.victim.engine.counters.get('contexts_failed')).toBe(0);
    scene.close();
    before.close();
  }, 60_000);

  it('in the clear: every packet of every kind is dropped in silence (uet:tss/15, N11)', () => {
    const scene = new Scene({ network: direct() });
    let given = 0;
    scene.during(200, () => {
      const before = state(scene);
      for (const row of scene.contexts(HONEST)) {
        for (const clear of everyKind(row)) {
          scene.attack(clear, HONEST);
          given++;
        }
      }
      expect(state(scene)).toBe(before);
    });
    expect(scene.drops('tss_clear')).toBe(given);
    scene.close();
  });

  it('a wrong domain: unknown ones are dropped; a member of another one does not reach contexts and queue pairs of this (uet:tss/4, uet:tss/15, N03, N04)', () => {
    const network = direct();
    const scene = new Scene({ network });
    const unknown = new Forger(keyOf(5), { sdi: 0xdead });
    const member = new Forger(keyOf(6), { sdi: OTHER_SDI });
    const itself = new Forger(keyOf(6), { sdi: OTHER_SDI, from: 2 });
    network.nodes[1]!.table.add({ sdi: OTHER_SDI, mode: 'direct' }, { bytes: keyOf(6), an: 0 });
    let [given, forged] = [0, 0];
    scene.during(200, () => {
      const before = JSON.stringify(scene.contexts(HONEST).filter(({ remote_id }) => remote_id !== 0x7777));
      for (const row of scene.contexts(HONEST)) {
        if (row.remote_id === 0 || row.remote_id === 0x7777) continue;
        for (const clear of everyKind(row)) {
          scene.attack(unknown.seal(clear), HONEST);
          scene.attack(member.seal(clear), HONEST);
          scene.attack(itself.seal(clear), ATTACKER);
          given++;
        }
      }
      const after = scene.contexts(HONEST).filter(({ remote_id }) => remote_id !== 0x7777);
      expect(JSON.stringify(after)).toBe(before);
      forged = scene.open.reduce((sum, byte) => sum + byte, 0);
    });
    const guards = 2 * 512 * 0xa5;
    expect(forged).toBe(guards); // none of its writes found a queue pair
    expect(scene.drops('tss_domain')).toBe(given);
    expect(scene.drops('peer_mismatch')).toBeGreaterThan(given);
    expect(scene.drops('tss_auth')).toBe(0);
    scene.close();
  }, 60_000);
});

describe('who has an old key', () => {
  it('a rotated-out key: what was recorded under it and what is forged under it is dropped, while rotations go on (uet:tss/13, N09)', () => {
    const network = direct();
    const scene = new Scene({ network });
    const leaked = new Forger(keyOf(0), { an: 0 });
    let given = 0;
    scene.during(400, (turn) => {
      if (turn % 40 === 20) {
        network.rotate();
        // a copy from before two rotations is under a key that is nowhere any more
        if (network.rotations === 2) for (const { table } of network.nodes) table.get(SDI).retire(1);
      }
      if (network.rotations < 2) return;
      const before = state(scene);
      for (const row of scene.contexts(HONEST)) {
        for (const clear of everyKind(row)) {
          scene.attack(leaked.seal(clear), HONEST);
          given++;
        }
      }
      for (const packet of scene.recorded.slice(0, 20)) {
        if (packet.to !== scene.victim) continue;
        scene.attack(packet.bytes, HONEST);
        given++;
      }
      expect(state(scene)).toBe(before);
    });
    expect(network.rotations).toBe(10);
    expect(given).toBeGreaterThan(5_000);
    expect(scene.drops('tss_auth') + scene.drops('tss_key')).toBe(given);
    scene.close();
  }, 60_000);
});

describe('who has recordings', () => {
  for (const secureStart of [0, 1]) {
    it(`replayed packets, all of them, at once and later, in both directions: nothing is delivered twice (secureStart ${secureStart}; uet:tss/14, N09)`, () => {
      const settings = { secureStart, idleTime: 2e9 };
      const scene = new Scene({ network: direct(), settings });
      const random = new SeededRandom(3);
      let given = 0;
      const replay = (share: number) => {
        for (const packet of scene.recorded) {
          if (!random.chance(share)) continue;
          scene.rig.deliver(packet.to, packet.bytes, HONEST);
          given++;
        }
      };
      scene.during(60, () => replay(0.2));
      // all contexts of that are gone; then the same numbers find new ones
      scene.pass(10e9);
      expect(scene.contexts(HONEST)).toEqual([]);
      const events = ['contexts_accepted', 'messages_received'].map((name) => scene.victim.engine.counters.get(name));
      replay(1);
      expect(scene.contexts(HONEST)).toEqual([]);
      expect(['contexts_accepted', 'messages_received'].map((name) => scene.victim.engine.counters.get(name))).toEqual(
        events,
      );
      scene.during(60, () => replay(0.05));
      expect(given).toBeGreaterThan(2_000);
      scene.close();
    }, 60_000);
  }
});
