/** Seals between live wires: put on, taken off, and what does not fit said to be damaged. */
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { DmaSpace, type Engine, type Packet, SeededRandom, type WireHost } from '@verbena/core';
import { formatAddress, parseAddress, readPcapng } from '@verbena/core/wire';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { libcProblem, loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import { CaptureFile } from './capture-file.ts';
import { CaptureWire } from './capture-wire.ts';
import { DgramWire } from './dgram-wire.ts';
import { type Faults, FaultWire } from './fault-wire.ts';
import { GsoWire } from './gso-wire.ts';
import { icrcSeal, readSealedFrame, STAND_IN_HEADERS } from './icrc-seal.testdata.ts';
import type { IoLevel, LiveWire } from './live-wire.ts';

const libc = await loadLibc();
const pool = new MemoryPool(libc);
const open: LiveWire[] = [];
afterEach(() => {
  for (const wire of open.splice(0)) wire.close();
});
const folder = mkdtempSync(join(tmpdir(), 'verbena-seal-'));
afterAll(() => rmSync(folder, { recursive: true }));

const LEVELS: IoLevel[] = ['gso', 'batch', 'dgram'];
for (const level of LEVELS) {
  const missing = level !== 'dgram' && libc === undefined;
  if (missing) console.log(`skipped: level ${level}: ${libcProblem()}`);
  describe.skipIf(missing)(`sealed wire, level ${level}`, () => {
    test.each([
      ['127.0.0.61', '127.0.0.62'],
      ['127.0.0.61', '127.0.0.61'],
      ['::1', '::1'],
    ])('packets arrive whole, with padding and without seal, from %s at %s (IBTA annex A17)', async (from, to) => {
      const [a, b] = [await openWire(level, from), await openWire(level, to)];
      const sent = sendMixed(a, pathTo(a, b), 100);
      const got = await collect(b, 100);
      expect(got.filter((one) => one.damaged)).toEqual([]);
      for (const [i, one] of got.entries()) expect(Buffer.compare(one.bytes, sent[i]!), `packet ${i}`).toBe(0);
    });

    test('a packet whose seal does not fit, or that is too short for one, is said to be damaged', async () => {
      const b = await openWire(level, '::1');
      const socket = createSocket('udp6');
      const deliver = (bytes: Uint8Array) =>
        new Promise((resolve) => socket.send(bytes, b.local.port, b.local.text, resolve));
      for (const length of [1, 3, 4, 5, 23, 24, 200, 1000, 5000]) await deliver(new Uint8Array(length).fill(length));
      const got = await collect(b, 9);
      socket.close();
      expect(got.map((one) => [one.damaged, one.bytes.length])).toEqual(
        [0, 0, 0, 1, 19, 20, 196, 996, 4996].map((length) => [true, length]),
      );
    });

    test('faults: a packet is damaged exactly when a bit changed that the seal covers', async () => {
      for (const direction of ['out', 'in'] as const) {
        const [a, b] = [await openWire(level, '127.0.0.64'), await openWire(level, '127.0.0.65')];
        const faults: Faults = { corrupt: 0.5, direction, seed: 3 };
        const sender = new FaultWire(a, a.dma, direction === 'out' ? faults : {}, icrcSeal);
        const receiver = new FaultWire(b, b.dma, direction === 'in' ? faults : {}, icrcSeal);
        const sent = sendMixed(sender, pathTo(a, b), 100, a.dma);
        sender.flush(1e9);
        const got = await collect(receiver, 100);
        const { faultCorrupted } = direction === 'out' ? sender.counts : receiver.counts;
        expect(faultCorrupted).toBeGreaterThan(20);
        let damaged = 0;
        for (const one of got) {
          const original = sent.find((bytes) => differences(bytes, one.bytes) <= 1)!;
          expect(original).toBeDefined();
          if (one.damaged) damaged++;
          else {
            const uncovered = Uint8Array.from(one.bytes);
            uncovered[4] = original[4]!;
            expect(Buffer.compare(uncovered, original)).toBe(0);
          }
        }
        // a flip of the congestion marks is the only one that passes
        expect(damaged).toBeLessThanOrEqual(faultCorrupted);
        expect(damaged).toBeGreaterThan(faultCorrupted * 0.9);
      }
    });

    test('a capture has the seals, right ones and those that do not fit', async () => {
      const [a, b] = [await openWire(level, '127.0.0.66'), await openWire(level, '127.0.0.67')];
      const captures = [a, b].map((wire, i) => {
        const file = join(folder, `${level}-${i}.pcapng`);
        const sourcePort = (route: number) => wire.ports[route]!;
        const capture = new CaptureWire(wire, wire.dma, { local: wire.local, seal: icrcSeal, sourcePort });
        const written = new CaptureFile({ file, device: 'x' });
        capture.add(written);
        return { capture, written };
      });
      const sender = new FaultWire(captures[0]!.capture, a.dma, { corrupt: 0.3, direction: 'out', seed: 4 }, icrcSeal);
      sendMixed(sender, pathTo(a, b), 60, a.dma);
      sender.flush(1e9);
      const got = await collect(captures[1]!.capture, 60);
      const damaged = got.filter((one) => one.damaged).length;
      expect(damaged).toBeGreaterThan(5);
      for (const [i, { written }] of captures.entries()) {
        written.close();
        const frames = [...readPcapng(readFileSync(join(folder, `${level}-${i}.pcapng`)))].map(({ data }) => data);
        const read = frames.map((frame) => readSealedFrame(frame)!);
        expect(read.length).toBe(60);
        expect(read.filter(({ whole }) => !whole).length).toBe(damaged);
        const order = (list: readonly Uint8Array[]) => list.map((bytes) => crc32(bytes)).sort();
        expect(order(read.map(({ transport }) => transport))).toEqual(order(got.map(({ bytes }) => bytes)));
      }
    });
  });
}

test('without a way to know the identification of its packets, a wire counts what it seals for IPv4', async () => {
  for (const [address, count] of [
    ['127.0.0.68', 10],
    ['::1', 0],
  ] as const) {
    const a = await DgramWire.open(new DmaSpace(), options(address));
    const b = await DgramWire.open(new DmaSpace(), options(address));
    open.push(a, b);
    sendMixed(a, pathTo(a, b), 10);
    expect((await collect(b, 10)).filter((one) => one.damaged)).toEqual([]);
    expect(a.counters().sentUnidentified).toBe(count);
  }
});

test.skipIf(libc === undefined)('padding leaves without a seal, too, at the end of gathered payload', async () => {
  for (const level of ['gso', 'dgram'] as const) {
    const [a, b] = [await openWire(level, '127.0.0.69', false), await openWire(level, '127.0.0.70', false)];
    const sent = sendMixed(a, pathTo(a, b), 60);
    const got = await collect(b, 60);
    for (const [i, one] of got.entries()) expect(Buffer.compare(one.bytes, sent[i]!), `packet ${i}`).toBe(0);
  }
});

const options = (address: string, sealed = true) => ({
  ...{ address, port: 0, peerPort: 0, entropies: 3 },
  seal: sealed ? icrcSeal : undefined,
});

async function openWire(level: IoLevel, address: string, sealed = true): Promise<LiveWire> {
  const wire =
    level === 'dgram'
      ? await DgramWire.open(new DmaSpace(), options(address, sealed), libc && { libc, pool })
      : new GsoWire(libc!, pool, new DmaSpace(), options(address, sealed), level);
  expect(wire.level).toBe(level);
  open.push(wire);
  return wire;
}

const pathTo = (from: LiveWire, to: LiveWire): number =>
  from.path({ address: parseAddress(formatAddress(to.local.address))!, port: to.local.port });

/** Sends packets of many sizes out of mapped and of other memory. @returns what must arrive */
function sendMixed(wire: WireHost, path: number, count: number, dma = (wire as LiveWire).dma): Uint8Array[] {
  const random = new SeededRandom(11);
  const memory = pool.allocate(1 << 16);
  for (let i = 0; i < memory.bytes.length; i++) memory.bytes[i] = random.uint32();
  const regions = [memory.address, 0].map((address) => dma.attach({ bytes: memory.bytes, address }));
  const sizes = [4096, 4096, 4096, 1000, 64, 64, 63, 62, 0, 1, 255, 256, 257, 300, 2048, 40, 40, 40];
  const sent: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const size = sizes[i % sizes.length]!;
    const slot = wire.slot()!;
    slot.path = path;
    slot.entropy = i % 40 > 30 ? 1 : 0;
    slot.length = STAND_IN_HEADERS;
    for (let k = 0; k < STAND_IN_HEADERS; k++) slot.bytes[slot.at + k] = i + k;
    slot.padding = -size & 3;
    const at = random.below(30_000);
    slot.gather(regions[i % 5 === 0 ? 1 : 0]!, at, size >> 1);
    slot.gather(regions[0]!, at + 9000, size - (size >> 1));
    sent.push(
      Buffer.concat([
        slot.bytes.slice(slot.at, slot.at + STAND_IN_HEADERS),
        memory.bytes.slice(at, at + (size >> 1)),
        memory.bytes.slice(at + 9000, at + 9000 + size - (size >> 1)),
        new Uint8Array(-size & 3),
      ]),
    );
    wire.send(0);
  }
  wire.flush(0);
  return sent;
}

interface Seen {
  damaged: boolean;
  bytes: Uint8Array;
}

/** Drives the wire until `count` packets have come; the test's time limit ends a wait in vain. */
async function collect(wire: WireHost, count: number): Promise<Seen[]> {
  const seen: Seen[] = [];
  const engine = {
    receive: (_now: number, { damaged, bytes, at, length }: Packet) => {
      seen.push({ damaged, bytes: bytes.slice(at, at + length) });
    },
  } as unknown as Engine;
  while (seen.length < count) if (wire.receive(1e9, engine) === 0) await new Promise(setImmediate);
  return seen;
}

/** Bits that differ; many when lengths do. */
function differences(one: Uint8Array, other: Uint8Array): number {
  if (one.length !== other.length) return Number.POSITIVE_INFINITY;
  let bits = 0;
  for (let i = 0; i < one.length && bits <= 1; i++) {
    for (let x = one[i]! ^ other[i]!; x !== 0; x &= x - 1) bits++;
  }
  return bits;
}
