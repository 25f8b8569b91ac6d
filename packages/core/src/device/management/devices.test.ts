import { describe, expect, it } from 'vitest';
import { NETNS_MODES } from '../../uapi/management/index.ts';
import type { Row } from '../../uapi/rows.ts';
import { invoke, listed, ManagementRig, manage, open, thrown } from './management-rig.testdata.ts';

/** A rig whose host can add devices: each is a copy of the first, under the name that was asked for. */
function growing() {
  const rig = new ManagementRig();
  const { kernel } = rig.node;
  rig.system.deviceFactory = {
    add: ({ name }: Row) => {
      const driver = Object.create(kernel, { attached: { value: () => {} }, detached: { value: () => {} } });
      return rig.system.register(driver, { name: String(name) });
    },
  };
  return rig;
}

const names = (rig: ManagementRig): string[] =>
  (manage(rig.admin, 'DEV', 'SHOW', {}).rows as Row[]).map(({ dev }) => String(dev));

describe('devices (rdma-core 19.3)', () => {
  it('are listed with index, name, state and attributes, ports with their addresses (R159 R209 R210)', () => {
    const rig = new ManagementRig();
    open(rig.admin);
    expect(manage(rig.admin, 'DEV', 'SHOW', {}).rows).toEqual([
      {
        ...{ ifindex: 1, dev: 'dev0', node_type: 'ca', fw: '0.1.0', driver: 'soft', transports: ['uet'] },
        ...{ node_guid: '025612b90a000001', sys_image_guid: '025612b90a000001' },
        ...{ state: 'ACTIVE', netns: 'init', contexts: 1 },
      },
    ]);
    expect(manage(rig.admin, 'LINK', 'SHOW', { device: '1', port: 1 }).rows).toEqual([
      {
        ...{ ifindex: 1, dev: 'dev0', port: 1, state: 'ACTIVE', physical_state: 'LINK_UP', address: '10.0.0.1' },
        ...{ gid_index: 0, type: 'UET/UDP', udp_port: 4793, mtu: 1024, link_layer: 'Ethernet', transports: ['uet'] },
        io_level: 'simulated',
      },
    ]);
    expect(manage(rig.admin, 'LINK', 'SHOW', { port: 2 }).rows).toEqual([]);
    rig.node.kernel.failure = new Error('broken');
    expect(manage(rig.admin, 'LINK', 'SHOW', {}).rows).toMatchObject([{ state: 'DOWN', physical_state: 'DISABLED' }]);
    expect(manage(rig.admin, 'DEV', 'SHOW', {}).rows).toMatchObject([{ state: 'FAILED' }]);
  });

  it('are made and deleted; what comes back is a new device with a new index (R036 R209)', () => {
    const rig = growing();
    expect(manage(rig.admin, 'DEV', 'ADD', { options: { name: 'uet1', address: '10.0.0.9' } }).ifindex).toBe(2);
    expect(names(rig)).toEqual(['dev0', 'uet1']);
    manage(rig.admin, 'DEV', 'DELETE', { device: 'uet1' });
    expect(names(rig)).toEqual(['dev0']);
    expect(thrown(() => manage(rig.admin, 'DEV', 'DELETE', { device: 'uet1' })).code).toBe('ENODEV');
    expect(manage(rig.admin, 'DEV', 'ADD', { options: { name: 'uet1' } }).ifindex).toBe(3);
  });

  it('have unique numbers and names: the lowest free one on request, a taken one is EBUSY, none left ENOSPC (R208)', () => {
    const rig = growing();
    const add = (name: string) => manage(rig.admin, 'DEV', 'ADD', { options: { name } });
    add('uet%d');
    add('uet%d');
    expect(names(rig)).toEqual(['dev0', 'uet0', 'uet1']);
    manage(rig.admin, 'DEV', 'DELETE', { device: 'uet0' });
    add('uet%d');
    expect(names(rig)).toEqual(['dev0', 'uet1', 'uet0']);
    expect(thrown(() => add('uet1')).code).toBe('EBUSY');
    expect(thrown(() => add('')).code).toBe('EINVAL');
    while (rig.system.devices.size < 256) add('uet%d');
    expect(thrown(() => add('uet%d')).code).toBe('ENOSPC');
  });

  it('cannot be added by a program that does not know how (R158)', () => {
    const rig = new ManagementRig();
    const error = thrown(() => manage(rig.admin, 'DEV', 'ADD', { options: { name: 'uet1' } }));
    expect(error.message).toBe('EOPNOTSUPP in DEV.ADD: this program cannot add devices');
  });

  it('are renamed: contexts live on (R020)', () => {
    const rig = new ManagementRig();
    const context = open(rig.admin);
    manage(rig.admin, 'DEV', 'SET', { device: 'dev0', name: 'left' });
    expect(names(rig)).toEqual(['left']);
    invoke(rig.admin, context, 'PD', 'ALLOC');
  });

  it('start anew on request: programs are told, contexts stay (R035)', () => {
    const rig = new ManagementRig();
    const context = open(rig.admin);
    manage(rig.admin, 'DEV', 'RESET', { device: 'dev0' });
    expect(invoke(rig.admin, context, 'ASYNC_EVENT', 'READ').events).toEqual([8, 0]);
    invoke(rig.admin, context, 'PD', 'ALLOC');
  });
});

describe('namespaces (rdma-core 17)', () => {
  function exclusive() {
    const rig = growing();
    manage(rig.admin, 'SYSTEM', 'SET', { netns: NETNS_MODES.EXCLUSIVE });
    const tenant = rig.session({ namespace: rig.system.namespaceOf('blue') });
    return { rig, tenant };
  }

  it('see all devices in shared mode, and their own in exclusive mode (R146)', () => {
    const { tenant } = exclusive();
    expect(manage(tenant, 'DEV', 'SHOW', {}).rows).toEqual([]);
    expect(thrown(() => manage(tenant, 'DEV', 'SHOW', { device: '1' })).code).toBe('ENODEV');
    const shared = new ManagementRig();
    const other = shared.user({ namespace: shared.system.namespaceOf('blue') });
    expect(manage(other, 'DEV', 'SHOW', {}).rows).toHaveLength(1);
  });

  it('are given devices, which is like a plug pulled and put in again: contexts die, the name may change (R147 R149)', () => {
    const { rig, tenant } = exclusive();
    const context = open(rig.admin);
    manage(rig.admin, 'DEV', 'SET', { device: 'dev0', netns: 'blue', name: 'rdma0' });
    expect(thrown(() => invoke(rig.admin, context, 'PD', 'ALLOC')).code).toBe('EIO');
    expect(manage(tenant, 'DEV', 'SHOW', {}).rows).toMatchObject([{ dev: 'rdma0', netns: 'blue' }]);
    manage(rig.admin, 'DEV', 'ADD', { options: { name: 'rdma0' } });
    expect(names(rig)).toEqual(['rdma0']);
    manage(rig.admin, 'DEV', 'SET', { device: '1', netns: 'init', name: 'back' });
    expect(names(rig)).toEqual(['back', 'rdma0']);
  });

  it('give their administrators no rights elsewhere (R147)', () => {
    const { rig, tenant } = exclusive();
    rig.system.namespaceOf('green');
    manage(rig.admin, 'DEV', 'SET', { device: 'dev0', netns: 'blue' });
    expect(thrown(() => manage(tenant, 'DEV', 'SET', { device: 'dev0', netns: 'green' })).code).toBe('EPERM');
    expect(thrown(() => manage(tenant, 'DEV', 'SET', { device: 'dev0', netns: 'init' })).code).toBe('EPERM');
    manage(tenant, 'DEV', 'SET', { device: 'dev0', name: 'mine' });
  });

  it('hold the mode while there are several (R148), and shared devices do not move (R147)', () => {
    const { rig } = exclusive();
    expect(thrown(() => manage(rig.admin, 'SYSTEM', 'SET', { netns: NETNS_MODES.SHARED })).code).toBe('EBUSY');
    const shared = new ManagementRig();
    shared.system.namespaceOf('blue');
    const move = () => manage(shared.admin, 'DEV', 'SET', { device: 'dev0', netns: 'blue' });
    expect(thrown(move).code).toBe('EOPNOTSUPP');
  });

  it('hide programs from each other: listings, counts, jobs and sessions; the first one sees all (R150 R163)', () => {
    const rig = new ManagementRig();
    const blue = rig.user({ namespace: rig.system.namespaceOf('blue'), name: 'blue' });
    const green = rig.session({ namespace: rig.system.namespaceOf('green'), name: 'green' });
    for (const session of [blue, green]) invoke(session, open(session), 'PD', 'ALLOC');
    manage(green, 'JOBS', 'ADD', { id: 7, name: 'secret' });
    const owners = (session: typeof blue) => listed(session, {}).map(({ kind, comm }) => `${kind} ${comm}`);
    expect(owners(blue)).toEqual(['ctx blue', 'pd blue']);
    expect(owners(green)).toEqual(['ctx green', 'pd green']);
    expect(owners(rig.admin)).toEqual(['ctx blue', 'ctx green', 'pd blue', 'pd green']);
    expect(manage(blue, 'RESOURCE', 'CENSUS', { device: 'dev0' }).counts).toMatchObject({
      contexts: 1,
      protection_domains: 1,
    });
    expect(manage(blue, 'RESOURCE', 'SUMMARY', {}).rows).toMatchObject([{ ctx: 1, pd: 1 }]);
    expect(manage(blue, 'JOBS', 'SHOW', {}).rows).toEqual([]);
    expect(manage(green, 'JOBS', 'SHOW', {}).rows).toMatchObject([{ job: 7, netns: 'green' }]);
    expect(manage(rig.admin, 'JOBS', 'SHOW', {}).rows).toHaveLength(1);
    expect(manage(blue, 'SYSTEM', 'SESSIONS', {}).rows).toMatchObject([{ comm: 'blue' }]);
    expect(manage(blue, 'SYSTEM', 'SHOW', {}).attributes).toMatchObject({ namespaces: ['blue'], sessions: 1, jobs: 0 });
    // a job of the same name and number is nobody else's business
    manage(rig.session({ namespace: blue.namespace }), 'JOBS', 'ADD', { id: 7, name: 'secret' });
  });
});

describe('the monitor (rdma-core 19.2)', () => {
  it('tells devices that come, go and change, in order, and wakes its reader once (R037 R161)', () => {
    const rig = growing();
    const woken: number[] = [];
    const watcher = rig.user({ wake: (number) => woken.push(number) });
    const { wake } = manage(watcher, 'MONITOR', 'START', {});
    expect(manage(watcher, 'MONITOR', 'START', {}).wake).toBe(wake);
    manage(rig.admin, 'DEV', 'ADD', { options: { name: 'uet1' } });
    manage(rig.admin, 'DEV', 'SET', { device: 'uet1', name: 'uet2' });
    manage(rig.admin, 'DEV', 'DELETE', { device: 'uet2' });
    expect(woken).toEqual([wake]);
    expect(manage(watcher, 'MONITOR', 'READ', {})).toEqual({
      rows: [
        { seq: 1, event: 'register', ifindex: 2, dev: 'uet1', netns: 'init' },
        { seq: 2, event: 'rename', ifindex: 2, dev: 'uet2', netns: 'init', before: 'uet1' },
        { seq: 3, event: 'unregister', ifindex: 2, dev: 'uet2', netns: 'init' },
      ],
      lost: 0,
    });
    manage(watcher, 'MONITOR', 'STOP', {});
    manage(rig.admin, 'DEV', 'ADD', { options: { name: 'uet1' } });
    expect(woken).toEqual([wake]);
    expect(thrown(() => manage(watcher, 'MONITOR', 'READ', {})).code).toBe('EINVAL');
  });

  it('tells each namespace about its own devices: a move is a departure here and an arrival there (R161 R163)', () => {
    const rig = growing();
    manage(rig.admin, 'SYSTEM', 'SET', { netns: NETNS_MODES.EXCLUSIVE });
    const tenant = rig.session({ namespace: rig.system.namespaceOf('blue') });
    const green = rig.session({ namespace: rig.system.namespaceOf('green') });
    for (const session of [tenant, green]) manage(session, 'MONITOR', 'START', {});
    manage(rig.admin, 'DEV', 'SET', { device: 'dev0', netns: 'blue' });
    manage(rig.admin, 'DEV', 'SET', { device: '1', netns: 'init' });
    const told = manage(tenant, 'MONITOR', 'READ', {}).rows as Row[];
    expect(told.map(({ event }) => event)).toEqual(['register', 'unregister']);
    expect(manage(green, 'MONITOR', 'READ', {}).rows).toEqual([]);
  });

  it('loses the oldest when nobody reads, and says how many (R161)', () => {
    const rig = new ManagementRig();
    manage(rig.admin, 'MONITOR', 'START', {});
    for (let i = 0; i < 300; i++) rig.system.rename(rig.node.registered, `x${i}`);
    let lost = 0;
    const seen: number[] = [];
    for (;;) {
      const part = manage(rig.admin, 'MONITOR', 'READ', {});
      lost += part.lost;
      if (part.rows.length === 0) break;
      seen.push(...(part.rows as Row[]).map(({ seq }) => Number(seq)));
    }
    expect(lost).toBe(44);
    expect(seen).toEqual(Array.from({ length: 256 }, (_, i) => i + 45));
    rig.admin.close();
    rig.system.rename(rig.node.registered, 'nobody-hears');
  });
});
