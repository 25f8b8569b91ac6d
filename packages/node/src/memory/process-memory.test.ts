import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { libcProblem, loadLibc } from './libc.ts';
import { MemoryPool } from './mapped-memory.ts';
import { allowTracing, ProcessMemory } from './process-memory.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: process memory: ${libcProblem()}`);

const SIZE = 2 ** 20;
const uid = process.getuid?.() ?? 0;
const openFiles = () => readdirSync('/proc/self/fd').length;

/** Three mappings of its own, one after the other: writable, read-only, without access. Then it does what it is told. */
const PROGRAM = `
const koffi = require(${JSON.stringify(createRequire(import.meta.url).resolve('koffi'))});
const lib = koffi.load(null);
const mmap = lib.func('mmap', 'uintptr_t', ['uintptr_t', 'size_t', 'int', 'int', 'int', 'int64_t']);
const mprotect = lib.func('mprotect', 'int', ['uintptr_t', 'size_t', 'int']);
const munmap = lib.func('munmap', 'int', ['uintptr_t', 'size_t']);
const fcntl = lib.func('fcntl', 'int', ['int', 'int', 'int']);
const execv = lib.func('int execv(const char *path, const char **argv)');
lib.func('prctl', 'int', ['int', 'uint64_t', 'uint64_t', 'uint64_t', 'uint64_t'])(0x59616d61, process.ppid, 0, 0, 0);
const size = ${SIZE};
const at = mmap(0, 3 * size, 3, 0x22, -1, 0);
const bytes = new Uint8Array(koffi.view(at, 3 * size));
for (let i = 0; i < size; i++) bytes[i] = i % 251;
bytes[size] = 77;
mprotect(at + size, size, 1);
mprotect(at + 2 * size, size, 0);
console.log(at);
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const [word, argument] = line.split(' ');
  if (word === 'show') console.log(bytes[Number(argument)]);
  else if (word === 'unmap') console.log(munmap(at, 4096));
  else if (word === 'exec') {
    for (const fd of [0, 1, 2]) fcntl(fd, 2, 0); // Node would close them
    execv('/bin/sh', ['sh', '-c', 'echo other; kill -STOP $$', null]);
  }
  else process.exit(0);
});
`;

class Child {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    this.process = spawn(process.execPath, ['-e', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.process.pid!;
  }

  async line(): Promise<string> {
    return (await this.#lines.next()).value;
  }

  ask(line: string): Promise<string> {
    this.process.stdin!.write(`${line}\n`);
    return this.line();
  }
}

const children: Child[] = [];
async function start(): Promise<{ child: Child; at: number }> {
  const child = new Child();
  children.push(child);
  return { child, at: Number(await child.line()) };
}

afterEach(() => {
  for (const child of children.splice(0)) child.process.kill('SIGKILL');
});

describe.skipIf(libc === undefined)('process memory', () => {
  test('R131: reads and writes memory of another process where it is', async () => {
    const { child, at } = await start();
    const before = openFiles();
    const memory = ProcessMemory.open(libc, { pid: child.pid, uid });
    const mapped = new MemoryPool(libc).allocate(SIZE);
    expect(memory.read(at, mapped.bytes)).toBe(true);
    expect(mapped.bytes.every((byte, i) => byte === i % 251)).toBe(true);
    const ordinary = new Uint8Array(200_000);
    expect(memory.read(BigInt(at) + 1000n, ordinary)).toBe(true);
    expect(ordinary.every((byte, i) => byte === (i + 1000) % 251)).toBe(true);

    expect(memory.write(at + 5, new Uint8Array([201, 202, 203]), 2)).toBe(true);
    expect([await child.ask('show 5'), await child.ask('show 6'), await child.ask('show 7')]).toEqual([
      '201',
      '202',
      '7',
    ]);
    mapped.bytes.fill(99);
    expect(memory.write(at, mapped.bytes)).toBe(true);
    expect([await child.ask('show 0'), await child.ask(`show ${SIZE - 1}`)]).toEqual(['99', '99']);
    expect(memory.read(at, ordinary, 0)).toBe(true);
    mapped.release();
    memory.close();
    memory.close();
    expect([memory.read(at, ordinary), memory.write(at, ordinary), memory.rights(at, 1)]).toEqual([
      false,
      false,
      'none',
    ]);
    expect(openFiles()).toBe(before);
  });

  test('threats L09, L24: a range that is not there, or only in part, is false', async () => {
    const { child, at } = await start();
    const memory = ProcessMemory.open(libc, { pid: child.pid, uid });
    const bytes = new Uint8Array(8192);
    const far = [0, -1, -4096, 1.5, Number.NaN, 4096, 2 ** 47, 2 ** 53 - 2, 2 ** 53, 2 ** 64, Number.POSITIVE_INFINITY];
    for (const address of [
      ...far,
      0n,
      -1n,
      2n ** 47n,
      2n ** 63n,
      2n ** 64n - 8192n,
      2n ** 64n,
      BigInt(at) + 2n ** 64n,
    ]) {
      expect([address, memory.read(address, bytes), memory.write(address, bytes)]).toEqual([address, false, false]);
      expect(memory.rights(address, 1)).toBe('none');
    }
    // the page of calls that the kernel puts above all user addresses
    expect(memory.read(0xffffffffff600000n, bytes, 16)).toBe(false);
    for (const length of [8193, -1, 1.5, Number.NaN]) expect(memory.read(at, bytes, length)).toBe(false);
    expect(await child.ask('unmap')).toBe('0');
    expect([memory.read(at, bytes), memory.read(at + 4096, bytes)]).toEqual([false, true]);
    memory.close();
  });

  test('threats L09: knows what the process itself may do', async () => {
    const { child, at } = await start();
    const memory = ProcessMemory.open(libc, { pid: child.pid, uid });
    expect(memory.rights(at, SIZE)).toBe('write');
    expect(memory.rights(BigInt(at), SIZE + 1)).toBe('read');
    expect(memory.rights(at + SIZE, SIZE)).toBe('read');
    expect(memory.rights(at + SIZE, SIZE + 1)).toBe('none');
    expect(memory.rights(at + 2 * SIZE, 1)).toBe('none');
    expect([memory.rights(at, 0), memory.rights(at, 2 ** 52)]).toEqual(['none', 'none']);
    memory.close();
  });

  test('R142, threats L07: after the exit of the process every access is false', async () => {
    const { child, at } = await start();
    const memory = ProcessMemory.open(libc, { pid: child.pid, uid });
    const bytes = new Uint8Array(8);
    expect(memory.read(at, bytes)).toBe(true);
    child.process.stdin!.write('exit\n');
    await once(child.process, 'exit');
    const mapped = new MemoryPool(libc).allocate(SIZE);
    expect([memory.read(at, bytes), memory.write(at, bytes)]).toEqual([false, false]);
    expect([memory.read(at, mapped.bytes), memory.write(at, mapped.bytes)]).toEqual([false, false]);
    expect(memory.rights(at, 8)).toBe('none');
    expect(() => ProcessMemory.open(libc, { pid: child.pid, uid })).toThrow(/EPERM in registerMemory/);
    mapped.release();
    memory.close();
  });

  test('R142, threats L08: after an exec every access is false, also to what the new program has there', async () => {
    const { child, at } = await start();
    const memory = ProcessMemory.open(libc, { pid: child.pid, uid });
    expect(memory.read(at, new Uint8Array(8))).toBe(true);
    expect(await child.ask('exec')).toBe('other');
    expect(child.process.exitCode).toBeNull();
    const fresh = ProcessMemory.open(libc, { pid: child.pid, uid });
    const bytes = new Uint8Array(8);
    // The new program's own addresses: reachable anew, not through what was kept.
    const text = Number.parseInt(mapsOf(child.pid), 16);
    expect([fresh.read(text, bytes), memory.read(text, bytes), memory.write(text, bytes)]).toEqual([
      true,
      false,
      false,
    ]);
    expect([memory.read(at, bytes), memory.rights(text, 1)]).toEqual([false, 'none']);
    memory.close();
    fresh.close();
  });

  test('threats L05, L23: a process that is not the peer is refused, and nothing stays open', async () => {
    const { child } = await start();
    const before = openFiles();
    for (const pid of [0, -1, 1.5, Number.NaN, 2 ** 31 - 1]) {
      expect(() => ProcessMemory.open(libc, { pid, uid })).toThrow(/EPERM in registerMemory/);
    }
    expect(() => ProcessMemory.open(libc, { pid: child.pid, uid: uid + 1 })).toThrow(/belongs to user/);
    expect(openFiles()).toBe(before);
  });

  test('consent is given, or nobody asks for it', () => {
    expect(allowTracing(libc, process.ppid)).toBe(true);
  });
});

test('without system calls there is an answer', () => {
  expect(() => ProcessMemory.open(undefined, { pid: 1, uid: 0 })).toThrow(/EOPNOTSUPP/);
  expect(() => allowTracing(undefined, 1)).toThrow(/EOPNOTSUPP/);
});

/** The first address of a process's map. */
function mapsOf(pid: number): string {
  return readFileSync(`/proc/${pid}/maps`, 'latin1').split('-')[0]!;
}
