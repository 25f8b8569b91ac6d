/** A link of a queue pair that reaches everybody: joining is to know the peer's address. */
import type { AddressHandle, QueuePair } from '@verbena/core';
import type { Endpoint } from './endpoint.ts';
import type { Link, LinkEnd, LinkOptions, Place, Route } from './link.ts';
import { absoluteQpn } from './session.ts';

export class AddressedLink implements Link {
  readonly qp: QueuePair;
  readonly end: LinkEnd;
  readonly delivery: string;
  readonly immTakesReceive: boolean;
  readonly #endpoint: Endpoint;
  #to: AddressHandle | undefined;

  /** @param answerQpn - where the peer's messages are to go, instead of to this queue pair */
  constructor(endpoint: Endpoint, options: LinkOptions, answerQpn?: number) {
    this.#endpoint = endpoint;
    this.qp = createAddressedQueuePair(endpoint, options);
    this.delivery = options.ordered === true ? 'ordered (ROD)' : 'unordered (RUD)';
    this.immTakesReceive = endpoint.immTakesReceive;
    this.end = { qpn: answerQpn ?? this.qp.qpn, psn: 0, mtu: endpoint.payloadMtu };
  }

  get route(): Route {
    if (this.#to === undefined) throw new Error('the link is not joined');
    return { to: this.#to };
  }

  join(place: Place, end: LinkEnd): void {
    this.#to?.destroy();
    this.#to = this.#endpoint.addressHandle(place, end.qpn);
  }

  close(): void {
    this.qp.close();
    this.#to?.destroy();
  }
}

/** An absolute queue pair of the service, at `index` or at the next free one. */
export function createAddressedQueuePair(endpoint: Endpoint, options: LinkOptions, index?: number): QueuePair {
  return endpoint.pd.createQueuePair({
    type: 'RU',
    sendCq: options.cq,
    recvCq: options.cq,
    jobKey: endpoint.jobKey,
    qpn: absoluteQpn(index ?? endpoint.takeIndex()),
    sgidIndex: endpoint.sgidIndex,
    sendDepth: options.sendDepth ?? 256,
    receiveDepth: options.receiveDepth ?? 16,
    ordered: options.ordered ?? false,
    sendSignalAll: options.signalAll ?? true,
    ...(endpoint.domain === undefined ? {} : { domain: endpoint.domain }),
  });
}
