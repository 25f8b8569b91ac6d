/** A completion channel: queues that have news, each once, until the program takes them. */
export class ChannelQueue {
  /** What is woken by news. */
  readonly wake: number;
  readonly #queues = new Set<number>();
  #armed = false;

  constructor(wake: number) {
    this.wake = wake;
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

  /** The queue is destroyed. */
  forget(handle: number): void {
    this.#queues.delete(handle);
  }
}
