/** What a program asks a queue pair to do. */
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
  readonly opcode: 'send' | 'write' | 'read' | 'cmp-swap' | 'fetch-add';
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
  /** 'send': a key of the peer's that is to end with it. */
  readonly invalidate?: bigint;
  /** The peer's program is to be woken. */
  readonly solicited?: boolean;
  /** Begins when the reads and atomics before it are done. */
  readonly fence?: boolean;
  /** Queue key of a datagram, instead of the one of this queue pair. */
  readonly qkey?: number;
  /** The job to work for, instead of the one of the queue pair. */
  readonly jobKey?: JobKey;
  /** Queue pair of the peer, instead of the one of the address. */
  readonly qpn?: number;
}

export interface ReceiveRequest {
  readonly id?: number | bigint;
  readonly region?: MemoryRegion;
  readonly offset?: number;
  readonly length?: number;
  readonly segments?: readonly Segment[];
}
