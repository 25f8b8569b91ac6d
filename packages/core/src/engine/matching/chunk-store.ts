/**
 * Bytes of messages that wait for a receive: short messages in a place of their own, others in chunks of one packet each,
 * which form a list. The memory is taken when the first message comes, and the system gives pages as they are written.
 */
import type { DmaSpace } from '../dma.ts';
import { Packet } from '../packet.ts';

export class ChunkStore {
  /** Most chunks. */
  readonly capacity: number;
  readonly #dma: DmaSpace;
  readonly #messages: number;
  readonly #chunkBytes: number;
  readonly #shortBytes: number;
  #region = 0;
  #packet: Packet | undefined = undefined;
  /** By message: the chunk that came last, and how many there are. */
  #heads = NONE;
  #used = NONE;
  // by chunk; behind the shared ones each message has one for itself
  #next = NONE;
  #offset = NONE;
  #length = NONE;
  #free = -1;
  #made = 0;
  #reserved = 0;

  /**
   * @param messages - most messages
   * @param chunkBytes - payload of a full packet
   * @param bytes - most bytes of messages that are not short
   */
  constructor(dma: DmaSpace, messages: number, chunkBytes: number, bytes: number) {
    this.#dma = dma;
    this.#messages = messages;
    this.#chunkBytes = chunkBytes;
    this.#shortBytes = Math.min(SHORT_BYTES, chunkBytes);
    this.capacity = Math.floor(bytes / chunkBytes);
  }

  /** Chunks in use or promised. */
  get reserved(): number {
    return this.#reserved;
  }

  /** A window on all of it; there is one once a message has come. */
  get packet(): Packet {
    return this.#packet!;
  }

  /** Takes its memory. @returns false when there is none to be had */
  begin(): boolean {
    if (this.#packet !== undefined) return true;
    const chunks = this.capacity + this.#messages;
    const bytes = new Uint8Array(this.capacity * this.#chunkBytes + this.#messages * this.#shortBytes);
    this.#region = this.#dma.attach({ bytes, address: 0 });
    if (this.#region === 0) return false;
    this.#packet = new Packet(bytes);
    this.#heads = new Int32Array(this.#messages);
    this.#used = new Int32Array(this.#messages);
    this.#next = new Int32Array(chunks);
    this.#offset = new Int32Array(chunks);
    this.#length = new Int32Array(chunks);
    return true;
  }

  /** Gives its memory back. */
  end(): void {
    if (this.#region !== 0) this.#dma.detach(this.#region);
    this.#region = 0;
    this.#packet = undefined;
  }

  /** Chunks that a message needs beside its own. */
  chunksFor(total: number): number {
    return total <= this.#shortBytes ? 0 : Math.ceil(total / this.#chunkBytes);
  }

  /** A message comes: its room is promised. */
  open(message: number, total: number): void {
    this.#reserved += this.chunksFor(total);
    this.#heads[message] = -1;
    this.#used[message] = 0;
  }

  /** Keeps payload. A peer that sends a stretch again gets no more room for it than was promised. */
  place(message: number, total: number, offset: number, packet: Packet, at: number, length: number): void {
    const isShort = total <= this.#shortBytes;
    if (length === 0 || this.#used[message]! >= (isShort ? 1 : this.chunksFor(total))) return;
    this.#used[message]!++;
    const chunk = isShort ? this.capacity + message : this.#take();
    this.#offset[chunk] = offset;
    this.#length[chunk] = length;
    this.#next[chunk] = this.#heads[message]!;
    this.#heads[message] = chunk;
    this.#dma.place(this.#region, this.at(chunk), packet, at, length);
  }

  /** A message goes, with all of its promised room. */
  close(message: number, total: number): void {
    this.#reserved -= this.chunksFor(total);
    for (let chunk = this.#heads[message]!; chunk >= 0; ) {
      const next = this.#next[chunk]!;
      if (chunk < this.capacity) {
        this.#next[chunk] = this.#free;
        this.#free = chunk;
      }
      chunk = next;
    }
    this.#heads[message] = -1;
  }

  /** A chunk of a message; -1 when it has none. */
  first(message: number): number {
    return this.#heads[message]!;
  }

  next(chunk: number): number {
    return this.#next[chunk]!;
  }

  /** Place of its bytes in the message. */
  offset(chunk: number): number {
    return this.#offset[chunk]!;
  }

  length(chunk: number): number {
    return this.#length[chunk]!;
  }

  /** Place of its bytes in {@link packet}. */
  at(chunk: number): number {
    if (chunk < this.capacity) return chunk * this.#chunkBytes;
    return this.capacity * this.#chunkBytes + (chunk - this.capacity) * this.#shortBytes;
  }

  /** There is one: room was promised. */
  #take(): number {
    const chunk = this.#free;
    if (chunk < 0) return this.#made++;
    this.#free = this.#next[chunk]!;
    return chunk;
  }
}

const NONE = new Int32Array(0);
/** Messages up to here need no chunk, bytes; and one packet at most. */
const SHORT_BYTES = 256;
