/**
 * The port to a kernel half in the same thread: posting and polling drive the device (manual progress). The host says
 * what time it is and how to run something later; live hosts and simulated ones build on this.
 */
import type { Session } from '../device/session.ts';
import type { Nanos } from '../engine/time.ts';
import type { Message } from '../uapi/message.ts';
import type { KernelPort, UserMemory } from './kernel-port.ts';

export interface InlineHooks {
  now(): Nanos;
  /** Runs something once, on the next turn of the event loop. */
  soon(run: () => void): void;
  /** Runs something once after a while. @returns what cancels it */
  after(delayNs: number, run: () => void): () => void;
  /**
   * The program stops polling and waits: from now on the host calls `progress` when packets arrive and at
   * `deadline()`, until the program polls again. Called on each wait.
   */
  watch(): void;
}

/** A driver that somebody must drive. */
export interface Stepped {
  /** @returns the amount of work done */
  step(now: Nanos): number;
  deadline(): Nanos;
  rung(): boolean;
  close(now: Nanos): void;
  quiet(): boolean;
}

export class InlinePort implements KernelPort {
  readonly failure = '';
  readonly session: Session;
  readonly kernel: Stepped;
  readonly memory: UserMemory;
  readonly polls: boolean;
  readonly #hooks: InlineHooks;
  readonly #runScheduled: () => void;
  readonly #waiters = new Map<number, Set<() => void>>();
  #scheduled = false;
  #posted = 0;
  #steps = 0;

  constructor(session: Session, kernel: Stepped, memory: UserMemory, hooks: InlineHooks, polls: boolean) {
    this.session = session;
    this.kernel = kernel;
    this.memory = memory;
    this.polls = polls;
    this.#hooks = hooks;
    this.#runScheduled = () => {
      this.#scheduled = false;
      // somebody may have served the doorbells meanwhile; what the step left over is the watcher's
      if (this.kernel.rung()) this.progress();
      hooks.watch();
    };
  }

  /** Steps so far: hosts compare it to learn whether the program polls. */
  get steps(): number {
    return this.#steps;
  }

  invoke(request: Message): Message {
    return this.session.invoke(request, this.#hooks.now());
  }

  progress(): number {
    this.#posted = 0;
    this.#steps++;
    return this.kernel.step(this.#hooks.now());
  }

  scheduleProgress(): void {
    if (++this.#posted >= POSTS_PER_STEP) {
      this.progress();
      return;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#hooks.soon(this.#runScheduled);
  }

  now(): Nanos {
    return this.#hooks.now();
  }

  /** When `progress` must run at the latest. */
  deadline(): Nanos {
    return this.kernel.rung() ? 0 : this.kernel.deadline();
  }

  wait(handle: number, timeoutNs: number): Promise<void> {
    return new Promise((resolve) => {
      let waiters = this.#waiters.get(handle);
      if (waiters === undefined) this.#waiters.set(handle, (waiters = new Set()));
      const list = waiters;
      let cancel: (() => void) | undefined;
      const done = () => {
        list.delete(done);
        if (list.size === 0 && this.#waiters.get(handle) === list) this.#waiters.delete(handle);
        cancel?.();
        resolve();
      };
      list.add(done);
      if (timeoutNs !== Number.POSITIVE_INFINITY) cancel = this.#hooks.after(timeoutNs, done);
      this.#hooks.watch();
    });
  }

  /** For the session's `wake` as well. */
  wake(handle: number): void {
    const waiters = this.#waiters.get(handle);
    if (waiters === undefined) return;
    this.#waiters.delete(handle);
    for (const done of [...waiters]) done();
  }

  /**
   * Ends the device in order: lets the transport close what peers hold state for.
   *
   * @param timeoutNs - how long peers get to answer
   * @returns whether all was closed in time
   */
  async shutdown(timeoutNs: Nanos): Promise<boolean> {
    const end = this.now() + timeoutNs;
    this.kernel.close(this.now());
    for (;;) {
      const work = this.progress();
      if (this.kernel.quiet()) {
        this.progress(); // what was said last is on its way
        return true;
      }
      const left = end - this.now();
      if (left <= 0) return false;
      if (work > 0) await new Promise<void>((resolve) => this.#hooks.soon(resolve));
      else await new Promise<void>((resolve) => this.#hooks.after(Math.min(left, SHUTDOWN_POLL), resolve));
    }
  }
}

/** Requests after which posting itself drives the device. */
const POSTS_PER_STEP = 64;
const SHUTDOWN_POLL: Nanos = 500_000;
