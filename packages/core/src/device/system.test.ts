import { describe, expect, it } from 'vitest';
import { SimHost } from '../testing/sim-host.ts';
import { loop } from '../transports/loop/index.ts';
import type { Device } from './device.ts';
import { newSystem, StubProgram, stubDriver } from './stub-driver.testdata.ts';
import type { MonitorEvent } from './system.ts';

describe('names of devices', () => {
  it('a pattern takes the lowest free number, also a gap (R020)', () => {
    const system = newSystem();
    const names = () => system.register(stubDriver(), { name: 'toy%d' }).name;
    expect([names(), names(), names()]).toEqual(['toy0', 'toy1', 'toy2']);
    system.remove(system.find('toy1')!);
    expect([names(), names()]).toEqual(['toy1', 'toy3']);
  });

  it('a fixed name is taken as it is; the second one is refused with ENFILE (R020)', () => {
    const system = newSystem();
    system.register(stubDriver(), { name: 'toy' });
    expect(() => system.register(stubDriver(), { name: 'toy' })).toThrowError(/ENFILE.*exists/);
    expect(system.devices.size).toBe(1);
  });

  it('renaming onto a name that is taken is EEXIST, onto its own name nothing (R020)', () => {
    const system = newSystem();
    const seen: MonitorEvent[] = [];
    const [a, b] = ['a', 'b'].map((name) => system.register(stubDriver(), { name })) as [Device, Device];
    system.watch((event) => seen.push(event));
    expect(() => system.rename(a, 'b')).toThrowError(/EEXIST/);
    system.rename(a, 'a');
    expect(seen).toEqual([]);
    system.rename(a, 'c');
    expect(seen).toMatchObject([{ event: 'rename', index: a.index, name: 'c', before: 'a' }]);
    expect([system.find('a'), system.find('c'), system.find('b')]).toEqual([undefined, a, b]);
  });

  it.each(['', '0a', '-a', 'a b', 'a/b', 'x'.repeat(64), 'ä', 'a\n', '../x', '!%d'])('%j is no name (R020)', (name) => {
    const system = newSystem();
    expect(() => system.register(stubDriver(), { name })).toThrowError(/EINVAL/);
    const device = system.register(stubDriver(), { name: 'a' });
    expect(() => system.rename(device, name)).toThrowError(/EINVAL/);
    expect(device.name).toBe('a');
  });

  it('a device is found by name and by index; an index is not given out again (R021 R036)', () => {
    const system = newSystem();
    const first = system.register(stubDriver(), { name: 'toy' });
    expect([system.find('toy'), system.find(String(first.index)), system.find('toy1')]).toEqual([
      first,
      first,
      undefined,
    ]);
    system.remove(first);
    const second = system.register(stubDriver(), { name: 'toy' });
    expect(second.index).toBeGreaterThan(first.index);
    expect(system.find(String(first.index))).toBeUndefined();
    expect(system.find('toy')).toBe(second);
  });

  it('lookups fail from the start of a removal on (R021 R030)', () => {
    const system = newSystem();
    const device = system.register(stubDriver(), { name: 'toy' });
    const seen: unknown[] = [];
    system.trace = () =>
      seen.push(system.find('toy'), system.find(String(device.index)), [...system.visible(device.namespace)].length);
    system.remove(device);
    expect(seen.length).toBeGreaterThan(8);
    expect(new Set(seen)).toEqual(new Set([undefined, 0]));
  });

  it('a device that cannot be registered leaves nothing (R014)', () => {
    const system = newSystem();
    const broken = stubDriver({
      attached: () => {
        throw new Error('no hardware');
      },
    });
    expect(() => system.register(broken, { name: 'toy' })).toThrowError('no hardware');
    expect(system.devices.size).toBe(0);
    expect(system.register(stubDriver(), { name: 'toy' }).state).toBe('registered');
  });
});

describe('clients', () => {
  const client = (name: string, log: string[], more: object = {}) => ({
    name,
    add: (device: Device) => void log.push(`${name}+${device.name}`),
    remove: (device: Device) => void log.push(`${name}-${device.name}`),
    ...more,
  });

  it('are told in the order in which they came, and in mirror order of a removal (R024 R030)', () => {
    const [system, log] = [newSystem(), [] as string[]];
    for (const name of ['a', 'b', 'c']) system.addClient(client(name, log));
    const device = system.register(stubDriver(), { name: 'x' });
    system.remove(device);
    expect(log).toEqual(['a+x', 'b+x', 'c+x', 'c-x', 'b-x', 'a-x']);
  });

  it('one that comes later sees what is there; one that leaves lets go of the newest first (R024)', () => {
    const [system, log] = [newSystem(), [] as string[]];
    for (const name of ['x', 'y']) system.register(stubDriver(), { name });
    const leave = system.addClient(client('a', log));
    leave();
    expect(log).toEqual(['a+x', 'a+y', 'a-y', 'a-x']);
    system.remove(system.find('x')!);
    expect(log).toHaveLength(4);
  });

  it('one that does not want a device is left alone from then on, and harms nobody (R024)', () => {
    const [system, log] = [newSystem(), [] as string[]];
    const refuse = () => {
      throw new Error('not for me');
    };
    system.addClient(client('a', log));
    system.addClient(client('b', log, { add: refuse }));
    system.addClient(client('c', log));
    system.remove(system.register(stubDriver(), { name: 'x' }));
    expect(log).toEqual(['a+x', 'c+x', 'c-x', 'a-x']);
  });

  it('one whose call-back throws while it should let go does not hold up a removal (R032)', () => {
    const [system, log] = [newSystem(), [] as string[]];
    const broken = () => {
      throw new Error('cannot');
    };
    system.addClient(client('a', log));
    system.addClient(client('b', log, { remove: broken }));
    system.watch(() => {
      throw new Error('a watcher that is broken');
    });
    const device = system.register(
      stubDriver({
        disassociate: broken as never,
        closeContext: broken as never,
        detached: broken as never,
      }),
      { name: 'x' },
    );
    const program = new StubProgram(system, device);
    program.pd();
    system.remove(device);
    expect([device.state, system.devices.size, device.contexts.size]).toEqual(['gone', 0, 0]);
    expect(log).toEqual(['a+x', 'b+x', 'a-x']);
    expect(system.failures).toBe(6);
  });

  it('those that need verbs do not see a device that lacks them (R015)', () => {
    const [host, log] = [new SimHost(), [] as string[]];
    host.system.addClient(client('verbs', log, { needsVerbs: true }));
    host.system.addClient(client('any', log));
    host.system.register(stubDriver(), { name: 'little' });
    const only = { DEVICE: { QUERY: () => ({ attributes: {} }) } };
    host.system.register(stubDriver({ ops: only }), { name: 'least' });
    host.plug('full', [{ transport: loop, address: '10.0.0.1' }]);
    expect(log).toEqual(['any+little', 'any+least', 'verbs+full', 'any+full']);
  });

  it('may use the device in their call-back, and may even want it gone at once (R024 R032)', () => {
    const [system, log] = [newSystem(), [] as string[]];
    system.addClient(client('a', log, { add: (device: Device) => system.remove(device) }));
    system.addClient(client('b', log));
    const events: string[] = [];
    system.watch(({ event }) => events.push(event));
    const device = system.register(stubDriver(), { name: 'x' });
    expect(device.state).toBe('gone');
    expect(log).toEqual(['b+x', 'b-x', 'a-x']);
    expect(events).toEqual(['register', 'unregister']);
  });
});

describe('removal', () => {
  it('goes step by step, always in the same order (R030)', () => {
    const [system, log] = [newSystem(), [] as string[]];
    system.trace = (step) => log.push(step);
    for (const name of ['a', 'b']) system.addClient({ name, add: () => {}, remove: () => {} });
    system.watch(({ event }) => log.push(`told ${event}`));
    const device = system.register(stubDriver({ detached: () => log.push('detached') }, log), { name: 'x' });
    const program = new StubProgram(system, device);
    program.ah(program.pd());
    log.length = 0;
    system.remove(device);
    expect(log).toEqual([
      ...['hide', 'client b', 'client a', 'disassociate', 'disassociate', 'ah- 1 DRIVER_REMOVE', 'pd- 1 DRIVER_REMOVE'],
      ...['unlist', 'told unregister', 'detached', 'free'],
    ]);
  });

  it('watchers learn of all that comes, goes and is renamed, with names (R037)', () => {
    const [system, seen] = [newSystem(), [] as string[]];
    const end = system.watch(({ event, name, before }) => seen.push(`${event} ${before ?? ''}${name}`));
    const device = system.register(stubDriver(), { name: 'x%d' });
    system.rename(device, 'y');
    system.remove(device);
    end();
    system.register(stubDriver(), { name: 'z' });
    expect(seen).toEqual(['register x0', 'rename x0y', 'unregister y']);
  });

  it('asked for within a call, and twice, it happens once, right after that call (R031 R032)', () => {
    const [system, log] = [newSystem(), [] as string[]];
    const device: Device = system.register(
      stubDriver({
        ops: {
          PD: {
            ALLOC: () => {
              system.remove(device);
              system.remove(device);
              log.push(`in the call: ${device.state}, ${device.contexts.size} context`);
            },
            DEALLOC: ({ reason }) => void log.push(`ended: ${reason}`),
          },
        },
      }),
      { name: 'x' },
    );
    const program = new StubProgram(system, device);
    const handle = program.pd();
    expect(log).toEqual(['in the call: removing, 1 context', 'ended: DRIVER_REMOVE']);
    expect(device.state).toBe('gone');
    expect(() => program.pd()).toThrowError(/EIO.*gone/);
    program.call('PD.DEALLOC', { handle });
    expect(log).toHaveLength(2);
  });

  it('a call that begins while the device goes is refused, also from within another one (R026 R031)', () => {
    const system = newSystem();
    let nested: unknown;
    const device: Device = system.register(
      stubDriver({
        ops: {
          PD: {
            ALLOC: () => {
              if (nested !== undefined) return;
              nested = 'none';
              system.remove(device);
              try {
                other.pd();
              } catch (thrown) {
                nested = (thrown as Error).message;
              }
            },
            DEALLOC: () => {},
          },
        },
      }),
      { name: 'x' },
    );
    const [one, other] = [new StubProgram(system, device), new StubProgram(system, device)];
    one.pd();
    expect(nested).toMatch(/EIO/);
    expect(device.state).toBe('gone');
  });

  it('a device that returns is another one: the old context stays dead, a new one works (R036)', () => {
    const system = newSystem();
    const first = system.register(stubDriver(), { name: 'x' });
    const program = new StubProgram(system, first);
    const old = program.context;
    system.remove(first);
    system.register(stubDriver(), { name: 'x' });
    program.open('x');
    program.pd();
    program.context = old;
    expect(() => program.pd()).toThrowError(/EIO/);
    program.call('DEVICE.CLOSE');
    program.session.close();
    expect([...system.devices.values()].map(({ contexts }) => contexts.size)).toEqual([0]);
  });

  it('charges and rows go with the device; other devices keep theirs (R030 R228)', () => {
    const system = newSystem();
    const [x, y] = ['x', 'y'].map((name) => system.register(stubDriver(), { name })) as [Device, Device];
    const [a, b] = [new StubProgram(system, x), new StubProgram(system, y)];
    a.pd();
    b.pd();
    system.remove(x);
    expect(system.root.usage('x', 'hca_object').current).toBe(0);
    expect([system.root.usage('y', 'hca_object').current, system.root.usage('y', 'hca_handle').current]).toEqual([
      1, 1,
    ]);
    a.session.close();
    expect(system.root.usage('x', 'hca_handle').current).toBe(0);
    expect([...y.rows()].map(({ kind }) => kind)).toEqual(['ctx', 'pd']);
  });
});
