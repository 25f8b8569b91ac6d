/** A link of a queue pair that has one peer: joining takes it through its states to that peer. */
import type { QueuePair } from '@verbena/core';
import type { Endpoint } from './endpoint.ts';
import type { Link, LinkEnd, LinkOptions, Place, Route } from './link.ts';

export class ConnectedLink implements Link {
  readonly qp: QueuePair;
  readonly end: LinkEnd;
  readonly route: Route = {};
  readonly delivery = 'ordered (RC)';
  readonly immTakesReceive: boolean;
  readonly #onClose: (() => void) | undefined;

  /** @param onClose - told before the queue pair is gone */
  constructor(endpoint: Endpoint, options: LinkOptions, onClose?: () => void) {
    this.#onClose = onClose;
    this.qp = createConnectedQueuePair(endpoint, options);
    this.qp.modify({ state: 'INIT', pkeyIndex: 0, port: 1, access: REMOTE_ACCESS });
    this.immTakesReceive = endpoint.immTakesReceive;
    this.end = { qpn: this.qp.qpn, psn: Math.floor(Math.random() * 2 ** 24), mtu: endpoint.payloadMtu };
  }

  /** @throws VerbsError EINVAL it is joined already */
  join(place: Place, end: LinkEnd): void {
    this.qp.modify({
      state: 'RTR',
      peer: place,
      pathMtu: mtuCode(Math.min(this.end.mtu, end.mtu)),
      destQpn: end.qpn,
      rqPsn: end.psn,
      maxDestRdAtomic: MAX_READS,
      minRnrTimer: MIN_RNR_TIMER,
    });
    this.qp.modify({
      state: 'RTS',
      sqPsn: this.end.psn,
      timeout: TIMEOUT,
      retryCount: 7,
      rnrRetry: 7,
      maxRdAtomic: MAX_READS,
    });
  }

  close(): void {
    this.#onClose?.();
    this.qp.close();
  }
}

/** A queue pair in RESET. */
export function createConnectedQueuePair(endpoint: Endpoint, options: LinkOptions): QueuePair {
  const { cq, srq } = options;
  return endpoint.pd.createQueuePair({
    type: 'RC',
    sendCq: cq,
    recvCq: cq,
    jobKey: endpoint.jobKey,
    sgidIndex: endpoint.sgidIndex,
    sendDepth: options.sendDepth ?? 256,
    ...(srq === undefined ? { receiveDepth: options.receiveDepth ?? 16 } : { srq }),
    ordered: true,
    sendSignalAll: options.signalAll ?? true,
    ...(endpoint.domain === undefined ? {} : { domain: endpoint.domain }),
  });
}

/** The largest size of the field, 256 to 4096, that packets of so many bytes hold; as its code 1 to 5. */
export function mtuCode(bytes: number): number {
  return Math.max(1, Math.min(5, Math.floor(Math.log2(bytes)) - 7));
}

export const REMOTE_ACCESS = ['remote-write', 'remote-read', 'remote-atomic'] as const;
/** Reads under way at a time, each way. */
const MAX_READS = 16;
/** 4.096 µs · 2^15 = 134 ms, and seven more tries: a program that computes for a second is not taken for dead. */
const TIMEOUT = 15;
/** 0.64 ms until a message that found no receive is sent again. */
const MIN_RNR_TIMER = 12;
