import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../base/random.ts';
import { DmaSpace } from './dma.ts';
import { Packet } from './packet.ts';
import { gather, scatter } from './scatter.ts';
import { Segments } from './work.ts';

/** A message in up to four segments, some of them empty, each in a region of its own. */
function message(random: SeededRandom) {
  const dma = new DmaSpace();
  const segments = new Segments();
  const memory: Uint8Array[] = [];
  const place: [number, number][] = [];
  for (let i = 1 + random.below(4); i > 0; i--) {
    const [before, length] = [random.below(5), random.below(90)];
    const bytes = new Uint8Array(before + length + 3);
    segments.add(dma.attach({ bytes, address: 0 }), before, length);
    for (let at = 0; at < length; at++) place.push([memory.length, before + at]);
    memory.push(bytes);
  }
  return { dma, segments, memory, place };
}

describe('payload and segments', () => {
  it('scatter puts each byte in its place and touches nothing else', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = new SeededRandom(seed);
      const { dma, segments, memory, place } = message(random);
      const offset = random.below(place.length + 1);
      const length = random.below(place.length + 10);
      const packet = new Packet(Uint8Array.from({ length: 7 + length }, (_, i) => i + 1));
      const expected = memory.map((bytes) => bytes.slice());
      for (const [i, [which, at]] of place.slice(offset, offset + length).entries())
        expected[which]![at] = (i + 8) & 0xff;
      expect(scatter(dma, segments, offset, packet, 7, length)).toBe(true);
      expect(memory, `seed ${seed}`).toEqual(expected);
    }
  });

  it('gather names the same bytes, or says that there are too few', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = new SeededRandom(seed);
      const { dma, segments, memory, place } = message(random);
      for (const [i, [which, at]] of place.entries()) memory[which]![at] = i + 1;
      const offset = random.below(place.length + 1);
      const length = random.below(place.length + 10);
      const out = new Packet(new Uint8Array(8));
      const fits = offset + length <= place.length;
      expect(gather(dma, segments, offset, out, length), `seed ${seed}`).toBe(fits);
      if (!fits) continue;
      const bytes: number[] = [];
      for (let i = 0; i < out.slices; i++) {
        const from = out.sliceOffset[i]!;
        bytes.push(...dma.target(out.sliceRegion[i]!)!.bytes.subarray(from, from + out.sliceLength[i]!));
      }
      expect(bytes).toEqual(Array.from({ length }, (_, i) => (offset + i + 1) & 0xff));
    }
  });

  it('both notice memory that has gone', () => {
    const { dma, segments } = message(new SeededRandom(5));
    segments.add(dma.attach({ bytes: new Uint8Array(50), address: 0 }), 0, 50);
    dma.detach(segments.region[segments.count - 1]!);
    const packet = new Packet(new Uint8Array(1000));
    expect(gather(dma, segments, 0, packet, segments.total())).toBe(false);
    expect(scatter(dma, segments, 0, packet, 0, segments.total())).toBe(false);
  });
});
