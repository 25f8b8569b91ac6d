import { describe, expect, it } from 'vitest';
import { CallBench } from '../testing/call-bench.ts';
import { loop } from '../transports/loop/index.ts';
import { MemoryKind } from '../uapi/layouts.ts';
import { ACCESS_FLAGS } from '../uapi/objects/mr.ts';
import { codeOf } from './job-suite.testdata.ts';
import { ResourceGroup } from './resource-group.ts';

const memory = (length: number) => ({ kind: MemoryKind.ATTACHMENT, index: 0, offset: 0, length });

function world(options: { memlockBytes?: number } = {}) {
  const bench = new CallBench({ transports: [loop] });
  const { system } = bench;
  const [parent, a, b] = ['/t', '/t/a', '/t/b'].map((path) => system.groupOf(path));
  const program = bench.program({ group: a!, ...options });
  const context = program.open('dev0');
  const used = (group: ResourceGroup, resource: 'hca_handle' | 'hca_object' | 'mr_mem' = 'hca_object') =>
    group.usage('dev0', resource).current;
  const alloc = () => context.call('PD', 'ALLOC', {}).handle;
  const register = (pd: number, length: number, extra: object = {}) =>
    context.call(
      'MR',
      'REG',
      { pd, memory: memory(length), access: ACCESS_FLAGS.LOCAL_WRITE, ...extra },
      { attachments: [new Uint8Array(length)] },
    ).handle;
  return { bench, system, root: system.root, parent: parent!, a: a!, b: b!, program, context, used, alloc, register };
}

describe('resource groups', () => {
  it('charge contexts and objects on every level, and give back on every level (R151, rdma-core 18)', () => {
    const { bench, root, parent, a, b, alloc, used, program } = world();
    alloc();
    alloc();
    for (const group of [root, parent, a]) {
      expect([used(group, 'hca_handle'), used(group)]).toEqual([1, 2]);
    }
    expect(used(b)).toBe(0);
    program.session.close();
    for (const group of [root, parent, a]) expect([used(group, 'hca_handle'), used(group)]).toEqual([0, 0]);
    expect(bench.leftovers()).toEqual([]);
  });

  it.each(['/', '/t', '/t/a'])('a limit of %s refuses with EAGAIN, and nothing stays charged below (R151)', (path) => {
    const { bench, root, parent, a, alloc, used, program, context } = world();
    const limited = path === '/' ? root : path === '/t' ? parent : a;
    limited.limit('dev0', 'hca_object', 2);
    const first = alloc();
    alloc();
    const before = bench.state();
    expect(codeOf(alloc)).toBe('EAGAIN');
    expect(bench.state()).toBe(before);
    for (const group of [root, parent, a]) expect(used(group)).toBe(2);
    context.call('PD', 'DEALLOC', { handle: first });
    alloc();
    limited.limit('dev0', 'hca_handle', 1);
    expect(codeOf(() => program.open('dev0'))).toBe('EAGAIN');
    expect(used(a, 'hca_handle')).toBe(1);
  });

  it('objects of all kinds count together, on one device only (R151 R152)', () => {
    const { bench, a, alloc, register, used, program } = world();
    bench.plug('other', [loop]);
    a.limit('dev0', 'hca_object', 3);
    const pd = alloc();
    register(pd, 64);
    register(pd, 64);
    expect(codeOf(() => register(pd, 64))).toBe('EAGAIN');
    program.open('other').call('PD', 'ALLOC', {});
    expect([used(a), a.usage('other', 'hca_object').current]).toEqual([3, 1]);
  });

  it('a program that moves charges its new group; what it had goes back to the old one (R152)', () => {
    const { a, b, alloc, used, program, context } = world();
    const old = alloc();
    program.session.group = b;
    alloc();
    expect([used(a), used(b)]).toEqual([1, 1]);
    context.call('PD', 'DEALLOC', { handle: old });
    expect([used(a), used(b)]).toEqual([0, 1]);
    expect([used(a, 'hca_handle'), used(b, 'hca_handle')]).toEqual([1, 0]);
    program.session.close();
    expect([used(a, 'hca_handle'), used(b)]).toEqual([0, 0]);
  });

  it('a limit below what is in use refuses new charges only (R151)', () => {
    const { a, alloc, used, context } = world();
    const handles = [alloc(), alloc(), alloc()];
    a.limit('dev0', 'hca_object', 1);
    expect(used(a)).toBe(3);
    expect(codeOf(alloc)).toBe('EAGAIN');
    for (const handle of handles) context.call('PD', 'DEALLOC', { handle });
    alloc();
    expect(codeOf(alloc)).toBe('EAGAIN');
  });

  it('remember the most that was in use, count refusals, and tell who listens (R153)', () => {
    const { root, parent, a, b, alloc, context } = world();
    const told: string[] = [];
    const stop = parent.onHit((device, resource) => told.push(`${device} ${resource}`));
    const handles = [alloc(), alloc(), alloc()];
    for (const handle of handles) context.call('PD', 'DEALLOC', { handle });
    expect(a.usage('dev0', 'hca_object')).toMatchObject({ current: 0, peak: 3, hits: 0 });
    parent.limit('dev0', 'hca_object', 0);
    expect(codeOf(alloc)).toBe('EAGAIN');
    stop();
    expect(codeOf(alloc)).toBe('EAGAIN');
    expect(told).toEqual(['dev0 hca_object']);
    expect(parent.usage('dev0', 'hca_object')).toMatchObject({ hits: 2, subtreeHits: 2 });
    // a hit counts where the limit is, and in the subtree of everything above
    expect(root.usage('dev0', 'hca_object')).toMatchObject({ hits: 0, subtreeHits: 2 });
    for (const group of [a, b]) expect(group.usage('dev0', 'hca_object')).toMatchObject({ hits: 0, subtreeHits: 0 });
    expect(a.usage('dev0', 'hca_object').peak).toBe(3); // what was refused is no peak
  });

  it('limit registered memory; a part of a region is not charged again (R154 R132)', () => {
    const { bench, a, alloc, register, used, context } = world();
    const pd = alloc();
    a.limit('dev0', 'mr_mem', 10_000);
    const region = register(pd, 8000);
    context.call('MR', 'REG', { pd, parent: region, offset: 0, length: 4000, access: 0 });
    expect(used(a, 'mr_mem')).toBe(8000);
    const before = bench.state();
    expect(codeOf(() => register(pd, 2001))).toBe('EAGAIN');
    expect(bench.state()).toBe(before);
    register(pd, 2000);
    expect(a.usage('dev0', 'mr_mem')).toMatchObject({ current: 10_000, peak: 10_000 });
    context.program.session.close();
    expect(used(a, 'mr_mem')).toBe(0);
  });

  it('records follow a device that is renamed, and end with one that is removed (R151)', () => {
    const { bench, system, a, alloc } = world();
    a.limit('dev0', 'hca_object', 2);
    alloc();
    system.rename(bench.device, 'renamed');
    expect(a.usage('renamed', 'hca_object')).toMatchObject({ current: 1, max: 2 });
    alloc();
    expect(codeOf(alloc)).toBe('EAGAIN');
    expect(a.devices()).toEqual(['renamed']);
    system.remove(bench.device);
    expect(a.devices()).toEqual([]);
    bench.plug('renamed', [loop]);
    expect(a.usage('renamed', 'hca_object')).toMatchObject({ current: 0, max: Number.POSITIVE_INFINITY });
  });

  it('a charge goes back once, however often it is released, also after its record is gone (R152)', () => {
    const root = new ResourceGroup('');
    const group = new ResourceGroup('g', root);
    const [first, second] = [group.charge('d', 'mr_mem', 5), group.charge('d', 'mr_mem', 7)];
    first.release();
    first.release();
    expect(root.usage('d', 'mr_mem').current).toBe(7);
    root.forget('d');
    second.release();
    expect([root.usage('d', 'mr_mem').current, group.usage('d', 'mr_mem').current]).toEqual([0, 0]);
  });
});

describe('the limit of registered memory of a program', () => {
  it('answers ENOMEM and leaves the count as it was (R132)', () => {
    const { bench, alloc, register, program, context, used, a } = world({ memlockBytes: 10_000 });
    const pd = alloc();
    const region = register(pd, 6000);
    const before = bench.state();
    expect(codeOf(() => register(pd, 4001))).toBe('ENOMEM');
    expect(bench.state()).toBe(before);
    expect(program.session.pinnedBytes).toBe(6000);
    expect(used(a, 'mr_mem')).toBe(6000);
    register(pd, 4000);
    context.call('MR', 'DEREG', { handle: region });
    expect(program.session.pinnedBytes).toBe(4000);
    register(pd, 6000);
  });

  it('counts the same memory twice when it is registered twice, and a derived region not at all (R132)', () => {
    const { alloc, register, program, context } = world({ memlockBytes: 10_000 });
    const pd = alloc();
    const region = register(pd, 4000);
    register(pd, 4000);
    expect(codeOf(() => register(pd, 4000))).toBe('ENOMEM');
    context.call('MR', 'REG', { pd, parent: region, offset: 0, length: 4000, access: 0 });
    expect(program.session.pinnedBytes).toBe(8000);
  });

  it('gives back what a registration that the driver refuses had counted (R132 R134)', () => {
    const { bench, alloc, register, program } = world({ memlockBytes: 10_000 });
    const pd = alloc();
    register(pd, 100, { key: 5n });
    const before = bench.state();
    expect(codeOf(() => register(pd, 200, { key: 5n }))).toBe('EEXIST');
    expect(codeOf(() => register(pd, 200, { key: 1n << 60n }))).toBe('EINVAL');
    expect(bench.state()).toBe(before);
    expect(program.session.pinnedBytes).toBe(100);
  });

  it('is of one program: another one has its own (R132)', () => {
    const { bench, alloc, register } = world({ memlockBytes: 5000 });
    register(alloc(), 5000);
    const other = bench.program({ memlockBytes: 5000 }).open('dev0');
    const pd = other.call('PD', 'ALLOC', {}).handle;
    other.call('MR', 'REG', { pd, memory: memory(5000), access: 0 }, { attachments: [new Uint8Array(5000)] });
  });
});
