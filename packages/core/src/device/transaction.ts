/**
 * What one call did so far, so that it can be undone: a call that fails has done nothing.
 *
 * Every step that can fail goes through {@link Transaction.run} or {@link Transaction.reach}. Tests let them fail one
 * after the other.
 */
export class Transaction {
  readonly #undo: (() => void)[] = [];
  readonly #inject: ((step: string) => void) | undefined;

  /** @param inject - called before each step; a test throws from it */
  constructor(inject?: (step: string) => void) {
    this.#inject = inject;
  }

  /** A point where the call can fail. */
  reach(step: string): void {
    this.#inject?.(step);
  }

  /** Does a step, and remembers how to undo it. */
  run<T>(step: string, work: () => T, undo: (result: T) => void): T {
    this.#inject?.(step);
    const result = work();
    this.#undo.push(() => undo(result));
    return result;
  }

  /** Remembers how to undo what was done. */
  onUndo(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** Steps so far. */
  get depth(): number {
    return this.#undo.length;
  }

  /** From here on, undoing the steps after `depth` is one thing: what they made together is there. */
  join(depth: number, undo: () => void): void {
    this.#undo.length = depth;
    this.#undo.push(undo);
  }

  /** Undoes everything, newest first. */
  rollback(): void {
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) undo();
  }
}
