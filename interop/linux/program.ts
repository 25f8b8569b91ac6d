/** Runs a program to its end, with a limit in time and in output, and answers what it said. */
import { spawn } from 'node:child_process';

export interface ProgramResult {
  /** Exit status; -1 when the program could not be started or was ended by a signal. */
  readonly status: number;
  readonly stdout: string;
  /** Standard error; or why the program could not be started or was ended. */
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** After this time the program is killed. Default 60 s. */
  readonly timeoutMs?: number;
}

/** Runs `file` with `args` and waits for its end. Never throws: see {@link ProgramResult.status}. */
export function runProgram(
  file: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const { cwd, env, timeoutMs = 60_000 } = options;
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd,
      env: { ...process.env, LC_ALL: 'C', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (stdout.length < MAX_OUTPUT) stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < MAX_OUTPUT) stderr += text;
    });
    const timer = setTimeout(() => {
      stderr += `${file}: killed, because it took more than ${timeoutMs / 1000} s`;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ status: -1, stdout, stderr: error.message });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ status: code ?? -1, stdout, stderr });
    });
  });
}

const MAX_OUTPUT = 4 << 20;
