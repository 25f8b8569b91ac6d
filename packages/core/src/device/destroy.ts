/**
 * How objects end. Nothing here allocates records or can fail for lack of memory, so destroying always works.
 * @spec rdma-core 11.4 · rdma-core 11.5
 */
import { VerbsError } from '../base/verbs-error.ts';
import { callOf, type DestroyReason } from './call.ts';
import type { DeviceContext } from './device-context.ts';
import type { DeviceObject } from './device-object.ts';
import { Transaction } from './transaction.ts';

/**
 * Destroys one object.
 *
 * @throws VerbsError `EBUSY` others need it; nothing changed · what the driver says when it refuses
 */
export function destroyObject(object: DeviceObject, reason: DestroyReason): void {
  if (object.uses > 0) {
    throw new VerbsError('EBUSY', `${object.kind}.destroy`, `the ${object.kind} is in use`, {
      object: `${object.kind} 0x${object.handle.toString(16)}, needed by ${object.uses} other ${object.uses === 1 ? 'object' : 'objects'}`,
      try: `destroy first: ${usersOf(object)}`,
    });
  }
  callDriver(object, reason);
  forget(object);
}

/** Destroys everything of a context, newest first, with retries, then by force. */
export function destroyAll(context: DeviceContext, reason: DestroyReason): void {
  const { device } = context;
  let left = [...context.objects.values()]
    .filter((object) => object.live && object.id !== 0)
    .sort((a, b) => b.born - a.born);
  while (left.length > 0) {
    const before = left.length;
    left = left.filter((object) => {
      if (object.uses > 0) return true;
      try {
        callDriver(object, reason);
      } catch {
        return true;
      }
      forget(object);
      return false;
    });
    if (left.length < before) continue;
    // the driver must not refuse now: its part is leaked, and stays charged; what it needed can end as usual
    const stuck = left.find(({ uses }) => uses === 0) ?? left[0]!;
    device.system.leaked++;
    stuck.charges.length = 0;
    try {
      callDriver(stuck, 'DRIVER_FAILURE');
    } catch {}
    forget(stuck);
    left.splice(left.indexOf(stuck), 1);
  }
}

/** Undoes the making of an object whose driver part exists. */
export function abortObject(object: DeviceObject): void {
  callDriver(object, 'ABORT');
}

function callDriver(object: DeviceObject, reason: DestroyReason): void {
  const { context } = object;
  const destroyer = context.device.methods.destroyer(object.kind);
  if (destroyer === undefined) return;
  const call = callOf(destroyer.name, context, {}, object, NO_STEPS, NONE, [], reason);
  // it is nobody's to find while its driver part is half gone; a driver that refuses has it back
  const { live } = object;
  object.live = false;
  try {
    destroyer.serve(call);
  } catch (refused) {
    object.live = live;
    throw refused;
  }
}

function forget(object: DeviceObject): void {
  const { context } = object;
  context.device.unlist(object);
  context.objects.remove(object.handle);
  (object.events ?? context.defaultEvents).forget(object.handle);
  object.settle();
}

function usersOf(object: DeviceObject): string {
  const users = [...object.context.objects.values()].filter((one) => one.needs.includes(object));
  const named = users.slice(0, 4).map((one) => `${one.kind} 0x${one.handle.toString(16)}`);
  return users.length > named.length ? `${named.join(', ')} and ${users.length - named.length} more` : named.join(', ');
}

const NONE: readonly unknown[] = [];
const NO_STEPS = new Transaction();
