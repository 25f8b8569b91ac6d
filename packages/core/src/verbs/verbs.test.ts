import { describe, expect, it } from 'vitest';
import { isVerbsError, type VerbsError } from '../base/verbs-error.ts';
import { CompletionBatch } from './completion-batch.ts';
import type { CompletionQueue } from './completion-queue.ts';
import { Rig } from './device-rig.testdata.ts';
import type { QueuePairOptions } from './queue-pair.ts';
import { RemoteMemory } from './remote-memory.ts';

const ABSOLUTE = 0x8000_0000;

/** The error that a call throws. */
function thrown(run: () => unknown): VerbsError {
  try {
    run();
  } catch (error) {
    if (isVerbsError(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** A context with one object of each kind. */
function side(rig: Rig, address: string, options: Partial<QueuePairOptions> & { entries?: number } = {}) {
  const { device, kernel, port, memory, registered } = rig.device(address);
  const context = device.open();
  const pd = context.allocatePd();
  const { entries = 64, ...rest } = options;
  const cq = context.createCompletionQueue({ entries });
  const job = context.createJob({ id: 7 });
  const jobKey = pd.createJobKey(job);
  const bytes = context.allocate(65_536);
  const region = pd.registerMemory(bytes, { access: ['local-write', 'remote-write', 'remote-read'] });
  const qp = pd.createQueuePair({
    type: 'RU',
    sendCq: cq,
    recvCq: cq,
    jobKey,
    sendDepth: 16,
    receiveDepth: 16,
    ...rest,
  });
  return { device, kernel, port, memory, registered, context, pd, cq, job, jobKey, bytes, region, qp };
}

function pair(options: Partial<QueuePairOptions> & { entries?: number } = {}) {
  const rig = new Rig();
  const a = side(rig, '10.0.0.1', options);
  const b = side(rig, '10.0.0.2', options);
  const toB = a.pd.createAddressHandle({ address: '10.0.0.2', qpn: b.qp.qpn });
  return { rig, a, b, toB };
}

function drain(cq: CompletionQueue) {
  const all = [];
  for (let one = cq.take(); one !== undefined; one = cq.take()) all.push(one);
  return all;
}

describe('moving data (verbs/3.1, verbs/3.5, verbs/5.6)', () => {
  it('sends a message into a posted receive, with immediate data of 64 bits', () => {
    const { rig, a, b, toB } = pair();
    a.bytes.set([1, 2, 3, 4], 100);
    b.qp.postReceive({ id: 5, region: b.region, offset: 1000, length: 64 });
    const imm = 0xfedc_ba98_7654_3210n;
    a.qp.post({ opcode: 'send', id: 2n ** 64n - 1n, to: toB, region: a.region, offset: 100, length: 4, imm });
    rig.turn();
    const [sent] = drain(a.cq);
    const [received] = drain(b.cq);
    expect(sent).toMatchObject({ id: 2n ** 64n - 1n, ok: true, status: 'SUCCESS', opcode: 'send', qpn: a.qp.qpn });
    expect(received).toMatchObject({ id: 5n, opcode: 'recv', byteLength: 4, imm, jobId: 7, sourceId: a.qp.sourceId });
    expect([...b.bytes.subarray(1000, 1004)]).toEqual([1, 2, 3, 4]);
  });

  it('writes and reads remote memory at an offset, in several packets', () => {
    const { rig, a, b, toB } = pair();
    const remote = new RemoteMemory(b.region.rkey, 8);
    for (let i = 0; i < 5000; i++) a.bytes[i] = i;
    a.qp.post({ opcode: 'write', to: toB, region: a.region, length: 5000, remote, remoteOffset: 2 });
    a.qp.post({ opcode: 'read', to: toB, region: a.region, offset: 10_000, length: 5000, remote, remoteOffset: 2n });
    rig.turn();
    expect(drain(a.cq).map(({ opcode, status }) => [opcode, status])).toEqual([
      ['write', 'SUCCESS'],
      ['read', 'SUCCESS'],
    ]);
    expect(b.bytes.subarray(10, 5010)).toEqual(a.bytes.subarray(0, 5000));
    expect(a.bytes.subarray(10_000, 15_000)).toEqual(a.bytes.subarray(0, 5000));
  });

  it('copies inline bytes when they are posted', () => {
    const { rig, a, b, toB } = pair();
    const bytes = new Uint8Array(64).fill(9);
    const remote = new RemoteMemory(b.region.rkey);
    a.qp.post({ opcode: 'write', to: toB, inline: bytes, remote, imm: 1 });
    bytes.fill(0);
    rig.turn();
    expect(drain(b.cq)).toMatchObject([{ opcode: 'recv-write-imm', imm: 1n, byteLength: 64 }]);
    expect(b.bytes.subarray(0, 65)).toEqual(new Uint8Array(65).fill(9, 0, 64));
  });

  it('gathers four segments', () => {
    const { rig, a, b, toB } = pair();
    for (let i = 0; i < 100; i++) a.bytes[i] = i;
    const segments = [3, 1, 2, 0].map((i) => ({ region: a.region, offset: i * 10, length: 10 }));
    a.qp.post({ opcode: 'write', to: toB, segments, remote: new RemoteMemory(b.region.rkey) });
    rig.turn();
    expect(b.bytes[0]).toBe(30);
    expect(b.bytes[10]).toBe(10);
    expect(b.bytes[39]).toBe(9);
  });

  it('answers to the path of a completion', () => {
    const { rig, a, b, toB } = pair();
    b.qp.postReceive({});
    a.qp.postReceive({ id: 3 });
    a.qp.post({ opcode: 'send', to: toB });
    rig.turn();
    const { path, sourceId } = drain(b.cq)[0]!;
    const back = b.pd.createAddressHandle({ path, qpn: sourceId });
    expect(back.address).toBe('10.0.0.1');
    b.qp.post({ opcode: 'send', to: back });
    rig.turn();
    expect(drain(a.cq).map(({ opcode }) => opcode)).toEqual(['send', 'recv']);
  });

  it('finds peers by index in the address table of the job; verbs 5.6', () => {
    const { rig, a, b } = pair();
    a.job.addresses.set(3, { address: '10.0.0.2', qpn: b.qp.qpn });
    expect(a.job.addresses.get(3)).toEqual({ address: '10.0.0.2', port: 4799, qpn: b.qp.qpn });
    b.qp.postReceive({});
    a.qp.post({ opcode: 'send', toIndex: 3 });
    rig.turn();
    expect(drain(a.cq)).toMatchObject([{ ok: true }]);
    a.job.addresses.remove(3);
    expect(a.job.addresses.get(3)).toBeUndefined();
    a.qp.post({ opcode: 'send', toIndex: 3 });
    rig.turn();
    expect(drain(a.cq)).toMatchObject([{ status: 'LOC_QP_OP_ERR' }]);
    expect(thrown(() => a.job.addresses.set(256, { address: '::1', qpn: 1 })).code).toBe('EINVAL');
    expect(thrown(() => a.qp.post({ opcode: 'send', toIndex: 256 })).code).toBe('EINVAL');
  });

  it('goes round the rings many times', () => {
    const { rig, a, b, toB } = pair({ entries: 32 });
    const batch = new CompletionBatch(5);
    const seen: number[] = [];
    for (let id = 0; id < 1000; ) {
      while (b.qp.tryPostReceive({})) {}
      while (id < 1000 && a.qp.tryPost({ opcode: 'send', id, to: toB })) id++;
      rig.turn();
      while (b.cq.poll(batch) > 0) {}
      while (a.cq.poll(batch) > 0) seen.push(...batch.id.subarray(0, batch.count));
    }
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(a.qp.sendSpace).toBe(16);
  });

  it('keeps unsignaled successes to itself, and frees their slots', () => {
    const { rig, a, b, toB } = pair({ sendSignalAll: false });
    const remote = new RemoteMemory(b.region.rkey);
    for (let i = 0; i < 40; i++) {
      a.qp.post({ opcode: 'write', id: i, to: toB, region: a.region, length: 8, remote, signaled: i % 10 === 9 });
      rig.turn();
    }
    expect(drain(a.cq).map(({ id }) => id)).toEqual([9n, 19n, 29n, 39n]);
    a.qp.post({ opcode: 'write', id: 99, to: toB, region: a.region, length: 8, remote: new RemoteMemory(1n) });
    rig.turn();
    expect(drain(a.cq)).toMatchObject([{ id: 99n, status: 'REM_ACCESS_ERR' }]);
  });
});

describe('reaching remote memory (verbs/1.3, verbs/3.6)', () => {
  it.each([
    ['a wrong key', 0n, 0],
    ['behind the end', undefined, 65_536 - 7],
    ['far behind the end', undefined, 2 ** 52],
  ])('refuses %s', (_what, rkey, remoteOffset) => {
    const { rig, a, b, toB } = pair();
    const remote = new RemoteMemory(rkey ?? b.region.rkey);
    a.qp.post({ opcode: 'write', to: toB, region: a.region, length: 8, remote, remoteOffset });
    rig.turn();
    expect(drain(a.cq)).toMatchObject([{ status: 'REM_ACCESS_ERR' }]);
  });

  it('refuses what the region does not grant, other jobs, and regions that are gone', () => {
    const { rig, a, b, toB } = pair();
    const other = b.pd.createJobKey(b.context.createJob({ id: 8 }));
    const readOnly = b.pd.registerMemory(b.bytes, { access: ['remote-read'] });
    const otherJob = b.pd.registerMemory(b.bytes, { access: ['remote-read'], jobKey: other });
    const mine = b.pd.registerMemory(b.bytes, { access: ['remote-read'], jobKey: b.jobKey, key: 0xabcdn });
    const read = (rkey: bigint, opcode: 'read' | 'write' = 'read') => {
      a.qp.post({ opcode, to: toB, region: a.region, length: 8, remote: new RemoteMemory(rkey) });
      rig.turn();
      return drain(a.cq)[0]!.status;
    };
    expect(read(readOnly.rkey)).toBe('SUCCESS');
    expect(read(readOnly.rkey, 'write')).toBe('REM_ACCESS_ERR');
    expect(read(otherJob.rkey)).toBe('REM_ACCESS_ERR');
    expect(mine.rkey).toBe(0xabcdn);
    expect(read(0xabcdn)).toBe('SUCCESS');
    mine.deregister();
    expect(read(0xabcdn)).toBe('REM_ACCESS_ERR');
  });

  it('gives out keys of 48 random bits and takes chosen ones once; uet:ses/5.1', () => {
    const { a } = pair();
    const access = ['remote-read'] as const;
    const keys = Array.from({ length: 50 }, () => a.pd.registerMemory(a.bytes, { access }).rkey);
    expect(new Set(keys).size).toBe(50);
    expect(keys.every((key) => key < 1n << 48n)).toBe(true);
    a.pd.registerMemory(a.bytes, { access, key: 5n });
    expect(thrown(() => a.pd.registerMemory(a.bytes, { access, key: 5n })).code).toBe('EEXIST');
    expect(thrown(() => a.pd.registerMemory(a.bytes, { access, key: 1n << 48n })).code).toBe('EINVAL');
    const elsewhere = a.context.allocatePd().registerMemory(a.bytes, { access, key: 5n });
    expect(elsewhere.rkey).toBe(5n);
  });
});

describe('life and death', () => {
  it('refuses to destroy what is in use, and changes nothing by trying; verbs 1.2', () => {
    const { rig, a, b, toB } = pair();
    const busy = [() => a.pd.close(), () => a.cq.close(), () => a.job.destroy(), () => a.jobKey.destroy()];
    for (const destroy of [...busy, () => a.context.release(a.bytes)]) expect(thrown(destroy).code).toBe('EBUSY');
    b.qp.postReceive({});
    a.qp.post({ opcode: 'send', to: toB });
    rig.turn();
    expect(drain(a.cq)).toMatchObject([{ ok: true }]);
    a.qp.close();
    a.cq.close();
    expect(thrown(() => a.pd.close()).code).toBe('EBUSY');
    toB.destroy();
    a.region.deregister();
    a.context.release(a.bytes);
    expect(thrown(() => a.job.destroy()).code).toBe('EBUSY');
    a.jobKey.destroy();
    a.job.destroy();
    a.pd.close();
    expect(a.device.census()).toMatchObject({ contexts: 1, protection_domains: 0, jobs: 0, memory_regions: 0 });
  });

  it('closes everything with the context, and leaves nothing behind', async () => {
    const { rig, a, b, toB } = pair();
    a.pd.registerMemory(a.bytes, { access: [], jobKey: a.jobKey });
    b.qp.postReceive({});
    a.qp.post({ opcode: 'send', to: toB });
    rig.turn();
    expect(a.device.resources().map(({ kind }) => kind)).toEqual([
      'ctx',
      'pd',
      'cq',
      'qp',
      'ah',
      'mr',
      'mr',
      'job',
      'job_key',
    ]);
    await rig.settle(Promise.all([a.device.close(), b.device.close()]));
    for (const one of [a, b]) {
      expect(Object.values(one.kernel.census()).every((count) => count === 0)).toBe(true);
      expect(one.memory.allocated).toBe(0);
      expect(thrown(() => one.device.open()).code).toBe('EINVAL');
      expect(thrown(() => one.qp.post({ opcode: 'send', to: toB })).code).toBe('EINVAL');
      expect(one.qp.isOpen).toBe(false);
    }
  });

  it('flushes what a closing queue pair has under way, as far as there is room', () => {
    const { rig, a, toB } = pair({ entries: 8 });
    a.qp.post({ opcode: 'send', id: 1, to: toB }); // no receive at the other side: stays under way
    for (let id = 2; id < 6; id++) a.qp.post({ opcode: 'send', id, to: toB });
    rig.turn();
    for (let id = 0; id < 10; id++) a.qp.postReceive({ id: 100 + id });
    a.qp.close();
    const flushed = drain(a.cq);
    expect(flushed.every(({ status }) => status === 'WR_FLUSH_ERR')).toBe(true);
    expect(flushed.map(({ id }) => Number(id))).toEqual([1, 2, 3, 4, 5, 100, 101, 102]);
    expect(drain(a.cq)).toEqual([]); // the queue itself is well
    expect(a.device.counters()).toMatchObject({ completions_lost: 7, cq_overruns: 0 });
  });

  it('treats objects of other contexts as if they did not exist (R040 R050)', () => {
    const { a } = pair();
    const other = a.device.open();
    expect(thrown(() => other.call('PD', 'DEALLOC', { handle: a.pd.handle })).code).toBe('ENOENT');
    expect(thrown(() => other.call('CQ', 'DESTROY', { handle: a.cq.handle })).code).toBe('ENOENT');
    expect(thrown(() => other.call('JOB', 'DEALLOC', { handle: a.job.handle })).code).toBe('ENOENT');
    expect(thrown(() => a.context.call('PD', 'DEALLOC', { handle: a.cq.handle })).code).toBe('EINVAL');
  });
});

describe('queue pair numbers (verbs/5.8, R125)', () => {
  const create = (a: ReturnType<typeof side>, options: Partial<QueuePairOptions>) =>
    a.pd.createQueuePair({ type: 'RU', sendCq: a.cq, recvCq: a.cq, sendDepth: 4, receiveDepth: 4, ...options });

  it('are relative with a job key and absolute without, and share the PIDonFEP of the domain (R217)', () => {
    const { a } = pair();
    const absolute = create(a, {});
    const relative = create(a, { jobKey: a.jobKey });
    expect(absolute.qpn).toBeGreaterThanOrEqual(ABSOLUTE);
    expect(relative.qpn).toBeLessThan(1 << 24);
    expect(new Set([absolute, relative, a.qp].map(({ qpn }) => qpn & 0xfff)).size).toBe(1);
  });

  it('keep the rules', () => {
    const { a } = pair();
    const pid = a.qp.qpn & 0xfff;
    const free = ((a.qp.qpn & 0xff_f000) ^ 0x1000) | pid;
    const code = (options: Partial<QueuePairOptions>) => thrown(() => create(a, options)).code;
    expect(code({ qpn: free })).toBe('EINVAL'); // relative without a job key
    expect(code({ qpn: 0x0100_0000 + free, jobKey: a.jobKey })).toBe('EINVAL');
    expect(code({ qpn: free ^ 1, jobKey: a.jobKey })).toBe('EINVAL'); // another PIDonFEP
    expect(code({ qpn: a.qp.qpn, jobKey: a.jobKey })).toBe('EEXIST');
    expect(code({ qpn: ABSOLUTE + a.qp.qpn })).toBe('EEXIST');
    expect(code({ qpn: 2 ** 32 })).toBe('EINVAL');
    expect(create(a, { qpn: ABSOLUTE + free }).qpn).toBe(ABSOLUTE + free);
    const pd = a.context.allocatePd();
    const elsewhere = { type: 'RU', sendCq: a.cq, recvCq: a.cq } as const;
    expect(thrown(() => pd.createQueuePair({ ...elsewhere, qpn: ABSOLUTE + pid })).code).toBe('EBUSY');
    expect(thrown(() => pd.createQueuePair({ ...elsewhere, jobKey: a.jobKey })).code).toBe('EINVAL');
    expect(thrown(() => pd.createQueuePair({ ...elsewhere, sendDepth: 1 << 20 })).code).toBe('EINVAL');
    expect(thrown(() => pd.createQueuePair({ ...elsewhere, type: 'UC' as 'RU' })).code).toBe('EOPNOTSUPP');
    pd.close(); // nothing of the refused ones is left
  });

  it('0 is legal when asked for', () => {
    const { a } = pair();
    const pd = a.context.allocatePd();
    const jobKey = pd.createJobKey(a.job);
    expect(pd.createQueuePair({ type: 'RU', sendCq: a.cq, recvCq: a.cq, jobKey, qpn: 0 }).qpn).toBe(0);
  });

  it('release their PIDonFEP with the domain', () => {
    const { a } = pair();
    const options = { type: 'RU', sendCq: a.cq, recvCq: a.cq, qpn: ABSOLUTE + 0x1ff0 } as const;
    const pd = a.context.allocatePd();
    pd.createQueuePair(options).close();
    const next = a.context.allocatePd();
    expect(thrown(() => next.createQueuePair(options)).code).toBe('EBUSY');
    pd.close();
    expect(next.createQueuePair(options).qpn).toBe(ABSOLUTE + 0x1ff0);
  });
});

describe('jobs and job keys (verbs/5.4, verbs/5.5)', () => {
  it('refuse ids that the wire would cut (R201), and live ones', () => {
    const { a } = pair();
    for (const id of [0, -1, 1.5, 2 ** 24]) expect(thrown(() => a.context.createJob({ id })).code).toBe('EINVAL');
    expect(thrown(() => a.context.createJob({ id: 7 })).code).toBe('EEXIST');
    expect(thrown(() => a.context.createJob({ id: 9, maxAddresses: 5000 })).code).toBe('EINVAL');
    const job = a.context.createJob({ id: 2 ** 24 - 1, maxAddresses: 4096 });
    job.destroy();
    expect(a.context.createJob({ id: 2 ** 24 - 1 }).addresses.size).toBe(256);
  });

  it('a sender without a job is told at once (R202)', () => {
    const { a, toB } = pair();
    const qp = a.pd.createQueuePair({ type: 'RU', sendCq: a.cq, recvCq: a.cq });
    const error = thrown(() => qp.post({ opcode: 'send', to: toB }));
    expect(error.code).toBe('EINVAL');
    expect(error.explain()).toContain('jobKey');
    qp.post({ opcode: 'send', to: toB, jobKey: a.jobKey });
  });

  it('two domains get two keys for one job', () => {
    const { a } = pair();
    const other = a.context.allocatePd().createJobKey(a.job);
    expect(other.value).not.toBe(a.jobKey.value);
    expect(other.value).not.toBe(0);
    const { attributes } = a.device;
    expect(thrown(() => a.qp.post({ opcode: 'send', toIndex: 0, jobKey: other })).code).toBe('EINVAL');
    expect(attributes.maxJobId).toBe(2 ** 24 - 1);
  });
});

describe('wrong requests are explained', () => {
  const { a, b, toB } = pair();
  const foreign = a.context.allocatePd().registerMemory(a.bytes, { access: [] });
  const remote = new RemoteMemory(b.region.rkey);
  it.each([
    ['no address', { opcode: 'send' }],
    ['id', { opcode: 'send', to: toB, id: -1 }],
    ['huge id', { opcode: 'send', to: toB, id: 2n ** 64n }],
    ['no remote memory', { opcode: 'write', to: toB }],
    ['immediate data of a read', { opcode: 'read', to: toB, remote, imm: 1 }],
    ['out of bounds', { opcode: 'send', to: toB, region: a.region, offset: 65_530, length: 8 }],
    ['negative offset', { opcode: 'send', to: toB, region: a.region, offset: -1, length: 8 }],
    ['fraction', { opcode: 'send', to: toB, region: a.region, offset: 0.5, length: 8 }],
    ['foreign region', { opcode: 'send', to: toB, region: foreign, length: 8 }],
    ['inline bytes', { opcode: 'send', to: toB, inline: new Uint8Array(65) }],
    ['two sources', { opcode: 'send', to: toB, inline: new Uint8Array(1), region: a.region }],
    ['segments', { opcode: 'send', to: toB, segments: Array(5).fill({ region: a.region, offset: 0, length: 1 }) }],
    ['opcode', { opcode: 'atomic' as 'send', to: toB, remote }],
    ['number of the peer', { opcode: 'send', to: toB, qpn: -1 }],
  ] as const)('%s', (_what, request) => {
    const error = thrown(() => a.qp.post(request));
    expect(error.code).toBe('EINVAL');
    expect(error.facts.try).toBeTruthy();
    expect(a.qp.sendSpace).toBe(16); // nothing was posted
  });

  it('a full queue is ENOMEM, and false', () => {
    const full = side(new Rig(), '10.0.0.9');
    for (let i = 0; i < 16; i++) full.qp.postReceive({});
    expect(full.qp.tryPostReceive({})).toBe(false);
    expect(full.qp.receiveSpace).toBe(0);
    expect(thrown(() => full.qp.postReceive({})).code).toBe('ENOMEM');
  });

  it('memory that peers may write must be writable here', () => {
    expect(thrown(() => a.pd.registerMemory(a.bytes, { access: ['remote-write'] })).code).toBe('EINVAL');
    expect(thrown(() => a.pd.registerMemory(new Uint8Array(0), { access: [] })).code).toBe('EINVAL');
    expect(thrown(() => a.pd.createAddressHandle({ address: '10.0.0.256' })).code).toBe('EINVAL');
    expect(thrown(() => a.pd.createAddressHandle({ path: 99 })).code).toBe('ENOENT');
    expect(thrown(() => a.context.createCompletionQueue({ entries: 0 })).code).toBe('EINVAL');
    expect(thrown(() => a.context.release(new Uint8Array(4))).code).toBe('EINVAL');
  });
});

describe('completion queues and their events (verbs/6)', () => {
  it('overrun is an error that names the queue, and an event; the queue pairs go to ERR; verbs 6', async () => {
    const { rig, a, b } = pair({ entries: 4 });
    const toB = a.pd.createAddressHandle({ address: '10.0.0.2', qpn: b.qp.qpn });
    const remote = new RemoteMemory(b.region.rkey);
    for (let id = 0; id < 6; id++) a.qp.post({ opcode: 'write', id, to: toB, remote });
    rig.turn();
    expect([a.cq.take(), a.cq.take(), a.cq.take(), a.cq.take()].map((one) => one?.id)).toEqual([0n, 1n, 2n, 3n]);
    const error = thrown(() => a.cq.take());
    expect(error.code).toBe('EIO');
    expect(error.message).toContain('more than 4 completions');
    expect(a.qp.state).toBe('ERR');
    await expect(rig.settle(a.cq.next())).rejects.toMatchObject({ code: 'EIO' });
    const events = a.context.events();
    const first = await rig.settle(events.next());
    const second = await rig.settle(events.next());
    expect(first.value).toMatchObject({ name: 'CQ_ERR', object: a.cq });
    expect(second.value).toMatchObject({ name: 'QP_FATAL', object: a.qp });
    const third = events.next();
    a.registered.raise(10, 1);
    expect((await rig.settle(third)).value).toMatchObject({ name: 'PORT_ERR', about: 'port' });
    const last = events.next();
    a.context.close();
    expect(await rig.settle(last)).toMatchObject({ done: true });
  });

  it('wakes who waits, times out, and gives up when aborted', async () => {
    const { rig, a, b, toB } = pair();
    const next = b.cq.next({ timeoutMs: 1000 });
    const wait = b.cq.wait(1000);
    b.qp.postReceive({ id: 1 });
    a.qp.post({ opcode: 'send', to: toB });
    expect(await rig.settle(next)).toMatchObject({ id: 1n });
    await expect(rig.settle(wait)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    const before = rig.now;
    await expect(rig.settle(b.cq.next({ timeoutMs: 20 }))).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    expect(rig.now).toBeGreaterThanOrEqual(before + 20e6);
    const abort = new AbortController();
    const aborted = b.cq.next({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(rig.settle(aborted)).rejects.toThrow('enough');
  });

  it('iterates until it is closed', async () => {
    const { rig, a, toB } = pair();
    const cq = a.context.createCompletionQueue({ entries: 8 });
    const qp = a.pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey: a.jobKey });
    const ids: bigint[] = [];
    const done = (async () => {
      for await (const one of cq) ids.push(one.id);
    })();
    qp.post({ opcode: 'write', id: 4, to: toB, remote: new RemoteMemory(1n) });
    rig.turn();
    await null;
    qp.close();
    cq.close();
    await rig.settle(done);
    expect(ids.length).toBeLessThan(2);
  });

  it('explains a failure', () => {
    const { rig, a, toB } = pair();
    a.qp.post({ opcode: 'write', id: 12, to: toB, remote: new RemoteMemory(1n), region: a.region, length: 8 });
    rig.turn();
    const text = a.cq.take()!.explain();
    expect(text).toContain('REM_ACCESS_ERR');
    expect(text).toContain('10.0.0.2 port 4799');
    expect(text).toContain('check the remote key');
  });
});

describe('a device (verbs/4)', () => {
  it('says what it is, in the terms of ibv_devinfo; verbs 4', () => {
    const { a } = pair();
    expect(a.device.guid).toMatch(/^[0-9a-f]{16}$/);
    expect(a.context.queryDevice()).toMatchObject({ transport: 'loop', maxJobIds: 4096, maxSge: 4, physicalPorts: 1 });
    expect(a.context.queryPort()).toMatchObject({
      state: 'ACTIVE',
      activeMtu: 1024,
      gids: [{ index: 0, gid: '10.0.0.1', type: 'Loop/UDP' }],
    });
    expect(a.device).toMatchObject({ level: 'simulated', polls: false, name: 'dev0' });
  });

  it('refuses settings that the transport does not have', () => {
    const rig = new Rig();
    expect(thrown(() => rig.device('10.0.0.1', { settings: { timeout: 1 } })).code).toBe('EINVAL');
    expect(thrown(() => rig.device('10.0.0.1', { settings: { nonsense: 1 } })).explain()).toContain('timeout');
    expect(thrown(() => rig.device('10.0.0.1', { payloadMtu: 1 })).code).toBe('EINVAL');
  });

  it('that meets a bug stops, tells everybody, and can be closed', async () => {
    const { rig, a, b, toB } = pair();
    const waiting = a.cq.next();
    a.kernel.links[0]!.engine.expire = () => {
      throw new Error('a bug');
    };
    a.qp.post({ opcode: 'send', to: toB });
    rig.turn();
    rig.now += 1e9;
    await expect(rig.settle(waiting)).rejects.toMatchObject({ code: 'EIO' });
    expect((await rig.settle(a.context.events().next())).value).toMatchObject({ name: 'DEVICE_FATAL' });
    expect(thrown(() => a.context.allocatePd()).message).toContain('a bug');
    expect(a.context.queryPort().state).toBe('DOWN');
    await rig.settle(a.device.close());
    expect(a.memory.allocated).toBe(0);
    expect(b.kernel.failure).toBeUndefined();
  });

  it('has bounds, with an answer at each', () => {
    const rig = new Rig();
    const { device } = rig.device('10.0.0.1', { limits: { contexts: 2, protectionDomains: 1, completionQueues: 1 } });
    const context = device.open();
    context.allocatePd();
    expect(thrown(() => context.allocatePd()).code).toBe('ENOSPC');
    context.createCompletionQueue({ entries: 1 });
    expect(thrown(() => context.createCompletionQueue({ entries: 1 })).code).toBe('ENOSPC');
    device.open();
    expect(thrown(() => device.open()).code).toBe('ENOSPC');
  });
});
