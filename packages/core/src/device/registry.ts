/** All objects of one device, and how calls find them. */
import { KeyTable } from '../base/key-table.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { ResourceRow } from './kernel-calls.ts';
import type { DeviceLimits } from './limits.ts';
import { ObjectTable } from './object-table.ts';
import {
  type KernelAddressHandle,
  type KernelCompletionQueue,
  type KernelContext,
  type KernelJob,
  type KernelJobKey,
  type KernelPd,
  type KernelQueuePair,
  type KernelRegion,
  Kind,
} from './objects.ts';

export class Registry {
  readonly limits: DeviceLimits;
  readonly contexts: ObjectTable<KernelContext>;
  readonly pds: ObjectTable<KernelPd>;
  readonly regions: ObjectTable<KernelRegion>;
  readonly addresses: ObjectTable<KernelAddressHandle>;
  readonly jobs: ObjectTable<KernelJob>;
  readonly jobKeys: ObjectTable<KernelJobKey>;
  readonly cqs: ObjectTable<KernelCompletionQueue>;
  readonly qps: ObjectTable<KernelQueuePair>;
  /** (pd, key low, key high) to the handle of a region. */
  readonly keys: KeyTable;
  /** The same as `contexts`, for the step that looks at all of them. */
  readonly openContexts: KernelContext[] = [];
  /** Live job ids. */
  readonly jobIds = new Set<number>();
  /** PIDonFEP values in use, with the domain that has each. */
  readonly pids = new Map<number, KernelPd>();

  constructor(limits: DeviceLimits, seed: number) {
    this.limits = limits;
    this.contexts = new ObjectTable(Kind.CONTEXT, limits.contexts);
    this.pds = new ObjectTable(Kind.PD, limits.protectionDomains);
    this.regions = new ObjectTable(Kind.REGION, limits.regions);
    this.addresses = new ObjectTable(Kind.ADDRESS, limits.addressHandles);
    this.jobs = new ObjectTable(Kind.JOB, limits.jobs);
    this.jobKeys = new ObjectTable(Kind.JOB_KEY, limits.jobKeys);
    this.cqs = new ObjectTable(Kind.CQ, limits.completionQueues);
    this.qps = new ObjectTable(Kind.QP, limits.queuePairs);
    this.keys = new KeyTable(seed);
  }

  context(call: string, handle: number): KernelContext {
    const context = this.contexts.get(handle);
    if (context === undefined) throw new VerbsError('ENOENT', call, 'the context is closed', { try: 'device.open()' });
    return context;
  }

  pd(call: string, context: number, handle: number): KernelPd {
    return owned(call, 'protection domain', context, this.pds.get(handle));
  }

  region(call: string, context: number, handle: number): KernelRegion {
    return owned(call, 'memory region', context, this.regions.get(handle));
  }

  address(call: string, context: number, handle: number): KernelAddressHandle {
    return owned(call, 'address handle', context, this.addresses.get(handle));
  }

  job(call: string, context: number, handle: number): KernelJob {
    return owned(call, 'job', context, this.jobs.get(handle));
  }

  jobKey(call: string, context: number, handle: number): KernelJobKey {
    return owned(call, 'job key', context, this.jobKeys.get(handle));
  }

  cq(call: string, context: number, handle: number): KernelCompletionQueue {
    return owned(call, 'completion queue', context, this.cqs.get(handle));
  }

  qp(call: string, context: number, handle: number): KernelQueuePair {
    return owned(call, 'queue pair', context, this.qps.get(handle));
  }

  census(): Record<string, number> {
    return {
      contexts: this.contexts.size,
      protection_domains: this.pds.size,
      memory_regions: this.regions.size,
      address_handles: this.addresses.size,
      jobs: this.jobs.size,
      job_keys: this.jobKeys.size,
      completion_queues: this.cqs.size,
      queue_pairs: this.qps.size,
    };
  }

  /** Every object as a row, for tools. */
  *rows(): IterableIterator<ResourceRow> {
    for (const { handle, objects } of this.contexts.values()) {
      yield { kind: 'context', handle, owner: handle, objects: objects.size };
    }
    for (const { handle, context, uses, pid } of this.pds.values()) {
      yield { kind: 'pd', handle, owner: context.handle, uses, ...(pid < 0 ? {} : { pid }) };
    }
    for (const { handle, context, pd, length, rights, jobKey } of this.regions.values()) {
      const job = jobKey?.job.id ?? 0;
      yield { kind: 'mr', handle, owner: context.handle, pd: pd.handle, lkey: handle, length, access: rights, job };
    }
    for (const { handle, context, pd, path, qpn } of this.addresses.values()) {
      yield { kind: 'ah', handle, owner: context.handle, pd: pd.handle, path, qpn };
    }
    for (const { handle, context, uses, entries, failed } of this.cqs.values()) {
      yield { kind: 'cq', handle, owner: context.handle, uses, entries, failed };
    }
    for (const one of this.qps.values()) {
      yield {
        kind: 'qp',
        handle: one.handle,
        owner: one.context.handle,
        pd: one.pd.handle,
        qpn: one.qpn,
        type: one.type,
        state: one.state,
        job: one.jobKey?.job.id ?? 0,
        ordered: one.ordered,
        sendCq: one.sendCq.handle,
        recvCq: one.recvCq.handle,
        sendsInFlight: one.sends.inFlight,
        receivesInFlight: one.receives.inFlight,
      };
    }
    for (const { handle, context, uses, id, addresses } of this.jobs.values()) {
      yield { kind: 'job', handle, owner: context.handle, uses, id, addresses: addresses.used };
    }
    for (const { handle, context, uses, pd, job } of this.jobKeys.values()) {
      yield { kind: 'job_key', handle, owner: context.handle, uses, pd: pd.handle, job: job.id };
    }
  }
}

/** Objects of other contexts are treated like ones that do not exist: handles say nothing about strangers. */
function owned<T extends { readonly context: KernelContext }>(
  call: string,
  what: string,
  context: number,
  object: T | undefined,
): T {
  if (object === undefined || object.context.handle !== context) {
    throw new VerbsError('ENOENT', call, `there is no such ${what}`, {
      try: `a ${what} of this context that is not destroyed`,
    });
  }
  return object;
}
