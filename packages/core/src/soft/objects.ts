/**
 * The objects of a software device as its data path knows them, by numbers that stand in rings. What programs may do
 * with them, and who needs whom, is kept by the core.
 */
import type { DoorbellPage } from '../abi/doorbell-page.ts';
import type { DeviceContext } from '../device/device-context.ts';
import type { DeviceObject } from '../device/device-object.ts';
import type { DmaTarget } from '../engine/dma.ts';
import type { CompletionRing } from './completion-ring.ts';
import type { Link } from './link.ts';
import type { WorkQueue } from './work-queue.ts';

export interface SoftContext {
  readonly handle: number;
  readonly context: DeviceContext;
  readonly page: DoorbellPage;
  /** Queues by doorbell slot. */
  readonly slots: (SoftQueuePair | undefined)[];
  readonly freeSlots: number[];
}

export interface SoftPd {
  readonly handle: number;
  /** PIDonFEP, latched by the first RU queue pair; -1 before. */
  pid: number;
}

export interface SoftRegion {
  /** The lkey. */
  readonly handle: number;
  readonly pd: SoftPd;
  /** Number in the DMA space. */
  readonly region: number;
  /** Where it begins there, bytes: a derived region begins inside of its parent's. */
  readonly base: number;
  readonly target: DmaTarget;
  readonly length: number;
  readonly rights: number;
  readonly jobKey: SoftJobKey | undefined;
  readonly keyLo: number;
  readonly keyHi: number;
  /** Memory is its parent's. */
  readonly derived: boolean;
}

export interface SoftAddressHandle {
  readonly handle: number;
  readonly pd: SoftPd;
  readonly link: Link;
  readonly path: number;
  readonly qpn: number;
}

export interface SoftJob {
  readonly handle: number;
  readonly id: number;
  readonly link: Link;
  readonly addresses: AddressTable;
}

export interface SoftJobKey {
  readonly handle: number;
  readonly pd: SoftPd;
  readonly job: SoftJob;
}

export interface SoftCompletionQueue {
  readonly handle: number;
  readonly object: DeviceObject;
  readonly target: DmaTarget;
  readonly entries: number;
  readonly ring: CompletionRing;
  /** Has entries that are not published yet. */
  dirty: boolean;
  failed: boolean;
}

export interface SoftQueuePair {
  readonly handle: number;
  readonly object: DeviceObject;
  readonly owner: SoftContext;
  readonly link: Link;
  readonly type: string;
  readonly qpn: number;
  readonly pd: SoftPd;
  readonly jobKey: SoftJobKey | undefined;
  readonly sendCq: SoftCompletionQueue;
  readonly recvCq: SoftCompletionQueue;
  readonly sends: WorkQueue;
  readonly receives: WorkQueue;
  readonly sendTarget: DmaTarget;
  readonly receiveTarget: DmaTarget;
  readonly slot: number;
  readonly signalAll: boolean;
  readonly ordered: boolean;
  readonly sourceId: number;
  state: 'RTS' | 'ERR' | 'CLOSING';
  /** Has retired slots that are not published yet. */
  dirty: boolean;
  /** Is to go to ERR at the end of the step. */
  doomed: boolean;
}

/** Where the peers of a job are, by index. Entries are numbers: the data path looks here. */
export class AddressTable {
  readonly size: number;
  /** 0: no entry. */
  readonly paths: Int32Array;
  readonly qpns: Uint32Array;

  constructor(size: number) {
    this.size = size;
    this.paths = new Int32Array(size);
    this.qpns = new Uint32Array(size);
  }

  get used(): number {
    return this.paths.reduce((count, path) => count + (path === 0 ? 0 : 1), 0);
  }
}

/** Kinds as they stand in numbers. */
export const Kind = { CONTEXT: 1, PD: 2, REGION: 3, ADDRESS: 4, JOB: 5, JOB_KEY: 6, CQ: 7, QP: 8 } as const;
