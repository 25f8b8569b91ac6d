import { describe, expect, it } from 'vitest';
import { CallBench } from '../testing/call-bench.ts';
import { runHosts, SimHost } from '../testing/sim-host.ts';
import { loop } from '../transports/loop/index.ts';
import { uet } from '../transports/uet/index.ts';
import { UAPI } from '../uapi/index.ts';
import { deviceJobOf } from './job-methods.ts';
import { codeOf, jobSuite } from './job-suite.testdata.ts';
import { ALL_RIGHTS, NO_RIGHTS } from './session.ts';

/** A protocol with keys of 16 bits, such as older networks have. */
const narrow = { ...loop, attributes: { ...loop.attributes, limits: { ...loop.attributes.limits, maxJobId: 0xffff } } };

for (const transport of [uet, loop, narrow]) jobSuite(transport);

describe('one job, many places', () => {
  const places = () => {
    const bench = new CallBench({ transports: [uet] });
    const other = bench.plug('other', [loop]);
    const context = bench.program().open('dev0');
    return { bench, other, context };
  };

  it('a job spans devices and protocols: a container, realised on each (R082 R090 R081)', () => {
    const { bench, other, context } = places();
    const { handle } = context.call('JOB', 'ALLOC', { id: 7, name: 'wide' });
    const { token } = context.call('JOB', 'EXPORT', { handle });
    const there = bench.program().open('other');
    there.call('JOB', 'IMPORT', { token });
    expect(bench.system.jobs.containers.size).toBe(1);
    const [container] = bench.system.jobs.containers;
    expect([...container!.realised].map(({ device, id }) => [device.name, id])).toEqual([
      ['dev0', 7],
      ['other', 7],
    ]);
    expect(other.objects('JOB').size).toBe(1);
    context.program.session.close();
    expect([...container!.realised].map(({ device }) => device.name)).toEqual(['other']);
    bench.program().open('other').call('JOB', 'IMPORT', { token }); // alive as long as somebody holds it
    for (const session of [...bench.system.sessions]) session.close();
    expect(bench.leftovers()).toEqual([]);
  });

  it('its number may differ from device to device (R090)', () => {
    const { bench, other } = places();
    const ids = new Map([[other, 0x1234]]);
    const { jobs, initialNamespace: namespace } = bench.system;
    const container = jobs.add({ id: 7, ids, namespace, owner: { pid: 1, uid: 0 }, kept: true });
    const token = jobs.export(container);
    const seen = ['dev0', 'other'].map((name) => {
      const context = bench.program().open(name);
      const { handle } = context.call('JOB', 'IMPORT', { token });
      return context.call('JOB', 'QUERY', { handle }).attributes.id;
    });
    expect(seen).toEqual([7, 0x1234]);
    expect(codeOf(() => bench.program().open('other').call('JOB', 'ALLOC', { id: 0x1234 }))).toBe('EEXIST');
    bench.program().open('other').call('JOB', 'ALLOC', { id: 7 }); // 7 is free there
    for (const session of [...bench.system.sessions]) session.close();
    expect(jobs.containers).toEqual(new Set([container])); // it was made to stay
  });

  it('one helper gives the id at each device from what a capability became (R089)', () => {
    const { bench, other } = places();
    const { jobs, initialNamespace: namespace } = bench.system;
    const ids = new Map([[other, 0x1234]]);
    const token = jobs.export(jobs.add({ id: 7, ids, namespace, owner: { pid: 1, uid: 0 }, kept: true }));
    const found = ['dev0', 'other'].map((name) => {
      const context = bench.program({ rights: NO_RIGHTS }).open(name);
      const { handle } = context.call('JOB', 'IMPORT', { token });
      const object = context.program.session.contexts.get(context.number)!.objects.get(handle)!;
      const { id, device, container } = deviceJobOf(object);
      return [device.name, id, container === jobs.import(token)];
    });
    expect(found).toEqual([
      ['dev0', 7, true],
      ['other', 0x1234, true],
    ]);
    for (const session of [...bench.system.sessions]) session.close();
    expect(bench.leftovers()).toEqual([]);
  });

  it('the same number on two devices, or at two addresses of one, is two jobs (R091 R112)', () => {
    const bench = new CallBench({ transports: [uet, loop] });
    bench.plug('other', [uet]);
    const [context, there] = ['dev0', 'other'].map((name) => bench.program().open(name));
    context!.call('JOB', 'ALLOC', { id: 7, sgidIndex: 0 });
    const second = context!.call('JOB', 'ALLOC', { id: 7, sgidIndex: 1 });
    there!.call('JOB', 'ALLOC', { id: 7 });
    expect(bench.system.jobs.containers.size).toBe(3);
    expect(codeOf(() => context!.call('JOB', 'ALLOC', { id: 7, sgidIndex: 1 }))).toBe('EEXIST');
    // a capability leads to its own job only
    const { token } = context!.call('JOB', 'EXPORT', { handle: second.handle });
    const { handle } = bench.program().open('dev0').call('JOB', 'IMPORT', { token });
    expect(handle).toBeGreaterThan(0);
    const jobs = [...bench.system.jobs.containers].map(({ realised }) =>
      [...realised].map(({ holders }) => holders.size),
    );
    expect(jobs).toEqual([[1], [2], [1]]);
  });

  it('a key of a job at one address is none at another, where its number may be somebody else’s (R087 R091)', () => {
    const host = new SimHost();
    host.plug('rdma0', [
      { transport: uet, address: '10.0.0.1' },
      { transport: loop, address: '10.0.0.1' },
    ]);
    const context = host.program({ rights: ALL_RIGHTS }).open('rdma0');
    const pd = context.allocatePd();
    const [here, there] = [0, 1].map((sgidIndex) => pd.createJobKey(context.createJob({ id: 7, sgidIndex })));
    const cq = context.createCompletionQueue({ entries: 16 });
    const rings = { type: 'RU', sendCq: cq, recvCq: cq, sendDepth: 4, receiveDepth: 4 } as const;
    expect(codeOf(() => pd.createQueuePair({ ...rings, jobKey: there! }))).toBe('EINVAL');
    const qp = pd.createQueuePair({ ...rings, jobKey: here! });
    const to = pd.createAddressHandle({ address: '10.0.0.1', qpn: qp.qpn });
    qp.postReceive({});
    qp.post({ opcode: 'send', to, jobKey: there! });
    qp.post({ opcode: 'send', to });
    runHosts([host], () => false, 60e9);
    const statuses = [cq.take(), cq.take(), cq.take()].map((one) => one?.status);
    expect(statuses.sort()).toEqual(['LOC_ACCESS_ERR', 'SUCCESS', 'SUCCESS']);
  });

  it('one job at two addresses of a device has a table of addresses at each (R090)', () => {
    const bench = new CallBench({ transports: [uet, loop] });
    const context = bench.program().open('dev0');
    const { handle } = context.call('JOB', 'ALLOC', { id: 7 });
    const { token } = context.call('JOB', 'EXPORT', { handle });
    context.call('JOB', 'IMPORT', { token, sgidIndex: 1 });
    const [container] = bench.system.jobs.containers;
    expect([...container!.realised].map(({ sgidIndex }) => sgidIndex)).toEqual([0, 1]);
    context.program.session.close();
    expect(bench.leftovers()).toEqual([]);
  });

  it('limits are kept and answered: jobs, job keys, addresses (R092)', () => {
    const bench = new CallBench({ transports: [uet], limits: { jobs: 3, jobKeys: 2, addresses: 64 } });
    const context = bench.program().open('dev0');
    expect(codeOf(() => context.call('JOB', 'ALLOC', { id: 1, maxAddresses: 65 }))).toBe('EINVAL');
    const jobs = [1, 2, 3].map((id) => context.call('JOB', 'ALLOC', { id, maxAddresses: 64 }).handle);
    expect(codeOf(() => context.call('JOB', 'ALLOC', { id: 4, maxAddresses: 8 }))).toBe('ENOSPC');
    const pd = context.call('PD', 'ALLOC', {}).handle;
    const keys = jobs.slice(0, 2).map((job) => context.call('JKEY', 'CREATE', { pd, job }).handle);
    expect(codeOf(() => context.call('JKEY', 'CREATE', { pd, job: jobs[2]! }))).toBe('ENOSPC');
    context.call('JKEY', 'DESTROY', { handle: keys[0]! });
    context.call('JKEY', 'CREATE', { pd, job: jobs[2]! });
    expect(bench.system.jobs.containers.size).toBe(3);
  });

  it('capabilities are bounded too, and revoking gives room (R092)', () => {
    const bench = new CallBench({ transports: [uet] });
    const context = bench.program().open('dev0');
    const { handle } = context.call('JOB', 'ALLOC', { id: 1 });
    for (let i = 0; i < 4096; i++) context.call('JOB', 'EXPORT', { handle });
    expect(codeOf(() => context.call('JOB', 'EXPORT', { handle }))).toBe('ENOSPC');
    context.call('JOB', 'REVOKE', { handle });
    context.call('JOB', 'EXPORT', { handle });
  });

  it('names of jobs are once per namespace, and say nothing elsewhere (R086 R150)', () => {
    const bench = new CallBench({ transports: [uet] });
    const namespace = bench.system.namespaceOf('net:2', 'blue');
    const here = bench.program().open('dev0');
    const there = bench.program({ namespace }).open('dev0');
    here.call('JOB', 'ALLOC', { id: 1, name: 'train' });
    expect(codeOf(() => here.call('JOB', 'ALLOC', { id: 2, name: 'train' }))).toBe('EEXIST');
    there.call('JOB', 'ALLOC', { id: 2, name: 'train' });
    const { jobs, initialNamespace } = bench.system;
    expect(jobs.named('train', initialNamespace)!.id).toBe(1);
    expect(jobs.named('train', namespace)!.id).toBe(2);
  });

  it('jobs and job keys are charged like other objects, and who imports is charged too (R155)', () => {
    const bench = new CallBench({ transports: [uet] });
    const group = bench.system.groupOf('/tenants/a');
    const used = () => group.usage('dev0', 'hca_object').current;
    const context = bench.program({ group }).open('dev0');
    const pd = context.call('PD', 'ALLOC', {}).handle;
    const job = context.call('JOB', 'ALLOC', { id: 1 }).handle;
    context.call('JKEY', 'CREATE', { pd, job });
    expect(used()).toBe(3);
    const { token } = context.call('JOB', 'EXPORT', { handle: job });
    group.limit('dev0', 'hca_object', 3);
    expect(codeOf(() => context.call('JOB', 'IMPORT', { token }))).toBe('EAGAIN');
    expect(codeOf(() => context.call('JOB', 'ALLOC', { id: 2 }))).toBe('EAGAIN');
    expect(codeOf(() => context.call('JKEY', 'CREATE', { pd, job }))).toBe('EAGAIN');
    expect(bench.system.jobs.containers.size).toBe(1);
    context.program.session.close();
    expect(used()).toBe(0);
  });

  it('a right that was dropped at opening is gone for the context (R083 R115)', () => {
    const bench = new CallBench({ transports: [uet] });
    const program = bench.program({ rights: ALL_RIGHTS });
    const dropped = program.open('dev0', 0);
    expect(codeOf(() => dropped.call('JOB', 'ALLOC', { id: 1 }))).toBe('EPERM');
    program.open('dev0', 2).call('JOB', 'ALLOC', { id: 1 });
    // and the credentials of somebody who calls later change nothing
    (program.session.credentials as { rights: unknown }).rights = { admin: true, job: true, raw: true };
    expect(codeOf(() => dropped.call('JOB', 'ALLOC', { id: 2 }))).toBe('EPERM');
  });

  it('nothing of the user API sets a job number but JOB.ALLOC, which needs the right (R087)', () => {
    const setters = Object.values(UAPI).flatMap(({ name, methods }) =>
      Object.entries(methods as Readonly<Record<string, { right?: string; attributes: object }>>)
        .filter(([, { attributes }]) => Object.keys(attributes).some((label) => /^(id|jobId)$/.test(label)))
        .map(([method, { right }]) => `${name}.${method} ${right}`),
    );
    expect(setters).toEqual(['JOB.ALLOC job']);
  });
});
