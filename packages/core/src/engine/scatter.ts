/** Between the payload of a packet and the segments of a work request: each packet carries a stretch of the message. */
import type { DmaSpace } from './dma.ts';
import type { Packet } from './packet.ts';
import type { Segments } from './work.ts';

/**
 * Names the bytes `offset` to `offset + length` of a message as payload of a packet.
 * @returns false when a region, or what it named, is gone or the segments are shorter
 */
export function gather(dma: DmaSpace, segments: Segments, offset: number, out: Packet, length: number): boolean {
  let skip = offset;
  let left = length;
  for (let i = 0; i < segments.count && left > 0; i++) {
    const size = segments.length[i]!;
    if (skip >= size) {
      skip -= size;
      continue;
    }
    const part = Math.min(size - skip, left);
    const region = segments.region[i]!;
    if (!dma.readable(region, segments.offset[i]! + skip, part)) return false;
    out.gather(region, segments.offset[i]! + skip, part);
    left -= part;
    skip = 0;
  }
  return left === 0;
}

/**
 * Copies payload to its place in a list of segments; what lies beyond their end is left out.
 * @returns false when a region is gone
 */
export function scatter(
  dma: DmaSpace,
  segments: Segments,
  offset: number,
  packet: Packet,
  at: number,
  length: number,
): boolean {
  let skip = offset;
  let done = 0;
  for (let i = 0; i < segments.count && done < length; i++) {
    const size = segments.length[i]!;
    if (skip >= size) {
      skip -= size;
      continue;
    }
    const part = Math.min(size - skip, length - done);
    if (!dma.place(segments.region[i]!, segments.offset[i]! + skip, packet, at + done, part)) return false;
    done += part;
    skip = 0;
  }
  return true;
}
