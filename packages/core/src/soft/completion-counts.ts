/** What a completion adds to the counters of its queue pair. */
import { CompletionOpcode, Status } from '../engine/status.ts';
import type { CompletionRecord } from '../engine/work.ts';
import { CounterSlot, type SoftCounter } from './objects.ts';

/** Counts what has completed; a flushed request is an error. */
export function count(counters: readonly (SoftCounter | undefined)[], completion: CompletionRecord): void {
  const { opcode: done, status } = completion;
  const counter = counters[COUNTS_AS[done] ?? NOT_COUNTED];
  if (counter === undefined) return;
  if (status !== Status.SUCCESS) counter.errors++;
  else counter.successes += counter.unit === 'bytes' ? completion.byteLength : 1;
}

/** Index of no counter. */
const NOT_COUNTED = -1;
/** Slot of the counter, by opcode of the completion; a look and a call back are no receives. */
const COUNTS_AS: Readonly<Record<number, number>> = {
  [CompletionOpcode.SEND]: CounterSlot.SEND,
  [CompletionOpcode.TAGGED_SEND]: CounterSlot.SEND,
  [CompletionOpcode.RDMA_WRITE]: CounterSlot.RDMA_WRITE,
  [CompletionOpcode.RDMA_READ]: CounterSlot.RDMA_READ,
  [CompletionOpcode.RECV]: CounterSlot.RECV,
  [CompletionOpcode.RECV_TAGGED]: CounterSlot.RECV,
  [CompletionOpcode.RECV_RDMA_WITH_IMM]: CounterSlot.RECV,
};
