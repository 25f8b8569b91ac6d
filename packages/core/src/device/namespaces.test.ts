import { describe, expect, it } from 'vitest';
import { CallBench } from '../testing/call-bench.ts';
import { loop } from '../transports/loop/index.ts';
import { UAPI } from '../uapi/index.ts';
import { EventValue } from './events.ts';
import { codeOf } from './job-suite.testdata.ts';
import type { MonitorEvent } from './system.ts';

function world(mode: 'shared' | 'exclusive' = 'exclusive') {
  const bench = new CallBench({ transports: [loop] });
  const { system } = bench;
  system.setNamespaceMode(mode);
  const blue = system.namespaceOf('net:2', 'blue');
  const home = bench.program();
  const away = bench.program({ namespace: blue });
  const seen = (program: typeof home) =>
    program.invoke(UAPI.DEVICE, UAPI.DEVICE.methods.LIST, {}).output.devices.map(({ name }) => name);
  return { bench, system, blue, home, away, seen, device: bench.device };
}

describe('namespaces', () => {
  it('shared mode: every namespace sees and opens every device (R146, rdma-core 17)', () => {
    const { home, away, seen } = world('shared');
    expect(seen(home)).toEqual(['dev0']);
    expect(seen(away)).toEqual(['dev0']);
    away.open('dev0').call('PD', 'ALLOC', {});
  });

  it('exclusive mode: a device is seen at home only; elsewhere opening by name or index is EPERM (R146)', () => {
    const { bench, home, away, seen, device, blue } = world();
    expect(seen(home)).toEqual(['dev0']);
    expect(seen(away)).toEqual([]);
    home.open('dev0');
    for (const name of ['dev0', String(device.index)]) expect(codeOf(() => away.open(name))).toBe('EPERM');
    expect(codeOf(() => away.open('dev9'))).toBe('ENXIO');
    expect(codeOf(() => away.invoke(UAPI.DEVICE, UAPI.DEVICE.methods.OPEN, {}))).toBe('ENXIO');
    // the same the other way round, and between two that are not the first
    const red = bench.program({ namespace: bench.system.namespaceOf('net:3', 'red') });
    bench.system.move(device, blue);
    for (const program of [home, red]) {
      for (const name of ['dev0', String(device.index)]) expect(codeOf(() => program.open(name))).toBe('EPERM');
    }
    away.open('dev0');
  });

  it('the mode changes only while there is one namespace (R148)', () => {
    const bench = new CallBench({ transports: [loop] });
    const { system } = bench;
    system.setNamespaceMode('exclusive');
    const blue = system.namespaceOf('net:2', 'blue');
    expect(codeOf(() => system.setNamespaceMode('shared'))).toBe('EBUSY');
    system.setNamespaceMode('exclusive'); // no change is no change
    system.endNamespace(blue);
    system.setNamespaceMode('shared');
    expect(system.namespaceMode).toBe('shared');
  });

  it('moving is unplugging here and plugging in there: contexts die, the device goes on (R147)', () => {
    const { bench, system, blue, home, away, seen, device } = world();
    const clients: string[] = [];
    system.addClient({
      name: 'tool',
      add: ({ namespace }) => clients.push(`add ${namespace.name}`),
      remove: ({ namespace }) => clients.push(`remove ${namespace.name}`),
    });
    const events: MonitorEvent[] = [];
    system.watch((event) => events.push(event));
    const context = home.open('dev0');
    const pd = context.call('PD', 'ALLOC', {}).handle;
    system.move(device, blue);
    expect(clients).toEqual(['add init', 'remove init', 'add blue']);
    expect(events.map(({ event }) => event)).toEqual(['unregister', 'register']);
    expect(codeOf(() => context.call('PD', 'ALLOC', {}))).toBe('EIO');
    expect(context.call('ASYNC_EVENT', 'READ', {})).toEqual({ events: [EventValue.DEVICE_FATAL, 0], end: 1 });
    context.call('PD', 'DEALLOC', { handle: pd });
    context.call('DEVICE', 'CLOSE', {});
    expect([seen(home), seen(away)]).toEqual([[], ['dev0']]);
    const there = away.open('dev0');
    there.call('PD', 'ALLOC', {});
    there.program.session.close();
    expect(bench.leftovers()).toEqual([]);
  });

  it('moving needs exclusive mode, and a driver that lets go (R147)', () => {
    const { system, blue, device } = world('shared');
    expect(codeOf(() => system.move(device, blue))).toBe('EOPNOTSUPP');
    const strict = world();
    const stuck = strict.system.register(
      { number: 0x2000, name: 'stuck', transports: [], ops: {} },
      { name: 'stuck0' },
    );
    expect(codeOf(() => strict.system.move(stuck, strict.blue))).toBe('EOPNOTSUPP');
    strict.system.remove(strict.device);
    strict.system.move(strict.device, strict.blue); // it vanished meanwhile: nothing happens
    expect(strict.device.namespace).toBe(strict.system.initialNamespace);
  });

  it('in exclusive mode each namespace has names of its own; a device may be renamed as it moves (R149)', () => {
    const { bench, system, blue, device, home, away, seen } = world();
    system.move(device, blue);
    const second = bench.plug('dev%d', [loop]); // dev0 is free here
    expect(second.name).toBe('dev0');
    expect([seen(home), seen(away)]).toEqual([['dev0'], ['dev0']]);
    expect(codeOf(() => system.move(second, blue))).toBe('EEXIST');
    expect(codeOf(() => system.move(second, blue, 'not a name'))).toBe('EINVAL');
    system.move(second, blue, 'dev1');
    expect(seen(away)).toEqual(['dev0', 'dev1']);
    expect(away.open('dev1').opened.context).toBeGreaterThan(0);
  });

  it('devices of equal names do not take each other’s charges away (R149 R152)', () => {
    const { bench, system, blue, device, home, away } = world();
    system.move(device, blue);
    bench.plug('dev0', [loop]);
    away.open('dev0').call('PD', 'ALLOC', {});
    home.open('dev0').call('PD', 'ALLOC', {});
    system.remove(device);
    expect(system.root.usage('dev0', 'hca_object').current).toBe(1);
    home.session.close();
    expect(system.root.usage('dev0', 'hca_object').current).toBe(0);
  });

  it('when a namespace ends its devices go home, under another name where theirs is taken (R146)', () => {
    const { bench, system, blue, device, away, home, seen } = world();
    system.move(device, blue);
    bench.plug('dev0', [loop]);
    expect(codeOf(() => system.endNamespace(blue))).toBe('EBUSY'); // a program is in it
    away.session.close();
    system.endNamespace(blue);
    expect(system.namespaces.has('blue')).toBe(false);
    expect(device.namespace).toBe(system.initialNamespace);
    expect(new Set(seen(home)).size).toBe(2);
    expect(seen(home)).toContain('dev0');
    home.open(device.name).call('PD', 'ALLOC', {});
  });

  it('a device whose driver cannot let go goes home as well (R146)', () => {
    const { system, blue, away } = world();
    const stuck = system.register(
      { number: 0x2000, name: 'stuck', transports: [], ops: {} },
      { name: 'stuck0', namespace: blue },
    );
    away.session.close();
    system.endNamespace(blue);
    expect(stuck.namespace).toBe(system.initialNamespace);
  });
});
