import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Window } from './window.ts';

describe('congestion window', () => {
  it('doubles each round trip before the first loss', () => {
    const window = new Window(1024);
    const start = window.packets;
    window.onAck(start);
    expect(window.packets).toBe(2 * start);
    window.onAck(10_000);
    expect(window.packets).toBe(1024);
  });

  it('falls by a third at a loss and then grows by one each round trip', () => {
    const window = new Window(1024);
    window.onAck(236);
    expect(window.packets).toBe(300);
    window.onLoss();
    expect(window.packets).toBe(200);
    for (let n = 0; n < 199; n++) window.onAck(1);
    expect(window.packets).toBe(200);
    window.onAck(1);
    expect(window.packets).toBe(201);
  });

  it('falls by an eighth at a mark, which ends the fast growth, and never below two packets', () => {
    const window = new Window(1024);
    window.onMark();
    expect(window.packets).toBe(56);
    window.onAck(55);
    expect(window.packets).toBe(56);
    for (let n = 0; n < 100; n++) window.onMark();
    expect(window.packets).toBe(2);
  });

  it('restarts after a time-out and grows fast up to half of what it was', () => {
    const window = new Window(1024);
    window.onAck(1000);
    window.onTimeout();
    const floor = window.packets;
    expect(floor).toBeLessThanOrEqual(64);
    window.onAck(512 - floor);
    expect(window.packets).toBe(512);
    window.onAck(512);
    expect(window.packets).toBe(513);
  });

  it('stays a whole number between 1 and its bound, whatever happens (N18)', () => {
    const event = fc.oneof(
      fc.record({ what: fc.constant('ack' as const), n: fc.nat({ max: 5000 }) }),
      fc.record({
        what: fc.constantFrom('loss' as const, 'mark' as const, 'timeout' as const, 'reset' as const),
        n: fc.constant(0),
      }),
    );
    fc.assert(
      fc.property(fc.constantFrom(1, 16, 33, 4096), fc.array(event, { maxLength: 100 }), (most, events) => {
        const window = new Window(most);
        for (const { what, n } of events) {
          if (what === 'ack') window.onAck(n);
          else if (what === 'loss') window.onLoss();
          else if (what === 'mark') window.onMark();
          else if (what === 'timeout') window.onTimeout();
          else window.reset();
          expect(Number.isInteger(window.packets)).toBe(true);
          expect(window.packets).toBeGreaterThanOrEqual(1);
          expect(window.packets).toBeLessThanOrEqual(most);
        }
      }),
      { seed: 6, numRuns: 200 },
    );
  });
});
