/**
 * Packet counters of keys that come without a file of their own, over the management channel: in the state folder of this
 * user, so that whoever adds a key again after a restart finds its counters where they ended. The file is made when the
 * first key comes. @spec uet:tss/12
 */
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { type CounterStore, VerbsError } from '@verbena/core';
import { FileCounters } from './file-counters.ts';

export class StateCounters implements CounterStore {
  readonly #folder: string;
  #file: FileCounters | undefined;

  constructor(folder = stateFolder()) {
    this.#folder = folder;
  }

  /** Makes sure that there will be counters. @throws VerbsError `EACCES` the folder or the file cannot be written */
  open(): void {
    if (this.#file !== undefined) return;
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new VerbsError('EACCES', 'secureDomain', `packet counters cannot be kept in ${this.#folder}: ${code}`, {
        try: 'XDG_STATE_HOME with a folder of this user, or `keys` in the configuration of the daemon',
      });
    }
    this.#file = new FileCounters(join(this.#folder, 'packet-counters'));
  }

  reserve(id: string, count: number): number {
    return this.#file?.reserve(id, count) ?? -1;
  }
}

/** Where programs of this user keep what shall survive a restart. */
function stateFolder(): string {
  const { XDG_STATE_HOME: state } = env;
  return join(state === undefined || state === '' ? join(homedir(), '.local', 'state') : state, 'verbena');
}
