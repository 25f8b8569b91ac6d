import { DmaSpace, NEVER, type Session, type Stepped, type UserMemory } from '@verbena/core';
import { afterEach, describe, expect, test } from 'vitest';
import { DgramWire } from '../wire/dgram-wire.ts';
import { Clock } from './clock.ts';
import { Driver, SPIN_NS } from './driver.ts';
import { LivePort } from './live-port.ts';
import { shutDown } from './shut-down.ts';

const closing: { close(): void }[] = [];
afterEach(() => {
  for (const one of closing.splice(0).reverse()) one.close();
});

/** A device of which only the steps count, and that is never quiet. */
async function stub(): Promise<{
  port: LivePort;
  kernel: { steps: number; work: number };
  end: (timeoutNs: number) => Promise<boolean>;
}> {
  const wire = await DgramWire.open(new DmaSpace(), { address: '127.0.0.92', port: 0, peerPort: 0, entropies: 1 });
  const kernel = {
    steps: 0,
    work: 0,
    step(): number {
      this.steps++;
      return this.work;
    },
    deadline: () => NEVER,
    close: () => {},
    quiet: () => false,
  };
  const device = kernel as unknown as Stepped;
  const clock = new Clock();
  const driver = new Driver(device, [wire], clock, SPIN_NS);
  const port = new LivePort({} as Session, driver, clock, {} as UserMemory, true);
  const end = (timeoutNs: number) => shutDown(device, driver, clock, timeoutNs, () => port.progress());
  closing.push(wire, port);
  return { port, kernel, end };
}

describe('progress of inline devices in one thread', () => {
  test('alone: one step, and its work', async () => {
    const { port, kernel } = await stub();
    kernel.work = 3;
    expect([port.progress(), kernel.steps]).toEqual([3, 1]);
    kernel.work = 0;
    expect([port.progress(), kernel.steps]).toEqual([0, 2]);
  });

  test('an idle device steps the others, and reports their work', async () => {
    const [a, b, c] = [await stub(), await stub(), await stub()];
    b.kernel.work = 2;
    c.kernel.work = 5;
    expect(a.port.progress()).toBe(7);
    expect([a, b, c].map(({ kernel }) => kernel.steps)).toEqual([1, 1, 1]);
  });

  test('a device that is always busy does not starve the others', async () => {
    const [a, b] = [await stub(), await stub()];
    a.kernel.work = 1;
    for (let i = 0; i < 64; i++) a.port.progress();
    expect([a.kernel.steps, b.kernel.steps]).toEqual([64, 4]);
  });

  test('a closed device is left alone', async () => {
    const [a, b] = [await stub(), await stub()];
    b.port.close();
    a.port.progress();
    expect(b.kernel.steps).toBe(0);
  });

  test('an end that peers do not answer is over when the time is', async () => {
    const { port, end } = await stub();
    const start = port.now();
    expect(await end(20e6)).toBe(false);
    const took = port.now() - start;
    expect(took).toBeGreaterThanOrEqual(20e6);
    expect(took).toBeLessThan(500e6);
  });

  test('a device that never rests cannot draw out its end', async () => {
    const { port, kernel, end } = await stub();
    kernel.work = 1;
    expect(await end(20e6)).toBe(false);
    expect(port.now()).toBeLessThan(1e9);
  });
});
