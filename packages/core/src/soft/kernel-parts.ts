/** What the operations of a software device share. */

import { DOORBELL_SLOTS } from '../abi/doorbell-page.ts';
import { VerbsError } from '../base/verbs-error.ts';
import { type Call, type MemoryValue, memoryOf } from '../device/call.ts';
import type { Device } from '../device/device.ts';
import type { DeviceObject } from '../device/device-object.ts';
import { type DmaTarget, targetLength } from '../engine/dma.ts';
import { Access } from '../engine/status.ts';
import type { KernelHost } from './kernel-host.ts';
import type { DeviceLimits } from './limits.ts';
import type { Link } from './link.ts';
import type { SoftContext, SoftQueuePair, SoftSharedQueue } from './objects.ts';
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
 * A program cannot grant to others what it may not do itself with its memory.
 *
 * @param access - rights of the region
 * @throws VerbsError EFAULT the memory is not mapped, or the program may not write it
 */
export function checkReach(call: Call, target: DmaTarget, access: number): void {
  const rights = target.remote?.rights?.(target.base ?? 0, targetLength(target));
  if (rights === undefined || rights === 'write') return;
  const writes = (access & (Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_ATOMIC)) !== 0;
  if (rights === 'read' && !writes) return;
  const problem = rights === 'none' ? 'is not mapped, or cannot be read' : 'cannot be written by the program itself';
  throw new VerbsError('EFAULT', call.name, `the memory ${problem}`, {
    given: `${targetLength(target)} bytes at 0x${(target.base ?? 0).toString(16)}`,
    try:
      rights === 'none'
        ? 'memory that the program has mapped, all of it'
        : 'memory that is mapped for writing, or less access',
  });
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

/** @throws VerbsError EINVAL no power of two, or too many */
export function checkEntries(call: Call, what: string, entries: number | undefined, limit: number): number {
  if (entries !== undefined && entries > 0 && entries <= limit && (entries & (entries - 1)) === 0) return entries;
  throw new VerbsError('EINVAL', call.name, `a ${what} cannot have ${entries} entries`, {
    try: `a power of two up to ${limit}`,
  });
}

export function missing(call: Call, name: string, what: string): VerbsError {
  return new VerbsError('EINVAL', call.name, `\`${name}\` is missing`, { missing: `${name}: ${what}` });
}

/** A doorbell that is free; it is taken by {@link takeSlot}. @throws VerbsError ENOSPC the page has no more */
export function freeSlot(call: Call, { slots, freeSlots }: SoftContext): number {
  const slot = freeSlots.at(-1) ?? slots.length;
  if (slot < DOORBELL_SLOTS) return slot;
  throw tableFull(call.name, 'queue on the doorbell page', DOORBELL_SLOTS);
}

export function takeSlot(
  { slots, freeSlots }: SoftContext,
  slot: number,
  queue: SoftQueuePair | SoftSharedQueue,
): void {
  if (freeSlots.at(-1) === slot) freeSlots.pop();
  slots[slot] = queue;
}

export function giveSlot({ slots, freeSlots }: SoftContext, slot: number): void {
  if (slots[slot] === undefined) return;
  slots[slot] = undefined;
  freeSlots.push(slot);
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
