import { networkInterfaces } from 'node:os';
import { DmaSpace, type Engine, type Packet } from '@verbena/core';
import { parseAddress } from '@verbena/core/wire';
import { describe, expect, test } from 'vitest';
import { loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import { openWire } from './open-wire.ts';
import { isLinkLocal, parseZonedAddress, withZone } from './zoned-address.ts';

const linkLocal = Object.entries(networkInterfaces())
  .flatMap(([name, entries]) => (entries ?? []).map((entry) => ({ name, ...entry })))
  .find(({ address }) => address.startsWith('fe80:'));
if (linkLocal === undefined) console.log('skipped: link-local addresses: no interface has one');

describe('an address with a zone (RFC 4007 §11)', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1', 0],
    ['::1', '::1', 0],
    ['fe80::1%7', 'fe80::1%7', 7],
    ['FE80:0::1%7', 'fe80::1%7', 7],
  ])('%s', (text, canonical, scope) => {
    const zoned = parseZonedAddress(text)!;
    expect([zoned.text, zoned.scope]).toEqual([canonical, scope]);
  });

  test.each(['::1%', '::1%0', '::1%nowhere0', '::1%../lo', '::1%..', '127.0.0.1%1', '%1', 'fe80::1%1%1', 'host%1'])(
    '%s is none',
    (text) => expect(parseZonedAddress(text)).toBeUndefined(),
  );

  test('has the number of its interface', () => {
    for (const [name, entries] of Object.entries(networkInterfaces())) {
      for (const entry of entries ?? []) {
        if (entry.family !== 'IPv6' || entry.scopeid === 0) continue;
        expect(parseZonedAddress(`fe80::1%${name}`)!.scope).toBe(entry.scopeid);
      }
    }
    if (process.platform === 'linux') expect(parseZonedAddress('::1%lo')!.scope).toBeGreaterThan(0);
  });

  test('keeps it for Node only where it means something', () => {
    expect(withZone(parseAddress('fe80::1')!, 'lo')).toBe('fe80::1%lo');
    expect(withZone(parseAddress('febf::1')!, '')).toBe('febf::1');
    expect(withZone(parseAddress('fd00::1')!, 'lo')).toBe('fd00::1');
    expect(isLinkLocal(parseAddress('fec0::1')!)).toBe(false);
  });

  for (const io of ['auto', 'batch', 'dgram'] as const) {
    test.skipIf(linkLocal === undefined)(`sends and receives on its link, level ${io}`, async () => {
      const libc = await loadLibc();
      if (libc === undefined && io === 'batch') return console.log('skipped: level batch: no C library');
      const { address, name } = linkLocal!;
      const options = { address: `${address}%${name}`, port: 0, peerPort: 0, entropies: 2 };
      const wires = [0, 1].map(() => openWire(libc, new MemoryPool(libc), new DmaSpace(), options, io));
      const [a, b] = [await wires[0]!, await wires[1]!];
      try {
        expect(a.local.text).toBe(address);
        let seen = '';
        const engine = {
          receive: (_now: number, { bytes, at, length }: Packet) => {
            seen = Buffer.from(bytes.subarray(at, at + length)).toString();
          },
        } as unknown as Engine;
        for (const [from, to, text] of [
          [a, b, 'there'],
          [b, a, 'and back'],
        ] as const) {
          const slot = from.slot()!;
          slot.path = from.path({ address: to.local.address, port: to.local.port });
          slot.length = text.length;
          slot.bytes.set(Buffer.from(text), slot.at);
          from.send(0);
          from.flush(0);
          while (to.receive(0, engine) === 0) await new Promise(setImmediate);
          expect(seen).toBe(text);
          expect(from.counters()).toMatchObject({ sendErrors: 0, unsendable: 0 });
        }
      } finally {
        a.close();
        b.close();
      }
    });
  }
});
