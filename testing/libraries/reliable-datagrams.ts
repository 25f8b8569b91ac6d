/**
 * Reliable datagrams of any length, in the order in which each peer sent them, over any queue that loses nothing: it may
 * be short of bytes for one message and may change the order. The layer knows no device and no kind of queue.
 */

/** What every kind of queue must do: no message is lost or doubled, any may overtake another. */
export interface MessageQueue {
  /** Most bytes of one message. */
  readonly maxBytes: number;
  send(peer: number, bytes: Uint8Array): void;
  /** The next message; undefined while there is none. */
  receive(): Uint8Array | undefined;
}

export interface Datagram {
  readonly source: number;
  readonly bytes: Uint8Array;
}

export class ReliableDatagrams {
  readonly #own: number;
  readonly #queue: MessageQueue;
  readonly #outbox: { readonly peer: number; readonly bytes: Uint8Array }[] = [];
  /** Number of the next message to each peer. */
  readonly #numbers = new Map<number, number>();
  readonly #sources = new Map<number, Source>();
  readonly #received: Datagram[] = [];

  /** @param own - this end's number among the peers, 16 bits */
  constructor(own: number, queue: MessageQueue) {
    this.#own = own;
    this.#queue = queue;
  }

  /** @returns false when too much waits already: nothing was taken then */
  send(peer: number, bytes: Uint8Array): boolean {
    const room = this.#queue.maxBytes - HEADER_BYTES;
    const parts = Math.max(1, Math.ceil(bytes.length / room));
    if (this.#outbox.length + parts > MAX_WAITING) return false;
    const number = this.#numbers.get(peer) ?? 0;
    this.#numbers.set(peer, number + 1);
    for (let part = 0; part < parts; part++) {
      const piece = bytes.subarray(part * room, (part + 1) * room);
      const message = new Uint8Array(HEADER_BYTES + piece.length);
      new Uint32Array(message.buffer, 0, 4).set([this.#own, number, part * room, bytes.length]);
      message.set(piece, HEADER_BYTES);
      this.#outbox.push({ peer, bytes: message });
    }
    return true;
  }

  /** Sends one part, and takes all that has arrived. */
  progress(): void {
    const next = this.#outbox.shift();
    if (next !== undefined) this.#queue.send(next.peer, next.bytes);
    for (let one = this.#queue.receive(); one !== undefined; one = this.#queue.receive()) this.#take(one);
  }

  /** The next datagram; undefined while there is none. */
  receive(): Datagram | undefined {
    return this.#received.shift();
  }

  #take(message: Uint8Array): void {
    const [from = 0, number = 0, at = 0, length = 0] = new Uint32Array(message.slice(0, HEADER_BYTES).buffer);
    const source = this.#sources.get(from) ?? { due: 0, early: new Map() };
    this.#sources.set(from, source);
    const partly = source.early.get(number) ?? { bytes: new Uint8Array(length), missing: Math.max(1, length) };
    source.early.set(number, partly);
    partly.bytes.set(message.subarray(HEADER_BYTES), at);
    partly.missing -= Math.max(1, message.length - HEADER_BYTES);
    for (let one = source.early.get(source.due); one?.missing === 0; one = source.early.get(source.due)) {
      this.#received.push({ source: from, bytes: one.bytes });
      source.early.delete(source.due++);
    }
  }
}

interface Source {
  /** Number of the message that comes next. */
  due: number;
  /** Messages that are not complete, or that others must go before, by number. */
  readonly early: Map<number, { readonly bytes: Uint8Array; missing: number }>;
}

/** Who sends, number of the message, place of the part, bytes of the message. */
const HEADER_BYTES = 16;
/** Parts. */
const MAX_WAITING = 256;
