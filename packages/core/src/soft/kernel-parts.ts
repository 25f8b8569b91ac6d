/** What the operations of a software device share. */

import { VerbsError } from '../base/verbs-error.ts';
import { type Call, type MemoryValue, memoryOf } from '../device/call.ts';
import type { Device } from '../device/device.ts';
import type { DeviceObject } from '../device/device-object.ts';
import { type DmaTarget, targetLength } from '../engine/dma.ts';
import type { KernelHost } from './kernel-host.ts';
import type { DeviceLimits } from './limits.ts';
import type { Link } from './link.ts';
import type { Registry } from './registry.ts';

export interface KernelParts {
  readonly host: KernelHost;
  readonly registry: Registry;
  readonly limits: DeviceLimits;
  readonly links: readonly Link[];
  /** The device that it serves; undefined before it is registered. */
  readonly device: () => Device;
}

/** The software device's part of an object. */
export const stateOf = <T>(object: DeviceObject): T => object.state as T;

/** Attaches memory that a call names, for as long as the object lives, unless the call fails. */
export function attach({ host }: KernelParts, call: Call, memory: MemoryValue): DmaTarget {
  const source = memoryOf(call, memory);
  return call.tx.run(
    'attach memory',
    () =>
      source.umem === undefined ? host.attachMemory(source) : partOf(call, stateOf<DmaTarget>(source.umem), memory),
    (target) => host.detachMemory(target),
  );
}

/**
 * Attaches memory that both halves use: a ring.
 *
 * @throws VerbsError `EINVAL` too short, not aligned, or memory that only the program can map
 */
export function attachShared(
  parts: KernelParts,
  call: Call,
  what: string,
  memory: MemoryValue,
  bytes: number,
): DmaTarget {
  const target = attach(parts, call, memory);
  if (target.remote !== undefined) {
    throw new VerbsError('EINVAL', call.name, `a ${what} must lie in memory that both sides map`, {
      try: 'memory from context.allocate()',
    });
  }
  if (target.bytes.length >= bytes && target.bytes.byteOffset % 4 === 0) return target;
  throw new VerbsError('EINVAL', call.name, `the memory of the ${what} is too short or not aligned`, {
    given: `${target.bytes.length} bytes at offset ${target.bytes.byteOffset}`,
    try: `${bytes} bytes, aligned to 4`,
  });
}

export function tableFull(call: string, what: string, limit: number): VerbsError {
  return new VerbsError('ENOSPC', call, `the device has no room for another ${what}`, {
    given: `${limit} exist, which is its limit`,
    try: `destroy a ${what} that is no longer needed`,
  });
}

/** The address entry that a call names; the first one when it names none. */
export function linkOf({ links }: KernelParts, call: string, index = 0): Link {
  const link = links[index];
  if (link !== undefined) return link;
  throw new VerbsError('EINVAL', call, `the device has no address entry ${index}`, {
    try: links.map((one) => `${one.index} (${one.transport.attributes.addressType})`).join(', '),
  });
}

function partOf(call: Call, whole: DmaTarget, { offset, length }: MemoryValue): DmaTarget {
  const bytes = targetLength(whole);
  if (!(offset <= bytes && length <= bytes - offset)) {
    throw new VerbsError('EINVAL', call.name, 'the memory lies outside of what was shared', {
      given: `${length} bytes at ${offset} of ${bytes}`,
      try: 'offset + length up to the length of the UMEM',
    });
  }
  if (whole.remote !== undefined) return { bytes: NO_BYTES, length, address: 0, remote: whole.remote, base: offset };
  return {
    bytes: whole.bytes.subarray(offset, offset + length),
    length,
    address: whole.address === 0 ? 0 : whole.address + offset,
  };
}

const NO_BYTES = new Uint8Array(0);
