/**
 * Frames as they leave: in a network namespace of its own, where a packet socket sees them with the headers that the
 * system wrote. The identification of IPv4 is under the ICRC, and no other way tells what it is.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { DmaSpace, SeededRandom } from '@verbena/core';
import { parseAddress } from '@verbena/core/wire';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { ERRNO, LINUX, type Libc, libcProblem, loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import { DgramWire } from './dgram-wire.ts';
import { GsoWire } from './gso-wire.ts';
import { icrcSeal, readSealedFrame, type SealedFrame, STAND_IN_HEADERS } from './icrc-seal.testdata.ts';
import type { IoLevel, LiveWire } from './live-wire.ts';
import { SCRATCH_BYTES, setOption } from './udp-socket.ts';

const CLONE_NEWNET = 0x4000_0000;
const AF_PACKET = 17;
const ETH_P_ALL_SWAPPED = 0x0300;
const PORT = 4791;

const libc = await loadLibc();
const pool = new MemoryPool(libc);
const network = await enterNetwork();
if (typeof network === 'string') console.log(`skipped: seals of real frames: ${network}`);
const open: LiveWire[] = [];
afterEach(() => {
  for (const wire of open.splice(0)) wire.close();
});
afterAll(() => {
  if (typeof network !== 'string') network.leave();
});

interface Network {
  /** The next frame, from the IP header on; undefined when none waits. */
  frame(): Uint8Array | undefined;
  leave(): void;
}

/** @returns why not */
async function enterNetwork(): Promise<Network | string> {
  if (libc === undefined) return libcProblem();
  const { default: koffi } = await import('koffi');
  const library = koffi.load(null);
  const unshare = library.func('unshare', 'int', ['int']) as (flags: number) => number;
  const setns = library.func('setns', 'int', ['int', 'int']) as (fd: number, kind: number) => number;
  const recv = library.func('recv', 'int', ['int', 'void *', 'size_t', 'int']) as (
    ...args: [fd: number, into: Uint8Array, length: number, flags: number]
  ) => number;
  const before = openSync('/proc/thread-self/ns/net', 'r');
  if (unshare(CLONE_NEWNET) !== 0) {
    closeSync(before);
    return 'this user may not make a network namespace (CAP_SYS_ADMIN)';
  }
  let fd = -1;
  const leave = (): void => {
    if (fd >= 0) libc.close(fd);
    setns(before, CLONE_NEWNET);
    closeSync(before);
  };
  for (const command of [
    // one segment at most: the kernel cuts bursts up before a device, and a packet socket, sees them
    'link set lo gso_max_segs 1 up',
    'link add va type veth peer name vb',
    'link set va gso_max_segs 1 mtu 9000 up',
    'link set vb mtu 9000 up',
    'address add 10.9.0.1/24 dev va',
    'address add fd09::1/64 dev va nodad',
    'neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev va nud permanent',
    'neighbour add fd09::2 lladdr 02:00:00:00:00:02 dev va nud permanent',
  ]) {
    const { status, error, stderr } = spawnSync('ip', command.split(' '), { encoding: 'utf8' });
    if (status === 0) continue;
    leave();
    return `ip ${command}: ${error?.message ?? stderr.trim()}`;
  }
  fd = libc.socket(AF_PACKET, 3 | LINUX.SOCK_NONBLOCK | LINUX.SOCK_CLOEXEC, ETH_P_ALL_SWAPPED);
  if (fd < 0) {
    leave();
    return 'this user may not open a packet socket (CAP_NET_RAW)';
  }
  const scratch = pool.allocate(SCRATCH_BYTES);
  setOption(libc, scratch, fd, LINUX.SOL_SOCKET, LINUX.SO_RCVBUFFORCE, 16 * 2 ** 20);
  const buffer = new Uint8Array(65_536);
  const frame = (): Uint8Array | undefined => {
    const length = recv(fd, buffer, buffer.length, LINUX.MSG_DONTWAIT);
    return length < 14 ? undefined : buffer.slice(14, length);
  };
  return { frame, leave };
}

/** Sizes of the packets of one flush: a burst of full ones with a tail, small ones, and one with two routes. */
const SIZES = [...Array.from({ length: 14 }, () => 4096), 1001, 64, 64, 64, 63, 0, 257, 1022, 1022];

/** Sends the packets of {@link SIZES}. @returns what must be seen behind UDP, without the seals */
function sendAll(wire: LiveWire, destination: string): Uint8Array[] {
  const random = new SeededRandom(5);
  const memory = pool.allocate(1 << 16);
  for (let i = 0; i < memory.bytes.length; i++) memory.bytes[i] = random.uint32();
  const region = wire.dma.attach({ bytes: memory.bytes, address: memory.address });
  const path = wire.path({ address: parseAddress(destination)!, port: PORT });
  const sent: Uint8Array[] = [];
  for (const [i, size] of SIZES.entries()) {
    const slot = wire.slot()!;
    slot.path = path;
    slot.entropy = i > 20 ? 1 : 0;
    slot.ecn = i > 10 ? 2 : 0;
    slot.length = STAND_IN_HEADERS;
    for (let k = 0; k < STAND_IN_HEADERS; k++) slot.bytes[slot.at + k] = i + k;
    slot.bytes[slot.at + 4] = 0xc0; // congestion marks, which the ICRC does not cover
    slot.padding = -size & 3;
    const half = size >> 1;
    slot.gather(region, 100 * i, half);
    slot.gather(region, 40_000 + i, size - half);
    sent.push(
      Buffer.concat([
        slot.bytes.slice(slot.at, slot.at + STAND_IN_HEADERS),
        memory.bytes.slice(100 * i, 100 * i + half),
        memory.bytes.slice(40_000 + i, 40_000 + i + size - half),
        new Uint8Array(-size & 3),
      ]),
    );
    wire.send(0);
  }
  wire.flush(0);
  memory.bytes.fill(0);
  return sent;
}

/** Collects as many frames as were sent; the test's time limit ends a wait in vain. */
async function seen(wire: LiveWire, destination: string): Promise<SealedFrame[]> {
  const { frame } = network as Network;
  const frames: SealedFrame[] = [];
  const last = parseAddress(destination)!.at(-1);
  const limit = performance.now() + 20_000;
  while (frames.length < SIZES.length) {
    const bytes = frame();
    if (bytes === undefined) {
      expect(performance.now(), `${frames.length} frames were seen`).toBeLessThan(limit);
      await new Promise(setImmediate);
      continue;
    }
    // loopback shows each frame twice, going out and coming in
    const read = readSealedFrame(bytes);
    if (read === undefined || !wire.ports.includes(read.sourcePort) || bytes[bytes[0]! >> 4 === 4 ? 19 : 39] !== last)
      continue;
    if (frames.some(({ transport }) => transport[0] === read.transport[0])) continue;
    frames.push(read);
  }
  expect(wire.counters()).toMatchObject({ sentDatagrams: SIZES.length, sendErrors: 0, sendTooLong: 0, unsendable: 0 });
  return frames;
}

async function openWire(level: IoLevel, address: string, calls: Libc = libc!): Promise<LiveWire> {
  const options = { address, port: 0, peerPort: PORT, entropies: 2, seal: icrcSeal };
  const wire =
    level === 'dgram'
      ? await DgramWire.open(new DmaSpace(), options, { libc: libc!, pool })
      : new GsoWire(calls, pool, new DmaSpace(), options, level);
  expect(wire.level).toBe(level);
  open.push(wire);
  return wire;
}

const WAYS = [
  ['loopback', '127.0.0.1', '127.0.0.2'],
  ['loopback', '::1', '::1'],
  ['veth', '10.9.0.1', '10.9.0.2'],
  ['veth', 'fd09::1', 'fd09::2'],
] as const;

describe.skipIf(typeof network === 'string')('ICRC of real frames (IBTA annex A17)', () => {
  for (const level of ['gso', 'batch', 'dgram'] as const) {
    test.each(WAYS)(`is right with the headers that the system wrote, level ${level}, %s, %s`, async (_, from, to) => {
      const wire = await openWire(level, from);
      const sent = sendAll(wire, to);
      const frames = await seen(wire, to);
      frames.sort((a, b) => a.transport[0]! - b.transport[0]!);
      for (const [i, frame] of frames.entries()) {
        expect(Buffer.compare(frame.transport, sent[i]!), `frame ${i}`).toBe(0);
        expect([i, frame.whole, frame.identification]).toEqual([i, true, frame.identification]);
        expect(frame.destinationPort).toBe(PORT);
      }
      // the test would see nothing of bursts otherwise
      const highest = Math.max(...frames.map(({ identification }) => identification));
      if (!from.includes(':')) expect(highest).toBe(level === 'gso' ? 10 : 0);
      expect(wire.counters().sentUnidentified ?? 0).toBe(0);
    });
  }

  test('is right when the kernel refuses to segment, and packets leave one by one', async () => {
    let refused = 0;
    const headers = new Map<number, Uint32Array>();
    const calls: Libc = {
      ...libc!,
      sendmsg(fd, header, flags) {
        let words = headers.get(header);
        if (words === undefined) headers.set(header, (words = new Uint32Array(libc!.view(header, 64))));
        const iovs = new Uint32Array(libc!.view(words[4]! + words[5]! * 2 ** 32, 16));
        refused = iovs[2]! > 4300 ? refused + 1 : 0;
        return refused > 0 ? -1 : libc!.sendmsg(fd, header, flags);
      },
      errno: () => (refused > 0 ? ERRNO.EIO : libc!.errno()),
    };
    const wire = await openWire('gso', '10.9.0.1', calls);
    sendAll(wire, '10.9.0.2');
    expect(wire.level).toBe('batch');
    for (const { whole, identification } of await seen(wire, '10.9.0.2')) {
      expect([whole, identification]).toEqual([true, identification]);
    }
  });

  test('is wrong for a packet that shall be damaged', async () => {
    const wire = await openWire('gso', '10.9.0.1');
    const slot = wire.slot()!;
    slot.path = wire.path({ address: parseAddress('10.9.0.2')!, port: PORT });
    slot.length = STAND_IN_HEADERS;
    slot.damaged = true;
    slot.bytes[slot.at] = 77;
    wire.send(0);
    wire.flush(0);
    for (;;) {
      const bytes = (network as Network).frame();
      const read = bytes && readSealedFrame(bytes);
      if (read?.transport[0] !== 77) continue;
      expect(read.whole).toBe(false);
      break;
    }
  });
});
