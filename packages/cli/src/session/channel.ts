/**
 * Requests, answers and signals between two programs, and the loop that drives a device while they talk.
 *
 * One completion queue serves everything; each posted request has an id of its own, under which its completion is
 * awaited. Messages that the peer has no room for are sent again for a while.
 */
import {
  type Completion,
  type CompletionQueue,
  isVerbsError,
  type MemoryRegion,
  type QueuePair,
  type WorkRequest,
} from '@verbena/core';
import { refusal } from '../failure.ts';
import { AddressedPeers } from './addressed-peers.ts';
import { ConnectedPeers } from './connected-peers.ts';
import type { Endpoint } from './endpoint.ts';
import type { Link } from './link.ts';
import { noAnswer, refusalOf, refused } from './outcome.ts';
import type { Peer, Peers } from './peers.ts';
import {
  type Body,
  MAX_MESSAGE_BYTES,
  type Message,
  PROTOCOL,
  packSignal,
  parseMessage,
  type Signal,
  unpackSignal,
} from './session.ts';

/** What this side does about things that the other side says. */
export interface Listener {
  /** Answers a request; a thrown VerbsError becomes a refusal. */
  asked?(from: Peer, ask: string, body: Body): Promise<Body> | Body;
  /** A signal or a write with immediate data arrived. */
  signalled?(from: Peer, signal: Signal): void;
  /** The peer is gone. Not every transport notices. */
  left?(from: Peer): void;
}

export class Channel {
  readonly endpoint: Endpoint;
  readonly cq: CompletionQueue;
  /** Called on each turn of a busy loop: for tests that look at memory instead of completions. */
  drive: (() => void) | undefined;
  /** Resolves when `drive` may have something to do; where another thread or a daemon drives the device. */
  idle: (() => Promise<void>) | undefined;
  readonly #listener: Listener;
  readonly #receives: MemoryRegion;
  readonly #sends: MemoryRegion;
  readonly #freeSends: number[] = Array.from({ length: SEND_SLOTS }, (_, i) => i);
  readonly #sendWaiters: (() => void)[] = [];
  readonly #posted = new Map<number, (completion: Completion) => void>();
  readonly #asked = new Map<number, Asked>();
  readonly #peers: Peers;
  #nextId = FIRST_ID;
  #busy = 0;
  #closing = false;
  #closed: Promise<void> | undefined;
  readonly #pump: Promise<void>;
  #sleeping: Promise<void> | undefined;

  constructor(endpoint: Endpoint, listener: Listener) {
    this.endpoint = endpoint;
    this.#listener = listener;
    this.cq = endpoint.context.createCompletionQueue({ entries: CQ_ENTRIES });
    const host = { cq: this.cq, receiveSlots: RECEIVE_SLOTS, left: (peer: Peer) => this.#left(peer) };
    this.#peers = new PEERS[endpoint.style](endpoint, host);
    this.#receives = endpoint.register(RECEIVE_SLOTS * MAX_MESSAGE_BYTES, ['local-write']);
    this.#sends = endpoint.register(SEND_SLOTS * MAX_MESSAGE_BYTES, ['local-write']);
    for (let slot = 0; slot < RECEIVE_SLOTS; slot++) this.#receive(slot);
    this.#pump = this.#run();
    endpoint.beforeClose(() => this.close());
  }

  /** Packets of both sides must have the same size. */
  get needsEqualMtu(): boolean {
    return this.#peers.needsEqualMtu;
  }

  /** Finds a server at an address. @throws VerbsError it cannot be reached */
  connect(address: string): Promise<Peer> {
    return this.#peers.find(address, this.endpoint.servicePort);
  }

  /** Lets clients come. */
  listen(): Promise<void> {
    return this.#peers.listen(this.endpoint.servicePort);
  }

  /** A link for data to a peer. What it says by immediate data comes in as signals of the peer. */
  createStream(peer: Peer): Link {
    return this.#peers.createStream(peer);
  }

  /**
   * Asks the peer and waits for its answer.
   *
   * @throws VerbsError what the peer refused with · `ETIMEDOUT` no answer
   */
  async request(to: Peer, ask: string, body: Body, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Body> {
    const id = this.#nextId++;
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise<Body>((resolve, reject) => {
      this.#asked.set(id, { to, ask, resolve, reject });
      timer = setTimeout(
        () => reject(noAnswer(to.address, ask, `it took longer than ${timeoutMs / 1e3} s`)),
        timeoutMs,
      );
    });
    answer.catch(() => {}); // also when sending fails first
    try {
      const sent = this.#send(to, { v: PROTOCOL, id, ask, body }, ask);
      return await Promise.race([answer, sent.then(() => answer)]);
    } finally {
      clearTimeout(timer);
      this.#asked.delete(id);
    }
  }

  /** Sends a signal; waits until the peer has it. */
  async signal(to: Peer, kind: number, transfer: number, sequence: number): Promise<void> {
    const imm = packSignal(kind, transfer, sequence);
    for (let attempt = 1; ; attempt++) {
      const done = await this.submit(to.qp, { opcode: 'send', imm, ...to.route });
      if (done.ok) return;
      if (done.status !== 'RNR_RETRY_EXC_ERR' || attempt === MAX_ATTEMPTS) throw this.#failed(to, 'signal', done);
    }
  }

  /**
   * Posts a request and waits for its completion, whatever the status.
   *
   * @throws VerbsError EIO the queue pair is closed: its peer left
   */
  async submit(qp: QueuePair, request: Omit<WorkRequest, 'id'>): Promise<Completion> {
    const id = this.#nextId++;
    while (qp.isOpen && qp.sendSpace === 0) await turn();
    if (!qp.isOpen) throw refusal('EIO', 'send', 'the other side is gone', { try: 'look at its messages' });
    return new Promise((resolve, reject) => {
      this.#posted.set(id, resolve);
      try {
        qp.post({ ...request, id });
      } catch (thrown) {
        this.#posted.delete(id);
        reject(thrown);
      }
    });
  }

  /** While something is busy the loop polls instead of sleeping. */
  async whileBusy<T>(work: () => Promise<T>): Promise<T> {
    this.#busy++;
    try {
      return await work();
    } finally {
      this.#busy--;
    }
  }

  /** Ends the loop; requests that wait fail. Closing the endpoint does it as well. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing = true;
    this.drive = undefined;
    for (const waiting of this.#asked.values()) waiting.reject(refusal('EIO', 'request', 'the session was closed'));
    await this.#pump;
    await this.#peers.close();
  }

  /** What waits for an answer of this peer need wait no longer. */
  #left(peer: Peer): void {
    for (const { to, ask, reject } of this.#asked.values()) {
      if (to === peer)
        reject(refusal('EIO', ask, `${peer.address} ended the connection`, { try: 'look at its messages' }));
    }
    this.#listener.left?.(peer);
  }

  #failed(to: Peer, what: string, done: Completion): Error {
    this.#peers.lost(to);
    return noAnswer(to.address, what, done);
  }

  async #send(to: Peer, message: Message, what: string): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(message));
    if (bytes.length > MAX_MESSAGE_BYTES) {
      throw refusal('EINVAL', what, `the message has ${bytes.length} bytes, at most ${MAX_MESSAGE_BYTES} can be sent`, {
        try: 'shorter names',
      });
    }
    while (this.#freeSends.length === 0) await new Promise<void>((resolve) => this.#sendWaiters.push(resolve));
    const slot = this.#freeSends.pop()!;
    try {
      const offset = slot * MAX_MESSAGE_BYTES;
      this.#sends.bytes.set(bytes, offset);
      for (let attempt = 1; ; attempt++) {
        const region = this.#sends;
        const request = { opcode: 'send', region, offset, length: bytes.length, ...to.route } as const;
        const done = await this.submit(to.qp, request);
        if (done.ok) return;
        if (done.status !== 'RNR_RETRY_EXC_ERR' || attempt === MAX_ATTEMPTS) throw this.#failed(to, what, done);
      }
    } finally {
      this.#freeSends.push(slot);
      this.#sendWaiters.shift()?.();
    }
  }

  #receive(slot: number): void {
    this.#peers.postReceive({
      id: slot,
      region: this.#receives,
      offset: slot * MAX_MESSAGE_BYTES,
      length: MAX_MESSAGE_BYTES,
    });
  }

  async #run(): Promise<void> {
    let quietSince = performance.now();
    while (!this.#closing) {
      let handled = 0;
      for (let done = this.cq.take(); done !== undefined; done = this.cq.take()) {
        this.#dispatch(done);
        if (++handled === BURST) break;
      }
      this.drive?.();
      const now = performance.now();
      if (handled > 0) quietSince = now;
      const idle = now - quietSince;
      if (this.#busy > 0 && this.endpoint.device.polls && idle < SPIN_MS) await (handled > 0 ? null : turn());
      else if (this.drive === undefined) await this.#sleep();
      else if (this.idle === undefined || this.endpoint.device.polls) await turn();
      else await Promise.race([this.idle(), (this.#sleeping ??= this.#sleep())]);
    }
  }

  async #sleep(): Promise<void> {
    try {
      await this.cq.wait(SLEEP_MS);
    } catch (thrown) {
      if (!isVerbsError(thrown) || thrown.code !== 'ETIMEDOUT') throw thrown;
    } finally {
      this.#sleeping = undefined;
    }
  }

  #dispatch(done: Completion): void {
    const id = Number(done.id);
    const waiting = this.#posted.get(id);
    if (waiting !== undefined) {
      this.#posted.delete(id);
      waiting(done);
    } else if (done.opcode === 'recv-write-imm') {
      if (this.endpoint.immTakesReceive) this.#receive(id);
      if (done.ok && done.imm !== undefined) this.#signalled(done, done.imm);
    } else if (id < RECEIVE_SLOTS) {
      this.#received(done);
    }
  }

  #signalled(done: Completion, imm: bigint): void {
    const from = this.#peers.sender(done);
    if (from !== undefined) this.#listener.signalled?.(from, unpackSignal(imm));
  }

  #received(done: Completion): void {
    const slot = Number(done.id);
    if (!done.ok) {
      if (done.status !== 'WR_FLUSH_ERR') this.#receive(slot);
      return;
    }
    if (done.imm !== undefined) {
      this.#receive(slot);
      this.#signalled(done, done.imm);
      return;
    }
    const offset = slot * MAX_MESSAGE_BYTES;
    const text = Buffer.from(this.#receives.bytes.subarray(offset, offset + done.byteLength)).toString();
    this.#receive(slot);
    const message = parseMessage(text);
    const from = this.#peers.sender(done);
    // anything else is noise, or of somebody who left: nobody to answer to
    if (message !== undefined && from !== undefined) this.#understood(from, message);
  }

  #understood(from: Peer, message: Message): void {
    if ('ask' in message) {
      void this.#answer(from, message);
      return;
    }
    const waiting = this.#asked.get(message.id);
    if (waiting?.to.address !== from.address) return; // too late, the request was given up; or somebody else speaks
    if ('answer' in message) waiting.resolve(message.answer);
    else waiting.reject(refused(waiting.ask, message.refuse));
  }

  async #answer(from: Peer, { id, ask, body, v }: Extract<Message, { ask: string }>): Promise<void> {
    let answer: Message;
    try {
      if (v !== PROTOCOL) throw refusal('EOPNOTSUPP', ask, `this side speaks version ${PROTOCOL}, the other ${v}`);
      if (this.#listener.asked === undefined) throw refusal('EOPNOTSUPP', ask, 'nothing is served here');
      answer = { v: PROTOCOL, id, answer: await this.#listener.asked(from, ask, body) };
    } catch (thrown) {
      answer = { v: PROTOCOL, id, refuse: refusalOf(thrown) };
    }
    try {
      await this.#send(from, answer, ask);
    } catch {
      // the asker is gone: it can only be left alone
    }
  }
}

interface Asked {
  readonly to: Peer;
  readonly ask: string;
  readonly resolve: (body: Body) => void;
  readonly reject: (error: Error) => void;
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const PEERS = { addressed: AddressedPeers, connected: ConnectedPeers };
/** Messages that can wait to be taken in; each is given back before it is worked on. */
const RECEIVE_SLOTS = 128;
const SEND_SLOTS = 32;
/** Ids below are those of receives. */
const FIRST_ID = 1_000;
const CQ_ENTRIES = 8192;
const REQUEST_TIMEOUT_MS = 5_000;
/** How often a message is sent again when the peer has no receive posted; each try is retried by the transport. */
const MAX_ATTEMPTS = 10;
/** Completions taken before others get their turn. */
const BURST = 64;
/** How long a busy session polls without finding anything before it sleeps. */
const SPIN_MS = 2;
const SLEEP_MS = 200;
