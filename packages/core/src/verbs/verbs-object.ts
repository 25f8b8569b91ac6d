/** What all objects of a program have in common: they belong to a context and end once. */
import { VerbsError } from '../base/verbs-error.ts';
import type { Context } from './context.ts';

export abstract class VerbsObject implements Disposable {
  readonly context: Context;
  #open = true;

  constructor(context: Context) {
    this.context = context;
    context.own(this);
  }

  /** Not destroyed yet. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** What an error calls it. */
  abstract describe(): string;

  /** Destroys the object in the kernel half; throws EBUSY while others need it. */
  protected abstract destroyHandle(): void;

  /**
   * Destroys the object; calling again does nothing.
   *
   * @throws VerbsError EBUSY other objects need it; nothing changed
   */
  protected end(): void {
    if (!this.#open) return;
    this.destroyHandle();
    this.#open = false;
    this.context.disown(this);
  }

  [Symbol.dispose](): void {
    this.end();
  }

  /** @throws VerbsError EINVAL the object is destroyed */
  protected check(call: string): void {
    if (this.#open) return;
    throw new VerbsError('EINVAL', call, `${this.describe()} is destroyed`, { try: 'create another' });
  }
}
