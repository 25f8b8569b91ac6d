/**
 * The objects of a software device as its data path knows them, by numbers that stand in rings. What programs may do
 * with them, and who needs whom, is kept by the core.
 */
import type { DoorbellPage } from '../abi/doorbell-page.ts';
import type { DeviceContext } from '../device/device-context.ts';
import type { DeviceObject } from '../device/device-object.ts';
import type { QpKindRules } from '../device/qp-transitions.ts';
import type { DmaTarget } from '../engine/dma.ts';
import type { QueuePairAttributes } from '../engine/engine.ts';
import type { Nanos } from '../engine/time.ts';
import type { QpState } from '../uapi/objects/qp.ts';
import type { Row } from '../uapi/rows.ts';
import type { CompletionRing } from './completion-ring.ts';
import type { Link } from './link.ts';
import type { WorkQueue } from './work-queue.ts';

export interface SoftContext {
  readonly handle: number;
  readonly context: DeviceContext;
  readonly page: DoorbellPage;
  /** Queues by doorbell slot. */
  readonly slots: (SoftQueuePair | SoftSharedQueue | undefined)[];
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
  readonly object: DeviceObject;
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
  readonly parent: SoftRegion | undefined;
  /** Handles of the queue pairs through which alone peers reach it; undefined: through all. */
  attached: Set<number> | undefined;
  /** Its remote key is dead. */
  invalid: boolean;
  /** Windows that show a part of it. */
  windows: number;
}

export interface SoftWindow {
  /** Names it in requests. */
  readonly handle: number;
  readonly object: DeviceObject;
  readonly pd: SoftPd;
  readonly type: 1 | 2;
  keyLo: number;
  readonly keyHi: number;
  /** What it shows a part of; undefined while it is closed. */
  region: SoftRegion | undefined;
  offset: number;
  length: number;
  rights: number;
  /** Handle of the queue pair through which alone peers reach it; 0: through all of the domain. */
  qp: number;
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
  /** All of its holders were cut off: the engine does not know it any more. */
  ended: boolean;
}

export interface SoftJobKey {
  /** JOB object that it was made from. */
  readonly holder: DeviceObject;
  /** The holder was cut off: queue pairs of the key cannot work again. */
  revoked: boolean;
  readonly handle: number;
  readonly pd: SoftPd;
  readonly job: SoftJob;
}

export interface SoftCompletionQueue {
  readonly handle: number;
  readonly object: DeviceObject;
  target: DmaTarget;
  entries: number;
  readonly ring: CompletionRing;
  /** Completions that are collected before the program is woken; 0: it is woken for each. */
  moderation: number;
  /** Longest time that a completion waits for others. */
  periodNs: Nanos;
  /** Completions shown since the program was woken. */
  unannounced: number;
  /** When it is woken at the latest; NEVER while nothing is held back. */
  heldUntil: Nanos;
  /** Has entries that are not published yet. */
  dirty: boolean;
  failed: boolean;
}

export interface SoftSharedQueue {
  readonly handle: number;
  readonly object: DeviceObject;
  readonly owner: SoftContext;
  readonly pd: SoftPd;
  readonly receives: WorkQueue;
  readonly target: DmaTarget;
  readonly slot: number;
  /** Fewer receives than this raise the limit event, once; 0: not armed. */
  limit: number;
  /** Queue pairs that found it empty, and have not been told of new receives. */
  readonly waiting: Set<SoftQueuePair>;
  readonly users: Set<SoftQueuePair>;
  failed: boolean;
}

export interface SoftCounter {
  readonly handle: number;
  readonly object: DeviceObject;
  readonly unit: 'requests' | 'bytes';
  successes: number;
  errors: number;
}

export interface SoftQueuePair {
  readonly handle: number;
  readonly object: DeviceObject;
  readonly owner: SoftContext;
  readonly link: Link;
  readonly type: string;
  /** Of its kind. */
  readonly rules: QpKindRules;
  readonly qpn: number;
  readonly pd: SoftPd;
  readonly jobKey: SoftJobKey | undefined;
  readonly sendCq: SoftCompletionQueue;
  readonly recvCq: SoftCompletionQueue;
  readonly sends: WorkQueue;
  /** Its own, or those of the shared queue. */
  readonly receives: WorkQueue;
  readonly srq: SoftSharedQueue | undefined;
  readonly sendTarget: DmaTarget;
  readonly receiveTarget: DmaTarget | undefined;
  readonly slot: number;
  readonly signalAll: boolean;
  readonly ordered: boolean;
  readonly idempotent: boolean;
  readonly matching: boolean;
  readonly sourceId: number;
  /** Identifier of the secure domain that it was made for. */
  readonly domain: number | undefined;
  /** What it promises: for queries. */
  readonly semantics: Row;
  /** Those that its engine must know. */
  readonly attributes: QueuePairAttributes;
  /** Attributes that MODIFY set, by name. */
  readonly modified: Map<string, number | string>;
  /** Bit n: work opcode n may be posted. */
  readonly opcodes: number;
  /** Bits of `Access` that peers may use through it. */
  access: number;
  /** Of a connected one; 0: requests carry addresses. */
  peerPath: number;
  peerQpn: number;
  state: QpState | 'CLOSING';
  /** Requests are taken from the send ring. */
  sending: boolean;
  /** Receives are taken. */
  receiving: boolean;
  /** The engine knows it. */
  inEngine: boolean;
  /** Raise SQ_DRAINED when nothing is under way. */
  drainNotice: boolean;
  /** By {@link CounterSlot}; undefined: nothing is counted. */
  counters: (SoftCounter | undefined)[] | undefined;
  /** Regions that peers reach through attachment to it. */
  readonly attached: Set<SoftRegion>;
  /** Has retired slots that are not published yet. */
  dirty: boolean;
  /** Is to go to this state at the end of the step; '' is no state. */
  doomed: '' | 'ERR' | 'SQE';
}

/** What a completion counts as. */
export const CounterSlot = { SEND: 0, RDMA_WRITE: 1, RDMA_READ: 2, RECV: 3 } as const;

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
export const Kind = {
  ...{ CONTEXT: 1, PD: 2, REGION: 3, ADDRESS: 4, JOB: 5, JOB_KEY: 6, CQ: 7, QP: 8 },
  ...{ SRQ: 9, WINDOW: 10, COUNTER: 11 },
} as const;
