/** A completion channel: queues that have news, each once, until the program takes them. */
export class ChannelQueue {
  /** What is woken by news. */
  readonly wake: number;
  readonly #queues = new Set<number>();
  #armed = false;

  constructor(wake: number) {
    this.wake = wake;
  }

  /** Queues that have news which nobody has taken. */
  get waiting(): readonly number[] {
    return [...this.#queues];
  }

  /** @returns whether the program must be woken */
  push(handle: number): boolean {
    this.#queues.add(handle);
    const armed = this.#armed;
    this.#armed = false;
    return armed;
  }

  /** Takes up to 64 handles; with none, arms. */
  take(): number[] {
    const taken = [...this.#queues].slice(0, 64);
    for (const handle of taken) this.#queues.delete(handle);
    this.#armed = taken.length === 0;
    return taken;
  }

  /** What was taken did not reach the program: it is there again, in front. */
  putBack(handles: readonly number[]): void {
    const later = [...this.#queues];
    this.#queues.clear();
    for (const handle of [...handles, ...later]) this.#queues.add(handle);
  }

  /** The queue is destroyed. */
  forget(handle: number): void {
    this.#queues.delete(handle);
  }
}
