import { describe, expect, it } from 'vitest';
import { DmaSpace, MAX_REGIONS } from './dma.ts';
import { Packet } from './packet.ts';

const target = (length: number, value = 0) => ({ bytes: new Uint8Array(length).fill(value), address: 0 });
const packet = (length: number, value: number) => new Packet(new Uint8Array(length).fill(value));

describe('registered memory', () => {
  it('gives numbers that are not 0 and that die with the region (N30, R133)', () => {
    const dma = new DmaSpace();
    const seen = new Set<number>();
    for (let n = 0; n < 1000; n++) {
      const region = dma.attach(target(8));
      expect(region).toBeGreaterThan(0);
      expect(seen.has(region)).toBe(false);
      seen.add(region);
      dma.detach(region);
      expect(dma.target(region)).toBeUndefined();
      dma.detach(region); // a second time does nothing
      expect(dma.regions).toBe(0);
    }
    const [last] = [...seen].slice(-1);
    const live = dma.attach(target(8));
    expect(dma.place(last!, 0, packet(8, 1), 0, 8)).toBe(false);
    expect(dma.target(live)!.bytes).toEqual(new Uint8Array(8));
  });

  it('knows nothing under 0 or under a number that was never given', () => {
    const dma = new DmaSpace();
    dma.attach(target(8));
    for (const region of [0, 2, 0x1_0000, 0x2_0001, -1, 0x7fff_ffff]) {
      expect(dma.target(region)).toBeUndefined();
      expect(dma.fetch(region, 0, new Uint8Array(8), 0, 8)).toBe(false);
    }
  });

  it('answers 0 when there are too many, and goes on when one goes', () => {
    const dma = new DmaSpace();
    const one = target(1);
    let last = 0;
    for (let n = 0; n < MAX_REGIONS; n++) last = dma.attach(one);
    expect(last).toBeGreaterThan(0);
    expect(dma.attach(one)).toBe(0);
    expect(dma.regions).toBe(MAX_REGIONS);
    dma.detach(last);
    expect(dma.attach(one)).toBeGreaterThan(0);
  });

  for (const length of [1, 64, 65, 1000]) {
    it(`places and fetches ${length} bytes at the edges and not beyond`, () => {
      const dma = new DmaSpace();
      const memory = target(1000);
      const region = dma.attach(memory);
      expect(dma.place(region, 1000 - length, packet(length + 3, 7), 3, length)).toBe(true);
      expect(memory.bytes.filter((byte) => byte === 7)).toHaveLength(length);
      const before = memory.bytes.slice();
      expect(dma.place(region, 1001 - length, packet(length, 9), 0, length)).toBe(false);
      expect(dma.place(region, Number.MAX_SAFE_INTEGER, packet(length, 9), 0, length)).toBe(false);
      expect(Buffer.compare(memory.bytes, before)).toBe(0);
      const into = new Uint8Array(length + 1);
      expect(dma.fetch(region, 1000 - length, into, 1, length)).toBe(true);
      expect([...into]).toEqual([0, ...new Uint8Array(length).fill(7)]);
      expect(dma.fetch(region, 1001 - length, into, 0, length)).toBe(false);
    });
  }

  it('reads from the right arena, however many there are and however they lie', () => {
    const dma = new DmaSpace();
    const memory = target(200);
    const region = dma.attach(memory);
    const arenas = Array.from({ length: 40 }, (_, n) => new Uint8Array(500).map((_, i) => (i + n * 7) & 0xff));
    for (let round = 0; round < 3; round++) {
      for (const [n, arena] of arenas.entries()) {
        // the same start with other lengths, and windows on a part of the arena
        for (const [from, length] of [
          [100, 70 + n],
          [100, 150],
          [37, 100],
        ] as const) {
          const part = new Packet(arena.subarray(from - 30));
          expect(dma.place(region, 0, part, 30, length)).toBe(true);
          expect(Buffer.compare(memory.bytes.subarray(0, length), arena.subarray(from, from + length))).toBe(0);
        }
      }
    }
  });

  it('sees what is written into an arena after its first use', () => {
    const dma = new DmaSpace();
    const memory = target(100);
    const region = dma.attach(memory);
    const from = packet(100, 1);
    dma.place(region, 0, from, 0, 100);
    from.bytes.fill(2);
    dma.place(region, 0, from, 0, 100);
    expect(memory.bytes.every((byte) => byte === 2)).toBe(true);
  });

  it('takes nothing for no bytes, even of a region that is gone', () => {
    const dma = new DmaSpace();
    expect(dma.place(5, 0, packet(1, 1), 0, 0)).toBe(true);
    expect(dma.fetch(5, 0, new Uint8Array(1), 0, 0)).toBe(true);
  });

  it('tries each page of memory of another process before a packet is made of it (R133; threats/6: L07, L24)', () => {
    const dma = new DmaSpace();
    const pages = new Set([0x5000, 0x6000, 0x7000]);
    const there = (address: number) => pages.has(address & ~0xfff);
    const remote = { read: there, write: there };
    const region = dma.attach({ bytes: new Uint8Array(0), address: 0, remote, base: 0x5000, length: 0x3000 });
    expect(dma.readable(region, 0, 0x3000)).toBe(true);
    pages.delete(0x6000);
    expect(dma.readable(region, 0, 0x3000)).toBe(false);
    expect(dma.readable(region, 0xff0, 0x10)).toBe(true);
    expect(dma.readable(region, 0xff0, 0x11)).toBe(false);
    expect(dma.readable(region, 0, 0)).toBe(true);
    dma.detach(region);
    expect(dma.readable(region, 0, 1)).toBe(false);
  });
});
