/** Completion queues of a software device. @spec verbs/1.5 */
import { CompletionEntry } from '../abi/entries.ts';
import { RingError, ringBytes } from '../abi/ring.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { ChannelQueue } from '../device/channel-queue.ts';
import type { DriverOps } from '../device/driver.ts';
import { NEVER } from '../engine/time.ts';
import { CompletionRing } from './completion-ring.ts';
import { attachShared, checkEntries, type KernelParts, missing, stateOf, tableFull } from './kernel-parts.ts';
import type { SoftCompletionQueue } from './objects.ts';
import type { Publisher } from './publisher.ts';

export function completionOps(parts: KernelParts, publisher: Publisher): Pick<DriverOps, 'CQ'> {
  const { host, registry, limits } = parts;
  return {
    CQ: {
      CREATE(call) {
        const { ring, entries } = call.input;
        checkEntries(call, 'completion queue', entries, limits.completionEntries);
        if (ring === undefined) throw missing(call, 'ring', 'memory for the completions');
        const target = attachShared(parts, call, 'completion ring', ring, ringBytes(entries, CompletionEntry.bytes));
        const { object } = call;
        const cq = registry.cqs.add<SoftCompletionQueue>((handle) => ({
          handle,
          object,
          target,
          entries,
          ring: new CompletionRing(target.bytes, entries),
          moderation: 0,
          periodNs: 0,
          unannounced: 0,
          heldUntil: NEVER,
          dirty: false,
          failed: false,
        }));
        if (cq === undefined) throw tableFull(call.name, 'completion queue', limits.completionQueues);
        object.state = cq;
        object.wake = call.context.session.nextWake();
        call.context.wakes.add(object.wake);
        return { wake: object.wake };
      },
      DESTROY({ object, context, now }) {
        const cq = stateOf<SoftCompletionQueue>(object);
        publisher.publish(now);
        publisher.release(cq, false);
        if (context.dead) failRing(cq);
        registry.cqs.remove(cq.handle);
        host.detachMemory(cq.target);
        for (const one of object.needs)
          if (one.kind === 'COMP_CHANNEL') (one.state as ChannelQueue).forget(object.handle);
        context.wakes.delete(object.wake);
        context.session.wake(object.wake); // whoever waits learns that it is gone
      },
      MODIFY({ input }) {
        const cq = stateOf<SoftCompletionQueue>(input.handle);
        const { count, periodUs } = input;
        // one alone would wake for each anyway, or perhaps never
        const on = count > 1 && periodUs > 0;
        cq.moderation = on ? count : 0;
        cq.periodNs = on ? periodUs * 1000 : 0;
        publisher.release(cq, true);
      },
      RESIZE(call) {
        const { ring, entries, consumed } = call.input;
        const { object, now } = call;
        const cq = stateOf<SoftCompletionQueue>(object);
        checkEntries(call, 'completion queue', entries, limits.completionEntries);
        publisher.publish(now);
        const left = cq.ring.left(consumed | 0);
        if (left < 0) {
          throw new VerbsError('EINVAL', call.name, `the program cannot have taken completions up to ${consumed}`, {
            try: 'the index in the consumer word of the ring',
          });
        }
        if (left > entries) {
          throw new VerbsError('EINVAL', call.name, `${left} completions wait, more than ${entries}`, {
            try: 'take completions first, or a larger queue',
          });
        }
        const held = object.needs.filter((one) => one.kind === 'UMEM');
        const target = attachShared(parts, call, 'completion ring', ring, ringBytes(entries, CompletionEntry.bytes));
        const produced = cq.ring.move(target.bytes, entries, consumed | 0);
        host.detachMemory(cq.target);
        for (const one of held) object.drop(one);
        cq.target = target;
        cq.entries = entries;
        return { produced: produced >>> 0 };
      },
      QUERY({ input }) {
        const { entries, failed, moderation, periodNs } = stateOf<SoftCompletionQueue>(input.handle);
        return { attributes: { entries, failed, moderation_count: moderation, moderation_period_us: periodNs / 1000 } };
      },
    },
  };
}

/** Nothing more comes: whoever reads the ring learns it. */
export function failRing(cq: SoftCompletionQueue): void {
  cq.failed = true;
  cq.ring.show();
  cq.ring.fail(RingError.DEVICE);
}
