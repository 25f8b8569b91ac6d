/** What a case has to work with, and what it leaves behind. */
import { type ChildProcess, fork } from 'node:child_process';
import type { SeededRandom } from '@verbena/core';
import type { DaemonProcess } from './daemon-process.ts';
import type { Programs } from './programs.ts';

/** A way to be hostile. */
export interface HostileCase {
  readonly name: string;
  /** Requirements that it proves, with those of the threat list. */
  readonly proves: string;
  readonly attack: (attack: Attack) => Promise<void>;
  /** Most effort that shows anything new. */
  readonly longest?: number;
}

export class Attack {
  readonly daemon: DaemonProcess;
  readonly random: SeededRandom;
  /** 1 in short runs; more is so many times the work. */
  readonly effort: number;
  /** What shows that the attack was none in vain. */
  readonly facts: Record<string, number> = {};
  readonly problems: string[] = [];
  readonly #programs: Programs;
  readonly #children = new Set<ChildProcess>();

  constructor(daemon: DaemonProcess, files: Programs, random: SeededRandom, effort: number) {
    this.daemon = daemon;
    this.#programs = files;
    this.random = random;
    this.effort = effort;
  }

  get socket(): string {
    return this.daemon.socket;
  }

  /** Notes what must not be; goes on. */
  expect(good: boolean, problem: string): void {
    if (good || this.problems.length > MAX_PROBLEMS) return;
    this.problems.push(problem);
  }

  count(fact: string, by = 1): void {
    this.facts[fact] = (this.facts[fact] ?? 0) + by;
  }

  /** Another process that attacks. Ends with the case at the latest. */
  attacker(role: string, words: readonly (string | number)[] = []): Attacker {
    const given = [role, this.socket, String(this.random.uint32()), ...words.map(String)];
    const child = fork(this.#programs.path('attacker-main'), given, {
      execArgv: [],
      stdio: ['ignore', 2, 'pipe', 'ipc'],
    });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return new Attacker(child);
  }

  get scribbler(): string {
    return this.#programs.path('scribbler-main');
  }

  /** Ends what still runs. */
  end(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

export class Attacker {
  readonly child: ChildProcess;
  readonly ended: Promise<number | string>;
  stderr = '';
  readonly #said: unknown[] = [];
  #heard: (() => void) | undefined;

  constructor(child: ChildProcess) {
    this.child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', (status, signal) => {
        resolve(signal ?? status ?? 0);
        this.#heard?.();
      });
    });
    child.stderr?.on('data', (part: Buffer) => {
      this.stderr = (this.stderr + part.toString()).slice(-4000);
    });
    child.on('message', (message) => {
      this.#said.push(message);
      this.#heard?.();
    });
    child.on('error', () => {});
  }

  /** What it says next; undefined at its end, or after the time. */
  async says(timeoutMs = 15_000): Promise<unknown> {
    if (this.#said.length === 0 && this.child.exitCode === null && this.child.signalCode === null) {
      await new Promise<void>((resolve) => {
        const late = setTimeout(resolve, timeoutMs);
        this.#heard = () => {
          clearTimeout(late);
          resolve();
        };
      });
    }
    return this.#said.shift();
  }

  tell(message: string): void {
    this.child.send(message, () => {});
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

const MAX_PROBLEMS = 20;
