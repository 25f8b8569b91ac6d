/**
 * How queue pairs change state: one door. What a state does is in the tables of the core; here the engine and the rings
 * follow. Outstanding requests are never lost in silence: whoever leaves a state in which they run flushes them.
 */
import { RingError } from '../abi/ring.ts';
import { EventValue } from '../device/events.ts';
import { QP_STATE_RULES } from '../device/qp-transitions.ts';
import { noAttributes, type QueuePairAttributes, type QueuePairConfig } from '../engine/engine.ts';
import { Access } from '../engine/status.ts';
import type { QpState } from '../uapi/objects/qp.ts';
import type { SoftQueuePair } from './objects.ts';
import type { Registry } from './registry.ts';

/**
 * Moves a queue pair to a state.
 *
 * @returns '' or why its engine refuses it; nothing changed then
 */
export function enterState(qp: SoftQueuePair, to: QpState, now: number): string {
  const { incoming, outgoing, flushSends, flushReceives } = QP_STATE_RULES[to];
  const { link } = qp;
  if (incoming && !qp.inEngine) {
    const why = join(qp, now);
    if (why !== '') return why;
  } else if (incoming) attributesChanged(qp, now);
  const from = qp.state;
  qp.state = to;
  qp.sending = outgoing;
  qp.receiving = incoming;
  qp.doomed = '';
  if (!incoming && qp.inEngine) leave(qp, now);
  if (flushReceives || to === 'RESET') link.data.flushRings(qp);
  else if (flushSends) link.data.flushSends(qp);
  const { ring } = qp.sends;
  if (to === 'RESET') {
    qp.sends.reset();
    if (qp.srq === undefined) qp.receives.reset();
  } else if (flushSends) {
    if (ring.error() === RingError.NONE) ring.setError(RingError.FLUSHING);
    const receives = qp.srq === undefined ? qp.receives.ring : undefined;
    if (flushReceives && receives?.error() === RingError.NONE) receives.setError(RingError.FLUSHING);
  } else if (ring.error() === RingError.FLUSHING) ring.setError(RingError.NONE);
  if (to === 'ERR' && from !== 'ERR' && qp.srq !== undefined)
    link.data.raise(EventValue.QP_LAST_WQE_REACHED, qp.handle);
  if (incoming) link.engine.doorbell(now, qp.handle);
  return '';
}

/** The engine gives up what it has of the queue pair. */
export function leave(qp: SoftQueuePair, now: number): void {
  qp.inEngine = false;
  qp.link.engine.removeQueuePair(now, qp.handle);
}

/** A failure of the device or of the program takes it to ERR, one of a request where its kind says. */
export function failQueuePair(registry: Registry, qp: SoftQueuePair, now: number): void {
  const to = qp.doomed === 'SQE' ? 'SQE' : 'ERR';
  if (registry.qps.get(qp.handle) !== qp || qp.state === 'ERR' || qp.state === 'CLOSING' || qp.state === 'RESET')
    return;
  enterState(qp, to, now);
  if (to === 'ERR') qp.link.data.raise(EventValue.QP_FATAL, qp.handle);
}

function join(qp: SoftQueuePair, now: number): string {
  const why = qp.link.engine.addQueuePair(now, configOf(qp));
  qp.inEngine = why === '';
  return why;
}

/** Tells the engine, if it knows the queue pair. */
export function attributesChanged(qp: SoftQueuePair, now: number): void {
  if (qp.inEngine) qp.link.engine.modifyQueuePair?.(now, configOf(qp));
}

function configOf(qp: SoftQueuePair): QueuePairConfig {
  const { handle, type, attributes, qpn, pd, jobKey, sourceId, ordered, idempotent, peerPath, peerQpn, domain } = qp;
  const { matching } = qp;
  return {
    ...{ qp: handle, type, attributes, qpn, pd: pd.handle, jobId: jobKey?.job.id ?? 0, sourceId, ordered },
    ...(idempotent ? { idempotent } : {}),
    ...(matching ? { matching } : {}),
    ...(peerPath === 0 ? {} : { peerPath, peerQpn }),
    ...(domain === undefined ? {} : { domain }),
  };
}

/** Those of a queue pair that was told nothing. */
export function newAttributes(type: string): QueuePairAttributes {
  return { ...noAttributes(), qkey: type === 'GSI' ? GSI_QKEY : 0 };
}

/** What peers may do through a queue pair. */
export function setAccess(registry: Registry, qp: SoftQueuePair, access: number): void {
  const rights = access & ALL_ACCESS;
  registry.guardedQps += Number(rights !== ALL_ACCESS) - Number(qp.access !== ALL_ACCESS);
  qp.access = rights;
}

export const ALL_ACCESS = Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC;
/** The queue key of connection managers. */
const GSI_QKEY = 0x8001_0000;
