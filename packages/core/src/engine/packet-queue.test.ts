import { describe, expect, it } from 'vitest';
import { DmaSpace } from './dma.ts';
import { Packet } from './packet.ts';
import { PacketQueue } from './packet-queue.ts';

function queueOf(capacity: number) {
  const dma = new DmaSpace();
  const queue = new PacketQueue(dma, capacity, 4);
  const put = (value: number) => {
    const packet = queue.add();
    if (packet === undefined) return undefined;
    packet.length = 4;
    packet.path = value;
    packet.view.setUint32(0, value);
    return packet;
  };
  const out = new Packet(new Uint8Array(16), 8);
  return { dma, queue, put, out };
}

describe('a packet queue', () => {
  it('gives packets in their order, headers at the place of the slot, and says when it is full', () => {
    const { queue, put, out } = queueOf(3);
    for (let round = 0; round < 5; round++) {
      for (const value of [1, 2, 3]) expect(put(value + round)).toBeDefined();
      expect(put(9)).toBeUndefined();
      expect(queue.length).toBe(3);
      for (const value of [1, 2, 3]) {
        expect(queue.take(out)).toBe(true);
        expect([out.path, out.length, out.slices, out.view.getUint32(8)]).toEqual([value + round, 4, 0, value + round]);
      }
      expect(queue.take(out)).toBe(false);
    }
  });

  it('names the memory of a packet, and leaves out packets whose memory has gone', () => {
    const { dma, put, queue, out } = queueOf(4);
    const [kept, gone] = [1, 2].map(() => dma.attach({ bytes: new Uint8Array(10), address: 0 })) as [number, number];
    put(1)!.gather(gone, 0, 10);
    put(2)!.gather(kept, 3, 5);
    put(3);
    dma.detach(gone);
    expect(queue.take(out)).toBe(true);
    expect([out.path, out.slices, out.sliceRegion[0], out.sliceOffset[0], out.sliceLength[0]]).toEqual([
      2,
      1,
      kept,
      3,
      5,
    ]);
    expect(queue.take(out)).toBe(true);
    expect([out.path, out.slices]).toEqual([3, 0]);
    expect(queue.length).toBe(0);
  });
});
