/** What all objects here have in common: others may need them, and they end once. */
import { type ErrorCode, VerbsError } from '../base/verbs-error.ts';

export abstract class FabricObject implements Disposable {
  readonly #users = new Set<FabricObject>();
  #open = true;

  get isOpen(): boolean {
    return this.#open;
  }

  /** What an error calls it. */
  abstract describe(): string;

  /** Gives back what it holds. */
  protected abstract release(): void;

  /**
   * Ends it; calling again does nothing.
   *
   * @throws VerbsError EBUSY others need it; nothing changed
   */
  close(): void {
    if (!this.#open) return;
    if (this.#users.size > 0) {
      const users = [...this.#users].slice(0, 3).map((one) => one.describe());
      throw new VerbsError('EBUSY', 'close', `${this.#users.size} others need it`, {
        object: this.describe(),
        given: `${users.join(', ')}${this.#users.size > users.length ? ', …' : ''}`,
        try: 'close those first',
      });
    }
    this.release();
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** For objects of the fabric only: `user` needs this from now on. */
  hold(user: FabricObject): void {
    this.#users.add(user);
  }

  /** For objects of the fabric only. */
  letGo(user: FabricObject): void {
    this.#users.delete(user);
  }

  /** For objects of the fabric only: what it is made of is gone, and so are all that need it. */
  abandon(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const user of this.#users) user.abandon();
    this.#users.clear();
  }

  /** For objects of the fabric only. @throws VerbsError EINVAL it is closed */
  check(call: string): void {
    if (!this.#open) throw this.refusal(call, `${this.describe()} is closed`, 'open another');
  }

  protected refusal(call: string, problem: string, advice: string, code: ErrorCode = 'EINVAL'): VerbsError {
    return new VerbsError(code, call, problem, { object: this.describe(), try: advice, see: 'docs/fabric.md' });
  }
}
