/** How a queue pair becomes connected: the steps that rdma_connect and rdma_accept take. @spec verbs/2.3 · rdma-core */
import { VerbsError } from '../base/verbs-error.ts';
import type { AccessRight } from '../verbs/access-rights.ts';
import type { Context } from '../verbs/context.ts';
import type { QueuePair } from '../verbs/queue-pair.ts';
import type { ConnectedType, ConnectionParameters, ConnectionPeer } from './parameters.ts';

/** @throws VerbsError EINVAL it cannot be connected as it is */
export function checkConnectable(call: string, context: Context, qp: QueuePair): void {
  const wrong = (problem: string, advice: string) =>
    new VerbsError('EINVAL', call, problem, { object: qp.describe(), try: advice });
  if (qp.context !== context) throw wrong('the queue pair is of another context', 'one of the manager’s context');
  if (!qp.isOpen) throw wrong('the queue pair is destroyed', 'create another');
  if (qp.type !== 'RC' && qp.type !== 'UC') {
    throw wrong(`queue pairs of kind ${qp.type} are not connected`, 'kind RC or UC');
  }
  if (qp.state === 'RESET' || qp.state === 'INIT') return;
  const isOver = qp.state === 'ERR' || qp.state === 'SQE';
  const advice = isOver ? "modify({ state: 'RESET' }) first" : 'a queue pair of its own for each connection';
  throw wrong(`the queue pair is in state ${qp.state}`, advice);
}

export function toInit(qp: QueuePair, port: number, access: readonly AccessRight[]): void {
  qp.modify({ state: 'INIT', pkeyIndex: 0, port, access });
}

/** To RTS: from then on it takes packets of the peer, and sends. */
export function toReady(
  qp: QueuePair,
  peer: ConnectionPeer,
  parameters: ConnectionParameters,
  options: { readonly minRnrTimer: number; readonly access: readonly AccessRight[] },
): void {
  const { pathMtu, rqPsn, sqPsn, timeout, retryCount, rnrRetry } = parameters;
  const reliable = qp.type === 'RC';
  qp.modify({
    state: 'RTR',
    peer: { address: peer.address, port: peer.udpPort },
    pathMtu: mtuCode(pathMtu),
    destQpn: peer.qpn,
    rqPsn,
    access: options.access,
    ...(reliable ? { maxDestRdAtomic: parameters.responderResources, minRnrTimer: options.minRnrTimer } : {}),
  });
  const requester = { timeout, retryCount, rnrRetry, maxRdAtomic: parameters.initiatorDepth };
  qp.modify({ state: 'RTS', sqPsn, ...(reliable ? requester : {}) });
}

/** What is under way is flushed. Nothing happens to one that is gone. */
export function toError(qp: QueuePair): void {
  if (!qp.isOpen || !qp.context.isOpen || qp.context.port.failure !== '') return;
  if (qp.state !== 'RESET') qp.modify({ state: 'ERR' });
}

/** What a peer may do when the program does not say. */
export function defaultAccess(context: Context, type: ConnectedType, responderResources: number): AccessRight[] {
  const access: AccessRight[] = ['remote-write'];
  if (type !== 'RC' || responderResources === 0) return access;
  access.push('remote-read');
  if (context.attributes.atomicCap !== 'NONE') access.push('remote-atomic');
  return access;
}

/** Code of a payload length, rounded down: 1 for 256 bytes to 5 for 4096. */
export const mtuCode = (bytes: number): number => Math.min(5, Math.max(1, Math.floor(Math.log2(bytes)) - 7));

/** Payload length of a code. */
export const mtuBytes = (code: number): number => 128 << code;

/**
 * When a packet counts as unanswered, as a code: the way there and back, and the time that the peer takes.
 *
 * @param ackDelay - the peer's, as a code
 */
export function ackTimeout(ackDelay: number): number {
  const base = DEFAULT_TIMEOUT;
  const sum = ackDelay >= base ? ackDelay + 1 : base;
  return Math.min(sum, MAX_TIMEOUT);
}

/** 67 ms. */
export const DEFAULT_TIMEOUT = 14;
/** 8.6 s: more is nothing that a peer can make this side wait. */
export const MAX_TIMEOUT = 21;
/** What this side tells peers of its own delay: 4 ms. */
export const ACK_DELAY = 10;
