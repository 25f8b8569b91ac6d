/** What came and was not looked at yet, and who waits for it. */

export class Inbox<T> {
  #items: T[] = [];
  readonly #waiters = new Set<() => void>();

  add(item: T): void {
    this.#items.push(item);
    for (const wake of [...this.#waiters]) wake();
  }

  /** Everything that is there, which stays. */
  get items(): readonly T[] {
    return this.#items;
  }

  /** Takes the first item that fits; undefined when none is there in time. */
  take(fits: (item: T) => boolean, timeoutMs: number): Promise<T | undefined> {
    const now = this.#pick(fits);
    if (now !== undefined || timeoutMs <= 0) return Promise.resolve(now);
    return new Promise((resolve) => {
      const end = (item: T | undefined) => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        resolve(item);
      };
      const look = () => {
        const item = this.#pick(fits);
        if (item !== undefined) end(item);
      };
      const timer = setTimeout(() => end(undefined), timeoutMs);
      this.#waiters.add(look);
    });
  }

  #pick(fits: (item: T) => boolean): T | undefined {
    const i = this.#items.findIndex(fits);
    return i < 0 ? undefined : this.#items.splice(i, 1)[0];
  }
}
