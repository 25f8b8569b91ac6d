/** One completion as an object: comfortable, and made anew each time. */
import type { CompletionBatch } from './completion-batch.ts';
import { type FabricErrorName, fabricErrorName, fabricErrorText } from './errors.ts';
import { flagNames, OperationFlag } from './flags.ts';

/** Why an operation failed. */
export interface OperationError {
  /** As in libfabric, without `FI_`: 'ETRUNC'. */
  readonly name: FabricErrorName;
  readonly errno: number;
  /** The transport's own code, as it came; 0 for none. */
  readonly providerError: number;
  /** Bytes that did not find room. */
  readonly overflow: number;
}

export class Completion {
  /** What the program gave along with the operation. */
  readonly context: unknown;
  /** Bits of `OperationFlag`. */
  readonly flags: number;
  /** Bytes received. */
  readonly length: number;
  /** Where in a receive for many messages this one begins. */
  readonly offset: number;
  /** What came beside the message or the write; undefined when nothing did. */
  readonly data: bigint | undefined;
  readonly tag: bigint;
  /** Who sent, in the address vector of the endpoint; undefined: not known there. */
  readonly source: number | undefined;
  readonly error: OperationError | undefined;

  constructor(batch: CompletionBatch, row: number) {
    this.context = batch.context[row];
    this.flags = batch.flags[row]!;
    this.length = batch.length[row]!;
    this.offset = batch.offset[row]!;
    const hasData = (this.flags & OperationFlag.REMOTE_CQ_DATA) !== 0;
    this.data = hasData ? join(batch.dataLo[row]!, batch.dataHi[row]!) : undefined;
    this.tag = join(batch.tagLo[row]!, batch.tagHi[row]!);
    const source = batch.source[row]!;
    this.source = source < 0 ? undefined : source;
    const errno = batch.error[row]!;
    this.error =
      errno === 0
        ? undefined
        : {
            ...{ name: fabricErrorName(errno), errno },
            ...{ providerError: batch.providerError[row]!, overflow: batch.overflow[row]! },
          };
  }

  get ok(): boolean {
    return this.error === undefined;
  }

  /** A receive for many messages is used up. */
  get isReleased(): boolean {
    return (this.flags & OperationFlag.MULTI_RECV) !== 0;
  }

  /** One line: what it was and how it ended. */
  explain(): string {
    const what = flagNames(this.flags).join(' ').toLowerCase();
    if (this.error === undefined) return `${what}, ${this.length} bytes`;
    const { name, errno, providerError, overflow } = this.error;
    const code = providerError === 0 ? '' : `, code 0x${providerError.toString(16)} of the transport`;
    const excess = overflow === 0 ? '' : `, ${overflow} bytes too long`;
    return `${what}: FI_${name}${code}${excess}: ${fabricErrorText(errno)}`;
  }
}

const join = (lo: number, hi: number): bigint => (BigInt(hi) << 32n) | BigInt(lo);
