/**
 * Deferrable sends: the target may keep the header alone and ask for the message when a receive takes it. What waits for
 * that is here, under its restart token.
 *
 *   DEFERRABLE_SEND ->  <- OVERFLOW, nothing kept  ...  <- RTR    DEFERRABLE_SEND, both tokens ->
 *
 * Nothing is on the way meanwhile, so no time-out below would notice that the peer forgot the message, or is gone: after
 * `deferTimeout` it is offered again under the same token. A peer that knows it takes that for a sign of life.
 *
 * @spec uet:ses/3.5
 */
import { Status } from '../../../engine/status.ts';
import { type Nanos, NEVER } from '../../../engine/time.ts';
import { ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { Message } from './message.ts';
import type { MessageTable } from './message-table.ts';

export class DeferredSends {
  readonly #core: Core;
  readonly #messages: MessageTable;
  readonly #submit: (message: Message) => void;
  readonly #finish: (message: Message) => void;
  /** By token; who waits longest comes first. */
  readonly #waiting = new Map<number, Message>();
  #due: Nanos = NEVER;
  #serial = 0;

  /** @param submit - puts a message on a context of its destination */
  constructor(
    core: Core,
    messages: MessageTable,
    submit: (message: Message) => void,
    finish: (message: Message) => void,
  ) {
    this.#core = core;
    this.#messages = messages;
    this.#submit = submit;
    this.#finish = finish;
  }

  /** Messages that wait to be asked for. */
  get size(): number {
    return this.#waiting.size;
  }

  get deadline(): Nanos {
    return this.#due;
  }

  /** Makes a send deferrable if that is wanted: it is long, or done only when a receive has taken it. */
  prepare(message: Message): void {
    const { work, sesOpcode } = message;
    message.token = message.targetToken = 0;
    message.called = false;
    const { deferAbove } = this.#core.settings;
    const isLong = deferAbove > 0 && work.length > deferAbove && !message.ordered;
    if (!work.matchComplete && !isLong) return;
    if (sesOpcode === SesOpcode.SEND) message.sesOpcode = SesOpcode.DEFERRABLE_SEND;
    else if (sesOpcode === SesOpcode.TAGGED_SEND) message.sesOpcode = SesOpcode.DEFERRABLE_TSEND;
    else return;
    // the index finds the message, and the serial tells it from those before it in the same place
    this.#serial = this.#serial >= MAX_SERIAL ? 1 : this.#serial + 1;
    message.token = this.#serial * 0x1_0000 + message.index;
  }

  /** The target keeps the header alone, and nothing of the message is on the way any more. */
  wait(now: Nanos, message: Message): void {
    this.#core.count(EVENT.deferred_sends);
    if (message.called) return this.#start(message);
    message.targetToken = 0;
    message.retryAt = now + this.#core.settings.deferTimeout;
    this.#waiting.set(message.token, message);
    if (message.retryAt < this.#due) this.#due = message.retryAt;
    return undefined;
  }

  /**
   * DEFERRABLE_RTR: the target has a receive for a message. Its two tokens come in either order.
   * @returns what to answer: a return code
   */
  called(path: number, first: number, second: number): number {
    const message = this.#find(path, first) ?? this.#find(path, second);
    if (message === undefined) return ReturnCode.CANCELLED;
    message.targetToken = message.token === first ? second : first;
    message.called = true;
    if (this.#waiting.delete(message.token)) this.#start(message);
    return ReturnCode.OK;
  }

  /** Offers again what has waited long. */
  expire(now: Nanos): void {
    if (now < this.#due) return;
    this.#due = NEVER;
    for (const [token, message] of this.#waiting) {
      if (message.retryAt > now) {
        this.#due = message.retryAt;
        return;
      }
      this.#waiting.delete(token);
      this.#start(message);
    }
  }

  /** The queue pair goes away: its messages are flushed. */
  removeQueuePair(qp: number): void {
    for (const [token, message] of this.#waiting) {
      if (message.qp !== qp) continue;
      this.#waiting.delete(token);
      message.status = Status.WR_FLUSH_ERR;
      this.#finish(message);
    }
    if (this.#waiting.size === 0) this.#due = NEVER;
  }

  #find(path: number, token: number): Message | undefined {
    const message = this.#messages.find(token & 0xffff);
    const isOwn = token !== 0 && message?.live === true && message.token === token && message.qp !== 0;
    return isOwn && message.work.path === path ? message : undefined;
  }

  /** As a new message, from the beginning. */
  #start(message: Message): void {
    message.called = false;
    message.deferred = false;
    message.restart();
    this.#submit(message);
  }
}

const MAX_SERIAL = 0xffff;
