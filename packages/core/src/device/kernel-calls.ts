/**
 * The control path: every call from the user half to the kernel half, with plain arguments and results that survive a
 * structured clone. `context` names the caller; objects of other contexts do not exist for it.
 */
import type { DeviceAttributes, PortAttributes } from './attributes.ts';
import type { MemoryShare } from './kernel-host.ts';

export interface KernelCalls {
  queryDevice: { in: Record<string, never>; out: DeviceAttributes };
  queryPort: { in: Record<string, never>; out: Omit<PortAttributes, 'gids'> & { gids: RawGid[] } };
  counters: { in: Record<string, never>; out: Record<string, number> };
  census: { in: Record<string, never>; out: Record<string, number> };
  resources: { in: Record<string, never>; out: ResourceRow[] };
  /** Address behind a path; undefined for an unknown one. */
  peer: { in: { path: number }; out: RawAddress | undefined };

  /** `page`: the doorbell page, made by the caller. */
  openContext: { in: { page: MemoryShare }; out: { context: number } };
  closeContext: { in: { context: number }; out: undefined };
  /** Takes up to 64 events. With none, the context's handle is woken by the next one. */
  takeEvents: { in: { context: number }; out: EventRecord[] };

  allocatePd: { in: { context: number }; out: { pd: number } };
  closePd: { in: { context: number; pd: number }; out: undefined };
  registerMemory: {
    in: {
      context: number;
      pd: number;
      memory: MemoryShare;
      /** Bits of `Access`. */
      access: number;
      /** 0: any job. */
      jobKey: number;
      key?: { lo: number; hi: number };
    };
    out: { region: number; lkey: number; keyLo: number; keyHi: number };
  };
  deregisterMemory: { in: { context: number; region: number }; out: undefined };
  createAddressHandle: {
    in: { context: number; pd: number; to: RawAddress | { path: number }; qpn: number };
    out: { handle: number; path: number; peer: RawAddress };
  };
  destroyAddressHandle: { in: { context: number; handle: number }; out: undefined };

  createJob: { in: { context: number; id: number; maxAddresses?: number }; out: { job: number; maxAddresses: number } };
  destroyJob: { in: { context: number; job: number }; out: undefined };
  setAddress: { in: { context: number; job: number; index: number; to: RawAddress; qpn: number }; out: undefined };
  getAddress: {
    in: { context: number; job: number; index: number };
    out: { peer: RawAddress; qpn: number } | undefined;
  };
  removeAddress: { in: { context: number; job: number; index: number }; out: undefined };
  createJobKey: { in: { context: number; pd: number; job: number }; out: { jobKey: number } };
  destroyJobKey: { in: { context: number; jobKey: number }; out: undefined };

  /** `entries`: a power of two; the ring's memory is made by the caller. */
  createCompletionQueue: { in: { context: number; ring: MemoryShare; entries: number }; out: { cq: number } };
  destroyCompletionQueue: { in: { context: number; cq: number }; out: undefined };
  createQueuePair: { in: QueuePairRequest; out: { qp: number; qpn: number; slot: number; sourceId: number } };
  destroyQueuePair: { in: { context: number; qp: number }; out: undefined };
}

export type KernelCallName = keyof KernelCalls;
export type CallIn<N extends KernelCallName> = KernelCalls[N]['in'];
export type CallOut<N extends KernelCallName> = KernelCalls[N]['out'];

/** Address and port as they cross; port 0 stands for the transport's own. */
export interface RawAddress {
  readonly address: Uint8Array;
  readonly port: number;
}

export interface RawGid {
  readonly index: number;
  readonly address: Uint8Array;
  readonly type: string;
}

export interface EventRecord {
  /** Number of an `EVENTS` row. */
  readonly event: number;
  /** Handle of the object that it is about; 0 for the device, 1 for port 1. */
  readonly object: number;
}

export interface QueuePairRequest {
  readonly context: number;
  readonly pd: number;
  readonly type: string;
  readonly sendCq: number;
  readonly recvCq: number;
  /** 0 for none. */
  readonly jobKey: number;
  readonly qpn?: number;
  readonly sourceId?: number;
  readonly ordered: boolean;
  readonly signalAll: boolean;
  /** Powers of two. */
  readonly sendEntries: number;
  readonly receiveEntries: number;
  readonly sendRing: MemoryShare;
  readonly receiveRing: MemoryShare;
}

/** One object for tools; further columns depend on the kind. */
export interface ResourceRow {
  readonly kind: 'context' | 'pd' | 'mr' | 'ah' | 'cq' | 'qp' | 'job' | 'job_key';
  readonly handle: number;
  /** Context that made it. */
  readonly owner: number;
  readonly [column: string]: string | number | boolean;
}
