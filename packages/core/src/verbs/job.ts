/** Jobs: processes on several nodes that work together, and the keys by which a domain takes part. @spec verbs/5.4 */
import { formatAddress } from '../base/ip-address.ts';
import { isVerbsError, VerbsError } from '../base/verbs-error.ts';
import { rawAddress } from './address-text.ts';
import type { Context } from './context.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { VerbsObject } from './verbs-object.ts';

export class Job extends VerbsObject {
  readonly handle: number;
  /** 0 where this program holds the job without knowing its number: it was imported. */
  readonly id: number;
  /** Where the members are; requests name them by index. */
  readonly addresses: JobAddresses;

  constructor(context: Context, handle: number, id: number, maxAddresses: number) {
    super(context);
    this.handle = handle;
    this.id = id;
    this.addresses = new JobAddresses(context, handle, maxAddresses);
  }

  /**
   * A capability: whoever has it may join the job with `context.importJob`, also in another process, and cannot make
   * jobs with it. Hand it on with care; `revoke` ends it.
   *
   * @throws VerbsError ENOSPC too many
   */
  export(): Uint8Array {
    this.check('export');
    return this.context.call('JOB', 'EXPORT', { handle: this.handle }).token;
  }

  /**
   * Ends all capabilities of the job. Holders keep it, unless `cut`: then their queue pairs fail too.
   *
   * @throws VerbsError EPERM the context may not make jobs
   */
  revoke(options: { readonly cut?: boolean } = {}): void {
    this.check('revoke');
    this.context.call('JOB', 'REVOKE', { handle: this.handle, cut: options.cut === true ? 1 : 0 });
  }

  /** @throws VerbsError EBUSY job keys of it are left */
  destroy(): void {
    this.end();
  }

  describe(): string {
    return this.id === 0 ? 'the imported job' : `job ${this.id}`;
  }

  protected destroyHandle(): void {
    this.context.call('JOB', 'DEALLOC', { handle: this.handle });
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
    this.#check('addresses.set', index);
    this.#context.call('JOB', 'ADDR_INSERT', { handle: this.#job, index, to: { ...raw, sgidIndex: 0 }, qpn: to.qpn });
  }

  /** The entry; undefined where there is none. @throws VerbsError EINVAL index out of range */
  get(index: number): JobAddress | undefined {
    this.#check('addresses.get', index);
    try {
      const { to, qpn } = this.#context.call('JOB', 'ADDR_QUERY', { handle: this.#job, index });
      return { address: formatAddress(to.address), port: to.port, qpn };
    } catch (thrown) {
      if (isVerbsError(thrown) && thrown.code === 'ENOENT' && thrown.call === 'JOB.ADDR_QUERY') return undefined;
      throw thrown;
    }
  }

  /** Empties an entry: requests that name it fail from now on. @throws VerbsError EINVAL index out of range */
  remove(index: number): void {
    this.#check('addresses.remove', index);
    this.#context.call('JOB', 'ADDR_REMOVE', { handle: this.#job, index });
  }

  #check(call: string, index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.size) return;
    throw new VerbsError('EINVAL', call, `the address table has no index ${index}`, { try: `0 to ${this.size - 1}` });
  }
}

/** A protection domain's part in a job. @spec verbs/5.5 */
export class JobKey extends VerbsObject {
  readonly pd: ProtectionDomain;
  readonly job: Job;
  /** In calls of the control path. */
  readonly handle: number;
  /** Names it in requests; never 0. */
  readonly value: number;

  constructor(pd: ProtectionDomain, job: Job, handle: number, value: number) {
    super(pd.context);
    this.pd = pd;
    this.job = job;
    this.handle = handle;
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
    this.context.call('JKEY', 'DESTROY', { handle: this.handle });
  }
}
