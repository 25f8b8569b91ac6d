import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LINUX, libcProblem, loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import { adoptMemoryFile, createMemoryFile } from '../memory/memory-file.ts';
import { ProcessMemory } from '../memory/process-memory.ts';
import { MAX_FDS, MAX_FRAME_BYTES, type SeqpacketConnection } from './seqpacket.ts';
import { connectSeqpacket } from './seqpacket-client.ts';
import { SeqpacketServer } from './seqpacket-server.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: local sockets: ${libcProblem()}`);

const openFiles = () => readdirSync('/proc/self/fd').length;
const bytes = (...values: number[]) => new Uint8Array(values);

/** Lets the event loop turn until something holds; bounded, and without a clock. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn === 3_000_000) throw new Error('it never came true');
    await new Promise((turned) => setImmediate(turned));
  }
}

/** Both ends of a connection. */
interface Pair {
  readonly client: SeqpacketConnection;
  readonly served: SeqpacketConnection;
}

describe.skipIf(libc === undefined)('local sockets with message boundaries', () => {
  let directory: string;
  let path: string;
  let server: SeqpacketServer;
  let accepted: SeqpacketConnection[];
  let before: number;

  beforeEach(() => {
    before = openFiles();
    directory = mkdtempSync(join(tmpdir(), 'verbena-'));
    path = join(directory, 'verbena.sock');
    accepted = [];
    server = SeqpacketServer.listen(libc, path, { onConnection: (connection) => accepted.push(connection) });
  });

  afterEach(() => {
    for (const connection of accepted) connection.close();
    server.close();
    rmSync(directory, { recursive: true });
    expect(openFiles()).toBe(before);
  });

  async function pair(): Promise<Pair> {
    const client = connectSeqpacket(libc, path);
    await until(() => accepted.length > 0);
    return { client, served: accepted.at(-1)! };
  }

  /** What a client without this class may send: any length, any number of descriptors. */
  function sendRaw(fd: number, length: number, fds: readonly number[]): number {
    const memory = new MemoryPool(libc).allocate(4096 + length);
    const view = new DataView(memory.bytes.buffer);
    const pointer = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
    pointer(16, memory.address + 64);
    pointer(24, 1);
    pointer(64, memory.address + 4096);
    pointer(72, length);
    if (fds.length > 0) {
      pointer(32, memory.address + 128);
      pointer(40, 16 + 4 * fds.length);
      pointer(128, 16 + 4 * fds.length);
      view.setInt32(136, LINUX.SOL_SOCKET, true);
      view.setInt32(140, LINUX.SCM_RIGHTS, true);
      for (const [i, passed] of fds.entries()) view.setInt32(144 + 4 * i, passed, true);
    }
    const sent = libc!.sendmsg(fd, memory.address, LINUX.MSG_NOSIGNAL);
    memory.release();
    return sent;
  }

  test('messages arrive whole, one by one, in order, both ways', async () => {
    const { client, served } = await pair();
    expect(served.receive()).toBeUndefined();
    const large = new Uint8Array(MAX_FRAME_BYTES).map((_, i) => i % 253);
    expect([client.send(bytes(1)), client.send(large), client.send(bytes(2, 3))]).toEqual(['sent', 'sent', 'sent']);
    expect([...served.receive()!.bytes]).toEqual([1]);
    const second = served.receive()!;
    expect([second.bytes.every((byte, i) => byte === i % 253), second.bytes.length, second.truncated]).toEqual([
      true,
      MAX_FRAME_BYTES,
      false,
    ]);
    expect([...served.receive()!.bytes]).toEqual([2, 3]);
    expect([served.receive(), served.ended]).toEqual([undefined, false]);
    expect(served.send(bytes(9))).toBe('sent');
    expect([...client.receiveBlocking(5000)!.bytes]).toEqual([9]);
    client.close();
  });

  test('descriptors travel with the message that names them, and close on exec', async () => {
    const { client, served } = await pair();
    const file = createMemoryFile(libc, 4096);
    file.bytes[0] = 42;
    client.send(bytes(1));
    client.send(bytes(2), [file.fd]);
    client.send(bytes(3), [file.fd, file.fd, file.fd, file.fd]);
    client.send(bytes(4));
    expect(served.receive()!.fds).toEqual([]);
    const [fd] = served.receive()!.fds;
    expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')).toMatch(/^flags:\s+0?2[0-7]*$/m);
    const four = served.receive()!.fds;
    expect(new Set(four).size).toBe(4);
    expect(served.receive()!.fds).toEqual([]);
    const adopted = adoptMemoryFile(libc, fd!, 4096);
    expect(adopted.bytes[0]).toBe(42);
    for (const each of four) libc!.close(each);
    adopted.release();
    file.release();
    client.close();
  });

  test('threats L16: a message that is too long says so, and its descriptors are closed', async () => {
    const { client, served } = await pair();
    expect(sendRaw(client.fd, MAX_FRAME_BYTES + 1, [client.fd])).toBe(MAX_FRAME_BYTES + 1);
    client.send(bytes(5));
    const held = openFiles();
    const long = served.receive()!;
    expect([long.truncated, long.bytes.length, long.fds]).toEqual([true, MAX_FRAME_BYTES, []]);
    expect(openFiles()).toBe(held);
    expect([...served.receive()!.bytes]).toEqual([5]);
    client.close();
  });

  test('threats L18: a flood of descriptors leaves none open', async () => {
    const { client, served } = await pair();
    const held = openFiles();
    for (const count of [MAX_FDS + 1, 100, 253]) {
      expect(sendRaw(client.fd, 10, new Array(count).fill(client.fd))).toBe(10);
      const flood = served.receive()!;
      expect([flood.truncated, flood.fds, flood.bytes.length]).toEqual([true, [], 10]);
    }
    // An empty message is the end; what came with it is closed.
    sendRaw(client.fd, 0, [client.fd]);
    expect([served.receive(), served.ended]).toEqual([undefined, true]);
    expect(openFiles()).toBe(held);
    client.close();
  });

  test('threats L16: a reader that does not read makes `full`, and room is told once', async () => {
    const { client, served } = await pair();
    let readable = 0;
    let writable = 0;
    const watch = client.watch(
      () => readable++,
      () => writable++,
    );
    watch.unref();
    watch.ref();
    const frame = new Uint8Array(30_000);
    let sent = 0;
    while (client.send(frame) === 'sent') sent++;
    expect(sent).toBeGreaterThan(2);
    expect(client.send(bytes(1))).toBe('full');
    expect(client.sendBlocking(bytes(1), [], 10)).toBe('full');
    for (let turn = 0; turn < 20; turn++) await new Promise((turned) => setImmediate(turned));
    expect([readable, writable]).toEqual([0, 0]);
    for (let i = 0; i < sent; i++) expect(served.receive()!.bytes.length).toBe(30_000);
    expect(served.receive()).toBeUndefined();
    await until(() => writable > 0);
    for (let turn = 0; turn < 20; turn++) await new Promise((turned) => setImmediate(turned));
    expect([client.send(bytes(2)), readable, writable]).toEqual(['sent', 0, 1]);
    // A pause does not lose the wish.
    watch.stop();
    while (client.send(frame) === 'sent');
    while (served.receive() !== undefined);
    watch.start();
    await until(() => writable > 1);
    expect([readable, writable]).toEqual([0, 2]);
    client.close();
  });

  test('the end is noticed after everything was read, with and without unread messages of the other side', async () => {
    for (const unread of [false, true]) {
      const { client, served } = await pair();
      const got: number[] = [];
      let ends = 0;
      const watch = served.watch(() => {
        const message = served.receive(); // one per turn: the rest must be told again
        if (message !== undefined) got.push(message.bytes[0]!);
        if (!served.ended) return;
        ends++;
        watch.close();
        watch.close();
      });
      if (unread) served.send(bytes(100));
      for (let i = 0; i < 5; i++) client.send(bytes(i));
      client.close();
      client.close();
      await until(() => served.ended);
      expect([unread, got, ends, served.send(bytes(1))]).toEqual([unread, [0, 1, 2, 3, 4], 1, 'gone']);
      expect([client.send(bytes(1)), client.receive(), client.ended]).toEqual(['gone', undefined, true]);
      served.close();
      accepted = [];
    }
  });

  test('a watch that is stopped stays silent until it is started', async () => {
    const { client, served } = await pair();
    let calls = 0;
    const watch = served.watch(() => {
      calls++;
      watch.stop();
    });
    expect(() => served.watch(() => {})).toThrow(/EINVAL in watch/);
    client.send(bytes(1));
    await until(() => calls === 1);
    for (let turn = 0; turn < 20; turn++) await new Promise((turned) => setImmediate(turned));
    expect(calls).toBe(1);
    watch.start();
    await until(() => calls === 2);
    served.close();
    for (const call of [watch.start, watch.stop, watch.ref, watch.unref, watch.close]) call();
    expect(() => served.watch(() => {})).toThrow(/closed/);
    client.close();
  });

  test('a caller that blocks waits as long as it said, for a message or the end', async () => {
    const { client, served } = await pair();
    const start = performance.now();
    expect(client.receiveBlocking(20)).toBeUndefined();
    expect(performance.now() - start).toBeGreaterThanOrEqual(20);
    expect(client.ended).toBe(false);
    served.send(bytes(7));
    served.close();
    expect([...client.receiveBlocking(5000)!.bytes]).toEqual([7]);
    expect([client.receiveBlocking(5000), client.ended]).toEqual([undefined, true]);
    client.close();
  });

  test('a wrong call explains itself', async () => {
    const { client } = await pair();
    expect(() => client.send(new Uint8Array(0))).toThrow(/EINVAL in send: a message has bytes/);
    expect(() => client.send(new Uint8Array(MAX_FRAME_BYTES + 1))).toThrow(/EMSGSIZE in send/);
    expect(() => client.send(bytes(1), [0, 0, 0, 0, 0])).toThrow(/EINVAL in send: too many descriptors/);
    expect(() => client.send(bytes(1), [99_999])).toThrow(/EBADF in send/);
    client.close();
  });

  test('threats L05, L06: the peer is who connected, by the kernel, not who speaks', async () => {
    const { client, served } = await pair();
    const own = { pid: process.pid, uid: process.getuid!(), gid: process.getgid!() };
    expect([client.peer, served.peer]).toEqual([own, own]);
    client.close();

    const program = `
      const koffi = require(${JSON.stringify(createRequire(import.meta.url).resolve('koffi'))});
      const lib = koffi.load(null);
      const address = Buffer.alloc(110);
      address[0] = 1;
      address.write(${JSON.stringify(path)}, 2);
      const fd = lib.func('int socket(int, int, int)')(1, 5, 0);
      lib.func('int connect(int, const uint8_t *, int)')(fd, address, 110);
      lib.func('int send(int, const uint8_t *, size_t, int)')(fd, Buffer.from('hello'), 5, 0);
      process.stdin.on('end', () => process.exit()).resume();
      // The socket goes to a child of its own, which outlives it.
      require('node:child_process').spawn('sleep', ['100'], { stdio: ['ignore', 'ignore', 'ignore', fd] }).unref();
    `;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'ignore', 'inherit'], detached: true });
    try {
      await until(() => accepted.length > 1);
      const connection = accepted.at(-1)!;
      expect(connection.peer.pid).toBe(child.pid);
      let got = connection.receive();
      await until(() => (got ??= connection.receive()) !== undefined);
      expect(new TextDecoder().decode(got!.bytes)).toBe('hello');
      ProcessMemory.open(libc, connection.peer, connection.fd).close();
      child.stdin!.end();
      await once(child, 'exit');
      // The connection is open still, in the hands of a process that never connected. No memory goes with it.
      expect([connection.receive(), connection.ended]).toEqual([undefined, false]);
      expect(connection.peer.pid).toBe(child.pid);
      expect(() => ProcessMemory.open(libc, connection.peer, connection.fd)).toThrow(/EPERM/);
      // The number of another process does not help: the connection's own process is gone.
      const stranger = { pid: process.ppid, uid: connection.peer.uid };
      expect(() => ProcessMemory.open(libc, stranger, connection.fd)).toThrow(/is not the peer any more/);
    } finally {
      process.kill(-child.pid!, 'SIGKILL');
    }
  });

  test('1,000 connections leave nothing behind', async () => {
    const held = openFiles();
    for (let round = 0; round < 20; round++) {
      const clients = Array.from({ length: 50 }, () => connectSeqpacket(libc, path));
      await until(() => accepted.length === 50);
      for (const client of clients) client.close();
      await until(() => accepted.every((connection) => connection.receive() === undefined && connection.ended));
      for (const connection of accepted) connection.close();
      accepted = [];
    }
    expect([openFiles(), server.counters.acceptedConnections]).toEqual([held, 1000]);
  });

  test('a connection outlives the server that accepted it', async () => {
    const { client, served } = await pair();
    server.close();
    client.send(bytes(6));
    expect([...served.receive()!.bytes]).toEqual([6]);
    served.send(bytes(7));
    expect([...client.receive()!.bytes]).toEqual([7]);
    client.close();
  });
});
