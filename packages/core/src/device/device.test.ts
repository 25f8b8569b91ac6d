import { describe, expect, it } from 'vitest';
import type { Device } from './device.ts';
import { EventValue } from './events.ts';
import { newSystem, StubProgram, stubDriver } from './stub-driver.testdata.ts';

function setup(more: Parameters<typeof stubDriver>[0] = {}) {
  const system = newSystem();
  const device = system.register(stubDriver(more), { name: 'x' });
  return { system, device, program: new StubProgram(system, device) };
}

describe('events', () => {
  it('reach only the context that owns the object (R061)', () => {
    const { system, device, program } = setup();
    const other = new StubProgram(system, device);
    const handle = program.pd();
    const object = program.session.contexts.get(program.context)!.objects.get(handle)!;
    device.raise(EventValue.QP_FATAL, object);
    expect(other.events().events).toEqual([]);
    expect(program.events().events).toEqual([EventValue.QP_FATAL, handle]);
  });

  it('of a port reach every file of every context, those of an object one (R061 R068)', () => {
    const { system, device, program } = setup();
    const other = new StubProgram(system, device);
    const file = Number(program.call('ASYNC_EVENT.ALLOC').handle);
    device.raise(EventValue.PORT_ACTIVE, 1);
    for (const seen of [program.events(), program.events(file), other.events()]) {
      expect(seen).toEqual({ events: [EventValue.PORT_ACTIVE, 1], end: 0 });
    }
    program.call('ASYNC_EVENT.FREE', { handle: file });
    expect(() => program.events(file)).toThrowError(/ENOENT/);
  });

  it('wake who waits, once for each time of waiting (R028 R179)', () => {
    const { device, program } = setup();
    program.events();
    device.raise(EventValue.PORT_ERR, 1);
    device.raise(EventValue.PORT_ACTIVE, 1);
    expect(program.woken).toEqual([program.eventWake]);
    expect(program.events().events).toHaveLength(4);
  });

  it('are bounded: the oldest go first (R061)', () => {
    const system = newSystem();
    const device = system.register(stubDriver(), { name: 'x', limits: { events: 4 } });
    const program = new StubProgram(system, device);
    for (let port = 1; port <= 10; port++) device.raise(EventValue.PORT_ERR, port);
    expect(program.events().events.filter((_, i) => i % 2 === 1)).toEqual([7, 8, 9, 10]);
  });

  it('what waits when the device goes can still be read, then DEVICE_FATAL, then the end (R027 R028)', () => {
    const { system, device, program } = setup();
    const file = Number(program.call('ASYNC_EVENT.ALLOC').handle);
    device.raise(EventValue.PORT_ERR, 1);
    system.remove(device);
    for (const handle of [undefined, file]) {
      expect(program.events(handle)).toEqual({ events: [EventValue.PORT_ERR, 1, EventValue.DEVICE_FATAL, 0], end: 1 });
      expect(program.events(handle)).toEqual({ events: [], end: 1 });
    }
  });
});

describe('reset', () => {
  it('is refused where the driver cannot, and says what to do (R035)', () => {
    const { device } = setup();
    expect(() => device.reset()).toThrowError(/EOPNOTSUPP/);
  });

  it('asked for within a call it comes right after it; contexts and their objects stay (R035 R031)', () => {
    const log: string[] = [];
    const { device, program } = setup({ reset: () => void log.push('reset') });
    device.guard(() => {
      device.reset();
      expect(log).toEqual([]);
    });
    expect(log).toEqual(['reset']);
    expect(program.events()).toEqual({ events: [EventValue.DEVICE_FATAL, 0], end: 0 });
    program.pd();
    expect(device.census()).toMatchObject({ contexts: 1, protection_domains: 1 });
  });

  it('of a device that goes meanwhile is nothing (R035)', () => {
    const log: string[] = [];
    const { system, device } = setup({ reset: () => void log.push('reset') });
    device.guard(() => {
      system.remove(device);
      device.reset();
    });
    expect(log).toEqual([]);
    expect(device.state).toBe('gone');
  });
});

describe('a failed driver', () => {
  it('serves only what looks or gives back, until it is reset (R027)', () => {
    const failing = { failure: undefined as unknown };
    const driver = stubDriver({ reset: () => void (failing.failure = undefined) });
    Object.defineProperty(driver, 'failure', { get: () => failing.failure });
    const system = newSystem();
    const device: Device = system.register(driver, { name: 'x' });
    const program = new StubProgram(system, device);
    const handle = program.pd();
    failing.failure = new Error('fan stopped');
    expect(() => program.pd()).toThrowError(/EIO.*fan stopped/);
    program.call('DEVICE.QUERY');
    program.call('PD.DEALLOC', { handle });
    device.reset();
    program.pd();
  });
});
