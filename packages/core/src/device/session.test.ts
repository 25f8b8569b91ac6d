import { describe, expect, it } from 'vitest';
import { newSystem, StubProgram, stubDriver } from './stub-driver.testdata.ts';

describe('sessions', () => {
  it('closing one ends its contexts, newest first, and nothing of others (R048 R180)', () => {
    const [system, log] = [newSystem(), [] as string[]];
    const device = system.register(stubDriver({ closeContext: ({ number }) => log.push(`close ${number}`) as never }), {
      name: 'x',
    });
    const [one, other] = [new StubProgram(system, device), new StubProgram(system, device)];
    one.pd();
    one.open();
    one.pd();
    other.pd();
    one.session.close();
    expect(log).toEqual(['close 2', 'close 1']);
    expect(device.census()).toMatchObject({ contexts: 1, protection_domains: 1 });
    expect(system.sessions.has(one.session)).toBe(false);
    one.session.close();
    expect(log).toHaveLength(2);
  });

  it('the device can be opened many times, up to its limit; what is refused leaves nothing (R092)', () => {
    const system = newSystem();
    const device = system.register(stubDriver(), { name: 'x', limits: { contexts: 3 } });
    const program = new StubProgram(system, device);
    program.open();
    program.open();
    expect(() => program.open()).toThrowError(/ENOSPC/);
    expect(system.root.usage('x', 'hca_handle').current).toBe(3);
    program.session.close();
    new StubProgram(system, device);
    expect(device.contexts.size).toBe(1);
  });

  it('a device that cannot keep programs apart serves one at a time (R107)', () => {
    const system = newSystem();
    const device = system.register(stubDriver({ exclusive: true }), { name: 'x' });
    const first = new StubProgram(system, device);
    expect(() => new StubProgram(system, device)).toThrowError(/EBUSY/);
    expect(() => first.open()).toThrowError(/EBUSY/);
    expect(system.root.usage('x', 'hca_handle').current).toBe(1);
    first.session.close();
    new StubProgram(system, device);
  });

  it('objects of one context are unknown in another one of the same program (R050)', () => {
    const system = newSystem();
    const device = system.register(stubDriver(), { name: 'x' });
    const program = new StubProgram(system, device);
    const pd = program.pd();
    program.open();
    expect(() => program.call('PD.DEALLOC', { handle: pd })).toThrowError(/ENOENT/);
    expect(device.census()).toMatchObject({ protection_domains: 1 });
  });

  it('a driver that cannot open a context leaves nothing of it (R041)', () => {
    const system = newSystem();
    const openContext = () => {
      throw new Error('no room on the chip');
    };
    const device = system.register(stubDriver({ openContext }), { name: 'x' });
    expect(() => new StubProgram(system, device)).toThrowError(/EIO.*no room on the chip/);
    expect([device.contexts.size, system.root.usage('x', 'hca_handle').current]).toEqual([0, 0]);
  });
});
