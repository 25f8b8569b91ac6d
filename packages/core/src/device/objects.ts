/**
 * The objects of a device as the kernel knows them. Programs hold only their handles.
 *
 *   context ─┬─ pd ─┬─ region ── (job key)
 *            │      ├─ address handle
 *            │      ├─ job key ── job
 *            │      └─ queue pair ── send cq, receive cq, (job key)
 *            ├─ job ── address table
 *            └─ completion queue
 *
 * `uses` counts the objects that need this one; while it is not 0, destroying it is refused.
 */
import type { DoorbellPage } from '../abi/doorbell-page.ts';
import type { DmaTarget } from '../engine/dma.ts';
import type { CompletionRing } from './completion-ring.ts';
import type { EventRecord } from './kernel-calls.ts';
import type { WorkQueue } from './work-queue.ts';

interface KernelObject {
  readonly handle: number;
  readonly context: KernelContext;
}

export interface KernelContext {
  readonly handle: number;
  readonly page: DoorbellPage;
  readonly pageTarget: DmaTarget;
  /** Handles in the order of creation. */
  readonly objects: Set<number>;
  /** Queue pairs by doorbell slot. */
  readonly slots: (KernelQueuePair | undefined)[];
  readonly events: EventRecord[];
  /** Wake the program on the next event. */
  eventsArmed: boolean;
}

export interface KernelPd extends KernelObject {
  uses: number;
  /** PIDonFEP, latched by the first RU queue pair; -1 before. */
  pid: number;
}

export interface KernelRegion extends KernelObject {
  readonly pd: KernelPd;
  /** Number in the DMA space. */
  readonly region: number;
  readonly target: DmaTarget;
  readonly length: number;
  readonly rights: number;
  readonly jobKey: KernelJobKey | undefined;
  readonly keyLo: number;
  readonly keyHi: number;
}

export interface KernelAddressHandle extends KernelObject {
  readonly pd: KernelPd;
  readonly path: number;
  readonly qpn: number;
}

export interface KernelJob extends KernelObject {
  uses: number;
  readonly id: number;
  readonly addresses: AddressTable;
}

export interface KernelJobKey extends KernelObject {
  uses: number;
  readonly pd: KernelPd;
  readonly job: KernelJob;
}

export interface KernelCompletionQueue extends KernelObject {
  uses: number;
  readonly target: DmaTarget;
  readonly entries: number;
  readonly ring: CompletionRing;
  /** Has entries that are not published yet. */
  dirty: boolean;
  failed: boolean;
}

export interface KernelQueuePair extends KernelObject {
  readonly type: string;
  readonly qpn: number;
  readonly pd: KernelPd;
  readonly jobKey: KernelJobKey | undefined;
  readonly sendCq: KernelCompletionQueue;
  readonly recvCq: KernelCompletionQueue;
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

/** Kinds as they stand in handles. */
export const Kind = { CONTEXT: 1, PD: 2, REGION: 3, ADDRESS: 4, JOB: 5, JOB_KEY: 6, CQ: 7, QP: 8 } as const;
