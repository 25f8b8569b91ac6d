import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../base/random.ts';
import { uet } from '../../transports/uet/index.ts';
import type { Row } from '../../uapi/rows.ts';
import { Rig } from '../../verbs/device-rig.testdata.ts';
import { ALL_RIGHTS } from '../session.ts';
import { invoke, listed, ManagementRig, manage, open, thrown } from './management-rig.testdata.ts';

describe('objects of all programs (rdma-core 19.1)', () => {
  it('are listed with their owners, by device, kind and values (R159 R158)', () => {
    const rig = new ManagementRig();
    const { device } = rig.node;
    const context = device.open();
    const pd = context.allocatePd();
    const cq = context.createCompletionQueue({ entries: 64 });
    const jobKey = pd.createJobKey(context.createJob({ id: 7, name: 'training' }));
    const depth = { sendDepth: 8, receiveDepth: 8 };
    const qps = [1, 2, 3].map(() => pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, ...depth }));
    const user = rig.user({ pid: 4711, name: 'perf' });
    invoke(user, open(user), 'PD', 'ALLOC');
    const kinds = (rows: readonly Row[]) => rows.map(({ kind }) => kind);
    expect(kinds(listed(rig.admin, {}))).toEqual(['ctx', 'ctx', 'pd', 'pd', 'cq', 'qp', 'qp', 'qp', 'job', 'job_key']);
    expect(listed(rig.admin, { filter: { pid: 4711 } })).toMatchObject([
      { dev: 'dev0', kind: 'ctx', pid: 4711, uid: 1000, comm: 'perf' },
      { dev: 'dev0', kind: 'pd', pid: 4711, comm: 'perf', uses: 0 },
    ]);
    expect(listed(rig.admin, { kind: 'qp', filter: { qpn: qps[1]!.qpn } })).toMatchObject([
      { kind: 'qp', qpn: qps[1]!.qpn, port: 1, type: 'RU', state: 'RTS', job: 7, pid: 1, comm: 'rig' },
    ]);
    const numbers = listed(rig.admin, { kind: 'qp' }).map(({ id }) => Number(id));
    const range = `${numbers[0]}-${numbers[1]}`;
    expect(listed(rig.admin, { kind: 'qp', filter: { id: range } })).toHaveLength(2);
    expect(
      listed(rig.admin, { kind: 'qp', filter: { id: `${numbers[2]},0x${numbers[0]!.toString(16)}` } }),
    ).toHaveLength(2);
    expect(listed(rig.admin, { kind: 'qp', filter: { state: 'ERR' } })).toEqual([]);
    expect(listed(rig.admin, { kind: 'qp', filter: { unknown: 1 } })).toEqual([]);
    expect(listed(rig.admin, { device: '1', kind: 'pd' })).toHaveLength(2);
    expect(thrown(() => listed(rig.admin, { device: 'uet9' })).code).toBe('ENODEV');
    expect(manage(rig.admin, 'RESOURCE', 'SUMMARY', {}).rows).toMatchObject([
      { ifindex: 1, dev: 'dev0', ctx: 2, max_ctx: 4096, pd: 2, max_pd: 16_384, qp: 3, job: 1, max_job: 4096, pdc: 0 },
    ]);
    expect(manage(rig.admin, 'RESOURCE', 'CENSUS', { device: 'dev0' }).counts).toMatchObject({ queue_pairs: 3 });
  });

  it('carry what the driver adds, typed, without a change here (R164)', () => {
    const rig = new ManagementRig();
    const extras = { temperature: 41.5, serial: 2n ** 60n, flags: ['a', 'b'], spare: true, vendor: 'x' };
    rig.node.kernel.describe = () => extras;
    invoke(rig.admin, open(rig.admin), 'PD', 'ALLOC');
    expect(listed(rig.admin, { kind: 'pd' })).toMatchObject([extras]);
    expect(listed(rig.admin, { filter: { flags: 'b', spare: 'true' } })).toHaveLength(1);
  });

  it('are never shown half dead: not while the driver ends them, and again when it refuses (R162)', () => {
    const rig = new ManagementRig();
    const seen: string[] = [];
    let refuse = true;
    const kinds = () => listed(rig.admin, { kind: 'pd' }).length;
    const entry = rig.node.registered.methods.destroyer('PD')!;
    const { serve } = entry;
    Object.assign(entry, {
      serve: (call: Parameters<typeof serve>[0]) => {
        seen.push(`ending ${kinds()}`);
        if (refuse) throw new Error('not now');
        const answer = serve(call);
        seen.push(`ended ${kinds()}`);
        return answer;
      },
    });
    const context = open(rig.admin);
    const { handle } = invoke(rig.admin, context, 'PD', 'ALLOC');
    expect(thrown(() => invoke(rig.admin, context, 'PD', 'DEALLOC', { handle })).code).toBe('EIO');
    expect(kinds()).toBe(1);
    refuse = false;
    invoke(rig.admin, context, 'PD', 'DEALLOC', { handle });
    expect(seen).toEqual(['ending 0', 'ending 0', 'ended 0']);
    expect(kinds()).toBe(0);
  });

  it('are never shown half made: not while the driver makes them (R162)', () => {
    const rig = new ManagementRig();
    const seen: number[] = [];
    rig.system.inject = () => void seen.push(rig.node.registered.objects('PD').size);
    invoke(rig.admin, open(rig.admin), 'PD', 'ALLOC');
    expect(seen.length).toBeGreaterThan(1);
    expect(new Set(seen)).toEqual(new Set([0]));
  });

  it('come in parts that survive change: of 10,000, each that lives throughout once, no dead one (R166)', () => {
    const rig = new ManagementRig();
    const random = new SeededRandom(2166);
    const context = open(rig.admin);
    const alloc = () => invoke(rig.admin, context, 'PD', 'ALLOC').handle as number;
    const alive = Array.from({ length: 10_000 }, alloc);
    const before = new Set(alive);
    const dead = new Set<number>();
    let parts = 0;
    const rows: Row[] = [];
    let after = '';
    do {
      const part = manage(rig.admin, 'RESOURCE', 'SHOW', { kind: 'pd', after });
      for (const row of part.rows as Row[]) {
        expect(dead.has(Number(row.handle))).toBe(false);
        rows.push(row);
      }
      parts++;
      for (let i = 0; i < 60; i++) {
        const [handle] = alive.splice(Math.floor(random.next() * alive.length), 1);
        invoke(rig.admin, context, 'PD', 'DEALLOC', { handle });
        dead.add(handle!);
        if (i % 2 === 0) alive.push(alloc());
      }
      after = part.next;
    } while (after !== '');
    expect(parts).toBeGreaterThan(10);
    const ids = rows.map(({ id }) => Number(id));
    expect(new Set(ids).size).toBe(ids.length);
    const shown = new Set(rows.map(({ handle }) => Number(handle)));
    for (const handle of alive) if (before.has(handle)) expect(shown.has(handle)).toBe(true);
  });

  it('come in parts over several devices and kinds, also when a device goes or is renamed meanwhile (R166)', () => {
    const rig = new ManagementRig();
    for (const [name, address] of [
      ['b', '10.0.0.2'],
      ['c', '10.0.0.3'],
    ] as const) {
      rig.system.register(rig.rig.device(address, { transport: uet }).kernel, { name });
    }
    for (const device of ['dev0', 'b', 'c']) {
      const context = open(rig.admin, device);
      for (let i = 0; i < 700; i++) invoke(rig.admin, context, 'PD', 'ALLOC');
    }
    let parts = 0;
    const rows = listed(rig.admin, {}, () => {
      parts++;
      if (parts === 1) rig.system.rename(rig.node.registered, 'renamed');
      if (parts === 2) rig.system.remove(rig.system.find('c')!);
    });
    const count = (name: RegExp) => rows.filter(({ dev, kind }) => name.test(String(dev)) && kind === 'pd').length;
    expect([count(/^(dev0|renamed)$/), count(/^b$/)]).toEqual([700, 700]);
    expect(parts).toBe(2);
  });

  it('takes any text as a place in a list, and never fails for it (R166)', () => {
    const { admin } = new ManagementRig();
    for (const after of ['x', '1.2', '-1.-1.-1', '99999999.0.0', '1.0.0.0', '9'.repeat(120)]) {
      expect(manage(admin, 'RESOURCE', 'SHOW', { after }).rows).toEqual([]);
    }
  });
});

it('shows every delivery context of UET with its peer, mode, role, state and windows (R159)', () => {
  const rig = new Rig();
  const [a, b] = ['10.0.0.1', '10.0.0.2'].map((address) => {
    const node = rig.device(address, { transport: uet });
    const context = node.device.open();
    const pd = context.allocatePd();
    const cq = context.createCompletionQueue({ entries: 64 });
    const jobKey = pd.createJobKey(context.createJob({ id: 7 }));
    const region = pd.registerMemory(context.allocate(4096), { access: ['local-write'] });
    const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 8, receiveDepth: 8 });
    qp.postReceive({ region });
    return { node, pd, qp, region };
  }) as [Side, Side];
  const to = a.pd.createAddressHandle({ address: '10.0.0.2', qpn: b.qp.qpn });
  a.qp.post({ opcode: 'send', to, region: a.region, length: 100 });
  rig.turn();
  const contexts = ({ node }: Side) => {
    const session = node.system.session({ pid: 9, uid: 0, gid: 0, name: 'x', rights: ALL_RIGHTS, wake: () => {} });
    return manage(session, 'RESOURCE', 'SHOW', { kind: 'pdc' }).rows as Row[];
  };
  const [[mine], [theirs]] = [contexts(a), contexts(b)];
  expect(mine).toMatchObject({
    ...{ dev: 'dev0', kind: 'pdc', gid_index: 0, transport: 'uet', peer: '10.0.0.2', peer_port: 4793 },
    ...{ mode: 'rud', role: 'initiator', state: 'ESTABLISHED', job: 7, in_flight: 0, lost: 0 },
  });
  expect(theirs).toMatchObject({ role: 'target', state: 'ESTABLISHED', peer: '10.0.0.1', remote_id: mine!.id });
  expect(mine!.remote_id).toBe(theirs!.id);
  expect(theirs!.rx_cack).toBe(Number(mine!.tx_next) - 1);
  expect(mine!.tx_base).toBe(mine!.tx_next);
  expect(Number(mine!.window)).toBeGreaterThan(0);
});

type Side = {
  readonly node: ReturnType<Rig['device']>;
  readonly pd: ReturnType<ReturnType<ReturnType<Rig['device']>['device']['open']>['allocatePd']>;
  readonly qp: ReturnType<Side['pd']['createQueuePair']>;
  readonly region: ReturnType<Side['pd']['registerMemory']>;
};
