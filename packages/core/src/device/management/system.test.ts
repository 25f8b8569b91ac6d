import { describe, expect, it } from 'vitest';
import { invoke, ManagementRig, manage, open, thrown } from './management-rig.testdata.ts';

describe('resource groups (rdma-core 18)', () => {
  it('are set, shown and used through the channel: limits of a group and of one above (R151)', () => {
    const rig = new ManagementRig();
    const user = rig.user({ pid: 4711 });
    const limits = { hca_object: '2', hca_handle: 'max' };
    manage(rig.admin, 'SYSTEM', 'GROUP_SET', { group: '/tenants', device: 'dev0', limits });
    manage(rig.admin, 'SYSTEM', 'GROUP_SET', { group: '/tenants/a' });
    expect(manage(rig.admin, 'SYSTEM', 'GROUP_ATTACH', { group: '/tenants/a', pid: 4711 }).sessions).toBe(1);
    const context = open(user, 'dev0');
    invoke(user, context, 'PD', 'ALLOC');
    invoke(user, context, 'PD', 'ALLOC');
    expect(thrown(() => invoke(user, context, 'PD', 'ALLOC')).code).toBe('EAGAIN');
    const rows = manage(rig.admin, 'SYSTEM', 'GROUP_SHOW', { group: '/tenants' }).rows;
    expect(rows).toMatchObject([
      { group: '/tenants', dev: 'dev0', hca_object: 2, hca_object_max: 2, hca_object_hits: 1, hca_handle: 1 },
      { group: '/tenants/a', dev: 'dev0', hca_object: 2, hca_object_max: 'max', hca_object_hits: 0 },
    ]);
  });

  it('keep a charge where it was made when the process moves on (R152), and remember the peak (R153)', () => {
    const rig = new ManagementRig();
    const user = rig.user({ pid: 4711 });
    for (const group of ['/a', '/b']) manage(rig.admin, 'SYSTEM', 'GROUP_SET', { group });
    manage(rig.admin, 'SYSTEM', 'GROUP_ATTACH', { group: '/a', pid: 4711 });
    const context = open(user, 'dev0');
    const { handle } = invoke(user, context, 'PD', 'ALLOC');
    manage(rig.admin, 'SYSTEM', 'GROUP_ATTACH', { group: '/b', pid: 4711 });
    invoke(user, context, 'PD', 'ALLOC');
    const use = (group: string) => manage(rig.admin, 'SYSTEM', 'GROUP_SHOW', { group }).rows[0];
    expect(use('/a')).toMatchObject({ hca_object: 1 });
    expect(use('/b')).toMatchObject({ hca_object: 1 });
    expect(thrown(() => manage(rig.admin, 'SYSTEM', 'GROUP_DELETE', { group: '/b' })).code).toBe('EBUSY');
    manage(rig.admin, 'SYSTEM', 'GROUP_DELETE', { group: '/a' });
    invoke(user, context, 'PD', 'DEALLOC', { handle });
    user.close();
    expect(use('/b')).toMatchObject({ hca_object: 0, hca_object_peak: 1 });
  });

  it('limit registered memory (R154) and count jobs and job keys like all else (R155)', () => {
    const rig = new ManagementRig();
    manage(rig.admin, 'SYSTEM', 'GROUP_SET', { group: '/a', device: 'dev0', limits: { mr_mem: 8192 } });
    manage(rig.admin, 'SYSTEM', 'GROUP_ATTACH', { group: '/a', pid: 1 });
    const context = rig.node.device.open();
    const pd = context.allocatePd();
    const use = () => manage(rig.admin, 'SYSTEM', 'GROUP_SHOW', { group: '/a' }).rows[0];
    const region = pd.registerMemory(context.allocate(8192), { access: [] });
    expect(thrown(() => pd.registerMemory(context.allocate(4096), { access: [] })).code).toBe('EAGAIN');
    region.deregister();
    expect(use()).toMatchObject({ mr_mem: 0, mr_mem_peak: 8192, mr_mem_hits: 1, hca_object: 1 });
    const job = context.createJob({ id: 7 });
    pd.createJobKey(job);
    expect(use()).toMatchObject({ hca_object: 3 });
  });

  it('refuse what cannot be, and change nothing then (R151)', () => {
    const rig = new ManagementRig();
    const set = (input: object) =>
      thrown(() => manage(rig.admin, 'SYSTEM', 'GROUP_SET', { group: '/a', device: 'dev0', ...input })).code;
    expect(set({ limits: { qps: 1 } })).toBe('EINVAL');
    expect(set({ limits: { hca_object: -1 } })).toBe('EINVAL');
    expect(set({ limits: { hca_object: 'many' } })).toBe('EINVAL');
    expect(set({ device: 'uet9', limits: { hca_object: 1 } })).toBe('ENODEV');
    expect(set({ group: '/../x' })).toBe('EINVAL');
    expect(set({ group: '/a/b/c/d/e/f/g/h/i' })).toBe('EINVAL');
    expect(thrown(() => manage(rig.admin, 'SYSTEM', 'GROUP_ATTACH', { group: '/', pid: 9 })).code).toBe('ENOENT');
    expect(thrown(() => manage(rig.admin, 'SYSTEM', 'GROUP_SHOW', { group: '/a' })).code).toBe('ENOENT');
    for (let i = 1; i < 1024; i++) manage(rig.admin, 'SYSTEM', 'GROUP_SET', { group: `/g${i}` });
    expect(set({ group: '/more' })).toBe('ENOSPC');
    expect(listedGroups(rig)).toHaveLength(1024);
  });
});

function listedGroups(rig: ManagementRig): unknown[] {
  const all: unknown[] = [];
  for (let after = ''; ; ) {
    const { rows, next } = manage(rig.admin, 'SYSTEM', 'GROUP_SHOW', { after });
    all.push(...rows);
    if (next === '') return all;
    after = next;
  }
}
