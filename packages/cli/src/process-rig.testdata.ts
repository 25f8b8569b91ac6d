/** For tests: the built command as a child process, with a time limit. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `verbena` with these words until it ends. */
export async function verbena(words: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const running = new RunningCommand(words, options);
  if (options.stdin !== undefined) running.child.stdin.end(options.stdin);
  return await running.ended;
}

/** A command that goes on until it is stopped, such as a server. */
export class RunningCommand {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Finished>;
  #stdout = '';
  #stderr = '';
  #onOutput: (() => void) | undefined;

  constructor(words: readonly string[], options: RunOptions = {}) {
    this.child = spawn(process.execPath, [MAIN, ...words], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      timeout: options.timeoutMs ?? TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    RUNNING.add(this.child);
    this.child.stdout.on('data', (part: Buffer) => {
      this.#stdout += part.toString();
      this.#onOutput?.();
    });
    this.child.stderr.on('data', (part: Buffer) => {
      this.#stderr += part.toString();
    });
    this.ended = new Promise((resolve) => {
      this.child.on('close', (status) => {
        RUNNING.delete(this.child);
        resolve({ status, stdout: this.#stdout, stderr: this.#stderr });
        this.#onOutput?.();
      });
    });
  }

  /** Starts a server and waits until it says that it listens. */
  static async server(words: readonly string[], options: RunOptions = {}): Promise<RunningCommand> {
    const running = new RunningCommand([...words, '--json'], options);
    await running.says('"listening"');
    return running;
  }

  /** Waits until standard output has this text. */
  async says(text: string): Promise<void> {
    while (!this.#stdout.includes(text)) {
      if (this.child.exitCode !== null) throw new Error(`it ended with ${this.child.exitCode}: ${this.#stderr}`);
      await new Promise<void>((resolve) => {
        this.#onOutput = resolve;
      });
    }
  }

  /** Ctrl-C. */
  async stop(): Promise<Finished> {
    this.child.kill('SIGINT');
    return await this.ended;
  }
}

export interface RunOptions {
  readonly cwd?: string;
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** One JSON document per line. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const TIMEOUT_MS = 40_000;

/** A failed test must leave nothing running. */
const RUNNING = new Set<ChildProcessWithoutNullStreams>();
process.on('exit', () => {
  for (const child of RUNNING) child.kill('SIGKILL');
});
