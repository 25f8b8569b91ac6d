/** What jobs promise, whatever protocol carries them: run by every transport that has jobs. @spec verbs/5.4 */
import { describe, expect, it } from 'vitest';
import { PAYLOAD_AT, SegmentEntry, SendEntry } from '../abi/entries.ts';
import { isVerbsError } from '../base/verbs-error.ts';
import type { Transport } from '../engine/engine.ts';
import type { SoftQueuePair } from '../soft/objects.ts';
import { runHosts, SimHost } from '../testing/sim-host.ts';
import { ACCESS_FLAGS } from '../uapi/objects/mr.ts';
import type { CompletionQueue } from '../verbs/completion-queue.ts';
import type { Context } from '../verbs/context.ts';
import type { InlinePort } from '../verbs/inline-port.ts';
import type { Job, JobKey } from '../verbs/job.ts';
import { RemoteMemory } from '../verbs/remote-memory.ts';
import type { WorkRequest } from '../verbs/work-request.ts';
import type { Device } from './device.ts';
import { type Credentials, NO_RIGHTS, type Rights } from './session.ts';

const JOB_RIGHT: Rights = { admin: false, job: true, raw: false };

export const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (thrown) {
    return isVerbsError(thrown) ? thrown.code : String(thrown);
  }
  return '';
};

/** Two hosts on one network; a device on each. */
class Cluster {
  readonly a = new SimHost({ seed: 3 });
  readonly b = new SimHost({ seed: 4, fabric: this.a.fabric });
  readonly devices: readonly [Device, Device];

  constructor(transport: Transport) {
    this.devices = [
      this.a.plug('rdma0', [{ transport, address: '10.0.0.1' }]),
      this.b.plug('rdma0', [{ transport, address: '10.0.0.2' }]),
    ];
  }

  run(): void {
    runHosts([this.a, this.b], () => false, 60e9);
  }

  program(host: SimHost, rights: Rights = NO_RIGHTS, more: Partial<Credentials> = {}): Context {
    return host.program({ ...more, rights }).open('rdma0');
  }

  /** A context at each end that holds the job: by its own right. */
  both(id = 7): { a: Member; b: Member } {
    const [a, b] = [this.a, this.b].map((host) => {
      const context = this.program(host, JOB_RIGHT);
      return new Member(context, context.createJob({ id }));
    });
    return { a: a!, b: b! };
  }
}

/** What one program needs to take part in a job. */
class Member {
  readonly context: Context;
  readonly job: Job;
  readonly pd;
  readonly key: JobKey;
  readonly cq: CompletionQueue;
  readonly bytes: Uint8Array;
  readonly region;
  readonly qp;

  constructor(context: Context, job: Job) {
    this.context = context;
    this.job = job;
    this.pd = context.allocatePd();
    this.key = this.pd.createJobKey(job);
    this.cq = context.createCompletionQueue({ entries: 64 });
    this.bytes = context.allocate(4096);
    this.region = this.pd.registerMemory(this.bytes, {
      access: ['local-write', 'remote-write', 'remote-read'],
      jobKey: this.key,
    });
    this.qp = this.queuePair(this.key);
  }

  queuePair(jobKey?: JobKey) {
    const { pd, cq } = this;
    const depths = { sendDepth: 16, receiveDepth: 16 };
    return pd.createQueuePair({
      type: 'RU',
      sendCq: cq,
      recvCq: cq,
      ...depths,
      ...(jobKey === undefined ? {} : { jobKey }),
    });
  }

  to(address: string, peer: Member) {
    return this.pd.createAddressHandle({ address, qpn: peer.qp.qpn });
  }

  /** Posts, runs the hosts, and gives the statuses. */
  do(cluster: Cluster, request: WorkRequest, qp = this.qp): string[] {
    qp.post(request);
    cluster.run();
    return this.statuses();
  }

  /** A hostile program: posts, changes what stands in the ring, and lets the device look. */
  forge(cluster: Cluster, request: WorkRequest, change: (view: DataView, at: number) => void): string[] {
    this.qp.post(request);
    const { session } = this.context.port as InlinePort;
    const object = session.contexts.get(this.context.number)!.objects.get(this.qp.handle)!;
    const { ring } = (object.state as SoftQueuePair).sends;
    change(ring.view, ring.at(ring.producer() - 1));
    cluster.run();
    return this.statuses();
  }

  statuses(): string[] {
    const all: string[] = [];
    for (let one = this.cq.take(); one !== undefined; one = this.cq.take()) all.push(one.status);
    return all;
  }
}

export function jobSuite(transport: Transport): void {
  const { maxJobId } = transport.attributes.limits;

  describe(`jobs over ${transport.name}, with numbers up to ${maxJobId} (R004 R079)`, () => {
    it('are made, listed, queried and ended like any object (R080)', () => {
      const cluster = new Cluster(transport);
      const context = cluster.program(cluster.a, JOB_RIGHT);
      const job = context.createJob({ id: 7, name: 'train', maxAddresses: 32 });
      const { attributes } = context.call('JOB', 'QUERY', { handle: job.handle });
      expect(attributes).toMatchObject({ id: 7, name: 'train', entries: 32, holders: 1, addresses: 0, sgid_index: 0 });
      expect(context.call('DEVICE', 'INFO_HANDLES', { object: 20 }).handles).toEqual([job.handle]);
      expect([...cluster.devices[0].rows('JOB')]).toMatchObject([{ kind: 'job', job: 7, name: 'train' }]);
      job.destroy();
      expect(cluster.devices[0].census().jobs).toBe(0);
      expect(cluster.a.system.jobs.containers.size).toBe(0);
    });

    it('are made only with the right to (R083)', () => {
      const cluster = new Cluster(transport);
      const plain = cluster.program(cluster.a);
      expect(codeOf(() => plain.createJob({ id: 7 }))).toBe('EPERM');
      const admin = cluster.program(cluster.a, { admin: true, job: false, raw: true });
      expect(codeOf(() => admin.createJob({ id: 7 }))).toBe('EPERM'); // a right of its own, not one of the network
      cluster.program(cluster.a, JOB_RIGHT).createJob({ id: 7 });
      expect(cluster.a.system.jobs.containers.size).toBe(1);
    });

    it('have numbers that the protocol can carry, and no others (R120 R201)', () => {
      const cluster = new Cluster(transport);
      const context = cluster.program(cluster.a, JOB_RIGHT);
      for (const id of [0, maxJobId + 1, 0xffff_ffff]) {
        if (id <= 0xffff_ffff && (id === 0 || id > maxJobId))
          expect(codeOf(() => context.createJob({ id }))).toBe('EINVAL');
      }
      expect(cluster.a.system.jobs.containers.size).toBe(0);
      for (const id of [1, maxJobId]) context.createJob({ id });
    });

    it('are once per address: a number that lives is refused, and free again afterwards (R117)', () => {
      const cluster = new Cluster(transport);
      const context = cluster.program(cluster.a, JOB_RIGHT);
      const job = context.createJob({ id: 7 });
      expect(codeOf(() => context.createJob({ id: 7 }))).toBe('EEXIST');
      expect(codeOf(() => cluster.program(cluster.a, JOB_RIGHT).createJob({ id: 7 }))).toBe('EEXIST');
      job.destroy();
      context.createJob({ id: 7 }).destroy();
    });

    it('are not ended while keys refer to them (R117)', () => {
      const cluster = new Cluster(transport);
      const context = cluster.program(cluster.a, JOB_RIGHT);
      const job = context.createJob({ id: 7 });
      const key = context.allocatePd().createJobKey(job);
      expect(codeOf(() => job.destroy())).toBe('EBUSY');
      key.destroy();
      job.destroy();
    });

    it('are joined by a capability, in another process without any right, which cannot make jobs (R084 R117)', () => {
      const cluster = new Cluster(transport);
      const owner = cluster.program(cluster.a, JOB_RIGHT);
      const token = owner.createJob({ id: 7, maxAddresses: 20 }).export();
      const child = cluster.program(cluster.a);
      const job = child.importJob(token);
      expect(job.addresses.size).toBe(20);
      expect(codeOf(() => child.createJob({ id: 8 }))).toBe('EPERM');
      expect(codeOf(() => job.revoke())).toBe('EPERM');
      const grandchild = cluster.program(cluster.a);
      expect(grandchild.importJob(job.export()).id).toBe(0); // it may hand on what it has
      grandchild.close();
      // the job outlives who made it
      owner.close();
      child.allocatePd().createJobKey(job);
      child.close();
      expect(codeOf(() => cluster.program(cluster.a).importJob(token))).toBe('EBADF');
      expect(cluster.a.system.jobs.containers.size).toBe(0);
    });

    it('hide their number from who may only use them (R117)', () => {
      const cluster = new Cluster(transport);
      const token = cluster.program(cluster.a, JOB_RIGHT).createJob({ id: 0x77 }).export();
      const child = cluster.program(cluster.a);
      const { handle } = child.importJob(token);
      const { attributes } = child.call('JOB', 'QUERY', { handle });
      expect(attributes.id).toBeUndefined();
      expect(Object.values(attributes)).not.toContain(0x77);
    });

    it('are not reached by look-alikes, guesses, numbers or names (R086 R114)', () => {
      const cluster = new Cluster(transport);
      const owner = cluster.program(cluster.a, JOB_RIGHT);
      const job = owner.createJob({ id: 7, name: 'train' });
      const token = job.export();
      const thief = cluster.program(cluster.a);
      const guesses = [new Uint8Array(32), new Uint8Array(32).fill(255)];
      for (let bit = 0; bit < 256; bit++) {
        const near = token.slice();
        near[bit >> 3]! ^= 1 << (bit & 7);
        guesses.push(near);
      }
      const named = new Uint8Array(32);
      named.set([7, ...new TextEncoder().encode('train')]);
      const numbered = new Uint8Array(32);
      new DataView(numbered.buffer).setUint32(0, job.handle, true);
      for (const guess of [...guesses, named, numbered]) expect(codeOf(() => thief.importJob(guess))).toBe('EBADF');
      for (const length of [0, 31, 33]) expect(codeOf(() => thief.importJob(new Uint8Array(length)))).toBe('EINVAL');
      // a handle of another program is no handle here
      expect(codeOf(() => thief.call('JOB', 'EXPORT', { handle: job.handle }))).toMatch(/ENOENT|EINVAL/);
      expect(thief.importJob(token).id).toBe(0);
      expect(job.export()).not.toEqual(token);
    });

    it('take capabilities back; who holds the job keeps it (R086)', () => {
      const cluster = new Cluster(transport);
      const owner = cluster.program(cluster.a, JOB_RIGHT);
      const job = owner.createJob({ id: 7 });
      const [first, second] = [job.export(), job.export()];
      const child = cluster.program(cluster.a);
      const held = child.importJob(first);
      job.revoke();
      for (const token of [first, second]) expect(codeOf(() => child.importJob(token))).toBe('EBADF');
      child.allocatePd().createJobKey(held);
      expect(child.importJob(job.export()).id).toBe(0);
    });

    it('are shared by processes, whose memory stays apart (R093 R105)', () => {
      const cluster = new Cluster(transport);
      const owner = cluster.program(cluster.a, JOB_RIGHT);
      const mine = new Member(owner, owner.createJob({ id: 7 }));
      const other = cluster.program(cluster.a);
      const theirs = new Member(other, other.importJob(mine.job.export()));
      const to = mine.to('10.0.0.1', theirs);
      const remote = new RemoteMemory(theirs.region.rkey);
      const write: WorkRequest = { opcode: 'write', to, region: mine.region, remote };
      // a local key of the other process in a request of this one
      theirs.bytes.fill(7);
      const { lkey } = theirs.region;
      const answer = mine.forge(cluster, write, (view, at) =>
        SegmentEntry.fields.lkey.set(view, at + PAYLOAD_AT, lkey),
      );
      expect(answer).toEqual(['LOC_PROT_ERR']);
      // the queue pair that is addressed decides whose memory a key names: theirs is not behind mine
      const elsewhere = { ...write, to: mine.to('10.0.0.1', mine) };
      expect(mine.do(cluster, elsewhere).join()).toMatch(/REM_/);
      expect(theirs.bytes.every((byte) => byte === 7)).toBe(true);
      expect(mine.do(cluster, write)).toEqual(['SUCCESS']); // what the other process grants the job, it gets
    });

    it('carry data between their members, and say so (R087 R110)', () => {
      const cluster = new Cluster(transport);
      const { a, b } = cluster.both();
      a.bytes.fill(5);
      const remote = new RemoteMemory(b.region.rkey);
      expect(a.do(cluster, { opcode: 'write', to: a.to('10.0.0.2', b), region: a.region, remote })).toEqual([
        'SUCCESS',
      ]);
      expect(b.bytes.every((byte) => byte === 5)).toBe(true);
      // one process of the job writes an address, another one uses it
      const child = cluster.program(cluster.a);
      const member = new Member(child, child.importJob(a.job.export()));
      a.job.addresses.set(3, { address: '10.0.0.2', qpn: b.qp.qpn });
      expect(member.job.addresses.get(3)!.qpn).toBe(b.qp.qpn);
      expect(member.do(cluster, { opcode: 'write', toIndex: 3, region: member.region, remote })).toEqual(['SUCCESS']);
      expect(b.bytes.every((byte) => byte === 0)).toBe(true);
    });

    it('have a table of addresses: overwritten, out of range, empty (R118)', () => {
      const cluster = new Cluster(transport);
      const { a } = cluster.both();
      const { addresses } = a.job;
      addresses.set(3, { address: '10.0.0.2', qpn: 1 });
      addresses.set(3, { address: '10.0.0.9', qpn: 2 });
      expect(addresses.get(3)).toMatchObject({ address: '10.0.0.9', qpn: 2 });
      for (const index of [addresses.size, 0xffff_ffff]) {
        expect(codeOf(() => addresses.set(index, { address: '10.0.0.2', qpn: 1 }))).toBe('EINVAL');
        expect(codeOf(() => a.context.call('JOB', 'ADDR_QUERY', { handle: a.job.handle, index }))).toBe('EINVAL');
      }
      expect(codeOf(() => a.context.call('JOB', 'ADDR_QUERY', { handle: a.job.handle, index: 4 }))).toBe('ENOENT');
      addresses.remove(3);
      expect(addresses.get(3)).toBeUndefined();
      expect(a.do(cluster, { opcode: 'send', toIndex: 3 }).join()).toMatch(/LOC_/);
    });

    it('refuse work of another job (R096 R098), and a region of one job is nothing to another', () => {
      const cluster = new Cluster(transport);
      const { a, b } = cluster.both();
      const otherJob = a.context.createJob({ id: 8 });
      const otherThere = b.context.createJob({ id: 8 });
      const otherKey = a.pd.createJobKey(otherJob);
      const stranger = a.queuePair(otherKey);
      b.pd.createJobKey(otherThere);
      const remote = new RemoteMemory(b.region.rkey);
      const to = a.to('10.0.0.2', b);
      const request: WorkRequest = { opcode: 'write', to, region: a.region, remote };
      a.bytes.fill(9);
      for (const one of [a.do(cluster, { ...request, jobKey: otherKey }), a.do(cluster, request, stranger)]) {
        expect(one.join()).toMatch(/REM_/);
      }
      expect(b.bytes.every((byte) => byte === 0)).toBe(true);
      expect(a.do(cluster, request)).toEqual(['SUCCESS']);
    });

    it('a key is of one domain and one job: no other one passes, and numbers are not keys (R087 R095 R096 R097)', () => {
      const cluster = new Cluster(transport);
      const { a, b } = cluster.both();
      const otherPd = a.context.allocatePd();
      const foreign = otherPd.createJobKey(a.job);
      expect(foreign.value).not.toBe(a.key.value);
      expect(foreign.value).not.toBe(0);
      const to = a.to('10.0.0.2', b);
      const base: WorkRequest = { opcode: 'write', to, region: a.region, remote: new RemoteMemory(b.region.rkey) };
      expect(codeOf(() => a.qp.post({ ...base, jobKey: foreign }))).toBe('EINVAL');
      // a program writes what it likes into its ring: a foreign key, or the number of a job, is no key
      for (const value of [foreign.value, 7, 8, a.key.value + 1, 0xffff_ffff]) {
        const answer = a.forge(cluster, base, (view, at) => SendEntry.fields.jobKey.set(view, at, value));
        expect(answer).toEqual(['LOC_ACCESS_ERR']);
      }
      expect(
        codeOf(() =>
          a.context.call('MR', 'REG', { pd: a.pd.handle, parent: a.region.handle, access: 0, jobKey: foreign.handle }),
        ),
      ).toBe('EINVAL');
      expect(
        codeOf(() =>
          otherPd.createQueuePair({
            type: 'RU',
            sendCq: a.cq,
            recvCq: a.cq,
            jobKey: a.key,
            sendDepth: 4,
            receiveDepth: 4,
          }),
        ),
      ).toBe('EINVAL');
      expect(a.do(cluster, base)).toEqual(['SUCCESS']);
    });

    it('a process takes part in many jobs, one queue pair works for two of them (R094 R095 R106)', () => {
      const cluster = new Cluster(transport);
      const { a, b } = cluster.both();
      const members = Array.from({ length: 20 }, (_, i) => {
        const here = a.context.createJob({ id: 100 + i });
        const there = b.context.createJob({ id: 100 + i });
        return { key: a.pd.createJobKey(here), member: new Member(b.context, there) };
      });
      expect(new Set(members.map(({ key }) => key.value)).size).toBe(20);
      for (const { key, member } of members.slice(0, 3)) {
        const request: WorkRequest = {
          opcode: 'write',
          to: a.to('10.0.0.2', member),
          region: a.region,
          remote: new RemoteMemory(member.region.rkey),
          jobKey: key,
        };
        expect(a.do(cluster, request)).toEqual(['SUCCESS']);
      }
    });

    it('regions share one pin: a key for each job on the same memory (R099)', () => {
      const cluster = new Cluster(transport);
      const { a } = cluster.both();
      const { dma } = cluster.a.of(cluster.devices[0]);
      const before = dma.regions;
      const key = a.pd.createJobKey(a.context.createJob({ id: 8 }));
      const { rkey } = a.context.call('MR', 'REG', {
        pd: a.pd.handle,
        parent: a.region.handle,
        access: ACCESS_FLAGS.LOCAL_WRITE | ACCESS_FLAGS.REMOTE_READ,
        jobKey: key.handle,
      });
      expect(rkey).not.toBe(a.region.rkey);
      expect(dma.regions).toBe(before);
    });
  });
}
