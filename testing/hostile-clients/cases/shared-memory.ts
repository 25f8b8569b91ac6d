/** Clients that write over what they share with the daemon. */
import type { HostileCase } from '../attack.ts';

export const ringScribbling: HostileCase = {
  name: 'rings, completions, payload and doorbell page written over by another thread while real work is posted',
  proves: 'R180 L10 L12 L13 L14 L15',
  longest: 6,
  async attack(attack) {
    const count = 2;
    const ms = 2500 * attack.effort;
    const started = Array.from({ length: count }, (_, i) =>
      attack.attacker('scribble', [ms, 2000 + i, attack.scribbler]),
    );
    for (const attacker of started) {
      const said = (await attacker.says(ms + 30_000)) as Record<string, number> | undefined;
      const status = await attacker.ended;
      // the attacker may fall over what it wrote itself; then it was at work until then
      if (said === undefined) attack.count(`attackers ended by ${status}`);
      for (const [fact, value] of Object.entries(said ?? {})) attack.count(fact, value);
    }
    attack.expect(
      (attack.facts.writes ?? 0) > 10_000,
      `nothing was written over: ${started.map((one) => one.stderr).join()}`,
    );
    attack.expect((attack.facts.posted ?? 0) > 100, 'no work was posted');
  },
};

export const forgedNumbers: HostileCase = {
  name: 'requests that name job keys and regions of others: refused before anything is sent',
  proves: 'R086 R087 L09',
  longest: 5,
  async attack(attack) {
    const attacker = attack.attacker('forge', [2100, 300 * attack.effort]);
    const said = (await attacker.says(30_000 * attack.effort)) as
      | { readonly tried: number; readonly statuses: Readonly<Record<string, number>> }
      | undefined;
    attack.expect(said !== undefined, `the attacker said nothing: ${attacker.stderr}`);
    attack.count('requests', said?.tried ?? 0);
    for (const [key, count] of Object.entries(said?.statuses ?? {})) {
      attack.count(key, count);
      const [, whose, status = ''] = key.split(' ');
      if (whose === 'own') attack.expect(status === 'SUCCESS', `${key}: the own one must work`);
      else attack.expect(status.startsWith('LOC_'), `${key}: ${count} times`);
    }
  },
};
