/** Asynchronous events that wait for one reader: bounded, oldest lost first. */
export class EventFile {
  /** What is woken by the next event. */
  readonly wake: number;
  /** Pairs: event, object. */
  readonly #events: number[] = [];
  readonly #limit: number;
  /** Events lost because nobody read. */
  lost = 0;
  /** Wake the reader on the next event. */
  #armed = false;
  #ended = false;

  constructor(wake: number, limit: number) {
    this.wake = wake;
    this.#limit = limit;
  }

  /** @returns whether the reader must be woken */
  push(event: number, object: number): boolean {
    if (this.#ended) return false;
    if (this.#events.length >= 2 * this.#limit) {
      this.#events.splice(0, 2);
      this.lost++;
    }
    this.#events.push(event, object);
    return this.#disarm();
  }

  /** Takes up to 64 events; with none, arms. */
  take(): number[] {
    this.#armed = this.#events.length === 0;
    return this.#events.splice(0, 128);
  }

  /** What was taken did not reach the reader: it is there again, in front. */
  putBack(events: readonly number[]): void {
    this.#events.unshift(...events);
  }

  /** Drops what waits about an object that is destroyed. */
  forget(object: number): void {
    for (let i = this.#events.length - 2; i >= 0; i -= 2) {
      if (this.#events[i + 1] === object) this.#events.splice(i, 2);
    }
  }

  /** No event follows those that are there. @returns whether the reader must be woken */
  end(): boolean {
    this.#ended = true;
    return this.#disarm();
  }

  /** Events that nobody has taken. */
  get waiting(): number {
    return this.#events.length / 2;
  }

  /** Everything was taken and nothing follows. */
  get ended(): boolean {
    return this.#ended && this.#events.length === 0;
  }

  #disarm(): boolean {
    const armed = this.#armed;
    this.#armed = false;
    return armed;
  }
}
