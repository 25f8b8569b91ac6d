/** What a job means on the data path of a device: who reaches what, and what happens when it is taken away. */
import { describe, expect, it } from 'vitest';
import { NO_RIGHTS } from '../device/session.ts';
import type { Transport } from '../engine/engine.ts';
import { Bed } from '../testing/bed.ts';
import { loop } from '../transports/loop/index.ts';
import { uet } from '../transports/uet/index.ts';
import { OpenDevice } from '../verbs/device.ts';
import { Rig, type RigDevice } from '../verbs/device-rig.testdata.ts';
import { InlinePort } from '../verbs/inline-port.ts';
import type { Job } from '../verbs/job.ts';

/** Another program on the device, without rights. */
function another({ system, kernel, port, device }: RigDevice, rig: Rig) {
  const session = system.session({
    ...{ pid: 2, uid: 1, gid: 1, name: 'other', rights: NO_RIGHTS },
    wake: (number) => own.wake(number),
  });
  const hooks = { now: () => rig.now, soon: (run: () => void) => run(), after: () => () => {}, watch: () => {} };
  const own = new InlinePort(session, kernel, port.memory, hooks, false);
  return new OpenDevice(own, device.name, async () => {});
}

function member(context: ReturnType<OpenDevice['open']>, job: Job) {
  const pd = context.allocatePd();
  const jobKey = pd.createJobKey(job);
  const cq = context.createCompletionQueue({ entries: 32 });
  const options = { type: 'RU', sendCq: cq, recvCq: cq, sendDepth: 8, receiveDepth: 8 } as const;
  const qp = pd.createQueuePair({ ...options, jobKey });
  const statuses = () => {
    const list: string[] = [];
    for (let one = cq.take(); one !== undefined; one = cq.take()) list.push(one.status);
    return list;
  };
  return { context, pd, job, jobKey, cq, qp, options, statuses };
}

describe('revoking a job with cut', () => {
  it('fails the queue pairs of other holders, and leaves them nothing to do with the job', () => {
    const rig = new Rig();
    const device = rig.device('10.0.0.1');
    const owner = device.device.open();
    const made = owner.createJob({ id: 7 });
    const mine = member(owner, made);
    const further = device.device.open(); // of the same program: it is not another holder
    const second = member(further, further.importJob(made.export()));
    const other = another(device, rig).open();
    const theirs = member(other, other.importJob(made.export()));
    const independent = member(owner, owner.createJob({ id: 8 }));
    const to = (from: ReturnType<typeof member>, qpn: number) =>
      from.pd.createAddressHandle({ address: '10.0.0.1', qpn });
    theirs.qp.postReceive({ id: 1 });
    made.revoke({ cut: true });
    expect([theirs, mine, second, independent].map(({ qp }) => qp.state)).toEqual(['ERR', 'RTS', 'RTS', 'RTS']);
    expect(theirs.statuses()).toEqual(['WR_FLUSH_ERR']);
    expect(other.takeEvents().events.map(({ name, object }) => [name, object === theirs.qp])).toEqual([
      ['QP_FATAL', true],
    ]);
    expect(owner.takeEvents().events).toEqual([]);
    // no way back: not by reset, by another queue pair or key, by the address table, by a capability of its own
    theirs.qp.modify({ state: 'RESET' });
    const { job, pd, options, jobKey } = theirs;
    for (const attempt of [
      () => theirs.qp.modify({ state: 'RTS' }),
      () => pd.createQueuePair({ ...options, jobKey }),
      () => pd.createJobKey(job),
      () => job.addresses.set(0, { address: '10.0.0.1', qpn: 1 }),
      () => job.addresses.remove(0),
      () => job.export(),
    ]) {
      expect(attempt).toThrow('EACCES');
    }
    const absolute = pd.createQueuePair(options);
    absolute.post({ opcode: 'send', to: to(theirs, mine.qp.qpn), jobKey });
    rig.turn();
    expect(theirs.statuses()).toEqual(['LOC_ACCESS_ERR']);
    // the owner goes on
    mine.qp.postReceive({});
    mine.qp.post({ opcode: 'send', to: to(mine, mine.qp.qpn) });
    rig.turn();
    expect(mine.statuses()).toEqual(['SUCCESS', 'SUCCESS']);
    other.close();
    expect(device.registered.system.leaked).toBe(0);
  });
});

describe('the end of a job', () => {
  it('ends its delivery contexts, and no others; none of them was ever a handle (R052 R203)', () => {
    const bed = new Bed({ transport: uet });
    const { a, b } = bed;
    const other = { a: a.context.createJob({ id: 9 }), b: b.context.createJob({ id: 9 }) };
    const keys = { a: a.pd.createJobKey(other.a), b: b.pd.createJobKey(other.b) };
    const [sink, source] = [b.buffer(100), a.buffer(100, { salt: 1 })];
    const { sendCq, recvCq } = b;
    const peer = b.pd.createQueuePair({ type: 'RU', sendCq, recvCq, jobKey: keys.b });
    a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote });
    const request = { ...source.part(), remote: sink.remote, jobKey: keys.a };
    a.qp.post({ opcode: 'write', to: a.to(b), qpn: peer.qpn, ...request });
    bed.completed(a, 2, 0);
    bed.pass(1e9);
    const contexts = () => a.node.kernel.protocolRows().filter(({ kind }) => kind === 'pdc').length;
    const before = contexts();
    expect(before).toBeGreaterThanOrEqual(2);
    expect(a.node.registered.methods.objects.map(({ short }) => short)).not.toContain('pdc');
    keys.a.destroy();
    other.a.destroy();
    bed.pass(1e9);
    expect(contexts()).toBe(before - 1);
    a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote });
    bed.completed(a, 3, 0);
    expect(a.sent.map(({ status }) => status)).toEqual(['SUCCESS', 'SUCCESS', 'SUCCESS']);
    expect(contexts()).toBe(before - 1);
    bed.close();
  });

  it('cuts holders off in the middle of traffic, and the delivery contexts go as well (R203)', () => {
    const bed = new Bed({ transport: uet });
    const { a, b } = bed;
    const [sink, source] = [b.buffer(1 << 20), a.buffer(1 << 20, { salt: 1 })];
    a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote });
    bed.until('the first bytes to arrive', () => sink.bytes[0] !== 0xee);
    const { registered, system, kernel } = a.node;
    const object = [...registered.objects('JOB').values()][0]!;
    const admin = system.session({
      ...a.node.port.session.credentials,
      pid: 99,
      rights: { admin: true, job: true, raw: true },
    });
    const port = new InlinePort(
      admin,
      kernel,
      a.context.port.memory,
      { now: () => a.node.port.now(), soon: (run) => run(), after: () => () => {}, watch: () => {} },
      false,
    );
    const context = new OpenDevice(port, registered.name, async () => {}).open();
    const capability = system.jobs.export(
      (object.state as { container: Parameters<typeof system.jobs.export>[0] }).container,
    );
    const job = context.importJob(capability);
    job.revoke({ cut: true });
    job.destroy();
    bed.drain();
    expect(a.sent.map(({ status }) => status)).toEqual(['WR_FLUSH_ERR']);
    expect(a.qp.state).toBe('ERR');
    a.qp.close();
    a.jobKey.destroy();
    a.job.destroy();
    bed.pass(5e9);
    expect(kernel.census()).toMatchObject({ engine_contexts: 0, engine_messages: 0 });
  });
});

for (const transport of [loop, uet] as readonly Transport[]) {
  describe(`addressing over ${transport.name}`, () => {
    it('an absolute queue pair receives from all jobs, and replies only with a key (R103)', () => {
      const bed = new Bed({ transport, ends: [{}, { job: 8 }, { job: 9 }] });
      const [server, one, two] = bed.ends as [Bed['a'], Bed['a'], Bed['a']];
      const { sendCq, recvCq, pd } = server;
      const qp = pd.createQueuePair({ type: 'RU', sendCq, recvCq, receiveDepth: 8, sendDepth: 8 });
      if (transport === uet) expect(qp.qpn >>> 31).toBe(1);
      for (let id = 0; id < 2; id++) qp.postReceive({ id, ...server.buffer(10).part() });
      for (const client of [one, two]) {
        client.qp.postReceive(client.buffer(10).part());
        const to = client.pd.createAddressHandle({ address: server.node.address, qpn: qp.qpn });
        client.qp.post({ opcode: 'send', to, ...client.buffer(10).part() });
      }
      bed.completed(server, 0, 2);
      expect(server.received.map(({ jobId }) => jobId).sort()).toEqual([8, 9]);
      const back = server.to(one);
      expect(() => qp.post({ opcode: 'send', to: back })).toThrow('no job');
      // with the key of a job that the client is not in, it does not get in either
      qp.post({ opcode: 'send', to: back, jobKey: server.jobKey });
      bed.completed(server, 1, 2);
      expect(server.sent[0]!.status).toBe('REM_INV_RD_REQ_ERR');
      const jobKey = pd.createJobKey(server.context.createJob({ id: 8 }));
      qp.post({ opcode: 'send', to: back, jobKey });
      bed.completed(server, 2, 2);
      expect(server.sent[1]!.status).toBe('SUCCESS');
      bed.completed(one, 0, 1);
      bed.close();
    });

    it('a relative one is reached from its own job only, and others use up none of its receives (R102 R104)', () => {
      const bed = new Bed({ transport, ends: [{}, {}, { job: 8 }] });
      const [a, b, stranger] = bed.ends as [Bed['a'], Bed['a'], Bed['a']];
      b.qp.postReceive({ id: 5, ...b.buffer(10).part() });
      stranger.qp.post({ opcode: 'send', to: stranger.to(b), ...stranger.buffer(10).part() });
      bed.completed(stranger, 1, 0);
      expect(stranger.sent[0]!.status).toBe('REM_INV_RD_REQ_ERR');
      expect(b.received).toEqual([]);
      a.qp.post({ opcode: 'send', to: a.to(b), ...a.buffer(10).part() });
      bed.completed(b, 0, 1);
      expect(b.received.map(({ id, status }) => `${id} ${status}`)).toEqual(['5 SUCCESS']);
      bed.close();
    });

    it('a packet of a foreign job is refused before any memory key is looked at (R111)', () => {
      const bed = new Bed({ transport, ends: [{}, {}, { job: 8 }] });
      const [a, b, stranger] = bed.ends as [Bed['a'], Bed['a'], Bed['a']];
      const target = b.buffer(10);
      const looked: number[] = [];
      const { data } = b.node.kernel.links[0]!;
      const reach = data.reach.bind(data);
      data.reach = (access) => {
        looked.push(access.jobId);
        return reach(access);
      };
      const write = (from: Bed['a']) =>
        from.qp.post({ opcode: 'write', to: from.to(b), ...from.buffer(10).part(), remote: target.remote });
      write(stranger);
      bed.completed(stranger, 1, 0);
      expect([stranger.sent[0]!.status, looked]).toEqual(['REM_INV_RD_REQ_ERR', []]);
      write(a);
      bed.completed(a, 1, 0);
      expect([a.sent[0]!.status, looked]).toEqual(['SUCCESS', [7]]);
      bed.close();
    });

    it('processes use one table of addresses, which another has filled (R110)', () => {
      const bed = new Bed({ transport });
      const { a, b } = bed;
      const second = a.node.device.open();
      const shared = second.importJob(a.job.export());
      shared.addresses.set(3, { address: b.node.address, qpn: b.qp.qpn });
      const sink = b.buffer(10);
      a.qp.post({ opcode: 'write', toIndex: 3, ...a.buffer(10, { salt: 4 }).part(), remote: sink.remote });
      bed.completed(a, 1, 0);
      expect(a.sent[0]!.status).toBe('SUCCESS');
      sink.expectPattern(4);
      second.close();
      bed.close();
    });
  });
}

describe('a connected queue pair in a job (R119)', () => {
  it('is reached by its peer only if that works for the job', () => {
    const rig = new Rig();
    const ends = ['10.0.0.1', '10.0.0.2'].map((address) => {
      const context = rig.device(address).device.open();
      const pd = context.allocatePd();
      const cq = context.createCompletionQueue({ entries: 8 });
      const keys = [7, 8].map((id) => pd.createJobKey(context.createJob({ id })));
      const pair = (job: number) =>
        pd.createQueuePair({ type: 'RC', sendCq: cq, recvCq: cq, sendDepth: 4, receiveDepth: 4, jobKey: keys[job]! });
      return { cq, pair };
    });
    const results = [0, 1].map((job) => {
      const [a, b] = [ends[0]!.pair(job), ends[1]!.pair(0)];
      for (const [qp, address, destQpn] of [
        [a, '10.0.0.2', b.qpn],
        [b, '10.0.0.1', a.qpn],
      ] as const) {
        qp.modify({ state: 'INIT', pkeyIndex: 0, port: 1, access: [] });
        qp.modify({
          ...{ state: 'RTR', peer: { address }, destQpn, pathMtu: 5, rqPsn: 0, maxDestRdAtomic: 1, minRnrTimer: 1 },
        });
        qp.modify({ state: 'RTS', sqPsn: 0, timeout: 14, retryCount: 7, rnrRetry: 7, maxRdAtomic: 1 });
      }
      b.postReceive({});
      a.post({ opcode: 'send' });
      rig.turn();
      return ends[0]!.cq.take()?.status;
    });
    expect(results).toEqual(['SUCCESS', 'REM_INV_RD_REQ_ERR']);
  });
});
