import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LINUX, libcProblem, loadLibc } from './libc.ts';
import { adoptMemoryFile, createMemoryFile } from './memory-file.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: memory files: ${libcProblem()}`);

const openFiles = () => readdirSync('/proc/self/fd').length;
/** A descriptor of the same file, as another process would receive it. */
const handedOver = (fd: number) => libc!.open(`/proc/self/fd/${fd}`, LINUX.O_RDWR | LINUX.O_CLOEXEC, 0);

/** A memory file of 8192 bytes made by somebody else. */
function foreign(seals: number, flags: number = LINUX.MFD_ALLOW_SEALING): number {
  const fd = libc!.memfd_create('foreign', flags | LINUX.MFD_CLOEXEC);
  if (fd < 0) return fd;
  libc!.ftruncate(fd, (flags & MFD_HUGETLB) !== 0 ? 2 ** 21 : 8192);
  if (seals !== 0) libc!.fcntl(fd, LINUX.F_ADD_SEALS, seals);
  return fd;
}
const MFD_HUGETLB = 4;

describe.skipIf(libc === undefined)('memory file', () => {
  test('both sides see the same bytes, and nothing stays open', () => {
    const before = openFiles();
    const file = createMemoryFile(libc, 10_000);
    expect([file.bytes.length, file.bytes.every((byte) => byte === 0)]).toEqual([12_288, true]);
    const other = adoptMemoryFile(libc, handedOver(file.fd), 10_000);
    expect(other.address).not.toBe(file.address);
    file.bytes[9_999] = 7;
    other.bytes[0] = 8;
    expect([other.bytes[9_999], file.bytes[0]]).toEqual([7, 8]);
    file.closeDescriptor();
    expect(file.fd).toBe(-1);
    file.release();
    expect([file.bytes[0], other.bytes[0]]).toEqual([0, 8]);
    other.release();
    other.release();
    expect(other.bytes[0]).toBe(0);
    expect(openFiles()).toBe(before);
  });

  test('threats L11: nobody can change its size', () => {
    const file = createMemoryFile(libc, 8192);
    for (const size of [0, 4096, 16_384]) expect(libc!.ftruncate(file.fd, size)).toBe(-1);
    expect(libc!.fcntl(file.fd, LINUX.F_ADD_SEALS, 0x8)).toBe(-1);
    file.release();
  });

  test('threats L11: memory without both seals is refused, and closed', () => {
    const before = openFiles();
    for (const seals of [0, LINUX.F_SEAL_SHRINK, LINUX.F_SEAL_GROW]) {
      const fd = foreign(seals);
      expect(() => adoptMemoryFile(libc, fd, 8192)).toThrow(/EPERM in adoptMemoryFile/);
    }
    for (const path of ['/dev/null', '/proc/self/exe', '/dev/shm']) {
      const fd = libc!.open(path, LINUX.O_CLOEXEC, 0);
      expect(() => adoptMemoryFile(libc, fd, 1)).toThrow(/EPERM/);
    }
    expect(() => adoptMemoryFile(libc, -1, 1)).toThrow(/EPERM/);
    expect(openFiles()).toBe(before);
  });

  test('threats L11: huge pages are refused, which end a process when they run out', ({ skip }) => {
    const fd = foreign(LINUX.F_SEAL_SHRINK | LINUX.F_SEAL_GROW, LINUX.MFD_ALLOW_SEALING | MFD_HUGETLB);
    if (fd < 0) return skip('this kernel has no huge pages');
    expect(() => adoptMemoryFile(libc, fd, 1)).toThrow(/EPERM/);
  });

  test('a size that was not there is refused, memory that cannot be written too', () => {
    const seals = LINUX.F_SEAL_SHRINK | LINUX.F_SEAL_GROW;
    for (const size of [8193, 0, -1, 1.5, Number.NaN, 2 ** 53]) {
      expect(() => adoptMemoryFile(libc, foreign(seals), size)).toThrow(/EINVAL/);
    }
    const fd = foreign(seals);
    const readOnly = libc!.open(`/proc/self/fd/${fd}`, LINUX.O_RDONLY | LINUX.O_CLOEXEC, 0);
    expect(() => adoptMemoryFile(libc, readOnly, 8192)).toThrow(/EPERM .* cannot be written/);
    expect(() => adoptMemoryFile(libc, foreign(seals | LINUX.F_SEAL_FUTURE_WRITE), 1)).toThrow(
      /EPERM .* cannot be written/,
    );
    adoptMemoryFile(libc, fd, 8192).release();
    for (const size of [0, -1, 1.5, Number.NaN]) expect(() => createMemoryFile(libc, size)).toThrow(/EINVAL/);
    expect(() => createMemoryFile(libc, 2 ** 52)).toThrow(/ENOMEM/);
  });
});

test('without system calls there is an answer', () => {
  for (const call of [() => createMemoryFile(undefined, 1), () => adoptMemoryFile(undefined, -1, 1)]) {
    expect(call).toThrow(/EOPNOTSUPP in \w+: no system calls/);
  }
});
