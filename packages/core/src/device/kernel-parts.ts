/** What the handlers of calls share. */
import { VerbsError } from '../base/verbs-error.ts';
import type { DmaTarget } from '../engine/dma.ts';
import type { Engine, Transport } from '../engine/engine.ts';
import type { Nanos } from '../engine/time.ts';
import type { DataPath } from './data-path.ts';
import type { CallIn, CallOut, KernelCallName } from './kernel-calls.ts';
import type { KernelHost, MemoryShare } from './kernel-host.ts';
import type { DeviceLimits } from './limits.ts';
import type { Registry } from './registry.ts';

export interface KernelParts {
  readonly host: KernelHost;
  readonly transport: Transport;
  readonly engine: Engine;
  readonly registry: Registry;
  readonly data: DataPath;
  readonly limits: DeviceLimits;
  /** Time of the call. */
  now(): Nanos;
}

export type Handlers<N extends KernelCallName> = { readonly [K in N]: (args: CallIn<K>) => CallOut<K> };

/**
 * Attaches memory that both halves use: a ring or a doorbell page.
 *
 * @throws VerbsError `EINVAL` too short or not aligned
 */
export function attachShared(
  host: KernelHost,
  call: string,
  what: string,
  share: MemoryShare,
  bytes: number,
): DmaTarget {
  const target = host.attachMemory(share);
  if (target.bytes.length >= bytes && target.bytes.byteOffset % 4 === 0) return target;
  host.detachMemory(target);
  throw new VerbsError('EINVAL', call, `the memory of the ${what} is too short or not aligned`, {
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

/** Refuses to destroy what is in use. */
export function refuseWhileUsed(call: string, what: string, uses: number, by: string): void {
  if (uses === 0) return;
  throw new VerbsError('EBUSY', call, `the ${what} is in use`, {
    object: `${what} with ${uses} ${uses === 1 ? 'user' : 'users'}`,
    try: `destroy the ${by} that use it first`,
  });
}
