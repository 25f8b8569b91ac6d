import { SeededRandom } from '@verbena/core';
import { parseAddress } from '@verbena/core/wire';
import { describe, expect, test } from 'vitest';
import { MAX_PATHS, PeerTable } from './peer-table.ts';

const SELF = parseAddress('10.0.0.1')!;
const PEER = parseAddress('10.0.0.2')!;

describe('peer table', () => {
  test('a peer is its address: every source port is the same path', () => {
    const table = new PeerTable(SELF, 4793);
    const path = arrival(table, PEER, 50_000);
    expect(path).toBe(1);
    expect(arrival(table, PEER, 60_001)).toBe(path);
    expect(table.peer(path)).toEqual({ address: PEER, port: 4793 });
    expect(table.path({ address: PEER, port: 4793 })).toBe(path);
    expect(table.path({ address: PEER, port: 0 })).toBe(path);
  });

  test('a path made with a port is what packets of that address belong to, also when they came first', () => {
    const table = new PeerTable(SELF, 4793);
    const first = arrival(table, PEER, 50_000);
    const made = table.path({ address: PEER, port: 5000 });
    expect(made).not.toBe(first);
    expect(arrival(table, PEER, 50_000)).toBe(made);
    expect(table.renamed).toBeGreaterThan(1);
    expect(table.path({ address: PEER, port: 6000 })).not.toBe(made);
    expect(arrival(table, PEER, 50_000)).toBe(made);
  });

  test('on our own address the source port is the name, and packets leave through the main socket', () => {
    const table = new PeerTable(SELF, 4793);
    const one = arrival(table, SELF, 5001);
    const two = arrival(table, SELF, 5002);
    expect(one).not.toBe(two);
    expect([table.port(one), table.own[one], table.own[arrival(table, PEER, 1)]]).toEqual([5001, 1, 0]);
    expect(table.path({ address: SELF, port: 5002 })).toBe(two);
  });

  test('the table is bounded: unknown sources leave room for address handles, and then it is full', () => {
    const table = new PeerTable(SELF, 4793);
    const random = new SeededRandom(3);
    const seen = new Map<string, number>();
    for (let i = 0; i < 2 * MAX_PATHS; i++) {
      const address = new Uint8Array(16).map(() => random.uint32());
      const path = arrival(table, address, 1);
      if (path !== 0) seen.set(address.toString(), path);
    }
    expect(table.size).toBe(3072);
    expect(seen.size).toBe(3072);
    for (const [text, path] of seen) expect(arrival(table, Uint8Array.from(text.split(',').map(Number)), 2)).toBe(path);
    expect(table.path({ address: PEER, port: 1 })).toBe(3073);
    for (let port = 2; port < 2 + MAX_PATHS; port++) table.path({ address: PEER, port });
    expect(table.size).toBe(MAX_PATHS);
    expect(table.path({ address: PEER, port: 60_000 })).toBe(0);
    expect(table.path({ address: PEER, port: 1 })).toBe(3073);
  });
});

function arrival(table: PeerTable, address: Uint8Array, port: number): number {
  const words = new Int32Array(Uint8Array.from(address).buffer);
  return table.arrival(words[0]!, words[1]!, words[2]!, words[3]!, port);
}
