/** What on this machine is in the way of RDMA: one function per row of the table. */
import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isVerbsError } from '@verbena/core';
import { openDevice } from '@verbena/node';
import { messageOf } from '../failure.ts';
import { bytesText } from '../print/units.ts';
import { canBind } from '../session/local-address.ts';

export interface Check {
  readonly name: string;
  /** `warn`: works, but slower or with limits. `fail`: does not work. */
  readonly state: 'ok' | 'warn' | 'fail';
  /** What was found. */
  readonly found: string;
  /** What it means, and what would help; empty when all is well. */
  readonly meaning: string;
}

/** All checks, one after the other: some open devices. */
export async function runChecks(port: number): Promise<Check[]> {
  return [
    checkNode(),
    checkPlatform(),
    checkCores(),
    await checkLevel(),
    checkSocketBuffer('receive buffer', '/proc/sys/net/core/rmem_max', 'net.core.rmem_max'),
    checkSocketBuffer('send buffer', '/proc/sys/net/core/wmem_max', 'net.core.wmem_max'),
    await checkPort(port),
    await checkDevice('IPv4 loopback', '127.0.0.1', 'fail'),
    await checkDevice('second address', '127.0.0.2', 'warn'),
    await checkDevice('IPv6 loopback', '::1', 'warn'),
    checkSharedMemory(),
    ok('privileges', `user ${process.getuid?.() ?? '?'}, none needed; --encapsulation ip: ${rawSockets()}`),
  ];
}

/** Whether this process has the right to raw sockets, bit 13 of its capabilities. */
function rawSockets(): string {
  try {
    const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
    return ((BigInt(`0x${mask}`) >> 13n) & 1n) === 1n ? 'allowed' : 'needs CAP_NET_RAW';
  } catch {
    return 'Linux only';
  }
}

function checkNode(): Check {
  const found = process.versions.node;
  const [major = 0, minor = 0] = found.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return ok('Node', found);
  return { name: 'Node', state: 'fail', found, meaning: 'needs 20.19 or newer: install a newer Node' };
}

function checkPlatform(): Check {
  const found = `${process.platform} ${process.arch}`;
  if (process.platform === 'linux') return ok('system', found);
  return { name: 'system', state: 'warn', found, meaning: 'the fast paths need Linux; node:dgram is used here' };
}

function checkCores(): Check {
  const found = String(availableParallelism());
  if (availableParallelism() > 1) return ok('processors', found);
  return {
    name: 'processors',
    state: 'warn',
    found,
    meaning: 'with one processor both sides take turns: expect high latency',
  };
}

/** The best I/O level, found by opening a device; the level tells whether koffi and the kernel's offloads are there. */
async function checkLevel(): Promise<Check> {
  const name = 'packet I/O';
  try {
    const device = await openDevice({ address: '127.0.0.1', port: 0 });
    const { level } = device;
    await device.close();
    if (level === 'gso') return ok(name, 'gso: bursts of packets per system call (koffi, UDP_SEGMENT, UDP_GRO)');
    if (level === 'batch') {
      return {
        name,
        state: 'warn',
        found: level,
        meaning: 'no UDP segmentation offload: Linux 5.0 or newer is about 8 times faster',
      };
    }
    const forced =
      process.env.VERBENA_IO === 'dgram' ? 'VERBENA_IO asks for it' : 'npm install koffi makes it faster by far';
    return { name, state: 'warn', found: level, meaning: `each packet is a call of node:dgram: ${forced}` };
  } catch (thrown) {
    return failed(name, thrown);
  }
}

function checkSocketBuffer(name: string, file: string, setting: string): Check {
  let limit: number;
  try {
    limit = Number(readFileSync(file, 'utf8'));
  } catch {
    return {
      name,
      state: 'warn',
      found: 'unknown',
      meaning: `${setting} cannot be read; packets may be lost in bursts`,
    };
  }
  if (limit >= WANTED_BUFFER) return ok(name, bytesText(limit));
  const meaning = `bursts may be lost and sent again: sudo sysctl -w ${setting}=${WANTED_BUFFER}`;
  return { name, state: 'warn', found: bytesText(limit), meaning };
}

async function checkPort(port: number): Promise<Check> {
  const name = `UDP port ${port}`;
  if (await canBind('127.0.0.1', port)) return ok(name, 'free on 127.0.0.1');
  return {
    name,
    state: 'warn',
    found: 'in use on 127.0.0.1',
    meaning: 'another device runs there; use --listen 127.0.0.2 or --port',
  };
}

async function checkDevice(name: string, address: string, worst: 'warn' | 'fail'): Promise<Check> {
  try {
    const device = await openDevice({ address, port: 0 });
    await device.close();
    return ok(name, address);
  } catch (thrown) {
    return { ...failed(name, thrown), state: worst };
  }
}

function checkSharedMemory(): Check {
  const name = 'shared memory';
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    const free = bavail * bsize;
    if (free >= WANTED_SHM) return ok(name, `${bytesText(free)} free in /dev/shm`);
    const meaning = 'large buffers may not fit; in a container: --shm-size=1g';
    return { name, state: 'warn', found: `${bytesText(free)} free in /dev/shm`, meaning };
  } catch {
    return { name, state: 'warn', found: 'no /dev/shm', meaning: 'memory is shared within the process only' };
  }
}

function failed(name: string, thrown: unknown): Check {
  const advice = isVerbsError(thrown) ? thrown.facts.try : undefined;
  const meaning = advice === undefined ? messageOf(thrown) : `${messageOf(thrown)}; try ${advice}`;
  return { name, state: 'fail', found: 'does not open', meaning };
}

function ok(name: string, found: string): Check {
  return { name, state: 'ok', found, meaning: '' };
}

/** What keeps a window of packets from being lost while the program computes. */
const WANTED_BUFFER = 4 * 2 ** 20;
const WANTED_SHM = 256 * 2 ** 20;
