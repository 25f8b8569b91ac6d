/** Clients that take all there is, of everything; and after they gave it back, all works again. */
import type { Attack, HostileCase } from '../attack.ts';
import { DEVICES, LIMITS } from '../daemon-process.ts';
import { Keep, RawClient, type RawContext } from '../raw-client.ts';
import { closeDescriptor, memoryFile } from '../system-calls.ts';

export const exhaustedLimits: HostileCase = {
  name: 'every limit reached: objects, mappings, registered memory, jobs, contexts, connections, group limits',
  proves: 'R132 R151 R155 L16',
  longest: 2,
  async attack(attack) {
    const client = RawClient.connect(attack.socket);
    try {
      for (const round of ['first', 'again'] as const) {
        if (round === 'first') domains(attack, client);
        const context = client.open(DEVICES[0]);
        mappings(attack, context, round);
        registered(attack, context, round);
        if (round === 'first' || attack.effort > 1) jobs(attack, context, round);
        context.call('DEVICE', 'CLOSE', {});
      }
      contexts(attack, client);
      groups(attack, client);
    } finally {
      client.close();
    }
    const before = await attack.daemon.counters();
    connections(attack);
    const after = await attack.daemon.counters();
    const counted = (after.refusedPerUid ?? 0) - (before.refusedPerUid ?? 0);
    attack.expect(counted >= attack.facts['connections refused']!, `${counted} refused connections were counted`);
  },
};

/** As many as there are. @returns handles, newest last */
function fill(attack: Attack, what: string, refusal: readonly string[], most: number, make: () => number): number[] {
  const made: number[] = [];
  for (;;) {
    try {
      made.push(make());
    } catch (thrown) {
      const { code = String(thrown) } = thrown as { readonly code?: string };
      attack.expect(refusal.includes(code), `${what} ${made.length}: ${code}`);
      attack.facts[what] = made.length;
      return made;
    }
    if (made.length > most) {
      attack.expect(false, `${what}: no end after ${most}`);
      return made;
    }
  }
}

function domains(attack: Attack, client: RawClient): void {
  const context = client.open(DEVICES[0]);
  const made = fill(attack, 'protection domains', ['ENOSPC', 'ENOMEM'], 70_000, () =>
    Number(context.call('PD', 'ALLOC', {}).handle),
  );
  context.call('PD', 'DEALLOC', { handle: made[0] });
  attack.expect(context.outcome('PD', 'ALLOC', {}) === 'OK', 'a protection domain after one was given back');
  context.call('DEVICE', 'CLOSE', {});
}

function mappings(attack: Attack, context: RawContext, round: string): void {
  const file = memoryFile(4096);
  const create = () => Number(context.call('UMEM', 'CREATE', { kind: 0, attachment: 0 }, [file]).handle);
  const made = fill(attack, `mappings ${round}`, ['ENOMEM'], LIMITS.mappings, create);
  attack.expect(made.length > LIMITS.mappings / 2, `only ${made.length} mappings`);
  for (const handle of made) context.call('UMEM', 'DESTROY', { handle });
  closeDescriptor(file);
  const large = memoryFile(64 * 2 ** 20);
  const bytes = fill(attack, `mappings of 64 MiB ${round}`, ['ENOMEM'], LIMITS.mappings, () =>
    Number(context.call('UMEM', 'CREATE', { kind: 0, attachment: 0 }, [large]).handle),
  );
  closeDescriptor(large);
  for (const handle of bytes) context.call('UMEM', 'DESTROY', { handle });
}

function registered(attack: Attack, context: RawContext, round: string): void {
  const size = 16 * 2 ** 20;
  const file = memoryFile(size);
  const index = Number(context.call('UMEM', 'CREATE', { kind: 0, attachment: 0 }, [file]).handle);
  closeDescriptor(file);
  const pd = Number(context.call('PD', 'ALLOC', {}).handle);
  const memory = { kind: 1, index, offset: 0, length: size };
  const made = fill(attack, `regions of 16 MiB ${round}`, ['ENOMEM'], LIMITS.memlockBytes / size, () =>
    Number(context.call('MR', 'REG', { pd, memory, access: 1 }).handle),
  );
  attack.expect(made.length === LIMITS.memlockBytes / size, `${made.length} regions of 16 MiB`);
  context.call('MR', 'DEREG', { handle: made[0] });
  attack.expect(context.outcome('MR', 'REG', { pd, memory, access: 1 }) === 'OK', 'a region after one was given back');
  if (round === 'again' || attack.effort === 1) return; // 32,768 calls
  // regions without end, of one byte each
  for (const handle of made.slice(1)) context.call('MR', 'DEREG', { handle });
  fill(attack, `regions of 1 byte ${round}`, ['ENOSPC', 'ENOMEM'], 40_000, () =>
    Number(context.call('MR', 'REG', { pd, memory: { ...memory, length: 1 }, access: 1 }).handle),
  );
}

function jobs(attack: Attack, context: RawContext, round: string): void {
  let id = 1_000_000;
  fill(attack, `jobs ${round}`, ['ENOSPC', 'ENOMEM', 'EAGAIN'], 70_000, () =>
    Number(context.call('JOB', 'ALLOC', { id: id++, maxAddresses: 1 }).handle),
  );
}

function contexts(attack: Attack, client: RawClient): void {
  const made = fill(
    attack,
    'contexts',
    ['ENOSPC', 'EAGAIN', 'ENOMEM'],
    5000,
    () => client.open(DEVICES[1]).opened.context,
  );
  attack.expect(made.length > 100, `only ${made.length} contexts`);
}

/** A group of its own for this process, with next to nothing in it. */
function groups(attack: Attack, first: RawClient): void {
  const group = '/hostile';
  const admin = first;
  const device = DEVICES[0];
  admin.manage('SYSTEM', 'GROUP_SET', { group, device, limits: { hca_handle: 3, hca_object: 20 } });
  admin.manage('SYSTEM', 'GROUP_ATTACH', { group, pid: process.pid });
  const context = admin.open(device);
  const made = fill(attack, 'objects in a group', ['EAGAIN'], 20, () => Number(context.call('PD', 'ALLOC', {}).handle));
  attack.expect(made.length === 20, `${made.length} objects in a group of 20`);
  context.call('PD', 'DEALLOC', { handle: made.pop() });
  attack.expect(context.outcome('PD', 'ALLOC', {}) === 'OK', 'an object of a group after one was given back');
  const more = fill(attack, 'contexts in a group', ['EAGAIN'], 3, () => admin.open(device).opened.context);
  attack.expect(more.length === 2, `${more.length} more contexts in a group of 3`);
  admin.close();
  const cleaner = RawClient.connect(attack.socket);
  try {
    cleaner.manage('SYSTEM', 'GROUP_DELETE', { group });
  } finally {
    cleaner.close();
  }
}

function connections(attack: Attack): void {
  const open: RawClient[] = [];
  let refused = 0;
  try {
    for (let i = 0; i < LIMITS.connectionsPerUid + 20; i++) {
      const client = RawClient.connect(attack.socket, Keep.NONE);
      open.push(client);
      try {
        client.manage('SYSTEM', 'SHOW', {});
      } catch {
        refused++;
      }
    }
    attack.facts['connections served'] = open.length - refused;
    attack.facts['connections refused'] = refused;
    attack.expect(refused >= 20, `only ${refused} of ${open.length} connections were refused`);
    attack.expect(refused < 40, `${refused} of ${open.length} connections were refused`);
  } finally {
    for (const client of open) client.close();
  }
  // the daemon sees the ends when it looks next
  for (let tries = 0; ; tries++) {
    const client = RawClient.connect(attack.socket, Keep.NONE);
    try {
      client.manage('SYSTEM', 'SHOW', {});
      return;
    } catch (thrown) {
      attack.expect(tries < 200, `no connection after all were closed: ${String(thrown)}`);
      if (tries >= 200) return;
    } finally {
      client.close();
    }
  }
}
