/** One call of the user API, parsed and checked, as the method that serves it sees it. */
import { VerbsError } from '../base/verbs-error.ts';
import type { Nanos } from '../engine/time.ts';
import { MemoryKind } from '../uapi/layouts.ts';
import type { Method } from '../uapi/schema.ts';
import type { Device } from './device.ts';
import type { DeviceContext } from './device-context.ts';
import type { DeviceObject } from './device-object.ts';
import type { CallInput } from './driver.ts';
import type { Transaction } from './transaction.ts';

/** Why an object is destroyed. @spec rdma-core 11.4 */
export type DestroyReason = 'DESTROY' | 'CLOSE' | 'DRIVER_REMOVE' | 'ABORT' | 'DRIVER_FAILURE';

export interface Call<M extends Method = Method> {
  /** `OBJECT.METHOD`. */
  readonly name: string;
  readonly device: Device;
  readonly context: DeviceContext;
  readonly input: CallInput<M>;
  /** The object that is made, destroyed or changed; the context's own for others. */
  readonly object: DeviceObject;
  readonly tx: Transaction;
  /** What travelled beside the call. */
  readonly attachments: readonly unknown[];
  /** What travels beside the answer. */
  readonly reply: unknown[];
  /** For methods that destroy. */
  readonly reason: DestroyReason | undefined;
  readonly now: Nanos;
}

/** The call as its method sees it; what a method is given follows from its schema. */
export function callOf(
  name: string,
  context: DeviceContext,
  input: Readonly<Record<string, unknown>>,
  object: DeviceObject | undefined,
  tx: Transaction,
  attachments: readonly unknown[],
  reply: unknown[],
  reason?: DestroyReason,
): Call {
  const { device } = context;
  const { now } = device.system;
  return { name, device, context, input, object, tx, attachments, reply, reason, now } as unknown as Call;
}

/** Memory that a call names, found: part of an attachment, or of memory that was shared before. */
export interface MemorySource {
  /** The attachment; undefined where `umem` says. */
  readonly attachment: unknown;
  readonly umem: DeviceObject | undefined;
  readonly offset: number;
  readonly length: number;
}

/** A `MEMORY` structure as a call carries it. */
export interface MemoryValue {
  readonly kind: number;
  readonly index: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * Finds memory that a call names. The object that is made or changed needs the umem from then on, unless the call fails.
 *
 * @throws VerbsError `EBADF` no such attachment · `ENOENT`, `EINVAL` no such umem · `EINVAL` no bytes
 */
export function memoryOf(call: Call, value: MemoryValue): MemorySource {
  const { kind, index, offset, length } = value;
  if (length < 1) {
    throw new VerbsError('EINVAL', call.name, 'memory of 0 bytes is no memory', { try: 'a length from 1' });
  }
  if (!Number.isSafeInteger(offset + length)) {
    throw new VerbsError('EINVAL', call.name, 'offset and length together are above 2^53', { try: 'smaller ones' });
  }
  if (kind === MemoryKind.ATTACHMENT) {
    if (index < call.attachments.length) {
      return { attachment: call.attachments[index], umem: undefined, offset, length };
    }
    throw new VerbsError('EBADF', call.name, `attachment ${index} did not come with the call`, {
      given: `${call.attachments.length} attachments`,
      try: 'the position of an attachment of this very call',
    });
  }
  if (kind !== MemoryKind.UMEM) {
    throw new VerbsError('EOPNOTSUPP', call.name, `memory cannot be named by kind ${kind}`, { try: '0 or 1' });
  }
  const umem = call.context.find(call.name, 'UMEM', index);
  call.object.need(umem);
  call.tx.onUndo(() => call.object.drop(umem));
  return { attachment: undefined, umem, offset, length };
}
