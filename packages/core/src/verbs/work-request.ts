/** What a program asks a queue pair to do. */
import type { AtomicOpName, AtomicTypeName } from '../engine/atomics.ts';
import type { AddressHandle } from './address-handle.ts';
import type { JobKey } from './job.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { RemoteMemory } from './remote-memory.ts';

/** A stretch of registered memory. */
export interface Segment {
  readonly region: MemoryRegion;
  readonly offset: number;
  readonly length: number;
}

/**
 * Data is named by `region` (with `offset` and `length`), by up to four `segments`, or given as `inline` bytes, which
 * are copied at once; none of these means no data.
 */
export interface WorkRequest {
  readonly opcode: 'send' | 'tagged-send' | 'write' | 'read' | 'cmp-swap' | 'fetch-add' | 'atomic' | 'fetching-atomic';
  /** Comes back in the completion. A number up to 2^53, or a bigint of 64 bits. Default 0. */
  readonly id?: number | bigint;
  /** Where to. */
  readonly to?: AddressHandle;
  /** Where to, by index in the address table of the job, when there is no `to`. */
  readonly toIndex?: number;
  readonly region?: MemoryRegion;
  /** Default 0. */
  readonly offset?: number;
  /** Default: to the end of the region. */
  readonly length?: number;
  readonly segments?: readonly Segment[];
  readonly inline?: Uint8Array;
  /** Memory of the peer; for all but 'send'. Atomics need eight bytes at a multiple of eight, and as many here. */
  readonly remote?: RemoteMemory;
  /** Bytes from the start of the remote memory. Default 0. */
  readonly remoteOffset?: number | bigint;
  /** Immediate data; for 'send' and 'write'. 64 bits, or the 32 that a transport has: see `querySemantics`. */
  readonly imm?: number | bigint;
  /** Ask for a completion on success; only counts with `sendSignalAll: false`. Failures always complete. */
  readonly signaled?: boolean;
  /** 'cmp-swap': what is expected there, and what replaces it then; 64 bits. */
  readonly compare?: number | bigint;
  readonly swap?: number | bigint;
  /** 'fetch-add': what is added; 64 bits, and so is the sum. */
  readonly add?: number | bigint;
  /** 'tagged-send'; also 'atomic' and 'fetching-atomic', which then change the receive that it matches. 64 bits. */
  readonly tag?: number | bigint;
  /** 'atomic', 'fetching-atomic': what is done, and to elements of which type; the operands are the data. */
  readonly atomicOp?: AtomicOpName;
  readonly atomicType?: AtomicTypeName;
  /** 'fetching-atomic': what is compared with, for operations that compare. */
  readonly comparand?: Segment;
  /** 'fetching-atomic': where goes what was there. */
  readonly result?: Segment;
  /** Completes when the data can be seen at the peer. */
  readonly deliveryComplete?: boolean;
  /** Completes when a receive of the peer has taken the message. */
  readonly matchComplete?: boolean;
  /** 'send': a key of the peer's that is to end with it. */
  readonly invalidate?: bigint;
  /** The peer's program is to be woken. */
  readonly solicited?: boolean;
  /** Begins when the reads and atomics before it are done; on unordered queue pairs, when all before it is done. */
  readonly fence?: boolean;
  /** Queue key of a datagram, instead of the one of this queue pair. */
  readonly qkey?: number;
  /** The job to work for, instead of the one of the queue pair. */
  readonly jobKey?: JobKey;
  /** Queue pair of the peer, instead of the one of the address. */
  readonly qpn?: number;
}

/** What receives of matching queue pairs can say beside where the data goes. */
export interface ReceiveSelection {
  /** Takes tagged messages whose tag is this, but for the bits in `ignore`; 64 bits. Without it, untagged ones. */
  readonly tag?: number | bigint;
  readonly ignore?: number | bigint;
  /** Only from senders with this identity, over this path, for this job. */
  readonly sourceId?: number;
  readonly from?: AddressHandle;
  readonly jobId?: number;
}

export interface ReceiveRequest extends ReceiveSelection {
  /** Takes message after message, until fewer bytes than this are left. */
  readonly multi?: number;
  /** Instead of receiving: 'peek' looks at what waits, 'cancel' calls the receive with the same `id` back. */
  readonly operation?: 'peek' | 'cancel';
  /** 'peek': reserves what it finds; a receive with the same `id` and this takes it. */
  readonly claim?: boolean;
  /** 'peek', or with `claim`: the message is thrown away. */
  readonly discard?: boolean;
  readonly id?: number | bigint;
  readonly region?: MemoryRegion;
  readonly offset?: number;
  readonly length?: number;
  readonly segments?: readonly Segment[];
}
