/**
 * Packet counters that outlive processes: an append-only file. A reservation is one line; the system appends lines whole
 * and one behind the other, so whichever processes share the file, each finds its own line behind those that came before.
 * Values are used only when the line is on the disk. Nothing is ever taken back, so a crash costs values and nothing else.
 *
 *     <id> <count> <nonce>        the first value is the sum of the counts of that id in the lines above
 *
 * A file that goes back in time, with the snapshot of a virtual machine for instance, brings counters back with it: then
 * keys must be rotated. @spec uet:tss/12 uet:tss/20
 */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { type CounterStore, VerbsError } from '@verbena/core';
import { isTrusted } from '../ipc/socket-path.ts';

export class FileCounters implements CounterStore {
  readonly path: string;

  /** @throws VerbsError `EACCES` the file cannot be written, or others could change it */
  constructor(path: string) {
    this.path = path;
    closeSync(this.#open());
  }

  reserve(id: string, count: number): number {
    let fd: number;
    try {
      fd = this.#open();
    } catch {
      return -1;
    }
    try {
      if (fstatSync(fd).size > MAX_BYTES) return -1;
      const nonce = randomBytes(12).toString('hex');
      // a line that a crash cut short ends here
      const line = Buffer.from(`\n${id} ${count} ${nonce}\n`);
      if (writeSync(fd, line) !== line.length) return -1;
      fsyncSync(fd);
      return firstOf(readFileSync(this.path, 'latin1'), id, nonce);
    } catch {
      return -1;
    } finally {
      closeSync(fd);
    }
  }

  #open(): number {
    const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
    let fd: number;
    try {
      fd = openSync(this.path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    } catch (error) {
      throw this.#refuse(`${(error as NodeJS.ErrnoException).code}`);
    }
    const stats = fstatSync(fd);
    if (stats.isFile() && isTrusted(stats.uid) && (stats.mode & 0o077) === 0) return fd;
    closeSync(fd);
    throw this.#refuse('others could change it');
  }

  #refuse(problem: string): VerbsError {
    return new VerbsError('EACCES', 'secureDomain', `packet counters cannot be kept in ${this.path}: ${problem}`, {
      try: `chmod 0600 ${this.path}, or another file`,
    });
  }
}

/** The first value of the line with that nonce; -1 when it is not there. */
function firstOf(text: string, id: string, nonce: string): number {
  let first = 0;
  for (const line of text.split('\n')) {
    const [name, count, mark] = line.split(' ');
    if (name !== id || mark === undefined || mark.length !== NONCE_LETTERS) continue;
    if (mark === nonce) return first;
    if (/^\d{1,15}$/.test(count!)) first += Number(count);
  }
  return -1;
}

const NONCE_LETTERS = 24;
/** Some 200,000 reservations; then the file can be removed together with the keys that it is about. */
const MAX_BYTES = 16 * 2 ** 20;
