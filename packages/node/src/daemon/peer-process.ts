/** What the system says about the process at the other end of a connection. For tools and namespaces, not for access. */
import { readFileSync, readlinkSync } from 'node:fs';
import type { PeerCredentials } from '../ipc/seqpacket.ts';

/** Name of the program; '' when it is gone. Programs choose it themselves: what is no plain character is replaced. */
export function programName({ pid }: PeerCredentials): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8')
      .trimEnd()
      .replaceAll(/[^\x20-\x7e]/g, '?')
      .slice(0, MAX_NAME);
  } catch {
    return '';
  }
}

/** What stands for the network namespace of a process; undefined when the system does not say. */
export function networkNamespace(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

const MAX_NAME = 15;
