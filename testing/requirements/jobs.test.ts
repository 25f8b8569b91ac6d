/** Jobs from end to end: a launcher with its children, and a client within the subsystem. */
import { type Context, findTransport, isVerbsError, NO_RIGHTS, type Rights } from '@verbena/core';
import { runHosts, SimHost, type SimProgram } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { RELIABLE_KINDS } from '../reliable-kinds.ts';

const LAUNCHER: Rights = { ...NO_RIGHTS, job: true };

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (thrown) {
    if (isVerbsError(thrown)) return thrown.code;
    throw thrown;
  }
  return '';
};

/** What a member of a job makes for itself. */
function member(context: Context, token: Uint8Array) {
  const pd = context.allocatePd();
  const job = context.importJob(token);
  const cq = context.createCompletionQueue({ entries: 32 });
  const jobKey = pd.createJobKey(job);
  const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 8, receiveDepth: 8 });
  const inbox = pd.registerMemory(context.allocate(64), { access: ['local-write'] });
  return { context, job, cq, qp, inbox };
}

/** Ranks as addresses need queue pairs that reach everybody. */
const ADDRESSING = RELIABLE_KINDS.filter(({ kind }) => kind === 'RU');

describe.each(ADDRESSING)('a launcher over $transport.name', ({ transport }) => {
  it('makes a job, hands it to children without rights, and they exchange data by rank (R085 R110)', () => {
    const host = new SimHost({ seed: 21 });
    const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
    for (const address of addresses) host.plug('node%d', [{ transport, address }]);

    const launcher = host.program({ pid: 10, name: 'launcher', rights: LAUNCHER });
    const [own, ...others] = addresses.map((_, i) => launcher.open(`node${i}`)) as [Context, Context, Context];
    const made = own.createJob({ id: 42, maxAddresses: 8 });
    const token = made.export();
    const held = [made, ...others.map((context) => context.importJob(token))];

    const ranks = addresses.map((_, i) => {
      const program = host.program({ pid: 20 + i, uid: 500, name: `rank${i}`, rights: NO_RIGHTS });
      return member(program.open(`node${i}`), token);
    });
    for (const { context } of ranks) expect(codeOf(() => context.createJob({ id: 43 }))).toBe('EPERM');
    // it knows by now where its children are: one table on each node, for whoever runs there
    for (const job of held) {
      for (const [i, address] of addresses.entries()) job.addresses.set(i, { address, qpn: ranks[i]!.qp.qpn });
    }

    for (const { qp, inbox } of ranks) {
      for (let from = 0; from < 3; from++) qp.postReceive({ region: inbox, offset: from * 16, length: 16 });
    }
    for (const [i, { qp }] of ranks.entries()) {
      for (let to = 0; to < 3; to++) {
        if (to !== i) qp.post({ opcode: 'send', toIndex: to, inline: Uint8Array.of(i, to, 7) });
      }
    }
    runHosts([host], () => false, 60e9);
    for (const [i, { cq, inbox }] of ranks.entries()) {
      const done = [...Array(4)].map(() => cq.take());
      expect(done.map((one) => one?.status)).toEqual(Array(4).fill('SUCCESS'));
      expect(done.filter((one) => one?.opcode === 'recv')).toHaveLength(2);
      const senders = [0, 16].map((at) => [...inbox.bytes.subarray(at, at + 3)]).sort();
      expect(senders).toEqual([0, 1, 2].filter((from) => from !== i).map((from) => [from, i, 7]));
    }
    // the launcher goes: its children keep what they hold
    launcher.end();
    ranks[0]!.qp.post({ opcode: 'send', toIndex: 1, inline: Uint8Array.of(9) });
    runHosts([host], () => false, 60e9);
    expect(ranks[0]!.cq.take()?.status).toBe('SUCCESS');
    for (const session of [...host.system.sessions]) session.close();
    expect(host.system.jobs.containers.size).toBe(0);
  });
});

describe('a client within the subsystem, without a program', () => {
  it('comes to a job as everybody does, by its capability, and lets go when the device goes (R113)', () => {
    const host = new SimHost({ seed: 22 });
    const transport = findTransport('uet')!;
    const device = host.plug('node%d', [{ transport, address: '10.0.0.1' }]);
    const program = host.program({ rights: LAUNCHER });
    const user = program.open(device.name);
    const job = user.createJob({ id: 42 });
    const token = job.export();
    const guess = token.map((byte) => byte ^ 1);

    const refused: string[] = [];
    let storage: { readonly own: SimProgram; readonly end: ReturnType<typeof member> } | undefined;
    host.system.addClient({
      name: 'storage',
      needsVerbs: true,
      add(found) {
        const own = host.program({ pid: 0, name: 'storage', rights: NO_RIGHTS });
        const context = own.open(found.name);
        refused.push(codeOf(() => context.createJob({ id: 42 })));
        refused.push(codeOf(() => context.importJob(guess)));
        storage = { own, end: member(context, token) };
      },
      remove() {
        storage?.own.end();
        storage = undefined;
      },
    });
    expect(refused).toEqual(['EPERM', 'EBADF']);
    const { end } = storage!;
    expect(end.job.id).toBe(0); // the number of the job is no matter of its members

    const peer = member(user, token);
    end.qp.postReceive({ region: end.inbox });
    const to = peer.qp.pd.createAddressHandle({ address: '10.0.0.1', qpn: end.qp.qpn });
    peer.qp.post({ opcode: 'send', to, inline: Uint8Array.of(1, 2, 3) });
    runHosts([host], () => false, 1e9);
    expect(end.cq.take()).toMatchObject({ status: 'SUCCESS', opcode: 'recv', byteLength: 3 });

    host.unplug(device);
    expect(storage).toBeUndefined();
    expect([...host.system.sessions]).toEqual([program.session]);
  });
});
