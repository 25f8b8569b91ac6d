/** Counts what completes, without entries in a queue. Local: peers and the device know nothing of it. @spec uet:ses/7.3 */
import { VerbsError } from '../base/verbs-error.ts';
import type { WaitOptions } from '../verbs/waiting.ts';
import type { Domain } from './domain.ts';
import { FabricObject } from './fabric-object.ts';

export interface CounterOptions {
  /** What a success counts: 1, or the bytes of the operation. Default 'completions'. */
  readonly unit?: 'completions' | 'bytes';
}

/** What a counter counts at an endpoint. Atomics count as writes, and as reads when they fetch. */
export interface CountedOperations {
  readonly send?: boolean;
  readonly receive?: boolean;
  readonly read?: boolean;
  readonly write?: boolean;
}

export class Counter extends FabricObject {
  readonly domain: Domain;
  readonly unit: 'completions' | 'bytes';
  #value = 0;
  #errors = 0;

  /** For `Domain.openCounter`. */
  constructor(domain: Domain, { unit = 'completions' }: CounterOptions) {
    super();
    this.domain = domain;
    this.unit = unit;
    domain.hold(this);
  }

  /** Successes, up to 2^53. Drives the device. */
  read(): number {
    this.check('read');
    this.domain.pump.progress();
    return this.#value;
  }

  /** Operations that failed. Drives the device. */
  readError(): number {
    this.check('readError');
    this.domain.pump.progress();
    return this.#errors;
  }

  /** @throws VerbsError EINVAL no whole number from 0 */
  set(value: number): void {
    this.#value = this.#whole('set', value);
    this.domain.pump.wake();
  }

  setError(value: number): void {
    this.#errors = this.#whole('setError', value);
    this.domain.pump.wake();
  }

  /** @throws VerbsError EINVAL the sum is no whole number from 0 to 2^53 */
  add(value: number): void {
    this.#value = this.#whole('add', this.#value + value);
    this.domain.pump.wake();
  }

  addError(value: number): void {
    this.#errors = this.#whole('addError', this.#errors + value);
    this.domain.pump.wake();
  }

  /**
   * Waits until so much is counted.
   *
   * @throws VerbsError `EIO` an operation failed meanwhile (FI_EAVAIL) · `ETIMEDOUT` not in time
   */
  async wait(threshold: number, options: WaitOptions = {}): Promise<void> {
    this.check('wait');
    const before = this.#errors;
    const holds = () => this.#value >= threshold || this.#errors !== before || !this.isOpen;
    await this.domain.pump.wait('wait', `not ${threshold} counted`, holds, options);
    if (this.#value >= threshold) return;
    throw new VerbsError('EIO', 'wait', `an operation failed before ${threshold} were counted (FI_EAVAIL)`, {
      object: this.describe(),
      given: `${this.#value} successes, ${this.#errors} errors`,
      try: 'the completion queue of the endpoint tells which',
    });
  }

  describe(): string {
    return `the counter of ${this.unit}`;
  }

  /** For endpoints only. */
  count(bytes: number): void {
    this.#value += this.unit === 'bytes' ? bytes : 1;
  }

  /** For endpoints only. */
  fail(): void {
    this.#errors++;
  }

  protected release(): void {
    this.domain.letGo(this);
    this.domain.pump.wake();
  }

  #whole(call: string, value: number): number {
    this.check(call);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw new VerbsError('EINVAL', call, `a counter cannot be ${value}`, { try: 'a whole number from 0 to 2^53' });
  }
}
