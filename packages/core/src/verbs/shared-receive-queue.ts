/** The program's side of a shared receive queue: receives that many queue pairs take from. */
import { ReceiveEntry } from '../abi/entries.ts';
import { ringBytes } from '../abi/ring.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { EventStream } from './event-stream.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { queueDepth } from './queue-depth.ts';
import { ReceiveRing } from './receive-ring.ts';
import { invalidRequest, RequestFault } from './request-faults.ts';
import { VerbsObject } from './verbs-object.ts';
import type { ReceiveRequest } from './work-request.ts';

export interface SharedReceiveQueueOptions {
  /** Receives that can be posted at a time. Default 1024; rounded up to a power of two. */
  readonly depth?: number;
  /** Where its events go, instead of to `context.events()`. */
  readonly events?: EventStream;
}

export interface SharedReceiveQueueState {
  readonly entries: number;
  /** Receives that nobody has taken. */
  readonly waiting: number;
  /** 0: no limit event is due. */
  readonly limit: number;
  readonly queuePairs: number;
}

/**
 * Receives of one protection domain. Each message of any queue pair that was made with it takes one, oldest first, and
 * completes on the queue of that queue pair.
 *
 * @spec verbs/1.6
 */
export class SharedReceiveQueue extends VerbsObject {
  readonly pd: ProtectionDomain;
  readonly handle: number;
  readonly #slot: number;
  readonly #receives: ReceiveRing;

  private constructor(pd: ProtectionDomain, handle: number, slot: number, receives: ReceiveRing) {
    super(pd.context);
    this.pd = pd;
    this.handle = handle;
    this.#slot = slot;
    this.#receives = receives;
    pd.context.name(handle, this);
  }

  /** For `ProtectionDomain.createSharedReceiveQueue`. */
  static create(pd: ProtectionDomain, { depth, events }: SharedReceiveQueueOptions): SharedReceiveQueue {
    const { context } = pd;
    const { memory } = context.port;
    const entries = queueDepth('createSharedReceiveQueue', depth, 'depth', context.attributes.maxSrqWr);
    const bytes = memory.allocate(ringBytes(entries, ReceiveEntry.bytes));
    try {
      const attachments: unknown[] = [];
      const ring = memory.name(context, bytes, attachments);
      const input = { pd: pd.handle, ring, entries, events: events?.handle };
      const { handle, slot } = context.call('SRQ', 'CREATE', input, attachments);
      return new SharedReceiveQueue(pd, handle, slot, new ReceiveRing(pd, bytes, entries));
    } catch (thrown) {
      memory.release(bytes);
      throw thrown;
    }
  }

  /** Receives that can be posted now. */
  get receiveSpace(): number {
    return this.isOpen ? this.#receives.space : 0;
  }

  /** Posts a receive. @throws VerbsError `ENOMEM` the queue is full · `EINVAL` a wrong request */
  postReceive(request: ReceiveRequest): void {
    if (this.tryPostReceive(request)) return;
    throw new VerbsError('ENOMEM', 'postReceive', 'the shared receive queue is full', {
      object: this.describe(),
      try: 'when messages have come, or create it with a larger depth',
    });
  }

  /** Posts a receive like {@link postReceive}. @returns false when the queue is full */
  tryPostReceive(request: ReceiveRequest): boolean {
    if (!this.isOpen) this.check('postReceive');
    const receives = this.#receives;
    if (!receives.hasRoom()) return false;
    const fault = receives.write(request);
    if (fault !== RequestFault.NONE) throw invalidRequest(fault, request, this);
    this.context.page.ring(this.#slot);
    this.context.port.scheduleProgress();
    return true;
  }

  /**
   * Arms the event SRQ_LIMIT_REACHED: it comes once, when fewer receives than `limit` are left; at once if they are.
   *
   * @param options.limit - 0 disarms
   * @throws VerbsError EINVAL above the depth
   */
  modify(options: { readonly limit: number }): void {
    this.check('modify');
    this.context.call('SRQ', 'MODIFY', { handle: this.handle, limit: options.limit });
  }

  query(): SharedReceiveQueueState {
    this.check('query');
    const { attributes } = this.context.call('SRQ', 'QUERY', { handle: this.handle });
    return {
      entries: Number(attributes['entries']),
      waiting: Number(attributes['waiting']),
      limit: Number(attributes['limit']),
      queuePairs: Number(attributes['queue_pairs']),
    };
  }

  /** @throws VerbsError EBUSY queue pairs use it */
  close(): void {
    this.end();
  }

  describe(): string {
    return `the shared receive queue of ${this.#receives.ring.size} receives`;
  }

  protected destroyHandle(): void {
    this.context.call('SRQ', 'DESTROY', { handle: this.handle });
    this.context.disown(this, this.handle);
    this.context.port.memory.release(this.#receives.ring.bytes);
  }
}
