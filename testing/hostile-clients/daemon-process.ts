/** The daemon under attack: a process of its own, with two devices, and all that can be seen of it from outside. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RawClient } from './raw-client.ts';

/** What must be the same after an attack. */
export interface DaemonState {
  /** Counts and charges by name. */
  readonly counts: Readonly<Record<string, number>>;
  readonly residentBytes: number;
}

export class DaemonProcess {
  readonly socket: string;
  readonly addresses: readonly [string, string];
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #metrics: string;
  #stderr = '';

  /** Ready to serve when this resolves. */
  static async start(): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(await freePort());
    try {
      await daemon.#ready();
    } catch (thrown) {
      daemon.kill();
      throw thrown;
    }
    return daemon;
  }

  private constructor(metricsPort: number) {
    this.#folder = mkdtempSync(join(tmpdir(), 'hostile-'));
    this.socket = join(this.#folder, 'run', 'verbenad.sock');
    this.#metrics = `127.0.0.1:${metricsPort}`;
    const net = `127.${64 + (process.pid & 63)}.${(process.pid >> 6) & 255}`;
    this.addresses = [`${net}.1`, `${net}.2`];
    const config = join(this.#folder, 'verbenad.json');
    const devices = this.addresses.map((address, i) => ({ name: DEVICES[i], address }));
    const settings = { socket: this.socket, metrics: this.#metrics, log: 'warn', limits: LIMITS, devices };
    writeFileSync(config, JSON.stringify(settings), { mode: 0o600 });
    this.#child = spawn(process.execPath, ['--expose-gc', PROGRAM, config], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stderr!.on('data', (part: Buffer) => {
      this.#stderr = (this.#stderr + part.toString()).slice(-MAX_LOG);
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The end of its log. */
  get log(): string {
    return this.#stderr;
  }

  /** What the daemon counted since its start, by event. */
  async counters(): Promise<Readonly<Record<string, number>>> {
    const found: Record<string, number> = {};
    for (const { name, labels, value } of await this.#read()) {
      if (name === 'verbena_daemon_total') found[labels.event!] = value;
    }
    return found;
  }

  /** Counters of a device since its start. */
  async deviceCounters(device: string): Promise<Readonly<Record<string, number>>> {
    const found: Record<string, number> = {};
    for (const { name, labels, value } of await this.#read()) {
      if (name === 'verbena_device_total' && labels.device === device) found[labels.counter!] = value;
    }
    return found;
  }

  async state(): Promise<DaemonState> {
    const counts: Record<string, number> = {};
    const descriptors = await this.#descriptors();
    if (descriptors !== undefined) counts.descriptors = descriptors;
    let residentBytes = 0;
    for (const { name, labels, value } of await this.#read()) {
      if (name === 'verbena_resident_bytes') residentBytes = value;
      else if (name === 'verbena_objects') counts[`${labels.device} ${labels.kind}`] = value;
      else if (GAUGES.has(name)) counts[name] = value;
    }
    Object.assign(counts, this.#charges());
    return { counts, residentBytes };
  }

  /**
   * Waits until the counts are those of before.
   *
   * @returns what differs after the time; empty when nothing does
   */
  async settles(before: DaemonState, timeoutMs = 10_000): Promise<readonly string[]> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      if (!this.alive) return ['the daemon is gone'];
      const { counts } = await this.state();
      const left = Object.keys({ ...before.counts, ...counts }).flatMap((name) => {
        const [was, is] = [before.counts[name] ?? 0, counts[name] ?? 0];
        // state between engines comes and goes with traffic, also that of the victim: it must not grow
        const good = PROTOCOL_STATE.test(name) ? is <= Math.max(was, PROTOCOL_STATE_OF_VICTIM) : is === was;
        return good ? [] : [`${name}: ${was} before, ${is} after`];
      });
      if (left.length === 0 || performance.now() > until) return left;
      await pause(50);
    }
  }

  /** Ends it as its owner would. @returns the exit status */
  async stop(): Promise<number | null> {
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    const ended = new Promise<number | null>((resolve) => {
      if (!this.alive) resolve(this.#child.exitCode);
      else this.#child.once('exit', (status) => resolve(status));
    });
    this.#child.kill('SIGTERM');
    const status = await ended;
    clearTimeout(late);
    rmSync(this.#folder, { recursive: true, force: true });
    return status;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`the daemon is not ready: ${this.#stderr}`)), START_MS);
      this.#child.stdout!.on('data', (part: Buffer) => {
        if (!part.toString().includes('ready')) return;
        clearTimeout(late);
        resolve();
      });
      this.#child.once('exit', (status) => {
        clearTimeout(late);
        reject(new Error(`the daemon ended with ${status}: ${this.#stderr}`));
      });
    });
    this.#child.removeAllListeners('exit');
  }

  /** What resource groups are charged with. */
  #charges(): Record<string, number> {
    const client = RawClient.connect(this.socket, 0);
    try {
      const found: Record<string, number> = {};
      for (let after: string | undefined; after !== ''; ) {
        const { rows, next } = client.manage('SYSTEM', 'GROUP_SHOW', after === undefined ? {} : { after });
        for (const row of rows as readonly Readonly<Record<string, unknown>>[]) {
          for (const [name, value] of Object.entries(row)) {
            if (CHARGE.test(name)) found[`${row.group} ${row.dev} ${name}`] = Number(value);
          }
        }
        after = String(next ?? '');
      }
      return found;
    } finally {
      client.close();
    }
  }

  /** Where the system shows them; without those of connections that end just now. */
  async #descriptors(): Promise<number | undefined> {
    try {
      let least = Number.POSITIVE_INFINITY;
      for (let look = 0; look < 5; look++) {
        await pause(20);
        least = Math.min(least, readdirSync(`/proc/${this.pid}/fd`).length);
      }
      return least;
    } catch {
      return undefined;
    }
  }

  async #read(): Promise<readonly Metric[]> {
    const text = await fetchText(`http://${this.#metrics}/metrics`);
    return text.split('\n').flatMap((line) => {
      const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (name === undefined) return [];
      const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, text]) => [key!, text!] as const);
      return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
    });
  }
}

interface Metric {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

function fetchText(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // without a connection that stays: it would be a descriptor of the daemon
    const request = get(url, { agent: false, headers: { connection: 'close' } }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    request.setTimeout(METRICS_MS, () => request.destroy(new Error('the daemon does not show its figures')));
    request.on('error', reject);
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { readonly port: number };
      server.close(() => resolve(port));
    });
  });
}

export const DEVICES = ['hostile0', 'hostile1'] as const;
/** Low where the suite goes to the limit. */
export const LIMITS = {
  connections: 160,
  connectionsPerUid: 96,
  memlockBytes: 256 * 2 ** 20,
  mappings: 192,
  mappedBytes: 512 * 2 ** 20,
  malformedFrames: 16,
  queuedAnswers: 64,
  slowReaderMs: 1000,
} as const;
const PROGRAM = fileURLToPath(
  new URL(
    import.meta.url.includes('/dist/')
      ? '../../../packages/node/bin/verbenad.js'
      : '../../packages/node/bin/verbenad.js',
    import.meta.url,
  ),
);
const GAUGES = new Set([
  'verbena_devices',
  'verbena_mapped_files',
  'verbena_mapped_bytes',
  'verbena_leaked_objects_total',
]);
const PROTOCOL_STATE = / engine_\w+$/;
const PROTOCOL_STATE_OF_VICTIM = 2;
const CHARGE = /^(hca_handle|hca_object|mr_mem)$/;
const MAX_LOG = 20_000;
const START_MS = 15_000;
const STOP_MS = 10_000;
const METRICS_MS = 10_000;
