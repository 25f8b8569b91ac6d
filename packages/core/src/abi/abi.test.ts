import { describe, expect, it } from 'vitest';
import { DOORBELL_PAGE_BYTES, DOORBELL_SLOTS, DoorbellPage } from './doorbell-page.ts';
import { CompletionEntry, ReceiveEntry, SegmentEntry, SendEntry } from './entries.ts';
import { Ring, RingError, ringBytes, ringSize } from './ring.ts';
import { pad, struct, u16, u32 } from './struct.ts';

describe.each([SendEntry, ReceiveEntry, SegmentEntry, CompletionEntry])('$name', (entry) => {
  it('has fields that do not overlap and leave the rest alone', () => {
    const view = new DataView(new ArrayBuffer(entry.bytes));
    const fields = Object.entries(entry.fields as Record<string, { width: number } & typeof SendEntry.fields.opcode>);
    const value = (i: number, width: number) => (width === 16 ? 0xa001 + i : 0xa000_0001 + i);
    for (const [i, [, field]] of fields.entries()) field.set(view, 0, value(i, field.width));
    for (const [i, [name, field]] of fields.entries()) expect(field.get(view, 0), name).toBe(value(i, field.width));
    let at = 0;
    for (const member of Object.values(entry.members)) {
      if (member.kind === 'pad') {
        expect(new Uint8Array(view.buffer, at, member.bytes).every((byte) => byte === 0)).toBe(true);
      }
      at += member.bytes;
    }
  });
});

describe('struct', () => {
  it('refuses what does not add up or is not aligned', () => {
    expect(() => struct('short', 8, { a: u32('') })).toThrow('4 bytes, not 8');
    expect(() => struct('crooked', 8, { a: u16(''), b: u32(''), _c: pad(2) })).toThrow('not aligned');
  });

  it('is little-endian', () => {
    const view = new DataView(new ArrayBuffer(128));
    SendEntry.fields.jobKey.set(view, 0, 0x0102_0304);
    expect([...new Uint8Array(view.buffer, 8, 4)]).toEqual([4, 3, 2, 1]);
  });
});

describe('Ring', () => {
  it('has places for its entries, also when indices go through 2^31 and 2^32', () => {
    const ring = new Ring(new Uint8Array(ringBytes(8, 64)), 8, 64);
    const places = [-2, -1, 0, 1, 5].map((index) => ring.at(index));
    expect(places.map((at) => (at - ring.at(0)) / 64)).toEqual([6, 7, 0, 1, 5]);
    expect(ring.at(0x7fff_ffff)).toBe(ring.at((0x7fff_ffff + 8) | 0));
    expect(ring.at(7) + 64).toBe(ring.bytes.length);
  });

  it('is armed once', () => {
    const ring = new Ring(new Uint8Array(ringBytes(1, 64)), 1, 64);
    expect(ring.disarm()).toBe(false);
    ring.arm();
    expect([ring.disarm(), ring.disarm()]).toEqual([true, false]);
    ring.publish(-5);
    ring.retire(-6);
    ring.setError(RingError.OVERRUN);
    expect([ring.producer(), ring.consumer(), ring.error()]).toEqual([-5, -6, 1]);
  });

  it('has a size that is a power of two', () => {
    expect([1, 2, 3, 1000, 1024].map(ringSize)).toEqual([1, 2, 4, 1024, 1024]);
    expect(() => new Ring(new Uint8Array(1000), 3, 64)).toThrow('power of two');
    expect(() => new Ring(new Uint8Array(500), 4, 64)).toThrow('too short');
  });
});

describe('DoorbellPage', () => {
  it('tells each slot once, the last one too', () => {
    const bytes = new Uint8Array(DOORBELL_PAGE_BYTES);
    const [program, device] = [new DoorbellPage(bytes), new DoorbellPage(bytes)];
    expect(device.rung()).toBe(false);
    expect(program.ring(31)).toBe(true);
    expect(program.ring(31)).toBe(false);
    expect(program.ring(DOORBELL_SLOTS - 1)).toBe(true);
    expect(device.rung()).toBe(true);
    device.accept();
    expect(device.rung()).toBe(false);
    expect([device.take(0), device.take(0), device.take((DOORBELL_SLOTS >> 5) - 1)]).toEqual([1 << 31, 0, 1 << 31]);
    expect(program.ring(31)).toBe(true);
    expect(device.rung()).toBe(true);
    device.setAsleep(true);
    expect(program.asleep()).toBe(true);
  });
});
