import { DmaSpace, MILLISECOND, type Nanos, NEVER } from '@verbena/core';
import { afterEach, describe, expect, test } from 'vitest';
import { DgramWire } from '../wire/dgram-wire.ts';
import { Clock } from './clock.ts';
import { Driver, SPIN_NS } from './driver.ts';

const closing: { close(): void }[] = [];
afterEach(() => {
  for (const one of closing.splice(0).reverse()) one.close();
});

/** Counts steps; work and deadlines as told. */
class Kernel {
  steps = 0;
  work = 0;
  due: Nanos = NEVER;
  onStep = (_now: Nanos): void => {};
  step(now: Nanos): number {
    this.steps++;
    this.onStep(now);
    return this.work > 0 ? this.work-- : 0;
  }
  deadline = (): Nanos => this.due;
}

async function driver(): Promise<{ kernel: Kernel; driver: Driver; wire: DgramWire; clock: Clock }> {
  const wire = await DgramWire.open(new DmaSpace(), { address: '127.0.0.91', port: 0, peerPort: 0, entropies: 1 });
  const kernel = new Kernel();
  const clock = new Clock();
  const made = new Driver(kernel, [wire], clock, SPIN_NS);
  closing.push(wire, made);
  return { kernel, driver: made, wire, clock };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('driver', () => {
  test('an idle device is not driven at all', async () => {
    const { kernel } = await driver();
    for (let i = 0; i < 50; i++) await turn();
    expect(kernel.steps).toBe(0);
  });

  test('however often progress is scheduled, a turn has it once', async () => {
    const { kernel, driver: made } = await driver();
    for (let i = 0; i < 10; i++) made.schedule();
    await turn();
    expect(kernel.steps).toBe(1);
  });

  test('polling that did work is followed up on the event loop until the work ends', async () => {
    const { kernel, driver: made } = await driver();
    kernel.work = 20;
    expect(made.progress()).toBeGreaterThan(0);
    while (kernel.work > 0) await turn();
    const { steps } = kernel;
    expect(steps).toBeGreaterThan(20);
  });

  test('a packet wakes a sleeping device', async () => {
    const { kernel, wire, driver: made } = await driver();
    made.hold();
    const woken = new Promise<void>((resolve) => {
      kernel.onStep = () => {
        if (wire.deadline() === 0) resolve(); // a packet waits
      };
    });
    const { createSocket } = await import('node:dgram');
    const socket = createSocket('udp4');
    socket.send('x', wire.local.port, wire.local.text, () => socket.close());
    await woken;
    made.release();
  });

  test('a deadline wakes a sleeping device, without steps in between', async () => {
    const { kernel, driver: made, clock } = await driver();
    const start = clock.now();
    kernel.due = start + 20 * MILLISECOND;
    let early = 0;
    const fired = new Promise<Nanos>((resolve) => {
      kernel.onStep = (now) => {
        if (now >= kernel.due) {
          kernel.due = NEVER;
          resolve(now);
        } else if (now > start + 5 * MILLISECOND && now < start + 19 * MILLISECOND) early++;
      };
    });
    made.hold();
    expect(await fired).toBeGreaterThanOrEqual(start + 20 * MILLISECOND);
    made.release();
    expect(early).toBe(0);
  });

  test('after close nothing is driven', async () => {
    const { kernel, driver: made } = await driver();
    made.schedule();
    made.close();
    made.schedule();
    expect(made.progress()).toBe(0);
    await turn();
    expect(kernel.steps).toBe(0);
  });
});
