/** What the kernel can answer to a send, played by a stand-in for the C library. */
import { DmaSpace, type Engine, NEVER, type Packet } from '@verbena/core';
import { afterEach, describe, expect, test } from 'vitest';
import { ERRNO, type Libc, libcProblem, loadLibc } from '../memory/libc.ts';
import { type MappedMemory, MemoryPool } from '../memory/mapped-memory.ts';
import { GsoWire } from './gso-wire.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: refused sends: ${libcProblem()}`);
const open: GsoWire[] = [];
afterEach(() => {
  for (const wire of open.splice(0)) wire.close();
});

const COUNT = 40;

/** A sender whose system calls fail as `refuse` says, its receiver, and memory to send from. */
function setUp(refuse: (segments: number) => number): { a: GsoWire; b: GsoWire; memory: MappedMemory; fill(): void } {
  let error = 0;
  const words = new Map<number, Uint32Array>();
  const standIn: Libc = {
    ...libc!,
    sendmsg(fd, header, flags) {
      let view = words.get(header);
      if (view === undefined) words.set(header, (view = new Uint32Array(libc!.view(header, 64))));
      error = refuse(view[10]! > 0 ? 2 : 1);
      return error === 0 ? libc!.sendmsg(fd, header, flags) : -1;
    },
    errno: () => (error === 0 ? libc!.errno() : error),
  };
  const pool = new MemoryPool(libc);
  const options = { port: 0, peerPort: 1, entropies: 2, address: '127.0.0.93' };
  const a = new GsoWire(standIn, pool, new DmaSpace(), options, 'gso');
  const b = new GsoWire(libc!, pool, new DmaSpace(), options, 'gso');
  open.push(a, b);
  const memory = pool.allocate(COUNT * 1000);
  const region = a.dma.attach({ bytes: memory.bytes, address: memory.address });
  const path = a.path({ address: b.local.address, port: b.local.port });
  return {
    a,
    b,
    memory,
    fill() {
      for (let i = 0; i < COUNT; i++) {
        memory.bytes.fill(i + 1, 1000 * i, 1000 * i + 1000);
        const slot = a.slot()!;
        slot.path = path;
        slot.length = 4;
        slot.view.setUint32(slot.at, i);
        slot.gather(region, 1000 * i, 1000 - (i % 5 === 4 ? 10 : 0));
        a.send(0);
      }
    },
  };
}

/** The sequence numbers that arrived; every packet must be whole. */
function arrived(wire: GsoWire): number[] {
  const numbers: number[] = [];
  const engine = {
    receive(_now: number, packet: Packet) {
      const i = packet.view.getUint32(packet.at);
      expect(packet.length).toBe(4 + 1000 - (i % 5 === 4 ? 10 : 0));
      expect(packet.bytes.subarray(packet.at + 4, packet.at + packet.length).every((byte) => byte === i + 1)).toBe(
        true,
      );
      numbers.push(i);
    },
  } as unknown as Engine;
  while (wire.receive(0, engine) > 0);
  return numbers;
}

const ALL = Array.from({ length: COUNT }, (_, i) => i);

describe.skipIf(libc === undefined)('a send that the kernel refuses', () => {
  test.each([ERRNO.EAGAIN, ERRNO.ENOBUFS])(
    'because it is full is kept and sent later, as it was (errno %i)',
    (error) => {
      let calls = 0;
      const { a, b, memory, fill } = setUp(() => (++calls > 3 && calls < 7 ? error : 0));
      fill();
      a.flush(0);
      expect(a.deadline()).toBeLessThan(NEVER);
      expect(a.deadline()).toBeGreaterThan(0);
      memory.bytes.fill(0xee); // the program does with its memory what it likes
      for (let i = 0; i < 5; i++) a.flush(i);
      expect(a.deadline()).toBe(NEVER);
      expect(arrived(b)).toEqual(ALL);
      expect(a.counters()).toMatchObject({ sendWouldBlock: 3, sentDatagrams: COUNT, sendErrors: 0 });
    },
  );

  test('for good stops the flow at the bound, without losing or spinning', () => {
    let full = true;
    const { a, b, fill } = setUp(() => (full ? ERRNO.EAGAIN : 0));
    fill();
    a.flush(0);
    fill();
    fill();
    expect(() => fill()).toThrow(); // no slot
    a.flush(1);
    full = false;
    a.flush(2);
    const numbers = arrived(b);
    expect(numbers.slice(0, 3 * COUNT)).toEqual([...ALL, ...ALL, ...ALL]);
    expect(a.slot()).toBeDefined();
  });

  test('because it cannot segment goes out singly, and from then on always', () => {
    const { a, b, fill } = setUp((segments) => (segments > 1 ? ERRNO.EIO : 0));
    expect(a.level).toBe('gso');
    fill();
    a.flush(0);
    expect(arrived(b)).toEqual(ALL);
    expect(a.level).toBe('batch');
    fill();
    a.flush(0);
    expect(arrived(b)).toEqual(ALL);
    expect(a.counters().sendErrors).toBe(0);
  });

  test('for any other reason is lost, counted, and does not stop the rest', () => {
    let calls = 0;
    const { a, b, fill } = setUp(() => (++calls === 1 ? ERRNO.EPERM : 0));
    fill();
    a.flush(0);
    const { sendErrors, sentDatagrams } = a.counters();
    expect(sendErrors).toBeGreaterThan(0);
    expect(sendErrors! + sentDatagrams!).toBe(COUNT);
    expect(arrived(b)).toEqual(ALL.slice(sendErrors));
  });

  test('because an earlier packet met a closed port is tried again', () => {
    let calls = 0;
    const { a, b, fill } = setUp(() => (++calls === 1 ? ERRNO.ECONNREFUSED : 0));
    fill();
    a.flush(0);
    a.flush(1);
    expect(arrived(b)).toEqual(ALL);
    expect(a.counters().refused).toBe(1);
  });
});
