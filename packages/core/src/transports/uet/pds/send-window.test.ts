import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { psnAdd, psnBefore, psnDelta } from '../../../base/psn.ts';
import { Kind, SendWindow, Sent } from './send-window.ts';

const SLOTS = 16;
const STARTS = [0, 1000, 0xffff_fff8, 0x7fff_fff8];

/** What became of each PSN, as a plain map: the model. */
class Model {
  readonly state = new Map<number, number>();
  base: number;
  next: number;
  cack: number;
  constructor(start: number) {
    this.base = this.next = start;
    this.cack = psnAdd(start, -1);
  }
  count(state: number): number {
    return [...this.state.values()].filter((one) => one === state).length;
  }
  advance(): void {
    while (this.state.get(this.base) === Sent.ACKED) {
      this.state.delete(this.base);
      this.base = psnAdd(this.base, 1);
    }
  }
}

const step = fc.record({ what: fc.nat({ max: 8 }), n: fc.nat({ max: SLOTS + 3 }) });

describe('send window (uet:pds/4.1, uet:pds/4.10, R187)', () => {
  it('agrees with a plain model, also across 2^32', () => {
    fc.assert(
      fc.property(fc.constantFrom(...STARTS), fc.array(step, { maxLength: 120 }), (start, steps) => {
        const window = new SendWindow(SLOTS);
        window.reset(start, 1024);
        const model = new Model(start);
        let now = 0;
        for (const { what, n } of steps) {
          const psn = psnAdd(model.base, n - 2);
          const known = model.state.get(psn);
          now++;
          if (what <= 2) {
            if (!window.open) continue;
            expect(window.push(now, Kind.REQUEST, n, 0, 8)).toBe(model.next);
            model.state.set(model.next, Sent.IN_FLIGHT);
            model.next = psnAdd(model.next, 1);
          } else if (what === 3) {
            expect(window.acknowledge(psn)).toBe(known !== undefined && known !== Sent.ACKED);
            if (known !== undefined) model.state.set(psn, Sent.ACKED);
          } else if (what === 4) {
            window.arrived(psn);
            if (known !== undefined && known !== Sent.ACKED) model.state.set(psn, Sent.ARRIVED);
          } else if (what === 5) {
            window.lose(psn);
            if (known !== undefined && known !== Sent.ACKED) model.state.set(psn, Sent.LOST);
          } else if (what === 6) {
            window.refuse(psn);
            if (known !== undefined && known !== Sent.ACKED && known !== Sent.LOST) model.state.set(psn, Sent.REFUSED);
          } else if (what === 7) {
            if (window.lost === 0) continue;
            const first = [...model.state].filter(([, state]) => state === Sent.LOST).map(([one]) => one);
            const lowest = first.reduce((a, b) => (psnBefore(a, b) ? a : b));
            expect(window.firstLost()).toBe(lowest);
            window.resent(now, lowest);
            model.state.set(lowest, Sent.IN_FLIGHT);
          } else {
            window.retryRefused();
            for (const [one, state] of model.state) if (state === Sent.REFUSED) model.state.set(one, Sent.LOST);
          }
          window.advance();
          model.advance();
          expect([window.base, window.next, window.outstanding]).toEqual([
            model.base,
            model.next,
            psnDelta(model.base, model.next),
          ]);
          expect([window.inFlight, window.lost, window.refused]).toEqual([
            model.count(Sent.IN_FLIGHT),
            model.count(Sent.LOST),
            model.count(Sent.REFUSED),
          ]);
          expect(window.clear).toBe(psnAdd(model.base, -1));
          for (const [one, state] of model.state) expect(window.pending(one)).toBe(state !== Sent.ACKED);
          expect(window.pending(model.next)).toBe(false);
          expect(window.pending(psnAdd(model.base, -1))).toBe(false);
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('opens as far as slots and the peer allow (uet:pds/4.2)', () => {
    const window = new SendWindow(SLOTS);
    window.reset(100, 4);
    for (let n = 0; n < 4; n++) window.push(0, Kind.REQUEST, 0, 0, 0);
    expect(window.open).toBe(false); // 104 > CACK 99 + 4
    window.cackSeen = 100;
    expect(window.open).toBe(true);
    expect(window.inRange(104)).toBe(true);
    expect(window.inRange(105)).toBe(false);
    window.range = 1000;
    while (window.open) window.push(0, Kind.REQUEST, 0, 0, 0);
    expect(window.outstanding).toBe(SLOTS);
  });

  it('infers a loss only when enough later packets have arrived (uet:pds/5.3)', () => {
    const window = new SendWindow(SLOTS);
    window.reset(0, 1024);
    for (let n = 0; n < 8; n++) window.push(0, Kind.REQUEST, 0, 0, 0);
    window.arrived(3);
    expect(window.inferLosses(4)).toBe(0);
    window.arrived(4);
    expect(window.inferLosses(4)).toBe(1); // PSN 0, four before PSN 4
    expect(window.firstLost()).toBe(0);
    window.resent(1, 0);
    expect(window.inferLosses(4)).toBe(0); // the repetition is younger than all that arrived
  });

  it('goes back over everything not acknowledged, arrived or not (uet:pds/5.4)', () => {
    const window = new SendWindow(SLOTS);
    window.reset(0, 1024);
    for (let n = 0; n < 6; n++) window.push(0, Kind.REQUEST, 0, 0, 0);
    window.acknowledge(3);
    window.arrived(4);
    expect(window.loseFrom(2)).toBe(3); // 2, 4 and 5
    expect(window.lost).toBe(3);
    expect(window.inFlight).toBe(2);
  });

  it('declares lost only what a probe can have seen', () => {
    const window = new SendWindow(SLOTS);
    window.reset(0, 1024);
    for (let n = 0; n < 4; n++) window.push(0, Kind.REQUEST, 0, 0, 0);
    const { serials } = window;
    window.push(0, Kind.REQUEST, 0, 0, 0);
    window.arrived(1);
    expect(window.loseUnprobed(3, serials)).toBe(2); // 0 and 2: 1 arrived, 3 beyond the bitmap, 4 younger
  });

  it('times out what was sent long enough ago', () => {
    const window = new SendWindow(SLOTS);
    window.reset(0, 1024);
    window.push(10, Kind.REQUEST, 0, 0, 0);
    window.push(20, Kind.REQUEST, 0, 0, 0);
    expect(window.loseSentBefore(10)).toBe(1);
    expect(window.lost).toBe(1);
  });

  it('counts pending PSNs of a kind', () => {
    const window = new SendWindow(SLOTS);
    window.reset(0, 1024);
    window.push(0, Kind.RETURN, 0, 0, 0);
    window.push(0, Kind.CONTROL, 0, 0, 0);
    window.push(0, Kind.RETURN, 0, 0, 0);
    window.acknowledge(0);
    expect(window.pendingOf(Kind.RETURN)).toBe(1);
  });

  it('keeps the floor of acknowledgements near the base, so that 2^31 PSNs are no limit', () => {
    const window = new SendWindow(SLOTS);
    window.reset(5, 1024);
    expect(window.floor).toBe(4);
    for (let n = 0; n < 4; n++) {
      window.base = window.next = psnAdd(window.base, 0x3fff_ffff);
      window.push(0, Kind.REQUEST, 0, 0, 0);
      window.acknowledge(window.base);
      window.advance();
      const behind = psnDelta(window.floor, window.base);
      expect(behind).toBeGreaterThan(0);
      expect(behind).toBeLessThanOrEqual(2 ** 30);
    }
  });
});
