/** The walk of a connected queue pair from RESET to RTS, with every attribute that it takes on the way. @spec verbs/2.3 */
import type { AccessRight } from '../verbs/access-rights.ts';
import type { QueuePair } from '../verbs/queue-pair.ts';

/** How connections are made. Numbers as in QP.MODIFY. */
export interface ConnectionOptions {
  /** Payload of full packets, bytes. Default 1024. */
  readonly payloadMtu: number;
  /** Default 14: silence of 67 ms ends in a retry. */
  readonly timeout: number;
  /** Default 7. */
  readonly retryCount: number;
  /** Default 7: a receiver that is not ready is asked for ever. */
  readonly rnrRetry: number;
  /** Default 12: it is asked again after 0.64 ms. */
  readonly minRnrTimer: number;
  /** Reads and atomics under way at a time, both ways. Default 16. */
  readonly maxRdAtomic: number;
  /** Default: all that there are. */
  readonly access: readonly AccessRight[];
}

/** The peer, and the first PSN of each direction. */
export interface ConnectionPeer {
  readonly address: string;
  readonly qpn: number;
  readonly sqPsn: number;
  readonly rqPsn: number;
}

/** Makes a queue pair of kind RC or UC ready, whatever state it is in. */
export function connect(qp: QueuePair, peer: ConnectionPeer, options: Partial<ConnectionOptions> = {}): void {
  if (qp.state !== 'RESET' && qp.state !== 'INIT') qp.modify({ state: 'RESET' });
  if (qp.state === 'RESET') prepare(qp, options.access);
  answerable(qp, peer, options);
  const { timeout, retryCount, rnrRetry, maxRdAtomic } = { ...DEFAULTS, ...options };
  const reliable = qp.type === 'RC' ? { timeout, retryCount, rnrRetry, maxRdAtomic } : {};
  qp.modify({ state: 'RTS', sqPsn: peer.sqPsn, ...reliable });
}

/** From RESET to INIT: receives can be posted. */
export function prepare(qp: QueuePair, access: readonly AccessRight[] = DEFAULTS.access): void {
  const rights = qp.type === 'RC' ? access : access.filter((right) => right === 'remote-write');
  qp.modify({ state: 'INIT', pkeyIndex: 0, port: 1, access: rights });
}

/** From INIT to RTR: the peer is served. */
export function answerable(qp: QueuePair, peer: ConnectionPeer, options: Partial<ConnectionOptions> = {}): void {
  const { payloadMtu, maxRdAtomic, minRnrTimer } = { ...DEFAULTS, ...options };
  const reliable = qp.type === 'RC' ? { maxDestRdAtomic: maxRdAtomic, minRnrTimer } : {};
  const to = { peer: { address: peer.address }, destQpn: peer.qpn, rqPsn: peer.rqPsn };
  qp.modify({ state: 'RTR', ...to, pathMtu: pathMtuCode(payloadMtu), ...reliable });
}

/** The code that QP.MODIFY has for the largest path MTU that fits, 1 to 5. */
const pathMtuCode = (payloadMtu: number): number => Math.max(1, Math.min(5, Math.floor(Math.log2(payloadMtu)) - 7));

const DEFAULTS: ConnectionOptions = {
  ...{ payloadMtu: 1024, timeout: 14, retryCount: 7, rnrRetry: 7, minRnrTimer: 12, maxRdAtomic: 16 },
  access: ['remote-write', 'remote-read', 'remote-atomic'],
};
