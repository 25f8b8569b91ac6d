/**
 * A network of our own: the whole run happens in a fresh network namespace that belongs to its process, so nothing of it
 * is left when the process is gone, however it went.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { runProgram } from './program.ts';
import { Unavailable } from './unavailable.ts';

/** Addresses of both sides, in the namespace only. */
export const HOST = { ipv4: '192.168.77.1', ipv6: 'fd77::1' } as const;
/** The address of guest number `index`, from 0. */
export function guestAddress(index: number): { readonly ipv4: string; readonly ipv6: string } {
  return { ipv4: `192.168.77.${index + 2}`, ipv6: `fd77::${index + 2}` };
}

/**
 * Runs this program again, with the same arguments, inside a network namespace, and answers its exit status; or answers
 * undefined when this process is already inside.
 *
 * @throws Unavailable when no namespace may be made here
 */
export async function enterNetwork(): Promise<number | undefined> {
  if (process.env[INSIDE] === '1') {
    await setUpLoopback();
    return undefined;
  }
  const how = process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-root-user', '--net'];
  const probe = await runProgram('unshare', [...how, '--', 'true']);
  if (probe.status !== 0) {
    throw new Unavailable(`no network namespace may be made here: ${probe.stderr.trim() || 'unshare failed'}`);
  }
  const again = [...process.execArgv, ...process.argv.slice(1)];
  const child = spawn('unshare', [...how, '--', process.execPath, ...again], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGTERM', forward);
  process.on('SIGINT', forward);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('SIGTERM', forward);
      process.off('SIGINT', forward);
      resolve(code ?? 1);
    });
  });
}

/**
 * Makes a tap interface with the host's addresses. It lasts as long as the namespace.
 *
 * @throws Unavailable when taps are not to be had
 */
export async function createTap(name: string, mtuBytes: number): Promise<void> {
  if (!existsSync('/dev/net/tun')) throw new Unavailable('/dev/net/tun is missing: load the module tun');
  await ip('tuntap', 'add', 'dev', name, 'mode', 'tap');
  await ip('link', 'set', name, 'mtu', String(mtuBytes));
  await ip('address', 'add', `${HOST.ipv4}/24`, 'dev', name);
  await ip('address', 'add', `${HOST.ipv6}/64`, 'dev', name, 'nodad');
  await ip('link', 'set', name, 'up');
}

/** Changes how large the packets on an interface of the namespace may be. */
export async function setTapMtu(name: string, mtuBytes: number): Promise<void> {
  await ip('link', 'set', name, 'mtu', String(mtuBytes));
}

async function setUpLoopback(): Promise<void> {
  await ip('link', 'set', 'lo', 'up');
}

async function ip(...words: string[]): Promise<void> {
  const { status, stderr } = await runProgram('ip', words);
  if (status !== 0) throw new Unavailable(`ip ${words.join(' ')}: ${stderr.trim()}`);
}

/** Set for the process inside the namespace. */
const INSIDE = 'VERBENA_INTEROP_INSIDE';
