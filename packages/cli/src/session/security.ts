/** The protection of a command's own device, from its key file. */
import { type DomainStore, FileCounters, KeyRing } from '@verbena/node';
import type { DeviceOptions } from '../device-options.ts';
import { BadInput } from '../failure.ts';

/**
 * What `--keys` and `--domain` ask for; undefined for packets in the clear.
 *
 * @throws BadInput no domain is named where there is a choice, or a domain without keys
 * @throws VerbsError what is wrong with the file
 */
export function securityOf({ keys, domain }: DeviceOptions): { domains: DomainStore; domain: number } | undefined {
  if (keys === undefined) {
    if (domain === undefined) return undefined;
    throw new BadInput(
      '--domain needs the keys of that domain',
      '--keys FILE, or VERBENA_SOCKET for a daemon that has them',
    );
  }
  const ring = KeyRing.read(keys);
  const domains = ring.store(new FileCounters(ring.countersPath(keys)));
  return { domains, domain: domain ?? onlyDomain(ring, keys) };
}

function onlyDomain({ identifiers }: KeyRing, path: string): number {
  const [first, second] = identifiers;
  if (first !== undefined && second === undefined) return first;
  if (first === undefined) throw new BadInput(`${path} has no domain`, '`verbena keys generate`');
  const known = identifiers.map((one) => `0x${one.toString(16)}`).join(', ');
  throw new BadInput(`${path} has several domains: ${known}`, '--domain with one of them');
}
