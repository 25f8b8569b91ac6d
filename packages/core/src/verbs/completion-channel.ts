/** One place to wait for many completion queues. @spec verbs/1.5 · rdma-core 12 */
import { VerbsError } from '../base/verbs-error.ts';
import type { CompletionQueue } from './completion-queue.ts';
import type { Context } from './context.ts';
import { VerbsObject } from './verbs-object.ts';
import { endOfWait, sleep, type WaitOptions } from './waiting.ts';

/**
 * Says which of its completion queues have news. A queue speaks up once after each `cq.arm()`; in order, so that nothing
 * is missed: take it from the channel, arm it, poll it until it is empty.
 */
export class CompletionChannel extends VerbsObject implements AsyncIterable<CompletionQueue> {
  readonly handle: number;
  readonly #wake: number;
  /** Handles that were read and not handed out. */
  readonly #read: number[] = [];

  /** For `Context.createCompletionChannel`. */
  constructor(context: Context, handle: number, wake: number) {
    super(context);
    this.handle = handle;
    this.#wake = wake;
  }

  /** The next queue with news; undefined when there is none now. @throws VerbsError EIO the device is gone */
  take(): CompletionQueue | undefined {
    this.check('take');
    for (;;) {
      const handle = this.#read.shift() ?? this.#fetch();
      if (handle === undefined) return undefined;
      const queue = this.context.objectOf(handle);
      // a queue that was closed meanwhile has nothing to say
      if (queue?.isOpen === true) return queue as CompletionQueue;
    }
  }

  /**
   * Waits for a queue with news.
   *
   * @throws VerbsError `ETIMEDOUT` none in time · `EIO` the device is gone · `EINVAL` closed. An aborted `signal` throws
   *   its reason.
   */
  async next(options: WaitOptions = {}): Promise<CompletionQueue> {
    const { timeoutMs, signal } = options;
    const { port } = this.context;
    const end = endOfWait(port, timeoutMs);
    for (;;) {
      if (signal?.aborted) throw signal.reason;
      port.progress();
      const queue = this.take();
      if (queue !== undefined) return queue;
      if (port.now() >= end) {
        throw new VerbsError('ETIMEDOUT', 'next', `no completion queue had news within ${timeoutMs} ms`, {
          object: this.describe(),
          try: 'arm the queues (`cq.arm()`) before waiting',
        });
      }
      await sleep(port, this.#wake, end, signal);
    }
  }

  /** All queues with news from now on; ends when the channel is closed. */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<CompletionQueue> {
    const { port } = this.context;
    while (this.isOpen) {
      port.progress();
      const queue = this.take();
      if (queue !== undefined) yield queue;
      else await port.wait(this.#wake, Number.POSITIVE_INFINITY);
    }
  }

  /** @throws VerbsError EBUSY completion queues refer to it */
  close(): void {
    this.end();
  }

  describe(): string {
    return 'the completion channel';
  }

  protected destroyHandle(): void {
    this.context.call('COMP_CHANNEL', 'DESTROY', { handle: this.handle });
    this.context.port.wake(this.#wake);
  }

  #fetch(): number | undefined {
    const { port } = this.context;
    if (port.failure !== '') {
      throw new VerbsError('EIO', 'take', `the device is gone: ${port.failure}`, { object: this.describe() });
    }
    this.#read.push(...this.context.call('COMP_CHANNEL', 'READ', { handle: this.handle }).queues);
    return this.#read.shift();
  }
}
