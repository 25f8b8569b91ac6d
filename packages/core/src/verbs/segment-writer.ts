/** Writes what a request names of registered memory into a ring entry. */
import { PAYLOAD_AT, SegmentEntry } from '../abi/entries.ts';
import { MAX_SEGMENTS } from '../engine/work.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { RequestFault } from './request-faults.ts';
import type { Segment } from './work-request.ts';

const { lkey, length: segmentLength, offsetLo, offsetHi } = SegmentEntry.fields;

/** @returns the number of segments, or a negative `RequestFault` */
export function writeData(
  pd: ProtectionDomain,
  view: DataView,
  at: number,
  region: MemoryRegion | undefined,
  offset: number | undefined,
  length: number | undefined,
  list: readonly Segment[] | undefined,
): number {
  if (region !== undefined) {
    if (list !== undefined) return -RequestFault.TWO_SOURCES;
    const from = offset ?? 0;
    const fault = writeSegment(pd, view, at + PAYLOAD_AT, region, from, length ?? region.length - from);
    return fault === RequestFault.NONE ? 1 : -fault;
  }
  if (list === undefined) return length === undefined || length === 0 ? 0 : -RequestFault.NO_REGION;
  if (list.length > MAX_SEGMENTS) return -RequestFault.SEGMENTS;
  for (let i = 0; i < list.length; i++) {
    const one = list[i]!;
    const place = at + PAYLOAD_AT + i * SegmentEntry.bytes;
    const fault = writeSegment(pd, view, place, one.region, one.offset, one.length);
    if (fault !== RequestFault.NONE) return -fault;
  }
  return list.length;
}

/** @returns one of `RequestFault` */
export function writeSegment(
  pd: ProtectionDomain,
  view: DataView,
  at: number,
  region: MemoryRegion,
  offset: number,
  length: number,
): number {
  if (region.pd !== pd || !region.isOpen) return RequestFault.FOREIGN_REGION;
  if (!(offset >= 0 && length >= 0 && offset <= region.length - length)) return RequestFault.OUT_OF_BOUNDS;
  if (length > 0xffff_ffff || offset !== Math.floor(offset) || length !== Math.floor(length)) {
    return RequestFault.OUT_OF_BOUNDS;
  }
  lkey.set(view, at, region.lkey);
  segmentLength.set(view, at, length);
  offsetLo.set(view, at, offset >>> 0);
  offsetHi.set(view, at, (offset - (offset >>> 0)) / 0x1_0000_0000);
  return RequestFault.NONE;
}
