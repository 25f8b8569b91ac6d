/** What a process that serves others closes before it begins. @spec threats L01 L19 L20 */
import inspector from 'node:inspector';
import { VerbsError } from '@verbena/core';
import { LINUX, type Libc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';

/**
 * Keeps memory out of core files and away from debuggers, and new files from others.
 *
 * @param onSignal - SIGUSR1, which would open the inspector otherwise
 * @throws VerbsError EPERM an inspector is open
 */
export function harden(libc: Libc, onSignal: () => void): void {
  process.on('SIGUSR1', onSignal);
  if (inspector.url() !== undefined) {
    throw new VerbsError('EPERM', 'verbenad', 'an inspector is open: whoever reaches it controls the daemon', {
      try: 'start it without --inspect',
    });
  }
  process.umask(0o077);
  libc.prctl(LINUX.PR_SET_DUMPABLE, 0, 0, 0, 0);
  const none = new MemoryPool(libc).allocate(16);
  libc.setrlimit(LINUX.RLIMIT_CORE, none.address);
  none.release();
}
