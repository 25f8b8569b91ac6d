/** Counts completions of queue pairs in two numbers, without entries in a queue. @spec verbs/1.5 */
import type { Context } from './context.ts';
import { VerbsObject } from './verbs-object.ts';

export interface CounterValues {
  /** Requests that went well, or their bytes. */
  readonly successes: number;
  /** Requests that failed, flushed ones too. */
  readonly errors: number;
}

/** What a counter counts at a queue pair. */
export type CountedOperation = 'send' | 'receive' | 'read' | 'write';

export class CompletionCounter extends VerbsObject {
  readonly handle: number;
  readonly unit: 'requests' | 'bytes';

  /** For `Context.createCompletionCounter`. */
  constructor(context: Context, handle: number, unit: 'requests' | 'bytes') {
    super(context);
    this.handle = handle;
    this.unit = unit;
  }

  read(): CounterValues {
    this.check('read');
    const { successes, errors } = this.context.call('COMP_CNTR', 'READ', { handle: this.handle });
    return { successes, errors };
  }

  /** Sets what is given. @throws VerbsError EINVAL no whole number up to 2^53 */
  set(values: Partial<CounterValues>): void {
    this.check('set');
    this.context.call('COMP_CNTR', 'MODIFY', { handle: this.handle, ...values });
  }

  /** Adds what is given. @throws VerbsError EINVAL the sum is above 2^53 */
  add(values: Partial<CounterValues>): void {
    this.check('add');
    this.context.call('COMP_CNTR', 'MODIFY', { handle: this.handle, ...values, add: 1 });
  }

  /** @throws VerbsError EBUSY queue pairs count in it; it cannot be taken from them before they are closed */
  close(): void {
    this.end();
  }

  describe(): string {
    return `the counter of ${this.unit}`;
  }

  protected destroyHandle(): void {
    this.context.call('COMP_CNTR', 'DESTROY', { handle: this.handle });
  }
}

/** Bits of `operations` in QP.ATTACH_COMP_CNTR. */
export const COUNTED_OPERATIONS: Readonly<Record<CountedOperation, number>> = {
  send: 1,
  receive: 2,
  read: 4,
  write: 16,
};
