/** Child processes with a time limit, pinned to a core where `taskset` exists. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

export interface Running {
  readonly child: ChildProcess;
  output: string;
  errors: string;
}

const pinning = spawnSync('taskset', ['--version']).status === 0 && availableParallelism() >= 2;

/**
 * @param core - where it is pinned; a client of a daemon is not: it sleeps most of the time, and would always push the same
 *   daemon aside
 * @param socket - of a daemon that the process shall use
 */
export function start(command: string, args: readonly string[], core: number, socket?: string): Running {
  const pinned = pinning && socket === undefined;
  const full = pinned ? ['-c', String(core), command, ...args] : [...args];
  const child = spawn(pinned ? 'taskset' : command, full, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...(socket === undefined ? {} : { VERBENA_SOCKET: socket }) },
  });
  const running: Running = { child, output: '', errors: '' };
  child.stdout?.on('data', (data) => {
    running.output += data;
  });
  child.stderr?.on('data', (data) => {
    running.errors += data;
  });
  return running;
}

/** Returns when the process has written `text`, has ended, or the time is up: what comes next tells which. */
export function waitForOutput(running: Running, text: string, limitMs: number): Promise<void> {
  const { child } = running;
  return new Promise((resolve) => {
    const timer = setTimeout(done, limitMs);
    function look(): void {
      if (running.output.includes(text)) done();
    }
    function done(): void {
      clearTimeout(timer);
      child.stdout?.off('data', look);
      child.off('exit', done);
      resolve();
    }
    child.stdout?.on('data', look);
    child.once('exit', done);
    look();
  });
}

/** @returns the exit code; null when it had to be ended */
export function waitForExit(running: Running, limitMs: number): Promise<number | null> {
  const { child } = running;
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.once('exit', (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
}
