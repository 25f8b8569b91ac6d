import { DmaSpace, type Engine, isVerbsError, type Packet } from '@verbena/core';
import { parseAddress } from '@verbena/core/wire';
import { afterEach, describe, expect, test } from 'vitest';
import { libcProblem, loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import { BareSocket } from './bare-socket.testdata.ts';
import { DgramWire } from './dgram-wire.ts';
import { GsoWire } from './gso-wire.ts';
import type { WireOptions } from './live-wire.ts';
import { trafficClasses } from './traffic-classes.ts';

const libc = await loadLibc();
const pool = new MemoryPool(libc);
if (libc === undefined) console.log(`skipped: traffic classes of packets: ${libcProblem()}`);
const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

describe('DSCP of a device (uet:pds/1.4)', () => {
  test('is that of the reference provider, but for loopback, where nobody looks at it', () => {
    for (const address of ['10.0.0.1', 'fd00::1', '::2']) {
      expect(trafficClasses(undefined, parseAddress(address)!)).toEqual({ data: 0, control: 46 });
    }
    for (const address of ['127.0.0.1', '127.9.9.9', '::1']) {
      expect(trafficClasses(undefined, parseAddress(address)!)).toEqual({ data: 0, control: 0 });
    }
    expect(trafficClasses({ data: 8 }, parseAddress('10.0.0.1')!)).toEqual({ data: 8, control: 46 });
  });

  test.each([
    [{ data: 64 }, /dscp\.data cannot be 64(.|\n)*0 to 63/],
    [{ control: -1 }, /dscp\.control/],
    [{ trimmed: 1.5 }, /dscp\.trimmed/],
    [{ data: 10, trimmed: 10 }, /DSCP 10 cannot mean a whole packet and one that was cut/],
    [{ control: 3, trimmedLastHop: 3 }, /DSCP 3 cannot mean/],
  ])('refuses %j', (asked, text) => {
    try {
      trafficClasses(asked, parseAddress('10.0.0.1')!);
      expect.unreachable();
    } catch (error) {
      expect(isVerbsError(error) && `${error.code} ${error.explain()}`).toMatch(text);
    }
  });

  test('that was asked for is refused where it cannot be set, level dgram', async () => {
    const options = { ...OPTIONS, address: '127.0.0.131', classes: { data: 8, control: 46 } };
    const wire = await DgramWire.open(new DmaSpace(), options);
    open.push(wire);
    const refused = DgramWire.open(new DmaSpace(), { ...options, classesAsked: true });
    expect(await refused.then(String, (error) => error.explain())).toMatch(/EOPNOTSUPP(.|\n)*no option dscp/);
  });
});

describe.skipIf(libc === undefined)('traffic class of packets in UDP (uet:pds/1.4)', () => {
  for (const level of ['gso', 'batch'] as const) {
    test.each(addressPairs())(`tells control from data, with ECN beside it, level ${level}, %s`, async (from, to) => {
      const wire = openWire(level, from, { classes: { data: 10, control: 46 } });
      const peer = new BareSocket(libc!, pool, to, 0x1299);
      open.push(peer);
      const path = wire.path({ address: parseAddress(to)!, port: 0x1299 });
      const kinds = [...'ddddccdcd'];
      for (const [i, kind] of kinds.entries()) {
        const slot = wire.slot()!;
        slot.path = path;
        slot.control = kind === 'c';
        slot.ecn = i % 4 === 3 ? 0 : 2;
        slot.length = 10;
        slot.bytes[slot.at] = i;
        wire.send(0);
      }
      wire.flush(0);
      for (const [i, kind] of kinds.entries()) {
        const { bytes, trafficClass } = await arrived(peer);
        expect([bytes[0], trafficClass >> 2, trafficClass & 3]).toEqual([
          i,
          kind === 'c' ? 46 : 10,
          i % 4 === 3 ? 0 : 2,
        ]);
      }
    });

    test.each(addressPairs())(
      `CE that was set on the way is seen on the packet, level ${level}, %s`,
      async (to, from) => {
        const wire = openWire(level, to);
        const sender = new BareSocket(libc!, pool, from, 0);
        open.push(sender);
        const classes = [3, 2, 0, 46 * 4 + 3, 1];
        for (const [i, trafficClass] of classes.entries()) {
          sender.send(Uint8Array.of(i, i, i), to, wire.local.port, trafficClass);
        }
        const seen: number[] = [];
        const engine = { receive: (_: number, { ecn }: Packet) => seen.push(ecn) } as unknown as Engine;
        while (seen.length < classes.length) if (wire.receive(0, engine) === 0) await new Promise(setImmediate);
        expect(seen).toEqual([3, 2, 0, 3, 1]);
      },
    );
  }

  test('of one burst is one class: packets of equal class leave together', async () => {
    const wire = openWire('gso', '127.0.0.131', { classes: { data: 10, control: 10 } });
    const path = wire.path({ address: parseAddress('127.0.0.132')!, port: 9 });
    for (let i = 0; i < 20; i++) {
      const slot = wire.slot()!;
      slot.path = path;
      slot.control = i % 2 === 1;
      slot.length = 10;
      wire.send(0);
    }
    wire.flush(0);
    expect(wire.counters()).toMatchObject({ bursts: 1, sentDatagrams: 20 });
  });
});

function openWire(level: 'gso' | 'batch', address: string, options: Partial<WireOptions> = {}): GsoWire {
  const wire = new GsoWire(libc!, pool, new DmaSpace(), { ...OPTIONS, address, ...options }, level);
  open.push(wire);
  return wire;
}

async function arrived(socket: BareSocket) {
  for (;;) {
    const got = socket.receive();
    if (got !== undefined) return got;
    await new Promise(setImmediate);
  }
}

function addressPairs() {
  return [
    ['127.0.0.131', '127.0.0.132'],
    ['::1', '::1'],
  ] as const;
}

const OPTIONS = { port: 0, peerPort: 4793, entropies: 2 };
