/** Clients that lie about memory, and clients that end, fork, or become something else. */
import { readFileSync } from 'node:fs';
import { RemoteMemory } from '@verbena/core';
import { openDevice } from '@verbena/node';
import type { HostileCase } from '../attack.ts';
import { DEVICES } from '../daemon-process.ts';
import { Keep, RawClient } from '../raw-client.ts';

export const memoryLies: HostileCase = {
  name: 'memory that is not there, not theirs, or taken away under traffic',
  proves: 'L06 L07 L08 L09 L10 L24',
  longest: 3,
  async attack(attack) {
    await rangesAndUnmapping(attack);
    for (let i = 0; i < 3 * attack.effort; i++) {
      const quitter = attack.attacker('quit', [2300 + i]);
      attack.expect((await quitter.ended) === 0, `the attacker failed: ${quitter.stderr}`);
      attack.count('ended with work under way');
    }
    await anotherProgram(attack);
    await heirs(attack);
  },
};

type Under = Parameters<HostileCase['attack']>[0];

async function rangesAndUnmapping(attack: Under): Promise<void> {
  const liar = attack.attacker('lies', [2310]);
  const said = (await liar.says(30_000)) as
    | { readonly results: Readonly<Record<string, string>>; readonly seen: Readonly<Record<string, number>> }
    | undefined;
  attack.expect(said !== undefined, `the attacker said nothing: ${liar.stderr}`);
  const { results = {}, seen = {} } = said ?? {};
  for (const [what, outcome] of Object.entries(results)) {
    const good = what === 'good' || what.startsWith('post');
    attack.expect(good === (outcome === 'OK'), `${what}: ${outcome}`);
    if (!good) attack.expect(outcome !== 'EIO', `${what}: ${outcome}`);
    attack.count(good ? 'accepted' : 'refused ranges');
  }
  attack.expect((seen.SUCCESS ?? 0) >= 8, `the memory did not work while it was there: ${JSON.stringify(seen)}`);
  const completed = Object.values(seen).reduce((sum, count) => sum + count, 0);
  attack.expect(completed === 48, `${completed} of 48 requests completed: ${JSON.stringify(seen)}`);
  const failed = Object.entries(seen).filter(([status]) => status !== 'SUCCESS');
  attack.expect(failed.length > 0, `work in memory that is gone succeeded: ${JSON.stringify(seen)}`);
  for (const [status, count] of Object.entries(seen)) attack.count(`unmapped: ${status}`, count);
}

/** What had the memory becomes another program under the same number, and keeps the connection. */
async function anotherProgram(attack: Under): Promise<void> {
  const id = 2320;
  const attacker = attack.attacker('become', [id]);
  const said = (await attacker.says()) as { readonly rkey: string; readonly qpn: number } | undefined;
  attack.expect(said !== undefined, `the attacker said nothing: ${attacker.stderr}`);
  if (said === undefined) return;
  const device = await openDevice({ socket: attack.socket, name: DEVICES[0], memoryBytes: 2 ** 26 });
  try {
    const context = device.open();
    const pd = context.allocatePd();
    const cq = context.createCompletionQueue({ entries: 16 });
    const jobKey = pd.createJobKey(context.createJob({ id }));
    const region = pd.registerMemory(context.allocate(4096), { access: ['local-write'] });
    const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 16, receiveDepth: 16 });
    const to = pd.createAddressHandle({ address: attack.daemon.addresses[1], qpn: said.qpn });
    const remote = new RemoteMemory(BigInt(said.rkey));
    let posted = 0;
    const reach = async (opcode: 'read' | 'write', length = 64) => {
      qp.post({ opcode, id: ++posted, to, region, remote, length });
      const one = await cq.next({ timeoutMs: 10_000 });
      return one?.id === BigInt(posted) ? one.status : `${one?.status} of request ${one?.id} instead of ${posted}`;
    };
    const first = await reach('read');
    attack.expect(first === 'SUCCESS' && region.bytes[0] === 0x5e, `memory of the program that was: ${first}`);
    attacker.tell('go');
    const until = performance.now() + 10_000;
    while (programOf(attacker.child.pid!) !== 'sleep' && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    attack.expect(programOf(attacker.child.pid!) === 'sleep', `no other program: ${attacker.stderr}`);
    region.bytes.fill(0);
    for (const opcode of ['read', 'write', 'read'] as const) {
      const status = await reach(opcode);
      attack.expect(status === 'REM_OP_ERR', `${opcode} in the program that came after: ${status}`);
      attack.count(`became another: ${status}`);
    }
  } finally {
    await device.close();
    attacker.kill();
    await attacker.ended;
  }
}

function programOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** A child speaks on the connection of its dead parent. */
async function heirs(attack: Under): Promise<void> {
  const parent = attack.attacker('parent', ['inherit']);
  attack.expect((await parent.says()) === 'left', `the parent failed: ${parent.stderr}`);
  await parent.ended;
  const until = performance.now() + 15_000;
  while (!parent.stderr.includes('heir {') && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const text = /heir (\{.*\})/.exec(parent.stderr)?.[1];
  attack.expect(text !== undefined, `the heir said nothing: ${parent.stderr}`);
  if (text === undefined) return;
  const results = JSON.parse(text) as Readonly<Record<string, string>>;
  // the connection goes on, and reaches no memory any more: neither of the dead, nor of whoever has its number
  attack.expect(results.query === 'OK', `the connection of an heir: ${results.query}`);
  attack.expect(results.old === 'EFAULT', `memory of the dead parent: ${results.old}`);
  attack.expect(results.own === 'EFAULT', `memory of the heir under the parent's name: ${results.own}`);
  attack.expect(
    results.again === 'EPERM' || results.again === 'EACCES',
    `an address space for the heir: ${results.again}`,
  );
  attack.count('heirs');
}

export const suddenDeaths: HostileCase = {
  name: 'kill -9 at random points while everything is under way',
  proves: 'R048 R180 L22',
  longest: 4,
  async attack(attack) {
    const rounds = 50 * attack.effort;
    let next = 0;
    const run = async () => {
      while (next < rounds) {
        const round = next++;
        const victim = attack.attacker('busy', [3000 + (round % 500)]);
        // some die while they start, most at work
        const early = attack.random.chance(0.2);
        const ms = attack.random.below(early ? 250 : 60);
        if (!early && (await victim.says(20_000)) !== 'busy') {
          attack.expect(false, `round ${round}: the attacker did not get to work: ${victim.stderr}`);
        }
        await new Promise((resolve) => setTimeout(resolve, ms));
        victim.kill();
        await victim.ended;
        attack.count(early ? 'killed early' : 'killed at work');
      }
    };
    await Promise.all(Array.from({ length: 3 }, run));
  },
};

export const churn: HostileCase = {
  name: 'connections opened and closed without end, some with a call under way',
  proves: 'R180 L16 L22',
  async attack(attack) {
    const count = attack.effort > 1 ? 1000 * Math.ceil(attack.effort / 10) : 300;
    for (let i = 0; i < count; i++) {
      const client = RawClient.connect(attack.socket, attack.random.chance(0.5) ? Keep.NONE : Keep.JOB);
      const kind = attack.random.below(4);
      if (kind > 0) {
        const context = client.open(DEVICES[kind & 1]!);
        const pd = context.call('PD', 'ALLOC', {}).handle;
        if (kind > 1) context.call('MW', 'ALLOC', { pd, type: 2 });
      }
      if (kind === 3) client.kick();
      client.close();
      attack.count('connections');
      if (i % 32 === 0) await null;
    }
  },
};
