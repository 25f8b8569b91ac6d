import { describe, expect, it } from 'vitest';
import type { Row } from '../../uapi/rows.ts';
import type { Context } from '../../verbs/context.ts';
import { type Credentials, NO_RIGHTS } from '../session.ts';
import { invoke, ManagementRig, manage, open, thrown } from './management-rig.testdata.ts';

const LAUNCHER: Partial<Credentials> = { uid: 50, name: 'launcher', rights: { admin: false, job: true, raw: false } };

/** A queue pair that works for a job: two of them on one device talk to each other. */
function endpoint(context: Context, token: Uint8Array) {
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 64 });
  const job = context.importJob(token);
  const jobKey = pd.createJobKey(job);
  const region = pd.registerMemory(context.allocate(4096), { access: ['local-write'] });
  const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 8, receiveDepth: 8 });
  return { pd, cq, job, jobKey, region, qp };
}

describe('jobs for launchers (verbs/5.4)', () => {
  it('are made by who may, and joined by who may not, with a capability and without a number (R213)', () => {
    const rig = new ManagementRig();
    const launcher = rig.session(LAUNCHER);
    manage(launcher, 'JOBS', 'ADD', { id: 7, name: 'training', maxAddresses: 16 });
    const { token } = manage(launcher, 'JOBS', 'EXPORT', { id: 7 });
    const rank = rig.user();
    const context = open(rank);
    const guess = (token as Uint8Array).map((byte) => byte ^ 1);
    expect(thrown(() => invoke(rank, context, 'JOB', 'IMPORT', { token: guess })).code).toBe('EBADF');
    expect(thrown(() => invoke(rank, context, 'JOB', 'ALLOC', { id: 7 })).code).toBe('EPERM');
    expect(thrown(() => manage(rank, 'JOBS', 'EXPORT', { id: 7 })).code).toBe('EPERM');
    expect(invoke(rank, context, 'JOB', 'IMPORT', { token }).entries).toBe(16);
    rank.close();
    launcher.close();
    // it waits for the next ranks
    expect(manage(rig.admin, 'JOBS', 'SHOW', {}).rows).toMatchObject([{ job: 7, kept: true, devices: [] }]);
  });

  it('have numbers from 1 and names, each only once (R211)', () => {
    const { admin } = new ManagementRig();
    const add = (input: { id: number; name?: string }) => thrown(() => manage(admin, 'JOBS', 'ADD', input)).code;
    manage(admin, 'JOBS', 'ADD', { id: 7, name: 'training' });
    expect(add({ id: 0 })).toBe('EINVAL');
    expect(add({ id: 7 })).toBe('EEXIST');
    expect(add({ id: 8, name: 'training' })).toBe('EEXIST');
    expect(add({ id: 8, name: 'n'.repeat(65) })).toBe('EINVAL');
    manage(admin, 'JOBS', 'ADD', { id: 8, name: 'n'.repeat(64) });
    manage(admin, 'JOBS', 'DELETE', { id: 7 });
    manage(admin, 'JOBS', 'ADD', { id: 7, name: 'training' });
  });

  it('are listed, made and deleted; a wrong call says what is missing or not there (R212)', () => {
    const { admin } = new ManagementRig();
    const missing = thrown(() => manage(admin, 'JOBS', 'ADD', {} as never));
    expect(missing.code).toBe('EINVAL');
    expect(missing.explain()).toContain('id: number of the job');
    for (const method of ['EXPORT', 'DELETE'] as const) {
      expect(thrown(() => manage(admin, 'JOBS', method, { id: 7 })).code).toBe('ENOENT');
    }
    for (let id = 1; id <= 900; id++) manage(admin, 'JOBS', 'ADD', { id, name: `job-${id}` });
    const seen: unknown[] = [];
    let parts = 0;
    for (let after = ''; ; parts++) {
      const { rows, next } = manage(admin, 'JOBS', 'SHOW', { after });
      seen.push(...(rows as Row[]).map(({ job }) => job));
      if (next === '') break;
      manage(admin, 'JOBS', 'DELETE', { id: 900 - parts });
      after = next;
    }
    expect(parts).toBeGreaterThan(0);
    expect(seen).toEqual(Array.from({ length: 900 - parts }, (_, i) => i + 1));
    expect(manage(admin, 'JOBS', 'SHOW', { name: 'job-5' }).rows).toMatchObject([{ job: 5 }]);
  });

  it('belong to their maker: another user needs the right to administer (R160)', () => {
    const rig = new ManagementRig();
    manage(rig.session(LAUNCHER), 'JOBS', 'ADD', { id: 7 });
    const stranger = rig.session({ ...LAUNCHER, uid: 51 });
    expect(thrown(() => manage(stranger, 'JOBS', 'EXPORT', { id: 7 })).code).toBe('EPERM');
    expect(thrown(() => manage(stranger, 'JOBS', 'DELETE', { id: 7 })).code).toBe('EPERM');
    manage(rig.admin, 'JOBS', 'DELETE', { id: 7 });
  });

  it('show all of their endpoints and holders, of which there can be many, and no capability (R088 R218 R219)', () => {
    const rig = new ManagementRig();
    manage(rig.admin, 'JOBS', 'ADD', { id: 7, name: 'training' });
    const { token } = manage(rig.admin, 'JOBS', 'EXPORT', { id: 7 });
    const [a, b] = [rig.node.device.open(), rig.node.device.open()].map((context) => endpoint(context, token));
    b!.job.addresses.set(3, { address: '10.0.0.2', qpn: 9 });
    const reader = rig.user();
    const { rows } = manage(reader, 'JOBS', 'SHOW', { name: 'training' });
    expect(rows).toMatchObject([
      {
        ...{ job: 7, name: 'training', netns: 'init', uid: 0, devices: ['dev0 gid_index 0'], addresses: 1 },
        ...{ holders: ['pid 1 comm rig', 'pid 1 comm rig'], endpoint_count: 2 },
        endpoints: [
          `dev0 gid_index 0 qpn ${a!.qp.qpn} pid 1 comm rig`,
          `dev0 gid_index 0 qpn ${b!.qp.qpn} pid 1 comm rig`,
        ],
      },
    ]);
    const hex = Array.from(token as Uint8Array, (byte) => byte.toString(16).padStart(2, '0')).join('');
    expect(JSON.stringify(rows)).not.toContain(hex);
  });

  it('lose the endpoints of a context that closes (R220)', () => {
    const rig = new ManagementRig();
    manage(rig.admin, 'JOBS', 'ADD', { id: 7 });
    const { token } = manage(rig.admin, 'JOBS', 'EXPORT', { id: 7 });
    const contexts = [rig.node.device.open(), rig.node.device.open()];
    const [, kept] = contexts.map((context) => endpoint(context, token));
    const shown = () => (manage(rig.admin, 'JOBS', 'SHOW', {}).rows as Row[])[0];
    expect(shown()).toMatchObject({ endpoint_count: 2 });
    contexts[0]!.close();
    expect(shown()).toMatchObject({
      ...{ endpoint_count: 1, endpoints: [`dev0 gid_index 0 qpn ${kept!.qp.qpn} pid 1 comm rig`] },
      holders: ['pid 1 comm rig'],
    });
    contexts[1]!.close();
    expect(shown()).toMatchObject({ job: 7, endpoint_count: 0, endpoints: [], holders: [], devices: [] });
  });

  it('end under traffic: queue pairs fail, nobody joins, holders keep shells, delivery contexts go (R203)', () => {
    const rig = new ManagementRig();
    manage(rig.admin, 'JOBS', 'ADD', { id: 7 });
    const { token } = manage(rig.admin, 'JOBS', 'EXPORT', { id: 7 });
    const contexts = [rig.node.device.open(), rig.node.device.open()];
    const [a, b] = contexts.map((context) => endpoint(context, token)) as [
      ReturnType<typeof endpoint>,
      ReturnType<typeof endpoint>,
    ];
    b.qp.postReceive({ region: b.region });
    const to = a.pd.createAddressHandle({ address: '10.0.0.1', qpn: b.qp.qpn });
    a.qp.post({ opcode: 'send', to, region: a.region, length: 100 });
    rig.rig.turn();
    expect(a.cq.take()?.status).toBe('SUCCESS');
    expect(rig.node.registered.census()['engine_contexts']).toBeGreaterThan(0);
    a.qp.post({ opcode: 'send', to, region: a.region, length: 100 });

    manage(rig.admin, 'JOBS', 'DELETE', { id: 7 });
    expect(manage(rig.admin, 'JOBS', 'SHOW', {}).rows).toEqual([]);
    rig.rig.turn();
    expect(a.cq.take()?.status).toBe('WR_FLUSH_ERR');
    const states = manage(rig.admin, 'RESOURCE', 'SHOW', { kind: 'qp' }).rows as Row[];
    expect(states.map(({ state }) => state)).toEqual(['ERR', 'ERR']);
    expect(thrown(() => contexts[0]!.importJob(token)).code).toBe('EBADF');
    expect(thrown(() => a.pd.createJobKey(a.job)).code).toBe('EACCES');
    for (const { qp, jobKey, job } of [a, b]) {
      qp.close();
      jobKey.destroy();
      job.destroy();
    }
    for (let i = 0; i < 1000 && rig.rig.advance(); i++) rig.rig.turn();
    expect(rig.node.registered.census()).toMatchObject({ jobs: 0, job_keys: 0, queue_pairs: 0, engine_contexts: 0 });
    manage(rig.admin, 'JOBS', 'ADD', { id: 7 });
    expect(NO_RIGHTS.job).toBe(false);
  });
});
