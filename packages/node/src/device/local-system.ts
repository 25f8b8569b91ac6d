/** The system of this process: every device that the program opens inline is registered there. */
import { basename } from 'node:path';
import { ALL_RIGHTS, type Credentials, System } from '@verbena/core';
import { randomWords } from './live-host.ts';

export function localSystem(): System {
  system ??= new System(randomWords);
  return system;
}

/** This very program, with all rights: it owns the system. */
export function localCredentials(wake: (number: number) => void): Credentials {
  return {
    pid: process.pid,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    name: basename(process.argv[1] ?? process.title),
    rights: ALL_RIGHTS,
    wake,
  };
}

let system: System | undefined;
