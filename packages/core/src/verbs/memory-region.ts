/** Registered memory. @spec verbs/1.3 · verbs/5.7 */
import { KEY_FLAGS, REREG_FLAGS } from '../uapi/objects/mr.ts';
import { type AccessRight, accessBits } from './access-rights.ts';
import type { JobKey } from './job.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { keyInput } from './remote-memory.ts';
import { VerbsObject } from './verbs-object.ts';

/** A part of a region with keys and rights of its own. */
export interface DeriveOptions {
  /** Bytes from the start of the parent. Default 0. */
  readonly offset?: number;
  /** Default: to the end of the parent. */
  readonly length?: number;
  /** At most the rights of the parent. */
  readonly access: readonly AccessRight[];
  /** Only this job may reach it. */
  readonly jobKey?: JobKey;
  /** The key that peers use, below 2^48, instead of a random one. */
  readonly key?: bigint;
  /**
   * Every access may be repeated without harm. Bit 63 of the key says so, also of a chosen one, and peers may use requests
   * that need less state for it (UET: RUDI). Default false.
   */
  readonly idempotent?: boolean;
}

/** What changes; what is left out stays. */
export interface ReregisterOptions {
  readonly bytes?: Uint8Array;
  readonly pd?: ProtectionDomain;
  readonly access?: readonly AccessRight[];
}

interface Made {
  readonly handle: number;
  readonly lkey: number;
  readonly rkey: bigint;
}

export class MemoryRegion extends VerbsObject {
  // plain fields, which `reregister` changes: requests read them all the time
  readonly pd: ProtectionDomain;
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Names the region in requests of its own protection domain. */
  readonly lkey: number;
  /** Names the region for peers; give it to those that may reach it. */
  readonly rkey: bigint;
  /** In calls of the control path. */
  readonly handle: number;

  constructor(pd: ProtectionDomain, bytes: Uint8Array, made: Made) {
    super(pd.context);
    this.pd = pd;
    this.bytes = bytes;
    this.length = bytes.length;
    this.lkey = made.lkey;
    this.rkey = made.rkey;
    this.handle = made.handle;
    pd.context.countRegion(bytes, 1);
  }

  /**
   * Makes a region of a part of this one: the same memory, registered once, under other keys. The parent cannot be
   * deregistered before it.
   *
   * @throws VerbsError `EINVAL` outside of the parent, more rights than it has · `EEXIST` key taken · `EOPNOTSUPP`
   *   idempotent, and not every transport of the device knows that
   */
  derive(options: DeriveOptions): MemoryRegion {
    this.check('derive');
    const { offset = 0, length = this.length - offset, access, jobKey, key, idempotent } = options;
    const made = this.context.call('MR', 'REG', {
      ...{ pd: this.pd.handle, parent: this.handle, offset, length, access: accessBits('derive', access) },
      ...{ jobKey: jobKey?.handle, key: keyInput('derive', key) },
      keyFlags: idempotent === true ? KEY_FLAGS.IDEMPOTENT_SAFE : undefined,
    });
    return new MemoryRegion(this.pd, this.bytes.subarray(offset, offset + length), made);
  }

  /**
   * Changes memory, protection domain or rights in one step; the keys are new, and the old ones dead at once. Whether
   * accesses may be repeated stays. When it
   * fails, nothing has changed.
   *
   * @throws VerbsError `EINVAL` nothing to change, a derived region's memory, a region tied to a job key or queue pairs
   *   that would leave their domain · `EBUSY` derived regions or open windows · `ENOMEM` too much memory
   */
  reregister({ bytes, pd, access }: ReregisterOptions): void {
    this.check('reregister');
    const { TRANSLATION, PD, ACCESS } = REREG_FLAGS;
    const attachments: unknown[] = [];
    const { context } = this;
    const made = context.call(
      'MR',
      'REREG',
      {
        handle: this.handle,
        flags:
          (bytes === undefined ? 0 : TRANSLATION) | (pd === undefined ? 0 : PD) | (access === undefined ? 0 : ACCESS),
        memory: bytes === undefined ? undefined : context.port.memory.name(context, bytes, attachments),
        pd: pd?.handle,
        access: access === undefined ? undefined : accessBits('reregister', access),
      },
      attachments,
    );
    if (bytes !== undefined) {
      context.countRegion(this.bytes, -1);
      context.countRegion(bytes, 1);
      this.#become({ bytes, length: bytes.length });
    }
    this.#become({ pd: pd ?? this.pd, lkey: made.lkey, rkey: made.rkey });
  }

  /**
   * Ends remote access under its key; this side goes on using it. `reregister` gives a new key.
   *
   * @throws VerbsError EBUSY windows are open on it
   */
  invalidate(): void {
    this.check('invalidate');
    this.context.call('MR', 'INVALIDATE', { handle: this.handle });
  }

  /**
   * Ends all access at once, also for work under way: requests of this side that name the region fail, peers get an
   * access error.
   *
   * @throws VerbsError EBUSY regions are derived from it, or windows open on it
   */
  deregister(): void {
    this.end();
  }

  describe(): string {
    return `the memory region of ${this.length} bytes (lkey ${this.lkey})`;
  }

  #become(changed: Partial<Pick<MemoryRegion, 'pd' | 'bytes' | 'length' | 'lkey' | 'rkey'>>): void {
    Object.assign(this, changed);
  }

  protected destroyHandle(): void {
    this.context.call('MR', 'DEREG', { handle: this.handle });
    this.context.countRegion(this.bytes, -1);
  }
}
