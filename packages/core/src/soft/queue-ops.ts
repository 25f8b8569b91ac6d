/** Completion queues and queue pairs of a software device. */
import { CompletionEntry, ReceiveEntry, SendEntry } from '../abi/entries.ts';
import { RingError, ringBytes } from '../abi/ring.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { Call } from '../device/call.ts';
import type { ChannelQueue } from '../device/channel-queue.ts';
import type { DriverOps } from '../device/driver.ts';
import { EventValue } from '../device/events.ts';
import { QP_STATES, QP_TYPES } from '../uapi/objects/qp.ts';
import { CompletionRing } from './completion-ring.ts';
import { attachShared, type KernelParts, linkOf, stateOf, tableFull } from './kernel-parts.ts';
import type { Link } from './link.ts';
import type { SoftCompletionQueue, SoftContext, SoftJobKey, SoftPd, SoftQueuePair } from './objects.ts';
import type { Publisher } from './publisher.ts';
import { chooseRuQpn, pidOf } from './queue-pair-number.ts';
import { WorkQueue } from './work-queue.ts';

export function queueOps(parts: KernelParts, publisher: Publisher): Pick<DriverOps, 'CQ' | 'QP'> {
  const { host, registry, limits } = parts;

  function checkEntries(call: Call, what: string, entries: number | undefined, limit: number): number {
    if (entries !== undefined && entries > 0 && entries <= limit && (entries & (entries - 1)) === 0) return entries;
    throw new VerbsError('EINVAL', call.name, `a ${what} cannot have ${entries} entries`, {
      try: `a power of two up to ${limit}`,
    });
  }

  function chooseQpn(
    call: Call,
    link: Link,
    pd: SoftPd,
    type: string,
    qpn: number | undefined,
    hasJobKey: boolean,
  ): number {
    const { transport, data } = link;
    if (!transport.attributes.queuePairTypes.includes(type)) {
      throw new VerbsError('EOPNOTSUPP', call.name, `${transport.name} has no queue pairs of type ${type}`, {
        try: transport.attributes.queuePairTypes.join(', '),
      });
    }
    const taken = (candidate: number) => link.numbers.has(candidate & NUMBER_BITS);
    if (type === 'RU') {
      return chooseRuQpn({ pd, qpn, hasJobKey, taken, pids: registry.pids }, transport, data.random);
    }
    const chosen = qpn ?? transport.assignQpn(taken, data.random, undefined);
    if (chosen >= 0 && !taken(chosen)) return chosen >>> 0;
    throw new VerbsError('EEXIST', call.name, `queue pair number ${chosen} cannot be had`, { try: 'leave `qpn` out' });
  }

  function forget(qp: SoftQueuePair): void {
    registry.qps.remove(qp.handle);
    qp.link.numbers.delete(qp.qpn & NUMBER_BITS);
    qp.owner.slots[qp.slot] = undefined;
    qp.owner.freeSlots.push(qp.slot);
  }

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
          dirty: false,
          failed: false,
        }));
        if (cq === undefined) throw tableFull(call.name, 'completion queue', limits.completionQueues);
        object.state = cq;
        object.wake = call.context.session.nextWake();
        call.context.wakes.add(object.wake);
        return { wake: object.wake };
      },
      DESTROY({ object, context }) {
        const cq = stateOf<SoftCompletionQueue>(object);
        publisher.publish();
        if (context.dead) failRing(cq);
        registry.cqs.remove(cq.handle);
        host.detachMemory(cq.target);
        for (const one of object.needs)
          if (one.kind === 'COMP_CHANNEL') (one.state as ChannelQueue).forget(object.handle);
        context.wakes.delete(object.wake);
        context.session.wake(object.wake); // whoever waits learns that it is gone
      },
      QUERY({ input }) {
        const { entries, failed } = stateOf<SoftCompletionQueue>(input.handle);
        return { attributes: { entries, failed } };
      },
    },
    QP: {
      CREATE(call) {
        const { input, object, tx } = call;
        const type = Object.entries(QP_TYPES).find(([, value]) => value === input.type)?.[0] ?? '';
        const link = linkOf(parts, call.name, input.sgidIndex);
        if (input.pd === undefined) throw missing(call, 'pd', 'a protection domain');
        if (input.sendCq === undefined || input.recvCq === undefined)
          throw missing(call, 'sendCq, recvCq', 'completion queues');
        const pd = stateOf<SoftPd>(input.pd);
        const jobKey = input.jobKey === undefined ? undefined : stateOf<SoftJobKey>(input.jobKey);
        if (jobKey !== undefined && jobKey.job.link !== link) {
          throw new VerbsError('EINVAL', call.name, 'the job belongs to another address entry', {
            given: `job ${jobKey.job.id} of entry ${jobKey.job.link.index}, queue pair of entry ${link.index}`,
            try: 'the same sgidIndex for both',
          });
        }
        const sendEntries = checkEntries(call, 'send queue', input.sendEntries, limits.workRequests);
        const receiveEntries = checkEntries(call, 'receive queue', input.receiveEntries, limits.workRequests);
        if (input.sendRing === undefined || input.receiveRing === undefined) {
          throw missing(call, 'sendRing, receiveRing', 'memory for the rings');
        }
        const qpn = chooseQpn(call, link, pd, type, input.qpn, jobKey !== undefined);
        const sourceId = input.sourceId ?? qpn;
        const sendTarget = attachShared(
          parts,
          call,
          'send ring',
          input.sendRing,
          ringBytes(sendEntries, SendEntry.bytes),
        );
        const receiveBytes = ringBytes(receiveEntries, ReceiveEntry.bytes);
        const receiveTarget = attachShared(parts, call, 'receive ring', input.receiveRing, receiveBytes);
        const owner = call.context.state as SoftContext;
        const flags = input.flags ?? 0;
        const slot = owner.freeSlots.pop() ?? owner.slots.length;
        const qp = tx.run(
          'queue pair',
          () =>
            registry.qps.add<SoftQueuePair>((handle) => ({
              handle,
              object,
              owner,
              link,
              type,
              qpn,
              pd,
              jobKey,
              sendCq: stateOf<SoftCompletionQueue>(input.sendCq!),
              recvCq: stateOf<SoftCompletionQueue>(input.recvCq!),
              sends: new WorkQueue(sendTarget.bytes, sendEntries, SendEntry.bytes),
              receives: new WorkQueue(receiveTarget.bytes, receiveEntries, ReceiveEntry.bytes),
              sendTarget,
              receiveTarget,
              slot,
              signalAll: (flags & SIGNAL_ALL) !== 0,
              ordered: (flags & ORDERED) !== 0,
              sourceId,
              state: 'RTS',
              dirty: false,
              doomed: false,
            })),
          (made) => made !== undefined && forget(made),
        );
        if (qp === undefined) throw tableFull(call.name, 'queue pair', limits.queuePairs);
        owner.slots[slot] = qp;
        link.numbers.set(qpn & NUMBER_BITS, qp);
        const why = tx.run(
          'engine',
          () =>
            link.engine.addQueuePair(call.now, {
              qp: qp.handle,
              qpn,
              pd: pd.handle,
              jobId: jobKey?.job.id ?? 0,
              sourceId,
              ordered: qp.ordered,
            }),
          (refusal) => refusal === '' && link.engine.removeQueuePair(call.now, qp.handle),
        );
        if (why !== '') {
          throw new VerbsError('EINVAL', call.name, `the transport refuses the queue pair: ${why}`, {
            given: `qpn 0x${qpn.toString(16)}`,
          });
        }
        if (type === 'RU' && pd.pid < 0) {
          pd.pid = pidOf(qpn);
          registry.pids.set(pd.pid, pd);
        }
        object.state = qp;
        return { qpnGiven: qpn, slot, sourceIdGiven: sourceId, state: QP_STATES.RTS };
      },
      DESTROY({ object, context, now }) {
        const qp = stateOf<SoftQueuePair>(object);
        const known = qp.state === 'RTS';
        qp.state = 'CLOSING';
        if (known) qp.link.engine.removeQueuePair(now, qp.handle);
        if (context.dead) qp.sends.ring.setError(RingError.DEVICE);
        qp.link.data.flushRings(qp);
        publisher.publish();
        forget(qp);
        host.detachMemory(qp.sendTarget);
        host.detachMemory(qp.receiveTarget);
      },
      QUERY({ input }) {
        const { type, qpn, state, ordered, sourceId, jobKey } = stateOf<SoftQueuePair>(input.handle);
        return { attributes: { type, qpn, state, ordered, source_id: sourceId, job: jobKey?.job.id ?? 0 } };
      },
    },
  };
}

/** Nothing more comes: whoever reads the ring learns it. */
export function failRing(cq: SoftCompletionQueue): void {
  cq.failed = true;
  cq.ring.publish();
  cq.ring.fail(RingError.DEVICE);
}

/** Moves a queue pair to ERR: everything that it has under way is flushed, and so is what is posted from now on. */
export function failQueuePair(parts: KernelParts, qp: SoftQueuePair, now: number): void {
  if (parts.registry.qps.get(qp.handle) !== qp || qp.state !== 'RTS') return;
  qp.state = 'ERR';
  if (qp.sends.ring.error() === RingError.NONE) qp.sends.ring.setError(RingError.FLUSHING);
  qp.link.engine.removeQueuePair(now, qp.handle);
  qp.link.data.flushRings(qp);
  qp.link.data.raise(EventValue.QP_FATAL, qp.handle);
}

function missing(call: Call, name: string, what: string): VerbsError {
  return new VerbsError('EINVAL', call.name, `\`${name}\` is missing`, { missing: `${name}: ${what}` });
}

const ORDERED = 1;
const SIGNAL_ALL = 2;
/** The upper byte of a number says how it is addressed, not which it is. */
const NUMBER_BITS = 0xff_ffff;
