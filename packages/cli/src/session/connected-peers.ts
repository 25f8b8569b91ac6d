/**
 * Peers by connection: each has a queue pair of its own here, made by the connection manager. Their messages come into
 * one shared receive queue.
 */
import type { Completion, QueuePair, ReceiveRequest, SharedReceiveQueue } from '@verbena/core';
import { isVerbsError } from '@verbena/core';
import { type Connection, ConnectionManager, type ConnectionRequest, type Listener } from '@verbena/core/cm';
import { ConnectedLink, createConnectedQueuePair } from './connected-link.ts';
import type { Endpoint } from './endpoint.ts';
import type { Link, LinkOptions, Route } from './link.ts';
import { noAnswer, nobodyListens } from './outcome.ts';
import type { Peer, Peers, PeersHost } from './peers.ts';

export class ConnectedPeers implements Peers {
  readonly needsEqualMtu = false;
  readonly #endpoint: Endpoint;
  readonly #host: PeersHost;
  readonly #manager: ConnectionManager;
  readonly #srq: SharedReceiveQueue;
  readonly #peers = new Set<ConnectedPeer>();
  /** By number of a queue pair on this side: the peer's own one, and those of its streams. */
  readonly #senders = new Map<number, ConnectedPeer>();
  #listener: Listener | undefined;
  #closing = false;

  /** @throws VerbsError EEXIST another program manages the connections of this address */
  constructor(endpoint: Endpoint, host: PeersHost) {
    this.#endpoint = endpoint;
    this.#host = host;
    this.#manager = ConnectionManager.open(endpoint.context, { sgidIndex: endpoint.sgidIndex });
    this.#srq = endpoint.pd.createSharedReceiveQueue({ depth: host.receiveSlots });
  }

  postReceive(request: ReceiveRequest): void {
    this.#srq.postReceive(request);
  }

  async find(address: string, port: number): Promise<Peer> {
    const peer = this.#add(address, 0);
    try {
      const connection = await this.#manager.connect({
        ...{ address, port, qp: peer.qp, timeout: TIMEOUT, timeoutMs: CONNECT_MS, pathMtu: this.#endpoint.payloadMtu },
      });
      this.#connected(peer, connection);
      return peer;
    } catch (thrown) {
      this.#remove(peer);
      if (!isVerbsError(thrown)) throw thrown;
      if (thrown.code === 'ETIMEDOUT') throw noAnswer(address, 'connect', `nothing for ${CONNECT_MS / 1e3} s`);
      if (thrown.code === 'ECONNREFUSED') throw nobodyListens(address, port, thrown);
      throw thrown;
    }
  }

  async listen(port: number): Promise<void> {
    const listener = this.#manager.listen({ port });
    this.#listener = listener;
    void this.#acceptAll(listener);
  }

  sender(done: Completion): Peer | undefined {
    const peer = this.#senders.get(done.qpn);
    if (peer !== undefined) peer.heardAt = performance.now();
    return peer;
  }

  lost(peer: Peer): void {
    if (peer.qp.isOpen && peer.qp.state === 'ERR') this.#letGo(peer as ConnectedPeer);
  }

  createStream(peer: Peer): Link {
    const options: LinkOptions = { cq: this.#host.cq, srq: this.#srq };
    const link: ConnectedLink = new ConnectedLink(this.#endpoint, options, () => this.#senders.delete(link.qp.qpn));
    this.#senders.set(link.qp.qpn, peer as ConnectedPeer);
    return link;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#listener?.close();
    await this.#manager.close();
    for (const peer of [...this.#peers]) this.#remove(peer);
  }

  async #acceptAll(listener: Listener): Promise<void> {
    try {
      for await (const request of listener) void this.#accept(request);
    } catch {
      // the device failed: whoever uses it is told
    }
  }

  async #accept(request: ConnectionRequest): Promise<void> {
    if (this.#peers.size >= MAX_PEERS && !this.#makeRoom()) {
      request.reject({ reason: 'NO_RESOURCES' });
      return;
    }
    const { address, udpPort } = request.peer;
    const peer = this.#add(address, udpPort);
    try {
      this.#connected(peer, await request.accept({ qp: peer.qp, timeout: TIMEOUT }));
    } catch {
      this.#remove(peer); // it gave up
    }
  }

  /** Lets go of the peer that was silent longest, if that was long. */
  #makeRoom(): boolean {
    let oldest: ConnectedPeer | undefined;
    for (const peer of this.#peers) if (oldest === undefined || peer.heardAt < oldest.heardAt) oldest = peer;
    if (oldest === undefined || performance.now() - oldest.heardAt < SILENCE_MS) return false;
    this.#letGo(oldest);
    return true;
  }

  #letGo(peer: ConnectedPeer): void {
    const { connection } = peer;
    const ended = connection?.disconnect(); // needs the queue pair
    this.#remove(peer);
    ended?.catch(() => {}); // it was gone already
  }

  #add(address: string, port: number): ConnectedPeer {
    const qp = createConnectedQueuePair(this.#endpoint, { cq: this.#host.cq, srq: this.#srq, sendDepth: SEND_DEPTH });
    const peer = new ConnectedPeer(qp, address, port);
    this.#peers.add(peer);
    this.#senders.set(qp.qpn, peer);
    return peer;
  }

  #connected(peer: ConnectedPeer, connection: Connection): void {
    peer.connection = connection;
    peer.port = connection.peer.udpPort;
    peer.heardAt = performance.now();
    void connection.closed.then(() => this.#remove(peer));
  }

  #remove(peer: ConnectedPeer): void {
    if (!this.#peers.delete(peer)) return;
    this.#senders.delete(peer.qp.qpn);
    peer.qp.close();
    if (!this.#closing && peer.connection !== undefined) this.#host.left(peer);
  }
}

class ConnectedPeer implements Peer {
  readonly qp: QueuePair;
  readonly route: Route = {};
  readonly address: string;
  port: number;
  connection: Connection | undefined;
  /** `performance.now()` of the last sign of life. */
  heardAt = performance.now();

  constructor(qp: QueuePair, address: string, port: number) {
    this.qp = qp;
    this.address = address;
    this.port = port;
  }
}

/** Peers at a time. */
const MAX_PEERS = 256;
/** A peer without news for so long makes room for a new one. */
const SILENCE_MS = 60_000;
const SEND_DEPTH = 64;
/** As for links: a program that computes for a second is not taken for dead. */
const TIMEOUT = 15;
const CONNECT_MS = 5_000;
