/** Shared receive queues of a software device. @spec verbs/1.6 */
import { ReceiveEntry } from '../abi/entries.ts';
import { RingError, ringBytes } from '../abi/ring.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { DriverOps } from '../device/driver.ts';
import {
  attachShared,
  checkEntries,
  freeSlot,
  giveSlot,
  type KernelParts,
  stateOf,
  tableFull,
  takeSlot,
} from './kernel-parts.ts';
import type { SoftContext, SoftPd, SoftSharedQueue } from './objects.ts';
import { WorkQueue } from './work-queue.ts';

export function sharedReceiveOps(parts: KernelParts): Pick<DriverOps, 'SRQ'> {
  const { host, registry, limits } = parts;
  return {
    SRQ: {
      CREATE(call) {
        const { object } = call;
        const entries = checkEntries(call, 'shared receive queue', call.input.entries, limits.workRequests);
        const bytes = ringBytes(entries, ReceiveEntry.bytes);
        const target = attachShared(parts, call, 'receive ring', call.input.ring, bytes);
        const owner = call.context.state as SoftContext;
        const pd = stateOf<SoftPd>(call.input.pd);
        const slot = freeSlot(call, owner);
        const srq = registry.srqs.add<SoftSharedQueue>((handle) => ({
          ...{ handle, object, owner, pd, target, slot, limit: 0, failed: false },
          receives: new WorkQueue(target.bytes, entries, ReceiveEntry.bytes),
          waiting: new Set(),
          users: new Set(),
        }));
        if (srq === undefined) throw tableFull(call.name, 'shared receive queue', limits.sharedReceiveQueues);
        takeSlot(owner, slot, srq);
        object.state = srq;
        return { slot };
      },
      MODIFY(call) {
        const { limit } = call.input;
        const srq = stateOf<SoftSharedQueue>(call.object);
        const { size } = srq.receives.ring;
        if (limit > size) {
          throw new VerbsError('EINVAL', call.name, `a queue of ${size} receives cannot have a limit of ${limit}`, {
            try: `0 to ${size}`,
          });
        }
        srq.limit = limit;
        parts.links[0]!.data.checkLimit(srq);
      },
      QUERY({ input }) {
        const { receives, limit, users } = stateOf<SoftSharedQueue>(input.handle);
        return {
          attributes: { entries: receives.ring.size, waiting: receives.waiting, limit, queue_pairs: users.size },
        };
      },
      DESTROY({ object, context }) {
        const srq = stateOf<SoftSharedQueue>(object);
        if (context.dead) srq.receives.ring.setError(RingError.DEVICE);
        giveSlot(srq.owner, srq.slot);
        registry.srqs.remove(srq.handle);
        host.detachMemory(srq.target);
      },
    },
  };
}
