/** Who may work together: memory, queue pairs, addresses and job keys of one domain, and nothing else. */

import { formatAddress } from '../base/ip-address.ts';
import { ACCESS_HINTS, KEY_FLAGS } from '../uapi/objects/mr.ts';
import { type AccessRight, accessBits } from './access-rights.ts';
import { AddressHandle } from './address-handle.ts';
import { rawAddress } from './address-text.ts';
import type { Context } from './context.ts';
import { type Job, JobKey } from './job.ts';
import { MemoryRegion } from './memory-region.ts';
import { MemoryWindow } from './memory-window.ts';
import { QueuePair, type QueuePairOptions } from './queue-pair.ts';
import { keyInput } from './remote-memory.ts';
import { SharedReceiveQueue, type SharedReceiveQueueOptions } from './shared-receive-queue.ts';
import { VerbsObject } from './verbs-object.ts';

export interface RegisterOptions {
  /** Reading by this side is always allowed. Remote writing needs 'local-write' too. */
  readonly access: readonly AccessRight[];
  /** Only this job may reach the region. */
  readonly jobKey?: JobKey;
  /** The key that peers use, below 2^48, instead of a random one. */
  readonly key?: bigint;
  /**
   * Every access may be repeated without harm. Bit 63 of the key says so, also of a chosen one, and peers may use requests
   * that need less state for it (UET: RUDI). Default false.
   */
  readonly idempotent?: boolean;
  /** Writes may become visible in another order; a completion still means that all is there. A device may ignore it. */
  readonly relaxedOrdering?: boolean;
}

/** A peer by address, or by the path that a completion names. */
export type AddressOptions =
  | { readonly address: string; readonly port?: number; readonly qpn?: number; readonly sgidIndex?: number }
  | { readonly path: number; readonly qpn?: number; readonly sgidIndex?: number };

export class ProtectionDomain extends VerbsObject {
  readonly handle: number;

  constructor(context: Context, handle: number) {
    super(context);
    this.handle = handle;
  }

  /**
   * Registers memory so that requests may name it and peers may be granted access.
   *
   * Memory from `context.allocate` is reached without copying; whether other memory can be reached depends on the host.
   *
   * @throws VerbsError `EINVAL` no bytes, remote writing without 'local-write', key of 2^48 or more · `EEXIST` key
   *   taken · `ENOSPC` too many regions · `EOPNOTSUPP` idempotent, and not every transport of the device knows that
   * @spec uet:ses/5.1
   */
  registerMemory(bytes: Uint8Array, options: RegisterOptions): MemoryRegion {
    this.check('registerMemory');
    const access = accessBits('registerMemory', options.access);
    const key = keyInput('registerMemory', options.key);
    const attachments: unknown[] = [];
    const input = {
      pd: this.handle,
      memory: this.context.port.memory.name(this.context, bytes, attachments),
      access,
      jobKey: options.jobKey?.handle,
      key,
      keyFlags: options.idempotent === true ? KEY_FLAGS.IDEMPOTENT_SAFE : undefined,
      hints: options.relaxedOrdering === true ? ACCESS_HINTS.RELAXED_ORDERING : undefined,
    };
    const made = this.context.call('MR', 'REG', input, attachments);
    return new MemoryRegion(this, bytes, made);
  }

  /** A key by which requests of this domain work for a job. */
  createJobKey(job: Job): JobKey {
    this.check('createJobKey');
    const { handle, value } = this.context.call('JKEY', 'CREATE', { pd: this.handle, job: job.handle });
    return new JobKey(this, job, handle, value);
  }

  /**
   * Where requests go.
   *
   * @throws VerbsError `EINVAL` not an address · `ENOENT` no such path · `ENOSPC` too many peers
   */
  createAddressHandle(to: AddressOptions): AddressHandle {
    this.check('createAddressHandle');
    const { sgidIndex, qpn = 0 } = to;
    const target =
      'path' in to
        ? { path: to.path }
        : { to: { ...rawAddress('createAddressHandle', to), sgidIndex: sgidIndex ?? 0 } };
    const made = this.context.call('AH', 'CREATE', { pd: this.handle, ...target, qpn, sgidIndex });
    const { address, port } = made.peer;
    const peer = { path: made.pathGiven, address: formatAddress(address), port, qpn };
    return new AddressHandle(this, made.handle, made.number, peer);
  }

  /** @throws VerbsError what {@link QueuePair.create} throws */
  createQueuePair(options: QueuePairOptions): QueuePair {
    this.check('createQueuePair');
    return QueuePair.create(this, options);
  }

  /**
   * A memory window that shows nothing yet.
   *
   * @param options.type - 1 (default): reachable through all queue pairs of the domain; 2: through the one that opens it
   * @throws VerbsError ENOSPC too many
   * @spec verbs/1.4
   */
  allocateWindow(options: { readonly type?: 1 | 2 } = {}): MemoryWindow {
    this.check('allocateWindow');
    const type = options.type ?? 1;
    return new MemoryWindow(this, type, this.context.call('MW', 'ALLOC', { pd: this.handle, type }));
  }

  /** @throws VerbsError `EINVAL` depth out of range · `ENOSPC` too many */
  createSharedReceiveQueue(options: SharedReceiveQueueOptions = {}): SharedReceiveQueue {
    this.check('createSharedReceiveQueue');
    return SharedReceiveQueue.create(this, options);
  }

  /** @throws VerbsError EBUSY regions, handles, keys or queue pairs of it are left */
  close(): void {
    this.end();
  }

  describe(): string {
    return 'the protection domain';
  }

  protected destroyHandle(): void {
    this.context.call('PD', 'DEALLOC', { handle: this.handle });
  }
}
