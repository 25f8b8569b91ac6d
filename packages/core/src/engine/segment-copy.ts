/** Copies between the segments of a request and bytes of an engine, for what is worked on before it travels. */
import type { DmaSpace } from './dma.ts';
import type { Segments } from './work.ts';

/**
 * Copies `total` bytes out of segments, from `skip` bytes on.
 * @returns false when a region is gone or the segments are shorter
 */
export function copyOut(
  dma: DmaSpace,
  segments: Segments,
  skip: number,
  into: Uint8Array,
  at: number,
  total: number,
): boolean {
  let before = skip;
  let done = 0;
  for (let i = 0; i < segments.count && done < total; i++) {
    const size = segments.length[i]!;
    if (before >= size) {
      before -= size;
      continue;
    }
    const part = Math.min(size - before, total - done);
    if (!dma.fetch(segments.region[i]!, segments.offset[i]! + before, into, at + done, part)) return false;
    done += part;
    before = 0;
  }
  return done === total;
}

/** The other way round. */
export function copyIn(
  dma: DmaSpace,
  segments: Segments,
  skip: number,
  from: Uint8Array,
  at: number,
  total: number,
): boolean {
  let before = skip;
  let done = 0;
  for (let i = 0; i < segments.count && done < total; i++) {
    const size = segments.length[i]!;
    if (before >= size) {
      before -= size;
      continue;
    }
    const part = Math.min(size - before, total - done);
    if (!dma.store(segments.region[i]!, segments.offset[i]! + before, from, at + done, part)) return false;
    done += part;
    before = 0;
  }
  return done === total;
}
