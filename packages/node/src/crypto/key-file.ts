/** Secure domains of a process from a file that only its owner can read. @spec uet:tss/16 */
import type { DomainStore } from './domain-store.ts';
import { FileCounters } from './file-counters.ts';
import { KeyRing } from './key-ring.ts';

/**
 * Reads a key file.
 *
 * @throws VerbsError `ENOENT` · `EACCES` others could read or change it · `EINVAL` what it says, without what it says of keys ·
 *   what adding a domain says
 */
export function readKeyFile(path: string): DomainStore {
  const ring = KeyRing.read(path);
  return ring.store(new FileCounters(ring.countersPath(path)));
}
