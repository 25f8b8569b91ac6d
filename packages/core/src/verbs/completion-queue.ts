/** The program's side of a completion queue. */
import { CompletionEntry, CompletionFlag } from '../abi/entries.ts';
import { Ring, RingError, ringBytes, ringSize } from '../abi/ring.ts';
import { formatAddress } from '../base/ip-address.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { Row } from '../uapi/rows.ts';
import type { AbortSignalLike } from './abort-signal.ts';
import { Completion } from './completion.ts';
import { CompletionBatch } from './completion-batch.ts';
import type { CompletionChannel } from './completion-channel.ts';
import type { Context } from './context.ts';
import type { EventStream } from './event-stream.ts';
import { VerbsObject } from './verbs-object.ts';
import { endOfWait, sleep } from './waiting.ts';

const { idLo, idHi, status, opcode, flags, byteLength, immLo, immHi } = CompletionEntry.fields;
const { qpn, remoteQpn, sourceId, jobId, path, vendorStatus, tagLo, tagHi, extra } = CompletionEntry.fields;

export interface CompletionQueueOptions {
  /**
   * How many completions it must hold at a time: at least all that can be outstanding on its queue pairs. More are an
   * overrun, and lost. Rounded up to a power of two.
   */
  readonly entries: number;
  /** One place to wait for many queues; see {@link CompletionQueue.arm}. */
  readonly channel?: CompletionChannel;
  /** Where its events go, instead of to `context.events()`. */
  readonly events?: EventStream;
}

export class CompletionQueue extends VerbsObject implements AsyncIterable<Completion> {
  readonly handle: number;
  /** Where it speaks up when it was armed. */
  readonly channel: CompletionChannel | undefined;
  /** What it is woken by. */
  readonly #wake: number;
  #ring: Ring;
  readonly #one = new CompletionBatch(1);
  readonly #peer = (to: number): string => this.#peerText(to);
  #consumed = 0;

  private constructor(
    context: Context,
    handle: number,
    wake: number,
    ring: Ring,
    channel: CompletionChannel | undefined,
  ) {
    super(context);
    this.handle = handle;
    this.#wake = wake;
    this.channel = channel;
    this.#ring = ring;
    context.name(handle, this);
  }

  /** For `Context.createCompletionQueue`. */
  static create(context: Context, options: CompletionQueueOptions): CompletionQueue {
    const { port } = context;
    const { channel, events } = options;
    const size = entriesOf('createCompletionQueue', context, options.entries);
    const bytes = port.memory.allocate(ringBytes(size, CompletionEntry.bytes));
    try {
      const attachments: unknown[] = [];
      const ring = port.memory.name(context, bytes, attachments);
      const input = { ring, entries: size, channel: channel?.handle, events: events?.handle };
      const { handle, wake } = context.call('CQ', 'CREATE', input, attachments);
      return new CompletionQueue(context, handle, wake, new Ring(bytes, size, CompletionEntry.bytes), channel);
    } catch (thrown) {
      port.memory.release(bytes);
      throw thrown;
    }
  }

  /** Completions that it holds. */
  get entries(): number {
    return this.#ring.size;
  }

  /**
   * Asks for one word on the channel when the next completion comes. What is there already does not count: poll after
   * arming until the queue is empty.
   *
   * @param options.solicitedOnly - only for a receive whose sender asked for it, and for failures
   */
  arm(options: { readonly solicitedOnly?: boolean } = {}): void {
    this.check('arm');
    this.#ring.arm(options.solicitedOnly);
  }

  /**
   * Gives it room for more completions, or fewer; those that wait move along.
   *
   * @throws VerbsError `EINVAL` entries out of range, or fewer than wait · `ENOMEM` no memory; nothing changed
   */
  resize(entries: number): void {
    this.check('resize');
    const { context } = this;
    const { memory } = context.port;
    const size = entriesOf('resize', context, entries);
    const bytes = memory.allocate(ringBytes(size, CompletionEntry.bytes));
    try {
      const attachments: unknown[] = [];
      const ring = memory.name(context, bytes, attachments);
      const consumed = this.#consumed >>> 0;
      context.call('CQ', 'RESIZE', { handle: this.handle, ring, entries: size, consumed }, attachments);
    } catch (thrown) {
      memory.release(bytes);
      throw thrown;
    }
    const old = this.#ring;
    this.#ring = new Ring(bytes, size, CompletionEntry.bytes);
    memory.release(old.bytes);
  }

  /**
   * Moderation: whoever waits is woken after `count` completions, or when the first of them is `periodUs` old. Polling
   * sees completions at once all the same.
   *
   * @param options.count - up to 65,535; 0 and 1 wake for each
   * @param options.periodUs - up to 65,535; 0 wakes for each
   */
  modify(options: { readonly count: number; readonly periodUs: number }): void {
    this.check('modify');
    this.context.call('CQ', 'MODIFY', { handle: this.handle, ...options });
  }

  /** What the device knows of it: `entries`, `failed`, moderation. */
  query(): Row {
    this.check('query');
    return this.context.call('CQ', 'QUERY', { handle: this.handle }).attributes;
  }

  /**
   * Takes completions, as many as are there and fit. Drives the device when there is none. Allocates nothing.
   *
   * @returns how many rows of the batch are filled
   * @throws VerbsError `EIO` the queue overran or the device failed, after what is there was taken · `EINVAL` closed
   */
  poll(batch: CompletionBatch): number {
    if (!this.isOpen) this.check('poll');
    const ring = this.#ring;
    let available = (ring.producer() - this.#consumed) | 0;
    if (available === 0) {
      this.context.port.progress();
      available = (ring.producer() - this.#consumed) | 0;
      if (available === 0) {
        batch.count = 0;
        if (ring.error() !== RingError.NONE || this.context.port.failure !== '') this.#throwError();
        return 0;
      }
    }
    const count = available < 0 || available > ring.size ? this.#throwBroken() : Math.min(available, batch.capacity);
    for (let row = 0; row < count; row++) this.#read(batch, row, ring.at(this.#consumed + row));
    this.#consumed = (this.#consumed + count) | 0;
    ring.retire(this.#consumed);
    batch.count = count;
    return count;
  }

  /**
   * Takes one completion; undefined when there is none. Drives the device like {@link poll}.
   *
   * @throws VerbsError as {@link poll}
   */
  take(): Completion | undefined {
    return this.poll(this.#one) === 0 ? undefined : new Completion(this.#one, 0, this.#peer);
  }

  /**
   * Waits for the next completion.
   *
   * @throws VerbsError `ETIMEDOUT` none came in time; otherwise as {@link poll}. An aborted `signal` throws its reason.
   */
  async next(options: { readonly timeoutMs?: number; readonly signal?: AbortSignalLike } = {}): Promise<Completion> {
    const { timeoutMs, signal } = options;
    const end = endOfWait(this.context.port, timeoutMs);
    for (;;) {
      if (signal?.aborted) throw signal.reason;
      const completion = this.take();
      if (completion !== undefined) return completion;
      await this.#sleep(end, timeoutMs, signal);
    }
  }

  /** All completions from now on; ends when the queue is closed. */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<Completion> {
    while (this.isOpen) {
      const completion = this.take();
      if (completion !== undefined) yield completion;
      else await this.#sleep(Number.POSITIVE_INFINITY, undefined, undefined);
    }
  }

  /**
   * Resolves when there is something to take, also an error. Polls for about 50 µs, then sleeps.
   *
   * @param options.background - does not poll, and does not keep the program alive
   * @throws VerbsError `ETIMEDOUT` nothing came in time. An aborted `signal` throws its reason.
   */
  async wait(
    timeoutMs?: number,
    options: { readonly signal?: AbortSignalLike; readonly background?: boolean } = {},
  ): Promise<void> {
    const { signal, background } = options;
    const end = endOfWait(this.context.port, timeoutMs);
    this.check('wait');
    while (!this.#ready()) {
      if (signal?.aborted) throw signal.reason;
      await this.#sleep(end, timeoutMs, signal, background);
    }
  }

  /** @throws VerbsError EBUSY queue pairs use it */
  close(): void {
    this.end();
  }

  describe(): string {
    return `the completion queue of ${this.entries} entries`;
  }

  protected destroyHandle(): void {
    const { port } = this.context;
    this.context.call('CQ', 'DESTROY', { handle: this.handle });
    this.context.disown(this, this.handle);
    port.memory.release(this.#ring.bytes);
    port.wake(this.#wake);
  }

  #read(batch: CompletionBatch, row: number, at: number): void {
    const { view } = this.#ring;
    const low = idLo.get(view, at);
    const high = idHi.get(view, at);
    batch.idLo[row] = low;
    batch.idHi[row] = high;
    batch.id[row] = (high & 0x1f_ffff) * 0x1_0000_0000 + low;
    batch.status[row] = status.get(view, at);
    batch.opcode[row] = opcode.get(view, at);
    batch.byteLength[row] = byteLength.get(view, at);
    const flag = flags.get(view, at);
    batch.flags[row] = flag;
    batch.hasImm[row] = flag & CompletionFlag.HAS_IMM;
    batch.immLo[row] = immLo.get(view, at);
    batch.immHi[row] = immHi.get(view, at);
    batch.qpn[row] = qpn.get(view, at);
    batch.remoteQpn[row] = remoteQpn.get(view, at);
    batch.sourceId[row] = sourceId.get(view, at);
    batch.jobId[row] = jobId.get(view, at);
    batch.path[row] = path.get(view, at);
    batch.vendorStatus[row] = vendorStatus.get(view, at);
    batch.tagLo[row] = tagLo.get(view, at);
    batch.tagHi[row] = tagHi.get(view, at);
    batch.extra[row] = extra.get(view, at);
  }

  #ready(): boolean {
    const ring = this.#ring;
    if (!this.isOpen || ring.producer() !== this.#consumed || ring.error() !== RingError.NONE) return true;
    return this.context.port.failure !== '';
  }

  /** Polls a while, then sleeps until woken, until `end`, or until aborted. */
  async #sleep(
    end: number,
    timeoutMs: number | undefined,
    signal: AbortSignalLike | undefined,
    background = false,
  ): Promise<void> {
    const { port } = this.context;
    if (port.polls && !background && this.#spin(end)) return;
    this.#ring.arm();
    // what came before the queue was armed woke nobody
    port.progress();
    if (this.#ready()) return;
    if (port.now() >= end) {
      throw new VerbsError('ETIMEDOUT', 'wait', `no completion within ${timeoutMs} ms`, { object: this.describe() });
    }
    await sleep(port, this.#wake, end, signal, background);
  }

  /** @returns whether something came */
  #spin(end: number): boolean {
    const { port } = this.context;
    const until = Math.min(end, port.now() + SPIN_NS);
    for (let turns = 0; turns < MAX_SPINS; turns++) {
      port.progress();
      if (this.#ready()) return true;
      if (port.now() >= until) return false;
    }
    return false;
  }

  #peerText(to: number): string {
    const { address, port } = this.context.isOpen ? this.context.call('DEVICE', 'QUERY_PATH', { path: to }) : {};
    return address === undefined ? `path ${to}` : `${formatAddress(address)} port ${port}`;
  }

  #throwError(): never {
    const { failure } = this.context.port;
    if (this.#ring.error() === RingError.DEVICE || failure !== '') {
      throw new VerbsError(
        'EIO',
        'poll',
        failure === '' ? 'the device failed or is gone' : `the device is gone: ${failure}`,
        {
          object: this.describe(),
          try: 'close the device and open it again',
        },
      );
    }
    throw new VerbsError('EIO', 'poll', `completion queue overrun: more than ${this.entries} completions waited`, {
      object: this.describe(),
      try: 'a queue with room for all that is outstanding on its queue pairs, or take completions more often',
    });
  }

  #throwBroken(): never {
    throw new VerbsError('EIO', 'poll', 'the indices of the completion ring make no sense', {
      object: this.describe(),
      try: 'somebody wrote into the memory of the ring',
    });
  }
}

function entriesOf(call: string, { attributes }: Context, entries: number): number {
  if (Number.isInteger(entries) && entries >= 1 && entries <= attributes.maxCqe) return ringSize(entries);
  throw new VerbsError('EINVAL', call, `a completion queue cannot have ${entries} entries`, {
    try: `1 to ${attributes.maxCqe}`,
  });
}

/** How long a wait polls before it sleeps, ns. */
const SPIN_NS = 50_000;
/** The same in turns, for clocks that stand still. */
const MAX_SPINS = 1_000;
