/** Peers by address: everybody has one queue pair under a well-known number, so each knows where to send. */
import type { AddressHandle, Completion, QueuePair, ReceiveRequest } from '@verbena/core';
import { AddressedLink, createAddressedQueuePair } from './addressed-link.ts';
import type { Endpoint } from './endpoint.ts';
import type { Link, Route } from './link.ts';
import type { Peer, Peers, PeersHost } from './peers.ts';
import { SERVICE_INDEX, SERVICE_QPN } from './session.ts';

export class AddressedPeers implements Peers {
  readonly needsEqualMtu = true;
  readonly #endpoint: Endpoint;
  readonly #host: PeersHost;
  readonly #qp: QueuePair;
  /** By path; whoever was silent longest is first. */
  readonly #peers = new Map<number, AddressedPeer>();

  constructor(endpoint: Endpoint, host: PeersHost) {
    this.#endpoint = endpoint;
    this.#host = host;
    this.#qp = createAddressedQueuePair(endpoint, { cq: host.cq, receiveDepth: host.receiveSlots }, SERVICE_INDEX);
  }

  postReceive(request: ReceiveRequest): void {
    this.#qp.postReceive(request);
  }

  async find(address: string, port: number): Promise<Peer> {
    const handle = this.#endpoint.addressHandle({ address, port }, SERVICE_QPN);
    return this.#known(handle.path, handle);
  }

  /** The well-known number is open already. */
  async listen(): Promise<void> {}

  sender(done: Completion): Peer {
    return this.#known(done.path);
  }

  /** It may come back: nothing is kept for it. */
  lost(): void {}

  createStream(): Link {
    return new AddressedLink(this.#endpoint, { cq: this.#host.cq }, SERVICE_QPN);
  }

  async close(): Promise<void> {}

  #known(path: number, handle?: AddressHandle): Peer {
    let peer = this.#peers.get(path);
    if (peer === undefined) {
      if (this.#peers.size >= MAX_PEERS) this.#forgetOldest();
      peer = new AddressedPeer(this.#qp, handle ?? this.#endpoint.addressHandle({ path }, SERVICE_QPN));
    } else {
      this.#peers.delete(path);
      handle?.destroy();
    }
    this.#peers.set(path, peer);
    return peer;
  }

  #forgetOldest(): void {
    const [path, peer] = this.#peers.entries().next().value!;
    this.#peers.delete(path);
    peer.to.destroy();
  }
}

class AddressedPeer implements Peer {
  readonly qp: QueuePair;
  readonly to: AddressHandle;
  readonly route: Route;
  readonly address: string;
  readonly port: number;

  constructor(qp: QueuePair, to: AddressHandle) {
    this.qp = qp;
    this.to = to;
    this.route = { to };
    this.address = to.address;
    this.port = to.port;
  }
}

/** Peers whose address is remembered. */
const MAX_PEERS = 256;
