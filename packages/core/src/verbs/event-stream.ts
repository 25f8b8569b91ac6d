/** Asynchronous events of some objects, apart from those of the context. @spec verbs/6 · rdma-core 12 */
import type { Context, DeviceEvent } from './context.ts';
import { VerbsObject } from './verbs-object.ts';

/** Give it to queues as `events` when they are made; events of the device come here too. */
export class EventStream extends VerbsObject implements AsyncIterable<DeviceEvent> {
  readonly handle: number;
  readonly #wake: number;

  /** For `Context.createEventStream`. */
  constructor(context: Context, handle: number, wake: number) {
    super(context);
    this.handle = handle;
    this.#wake = wake;
  }

  /** Events that wait, oldest first. */
  take(): DeviceEvent[] {
    this.check('take');
    return this.context.takeEvents(this.handle).events;
  }

  /** Events from now on; those that wait come first. Ends with the stream, the context or the device. */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<DeviceEvent> {
    while (this.isOpen && this.context.isOpen) {
      const { events, end } = this.context.takeEvents(this.handle);
      yield* events;
      if (end) return;
      if (events.length === 0 && this.isOpen) await this.context.port.wait(this.#wake, Number.POSITIVE_INFINITY);
    }
  }

  /** @throws VerbsError EBUSY objects report to it */
  close(): void {
    this.end();
  }

  describe(): string {
    return 'the event stream';
  }

  protected destroyHandle(): void {
    this.context.call('ASYNC_EVENT', 'FREE', { handle: this.handle });
    this.context.port.wake(this.#wake);
  }
}
