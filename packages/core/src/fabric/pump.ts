/** What completes on the endpoints of a domain, taken from the device and handed to them; and waiting for it. */
import { VerbsError } from '../base/verbs-error.ts';
import { CompletionOpcode } from '../engine/status.ts';
import type { AbortSignalLike } from '../verbs/abort-signal.ts';
import { CompletionBatch } from '../verbs/completion-batch.ts';
import type { CompletionQueue } from '../verbs/completion-queue.ts';
import type { Context } from '../verbs/context.ts';
import { endOfWait, type WaitOptions } from '../verbs/waiting.ts';

/** Whose operations complete. */
export interface Sink {
  /** A row of a batch is about an operation of it, or about what a peer did to it. */
  completed(batch: CompletionBatch, row: number): void;
}

export class Pump {
  /** All queue pairs of the domain complete here, so that whoever waits for anything waits for this. */
  readonly queue: CompletionQueue;
  readonly #context: Context;
  readonly #batch = new CompletionBatch(BATCH);
  readonly #sinks: (Sink | undefined)[] = [];
  readonly #byQpn = new Map<number, Sink>();
  readonly #waiters = new Set<WakeUp>();
  #wanted = 0;

  constructor(context: Context) {
    this.#context = context;
    this.queue = context.createCompletionQueue({ entries: FIRST_ENTRIES });
  }

  /** @returns upper word of the ids of its requests */
  add(sink: Sink): number {
    const free = this.#sinks.indexOf(undefined);
    const index = free < 0 ? this.#sinks.length : free;
    this.#sinks[index] = sink;
    return index;
  }

  remove(index: number): void {
    const sink = this.#sinks[index];
    this.#sinks[index] = undefined;
    for (const [qpn, one] of this.#byQpn) if (one === sink) this.#byQpn.delete(qpn);
  }

  /** What peers do to a queue pair is told to this one. */
  name(qpn: number, sink: Sink): void {
    this.#byQpn.set(qpn, sink);
  }

  /**
   * So many more completions can be waiting from now on; with a negative number, fewer.
   *
   * @throws VerbsError `EINVAL` more than a queue of the device can hold · `ENOMEM`
   */
  expect(more: number): void {
    const wanted = this.#wanted + more;
    if (wanted > this.queue.entries) this.queue.resize(wanted);
    this.#wanted = wanted;
  }

  /**
   * Drives the device and hands out what has completed.
   *
   * @returns completions handed out
   * @throws VerbsError EIO the device failed or is gone
   */
  progress(): number {
    let total = 0;
    for (let turns = 0; turns < MAX_TURNS; turns++) {
      const batch = this.#batch;
      const count = this.queue.poll(batch);
      for (let row = 0; row < count; row++) this.#sinkOf(batch, row)?.completed(batch, row);
      total += count;
      if (count < BATCH) break;
    }
    if (total > 0 && this.#waiters.size > 0) this.wake();
    return total;
  }

  /**
   * Waits until something holds, driving the device. It is looked at again after everything that completes.
   *
   * @param what - for the error
   * @throws VerbsError `ETIMEDOUT` · `EIO` the device failed. An aborted `signal` throws its reason.
   */
  async wait(call: string, what: string, holds: () => boolean, options: WaitOptions = {}): Promise<void> {
    const { timeoutMs, signal } = options;
    const { port } = this.#context;
    const end = endOfWait(port, timeoutMs);
    for (;;) {
      if (signal?.aborted) throw signal.reason;
      if (holds()) return;
      this.progress();
      if (holds()) return;
      const leftMs = (end - port.now()) / 1e6;
      if (leftMs <= 0) throw new VerbsError('ETIMEDOUT', call, `${what} within ${timeoutMs} ms`);
      await this.#sleep(leftMs, signal);
    }
  }

  /** Whoever waits looks again. */
  wake(): void {
    for (const one of [...this.#waiters]) one.abort();
  }

  async #sleep(leftMs: number, signal: AbortSignalLike | undefined): Promise<void> {
    const wakeUp = new WakeUp();
    const abort = () => wakeUp.abort();
    this.#waiters.add(wakeUp);
    signal?.addEventListener('abort', abort);
    try {
      await this.queue.wait(leftMs === Number.POSITIVE_INFINITY ? undefined : leftMs, { signal: wakeUp });
    } catch (thrown) {
      const isTime = thrown instanceof VerbsError && thrown.code === 'ETIMEDOUT';
      if (thrown !== wakeUp && !isTime) throw thrown;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#waiters.delete(wakeUp);
    }
  }

  #sinkOf(batch: CompletionBatch, row: number): Sink | undefined {
    // what a peer did has a number of nobody
    if (batch.opcode[row] === CompletionOpcode.RECV_RDMA_WITH_IMM) return this.#byQpn.get(batch.qpn[row]!);
    return this.#sinks[batch.idHi[row]!];
  }
}

/** Ends one sleep. */
class WakeUp implements AbortSignalLike {
  aborted = false;
  readonly #listeners = new Set<() => void>();

  get reason(): unknown {
    return this;
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }

  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    for (const listener of [...this.#listeners]) listener();
  }
}

const BATCH = 64;
/** Batches that one call hands out at most. */
const MAX_TURNS = 16;
const FIRST_ENTRIES = 1024;
