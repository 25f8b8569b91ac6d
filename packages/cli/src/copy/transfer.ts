/** What both ends of a copy do with a window of chunks. */
import type { Completion, WorkRequest } from '@verbena/core';
import { refusal } from '../failure.ts';
import type { Channel } from '../session/channel.ts';
import type { Link } from '../session/link.ts';
import { noAnswer } from '../session/outcome.ts';
import type { Peer } from '../session/peers.ts';
import { nearestSequence, type Signal, SignalKind } from '../session/session.ts';
import { chunkCount, chunkLength, type WindowShape } from './chunk-window.ts';
import { SequenceGate } from './sequence-gate.ts';

/** One file on its way: who the other end is, and what has happened to which chunk. */
export class Transfer {
  readonly id: number;
  readonly peer: Peer;
  /** Carries the data. */
  readonly link: Link;
  readonly channel: Channel;
  readonly size: number;
  readonly shape: WindowShape;
  readonly chunks: number;
  /** Chunks that came to this side: landed in its memory, or ready to be read from the peer's. */
  readonly incoming: SequenceGate;
  /** Chunks that the other side has consumed. */
  readonly consumed: SequenceGate;
  readonly #gates: SequenceGate[] = [];
  /** The other end gave up, and knows why. */
  abortedByPeer = false;
  #failed: unknown;

  constructor(id: number, peer: Peer, link: Link, channel: Channel, size: number, shape: WindowShape) {
    this.id = id;
    this.peer = peer;
    this.link = link;
    this.channel = channel;
    this.size = size;
    this.shape = shape;
    this.chunks = chunkCount(size, shape.slotBytes);
    this.incoming = this.gate();
    this.consumed = this.gate();
  }

  signalled(signal: Signal): void {
    if (signal.kind === SignalKind.ABORT) {
      this.abortedByPeer = this.#failed === undefined; // else it only repeats what it was told
      this.fail(refusal('EIO', 'cp', 'the other side gave the copy up', { try: 'look at its messages' }));
      return;
    }
    const gate = signal.kind === SignalKind.CREDIT ? this.consumed : this.incoming;
    const sequence = nearestSequence(signal.sequence, gate.next);
    if (sequence >= 0 && sequence < this.chunks) gate.arrive(sequence);
    else this.fail(refusal('EIO', 'cp', `the peer speaks of chunk ${sequence}, but there are ${this.chunks}`));
  }

  /** Ends all waiting with an error; the first one counts. */
  fail(error: unknown): void {
    this.#failed ??= error;
    for (const gate of this.#gates) gate.fail(this.#failed);
  }

  /** A gate that fails with the transfer. */
  gate(): SequenceGate {
    const gate = new SequenceGate(this.shape.slots, (error) => this.fail(error));
    if (this.#failed !== undefined) gate.fail(this.#failed);
    this.#gates.push(gate);
    return gate;
  }

  check(): void {
    if (this.#failed !== undefined) throw this.#failed;
  }

  length(sequence: number): number {
    return chunkLength(sequence, this.size, this.shape.slotBytes);
  }

  /** Waits until the chunk has come. */
  arrived(sequence: number): Promise<void> {
    return this.incoming.wait(sequence, () => this.#askAlive());
  }

  /** Waits until the slot that this chunk is to pass through is free at the other end. */
  async slotFree(sequence: number): Promise<void> {
    this.check();
    if (sequence >= this.shape.slots) {
      await this.consumed.wait(sequence - this.shape.slots, () => this.#askAlive());
    }
  }

  /** Waits until the other end has consumed everything. */
  async allConsumed(): Promise<void> {
    for (let sequence = Math.max(0, this.chunks - this.shape.slots); sequence < this.chunks; sequence++) {
      await this.consumed.wait(sequence, () => this.#askAlive());
    }
  }

  /** Moves a chunk. */
  async move(request: Omit<WorkRequest, 'id' | 'to'>): Promise<void> {
    const { qp, route } = this.link;
    const done: Completion = await this.channel.submit(qp, { ...request, ...route });
    if (!done.ok) throw noAnswer(this.peer.address, 'cp', done);
  }

  signal(kind: number, sequence: number): Promise<void> {
    return this.channel.signal(this.peer, kind, this.id, sequence);
  }

  /** Tells the other end that it is over; whether that arrives does not matter. */
  async abort(error: unknown): Promise<void> {
    this.fail(error);
    await this.signal(SignalKind.ABORT, 0).catch(() => {});
  }

  async #askAlive(): Promise<void> {
    const { alive } = await this.channel.request(this.peer, 'alive', { transfer: this.id });
    if (alive !== true) throw refusal('EIO', 'cp', 'the other side knows nothing of this copy any more');
  }
}

/**
 * Promises of which each may fail at any time: at most one per slot, awaited before the slot is used again.
 */
export class SlotWork {
  readonly #work: Promise<void>[];
  readonly #onError: (error: unknown) => void;

  constructor(slots: number, onError: (error: unknown) => void) {
    this.#work = new Array<Promise<void>>(slots).fill(Promise.resolve());
    this.#onError = onError;
  }

  /** Waits for the work of the chunk that used this slot before. */
  previous(sequence: number): Promise<void> {
    return this.#work[sequence % this.#work.length]!;
  }

  start(sequence: number, work: Promise<void>): void {
    const slot = sequence % this.#work.length;
    const before = this.#work[slot]!;
    this.#work[slot] = work.catch(this.#onError).then(() => before);
  }

  async all(): Promise<void> {
    await Promise.all(this.#work);
  }
}
