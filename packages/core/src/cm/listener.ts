/** A port that peers may connect to. */
import { VerbsError } from '../base/verbs-error.ts';
import type { WaitOptions } from '../verbs/waiting.ts';
import type { ConnectionRequest } from './connection-request.ts';
import type { Pump } from './pump.ts';

export interface ListenOptions {
  /** 1 to 65,535, in the TCP port space of librdmacm; 0 for a free one. */
  readonly port: number;
  /** Requests that may wait for an answer; more are refused with NO_RESOURCES. 1 to 1024; default 128. */
  readonly backlog?: number;
}

/** Iterating gives requests from now on; those that wait come first. It ends when the listener is closed. */
export class Listener implements AsyncIterable<ConnectionRequest>, Disposable {
  readonly port: number;
  readonly #pump: Pump;
  readonly #onClose: (listener: Listener) => void;
  #waiting: ConnectionRequest[] = [];
  #problem: VerbsError | undefined;

  /** For the manager. */
  constructor(pump: Pump, port: number, onClose: (listener: Listener) => void) {
    this.#pump = pump;
    this.port = port;
    this.#onClose = onClose;
  }

  get isOpen(): boolean {
    return this.#problem === undefined;
  }

  /**
   * Waits for the next request; those that their peers took back meanwhile are left out.
   *
   * @throws VerbsError `ETIMEDOUT` none in time · `EINVAL` closed · `EIO` the device failed. An aborted `signal` throws its
   *   reason.
   */
  async next(options: WaitOptions = {}): Promise<ConnectionRequest> {
    let request: ConnectionRequest | undefined;
    const late = () =>
      new VerbsError('ETIMEDOUT', 'next', `nobody asked for a connection within ${options.timeoutMs} ms`, {
        object: this.describe(),
      });
    await this.#pump.until(() => (request = this.#take()) !== undefined || !this.isOpen, options, late);
    if (request !== undefined) return request;
    throw this.#problem!;
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<ConnectionRequest> {
    for (;;) {
      let request: ConnectionRequest | undefined;
      await this.#pump.until(
        () => (request = this.#take()) !== undefined || !this.isOpen,
        {},
        () => this.#problem!,
      );
      if (request === undefined) return;
      yield request;
    }
  }

  /** Refuses what waits, and everything from now on. Connections stay. */
  close(): void {
    if (!this.isOpen) return;
    this.end(new VerbsError('EINVAL', 'next', `${this.describe()} is closed`, { try: 'listen again' }));
    if (!this.#pump.isOpen) return;
    this.#pump.engine.unlisten(this.#pump.now(), this.port);
    this.#pump.kick();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  describe(): string {
    return `the listener of port ${this.port}`;
  }

  /** For the manager: a peer asks. */
  add(request: ConnectionRequest): void {
    this.#waiting.push(request);
  }

  /** For the manager: nothing will come any more. */
  end(problem: VerbsError): void {
    if (!this.isOpen) return;
    this.#problem = problem;
    this.#waiting = [];
    this.#onClose(this);
    this.#pump.wake();
  }

  #take(): ConnectionRequest | undefined {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.isPending) return next;
    }
    return undefined;
  }
}
