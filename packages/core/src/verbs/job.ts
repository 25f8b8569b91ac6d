/** Jobs: processes on several nodes that work together, and the keys by which a domain takes part. @spec verbs/5.4 */
import { formatAddress } from '../base/ip-address.ts';
import { rawAddress } from './address-text.ts';
import type { Context } from './context.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { VerbsObject } from './verbs-object.ts';

export class Job extends VerbsObject {
  readonly handle: number;
  readonly id: number;
  /** Where the members are; requests name them by index. */
  readonly addresses: JobAddresses;

  constructor(context: Context, handle: number, id: number, maxAddresses: number) {
    super(context);
    this.handle = handle;
    this.id = id;
    this.addresses = new JobAddresses(context, handle, maxAddresses);
  }

  /** @throws VerbsError EBUSY job keys of it are left */
  destroy(): void {
    this.end();
  }

  describe(): string {
    return `job ${this.id}`;
  }

  protected destroyHandle(): void {
    this.context.port.call('destroyJob', { context: this.context.handle, job: this.handle });
  }
}

export interface JobAddress {
  readonly address: string;
  readonly port: number;
  readonly qpn: number;
}

/** The address table of a job. @spec verbs/5.6 */
export class JobAddresses {
  /** Number of entries, used or not. */
  readonly size: number;
  readonly #context: Context;
  readonly #job: number;

  constructor(context: Context, job: number, size: number) {
    this.#context = context;
    this.#job = job;
    this.size = size;
  }

  /**
   * Writes an entry; what was there is replaced.
   *
   * @throws VerbsError `EINVAL` index out of range, not an address · `ENOSPC` too many peers
   */
  set(index: number, to: { readonly address: string; readonly port?: number; readonly qpn: number }): void {
    const raw = rawAddress('addresses.set', to);
    this.#context.port.call('setAddress', { ...this.#at(index), to: raw, qpn: to.qpn });
  }

  /** The entry; undefined where there is none. @throws VerbsError EINVAL index out of range */
  get(index: number): JobAddress | undefined {
    const found = this.#context.port.call('getAddress', this.#at(index));
    if (found === undefined) return undefined;
    return { address: formatAddress(found.peer.address), port: found.peer.port, qpn: found.qpn };
  }

  /** Empties an entry: requests that name it fail from now on. @throws VerbsError EINVAL index out of range */
  remove(index: number): void {
    this.#context.port.call('removeAddress', this.#at(index));
  }

  #at(index: number): { context: number; job: number; index: number } {
    return { context: this.#context.handle, job: this.#job, index };
  }
}

/** A protection domain's part in a job. @spec verbs/5.5 */
export class JobKey extends VerbsObject {
  readonly pd: ProtectionDomain;
  readonly job: Job;
  /** Never 0. */
  readonly value: number;

  constructor(pd: ProtectionDomain, job: Job, value: number) {
    super(pd.context);
    this.pd = pd;
    this.job = job;
    this.value = value;
  }

  /** @throws VerbsError EBUSY queue pairs or regions use it */
  destroy(): void {
    this.end();
  }

  describe(): string {
    return `the key of job ${this.job.id}`;
  }

  protected destroyHandle(): void {
    this.context.port.call('destroyJobKey', { context: this.context.handle, jobKey: this.value });
  }
}
