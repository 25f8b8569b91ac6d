/** Attacks by a peer that lies about what it received, what it wants, and how much it can take. */
import { describe, expect, it } from 'vitest';
import { psnAdd, psnBefore } from '../../../base/psn.ts';
import { SeededRandom } from '../../../base/random.ts';
import { Status, WorkOpcode } from '../../../engine/status.ts';
import { NackCode, NextHeader } from '../../../wire/uet/pds.ts';
import { MAX_STORED } from '../pds/receive-window.ts';
import {
  AR,
  ack,
  ControlType,
  control,
  dataSes,
  decode,
  fill,
  JOB,
  nack,
  PROBED,
  readSes,
  request,
  responseSes,
  type Seen,
  START,
  SYN,
  sendSes,
  writeSes,
} from '../rig-packets.testdata.ts';
import { ATTACKER, MTU, type Row, Scene, type SceneOptions } from './scene.testdata.ts';

/** The liar's number of the context that the victim opens to it. */
const LIAR = 0x0bad;

/** The victim works with a peer that lies. */
class Lied extends Scene {
  /** Requests that the victim sent to the liar since they were looked at last. */
  readonly heard: Seen[] = [];
  readonly #targets: Uint8Array[] = [];
  #posted = 0;

  constructor(options: SceneOptions = {}) {
    super({ ...options, settings: { idleTime: 5e9, ...options.settings } });
  }

  /** Posts work to the liar. @returns memory of reads */
  post(opcode: number, length: number): Uint8Array {
    const { victim, rig } = this;
    const guarded = new Uint8Array(length + 2 * MTU).fill(0xa5);
    const bytes = guarded.subarray(MTU, MTU + length);
    if (opcode === WorkOpcode.RDMA_READ) bytes.fill(0);
    this.#targets.push(guarded);
    const id = LIED + this.#posted++;
    const region = victim.register(guarded, 0, 0);
    victim.post(1, { opcode, region, offset: MTU, length, wrIdLo: id, path: ATTACKER, rkeyLo: 5 });
    victim.engine.doorbell(rig.now, 1);
    return bytes;
  }

  get posted(): number {
    return this.#posted;
  }

  /** Statuses of what was posted to the liar. */
  get ended(): number[] {
    return this.victim.completions.filter((one) => !one.receive && one.wrIdLo >= LIED).map(({ status }) => status);
  }

  /** The context to the liar. */
  get row(): Row | undefined {
    return this.contexts(ATTACKER).find(({ role }) => role === 'initiator');
  }

  listen(): Seen[] {
    return this.toAttacker.splice(0).map((bytes) => decode(bytes));
  }

  /** An acknowledgement of the liar. */
  lie(row: Row, values: Omit<Parameters<typeof ack>[0], 'dpdcid' | 'spdcid'>): void {
    this.attack(ack({ dpdcid: row.id, spdcid: row.remote_id || LIAR, ...values }));
  }

  /** Nothing was written around the memory of reads. */
  expectFrames(): void {
    for (const guarded of this.#targets) {
      expect(guarded.subarray(0, MTU).every((byte) => byte === 0xa5)).toBe(true);
      expect(guarded.subarray(guarded.length - MTU).every((byte) => byte === 0xa5)).toBe(true);
    }
  }

  /** Lets the liar lie on, with that much time between, until all is settled. @returns how long that took, ns */
  untilSettled(lie: () => void, pace = 1e6): number {
    const start = this.rig.now;
    while (this.ended.length < this.posted) {
      if (this.rig.now > start + 300e9) throw new Error(`${this.ended.length} of ${this.posted} requests ended`);
      lie();
      this.pass(pace);
    }
    return this.rig.now - start;
  }
}

const LIED = 1_000_000;

describe('CACK and ACK_PSN', () => {
  it('CACK beyond what was sent, and before all that was: dropped and counted, releases nothing, in every state (uet:pds/4.7, N15)', () => {
    const scene = new Lied();
    let given = 0;
    let told = 0;
    scene.during(200, (turn) => {
      if (turn % 20 === 0) scene.post(WorkOpcode.RDMA_WRITE, 700);
      const { row } = scene;
      if (row === undefined) return;
      const before = JSON.stringify([scene.row, scene.ended.length]);
      for (const ahead of [0, 1, 100, 1024, 0x1_0000, 2 ** 30, 2 ** 31 - 1]) {
        scene.lie(row, { cack: psnAdd(row.tx_next, ahead) });
        given++;
      }
      for (const behind of [2, 100, 0x1_0000, 2 ** 30]) {
        scene.lie(row, { cack: psnAdd(row.tx_base, -behind - 2 ** 30) });
        given++;
      }
      // CACK as it should be, and ACK_PSN ahead of all
      for (const psn of [row.tx_next, psnAdd(row.tx_next, 5), psnAdd(row.tx_next, 30_000)]) {
        scene.lie(row, { cack: psnAdd(row.tx_base, -1), psn, ses: responseSes({ returnCode: 1 }) });
        given++;
      }
      expect(JSON.stringify([scene.row, scene.ended.length])).toBe(before);
      // and then what is true, now and then
      if (turn % 20 === 19) scene.lie(row, { cack: psnAdd(row.tx_next, -1) });
      told++;
    });
    expect(told).toBeGreaterThan(100);
    expect(scene.drops('ack_range')).toBe(given);
    expect(scene.ended.every((status) => status === Status.SUCCESS)).toBe(true);
    scene.close();
  });

  it('whatever is acknowledged, nothing is released that was not sent, the base never goes back, all stays in bounds (N15, N17, N18)', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const scene = new Lied({ settings: { windowPackets: 64 } });
      const random = new SeededRandom(seed);
      let base = -1;
      let id = 0;
      scene.during(300, () => {
        if (scene.posted < 60) {
          scene.post(
            [WorkOpcode.RDMA_WRITE, WorkOpcode.SEND, WorkOpcode.RDMA_READ][random.below(3)]!,
            random.below(3_000),
          );
        }
        for (let n = 0; n < 10; n++) {
          const { row } = scene;
          if (row === undefined) return;
          if (row.id === id && base >= 0) expect(psnBefore(row.tx_base, base)).toBe(false);
          [id, base] = [row.id, row.tx_base];
          expect(row.in_flight).toBeGreaterThanOrEqual(0);
          expect((row.tx_next - row.tx_base) >>> 0).toBeLessThanOrEqual(64);
          for (const value of Object.values(row))
            if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
          const cack = psnAdd(row.tx_base, random.below(70) - 3);
          const sackBase = psnAdd(cack, random.chance(0.2) ? random.below(0x1_0000) - 0x8000 : 1);
          scene.lie(row, {
            cack,
            psn: psnAdd(cack, random.below(80) - 40),
            flags: random.chance(0.1) ? PROBED : 0,
            req: random.chance(0.05) ? random.below(2) : 0,
            ...(random.chance(0.5)
              ? { mpr: random.below(256), sackBase, sack: [0, 1, 5, 31, 32, 63].map((at) => psnAdd(sackBase, at)) }
              : {}),
            ...(random.chance(0.3) ? { ses: responseSes({ returnCode: random.below(64), riGeneration: 7 }) } : {}),
          });
        }
      });
      scene.untilSettled(() => {});
      scene.expectFrames();
      scene.close();
    }
  });
});

describe('SACK', () => {
  it('SACK lies: everything has arrived and nothing is ever acknowledged: ends in bounded time, and frees what it held (uet:pds/4.6, N16)', () => {
    const scene = new Lied();
    scene.post(WorkOpcode.RDMA_WRITE, 5_000);
    scene.step();
    const lie = () => {
      const { row } = scene;
      if (row === undefined) return;
      const all = Array.from({ length: 64 }, (_, n) => psnAdd(row.tx_base, n));
      scene.lie(row, { cack: psnAdd(row.tx_base, -1), sackBase: row.tx_base, sack: all, psn: psnAdd(row.tx_base, -1) });
    };
    scene.during(100, lie);
    const took = scene.untilSettled(lie);
    expect(scene.ended).toEqual([Status.RETRY_EXC_ERR]);
    expect(took).toBeLessThan(20e9);
    expect(scene.row).toBeUndefined();
    expect(scene.census('messages')).toBe(0);
    scene.close();
  });

  it('answers to probes that were never asked do not keep it waiting for ever (uet:pds/4.11, N16)', () => {
    const scene = new Lied();
    scene.post(WorkOpcode.RDMA_WRITE, 5_000);
    scene.step();
    let opaque = 0;
    const took = scene.untilSettled(() => {
      for (const { ctl, opaque: asked = 0 } of scene.listen()) if (ctl === ControlType.PROBE) opaque = asked;
      const { row } = scene;
      if (row === undefined) return;
      const all = Array.from({ length: 64 }, (_, n) => psnAdd(row.tx_base, n));
      const values = { cack: psnAdd(row.tx_base, -1), sackBase: row.tx_base, sack: all, flags: PROBED };
      for (const guess of [0, 1, 2]) scene.lie(row, { ...values, opaque: (opaque + guess) & 0xffff });
    });
    expect(scene.ended).toEqual([Status.RETRY_EXC_ERR]);
    expect(took).toBeLessThan(60e9);
    scene.close();
  });

  it('what was said to have arrived and then is missing is sent again: reneging costs time and nothing else (uet:pds/4.6, N17)', () => {
    const scene = new Lied();
    scene.post(WorkOpcode.RDMA_WRITE, 20 * MTU);
    scene.step();
    const got = new Set<number>();
    scene.untilSettled(() => {
      for (const { kind, psn } of scene.listen()) if (kind === 'request') got.add(psn);
      const { row } = scene;
      if (row === undefined) return;
      // first all is there, then nothing
      if (got.size < 40) {
        const sack = Array.from({ length: 20 }, (_, n) => psnAdd(row.tx_base, n));
        scene.lie(row, { cack: psnAdd(row.tx_base, -1), psn: psnAdd(row.tx_base, -1), sackBase: row.tx_base, sack });
      }
      scene.attack(nack(NackCode.PKT_NOT_RCVD, { nackPsn: row.tx_base, spdcid: LIAR, dpdcid: row.id }));
    });
    expect(scene.ended).toEqual([Status.RETRY_EXC_ERR]);
    expect(scene.victim.engine.counters.get('retransmitted_packets')).toBeGreaterThan(5);
    scene.close();
  });
});

describe('windows and credit', () => {
  it('window abuse: MPR of 0, of everything, up and down: never more than windowPackets on the way, never stuck (uet:pds/4.2, N18, N19)', () => {
    const scene = new Lied({ settings: { windowPackets: 128 } });
    const random = new SeededRandom(8);
    for (let n = 0; n < 20; n++) scene.post(WorkOpcode.RDMA_WRITE, 4_000);
    let most = 0;
    const serve = () => {
      const { row } = scene;
      if (row === undefined) return;
      most = Math.max(most, row.in_flight);
      const mpr = [0, 255, 1, random.below(256)][random.below(4)]!;
      const cack = psnAdd(row.tx_base, random.below(((row.tx_next - row.tx_base) >>> 0) + 1) - 1);
      scene.lie(row, { cack, mpr });
      for (const credit of [0, 0xff_ffff, 0x80_0000, random.below(0x100_0000)]) {
        scene.attack(control(ControlType.CREDIT, { spdcid: row.remote_id, dpdcid: row.id, payload: credit }));
        scene.attack(control(ControlType.CREDIT_REQUEST, { spdcid: row.remote_id, dpdcid: row.id, payload: credit }));
      }
    };
    scene.during(300, serve);
    scene.untilSettled(serve);
    expect(scene.ended.every((status) => status === Status.SUCCESS)).toBe(true);
    expect(most).toBeGreaterThan(4);
    expect(most).toBeLessThanOrEqual(128);
    scene.close();
  });

  it('PSNs outside of the window are refused one by one, at 2^31 and 2^32 as well; one window of gaps is all that is kept (uet:pds/4.3, N05, N28)', () => {
    const scene = new Scene({ settings: { defaultMpr: 1, idleTime: 5e9 } });
    scene.attack(request({ psn: START, flags: SYN | AR, spdcid: LIAR }));
    scene.pass(1e5);
    const { id } = scene.contexts(ATTACKER)[0]!;
    const send = (psn: number, flags = 0) =>
      scene.attack(request({ psn: psn >>> 0, clear: psn - 1, spdcid: LIAR, dpdcid: id, flags }));
    let outside = 0;
    scene.toAttacker.length = 0;
    scene.during(100, () => {
      for (const ahead of [129, 130, 1_000, 0x7fff, 0x1_0000, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 128]) {
        send(START + ahead);
        outside++;
      }
    });
    expect(scene.drops('window')).toBe(outside);
    expect(scene.contexts(ATTACKER)[0]!.rx_cack).toBe(START);
    const codes = new Set(scene.toAttacker.map((bytes) => decode(bytes).code));
    expect([...codes]).toEqual([NackCode.PSN_OOR_WINDOW]);
    scene.during(100, () => {
      for (let ahead = 2; ahead <= 128; ahead++) send(START + ahead, AR);
    });
    expect(scene.contexts(ATTACKER)[0]).toMatchObject({ rx_cack: START, rx_highest: START + 128 });
    expect(scene.drops('duplicate')).toBe(99 * 127);
    scene.close();
  });

  it('a peer that never clears, or clears what never came, keeps as many answers as there is room for and moves nothing (uet:pds/4.4, N15)', () => {
    const scene = new Scene({ settings: { idleTime: 5e9 } });
    scene.attack(request({ psn: START, flags: SYN | AR, spdcid: LIAR }));
    scene.pass(1e5);
    const { id } = scene.contexts(ATTACKER)[0]!;
    let next = 1;
    scene.during(MAX_STORED + 50, () => {
      // reads of a few bytes, whose answer must be kept
      const psn = START + (next++ % 900);
      scene.attack(request({ psn, clear: START - 1, spdcid: LIAR, dpdcid: id, ses: readSes(8) }));
      for (const clear of [psn + 1_000, psn + 0x7000, START - 5]) {
        scene.attack(request({ psn: START + 2_000, clear, spdcid: LIAR, dpdcid: id }));
        scene.attack(control(ControlType.CLEAR_COMMAND, { spdcid: LIAR, dpdcid: id, payload: clear >>> 0 }));
      }
    });
    expect(scene.contexts(ATTACKER)[0]!.rx_cack).toBe(START);
    expect(scene.drops('no_resource')).toBe(50);
    scene.close();
  });
});

describe('refusals', () => {
  it('NACKs of every code for everything, without end: its own requests end, soon, with a status (uet:pds/2.12, uet:pds/5.2, N06)', () => {
    const ends = new Map<number, number>();
    for (const [name, code] of Object.entries(NackCode)) {
      const scene = new Lied({ settings: { nackRetx: 10_000 } });
      scene.post(WorkOpcode.RDMA_WRITE, 10 * MTU);
      scene.step();
      const storm = () => {
        scene.listen();
        const { row } = scene;
        if (row === undefined) return;
        for (let psn = psnAdd(row.tx_base, -2); psn !== psnAdd(row.tx_next, 2); psn = psnAdd(psn, 1)) {
          const payload = code === NackCode.NEW_START_PSN ? psn + 77_777 : row.tx_base;
          scene.attack(nack(code, { nackPsn: psn, spdcid: LIAR, dpdcid: row.id, payload: payload >>> 0 }));
        }
      };
      scene.during(20, storm);
      const took = scene.untilSettled(storm);
      expect(took, name).toBeLessThan(120e9);
      expect(scene.ended.length, name).toBe(1);
      expect(scene.ended[0], name).not.toBe(Status.SUCCESS);
      ends.set(code, scene.ended[0]!);
      expect(scene.census('messages'), name).toBe(0);
      scene.close();
    }
    expect(ends.get(NackCode.CLOSING_IN_ERR)).toBe(Status.REM_ABORT_ERR);
    expect(ends.get(NackCode.RCVD_SES_PROCG)).toBe(Status.RETRY_EXC_ERR);
  });

  it('answers without end, and never the data: a read is given up (uet:pds/4.9, N08)', () => {
    const scene = new Lied();
    scene.post(WorkOpcode.RDMA_READ, 5_000);
    scene.step();
    const took = scene.untilSettled(() => {
      scene.listen();
      const { row } = scene;
      if (row === undefined) return;
      scene.lie(row, { cack: psnAdd(row.tx_next, -1) });
      const own = { spdcid: LIAR, dpdcid: row.id };
      scene.attack(control(ControlType.PROBE, { ...own, payload: row.rx_cack + 1, flags: AR }));
    }, 20e6);
    expect(scene.ended).toEqual([Status.RETRY_EXC_ERR]);
    expect(took).toBeLessThan(120e9);
    scene.close();
  });
});

describe('read data', () => {
  it('offsets and lengths at 2^32 and beyond the read, twice, unasked: nothing is written beside the place that was asked for (uet:pds/4.9, N24, N25)', () => {
    const scene = new Lied();
    const length = 5 * MTU - 100;
    scene.during(20, (turn) => {
      if (turn % 10 === 0) scene.post(WorkOpcode.RDMA_READ, length);
      const { row } = scene;
      if (row === undefined) return;
      scene.lie(row, { cack: psnAdd(row.tx_next, -1) });
      let psn = row.rx_highest;
      const offsets = [0, 1, MTU, 4 * MTU, 5 * MTU, 2 ** 31 - MTU, 2 ** 31, 2 ** 32 - MTU, 2 ** 32 - 1];
      for (const messageOffset of offsets) {
        for (const [size, said] of [
          [MTU, MTU],
          [MTU, 0x3fff],
          [0, MTU],
          [MTU - 100, MTU - 100],
          [16, 0],
        ] as const) {
          for (const readRequestMessageId of [1, 2, 0, 0xffff]) {
            const ses = dataSes(
              { readRequestMessageId, messageOffset, payloadLength: said, modifiedLength: length },
              fill(size),
            );
            const own = { spdcid: row.remote_id, dpdcid: row.id, next: NextHeader.RESPONSE_DATA };
            psn = psnAdd(psn, 1);
            // none of them completes a read: the second piece never comes
            if (messageOffset === MTU && size === MTU && said === MTU) continue;
            scene.attack(request({ ...own, psn, ses }));
          }
        }
      }
      for (const returnCode of [2, 0x1d, 63]) {
        const ses = dataSes({ readRequestMessageId: 3, messageOffset: 2 ** 32 - 1, returnCode }, fill(0));
        scene.attack(
          request({
            psn: psnAdd(psn, returnCode),
            spdcid: row.remote_id,
            dpdcid: row.id,
            next: NextHeader.RESPONSE_DATA,
            ses,
          }),
        );
      }
    });
    expect(scene.drops('response')).toBeGreaterThan(100);
    scene.expectFrames();
    scene.untilSettled(() => {}, 1e9);
    scene.expectFrames();
    scene.close();
  });
});

describe('many peers that do not keep their word', () => {
  it('a silent one, one that never grants, one that only repeats itself: each holds up its own work only (uet:pds/5.1, N08, N19)', () => {
    const scene = new Lied();
    for (let peer = 0; peer < 10; peer++) {
      for (let n = 0; n < 3; n++) {
        const bytes = fill(600, n);
        const region = scene.victim.register(bytes, 0, 0);
        const to = { path: ATTACKER + peer, rkeyLo: 5, jobId: JOB };
        scene.victim.post(1, { opcode: WorkOpcode.RDMA_WRITE, region, length: 600, wrIdLo: 9e6 + peer, ...to });
      }
    }
    scene.victim.engine.doorbell(scene.rig.now, 1);
    const first = new Map<number, Uint8Array>();
    scene.during(200, () => {
      for (const bytes of scene.toAttacker.splice(0)) {
        const seen = decode(bytes);
        if (seen.kind !== 'request') continue;
        const { spdcid } = seen;
        if (!first.has(spdcid))
          first.set(spdcid, ack({ cack: seen.start! - 1, psn: seen.start! - 1, dpdcid: spdcid, spdcid: 5 }));
      }
      let n = 0;
      for (const again of first.values())
        if (n++ % 3 === 0) for (let i = 0; i < 5; i++) scene.attack(again, ATTACKER + n - 1);
    });
    scene.pass(60e9);
    const failed = scene.victim.completions.filter((one) => !one.receive && one.wrIdLo >= 9e6);
    expect(failed.length).toBe(30);
    expect(new Set(failed.map(({ status }) => status))).toEqual(new Set([Status.RETRY_EXC_ERR]));
    scene.attack(request({ psn: START, flags: SYN | AR, spdcid: LIAR, ses: sendSes({ jobId: 9 }) }));
    scene.attack(request({ psn: START, flags: SYN | AR, spdcid: LIAR + 1, ses: writeSes({}) }));
    scene.close();
  });
});
