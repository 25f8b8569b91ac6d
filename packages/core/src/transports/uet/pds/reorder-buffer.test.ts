import { describe, expect, it } from 'vitest';
import { Packet } from '../../../engine/packet.ts';
import { ReorderBuffer } from './reorder-buffer.ts';

const packetOf = (length: number, salt: number): Packet => {
  const packet = new Packet(Uint8Array.from({ length: length + 7 }, (_, i) => (i + salt) & 0xff));
  packet.at = 7;
  packet.length = length;
  packet.path = 0x3fff_0001;
  packet.entropy = salt;
  packet.ecn = salt & 3;
  return packet;
};

describe('reorder buffer (uet:pds/5.4)', () => {
  it('gives back what was put in, bytes and all, also after the original was overwritten', () => {
    const buffer = new ReorderBuffer(16, 100);
    const one = packetOf(90, 3);
    expect(buffer.keep(5, 0, 0xffff_ffff, one)).toBe(true);
    one.bytes.fill(0);
    expect(buffer.take(5, 0)).toBeUndefined();
    expect(buffer.take(6, 0xffff_ffff)).toBeUndefined();
    const out = buffer.take(5, 0xffff_ffff)!;
    expect([...out.bytes.subarray(out.at, out.at + out.length)]).toEqual(Array.from({ length: 90 }, (_, i) => i + 10));
    expect([out.path, out.entropy, out.ecn, out.trimmed]).toEqual([0x3fff_0001, 3, 3, false]);
    expect(buffer.size).toBe(0);
    expect(buffer.take(5, 0xffff_ffff)).toBeUndefined();
  });

  it('refuses at its bound, for a context at its share, and what is longer than a packet (N28)', () => {
    const buffer = new ReorderBuffer(8, 100);
    expect(buffer.keep(1, 0, 1, packetOf(100 + 193, 1))).toBe(false);
    for (let owner = 0; owner < 4; owner++) {
      for (let held = 0; held < 2; held++) expect(buffer.keep(owner, held, held, packetOf(8, 1))).toBe(true);
      if (owner < 3) expect(buffer.keep(owner, 2, 9, packetOf(8, 1))).toBe(false);
    }
    expect(buffer.size).toBe(8);
    expect(buffer.keep(9, 0, 1, packetOf(8, 1))).toBe(false);
    buffer.release(2);
    expect(buffer.size).toBe(6);
    expect(buffer.take(2, 0)).toBeUndefined();
    expect(buffer.take(1, 1)).toBeDefined();
    expect(new ReorderBuffer(0, 100).keep(1, 0, 1, packetOf(8, 1))).toBe(false);
  });
});
