/** A daemon of one's own, for a benchmark: in a folder that goes with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { DeviceHandle } from '@verbena/core';
import { openDevice } from '@verbena/node';

export class DaemonProcess {
  readonly socket: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  /** @param address - of its device `uet0` */
  static async start(...addresses: readonly string[]): Promise<DaemonProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'verbena-bench-'));
    const socket = join(folder, 'verbenad.sock');
    const main = join(dirname(createRequire(import.meta.url).resolve('@verbena/node')), 'daemon', 'main.js');
    const devices = addresses.flatMap((address, i) => ['--device', `uet${i}=${address}`]);
    const child = spawn(process.execPath, [main, '--socket', socket, '--log', 'error', ...devices], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the daemon ended with ${code}`)));
      child.stdout.once('data', () => resolve());
    });
    return new DaemonProcess(child, folder, socket);
  }

  private constructor(child: ChildProcess, folder: string, socket: string) {
    this.#child = child;
    this.#folder = folder;
    this.socket = socket;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  open(name = 'uet0'): Promise<DeviceHandle> {
    return openDevice({ socket: this.socket, name });
  }

  /** Open descriptors of the daemon. */
  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
