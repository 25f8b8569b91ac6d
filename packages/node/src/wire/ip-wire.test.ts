/** Packets directly over IP, on the loopback interface. What a raw socket sees beside them is what a network would. */
import { DmaSpace, type Engine, isVerbsError, type Packet, SeededRandom, transportOfAddress } from '@verbena/core';
import { checkUetCrc, EntropyHeader, Ipv4, parseAddress } from '@verbena/core/wire';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ERRNO, LINUX, type Libc, libcProblem, loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import { BareSocket } from './bare-socket.testdata.ts';
import { DgramWire } from './dgram-wire.ts';
import { GsoWire } from './gso-wire.ts';
import type { WireOptions } from './live-wire.ts';
import { openWireNow } from './open-wire.ts';

/** Not the usual number: nobody else's packets are seen. */
const PROTOCOL = 250;
const libc = await loadLibc();
const pool = new MemoryPool(libc);
const missing = rawSocketProblem();
if (missing !== '') console.log(`skipped: packets directly over IP: ${missing}`);
const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

const PAIRS = [
  ['127.0.0.141', '127.0.0.142'],
  ['::1', '::1'],
] as const;

describe.skipIf(missing !== '')('packets directly over IP (uet:pds/1.3)', () => {
  test.each(PAIRS)(
    'of mixed sizes arrive whole and in order, many with one system call, %s (R181)',
    async (from, to) => {
      const [a, b] = from === to ? [openWire(from), undefined] : [openWire(from), openWire(to)];
      const random = new SeededRandom(11);
      const memory = pool.allocate(1 << 17);
      for (let i = 0; i < memory.bytes.length; i++) memory.bytes[i] = random.uint32();
      const region = a.dma.attach({ bytes: memory.bytes, address: memory.address });
      const path = a.path({ address: parseAddress(to)!, port: 4793 });
      const expected: Uint8Array[] = [];
      for (let i = 0; i < 100; i++) {
        const slot = a.slot()!;
        slot.path = path;
        slot.entropy = i % 3;
        slot.length = 20;
        slot.bytes.fill(i, slot.at, slot.at + 20);
        const [at, size] = [random.below(60_000), [0, 1, 255, 256, 257, 1024, 4096][i % 7]!];
        slot.gather(region, at, size);
        expected.push(Buffer.concat([new Uint8Array(20).fill(i), memory.bytes.slice(at, at + size)]));
        a.send(0);
      }
      a.flush(0);
      const got = await collect(b ?? a, 100);
      for (const [i, packet] of got.entries()) {
        expect(Buffer.compare(packet.bytes, expected[i]!), `packet ${i}`).toBe(0);
        expect(packet.entropy).toBe(i % 3);
      }
      expect(a.counters()).toMatchObject({ sentDatagrams: 100, sendErrors: 0, unsendable: 0 });
      expect(a.counters()['bursts']).toBeLessThan(100);
    },
  );

  test('have protocol, flags, class and entropy header where they belong (uet:pds/1.4)', async () => {
    const a = openWire('127.0.0.141', { classes: { data: 10, control: 46 } });
    const witness = bare('127.0.0.143');
    for (const control of [false, true]) {
      const slot = a.slot()!;
      slot.path = a.path({ address: parseAddress('127.0.0.143')!, port: 1 });
      slot.entropy = 0x4242;
      slot.ecn = 2;
      slot.control = control;
      slot.length = 3;
      slot.bytes.set([7, 8, 9], slot.at);
      a.send(0);
    }
    a.flush(0);
    for (const dscp of [10, 46]) {
      const { bytes } = await arrived(witness);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      expect(Ipv4.protocol.get(view, 0)).toBe(PROTOCOL);
      expect([Ipv4.df.get(view, 0), Ipv4.ihl.get(view, 0), Ipv4.ttl.get(view, 0)]).toEqual([1, 5, 64]);
      expect([Ipv4.dscp.get(view, 0), Ipv4.ecn.get(view, 0)]).toEqual([dscp, 2]);
      expect(EntropyHeader.entropy.get(view, 20)).toBe(0x4242);
      expect([...bytes.subarray(20)]).toEqual([0x42, 0x42, 0, 0, 7, 8, 9]);
    }
  });

  test('carry a CRC over addresses, entropy header and the rest (uet:pds/1.7)', async () => {
    const seal = transportOfAddress('UET/IP')!.sealFor!({ crc: 1 })!;
    const [a, b] = [openWire('127.0.0.141', { seal }), openWire('127.0.0.142', { seal })];
    const witness = bare('127.0.0.142');
    for (const damaged of [false, true]) {
      sendText(a, '127.0.0.142', 'sealed', 3, damaged);
      const frame = await arrived(witness);
      expect(checkUetCrc(frame.bytes)).toBe(!damaged);
      const [packet] = await collect(b, 1);
      expect([packet!.text, packet!.damaged]).toEqual(['sealed', damaged]);
    }
  });

  test('of any entropy value are answered with that value, whatever port a peer is said to have (uet:pds/1.2)', async () => {
    const [a, b] = [openWire('127.0.0.141'), openWire('127.0.0.142')];
    sendText(a, '127.0.0.142', 'asked', 0xbeef);
    const [packet] = await collect(b, 1);
    expect(packet!.entropy).toBe(0xbeef);
    expect(b.path({ address: a.local.address, port: 4793 })).toBe(packet!.path);
    expect(b.peer(packet!.path)).toEqual({ address: a.local.address, port: 0 });
    sendText(b, '127.0.0.141', 'answered', packet!.entropy);
    expect((await collect(a, 1))[0]).toMatchObject({ text: 'answered', entropy: 0xbeef });
  });

  test('that a switch has cut are known by their DSCP (uet:pds/1.8)', async () => {
    const classes = { data: 0, control: 46, trimmed: 12, trimmedLastHop: 13 };
    const seal = transportOfAddress('UET/IP')!.sealFor!({ crc: 1 })!;
    const a = openWire('127.0.0.141', { classes, seal });
    const sender = bare('127.0.0.144');
    for (const dscp of [12, 13]) {
      sender.send(Uint8Array.of(0, 1, 0, 0, 5, 5, 5), '127.0.0.141', 0, dscp * 4 + 3);
      const [packet] = await collect(a, 1);
      expect(packet).toMatchObject({ trimmed: true, trimmedLastHop: dscp === 13, damaged: false, ecn: 3 });
      expect(packet!.bytes.length).toBe(3);
    }
  });

  test.each(PAIRS)('that end too early are counted, and nothing else happens, %s', async (_, to) => {
    const a = openWire(to);
    const sender = bare(to === '::1' ? '::1' : '127.0.0.144');
    for (let length = 0; length <= 5; length++) sender.send(new Uint8Array(length).fill(9), to, 0);
    expect((await collect(a, 1))[0]!.bytes.length).toBe(1);
    expect(a.counters()).toMatchObject({ malformed: 5, receivedDatagrams: 1 });
  });

  test('are only for one device of an address, until it closes', () => {
    const a = openWire('127.0.0.141');
    const error = refusal(() => openWire('127.0.0.141'));
    expect(error).toMatch(/EADDRINUSE(.|\n)*another device has IP protocol 250 of 127\.0\.0\.141(.|\n)*try/);
    openWire('127.0.0.141', { ipProtocol: PROTOCOL + 1 });
    a.close();
    openWire('127.0.0.141');
    expect(refusal(() => openWire('192.0.2.1'))).toMatch(/EADDRNOTAVAIL/);
  });

  test('without CAP_NET_RAW: one error says which right is missing, and what works without', () => {
    const refused: Libc = { ...libc!, socket: () => -1, errno: () => ERRNO.EPERM };
    const error = refusal(() => openWire('127.0.0.141', {}, refused));
    expect(error).toMatch(
      /EACCES(.|\n)*missing +the right to raw sockets \(CAP_NET_RAW\)(.|\n)*try +encapsulation: 'udp'/,
    );
  });

  test('that do not fit the path are counted and said once, with what would help', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const long: Libc = { ...libc!, sendmsg: () => -1, errno: () => ERRNO.EMSGSIZE };
    const a = openWire('127.0.0.141', {}, long);
    for (let i = 0; i < 3; i++) sendText(a, '127.0.0.142', 'too long', 0);
    expect(a.counters()).toMatchObject({ sendTooLong: 3, sendErrors: 0, sentDatagrams: 0 });
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]).toEqual([
      'packets of 32 bytes do not fit the path from 127.0.0.141 to 127.0.0.142, which carries 65535; they are lost',
      expect.objectContaining({ code: 'VERBENA_PATH_MTU', detail: expect.stringContaining('linkMtu: 65535') }),
    ]);
    warn.mockRestore();
  });

  test("are beyond Node's own sockets, and beyond segmentation", async () => {
    const options = wireOptions('127.0.0.141');
    const opened = DgramWire.open(new DmaSpace(), options).then(String, (error) => error.explain());
    expect(await opened).toMatch(/EOPNOTSUPP(.|\n)*try +encapsulation: 'udp'/);
    const gso = () => openWireNow(libc, pool, new DmaSpace(), options, 'gso');
    expect(refusal(gso)).toMatch(/EOPNOTSUPP(.|\n)*segmented(.|\n)*batch/);
  });
});

/** @returns why raw sockets cannot be had; '' when they can */
function rawSocketProblem(): string {
  if (libc === undefined) return libcProblem();
  const fd = libc.socket(LINUX.AF_INET, LINUX.SOCK_RAW | LINUX.SOCK_CLOEXEC, PROTOCOL);
  if (fd < 0) return 'this user may not open raw sockets (CAP_NET_RAW)';
  libc.close(fd);
  return '';
}

function wireOptions(address: string): WireOptions {
  return { address, port: 0, peerPort: 4793, entropies: 4, ipProtocol: PROTOCOL };
}

function openWire(address: string, options: Partial<WireOptions> = {}, calls: Libc = libc!): GsoWire {
  const wire = new GsoWire(calls, pool, new DmaSpace(), { ...wireOptions(address), ...options }, 'gso');
  open.push(wire);
  expect(wire.level).toBe('batch');
  expect(wire.local.port).toBe(0);
  return wire;
}

function bare(address: string): BareSocket {
  const socket = new BareSocket(libc!, pool, address, 0, PROTOCOL);
  open.push(socket);
  return socket;
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isVerbsError(error)) return `${error.code} ${error.explain()}`;
    throw error;
  }
  throw new Error('it was not refused');
}

function sendText(wire: GsoWire, to: string, text: string, entropy: number, damaged = false): void {
  const slot = wire.slot()!;
  slot.path = wire.path({ address: parseAddress(to)!, port: 0 });
  slot.entropy = entropy;
  slot.length = text.length;
  slot.damaged = damaged;
  slot.bytes.set(Buffer.from(text), slot.at);
  wire.send(0);
  wire.flush(0);
}

type Seen = Pick<Packet, 'path' | 'entropy' | 'ecn' | 'trimmed' | 'trimmedLastHop' | 'damaged'> & {
  readonly bytes: Uint8Array;
  readonly text: string;
};

/** Drives the wire until `count` packets have come; the test's time limit ends a wait in vain. */
async function collect(wire: GsoWire, count: number): Promise<Seen[]> {
  const seen: Seen[] = [];
  const engine = {
    receive: (_now: number, packet: Packet) => {
      const { path, entropy, ecn, trimmed, trimmedLastHop, damaged } = packet;
      const bytes = packet.bytes.slice(packet.at, packet.at + packet.length);
      seen.push({ path, entropy, ecn, trimmed, trimmedLastHop, damaged, bytes, text: Buffer.from(bytes).toString() });
    },
  } as unknown as Engine;
  while (seen.length < count) if (wire.receive(0, engine) === 0) await new Promise(setImmediate);
  return seen;
}

async function arrived(socket: BareSocket) {
  for (;;) {
    const got = socket.receive();
    if (got !== undefined) return got;
    await new Promise(setImmediate);
  }
}
