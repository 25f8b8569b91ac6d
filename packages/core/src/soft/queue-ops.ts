/** Queue pairs of a software device: how they are made, tied to other objects, and end. @spec verbs/1.7 · verbs/5.8 */
import { ReceiveEntry, SendEntry } from '../abi/entries.ts';
import { RingError, ringBytes } from '../abi/ring.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { Call } from '../device/call.ts';
import type { DriverOps } from '../device/driver.ts';
import { QP_KINDS, type QpKind } from '../device/qp-transitions.ts';
import { QP_STATES } from '../uapi/objects/qp.ts';
import { cutOff } from './address-ops.ts';
import {
  attachShared,
  checkEntries,
  freeSlot,
  giveSlot,
  type KernelParts,
  linkOf,
  missing,
  stateOf,
  tableFull,
  takeSlot,
} from './kernel-parts.ts';
import type { Link } from './link.ts';
import {
  CounterSlot,
  type SoftCompletionQueue,
  type SoftContext,
  type SoftCounter,
  type SoftJobKey,
  type SoftPd,
  type SoftQueuePair,
  type SoftRegion,
  type SoftSharedQueue,
} from './objects.ts';
import { opcodesOf } from './posted-opcodes.ts';
import type { Publisher } from './publisher.ts';
import { modifyQueuePair, queryQueuePair } from './queue-pair-modify.ts';
import { chooseRuQpn, pidOf } from './queue-pair-number.ts';
import { ALL_ACCESS, enterState, leave, newAttributes, setAccess } from './queue-pair-states.ts';
import { checkIdempotent, checkMatching, chooseSemantics, kindOf } from './semantics.ts';
import { WorkQueue } from './work-queue.ts';

export function queueOps(parts: KernelParts, publisher: Publisher): Pick<DriverOps, 'QP'> {
  const { host, registry, limits } = parts;

  function chooseQpn(
    call: Call,
    link: Link,
    pd: SoftPd,
    type: QpKind,
    qpn: number | undefined,
    hasJobKey: boolean,
  ): number {
    const { transport, data } = link;
    const taken = (candidate: number) => link.numbers.has(candidate & NUMBER_BITS);
    if (type === 'RU') {
      return chooseRuQpn({ pd, qpn, hasJobKey, taken, pids: registry.pids }, transport, data.random);
    }
    if (type === 'GSI') {
      if (!taken(GSI_QPN)) return GSI_QPN;
      throw new VerbsError('EEXIST', call.name, 'another connection manager has this address entry', {
        object: `address entry ${link.index}`,
        try: 'another address entry, or close the other one',
      });
    }
    const chosen = qpn ?? transport.assignQpn(taken, data.random, undefined);
    if (chosen >= 0 && !taken(chosen)) return chosen >>> 0;
    throw new VerbsError('EEXIST', call.name, `queue pair number ${chosen} cannot be had`, { try: 'leave `qpn` out' });
  }

  function forget(qp: SoftQueuePair): void {
    registry.qps.remove(qp.handle);
    if (qp.link.numbers.get(qp.qpn & NUMBER_BITS) === qp) qp.link.numbers.delete(qp.qpn & NUMBER_BITS);
    giveSlot(qp.owner, qp.slot);
    qp.srq?.users.delete(qp);
    qp.srq?.waiting.delete(qp);
    for (const region of qp.attached) region.attached?.delete(qp.handle);
    setAccess(registry, qp, ALL_ACCESS);
  }

  return {
    QP: {
      CREATE(call) {
        const { input, object, tx } = call;
        const link = linkOf(parts, call.name, input.sgidIndex);
        const type = kindOf(call.name, link, input.type);
        if (input.pd === undefined) throw missing(call, 'pd', 'a protection domain');
        if (input.sendCq === undefined || input.recvCq === undefined)
          throw missing(call, 'sendCq, recvCq', 'completion queues');
        const pd = stateOf<SoftPd>(input.pd);
        const jobKey = input.jobKey === undefined ? undefined : stateOf<SoftJobKey>(input.jobKey);
        if (jobKey !== undefined && jobKey.job.link !== link && link.transport.attributes.jobsOnWire) {
          throw new VerbsError('EINVAL', call.name, 'the job belongs to another address entry', {
            given: `job ${jobKey.job.id} of entry ${jobKey.job.link.index}, queue pair of entry ${link.index}`,
            try: 'the same sgidIndex for both',
          });
        }
        if (jobKey?.revoked === true) throw cutOff(call.name);
        if (input.domain !== undefined && link.transport.protects !== true) throw notProtected(call.name, link.index);
        const flags = input.flags ?? 0;
        const ordered = (flags & ORDERED) !== 0;
        const idempotent = (flags & IDEMPOTENT) !== 0;
        if (idempotent) checkIdempotent(call.name, link, ordered);
        const matching = (flags & MATCHING) !== 0;
        if (matching) checkMatching(call.name, link, input.srq !== undefined);
        const semantics = chooseSemantics(call.name, link, input.type, input.semantics, ordered);
        const srq = input.srq === undefined ? undefined : stateOf<SoftSharedQueue>(input.srq);
        const sendEntries = checkEntries(call, 'send queue', input.sendEntries, limits.workRequests);
        if (input.sendRing === undefined) throw missing(call, 'sendRing', 'memory for the ring');
        const qpn = chooseQpn(call, link, pd, type, input.qpn, jobKey !== undefined);
        const sourceId = input.sourceId ?? qpn;
        const sendBytes = ringBytes(sendEntries, SendEntry.bytes);
        const sendTarget = attachShared(parts, call, 'send ring', input.sendRing, sendBytes);
        const own = srq === undefined ? receiveRing(call) : undefined;
        const owner = call.context.state as SoftContext;
        const slot = freeSlot(call, owner);
        const rules = QP_KINDS[type];
        const qp = tx.run(
          'queue pair',
          () =>
            registry.qps.add<SoftQueuePair>((handle) => ({
              // in one piece: the data path reads it all the time
              handle,
              object,
              owner,
              link,
              type,
              rules,
              qpn,
              pd,
              jobKey,
              srq,
              slot,
              ordered,
              idempotent,
              matching,
              sourceId,
              domain: input.domain,
              semantics,
              sendCq: stateOf<SoftCompletionQueue>(input.sendCq!),
              recvCq: stateOf<SoftCompletionQueue>(input.recvCq!),
              sends: new WorkQueue(sendTarget.bytes, sendEntries, SendEntry.bytes),
              receives: own === undefined ? srq!.receives : own.queue,
              sendTarget,
              receiveTarget: own?.target,
              signalAll: (flags & SIGNAL_ALL) !== 0,
              attributes: newAttributes(type),
              modified: new Map(),
              opcodes: opcodesOf(link.transport.attributes, type, semantics['imm_data_bits'] !== 0),
              access: ALL_ACCESS,
              peerPath: 0,
              peerQpn: 0,
              state: 'RESET',
              sending: false,
              receiving: false,
              inEngine: false,
              drainNotice: false,
              counters: undefined,
              attached: new Set(),
              dirty: false,
              doomed: '',
            })),
          (made) => made !== undefined && forget(made),
        );
        if (qp === undefined) throw tableFull(call.name, 'queue pair', limits.queuePairs);
        takeSlot(owner, slot, qp);
        link.numbers.set(qpn & NUMBER_BITS, qp);
        srq?.users.add(qp);
        const why = tx.run(
          'engine',
          () => (rules.initial === 'RTS' ? enterState(qp, 'RTS', call.now) : ''),
          () => qp.inEngine && leave(qp, call.now),
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
        return { qpnGiven: qpn, slot, sourceIdGiven: sourceId, state: QP_STATES[rules.initial] };
      },
      DESTROY({ object, context, now }) {
        const qp = stateOf<SoftQueuePair>(object);
        qp.state = 'CLOSING';
        qp.sending = qp.receiving = false;
        if (qp.inEngine) leave(qp, now);
        if (context.dead) qp.sends.ring.setError(RingError.DEVICE);
        qp.link.data.flushRings(qp);
        publisher.publish(now);
        forget(qp);
        host.detachMemory(qp.sendTarget);
        if (qp.receiveTarget !== undefined) host.detachMemory(qp.receiveTarget);
      },
      MODIFY(call) {
        const state = modifyQueuePair(parts, call);
        publisher.publish(call.now);
        return { stateGiven: QP_STATES[state] };
      },
      QUERY({ input }) {
        return { attributes: queryQueuePair(stateOf<SoftQueuePair>(input.handle)) };
      },
      ATTACH_MR(call) {
        const qp = stateOf<SoftQueuePair>(call.input.handle);
        const region = stateOf<SoftRegion>(call.input.region);
        if (qp.attached.has(region)) {
          throw new VerbsError('EEXIST', call.name, 'the region is attached to this queue pair', {
            object: `region ${region.handle}, queue pair 0x${qp.qpn.toString(16)}`,
          });
        }
        region.attached ??= new Set();
        region.attached.add(qp.handle);
        qp.attached.add(region);
      },
      DETACH_MR(call) {
        const qp = stateOf<SoftQueuePair>(call.input.handle);
        const region = stateOf<SoftRegion>(call.input.region);
        if (!qp.attached.delete(region)) {
          throw new VerbsError('EINVAL', call.name, 'the region is not attached to this queue pair', {
            object: `region ${region.handle}, queue pair 0x${qp.qpn.toString(16)}`,
            try: 'QP.ATTACH_MR',
          });
        }
        region.attached?.delete(qp.handle);
      },
      ATTACH_COMP_CNTR(call) {
        const { handle, counter, operations } = call.input;
        const qp = stateOf<SoftQueuePair>(handle);
        const early = qp.state === 'RESET' || qp.state === 'INIT' || (qp.rules.initial === 'RTS' && qp.state === 'RTS');
        if (!early) {
          throw new VerbsError('EINVAL', call.name, `a counter cannot be attached in state ${qp.state}`, {
            try: 'before the queue pair works: in RESET or INIT',
          });
        }
        const slots = COUNTED.filter(([bit]) => (operations & bit) !== 0).map(([, slot]) => slot);
        if (slots.length === 0) {
          throw new VerbsError('EINVAL', call.name, 'no operation is to be counted', {
            try: 'SEND, RECV, RDMA_READ, …',
          });
        }
        if (slots.some((slot) => qp.counters?.[slot] !== undefined)) {
          throw new VerbsError('EBUSY', call.name, 'another counter counts some of these operations', {
            try: 'the operations that are left, or another queue pair',
          });
        }
        qp.counters ??= [undefined, undefined, undefined, undefined];
        for (const slot of slots) qp.counters[slot] = stateOf<SoftCounter>(counter);
        // there is no detaching: the counter lives as long as the queue pair
        call.object.need(counter);
      },
    },
  };

  function receiveRing(call: Parameters<NonNullable<NonNullable<DriverOps['QP']>['CREATE']>>[0]) {
    const { receiveRing: memory, receiveEntries } = call.input;
    const entries = checkEntries(call, 'receive queue', receiveEntries, limits.workRequests);
    if (memory === undefined) throw missing(call, 'receiveRing', 'memory for the ring');
    const target = attachShared(parts, call, 'receive ring', memory, ringBytes(entries, ReceiveEntry.bytes));
    return { target, queue: new WorkQueue(target.bytes, entries, ReceiveEntry.bytes) };
  }
}

const GSI_QPN = 1;
const ORDERED = 1;
const SIGNAL_ALL = 2;
const IDEMPOTENT = 4;
const MATCHING = 8;
/** The upper byte of a number says how it is addressed, not which it is. */
const NUMBER_BITS = 0xff_ffff;
const COUNTED = [
  [1, CounterSlot.SEND],
  [2, CounterSlot.RECV],
  [4, CounterSlot.RDMA_READ],
  [16, CounterSlot.RDMA_WRITE],
] as const;

/** A program that asks for protection must not be left without. */
const notProtected = (call: string, entry: number): VerbsError =>
  new VerbsError('EOPNOTSUPP', call, 'packets of this address entry are not protected', {
    object: `address entry ${entry}`,
    missing: 'keys of secure domains, which whoever runs the device provides',
    try: 'an address entry with protection, or leave `domain` out',
    see: 'the page of the transport in docs/transports',
  });
