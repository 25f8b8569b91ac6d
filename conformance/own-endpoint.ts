/** Our endpoint, started as a process of its own, and ended without a trace. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { readTarget, type Target } from './target.ts';
import { UpperTester } from './tester/upper-tester.ts';

export interface OwnEndpoint {
  readonly target: Target;
  readonly upper: UpperTester;
  /** Ends the process. */
  close(): Promise<void>;
}

/** Where the program is when this file was built beside it. */
export const ENDPOINT_PROGRAM = fileURLToPath(new URL('./endpoint/main.js', import.meta.url));

/**
 * Starts it.
 *
 * @param net - first three parts of its IPv4 addresses; another one is tried when it is taken
 * @throws Error what the program said when it ended early
 */
export async function startOwnEndpoint(net: string, program = ENDPOINT_PROGRAM): Promise<OwnEndpoint> {
  const child = spawn(process.execPath, [program, net], { stdio: 'pipe' });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    stderr = (stderr + part).slice(-4000);
  });
  child.stdin.on('error', () => {}); // it may be gone
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  try {
    const target = readTarget(await firstLine(child, () => stderr));
    const upper = new UpperTester(child.stdout, child.stdin);
    return { target, upper, close: () => stop(child, ended, upper) };
  } catch (error) {
    child.kill('SIGKILL');
    await ended;
    throw error;
  }
}

function firstLine(child: ChildProcessWithoutNullStreams, said: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    const timer = setTimeout(() => fail('it did not start in time'), START_MS);
    const fail = (why: string) => {
      clearTimeout(timer);
      lines.close();
      reject(new Error(`the endpoint did not start: ${why} ${said()}`));
    };
    lines.once('line', (line) => {
      clearTimeout(timer);
      lines.removeAllListeners('close');
      lines.close();
      resolve(line);
    });
    child.once('error', (error) => fail(error.message));
    child.once('close', () => fail('it ended.'));
  });
}

async function stop(child: ChildProcessWithoutNullStreams, ended: Promise<void>, upper: UpperTester): Promise<void> {
  upper.close();
  child.stdin.end();
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}

const START_MS = 20_000;
const STOP_MS = 5_000;
