/** Who waits for which handle: a completion queue's next entry, a context's next event. */
import { type Nanos, VerbsError } from '@verbena/core';

export class Waiters {
  readonly #waiting = new Map<number, Set<() => void>>();
  readonly #begin: () => void;
  readonly #end: () => void;
  #closed: VerbsError | undefined;

  /** @param begin - called when somebody begins to wait; `end` when that one stops */
  constructor(begin: () => void, end: () => void) {
    this.#begin = begin;
    this.#end = end;
  }

  /**
   * Resolves when the number is woken, when the time is over, or when the device closes.
   *
   * @param background - the wait does not keep the process alive
   * @throws VerbsError `EIO` the device is closed: nothing would ever wake
   */
  async wait(handle: number, timeoutNs: Nanos, background = false): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    if (!background) this.#begin();
    await new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const done = () => {
        clearTimeout(timer);
        const set = this.#waiting.get(handle);
        set?.delete(done);
        if (set?.size === 0) this.#waiting.delete(handle);
        if (!background) this.#end();
        resolve();
      };
      if (timeoutNs < MAX_TIMER_NS) timer = setTimeout(done, Math.max(0, Math.ceil(timeoutNs / 1e6)));
      if (background) timer?.unref();
      const set = this.#waiting.get(handle);
      if (set === undefined) this.#waiting.set(handle, new Set([done]));
      else set.add(done);
    });
  }

  wake(handle: number): void {
    const set = this.#waiting.get(handle);
    if (set !== undefined) for (const done of [...set]) done();
  }

  /** Wakes everybody; later waits are refused. @param problem - why */
  close(problem = 'the device is closed'): void {
    this.#closed ??= new VerbsError('EIO', 'wait', problem, { try: 'openDevice again' });
    for (const handle of [...this.#waiting.keys()]) this.wake(handle);
  }
}

/** Longer waits than a timer can hold are waits without end. */
const MAX_TIMER_NS: Nanos = 2 ** 31 * 1e6;
