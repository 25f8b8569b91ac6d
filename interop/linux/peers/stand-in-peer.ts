/** Our side of a row as a process of its own: `verbena stand-in`, which users have too. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LocalPeer, StartLocalPeer } from '../local-peer.ts';
import { standInArguments } from './stand-in-arguments.ts';

export const startStandIn: StartLocalPeer = async (scenario, place) => {
  if (!existsSync(COMMAND)) return { skip: `${COMMAND} is missing: npm run build` };
  const child = spawn(process.execPath, [COMMAND, ...standInArguments(scenario, place)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, VERBENA_SOCKET: '' },
  });
  let stdout = '';
  let stderr = '';
  let onLine = () => {};
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (stdout.length < MAX_OUTPUT) stdout += text;
    onLine();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < MAX_OUTPUT) stderr += text;
  });
  const finished = new Promise<{ ok: boolean; text: string }>((resolve) => {
    child.once('error', (error) => resolve({ ok: false, text: error.message }));
    child.once('close', (status) =>
      resolve({ ok: status === 0, text: `${stdout}${stderr}`.trim() || `status ${status}` }),
    );
  });
  const peer: LocalPeer = {
    finished,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), KILL_MS);
      await finished;
      clearTimeout(timer);
    },
  };
  if (scenario.role === 'guest client') await listens();
  return peer;

  /** Until it says that it waits for the guest's tool, or ends. */
  async function listens(): Promise<void> {
    const said = new Promise<void>((resolve) => {
      onLine = () => {
        if (stdout.includes('"listening"')) resolve();
      };
      onLine();
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, START_MS);
    });
    await Promise.race([said, finished, late]);
    clearTimeout(timer);
  }
};

/** From the built file: interop/dist/linux/peers. */
const COMMAND = fileURLToPath(new URL('../../../../packages/cli/dist/main.js', import.meta.url));
const MAX_OUTPUT = 64 << 10;
const START_MS = 15_000;
const KILL_MS = 3000;
