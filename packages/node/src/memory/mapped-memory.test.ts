import { describe, expect, test } from 'vitest';
import { libcProblem, loadLibc } from './libc.ts';
import { addressOf, MemoryPool, viewAt } from './mapped-memory.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: mapped memory: ${libcProblem()}`);

describe.skipIf(libc === undefined)('mapped memory', () => {
  test('every view on it has an address that the kernel can use', () => {
    const pool = new MemoryPool(libc);
    const memory = pool.allocate(10_000);
    const part = memory.bytes.subarray(100, 200);
    expect(memory.bytes.length).toBe(10_000);
    expect(addressOf(part, libc)).toBe(memory.address + 100);
    part.set([1, 2, 3]);
    libc!.memcpy(memory.address + 5000, memory.address + 100, 3);
    expect([...memory.bytes.subarray(5000, 5004)]).toEqual([1, 2, 3, 0]);
    const again = viewAt(libc!, memory.address, 10_000);
    expect(again[101]).toBe(2);
    expect(addressOf(again.subarray(7), libc)).toBe(memory.address + 7);
  });

  test('other memory has no address, shared memory has', () => {
    expect(addressOf(new Uint8Array(1000), libc)).toBe(0);
    const shared = new Uint8Array(new SharedArrayBuffer(64), 8, 8);
    const pool = new MemoryPool(libc);
    const target = pool.allocate(64);
    shared.fill(7);
    libc!.memcpy(target.address, addressOf(shared, libc), 8);
    expect([...target.bytes.subarray(0, 9)]).toEqual([7, 7, 7, 7, 7, 7, 7, 7, 0]);
  });

  test('a view that outlives its memory reads zeros instead of ending the process', () => {
    const pool = new MemoryPool(libc);
    const memory = pool.allocate(100_000);
    memory.bytes.fill(9);
    memory.release();
    memory.release();
    expect(memory.bytes[50_000]).toBe(0);
    memory.bytes[3] = 1;
    expect([pool.used, pool.mappings]).toEqual([0, 0]);
  });
});

describe('memory pool', () => {
  test('without the C library memory is shared memory without an address', () => {
    const memory = new MemoryPool(undefined).allocate(100);
    expect([memory.bytes.length, memory.address]).toEqual([100, 0]);
    expect(memory.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    memory.release();
  });

  test('the pool is bounded and says what to do', () => {
    const pool = new MemoryPool(libc, 8192);
    const one = pool.allocate(4097);
    expect(() => pool.allocate(1)).toThrow(/ENOMEM in allocate: 1 bytes do not fit/);
    one.release();
    pool.allocate(8192).release();
    for (const size of [0, -1, 1.5, Number.NaN]) expect(() => pool.allocate(size)).toThrow(/EINVAL/);
  });
});
