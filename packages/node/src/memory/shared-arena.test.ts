import { readdirSync, readFileSync } from 'node:fs';
import { SeededRandom } from '@verbena/core';
import { describe, expect, test } from 'vitest';
import { libcProblem, loadLibc } from './libc.ts';
import { ARENA_BYTES, type Arena, SharedArena } from './shared-arena.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: shared arenas: ${libcProblem()}`);

const openFiles = () => readdirSync('/proc/self/fd').length;
const mappings = () => readFileSync('/proc/self/maps', 'latin1').split('memfd:verbena').length;
const isFilled = (bytes: Uint8Array, value: number) => Buffer.compare(bytes, Buffer.alloc(bytes.length, value)) === 0;

describe.skipIf(libc === undefined)('shared arena', () => {
  test('an allocation says where it is, and so does each part of it', () => {
    const announced: Arena[] = [];
    const arenas = new SharedArena(libc, { onArena: (arena) => announced.push(arena) });
    const one = arenas.allocate(100);
    const two = arenas.allocate(5000);
    expect(announced.map(({ id }) => id)).toEqual([1]);
    expect([one.arena, one.offset, two.arena, two.offset]).toEqual([1, 0, 1, 4096]);
    expect([one.bytes.length, two.bytes.length]).toEqual([100, 5000]);
    expect(arenas.locate(two.bytes.subarray(10, 20))).toEqual({ arena: 1, offset: 4106, length: 10 });
    expect(arenas.locate(two.bytes.subarray(5000))).toEqual({ arena: 1, offset: 9096, length: 0 });
    two.bytes[7] = 9;
    expect(announced[0]!.bytes[4103]).toBe(9);
    // across two allocations, in no allocation, elsewhere
    expect(arenas.locate(new Uint8Array(one.bytes.buffer, 0, 4097))).toBeUndefined();
    expect(arenas.locate(new Uint8Array(one.bytes.buffer, 12_288, 1))).toBeUndefined();
    expect(arenas.locate(new Uint8Array(8))).toBeUndefined();
    expect(arenas.release(two.bytes.subarray(1))).toBe(false);
    expect(arenas.release(two.bytes)).toBe(true);
    expect(arenas.release(two.bytes)).toBe(false);
    expect(arenas.release(new Uint8Array(8))).toBe(false);
    expect(arenas.locate(two.bytes)).toBeUndefined();
    arenas.close();
    expect(arenas.locate(one.bytes)).toBeUndefined();
    expect(one.bytes[0]).toBe(0);
  });

  test('10,000 small allocations cost three arenas', () => {
    const [files, maps] = [openFiles(), mappings()];
    const arenas = new SharedArena(libc);
    const all = Array.from({ length: 10_000 }, () => arenas.allocate(64));
    expect([arenas.arenas, openFiles() - files, mappings() - maps]).toEqual([3, 3, 3]);
    for (const { bytes } of all) arenas.release(bytes);
    expect([arenas.arenas, arenas.mappedBytes]).toEqual([1, ARENA_BYTES]);
    arenas.close();
    expect([openFiles(), mappings()]).toEqual([files, maps]);
  });

  test('a large allocation has an arena of its own, which goes with it', () => {
    const events: string[] = [];
    const arenas = new SharedArena(libc, {
      onArena: ({ id }) => events.push(`new ${id}`),
      dropped: (id) => events.push(`dropped ${id}`),
    });
    const small = arenas.allocate(1);
    const large = arenas.allocate(ARENA_BYTES + 1);
    expect([large.arena, arenas.mappedBytes]).toEqual([2, 2 * ARENA_BYTES + 4096]);
    arenas.release(large.bytes);
    arenas.release(small.bytes);
    expect(arenas.allocate(ARENA_BYTES).arena).toBe(1);
    arenas.close();
    expect(events).toEqual(['new 1', 'new 2', 'dropped 2', 'dropped 1']);
  });

  test('the limit has an answer, and so has a daemon that refuses an arena', () => {
    const files = openFiles();
    const arenas = new SharedArena(libc, { limitBytes: ARENA_BYTES });
    const half = arenas.allocate(ARENA_BYTES / 2);
    expect(() => arenas.allocate(ARENA_BYTES / 2 + 1)).toThrow(/ENOMEM in allocate/);
    arenas.release(half.bytes);
    arenas.allocate(ARENA_BYTES);
    for (const size of [0, -1, 1.5, Number.NaN]) expect(() => arenas.allocate(size)).toThrow(/EINVAL/);
    arenas.close();
    const refused = new SharedArena(libc, {
      onArena: () => {
        throw new Error('no');
      },
    });
    expect(() => refused.allocate(1)).toThrow('no');
    expect([refused.arenas, refused.mappedBytes, openFiles()]).toEqual([0, 0, files]);
  });

  test('seed 7: as a list of ranges does it', () => {
    const random = new SeededRandom(7);
    const arenas = new SharedArena(libc);
    const model: { bytes: Uint8Array; arena: number; offset: number; mark: number }[] = [];
    for (let step = 0; step < 3000; step++) {
      if (model.length < 20 || (model.length < 150 && random.below(2) === 0)) {
        const size = 1 + random.below(random.below(4) === 0 ? 2 ** 20 : 20_000);
        const { bytes, arena, offset } = arenas.allocate(size);
        const end = offset + size;
        const clash = model.find((m) => m.arena === arena && m.offset < end && offset < m.offset + m.bytes.length);
        expect([clash, offset % 4096, bytes.length]).toEqual([undefined, 0, size]);
        if (!isFilled(bytes, 0)) expect.fail(`step ${step}: not zeroed`);
        const mark = 1 + random.below(255);
        bytes.fill(mark);
        model.push({ bytes, arena, offset, mark });
      } else {
        const [gone] = model.splice(random.below(model.length), 1);
        if (!isFilled(gone!.bytes, gone!.mark)) expect.fail(`step ${step}: overwritten`);
        expect(arenas.release(gone!.bytes)).toBe(true);
        expect(arenas.locate(gone!.bytes)).toBeUndefined();
      }
      const any = model[random.below(model.length)]!;
      const from = random.below(any.bytes.length);
      const part = any.bytes.subarray(from, from + random.below(any.bytes.length - from + 1));
      const there = { arena: any.arena, offset: any.offset + from, length: part.length };
      expect(arenas.locate(part)).toEqual(there);
    }
    for (const { bytes } of model) arenas.release(bytes);
    // All extents are one again, or an arena would still be in use.
    expect(arenas.arenas).toBe(1);
    expect(arenas.allocate(ARENA_BYTES).offset).toBe(0);
    arenas.close();
  });
});
