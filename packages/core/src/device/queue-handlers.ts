/** Calls about completion queues and queue pairs. */
import { CompletionEntry, ReceiveEntry, SendEntry } from '../abi/entries.ts';
import { RingError, ringBytes } from '../abi/ring.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { DmaTarget } from '../engine/dma.ts';
import { CompletionRing } from './completion-ring.ts';
import { EventValue } from './events.ts';
import type { QueuePairRequest } from './kernel-calls.ts';
import { attachShared, type Handlers, type KernelParts, refuseWhileUsed, tableFull } from './kernel-parts.ts';
import type { KernelCompletionQueue, KernelContext, KernelQueuePair } from './objects.ts';
import { chooseRuQpn, pidOf } from './queue-pair-number.ts';
import { WorkQueue } from './work-queue.ts';

type Names = 'createCompletionQueue' | 'destroyCompletionQueue' | 'createQueuePair' | 'destroyQueuePair';

export function queueHandlers(parts: KernelParts): Handlers<Names> {
  const { host, registry, limits, transport, engine, data } = parts;

  function checkEntries(call: string, what: string, entries: number, limit: number): void {
    if (Number.isInteger(entries) && entries > 0 && entries <= limit && (entries & (entries - 1)) === 0) return;
    throw new VerbsError('EINVAL', call, `a ${what} cannot have ${entries} entries`, {
      try: `a power of two up to ${limit}`,
    });
  }

  function chooseQpn(request: QueuePairRequest): number {
    const pd = registry.pd('createQueuePair', request.context, request.pd);
    const { qpn, type, jobKey } = request;
    if (!transport.attributes.queuePairTypes.includes(type)) {
      throw new VerbsError('EOPNOTSUPP', 'createQueuePair', `${transport.name} has no queue pairs of type ${type}`, {
        try: transport.attributes.queuePairTypes.join(', '),
      });
    }
    const queuePairs = registry.qps.values();
    if (type === 'RU') {
      const choice = { pd, qpn, hasJobKey: jobKey !== 0, queuePairs, pids: registry.pids };
      return chooseRuQpn(choice, transport, data.random);
    }
    const taken = new Set([...queuePairs].map((one) => one.qpn));
    const chosen = qpn ?? transport.assignQpn((candidate) => taken.has(candidate), data.random, undefined);
    if (!Number.isInteger(chosen) || chosen < 0 || chosen > 0xffff_ffff || taken.has(chosen)) {
      throw new VerbsError('EEXIST', 'createQueuePair', `queue pair number ${chosen} cannot be had`, {
        try: 'leave `qpn` out',
      });
    }
    return chosen;
  }

  function attachRings(request: QueuePairRequest): { sendTarget: DmaTarget; receiveTarget: DmaTarget } {
    const call = 'createQueuePair';
    const sendBytes = ringBytes(request.sendEntries, SendEntry.bytes);
    const receiveBytes = ringBytes(request.receiveEntries, ReceiveEntry.bytes);
    const sendTarget = attachShared(host, call, 'send ring', request.sendRing, sendBytes);
    try {
      return { sendTarget, receiveTarget: attachShared(host, call, 'receive ring', request.receiveRing, receiveBytes) };
    } catch (thrown) {
      host.detachMemory(sendTarget);
      throw thrown;
    }
  }

  return {
    createCompletionQueue({ context: owner, ring, entries }) {
      const call = 'createCompletionQueue';
      const context = registry.context(call, owner);
      checkEntries(call, 'completion queue', entries, limits.completionEntries);
      const target = attachShared(host, call, 'completion ring', ring, ringBytes(entries, CompletionEntry.bytes));
      const cq = registry.cqs.add<KernelCompletionQueue>((handle) => ({
        handle,
        context,
        uses: 0,
        target,
        entries,
        ring: new CompletionRing(target.bytes, entries),
        dirty: false,
        failed: false,
      }));
      if (cq === undefined) {
        host.detachMemory(target);
        throw tableFull(call, 'completion queue', limits.completionQueues);
      }
      context.objects.add(cq.handle);
      return { cq: cq.handle };
    },

    destroyCompletionQueue({ context, cq: handle }) {
      const cq = registry.cq('CompletionQueue.close', context, handle);
      refuseWhileUsed('CompletionQueue.close', 'completion queue', cq.uses, 'queue pairs');
      data.publish();
      registry.cqs.remove(handle);
      cq.context.objects.delete(handle);
      host.detachMemory(cq.target);
      host.wake(handle); // whoever waits learns that it is gone
      return undefined;
    },

    createQueuePair(request) {
      const call = 'createQueuePair';
      const pd = registry.pd(call, request.context, request.pd);
      const sendCq = registry.cq(call, request.context, request.sendCq);
      const recvCq = registry.cq(call, request.context, request.recvCq);
      const jobKey = request.jobKey === 0 ? undefined : registry.jobKey(call, request.context, request.jobKey);
      if (jobKey !== undefined && jobKey.pd !== pd) {
        throw new VerbsError('EINVAL', call, 'the job key belongs to another protection domain', {
          try: 'pd.createJobKey(job) of the domain that makes the queue pair',
        });
      }
      checkEntries(call, 'send queue', request.sendEntries, limits.workRequests);
      checkEntries(call, 'receive queue', request.receiveEntries, limits.workRequests);
      const qpn = chooseQpn(request);
      const sourceId = request.sourceId ?? qpn;
      if (!Number.isInteger(sourceId) || sourceId < 0 || sourceId > 0xffff_ffff) {
        throw new VerbsError('EINVAL', call, `${sourceId} is not a source id`, { try: 'a whole number of 32 bits' });
      }
      const { sendTarget, receiveTarget } = attachRings(request);
      const slot = freeSlot(pd.context);
      const qp = registry.qps.add<KernelQueuePair>((handle) => ({
        handle,
        context: pd.context,
        type: request.type,
        qpn,
        pd,
        jobKey,
        sendCq,
        recvCq,
        sends: new WorkQueue(sendTarget.bytes, request.sendEntries, SendEntry.bytes),
        receives: new WorkQueue(receiveTarget.bytes, request.receiveEntries, ReceiveEntry.bytes),
        sendTarget,
        receiveTarget,
        slot,
        signalAll: request.signalAll,
        ordered: request.ordered,
        sourceId,
        state: 'RTS',
        dirty: false,
        doomed: false,
      }));
      const why =
        qp === undefined
          ? ''
          : engine.addQueuePair(parts.now(), {
              qp: qp.handle,
              qpn,
              pd: pd.handle,
              jobId: jobKey?.job.id ?? 0,
              sourceId,
              ordered: request.ordered,
            });
      if (qp === undefined || why !== '') {
        if (qp !== undefined) registry.qps.remove(qp.handle);
        host.detachMemory(sendTarget);
        host.detachMemory(receiveTarget);
        if (qp === undefined) throw tableFull(call, 'queue pair', limits.queuePairs);
        throw new VerbsError('EINVAL', call, `the transport refuses the queue pair: ${why}`, {
          given: `qpn 0x${qpn.toString(16)}`,
        });
      }
      pd.context.slots[slot] = qp;
      pd.context.objects.add(qp.handle);
      pd.uses++;
      sendCq.uses++;
      recvCq.uses++;
      if (jobKey !== undefined) jobKey.uses++;
      if (request.type === 'RU' && pd.pid < 0) {
        pd.pid = pidOf(qpn);
        registry.pids.set(pd.pid, pd);
      }
      return { qp: qp.handle, qpn, slot, sourceId };
    },

    destroyQueuePair({ context, qp: handle }) {
      const qp = registry.qp('QueuePair.close', context, handle);
      const known = qp.state === 'RTS';
      qp.state = 'CLOSING';
      if (known) engine.removeQueuePair(parts.now(), handle);
      data.flushRings(qp);
      data.publish();
      registry.qps.remove(handle);
      qp.context.slots[qp.slot] = undefined;
      qp.context.objects.delete(handle);
      qp.pd.uses--;
      qp.sendCq.uses--;
      qp.recvCq.uses--;
      if (qp.jobKey !== undefined) qp.jobKey.uses--;
      host.detachMemory(qp.sendTarget);
      host.detachMemory(qp.receiveTarget);
      return undefined;
    },
  };
}

/** Moves a queue pair to ERR: everything that it has under way is flushed, and so is what is posted from now on. */
export function failQueuePair(parts: KernelParts, qp: KernelQueuePair): void {
  if (parts.registry.qps.get(qp.handle) !== qp || qp.state !== 'RTS') return;
  qp.state = 'ERR';
  if (qp.sends.ring.error() === RingError.NONE) qp.sends.ring.setError(RingError.FLUSHING);
  parts.engine.removeQueuePair(parts.now(), qp.handle);
  parts.data.flushRings(qp);
  parts.data.raise(EventValue.QP_FATAL, qp.handle);
}

function freeSlot({ slots }: KernelContext): number {
  const free = slots.indexOf(undefined);
  return free < 0 ? slots.length : free;
}
