/** A program's view of a device: everything that it makes there hangs below, and ends with it. */
import { DOORBELL_PAGE_BYTES, DoorbellPage } from '../abi/doorbell-page.ts';
import { isVerbsError, VerbsError } from '../base/verbs-error.ts';
import { type EventRow, EventValue, eventRow } from '../device/events.ts';
import { UAPI, type UapiObject } from '../uapi/index.ts';
import { decodeAnswer, encodeRequest, type Message } from '../uapi/message.ts';
import { QP_TYPES, type QpType } from '../uapi/objects/qp.ts';
import type { Row } from '../uapi/rows.ts';
import { handlesOf, type Input, type Method, type ObjectSchema, type Output } from '../uapi/schema.ts';
import { type DeviceAttributes, deviceAttributes, type PortAttributes, portAttributes } from './attributes.ts';
import { CompletionChannel } from './completion-channel.ts';
import { CompletionCounter } from './completion-counter.ts';
import { CompletionQueue, type CompletionQueueOptions } from './completion-queue.ts';
import { EventStream } from './event-stream.ts';
import { Job } from './job.ts';
import type { KernelPort } from './kernel-port.ts';
import { MemoryList } from './memory-list.ts';
import { ProtectionDomain } from './protection-domain.ts';
import type { VerbsObject } from './verbs-object.ts';

/** Something happened that no completion tells. */
export interface DeviceEvent {
  /** Name as in `IBV_EVENT_*`: 'CQ_ERR', 'QP_FATAL', 'DEVICE_FATAL', 'PORT_ACTIVE', 'PORT_ERR', ... */
  readonly name: string;
  readonly value: number;
  readonly text: string;
  readonly about: EventRow['about'];
  /** Handle of the object; 0 for the device. */
  readonly handle: number;
  /** The object where this context knows it. */
  readonly object: VerbsObject | undefined;
}

export class Context implements Disposable {
  readonly port: KernelPort;
  /** Number in the headers of its calls. */
  readonly number: number;
  /** Number of the device's driver: the user half must be made for it. */
  readonly driver: number;
  /** The bells of this context. */
  readonly page: DoorbellPage;
  readonly attributes: DeviceAttributes;
  /** In the order of creation. */
  readonly #objects = new Set<VerbsObject>();
  readonly #byHandle = new Map<number, VerbsObject>();
  readonly #memory = new MemoryList();
  readonly #pageBytes: Uint8Array | undefined;
  readonly #eventWake: number;
  readonly #onClose: ((context: Context) => void) | undefined;
  #open = true;
  /** What came beside the last answer. */
  #replied: readonly unknown[] = NOTHING;

  /**
   * For hosts and drivers' user halves; programs call `device.open()`.
   *
   * @param device - name of the device; the only one when left out
   * @throws VerbsError as DEVICE.OPEN says
   */
  constructor(port: KernelPort, device?: string, onClose?: (context: Context) => void) {
    this.port = port;
    this.#onClose = onClose;
    const bytes = encodeRequest(UAPI.DEVICE, UAPI.DEVICE.methods.OPEN, { device });
    const opened = decodeAnswer(UAPI.DEVICE.methods.OPEN, port.invoke({ bytes, attachments: [] }).bytes);
    this.number = opened.context;
    this.driver = opened.driver;
    this.#eventWake = opened.wake;
    try {
      this.#pageBytes = opened.page === 0 ? undefined : this.map(opened.page, opened.pageBytes);
      this.page = new DoorbellPage(this.#pageBytes ?? new Uint8Array(DOORBELL_PAGE_BYTES));
      this.attributes = this.queryDevice();
    } catch (thrown) {
      this.call('DEVICE', 'CLOSE', {});
      throw thrown;
    }
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /**
   * Zeroed memory that the device reaches without copying; it belongs to the context until `release` or `close`.
   * Afterwards it must not be touched.
   *
   * @throws VerbsError `EINVAL` no sensible size · `ENOMEM` there is no more
   */
  allocate(bytes: number): Uint8Array {
    this.#check('allocate');
    if (!Number.isSafeInteger(bytes) || bytes < 1) {
      throw new VerbsError('EINVAL', 'allocate', `${bytes} is not a number of bytes`, { try: 'a whole number from 1' });
    }
    const made = this.port.memory.allocate(bytes);
    this.#memory.add(made);
    return made;
  }

  /**
   * Gives memory back.
   *
   * @throws VerbsError `EINVAL` not from `allocate` of this context · `EBUSY` it is registered
   */
  release(bytes: Uint8Array): void {
    const held = this.#memory.find(bytes);
    if (held === undefined || held.bytes.byteOffset !== bytes.byteOffset || held.bytes.length !== bytes.length) {
      throw new VerbsError(
        'EINVAL',
        'release',
        'this memory was not allocated by the context, or is released already',
        {
          try: 'what `context.allocate` returned',
        },
      );
    }
    if (held.regions > 0) {
      throw new VerbsError('EBUSY', 'release', `the memory is registered, ${held.regions} times`, {
        object: `${bytes.length} bytes`,
        try: 'region.deregister() first',
      });
    }
    this.#memory.delete(held);
    this.port.memory.release(held.bytes);
  }

  /** @throws VerbsError ENOSPC the device has no more */
  allocatePd(): ProtectionDomain {
    this.#check('allocatePd');
    return new ProtectionDomain(this, this.call('PD', 'ALLOC', {}).handle);
  }

  /**
   * A queue for completions.
   *
   * @throws VerbsError `EINVAL` entries out of range · `ENOSPC` the device has no more
   */
  createCompletionQueue(options: CompletionQueueOptions): CompletionQueue {
    this.#check('createCompletionQueue');
    return CompletionQueue.create(this, options);
  }

  /** One place to wait for many completion queues. */
  createCompletionChannel(): CompletionChannel {
    this.#check('createCompletionChannel');
    const { handle, wake } = this.call('COMP_CHANNEL', 'CREATE', {});
    return new CompletionChannel(this, handle, wake);
  }

  /**
   * Two numbers that completions of queue pairs are counted in, see `qp.attachCounter`.
   *
   * @param options.unit - what successes are counted in; default 'requests'
   * @throws VerbsError ENOSPC the device has no more
   */
  createCompletionCounter(options: { readonly unit?: 'requests' | 'bytes' } = {}): CompletionCounter {
    this.#check('createCompletionCounter');
    const unit = options.unit ?? 'requests';
    return new CompletionCounter(
      this,
      this.call('COMP_CNTR', 'CREATE', { unit: unit === 'bytes' ? 1 : 0 }).handle,
      unit,
    );
  }

  /** A place for events of some objects, apart from {@link events}. */
  createEventStream(): EventStream {
    this.#check('createEventStream');
    const { handle, wake } = this.call('ASYNC_EVENT', 'ALLOC', {});
    return new EventStream(this, handle, wake);
  }

  /**
   * What a kind of queue pair promises: lists are sets of promises, numbers the largest value for which one holds.
   *
   * @param options.sgidIndex - address entry, and so the protocol. Default 0.
   * @throws VerbsError EOPNOTSUPP the protocol lacks the kind
   * @spec verbs/5.9
   */
  querySemantics(type: QpType, options: { readonly sgidIndex?: number } = {}): Row {
    this.#check('querySemantics');
    return this.call('DEVICE', 'QUERY_QP_SEMANTICS', { type: QP_TYPES[type] ?? -1, ...options }).semantics;
  }

  /**
   * Makes a job known to the device.
   *
   * @throws VerbsError `EINVAL` id 0 or above the transport's largest · `EEXIST` a live job has this id
   */
  createJob(options: {
    readonly id: number;
    readonly maxAddresses?: number;
    /** For tools, unique. */
    readonly name?: string;
    /** Address entry, and so the protocol. Default 0. */
    readonly sgidIndex?: number;
  }): Job {
    this.#check('createJob');
    const { handle, entries } = this.call('JOB', 'ALLOC', options);
    return new Job(this, handle, options.id, entries);
  }

  /**
   * Joins a job by a capability that a holder of the job exported.
   *
   * @throws VerbsError `EBADF` no capability, or a revoked one · `EINVAL` not 32 bytes
   */
  importJob(token: Uint8Array, options: { readonly sgidIndex?: number } = {}): Job {
    this.#check('importJob');
    const { handle, entries } = this.call('JOB', 'IMPORT', { token, ...options });
    return new Job(this, handle, 0, entries);
  }

  queryDevice(): DeviceAttributes {
    return deviceAttributes(this.call('DEVICE', 'QUERY', {}).attributes);
  }

  queryPort(port = 1): PortAttributes {
    const { attributes } = this.call('DEVICE', 'QUERY_PORT', { port });
    return portAttributes(attributes, this.call('DEVICE', 'QUERY_GID_TABLE', {}).entries);
  }

  /** What was counted so far, by name. */
  counters(): Record<string, number> {
    return { ...this.call('DEVICE', 'COUNTERS', {}).counters } as Record<string, number>;
  }

  /** Asynchronous events from now on; those that happened before and were not taken come first. Ends with the context. */
  async *events(): AsyncIterableIterator<DeviceEvent> {
    while (this.#open) {
      const { events, end } = this.takeEvents();
      yield* events;
      if (end) return;
      if (events.length === 0 && this.#open) await this.port.wait(this.#eventWake, Number.POSITIVE_INFINITY);
    }
  }

  /**
   * A call of the user API.
   *
   * @param attachments - what travels beside it, named by position in `input`
   * @throws VerbsError what the call says
   */
  call<O extends UapiObject, N extends keyof (typeof UAPI)[O]['methods']>(
    object: O,
    name: N,
    input: (typeof UAPI)[O]['methods'][N] extends Method ? Input<(typeof UAPI)[O]['methods'][N]> : never,
    attachments: readonly unknown[] = NOTHING,
  ): (typeof UAPI)[O]['methods'][N] extends Method ? Output<(typeof UAPI)[O]['methods'][N]> : never {
    const schema = UAPI[object];
    const method = schema.methods[name as never] as Method;
    return this.invoke(schema, method, input as never, attachments) as never;
  }

  /** A call of any object, such as one of a driver. @throws VerbsError what the call says */
  invoke<M extends Method>(
    object: ObjectSchema,
    method: M,
    input: Input<M>,
    attachments: readonly unknown[] = NOTHING,
  ): Output<M> {
    // nothing is left of an object whose kernel half is gone: giving it back has succeeded
    if (this.port.failure !== '' && handlesOf(method, 'destroy').length > 0) return {} as Output<M>;
    const bytes = encodeRequest(object, method, input, { context: this.number, driver: this.driver });
    let answer: Message;
    try {
      answer = this.port.invoke({ bytes, attachments });
    } catch (thrown) {
      // this very call found out
      if (this.port.failure !== '' && handlesOf(method, 'destroy').length > 0) return {} as Output<M>;
      throw thrown;
    }
    this.#replied = answer.attachments;
    return decodeAnswer(method, answer.bytes);
  }

  /** Maps what the device offers at an offset. @throws VerbsError EINVAL there is nothing of this length */
  map(offset: number, length: number): Uint8Array {
    this.call('DEVICE', 'MAP', { offset, length });
    return this.port.memory.map(this.#replied[0], length);
  }

  /** Drives the device. @returns how much was done; 0: nothing to do now */
  progress(): number {
    return this.port.progress();
  }

  /** Destroys all that was made here, newest first, and releases all memory. */
  close(): void {
    if (!this.#open) return;
    // an older object may have come to need a newer one: those are ended in a later round
    for (let left = [...this.#objects].reverse(), before = left.length + 1; left.length < before; ) {
      before = left.length;
      left = left.filter((object) => !ends(object));
    }
    this.#open = false;
    this.#whileServed(() => this.call('DEVICE', 'CLOSE', {}));
    for (const { bytes } of this.#memory.values()) this.port.memory.release(bytes);
    this.#memory.clear();
    if (this.#pageBytes !== undefined) this.port.memory.unmap(this.#pageBytes);
    this.port.wake(this.#eventWake);
    this.#onClose?.(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** For the objects of this context only: what a handle means here. */
  objectOf(handle: number): VerbsObject | undefined {
    return this.#byHandle.get(handle);
  }

  /**
   * For event streams only: events that wait, oldest first, also of a kernel half that does not answer any more.
   *
   * @param file - handle of an event file; the context's own when left out
   */
  takeEvents(file?: number): { readonly events: DeviceEvent[]; readonly end: boolean } {
    const taken = this.#whileServed(() => this.call('ASYNC_EVENT', 'READ', { handle: file }));
    const { events: read, end } = taken ?? { events: [EventValue.DEVICE_FATAL, 0], end: 1 };
    const events: DeviceEvent[] = [];
    for (let i = 0; i + 1 < read.length; i += 2) {
      const { value, name, text, about } = eventRow(read[i]!);
      const handle = read[i + 1]!;
      events.push({ value, name, text, about, handle, object: this.#byHandle.get(handle) });
    }
    return { events, end: end !== 0 };
  }

  /** For the objects of this context only. */
  own(object: VerbsObject): void {
    this.#objects.add(object);
  }

  /** For the objects of this context only: events about `handle` are about `object`. */
  name(handle: number, object: VerbsObject): void {
    this.#byHandle.set(handle, object);
  }

  /** For the objects of this context only. */
  disown(object: VerbsObject, handle?: number): void {
    this.#objects.delete(object);
    if (handle !== undefined) this.#byHandle.delete(handle);
  }

  /** For memory regions only: `by` 1 when memory is registered, -1 when it is not any more. */
  countRegion(bytes: Uint8Array, by: number): void {
    const held = this.#memory.find(bytes);
    if (held !== undefined) held.regions += by;
  }

  /** Runs a call as long as the kernel half is there. @returns undefined when it is gone, also when the call finds out */
  #whileServed<T>(call: () => T): T | undefined {
    if (this.port.failure !== '') return undefined;
    try {
      return call();
    } catch (thrown) {
      if (this.port.failure === '') throw thrown;
      return undefined;
    }
  }

  #check(call: string): void {
    if (this.#open) return;
    throw new VerbsError('EINVAL', call, 'the context is closed', { try: 'device.open()' });
  }
}

/** @returns false when others need it */
function ends(object: VerbsObject): boolean {
  try {
    object[Symbol.dispose]();
    return true;
  } catch (thrown) {
    if (isVerbsError(thrown) && thrown.code === 'EBUSY') return false;
    throw thrown;
  }
}

const NOTHING: readonly unknown[] = [];
