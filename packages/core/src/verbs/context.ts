/** A program's view of a device: everything that it makes there hangs below, and ends with it. */
import { DOORBELL_PAGE_BYTES, DoorbellPage } from '../abi/doorbell-page.ts';
import { formatAddress } from '../base/ip-address.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { DeviceAttributes, PortAttributes } from '../device/attributes.ts';
import { eventRow } from '../device/events.ts';
import { CompletionQueue } from './completion-queue.ts';
import { Job } from './job.ts';
import type { KernelPort } from './kernel-port.ts';
import { ProtectionDomain } from './protection-domain.ts';
import type { VerbsObject } from './verbs-object.ts';

/** Something happened that no completion tells. */
export interface DeviceEvent {
  /** Name as in `IBV_EVENT_*`: 'CQ_ERR', 'QP_FATAL', 'DEVICE_FATAL', 'PORT_ACTIVE', 'PORT_ERR', ... */
  readonly name: string;
  readonly value: number;
  readonly text: string;
  readonly about: 'cq' | 'qp' | 'port' | 'device';
  /** Handle of the object; 0 for the device. */
  readonly handle: number;
  /** The object where this context knows it. */
  readonly object: VerbsObject | undefined;
}

export class Context implements Disposable {
  readonly port: KernelPort;
  readonly handle: number;
  /** The bells of this context. */
  readonly page: DoorbellPage;
  readonly attributes: DeviceAttributes;
  /** In the order of creation. */
  readonly #objects = new Set<VerbsObject>();
  readonly #byHandle = new Map<number, VerbsObject>();
  readonly #memory = new Map<ArrayBufferLike, Allocation>();
  readonly #pageBytes: Uint8Array;
  readonly #onClose: ((context: Context) => void) | undefined;
  #open = true;

  constructor(port: KernelPort, onClose?: (context: Context) => void) {
    this.port = port;
    this.#onClose = onClose;
    this.#pageBytes = port.memory.allocate(DOORBELL_PAGE_BYTES);
    this.page = new DoorbellPage(this.#pageBytes);
    try {
      this.attributes = port.call('queryDevice', {});
      this.handle = port.call('openContext', { page: port.memory.share(this.#pageBytes) }).context;
    } catch (thrown) {
      port.memory.release(this.#pageBytes);
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
    this.#memory.set(made.buffer, { bytes: made, regions: 0 });
    return made;
  }

  /**
   * Gives memory back.
   *
   * @throws VerbsError `EINVAL` not from `allocate` of this context · `EBUSY` it is registered
   */
  release(bytes: Uint8Array): void {
    const held = this.#memory.get(bytes.buffer);
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
    this.#memory.delete(bytes.buffer);
    this.port.memory.release(held.bytes);
  }

  /** @throws VerbsError ENOSPC the device has no more */
  allocatePd(): ProtectionDomain {
    this.#check('allocatePd');
    return new ProtectionDomain(this, this.port.call('allocatePd', { context: this.handle }).pd);
  }

  /**
   * A queue for completions.
   *
   * @param options.entries - how many completions it must hold at a time: at least all that can be outstanding on its
   *   queue pairs. More are an overrun, and lost. Rounded up to a power of two.
   * @throws VerbsError `EINVAL` entries out of range · `ENOSPC` the device has no more
   */
  createCompletionQueue(options: { readonly entries: number }): CompletionQueue {
    this.#check('createCompletionQueue');
    return CompletionQueue.create(this, options.entries);
  }

  /**
   * Makes a job known to the device.
   *
   * @throws VerbsError `EINVAL` id 0 or above the transport's largest · `EEXIST` a live job has this id
   */
  createJob(options: { readonly id: number; readonly maxAddresses?: number }): Job {
    this.#check('createJob');
    const { job, maxAddresses } = this.port.call('createJob', { context: this.handle, ...options });
    return new Job(this, job, options.id, maxAddresses);
  }

  queryDevice(): DeviceAttributes {
    return this.port.call('queryDevice', {});
  }

  queryPort(): PortAttributes {
    const raw = this.port.call('queryPort', {});
    return { ...raw, gids: raw.gids.map((entry) => ({ ...entry, gid: formatAddress(entry.address) })) };
  }

  /** Asynchronous events from now on; those that happened before and were not taken come first. Ends with the context. */
  async *events(): AsyncIterableIterator<DeviceEvent> {
    while (this.#open) {
      const events = this.port.call('takeEvents', { context: this.handle });
      for (const { event, object } of events) {
        const { value, name, text, about } = eventRow(event);
        yield { value, name, text, about, handle: object, object: this.#byHandle.get(object) };
      }
      if (events.length === 0 && this.#open) await this.port.wait(this.handle, Number.POSITIVE_INFINITY);
    }
  }

  /** Drives the device. @returns how much was done; 0: nothing to do now */
  progress(): number {
    return this.port.progress();
  }

  /** Destroys all that was made here, newest first, and releases all memory. */
  close(): void {
    if (!this.#open) return;
    for (const object of [...this.#objects].reverse()) object[Symbol.dispose]();
    this.#open = false;
    this.port.call('closeContext', { context: this.handle });
    for (const { bytes } of this.#memory.values()) this.port.memory.release(bytes);
    this.#memory.clear();
    this.port.memory.release(this.#pageBytes);
    this.port.wake(this.handle);
    this.#onClose?.(this);
  }

  [Symbol.dispose](): void {
    this.close();
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
    const held = this.#memory.get(bytes.buffer);
    if (held !== undefined) held.regions += by;
  }

  #check(call: string): void {
    if (this.#open) return;
    throw new VerbsError('EINVAL', call, 'the context is closed', { try: 'device.open()' });
  }
}

interface Allocation {
  readonly bytes: Uint8Array;
  /** Regions registered on it. */
  regions: number;
}
