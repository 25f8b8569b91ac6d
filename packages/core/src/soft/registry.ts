/** The tables of one software device: numbers to objects, for the data path. */
import { KeyTable } from '../base/key-table.ts';
import { ObjectTable } from '../base/object-table.ts';
import type { DeviceLimits } from './limits.ts';
import {
  Kind,
  type SoftAddressHandle,
  type SoftCompletionQueue,
  type SoftContext,
  type SoftCounter,
  type SoftJob,
  type SoftJobKey,
  type SoftPd,
  type SoftQueuePair,
  type SoftRegion,
  type SoftSharedQueue,
  type SoftWindow,
} from './objects.ts';

export class Registry {
  readonly limits: DeviceLimits;
  readonly contexts: ObjectTable<SoftContext>;
  readonly pds: ObjectTable<SoftPd>;
  readonly regions: ObjectTable<SoftRegion>;
  readonly addresses: ObjectTable<SoftAddressHandle>;
  readonly jobs: ObjectTable<SoftJob>;
  readonly jobKeys: ObjectTable<SoftJobKey>;
  readonly cqs: ObjectTable<SoftCompletionQueue>;
  readonly qps: ObjectTable<SoftQueuePair>;
  readonly srqs: ObjectTable<SoftSharedQueue>;
  readonly windows: ObjectTable<SoftWindow>;
  readonly counters: ObjectTable<SoftCounter>;
  /** (pd, key low, key high) to the handle of a region or window. */
  readonly keys: KeyTable;
  /** The same as `contexts`, for the step that looks at all of them. */
  readonly openContexts: SoftContext[] = [];
  /** PIDonFEP values in use, with the domain that has each. */
  readonly pids = new Map<number, SoftPd>();
  /** Queue pairs that do not let peers do everything: only with some of these a remote access is compared with one. */
  guardedQps = 0;

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
    this.srqs = new ObjectTable(Kind.SRQ, limits.sharedReceiveQueues);
    this.windows = new ObjectTable(Kind.WINDOW, limits.windows);
    this.counters = new ObjectTable(Kind.COUNTER, limits.counters);
    this.keys = new KeyTable(seed);
  }
}
