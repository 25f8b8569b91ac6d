/** Memory that processes hold now. */
import { readFileSync } from 'node:fs';

/** Resident bytes of processes together; memory that two of them map counts twice. */
export function residentBytes(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    sum += Number(line?.[1] ?? 0) * 1024;
  }
  return sum;
}
