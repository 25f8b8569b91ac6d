/**
 * Packets that are too long for their path, in a network namespace of its own: to the neighbour 1500 bytes pass, through
 * a router 1000, which the system learns from it, and on one route 1200, which is configured.
 *
 *     here, va ── 1500 ── vb, router, d0 ── 1000 ── nobody
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { DmaSpace } from '@verbena/core';
import { parseAddress } from '@verbena/core/wire';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { libcProblem, loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import { DgramWire } from './dgram-wire.ts';
import { GsoWire } from './gso-wire.ts';
import type { LiveWire } from './live-wire.ts';

const CLONE_NEWNET = 0x4000_0000;

const libc = await loadLibc();
const pool = new MemoryPool(libc);
const network = await enterNetwork();
if (typeof network === 'string') console.log(`skipped: path MTU of real routes: ${network}`);
const open: LiveWire[] = [];
afterEach(() => {
  for (const wire of open.splice(0)) wire.close();
});
afterAll(() => {
  if (typeof network !== 'string') network.leave();
});

const ROUTES = [
  ['a configured route', '10.9.1.1', '10.9.4.2', 1200],
  ['a configured route', 'fd09:1::1', 'fd09:4::2', 1300],
  ['a router that says so', '10.9.1.1', '10.9.3.2', 1000],
  ['a router that says so', 'fd09:1::1', 'fd09:3::2', 1280],
] as const;
const KINDS = ['gso', 'batch', 'ip'] as const;

describe.skipIf(typeof network === 'string')('a packet that is too long for its path', () => {
  for (const kind of KINDS) {
    test.each(ROUTES)(`is counted and said once, ${kind}, %s, %s to %s`, async (_, from, to, mtu) => {
      const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
      const wire = openWire(kind, from);
      const around = from.includes(':') ? 40 : 20;
      const room = mtu - around - (kind === 'ip' ? 4 : 8);
      send(wire, to, [room, room]);
      expect(wire.counters()).toMatchObject({ sentDatagrams: 2, sendTooLong: 0 });
      // whoever learns from a router loses what is on its way until then
      const limit = performance.now() + 20_000;
      while (wire.counters()['sendTooLong'] === 0 && performance.now() < limit) {
        send(wire, to, [1400, 1400, 1400]);
        await new Promise(setImmediate);
      }
      send(wire, to, [room, room]);
      send(wire, from.includes(':') ? 'fd09:1::2' : '10.9.1.2', [1400, 1400]);
      const counts = wire.counters();
      expect(counts['sendErrors']).toBe(0);
      expect(counts['sendTooLong']).toBeGreaterThan(0);
      expect(warn).toHaveBeenCalledTimes(1);
      const [message, details] = warn.mock.calls[0]!;
      const whole = 1400 + (kind === 'ip' ? 4 : 8) + around;
      expect(message).toBe(
        `packets of ${whole} bytes do not fit the path from ${from} to ${to}, which carries ${mtu}; they are lost`,
      );
      expect(details).toMatchObject({ code: 'VERBENA_PATH_MTU', detail: expect.stringContaining(`linkMtu: ${mtu}`) });
      // one long packet is no reason to give segmentation up
      expect(wire.level).toBe(kind === 'ip' ? 'batch' : kind);
      warn.mockRestore();
    });
  }

  test.each(ROUTES)(
    "is cut up by the system, which Node's own sockets cannot forbid, %s, %s to %s",
    async (_, from, to) => {
      const wire = await DgramWire.open(new DmaSpace(), { address: from, port: 0, peerPort: 4793, entropies: 2 });
      open.push(wire);
      send(wire, to, [1400, 1400]);
      await new Promise(setImmediate);
      expect(wire.counters()).toMatchObject({ sentDatagrams: 2, sendTooLong: 0, sendErrors: 0 });
    },
  );
});

function openWire(kind: (typeof KINDS)[number], address: string): LiveWire {
  const options = { address, port: 0, peerPort: 4793, entropies: 2 };
  const wire =
    kind === 'ip'
      ? new GsoWire(libc!, pool, new DmaSpace(), { ...options, ipProtocol: 251 }, 'gso')
      : new GsoWire(libc!, pool, new DmaSpace(), options, kind);
  open.push(wire);
  return wire;
}

/** @param lengths - of packets, behind UDP or the entropy header */
function send(wire: LiveWire, to: string, lengths: readonly number[]): void {
  const memory = new Uint8Array(2000);
  const region = wire.dma.attach({ bytes: memory, address: 0 });
  for (const length of lengths) {
    const slot = wire.slot();
    if (slot === undefined) return;
    slot.path = wire.path({ address: parseAddress(to)!, port: 9 });
    slot.length = 20;
    slot.gather(region, 0, length - 20);
    wire.send(0);
  }
  wire.flush(0);
  wire.dma.detach(region);
}

/** @returns why not */
async function enterNetwork(): Promise<{ leave(): void } | string> {
  if (libc === undefined) return libcProblem();
  const { default: koffi } = await import('koffi');
  const library = koffi.load(null);
  const unshare = library.func('unshare', 'int', ['int']) as (flags: number) => number;
  const setns = library.func('setns', 'int', ['int', 'int']) as (fd: number, kind: number) => number;
  const before = openSync('/proc/thread-self/ns/net', 'r');
  if (unshare(CLONE_NEWNET) !== 0) {
    closeSync(before);
    return 'this user may not make a network namespace (CAP_SYS_ADMIN)';
  }
  let router: ChildProcess | undefined;
  const leave = (): void => {
    router?.kill('SIGKILL');
    setns(before, CLONE_NEWNET);
    closeSync(before);
  };
  try {
    router = spawn('unshare', ['-n', 'sleep', '60'], { stdio: 'ignore' });
    const pid = await started(router);
    const here = (words: string) => run('ip', words);
    const there = (words: string) => run('nsenter', `-t ${pid} -n ${words}`);
    here('link set lo up');
    here(`link add va type veth peer name vb netns ${pid}`);
    here('link set va mtu 1500 up');
    here('address add 10.9.1.1/24 dev va');
    here('address add fd09:1::1/64 dev va nodad');
    there('ip link set vb mtu 1500 up');
    there('ip address add 10.9.1.2/24 dev vb');
    there('ip address add fd09:1::2/64 dev vb nodad');
    there('ip link add d0 type veth peer name d1');
    there('ip link set d0 mtu 1280 up');
    there('ip link set d1 mtu 1280 up');
    there('ip address add 10.9.3.1/24 dev d0');
    there('ip address add fd09:3::1/64 dev d0 nodad');
    there('ip route add 10.9.3.2/32 dev d0 mtu 1000');
    there('ip neighbour add 10.9.3.2 lladdr 02:00:00:00:00:02 dev d0 nud permanent');
    there('ip neighbour add fd09:3::2 lladdr 02:00:00:00:00:02 dev d0 nud permanent');
    there('sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward_use_pmtu=1');
    here('route add 10.9.3.0/24 via 10.9.1.2');
    here('route add fd09:3::/64 via fd09:1::2');
    here('route add 10.9.4.0/24 via 10.9.1.2 mtu 1200');
    here('route add fd09:4::/64 via fd09:1::2 mtu 1300');
    return { leave };
  } catch (error) {
    leave();
    return (error as Error).message;
  }
}

/** Waits until a process is in a network namespace of its own. */
async function started(child: ChildProcess): Promise<number> {
  const own = readlinkSync('/proc/thread-self/ns/net');
  const limit = performance.now() + 5000;
  while (performance.now() < limit && child.exitCode === null && child.pid !== undefined) {
    if (readlinkSync(`/proc/${child.pid}/ns/net`) !== own) return child.pid;
    await new Promise(setImmediate);
  }
  throw new Error('unshare: no second network namespace');
}

function run(command: string, words: string): void {
  const { status, error, stderr } = spawnSync(command, words.split(' '), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${words}: ${error?.message ?? stderr.trim()}`);
}
