/** For tests: programs and daemons as processes of their own, over the built library, with a time limit. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const DAEMON = join(PACKAGE, 'dist/daemon/main.js');

/** A process whose output is read line by line. */
export class LineProcess {
  readonly child: ChildProcessWithoutNullStreams;
  /** Exit status and signal. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  stderr = '';
  readonly #lines: string[] = [];
  #rest = '';
  #onLine: (() => void) | undefined;

  constructor(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, words, {
      cwd: PACKAGE,
      env: { ...process.env, ...env },
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    RUNNING.add(this.child);
    this.child.stdin.on('error', () => {}); // it may be gone
    this.child.stderr.on('data', (part: Buffer) => {
      this.stderr += part.toString();
    });
    this.child.stdout.on('data', (part: Buffer) => {
      const lines = (this.#rest + part.toString()).split('\n');
      this.#rest = lines.pop()!;
      this.#lines.push(...lines);
      this.#onLine?.();
    });
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        RUNNING.delete(this.child);
        resolve({ code, signal });
        this.#onLine?.();
      });
    });
  }

  /** The next line of its output, which is JSON. */
  async line<T>(): Promise<T> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return JSON.parse(line) as T;
      if (!RUNNING.has(this.child)) throw new Error(`it ended: ${this.stderr}`);
      await new Promise<void>((resolve) => {
        this.#onLine = resolve;
      });
    }
  }

  tell(value: unknown): void {
    this.child.stdin.write(`${JSON.stringify(value)}\n`);
  }

  async ask<T>(value: unknown): Promise<T> {
    this.tell(value);
    return await this.line<T>();
  }

  get pid(): number {
    return this.child.pid!;
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal);
    await this.ended;
  }
}

/** A program in JavaScript, with {@link PREAMBLE} before it. */
export function program(text: string, env: Readonly<Record<string, string>> = {}): LineProcess {
  return new LineProcess(['--input-type=module', '-e', PREAMBLE + text], env);
}

/** The program `verbenad`, ready. */
export async function daemonProcess(socket: string, ...devices: readonly string[]): Promise<LineProcess> {
  const flags = devices.flatMap((device) => ['--device', device]);
  const daemon = new LineProcess([DAEMON, '--socket', socket, '--log', 'error', ...flags]);
  await new Promise<void>((resolve, reject) => {
    daemon.child.stdout.once('data', () => resolve());
    void daemon.ended.then(() => reject(new Error(`the daemon ended: ${daemon.stderr}`)));
  });
  return daemon;
}

/** A folder for sockets that only this user may write. */
export function socketFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'verbena-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export async function until(holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + UNTIL_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`it never came true: ${what}`);
    await new Promise((turned) => setImmediate(turned));
  }
}

/**
 * `say(value)` writes a line; `asked` is what comes in; `endOf(device)` has all that a program needs, and serves orders
 * of the tests: `card`, `run` against another's card, `check` what others did here.
 */
const PREAMBLE = `
import { createInterface } from 'node:readline';
import { RemoteMemory } from '@verbena/core';
import { openDevice } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
const asked = (async function* () {
  for await (const line of createInterface({ input: process.stdin })) yield JSON.parse(line);
})();
const sum = (bytes) => bytes.reduce((total, byte, i) => (total + byte * (i % 251 + 1)) % 1_000_003, 0);
const PART = 65_536;
function endOf(device, seed = 1, memory = (context) => context.allocate(4 * PART)) {
  const context = device.open();
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 64 });
  const jobKey = pd.createJobKey(context.createJob({ id: 7 }));
  const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 16, receiveDepth: 16 });
  const bytes = memory(context);
  bytes.fill(seed);
  for (let i = PART; i < 2 * PART; i++) bytes[i] = (i * seed) & 255;
  const region = pd.registerMemory(bytes, { access: ['local-write', 'remote-write', 'remote-read'] });
  return { device, context, pd, cq, qp, bytes, region, seed };
}
const cardOf = ({ device, qp, region }) => ({ address: device.local.text, qpn: qp.qpn, rkey: String(region.rkey) });
const done = async (cq) => {
  const completion = await cq.next({ timeoutMs: 15_000 });
  if (!completion.ok) throw new Error(completion.status);
  return completion;
};
/** Writes, reads and sends. The peer's receive must be posted. */
async function exchange({ pd, cq, qp, region, bytes }, card) {
  const to = pd.createAddressHandle({ address: card.address, qpn: card.qpn });
  const remote = new RemoteMemory(BigInt(card.rkey));
  qp.post({ opcode: 'write', to, region, offset: PART, length: 60_000, remote, remoteOffset: 0 });
  await done(cq);
  qp.post({ opcode: 'read', to, region, offset: 2 * PART, length: 60_000, remote, remoteOffset: PART });
  await done(cq);
  qp.post({ opcode: 'send', to, region, offset: PART, length: 10_000 });
  await done(cq);
  to.destroy();
  return sum(bytes.subarray(2 * PART, 2 * PART + 60_000));
}
/** Serves the orders of a test until it says bye. */
async function serve(end) {
  const { qp, cq, region, bytes, device } = end;
  for await (const { order, card } of asked) {
    if (order === 'card') {
      qp.postReceive({ id: 1, region, offset: 3 * PART, length: 20_000 });
      say(cardOf(end));
    } else if (order === 'run') say(await exchange(end, card));
    else if (order === 'check') {
      const { byteLength } = await done(cq);
      say({ own: sum(bytes.subarray(PART, PART + 60_000)), written: sum(bytes.subarray(0, 60_000)), byteLength });
    } else if (order === 'counters') say(device.counters());
    else break;
  }
  await device.close();
  process.stdin.destroy();
}
`;

const TIMEOUT_MS = 170_000;
const UNTIL_MS = 20_000;

/** A failed test must leave nothing running. */
const RUNNING = new Set<ChildProcessWithoutNullStreams>();
process.on('exit', () => {
  for (const child of RUNNING) child.kill('SIGKILL');
});
