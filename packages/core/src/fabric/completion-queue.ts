/** Where operations complete. Holds so many completions; operations whose completion would find no room are refused. */
import { VerbsError } from '../base/verbs-error.ts';
import type { WaitOptions } from '../verbs/waiting.ts';
import { Completion } from './completion.ts';
import { CompletionBatch } from './completion-batch.ts';
import type { Domain } from './domain.ts';
import { FabricObject } from './fabric-object.ts';

export interface CompletionQueueOptions {
  /**
   * Completions that it holds: of operations under way, and as many again of what peers do unasked (remote writes with
   * data, messages into one receive for many). Default 1024.
   */
  readonly size?: number;
}

export class CompletionQueue extends FabricObject implements AsyncIterable<Completion> {
  readonly domain: Domain;
  readonly size: number;
  readonly #ring: CompletionBatch;
  readonly #one = new CompletionBatch(1);
  #first = 0;
  #waiting = 0;
  /** Completions that are promised room: of operations under way, and waiting ones of such. */
  #reserved = 0;
  /** Waiting completions that nobody asked for. */
  #unasked = 0;
  readonly #isUnasked: Uint8Array;
  #overrun = false;
  #signalled = false;

  /** For `Domain.openCompletionQueue`. */
  constructor(domain: Domain, { size = DEFAULT_SIZE }: CompletionQueueOptions) {
    super();
    if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
      throw new VerbsError('EINVAL', 'openCompletionQueue', `a completion queue cannot hold ${size} completions`, {
        try: `1 to ${MAX_SIZE}`,
      });
    }
    domain.pump.expect(2 * size);
    this.domain = domain;
    this.size = size;
    this.#ring = new CompletionBatch(2 * size);
    this.#isUnasked = new Uint8Array(2 * size);
    domain.hold(this);
  }

  /**
   * Takes completions, as many as are there and fit. Drives the device when there are none. Allocates nothing.
   *
   * @returns how many rows of the batch are filled
   * @throws VerbsError `EIO` completions were lost, or the device failed, after what is there was taken · `EINVAL` closed
   */
  read(batch: CompletionBatch): number {
    if (!this.isOpen) this.check('read');
    if (this.#waiting === 0) {
      this.domain.pump.progress();
      if (this.#waiting === 0 && this.#overrun) throw this.#lost();
    }
    const ring = this.#ring;
    const count = Math.min(this.#waiting, batch.capacity);
    for (let row = 0; row < count; row++) {
      const at = this.#first;
      batch.copy(row, ring, at);
      ring.context[at] = undefined;
      if (this.#isUnasked[at] === 1) this.#unasked--;
      else this.#reserved--;
      this.#first = at + 1 === ring.capacity ? 0 : at + 1;
    }
    this.#waiting -= count;
    batch.count = count;
    return count;
  }

  /** Takes one completion; undefined when there is none. @throws VerbsError as {@link read} */
  readOne(): Completion | undefined {
    if (this.read(this.#one) === 0) return undefined;
    const completion = new Completion(this.#one, 0);
    this.#one.context[0] = undefined;
    return completion;
  }

  /**
   * Waits for the next completion.
   *
   * @throws VerbsError `ETIMEDOUT` none came in time · `EAGAIN` somebody called {@link signal}; otherwise as {@link read}
   */
  async next(options: WaitOptions = {}): Promise<Completion> {
    for (;;) {
      const completion = this.readOne();
      if (completion !== undefined) return completion;
      await this.wait(options);
    }
  }

  /** Resolves when there is something to read, also an error. @throws VerbsError as {@link next} */
  async wait(options: WaitOptions = {}): Promise<void> {
    this.check('wait');
    const holds = () => this.#waiting > 0 || this.#overrun || this.#signalled || !this.isOpen;
    await this.domain.pump.wait('wait', 'no completion', holds, options);
    if (this.#waiting > 0 || !this.#signalled) return;
    this.#signalled = false;
    throw new VerbsError('EAGAIN', 'wait', 'somebody ended the wait', { object: this.describe(), try: 'again' });
  }

  /** All completions from now on; ends when the queue is closed. */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<Completion> {
    while (this.isOpen) {
      const completion = this.readOne();
      if (completion !== undefined) yield completion;
      else await this.wait();
    }
  }

  /** Ends one wait without a completion. */
  signal(): void {
    this.check('signal');
    this.#signalled = true;
    this.domain.pump.wake();
  }

  describe(): string {
    return `the completion queue for ${this.size}`;
  }

  /** For endpoints only: promises room for one completion. @returns false when there is none */
  reserve(): boolean {
    if (this.#reserved >= this.size) return false;
    this.#reserved++;
    return true;
  }

  /** For endpoints only: completions that can be promised. */
  get room(): number {
    return this.size - this.#reserved;
  }

  /** For endpoints only: the operation completes without anybody seeing it, or was never begun. */
  unreserve(): void {
    this.#reserved--;
  }

  /**
   * For endpoints only: a new completion to be filled in.
   *
   * @param isReserved - room was promised
   * @returns its row in {@link rows}; -1 when it is lost
   */
  add(context: unknown, flags: number, isReserved: boolean): number {
    if (!isReserved) {
      if (this.#unasked >= this.size) {
        this.#overrun = true;
        return -1;
      }
      this.#unasked++;
    }
    const ring = this.#ring;
    const end = this.#first + this.#waiting++;
    const row = end >= ring.capacity ? end - ring.capacity : end;
    this.#isUnasked[row] = isReserved ? 0 : 1;
    ring.start(row, context, flags);
    return row;
  }

  /** For endpoints only. */
  get rows(): CompletionBatch {
    return this.#ring;
  }

  protected release(): void {
    this.domain.pump.expect(-2 * this.size);
    this.domain.letGo(this);
    this.domain.pump.wake();
  }

  #lost(): VerbsError {
    return new VerbsError('EIO', 'read', `completions were lost: more than ${this.size} came unasked (FI_EOVERRUN)`, {
      object: this.describe(),
      try: 'a larger queue for endpoints that peers write to with data, or read it more often',
    });
  }
}

const DEFAULT_SIZE = 1024;
const MAX_SIZE = 1 << 18;
