/** The victim's handle. */
import { type ChildProcess, fork } from 'node:child_process';
import { type DaemonProcess, DEVICES } from './daemon-process.ts';
import type { Programs } from './programs.ts';

export type VictimRequest = 'pause' | 'resume' | 'stop';

/** What happened since the last report. */
export interface VictimReport {
  /** A write and a read of 16 KiB each, every byte compared. */
  readonly exchanges: number;
  /** Registrations made and undone. */
  readonly controls: number;
  /** Bytes that were not as they must be, ever since the start. */
  readonly wrongBytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly failures: readonly string[];
}

export class Victim {
  readonly #child: ChildProcess;

  static async start(daemon: DaemonProcess, files: Programs): Promise<Victim> {
    const words = [daemon.socket, ...DEVICES, String(VICTIM_JOB), daemon.addresses[1]];
    const victim = new Victim(fork(files.path('victim-main'), words, { execArgv: [], stdio: ['ignore', 2, 2, 'ipc'] }));
    await victim.#next();
    return victim;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Lets it finish what it does. It rests until `resume`. */
  async pause(): Promise<VictimReport> {
    const report = this.#next();
    this.#child.send('pause' satisfies VictimRequest);
    return (await report) as VictimReport;
  }

  resume(): void {
    this.#child.send('resume' satisfies VictimRequest);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.send('stop' satisfies VictimRequest);
    this.#child.send('resume' satisfies VictimRequest);
    await ended;
    clearTimeout(late);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const gone = (status: number | null) => reject(new Error(`the victim ended with ${status}`));
      const late = setTimeout(() => reject(new Error('the victim does not answer')), ANSWER_MS);
      this.#child.once('exit', gone);
      this.#child.once('message', (message) => {
        clearTimeout(late);
        this.#child.off('exit', gone);
        resolve(message);
      });
    });
  }
}

export const VICTIM_JOB = 7;
const ANSWER_MS = 30_000;
const STOP_MS = 10_000;
