import { describe, expect, it } from 'vitest';
import { UAPI } from '../../uapi/index.ts';
import { MANAGEMENT, NETNS_MODES } from '../../uapi/management/index.ts';
import { decodeAnswer, encodeRequest } from '../../uapi/message.ts';
import { type Input, type Method, type ObjectSchema, schemaFaults } from '../../uapi/schema.ts';
import { listed, ManagementRig, manage, open, thrown } from './management-rig.testdata.ts';

const OBJECTS: readonly ObjectSchema[] = Object.values(MANAGEMENT);
const METHODS = OBJECTS.flatMap((object) =>
  Object.entries(object.methods).map(([name, method]) => ({ name: `${object.name}.${name}`, object, method })),
);

/** A value of its type for every mandatory attribute. */
function validInput({ attributes }: Method): Record<string, unknown> {
  const values: Record<string, unknown> = { text: 'dev0', u32: 1, choice: 0, row: { name: 'x' } };
  return Object.fromEntries(
    Object.entries(attributes)
      .filter(([, { direction, mandatory }]) => direction === 'in' && mandatory)
      .map(([name, { type }]) => [name, values[type.kind]]),
  );
}

describe('the management channel', () => {
  it('is declared as data without faults, and by no driver (R156 R158)', () => {
    expect(schemaFaults(OBJECTS)).toEqual([]);
    const rig = new ManagementRig();
    for (const { object } of METHODS) expect(rig.node.registered.methods.objects).not.toContain(object);
    expect(manage(rig.admin, 'SYSTEM', 'SHOW', {}).attributes).toMatchObject({ version: 1, netns: 'shared' });
  });

  it('cannot make, use or end an object of a program (R157)', () => {
    for (const { name, method } of METHODS) {
      for (const { type } of Object.values(method.attributes)) {
        expect(['handle', 'handles'], name).not.toContain(type.kind);
      }
    }
    const { admin } = new ManagementRig();
    for (const object of Object.values(UAPI) as ObjectSchema[]) {
      for (const [name, method] of Object.entries(object.methods)) {
        if (object.name === 'DEVICE' && (name === 'LIST' || name === 'OPEN')) continue;
        const bytes = encodeRequest(object, method, {} as Input<Method>);
        const call = () => decodeAnswer(method, admin.invoke({ bytes, attachments: [] }).bytes);
        expect(thrown(call).code, `${object.name}.${name}`).toBe('EINVAL');
      }
    }
  });

  it.each(METHODS)('$name asks for a right when it changes something, and for none when it reads (R160)', (one) => {
    const { name, object, method } = one;
    const rig = new ManagementRig();
    rig.system.deviceFactory = { add: () => rig.node.registered };
    const user = rig.user();
    const bytes = encodeRequest(object, method, validInput(method) as Input<Method>);
    const serve = () => decodeAnswer(method, user.invoke({ bytes, attachments: [] }).bytes);
    if (method.right !== undefined) {
      const error = thrown(serve);
      expect(error.code).toBe('EPERM');
      expect(error.explain()).toContain(method.right);
    } else if (name === 'MONITOR.READ') expect(thrown(serve).code).toBe('EINVAL');
    else serve();
    const reads = /SHOW|CENSUS|SUMMARY|SESSIONS|MONITOR|STOP/.test(name);
    expect(method.right === undefined).toBe(reads);
  });

  it('lets an administrator do what job makers may, and not the other way round (R160)', () => {
    const rig = new ManagementRig();
    const admin = rig.session({ rights: { admin: true, job: false, raw: false } });
    const launcher = rig.session({ rights: { admin: false, job: true, raw: false } });
    manage(admin, 'JOBS', 'ADD', { id: 1 });
    manage(launcher, 'JOBS', 'ADD', { id: 2 });
    expect(thrown(() => manage(launcher, 'DEV', 'RESET', { device: 'dev0' })).code).toBe('EPERM');
    expect(thrown(() => manage(launcher, 'SYSTEM', 'SET', { netns: NETNS_MODES.SHARED })).code).toBe('EPERM');
  });

  it('explains what is wrong, and changes nothing then (R158)', () => {
    const rig = new ManagementRig();
    const missing = thrown(() => manage(rig.admin, 'DEV', 'SHOW', { device: 'uet9' }));
    expect(missing.explain()).toBe('VerbsError ENODEV in DEV.SHOW: there is no device uet9\n  try      dev0');
    expect(thrown(() => manage(rig.admin, 'DEV', 'SET', { device: 'dev0' })).code).toBe('EINVAL');
    expect(thrown(() => manage(rig.admin, 'DEV', 'SET', { device: 'dev0', name: '1 2' })).code).toBe('EINVAL');
    expect(thrown(() => manage(rig.admin, 'DEV', 'SET', { device: 'dev0', netns: 'x' })).code).toBe('ENOENT');
    expect(rig.node.registered.name).toBe('dev0');
  });

  it('shows debuggers each request with its answer or error, and no capability (R167)', () => {
    const rig = new ManagementRig();
    const woken: number[] = [];
    const tracer = rig.session({ name: 'tracer', wake: (number) => woken.push(number) });
    const { wake } = manage(tracer, 'TRACE', 'START', {});
    manage(rig.admin, 'JOBS', 'ADD', { id: 7, name: 'training' });
    const { token } = manage(rig.admin, 'JOBS', 'EXPORT', { id: 7 });
    const user = rig.user({ name: 'user' });
    thrown(() => manage(user, 'DEV', 'DELETE', { device: 'dev0' }));
    expect(woken).toEqual([wake]);
    const { rows, lost } = manage(tracer, 'TRACE', 'READ', {});
    expect(lost).toBe(0);
    expect(rows).toMatchObject([
      { seq: 1, comm: 'admin', call: 'JOBS.ADD', request: '{"id":7,"name":"training"}', answer: '{}' },
      { seq: 2, comm: 'admin', call: 'JOBS.EXPORT', request: '{"id":7}', answer: '{"token":"<32 bytes>"}' },
      { seq: 3, comm: 'user', call: 'DEV.DELETE', error: expect.stringContaining("needs the right 'admin'") },
    ]);
    const hex = Array.from(token as Uint8Array, (byte) => byte.toString(16).padStart(2, '0')).join('');
    expect(JSON.stringify(rows)).not.toContain(hex);
    expect(manage(tracer, 'TRACE', 'READ', {}).rows).toEqual([]);
    tracer.close();
    expect(rig.system.managementTaps.size).toBe(0);
  });

  it('undoes a call whose answer the caller does not take: no capability, no event is lost (R158)', () => {
    const rig = new ManagementRig();
    manage(rig.admin, 'JOBS', 'ADD', { id: 7 });
    const { EXPORT } = MANAGEMENT.JOBS.methods;
    const bytes = encodeRequest(MANAGEMENT.JOBS, EXPORT, { id: 7 }, { room: 40 });
    expect(thrown(() => decodeAnswer(EXPORT, rig.admin.invoke({ bytes, attachments: [] }).bytes)).code).toBe('ENOSPC');
    for (const job of rig.system.jobs.containers) expect(job.tokens.size).toBe(0);
    manage(rig.admin, 'MONITOR', 'START', {});
    rig.system.rename(rig.node.registered, 'other');
    const { READ } = MANAGEMENT.MONITOR.methods;
    const read = encodeRequest(MANAGEMENT.MONITOR, READ, {}, { room: 40 });
    expect(thrown(() => decodeAnswer(READ, rig.admin.invoke({ bytes: read, attachments: [] }).bytes)).code).toBe(
      'ENOSPC',
    );
    expect(manage(rig.admin, 'MONITOR', 'READ', {}).rows).toMatchObject([{ seq: 1, event: 'rename' }]);
  });
});

describe('counters', () => {
  it('never fall: neither by a reset nor when queue pairs end (R165)', () => {
    const { rig, node, admin } = new ManagementRig();
    const context = node.device.open();
    const pd = context.allocatePd();
    const cq = context.createCompletionQueue({ entries: 64 });
    const bytes = context.allocate(4096);
    const region = pd.registerMemory(bytes, { access: ['local-write'] });
    const make = () => {
      const jobKey = pd.createJobKey(job);
      return pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 8, receiveDepth: 8 });
    };
    const job = context.createJob({ id: 7 });
    const talk = (qp: ReturnType<typeof make>) => {
      const to = pd.createAddressHandle({ address: '10.0.0.1', qpn: qp.qpn });
      qp.postReceive({ region, offset: 0, length: 64 });
      qp.post({ opcode: 'send', to, region, offset: 64, length: 64 });
      rig.turn();
    };
    const totals = () => manage(admin, 'STATISTIC', 'SHOW', { device: 'dev0' }).counters as Record<string, number>;
    let before = totals();
    const check = () => {
      const now = totals();
      for (const [name, count] of Object.entries(before)) expect(now[name], name).toBeGreaterThanOrEqual(count);
      before = now;
    };
    const first = make();
    talk(first);
    check();
    expect(before).toMatchObject({ qp_sends_done: 1, qp_receives_done: 1 });
    expect(before['sent_packets']).toBeGreaterThan(0);
    const { rows } = manage(admin, 'STATISTIC', 'QP_SHOW', {});
    expect(rows).toMatchObject([{ dev: 'dev0', qpn: first.qpn, type: 'RU', sends_done: 1, receives_done: 1 }]);
    first.close();
    check();
    expect(before).toMatchObject({ qp_sends_done: 1, qp_receives_done: 1 });
    const second = make();
    talk(second);
    node.registered.reset();
    check();
    expect(before).toMatchObject({ qp_sends_done: 2, qp_receives_done: 2 });
    context.close();
    check();
  });
});

it('shows registered memory and its limit for each session (R159)', () => {
  const rig = new ManagementRig();
  const user = rig.user({ pid: 4711, name: 'perf', memlockBytes: 65_536 });
  open(user);
  const { rows } = manage(rig.admin, 'SYSTEM', 'SESSIONS', {});
  expect(rows.find(({ pid }: { pid: number }) => pid === 4711)).toMatchObject({
    ...{ comm: 'perf', uid: 1000, netns: 'init', group: '/', contexts: 1 },
    ...{ rights: [], memlock: 0, memlock_max: 65_536 },
  });
  expect(listed(rig.admin, { kind: 'ctx', filter: { pid: 4711 } })).toMatchObject([{ kind: 'ctx', comm: 'perf' }]);
});
