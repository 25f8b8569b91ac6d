/** A work request that is filled once and posted many times: nothing is allocated in the loop. */
import { type CompletionBatch, STATUS_ROWS, type WorkRequest } from '@verbena/core';
import { refusal } from '../failure.ts';

export type WorkTemplate = { -readonly [K in keyof WorkRequest]: WorkRequest[K] };

/** @throws VerbsError for the first failed completion of the batch */
export function checkBatch(batch: CompletionBatch, call: string): void {
  for (let row = 0; row < batch.count; row++) if (batch.status[row] !== 0) throw failedCompletion(batch, row, call);
}

function failedCompletion(batch: CompletionBatch, row: number, call: string): Error {
  const status = STATUS_ROWS.find(({ value }) => value === batch.status[row]);
  return refusal('EIO', call, `a request failed: ${status?.text ?? 'unknown status'}`, {
    given: `${status?.name ?? batch.status[row]}, code of the transport 0x${batch.vendorStatus[row]!.toString(16)}`,
    try: status?.advice || 'again',
  });
}
