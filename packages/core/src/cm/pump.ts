/**
 * Moves messages between the machine and the GSI queue pair, and events to those whom they concern: once after each call
 * of the program, and whenever datagrams come or time is up, in the background.
 */
import { isVerbsError, VerbsError } from '../base/verbs-error.ts';
import type { AbortSignalLike } from '../verbs/abort-signal.ts';
import type { KernelPort } from '../verbs/kernel-port.ts';
import { endOfWait, sleep, type WaitOptions } from '../verbs/waiting.ts';
import type { CmEngine } from './cm-engine.ts';
import type { CmEvent, CmLink } from './cm-link.ts';
import type { GsiPeer, GsiQueue } from './gsi-queue.ts';

/** Whom events of a connection concern. */
export interface LinkOwner {
  handle(event: CmEvent): void;
  /** Nothing will come any more. */
  fail(error: VerbsError): void;
}

export type RequestEvent = Extract<CmEvent, { kind: 'request' }>;

export class Pump {
  readonly engine: CmEngine;
  readonly gsi: GsiQueue;
  readonly #port: KernelPort;
  readonly #onRequest: (event: RequestEvent) => void;
  readonly #onEnd: (error: VerbsError) => void;
  readonly #owners = new Map<CmLink, LinkOwner>();
  /** Those who wait for an event are woken by this number, which no kernel half gives out. */
  readonly #wake: number;
  readonly #deliver = (peer: GsiPeer, view: DataView, at: number, length: number): void =>
    this.engine.receive(this.now(), peer, view, at, length);
  readonly #transmit = (view: DataView, at: number) => this.engine.transmit(view, at);
  #nudge = new Nudge();
  #open = true;

  /** @param onEnd - it does not work any more, and why */
  constructor(
    engine: CmEngine,
    gsi: GsiQueue,
    onRequest: (event: RequestEvent) => void,
    onEnd: (error: VerbsError) => void,
  ) {
    this.engine = engine;
    this.gsi = gsi;
    this.#port = gsi.context.port;
    this.#onRequest = onRequest;
    this.#onEnd = onEnd;
    this.#wake = -1 - lastWake++;
    void this.#run();
  }

  get isOpen(): boolean {
    return this.#open;
  }

  now(): number {
    return this.#port.now();
  }

  own(link: CmLink, owner: LinkOwner): void {
    this.#owners.set(link, owner);
  }

  disown(link: CmLink): void {
    this.#owners.delete(link);
  }

  /** After a call of the program: what it caused leaves, and the next deadline counts. */
  kick(): void {
    this.#turn();
    this.#nudge.abort();
  }

  /** Wakes those who wait, to look again. */
  wake(): void {
    this.#port.wake(this.#wake);
  }

  /**
   * Waits until something is the case; keeps the program alive meanwhile.
   *
   * @param late - the error when the time is over
   * @throws VerbsError what `late` makes. An aborted `signal` throws its reason.
   */
  async until(holds: () => boolean, options: WaitOptions, late: () => VerbsError): Promise<void> {
    const { timeoutMs, signal } = options;
    const end = endOfWait(this.#port, timeoutMs);
    while (!holds()) {
      if (signal?.aborted) throw signal.reason;
      if (this.now() >= end) throw late();
      await sleep(this.#port, this.#wake, end, signal);
    }
  }

  /** Ends it: whoever waits for an event gets the error. */
  end(error: VerbsError): void {
    if (!this.#open) return;
    this.#open = false;
    const owners = [...this.#owners.values()];
    this.#owners.clear();
    for (const owner of owners) owner.fail(error);
    this.#onEnd(error);
    this.#nudge.abort();
    this.wake();
  }

  async #run(): Promise<void> {
    await null; // the owner is not complete yet
    while (this.#open) {
      const nudge = (this.#nudge = new Nudge());
      const isBusy = this.#turn();
      if (!this.#open) return;
      try {
        // a peer that floods this side must not keep the event loop from turning
        if (isBusy) await this.#port.wait(this.#wake, 1, true);
        else await this.#rest(nudge);
      } catch (thrown) {
        this.end(asVerbsError(thrown));
      }
    }
  }

  async #rest(nudge: Nudge): Promise<void> {
    const left = this.engine.deadline() - this.now();
    try {
      await this.gsi.rest(left === Number.POSITIVE_INFINITY ? undefined : Math.max(0, left) / 1e6, nudge);
    } catch (thrown) {
      if (thrown !== nudge && !(isVerbsError(thrown) && thrown.code === 'ETIMEDOUT')) throw thrown;
    }
  }

  /** @returns whether there is more to do */
  #turn(): boolean {
    if (!this.#open) return false;
    try {
      for (let round = 0; round < ROUNDS; round++) {
        this.engine.expire(this.now());
        const work = this.gsi.poll(this.#deliver);
        const events = this.#dispatch();
        let sent = false;
        while (this.engine.hasOutput && this.gsi.send(this.#transmit)) sent = true;
        if (work === 0 && events === 0 && !sent) return false;
      }
      return true;
    } catch (thrown) {
      this.end(asVerbsError(thrown));
      return false;
    }
  }

  #dispatch(): number {
    let count = 0;
    for (let event = this.engine.take(); event !== undefined; event = this.engine.take(), count++) {
      if (event.kind === 'request') this.#onRequest(event);
      else this.#owners.get(event.link)?.handle(event);
      if (LAST_EVENTS.has(event.kind)) this.#owners.delete(event.link);
    }
    if (count > 0) this.wake();
    return count;
  }
}

/** Ends a sleep. */
class Nudge implements AbortSignalLike {
  aborted = false;
  readonly reason = this;
  #listener: (() => void) | undefined;

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listener = listener;
  }

  removeEventListener(): void {
    this.#listener = undefined;
  }

  abort(): void {
    this.aborted = true;
    this.#listener?.();
  }
}

const asVerbsError = (thrown: unknown): VerbsError =>
  isVerbsError(thrown) ? thrown : new VerbsError('EIO', 'ConnectionManager', `it failed: ${String(thrown)}`);

/** After these nothing comes any more. */
const LAST_EVENTS: ReadonlySet<CmEvent['kind']> = new Set(['refused', 'unreachable', 'abandoned', 'ended']);
/** Batches of a turn. */
const ROUNDS = 16;
let lastWake = 0;
