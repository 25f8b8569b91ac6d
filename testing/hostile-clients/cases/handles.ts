/** Handles and numbers that are not the caller's. */
import { encodeRequest, type HandleAccess, type Method, type ObjectSchema, UAPI } from '@verbena/core/uapi';
import type { HostileCase } from '../attack.ts';
import { DEVICES } from '../daemon-process.ts';
import { Keep, RawClient } from '../raw-client.ts';
import { methodOf, RemoteWorld } from '../remote-world.ts';

export const wrongHandles: HostileCase = {
  name: 'handles of other kinds, dead ones, those of another connection, and its context numbers',
  proves: 'R040 R086 R114 L16',
  async attack(attack) {
    const owner = RawClient.connect(attack.socket, Keep.JOB);
    const thief = RawClient.connect(attack.socket, Keep.JOB);
    const idle = RawClient.connect(attack.socket, Keep.NONE);
    try {
      const owned = new RemoteWorld(owner, DEVICES[0], true);
      // a second world of the owner, so that its numbers go further than the thief's
      const further = new RemoteWorld(owner, DEVICES[0], true);
      for (let i = 0; i < 40; i++) further.world.make('PD');
      const stolen = further.raw.opened.context;
      let own = new RemoteWorld(thief, DEVICES[0], true);

      // every call in a context of the other connection, from one with contexts of its own and from one without
      for (const client of [thief, idle]) {
        for (const one of own.cases) {
          const header = { context: stolen, driver: further.raw.opened.driver };
          const { methods } = UAPI[one.object] as ObjectSchema;
          const bytes = encodeRequest(UAPI[one.object], methods[one.method]!, { handle: 1 } as never, header);
          const answer = client.exchange(bytes);
          attack.count('calls in foreign contexts');
          const error = answer === undefined ? 0 : new DataView(answer.bytes.buffer).getUint16(4, true);
          attack.expect(error !== 0, `${one.object}.${one.method} worked in a context of another connection`);
        }
      }

      // each handle of each call replaced by one of each other kind, by dead ones, and by numbers out of the air
      for (const one of own.cases) {
        // each case leaves objects behind
        own.raw.call('DEVICE', 'CLOSE', {});
        own = new RemoteWorld(thief, DEVICES[0], true);
        const dead = own.world.make('PD');
        own.raw.call('PD', 'DEALLOC', { handle: dead });
        for (const access of ['read', 'write', 'destroy'] as const satisfies readonly HandleAccess[]) {
          for (const { name, object } of handleNames(methodOf(one), access)) {
            const others = [...own.world.handles].filter(([kind]) => kind !== object).map(([, handle]) => handle);
            for (const handle of [...others, dead, 0, 0xffff_ffff, 5000 + attack.random.below(1000)]) {
              tryHandle(one, name, handle);
            }
          }
        }
      }
      function tryHandle(one: (typeof own.cases)[number], name: string, handle: number): void {
        const { input, attachments = [] } = one.prepare(own.world);
        if (attachments.length > 0 || input[name] === undefined) return;
        attack.count('calls with wrong handles');
        const outcome = own.raw.outcome(one.object, one.method as never, { ...input, [name]: handle });
        const good = outcome === 'EBADF' || outcome === 'EINVAL' || outcome === 'ENOENT';
        attack.expect(good, `${one.object}.${one.method} with ${name} = ${handle}: ${outcome}`);
      }

      // capabilities out of the air, and one with a bit changed
      const { token } = owned.raw.call('JOB', 'EXPORT', { handle: owned.world.handle('JOB') });
      for (let i = 0; i < 500 * attack.effort; i++) {
        const guess = Uint8Array.from(token as Uint8Array);
        if (i < 256) guess[i >> 3]! ^= 1 << (i & 7);
        else for (let at = 0; at < guess.length; at++) guess[at] = attack.random.below(256);
        const outcome = own.raw.outcome('JOB', 'IMPORT', { token: guess });
        attack.count('guessed capabilities');
        attack.expect(outcome === 'EBADF', `a guessed capability: ${outcome}`);
      }
      attack.expect(own.raw.outcome('JOB', 'IMPORT', { token }) === 'OK', 'the true capability does not work');

      // without the right there are no jobs, and nothing of the system changes
      const poor = new RemoteWorld(idle, DEVICES[0], false);
      attack.expect(poor.raw.outcome('JOB', 'ALLOC', { id: 31 }) === 'EPERM', 'a job without the right');
      for (const [object, method, input] of CHANGES) {
        const outcome = manageOutcome(idle, object, method, input);
        attack.expect(outcome === 'EPERM', `${object}.${method} without the right: ${outcome}`);
      }
      // what the owner has is as it was
      for (const [kind, handle] of further.world.handles) {
        if (kind !== 'QP' && kind !== 'CQ' && kind !== 'SRQ' && kind !== 'JOB') continue;
        attack.expect(further.raw.outcome(kind as 'QP', 'QUERY', { handle }) === 'OK', `${kind} of the owner is gone`);
      }
    } finally {
      for (const client of [owner, thief, idle]) client.close();
    }
  },
};

function handleNames(
  method: Method,
  access: HandleAccess,
): readonly { readonly name: string; readonly object: string }[] {
  return Object.entries(method.attributes).flatMap(([name, { type }]) =>
    type.kind === 'handle' && type.access === access ? [{ name, object: type.object }] : [],
  );
}

function manageOutcome(client: RawClient, object: never, method: string, input: object): string {
  try {
    client.manage(object, method, input);
    return 'OK';
  } catch (thrown) {
    return (thrown as { readonly code?: string }).code ?? String(thrown);
  }
}

const CHANGES = [
  ['DEV', 'DELETE', { device: DEVICES[0] }],
  ['DEV', 'RESET', { device: DEVICES[0] }],
  ['SYSTEM', 'SET', { netns: 1 }],
  ['SYSTEM', 'GROUP_SET', { group: '/', device: DEVICES[0], limits: { hca_object: 0 } }],
] as unknown as readonly (readonly [never, string, object])[];
