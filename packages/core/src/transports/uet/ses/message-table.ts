/** All messages that are being sent, in a pool: a message is named by its index. */
import { MAX_INLINE } from '../../../engine/work.ts';
import { Message } from './message.ts';

export class MessageTable {
  readonly #messages: Message[] = [];
  readonly #free: Message[] = [];
  readonly #limit: number;
  /** Inline data lives here until its message is done, one place a message. */
  readonly inlineBytes: Uint8Array;

  constructor(limit: number) {
    this.#limit = limit;
    this.inlineBytes = new Uint8Array(limit * MAX_INLINE);
  }

  get size(): number {
    return this.#messages.length - this.#free.length;
  }

  at(index: number): Message {
    return this.#messages[index]!;
  }

  /** As far as there ever was one. */
  find(index: number): Message | undefined {
    return this.#messages[index];
  }

  inlineOffset(message: Message): number {
    return message.index * MAX_INLINE;
  }

  /** @returns undefined when all are in use */
  allocate(): Message | undefined {
    let message = this.#free.pop();
    if (message === undefined) {
      if (this.#messages.length >= this.#limit) return undefined;
      message = new Message(this.#messages.length);
      this.#messages.push(message);
    }
    message.live = true;
    message.token = message.exposure = 0;
    message.deferred = false;
    message.owner = undefined;
    return message;
  }

  release(message: Message): void {
    message.live = false;
    message.qp = 0;
    this.#free.push(message);
  }

  *live(): IterableIterator<Message> {
    for (const message of this.#messages) if (message.live) yield message;
  }
}
