/** Attacks on delivery contexts: floods of starts, forged ends, guessed numbers, peers that never close. */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../base/random.ts';
import { NackCode, NextHeader, PdsType } from '../../../wire/uet/pds.ts';
import {
  AR,
  ack,
  ControlType,
  control,
  decode,
  fill,
  nack,
  readSes,
  request,
  START,
  SYN,
  sendSes,
  writeSes,
} from '../rig-packets.testdata.ts';
import { ATTACKER, HONEST, type Row, Scene } from './scene.testdata.ts';

/** Ways to end, confuse or take over a context, by somebody who knows all of its numbers. */
function endings({ id, remote_id: spdcid, tx_base: base, rx_cack: cack, mode, role }: Row): Uint8Array[] {
  const own = { spdcid, dpdcid: id };
  const ordered = mode === 'rod';
  const next = cack + 1;
  return [
    control(ControlType.CLOSE_COMMAND, { ...own, psn: next, flags: AR }),
    control(ControlType.CLOSE_REQUEST, { ...own, psn: next, flags: AR }),
    control(ControlType.CLEAR_COMMAND, { ...own, payload: next }),
    control(ControlType.NOOP, { ...own, psn: next, flags: AR }),
    control(13, { ...own, psn: next, flags: AR }),
    ack({ ...own, cack: base, req: 2 }),
    ack({ ...own, cack: base, mpr: 0, sack: [base + 1] }),
    ...Object.values(NackCode).map((code) => nack(code, { ...own, nackPsn: base })),
    request({ ...own, ordered, psn: next, ses: writeSes({}) }),
    request({ ...own, ordered: !ordered, psn: next, ses: writeSes({}) }),
    request({
      ...own,
      ordered,
      psn: next,
      next: role === 'target' ? NextHeader.RESPONSE_DATA : NextHeader.REQUEST_STD,
    }),
  ];
}

const states = (scene: Scene): string => JSON.stringify(scene.contexts(HONEST));

describe('floods of starts', () => {
  it('100,000 forged starts of as many addresses: the table is bounded, what is kept ends, nothing is amplified (uet:pds/3.4, uet:pds/3.6, N07, N20)', () => {
    const scene = new Scene({ settings: { maxContexts: 256, maxUnproven: 64, idleTime: 2e9 } });
    const turns = 500;
    let starts = 0;
    let most = 0;
    scene.during(turns, () => {
      for (let n = 0; n < 100_000 / turns; n++, starts++) {
        const psn = START + 0x1_0001 * starts;
        const ses = starts % 3 === 0 ? readSes(2_000) : starts % 3 === 1 ? writeSes({}) : sendSes({ jobId: 9 });
        const start = { psn, start: psn, flags: SYN | AR, spdcid: 1 + (starts % 0xffff), ordered: starts % 2 === 0 };
        scene.attack(request({ ...start, ses }), ATTACKER + starts);
      }
      most = Math.max(most, scene.census('contexts'));
    });
    expect(starts).toBe(100_000);
    expect(most).toBeLessThanOrEqual(64 + 8); // unproven ones, and those of the honest peer
    expect(scene.drops('unproven')).toBeGreaterThan(99_000);
    expect(scene.amplification).toBeLessThan(1);
    // whoever is honest can start anew meanwhile, and the table comes back
    scene.pass(30e9);
    expect(scene.contexts(HONEST)).toEqual([]);
    expect(scene.census('contexts')).toBe(0);
    scene.during(50, () => {});
    scene.close();
  }, 60_000);

  it('one peer that opens contexts and never closes them gets its share and no more (uet:pds/3.4, N07, N08)', () => {
    const scene = new Scene({ settings: { maxContexts: 64, maxTargetContextsPerPeer: 16, idleTime: 3e9 } });
    let starts = 0;
    const told = new Map<number, number>();
    scene.during(300, () => {
      // it hears what it is told, so it is proven whenever it has to be
      for (const bytes of scene.toAttacker.splice(0)) {
        const seen = decode(bytes);
        if (seen.code === NackCode.NEW_START_PSN) told.set(seen.dpdcid, seen.payload!);
        if (seen.kind === 'ack') scene.attack(request({ psn: seen.psn + 1, spdcid: seen.dpdcid, dpdcid: seen.spdcid }));
      }
      for (let n = 0; n < 10; n++) {
        const spdcid = 1 + (starts++ % 200);
        const psn = told.get(spdcid) ?? START + starts;
        scene.attack(request({ psn, start: psn, flags: SYN | AR, spdcid }));
      }
      expect(scene.contexts(ATTACKER).length).toBeLessThanOrEqual(16);
    });
    expect(scene.contexts(ATTACKER).length).toBe(16);
    expect(scene.drops('no_context')).toBeGreaterThan(1_000);
    // silent from now on: it is asked to close, and then no more is kept
    scene.pass(20e9);
    expect(scene.contexts(ATTACKER)).toEqual([]);
    scene.close();
  });

  it('starts that go wrong half-way leave no context behind: cut short, no request, other modes, reserved bits (uet:pds/3.4, N07, N31)', () => {
    const scene = new Scene();
    const whole = request({ psn: START, flags: SYN | AR, ses: writeSes({}) });
    scene.during(100, (turn) => {
      for (let n = 0; n < 56; n++) scene.attack(whole.slice(0, n), ATTACKER + turn);
      for (const type of [PdsType.RUDI_RESP, 0, 15, 31]) {
        const other = whole.slice();
        other[0] = (type << 3) | (other[0]! & 7);
        scene.attack(other, ATTACKER + turn);
      }
      for (const ctl of [1, 2, 3, 4, 5, 6, 7, 8, 10, 15]) {
        scene.attack(control(ctl, { psn: START, flags: SYN | AR, dpdcid: 0 }), ATTACKER + turn);
      }
      scene.attack(request({ psn: START, flags: SYN | AR, next: NextHeader.RESPONSE_DATA }), ATTACKER + turn);
    });
    expect(scene.contexts(ATTACKER)).toEqual([]);
    expect(scene.drops('short')).toBeGreaterThan(1_000);
    expect(scene.drops('next_header')).toBeGreaterThan(1_000);
    expect(scene.drops('control')).toBe(1_000);
    scene.close();
  });
});

describe('forged ends', () => {
  it('a Close Command, a Close Request, a fatal NACK, any packet from another address changes nothing, although all numbers fit (uet:pds/3.7, uet:pds/2.12, N04, N06)', () => {
    const scene = new Scene();
    let given = 0;
    scene.during(400, () => {
      const before = states(scene);
      for (const row of scene.contexts(HONEST)) {
        for (const bytes of endings(row)) {
          scene.attack(bytes);
          given++;
        }
      }
      expect(states(scene)).toBe(before);
      expect(scene.contexts(ATTACKER)).toEqual([]);
    });
    expect(scene.drops('peer_mismatch') + scene.drops('pdcid_zero')).toBe(given);
    expect(given).toBeGreaterThan(10_000);
    expect(scene.toAttacker).toEqual([]); // not even an answer
    scene.close();
  });

  it('with the right address and wrong context numbers none of them does either (uet:pds/2.18, N04, N05)', () => {
    const scene = new Scene();
    const random = new SeededRandom(5);
    scene.during(400, () => {
      const before = states(scene);
      const live = new Set(scene.contexts(HONEST).flatMap(({ id, remote_id }) => [id, remote_id]));
      for (const row of scene.contexts(HONEST)) {
        const other = () => {
          for (;;) {
            const id = 1 + random.below(0xffff);
            if (!live.has(id)) return id;
          }
        };
        for (const bytes of endings({ ...row, id: other(), remote_id: other() })) scene.attack(bytes, HONEST);
        if (row.remote_id === 0) continue;
        for (const bytes of endings({ ...row, remote_id: other() })) scene.attack(bytes, HONEST);
      }
      expect(states(scene)).toBe(before);
    });
    expect(scene.drops('unknown_pdc')).toBeGreaterThan(5_000);
    expect(scene.drops('pdc_mismatch')).toBeGreaterThan(5_000);
    scene.close();
  });

  it('a guess at a context that is still without an answer does not tie it to the guesser (uet:pds/3.3, uet:pds/3.8, N04, N05)', () => {
    const scene = new Scene({ settings: { idleTime: 5e6 } });
    let guesses = 0;
    for (let again = 0; again < 20; again++) {
      scene.during(10, () => {
        for (const row of scene.contexts(HONEST)) {
          if (row.remote_id !== 0) continue;
          guesses++;
          const own = { spdcid: 0x6666, dpdcid: row.id };
          const far = row.rx_cack + 100_000;
          for (const ctl of [0, 1, 2, 3, 5, 6, 7, 8, 12]) {
            scene.attack(control(ctl, { ...own, psn: ctl === 6 ? 0 : far, payload: far, flags: AR }), HONEST);
          }
          for (const next of [NextHeader.RESPONSE_DATA, NextHeader.REQUEST_STD]) {
            scene.attack(request({ ...own, psn: far, next, ses: fill(40) }), HONEST);
          }
          scene.attack(ack({ ...own, cack: row.tx_next + 100 }), HONEST);
          scene.attack(nack(NackCode.INV_DPDCID, { ...own, nackPsn: row.tx_next + 100 }), HONEST);
          expect(scene.contexts(HONEST).find(({ id }) => id === row.id)).toMatchObject({
            remote_id: 0,
            state: 'CREATING',
          });
        }
      });
      scene.pass(5e9);
    }
    expect(guesses).toBeGreaterThan(10);
    scene.close();
  });

  it('a close while data is outstanding, data after the close, two closes at a time: its own context ends, nothing else (uet:pds/3.7, N40)', () => {
    const scene = new Scene({ settings: { idleTime: 5e9 } });
    let spdcid = 0x100;
    scene.during(100, (turn) => {
      spdcid++;
      const psn = START + (turn << 16);
      scene.attack(request({ psn, start: psn, flags: SYN | AR, spdcid, ses: readSes(2_000) }));
      const row = scene.contexts(ATTACKER).find(({ remote_id }) => remote_id === spdcid)!;
      const own = { spdcid, dpdcid: row.id };
      if (turn % 2 === 0) scene.attack(request({ ...own, psn: psn + 1, ses: writeSes({}) })); // proves that it hears
      for (const _ of [0, 1]) scene.attack(control(ControlType.CLOSE_COMMAND, { ...own, psn: psn + 2, flags: AR }));
      scene.attack(request({ ...own, psn: psn + 3, ses: writeSes({}) }));
      expect(scene.contexts(ATTACKER).some(({ id }) => id === row.id)).toBe(false);
    });
    const codes = scene.toAttacker.map((bytes) => decode(bytes).code);
    expect(codes).toContain(NackCode.CLOSING_IN_ERR);
    expect(scene.contexts(ATTACKER)).toEqual([]);
    scene.close();
  });
});

describe('memory that waits for the rest of a message', () => {
  it('a peer that begins messages and ends none is held to its share, and to nothing once it is silent (uet:pds/2.12, N27)', () => {
    const settings = { maxInboundMessages: 256, maxInboundPerPeer: 64, maxTargetContextsPerPeer: 8, idleTime: 3e9 };
    const scene = new Scene({ settings });
    const opened = 8;
    for (let n = 0; n < opened; n++) scene.attack(request({ psn: START, flags: SYN | AR, spdcid: 1 + n }));
    scene.pass(1e5);
    const rows = scene.contexts(ATTACKER);
    expect(rows.length).toBe(opened);
    let begun = 0;
    scene.during(500, () => {
      for (const { id, remote_id: spdcid, rx_highest } of rows) {
        for (let n = 0; n < 25; n++, begun++) {
          const ses = writeSes({ messageId: 1 + (begun % 0xfff0), requestLength: 1_000, eom: 0 }, fill(256));
          scene.attack(request({ psn: rx_highest + 1 + (begun % 512), spdcid, dpdcid: id, ses }));
        }
      }
      expect(scene.census('inbound_messages')).toBeLessThanOrEqual(64 + 24);
    });
    expect(begun).toBe(100_000);
    expect(scene.drops('no_resource')).toBeGreaterThan(1_000);
    scene.pass(20e9);
    expect(scene.census('inbound_messages')).toBe(0);
    scene.close();
  }, 60_000);
});
