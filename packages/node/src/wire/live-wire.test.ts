import { DmaSpace, type Engine, type Packet, SeededRandom } from '@verbena/core';
import { parseAddress } from '@verbena/core/wire';
import { afterEach, describe, expect, test } from 'vitest';
import { libcProblem, loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import { DgramWire } from './dgram-wire.ts';
import { GsoWire } from './gso-wire.ts';
import type { IoLevel, LiveWire } from './live-wire.ts';

const libc = await loadLibc();
const pool = new MemoryPool(libc);
const open: LiveWire[] = [];
afterEach(() => {
  for (const wire of open.splice(0)) wire.close();
});

const LEVELS: IoLevel[] = ['gso', 'batch', 'dgram'];
for (const level of LEVELS) {
  const missing = level !== 'dgram' && libc === undefined;
  if (missing) console.log(`skipped: level ${level}: ${libcProblem()}`);
  describe.skipIf(missing)(`live wire, level ${level}`, () => {
    test.each(['127.0.0.81', '::1'])(
      'packets of mixed sizes arrive whole and in order on %s (R206)',
      async (address) => {
        const [a, b] = await pair(level, address);
        const random = new SeededRandom(7);
        const memory = pool.allocate(1 << 20);
        for (let i = 0; i < memory.bytes.length; i++) memory.bytes[i] = random.uint32();
        const region = a.dma.attach({ bytes: memory.bytes, address: memory.address });
        const foreign = new Uint8Array(10_000).map(() => random.uint32());
        const foreignRegion = a.dma.attach({ bytes: foreign, address: 0 });
        const sizes = [0, 1, 64, 64, 64, 200, 256, 257, 4096, 4096, 4096, 4096, 1000, 8192, 8192, 40, 40, 39, 1];
        const expected: Uint8Array[] = [];
        const path = a.path({ address: b.local.address, port: b.local.port });
        for (let i = 0; i < 100; i++) {
          const size = sizes[i % sizes.length]!;
          const slot = a.slot()!;
          slot.path = path;
          slot.length = 40;
          slot.control = i % 10 === 9;
          for (let k = 0; k < 40; k++) slot.bytes[slot.at + k] = i + k;
          const bytes = [slot.bytes.slice(slot.at, slot.at + 40)];
          const at = random.below(9000);
          if (i % 3 === 2 && size <= 1000) {
            slot.gather(foreignRegion, at, size);
            bytes.push(foreign.slice(at, at + size));
          } else {
            const half = size >> 1;
            slot.gather(region, at, half);
            slot.gather(region, at + 20_000, size - half);
            bytes.push(memory.bytes.slice(at, at + half), memory.bytes.slice(at + 20_000, at + 20_000 + size - half));
          }
          a.send(0);
          expected.push(Buffer.concat(bytes));
        }
        a.flush(0);
        const got = await collect(b, 100);
        expect(got.length).toBe(100);
        for (const [i, packet] of got.entries())
          expect(Buffer.compare(packet.bytes, expected[i]!), `packet ${i}`).toBe(0);
        expect(a.counters()).toMatchObject({ sentDatagrams: 100, sendErrors: 0, unsendable: 0 });
        if (level === 'gso') expect(a.counters().bursts).toBeLessThan(80);
      },
    );

    test('replies go to the port that peers listen on, whatever the route of the packet was', async () => {
      const [a, b] = await pair(level, '127.0.0.82', '127.0.0.83');
      const path = a.path({ address: b.local.address, port: 0 });
      for (let entropy = 0; entropy < 3; entropy++) sendText(a, path, `route ${entropy}`, entropy);
      a.flush(0);
      const got = await collect(b, 3);
      expect(new Set(got.map((packet) => packet.path)).size).toBe(1);
      expect(b.peer(got[0]!.path)).toEqual({ address: a.local.address, port: a.local.port });
      sendText(b, got[0]!.path, 'reply', 2);
      b.flush(0);
      const [reply] = await collect(a, 1);
      expect(reply!.path).toBe(path);
    });

    test('two devices on one address tell each other apart by port', async () => {
      const [a, b] = await pair(level, '::1');
      const path = a.path({ address: b.local.address, port: b.local.port });
      sendText(a, path, 'to b', 3); // whatever route is asked for, it leaves through the main socket
      a.flush(0);
      const [packet] = await collect(b, 1);
      expect(b.peer(packet!.path)?.port).toBe(a.local.port);
      sendText(b, packet!.path, 'to a', 1);
      b.flush(0);
      const [reply] = await collect(a, 1);
      expect(reply!.path).toBe(path);
      expect(Buffer.from(reply!.bytes).toString()).toBe('to a');
    });

    test('a path of the other address family is refused, a packet without path is counted', async () => {
      const [a] = await pair(level, '127.0.0.84');
      expect(a.path({ address: parseAddress('::1')!, port: 1 })).toBe(0);
      sendText(a, 0, 'nowhere', 0);
      sendText(a, 77, 'nowhere', 0);
      const slot = a.slot()!;
      slot.path = a.path({ address: a.local.address, port: 9 });
      slot.length = 1;
      slot.gather(12, 0, 1);
      a.send(0);
      a.flush(0);
      expect(a.counters()).toMatchObject({ unsendable: 3, sentDatagrams: 0 });
    });

    test('a full wire has no slot, and has again after a flush', async () => {
      const [a, b] = await pair(level, '127.0.0.85', '127.0.0.86');
      const path = a.path({ address: b.local.address, port: 0 });
      let sent = 0;
      for (; sent < 100_000; sent++) {
        const slot = a.slot();
        if (slot === undefined) break;
        slot.path = path;
        slot.length = 100;
        a.send(0);
      }
      expect(sent).toBeLessThan(100_000);
      a.flush(0);
      await collect(b, sent);
      expect(a.slot()).toBeDefined();
    });

    test('wakes once per wish, and not without a packet', async () => {
      const [a, b] = await pair(level, '127.0.0.87', '127.0.0.88');
      let woken = 0;
      const wake = () =>
        new Promise<void>((resolve) => {
          b.wakeOnPacket(() => {
            woken++;
            resolve();
          });
        });
      b.hold(true);
      const waiting = wake();
      const path = a.path({ address: b.local.address, port: 0 });
      sendText(a, path, 'one', 0);
      sendText(a, path, 'two', 0);
      a.flush(0);
      await waiting;
      expect(woken).toBe(1);
      await collect(b, 2);
      const again = wake();
      sendText(a, path, 'three', 0);
      a.flush(0);
      await again;
      expect(woken).toBe(2);
    });

    test('an address that is taken, foreign or none says so and what would work', async () => {
      const [a] = await pair(level, '127.0.0.89');
      const wrong = (address: string, port: number) =>
        openWire(level, address, port, 1).then(
          () => 'opened',
          (error: { code: string; explain(): string }) => `${error.code} ${error.explain()}`,
        );
      expect(await wrong('127.0.0.89', a.local.port)).toMatch(/^EADDRINUSE .*\n(.*\n)* {2}try {6}another port/);
      expect(await wrong('192.0.2.1', 0)).toMatch(
        /^EADDRNOTAVAIL (.|\n)*192\.0\.2\.1 is not an address of this machine/,
      );
      expect(await wrong('localhost', 0)).toMatch(/^EINVAL (.|\n)*not looked up/);
    });
  });
}

test.skipIf(libc === undefined)('ECN travels with a burst in both directions', async () => {
  for (const address of ['127.0.0.90', '::1']) {
    const [a, b] = await pair('gso', address);
    const path = a.path({ address: b.local.address, port: b.local.port });
    for (const ecn of [2, 2, 3, 0]) {
      const slot = a.slot()!;
      slot.path = path;
      slot.ecn = ecn;
      slot.length = 10;
      a.send(0);
    }
    a.flush(0);
    expect((await collect(b, 4)).map((packet) => packet.ecn)).toEqual([2, 2, 3, 0]);
  }
});

async function pair(level: IoLevel, one: string, other = one): Promise<[LiveWire, LiveWire]> {
  const a = await openWire(level, one, 0, 0);
  // Peers on different addresses listen on one port, as devices do.
  const b = await openWire(level, other, one === other ? 0 : a.local.port, a.local.port);
  if (one === other) return [a, b];
  a.close();
  const again = await openWire(level, one, b.local.port, b.local.port);
  return [again, b];
}

async function openWire(level: IoLevel, address: string, port: number, peerPort: number): Promise<LiveWire> {
  const options = { address, port, peerPort, entropies: 4 };
  const wire =
    level === 'dgram'
      ? await DgramWire.open(new DmaSpace(), options)
      : new GsoWire(libc!, pool, new DmaSpace(), options, level);
  expect(wire.level).toBe(level);
  open.push(wire);
  return wire;
}

function sendText(wire: LiveWire, path: number, text: string, entropy: number): void {
  const slot = wire.slot()!;
  slot.path = path;
  slot.entropy = entropy;
  slot.length = text.length;
  slot.bytes.set(Buffer.from(text), slot.at);
  wire.send(0);
}

interface Seen {
  path: number;
  ecn: number;
  bytes: Uint8Array;
}

/** Drives the wire until `count` packets have come; the test's time limit ends a wait in vain. */
async function collect(wire: LiveWire, count: number): Promise<Seen[]> {
  const seen: Seen[] = [];
  const engine = {
    receive: (_now: number, packet: Packet) => {
      seen.push({
        path: packet.path,
        ecn: packet.ecn,
        bytes: packet.bytes.slice(packet.at, packet.at + packet.length),
      });
    },
  } as unknown as Engine;
  while (seen.length < count) if (wire.receive(0, engine) === 0) await new Promise(setImmediate);
  return seen;
}
