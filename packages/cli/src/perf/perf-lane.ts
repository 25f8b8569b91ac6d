/** One side of a measurement: a queue pair of its own with a source and a destination buffer in slots. */
import {
  CompletionBatch,
  type CompletionQueue,
  isVerbsError,
  type MemoryRegion,
  type QueuePair,
  RemoteMemory,
  SeededRandom,
} from '@verbena/core';
import { createLink } from '../session/create-link.ts';
import type { Endpoint } from '../session/endpoint.ts';
import type { Link, Place, Route } from '../session/link.ts';
import type { Lane, LaneCard, LaneShape } from './lane.ts';
import type { PerfTest } from './perf-tests.ts';

export class PerfLane implements Lane {
  readonly endpoint: Endpoint;
  readonly cq: CompletionQueue;
  readonly link: Link;
  readonly qp: QueuePair;
  readonly batch = new CompletionBatch(64);
  /** What is sent from, or read by the peer. */
  readonly out: MemoryRegion;
  /** Where data arrives. */
  readonly in: MemoryRegion;
  readonly depth: number;
  /** Room for work requests while the lane is idle. */
  readonly idleSpace: number;
  /** Bytes of one message. */
  readonly size: number;
  readonly #slotBytes: number;
  readonly #slots: number;
  #remoteIn: RemoteMemory | undefined;
  #remoteOut: RemoteMemory | undefined;

  constructor(endpoint: Endpoint, shape: LaneShape) {
    this.endpoint = endpoint;
    this.depth = shape.depth;
    this.size = shape.size;
    this.#slotBytes = slotBytesOf(shape.size);
    this.cq = endpoint.context.createCompletionQueue({ entries: 2 * (shape.depth + RECEIVES) });
    this.link = createLink(endpoint, {
      cq: this.cq,
      sendDepth: shape.depth,
      receiveDepth: RECEIVES,
      ordered: shape.ordered,
      signalAll: false,
    });
    this.qp = this.link.qp;
    this.idleSpace = this.qp.sendSpace;
    const bytes = Math.max(BUFFER_BYTES, this.#slotBytes);
    this.#slots = Math.min(RECEIVES, Math.floor(bytes / this.#slotBytes));
    this.out = endpoint.register(bytes, ['local-write', 'remote-read']);
    this.in = endpoint.register(bytes, ['local-write', 'remote-write']);
  }

  /** The lane of a peer at this place, as its `card` says. */
  connect(place: Place, card: LaneCard): void {
    this.link.join(place, card);
    this.#remoteIn = new RemoteMemory(card.in);
    this.#remoteOut = new RemoteMemory(card.out);
  }

  /** What the peer must know. */
  get card(): LaneCard {
    return { ...this.link.end, in: this.in.rkey, out: this.out.rkey };
  }

  get connection(): string {
    return this.qp.type;
  }

  get delivery(): string {
    return this.link.delivery;
  }

  /** How requests name the peer. */
  get route(): Route {
    return this.link.route;
  }

  get remoteIn(): RemoteMemory {
    if (this.#remoteIn === undefined) throw new Error('the lane is not connected');
    return this.#remoteIn;
  }

  get remoteOut(): RemoteMemory {
    if (this.#remoteOut === undefined) throw new Error('the lane is not connected');
    return this.#remoteOut;
  }

  /** Fills the source with a pattern. */
  fill(seed: number): void {
    fillPattern(this.out.bytes, seed);
  }

  /** Where message `number` lies in both buffers. */
  offset(number: number): number {
    return (number % this.#slots) * this.#slotBytes;
  }

  /**
   * Whether `messages` messages arrived here as a lane that was filled with `seed` sends them. SENDs all come from the
   * first slot, since unordered ones may match receives in any order.
   */
  verify({ operation, name }: PerfTest, messages: number, seed: number): boolean {
    const size = name === 'write-lat' ? this.size - 1 : this.size; // the last byte is the mark
    const expected = new Uint8Array(this.in.length);
    fillPattern(expected, seed);
    const slots = name === 'write-lat' || name === 'read-lat' ? 1 : Math.min(messages, this.#slots);
    for (let slot = 0; slot < slots; slot++) {
      const at = slot * this.#slotBytes;
      const from = operation === 'send' ? 0 : at;
      const arrived = this.in.bytes.subarray(at, at + size);
      if (Buffer.compare(arrived, expected.subarray(from, from + size)) !== 0) return false;
    }
    return true;
  }

  /** Resolves when a completion is there, or after a while. */
  async idle(): Promise<void> {
    try {
      await this.cq.wait(IDLE_MS);
    } catch (thrown) {
      if (!isVerbsError(thrown) || thrown.code !== 'ETIMEDOUT') throw thrown;
    }
  }

  close(): void {
    this.link.close();
    this.cq.close();
    this.endpoint.unregister(this.out);
    this.endpoint.unregister(this.in);
  }
}

/** Receives that are kept posted in tests of SEND. */
export const RECEIVES = 512;

function slotBytesOf(size: number): number {
  return Math.max(64, Math.ceil(size / 64) * 64);
}

/** Pseudo-random bytes; never 0, so that cleared memory is told apart. Long buffers repeat a block, rotated. */
export function fillPattern(bytes: Uint8Array, seed: number): void {
  const random = new SeededRandom(seed);
  const block = Uint8Array.from({ length: Math.min(BLOCK, bytes.length) }, () => 1 + random.below(255));
  for (let at = 0; at < bytes.length; at += block.length) {
    const turn = ((at / block.length) * 31) % block.length;
    const room = Math.min(block.length, bytes.length - at);
    const head = Math.min(room, block.length - turn);
    bytes.set(block.subarray(turn, turn + head), at);
    if (room > head) bytes.set(block.subarray(0, room - head), at + head);
  }
}

/** For what no completion tells. */
const IDLE_MS = 5;
/** Stays in the processor's cache. */
const BUFFER_BYTES = 2 ** 20;
const BLOCK = 65_536;
