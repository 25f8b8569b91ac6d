/** What may be used together: endpoints, memory, queues, counters and addresses of one device, in one program. */
import type { Context } from '../verbs/context.ts';
import type { ProtectionDomain } from '../verbs/protection-domain.ts';
import { AddressVector, type AddressVectorOptions } from './address-vector.ts';
import { DomainJobs } from './auth-keys.ts';
import { CompletionQueue, type CompletionQueueOptions } from './completion-queue.ts';
import { Counter, type CounterOptions } from './counter.ts';
import { Endpoint, type EndpointOptions } from './endpoint.ts';
import { ErrorMap } from './errors.ts';
import { EventQueue } from './event-queue.ts';
import type { Fabric } from './fabric.ts';
import { FabricObject } from './fabric-object.ts';
import type { FabricInfo } from './info.ts';
import { type MemoryOptions, MemoryRegion } from './memory-region.ts';
import { Pump } from './pump.ts';

export interface DomainOptions {
  /**
   * The job that endpoints work for, unless they say otherwise: 4 bytes, big-endian, or a capability of 32. Default: job 1.
   */
  readonly authKey?: Uint8Array;
  /**
   * `address-vector`: each peer is of a job of its own, see `AddressVector.insertAuthKey`. Endpoints are absolute then:
   * they receive from every job.
   */
  readonly authKeysFrom?: 'address-vector';
}

export class Domain extends FabricObject {
  readonly fabric: Fabric;
  readonly info: FabricInfo;
  /** The one of endpoints that name none. */
  readonly authKey: Uint8Array | undefined;
  /** Endpoints receive from every job, and peers are of jobs of their own. */
  readonly isAbsolute: boolean;
  /** The verbs objects below, for what has no counterpart here. */
  readonly context: Context;
  readonly pd: ProtectionDomain;
  /** For the objects of the domain only. */
  readonly pump: Pump;
  readonly jobs: DomainJobs;
  readonly errors: ErrorMap;

  /** For `Fabric.openDomain`. */
  constructor(fabric: Fabric, info: FabricInfo, { authKey, authKeysFrom }: DomainOptions) {
    super();
    this.fabric = fabric;
    this.info = info;
    this.authKey = authKey;
    this.isAbsolute = authKeysFrom === 'address-vector' && info.domain.authKeyBytes > 0;
    this.errors = new ErrorMap(fabric.transportAt(info.sgidIndex)?.codes);
    this.context = fabric.device.open();
    try {
      this.pd = this.context.allocatePd();
      this.pump = new Pump(this.context);
      this.jobs = new DomainJobs(this);
      if (authKey !== undefined) this.jobs.join('openDomain', authKey);
    } catch (thrown) {
      this.context.close();
      throw thrown;
    }
  }

  /**
   * Registers memory. The device reaches memory of {@link allocate}; whether it reaches other memory depends on the host.
   *
   * @throws VerbsError `EINVAL` no bytes, key of 2^48 or more · `EEXIST` key taken · `ENOSPC` too many regions
   */
  registerMemory(bytes: Uint8Array, options: MemoryOptions = {}): MemoryRegion {
    this.check('registerMemory');
    return new MemoryRegion(this, bytes, options, false);
  }

  /**
   * Zeroed memory, registered: `region.bytes`. It ends with the region.
   *
   * @throws VerbsError `ENOMEM`; otherwise as {@link registerMemory}
   */
  allocate(length: number, options: MemoryOptions = {}): MemoryRegion {
    this.check('allocate');
    const bytes = this.context.allocate(length);
    try {
      return new MemoryRegion(this, bytes, options, true);
    } catch (thrown) {
      this.context.release(bytes);
      throw thrown;
    }
  }

  /** @throws VerbsError EINVAL no such size */
  openAddressVector(options: AddressVectorOptions = {}): AddressVector {
    this.check('openAddressVector');
    return new AddressVector(this, options);
  }

  /** @throws VerbsError `EINVAL` no such size · `ENOMEM` */
  openCompletionQueue(options: CompletionQueueOptions = {}): CompletionQueue {
    this.check('openCompletionQueue');
    return new CompletionQueue(this, options);
  }

  openCounter(options: CounterOptions = {}): Counter {
    this.check('openCounter');
    return new Counter(this, options);
  }

  openEventQueue(): EventQueue {
    this.check('openEventQueue');
    return new EventQueue(this);
  }

  /**
   * An endpoint; bind it, then `enable` it.
   *
   * @param info - another one than that of the domain, of the same address entry
   * @throws VerbsError EINVAL the info is of another address entry, or asks for sizes that the device does not have
   */
  openEndpoint(info: FabricInfo = this.info, options: EndpointOptions = {}): Endpoint {
    this.check('openEndpoint');
    return new Endpoint(this, info, options);
  }

  /** Drives the device, and collects what has completed. @returns completions */
  progress(): number {
    this.check('progress');
    return this.pump.progress();
  }

  /** For `Fabric.close` only: ends with everything in it. */
  end(): void {
    if (!this.isOpen) return;
    this.abandon();
    this.pump.wake();
    this.context.close();
    this.fabric.forget(this);
  }

  describe(): string {
    return `the domain of ${this.info.domain.name}`;
  }

  protected release(): void {
    this.context.close();
    this.fabric.forget(this);
  }
}
