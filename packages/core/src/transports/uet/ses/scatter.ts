import type { Packet } from '../../../engine/packet.ts';
import type { Segments } from '../../../engine/work.ts';
import type { Core } from '../core.ts';

/**
 * Copies payload to its place in a list of segments; what lies beyond their end is left out.
 * @returns false when a region is gone
 */
export function scatter(
  core: Core,
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
    if (!core.services.dma.place(segments.region[i]!, segments.offset[i]! + skip, packet, at + done, part))
      return false;
    done += part;
    skip = 0;
  }
  return true;
}
