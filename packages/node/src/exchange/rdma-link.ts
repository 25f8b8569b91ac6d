/** An {@link ExchangeLink} over SENDs of a connected queue pair, as perftest has with `-R`. */
import {
  type Completion,
  type CompletionQueue,
  type Context,
  type MemoryRegion,
  type ProtectionDomain,
  type QueuePair,
  VerbsError,
} from '@verbena/core';
import { EXCHANGE_TIMEOUT_MS, type ExchangeLink, type ReadOptions } from './exchange-link.ts';

/** Make it, connect its {@link queuePair} (after {@link postReceives}, in INIT), then speak. */
export class RdmaLink implements ExchangeLink {
  readonly form = 'structure';
  peer = 'the peer';
  readonly queuePair: QueuePair;
  readonly #context: Context;
  readonly #cq: CompletionQueue;
  readonly #region: MemoryRegion;
  readonly #arrived: Uint8Array[] = [];
  #sent = 0;
  #done = 0;

  constructor(context: Context, pd: ProtectionDomain, sgidIndex: number) {
    this.#context = context;
    this.#cq = context.createCompletionQueue({ entries: 4 * RECEIVES });
    this.#region = pd.registerMemory(context.allocate(2 * RECEIVES * SLOT_BYTES), { access: ['local-write'] });
    const queues = { sendCq: this.#cq, recvCq: this.#cq };
    this.queuePair = pd.createQueuePair({
      type: 'RC',
      ...queues,
      sgidIndex,
      sendDepth: RECEIVES,
      receiveDepth: RECEIVES,
    });
  }

  /** Makes room for what the peer says first. */
  postReceives(): void {
    for (let slot = 0; slot < RECEIVES; slot++) this.#postReceive(slot);
  }

  async read(bytes: number, options: ReadOptions = {}): Promise<Uint8Array> {
    const { timeoutMs = EXCHANGE_TIMEOUT_MS, signal, what = 'its next word' } = options;
    const end = performance.now() + timeoutMs;
    while (this.#arrived.length === 0) {
      const left = end - performance.now();
      if (left <= 0)
        throw new VerbsError('ETIMEDOUT', 'exchange', `${this.peer} did not say ${what} within ${timeoutMs / 1000} s`);
      await this.#step(left, what, signal);
    }
    const message = this.#arrived.shift()!;
    if (message.length >= bytes) return message.subarray(0, bytes);
    throw new VerbsError('EIO', 'exchange', `${this.peer} sent ${message.length} bytes, where ${what} has ${bytes}`, {
      try: 'the same tool with the same options on both sides',
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    const offset = (RECEIVES + (this.#sent % RECEIVES)) * SLOT_BYTES;
    this.#region.bytes.set(bytes, offset);
    this.queuePair.post({ opcode: 'send', region: this.#region, offset, length: bytes.length, id: SEND_ID });
    this.#sent++;
    const end = performance.now() + EXCHANGE_TIMEOUT_MS;
    while (this.#done < this.#sent) {
      const left = end - performance.now();
      if (left <= 0)
        throw new VerbsError('ETIMEDOUT', 'exchange', `${this.peer} does not acknowledge what is sent to it`);
      await this.#step(left, 'anything', undefined);
    }
  }

  async drain(): Promise<void> {}

  close(): void {
    const { bytes } = this.#region;
    this.queuePair.close();
    this.#cq.close();
    this.#region.deregister();
    this.#context.release(bytes);
  }

  async #step(timeoutMs: number, what: string, signal: ReadOptions['signal']): Promise<void> {
    let completion: Completion;
    try {
      completion = await this.#cq.next({ timeoutMs, ...(signal === undefined ? {} : { signal }) });
    } catch (thrown) {
      if (thrown instanceof VerbsError && thrown.code === 'ETIMEDOUT') return;
      throw thrown;
    }
    if (!completion.ok) {
      throw new VerbsError(
        'EIO',
        'exchange',
        `${this.peer} went away instead of saying ${what}: ${completion.status}`,
        {
          object: this.queuePair.describe(),
          try: 'look at what the tool prints on the other side',
        },
      );
    }
    if (completion.id === BigInt(SEND_ID)) {
      this.#done++;
      return;
    }
    const at = Number(completion.id) * SLOT_BYTES;
    this.#arrived.push(this.#region.bytes.slice(at, at + completion.byteLength));
    this.#postReceive(Number(completion.id));
  }

  #postReceive(slot: number): void {
    this.queuePair.postReceive({ region: this.#region, offset: slot * SLOT_BYTES, length: SLOT_BYTES, id: slot });
  }
}

/** A card is the largest message. */
const SLOT_BYTES = 64;
const RECEIVES = 8;
const SEND_ID = 1000;
