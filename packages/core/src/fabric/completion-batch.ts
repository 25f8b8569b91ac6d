/** Completions in columns: made once, filled again and again by `CompletionQueue.read`. */
export class CompletionBatch {
  readonly capacity: number;
  /** Rows that the last read filled. */
  count = 0;
  /** What the program gave along with the operation. */
  readonly context: unknown[];
  /** Bits of `OperationFlag`. */
  readonly flags: Uint32Array;
  /** Bytes received; of a truncated message those that found room. */
  readonly length: Float64Array;
  /** Where in a receive for many messages this one begins. */
  readonly offset: Uint32Array;
  /** Data beside a message; counts with the flag REMOTE_CQ_DATA. */
  readonly dataLo: Uint32Array;
  readonly dataHi: Uint32Array;
  readonly tagLo: Uint32Array;
  readonly tagHi: Uint32Array;
  /** Who sent, in the address vector of the endpoint; -1: unknown. */
  readonly source: Int32Array;
  /** 0, or one of `FabricErrno`. */
  readonly error: Uint16Array;
  /** The transport's own code for the error. */
  readonly providerError: Uint32Array;
  /** Bytes that did not find room. */
  readonly overflow: Uint32Array;

  /** @param capacity - rows, at least 1 */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.context = new Array<unknown>(capacity).fill(undefined);
    this.flags = new Uint32Array(capacity);
    this.length = new Float64Array(capacity);
    this.offset = new Uint32Array(capacity);
    this.dataLo = new Uint32Array(capacity);
    this.dataHi = new Uint32Array(capacity);
    this.tagLo = new Uint32Array(capacity);
    this.tagHi = new Uint32Array(capacity);
    this.source = new Int32Array(capacity);
    this.error = new Uint16Array(capacity);
    this.providerError = new Uint32Array(capacity);
    this.overflow = new Uint32Array(capacity);
  }

  /** A row with nothing but who and what. */
  start(row: number, context: unknown, flags: number): void {
    this.context[row] = context;
    this.flags[row] = flags;
    this.length[row] = 0;
    this.offset[row] = 0;
    this.dataLo[row] = this.dataHi[row] = 0;
    this.tagLo[row] = this.tagHi[row] = 0;
    this.source[row] = -1;
    this.error[row] = 0;
    this.providerError[row] = 0;
    this.overflow[row] = 0;
  }

  /** Copies a row from another batch. */
  copy(row: number, from: CompletionBatch, at: number): void {
    this.context[row] = from.context[at];
    this.flags[row] = from.flags[at]!;
    this.length[row] = from.length[at]!;
    this.offset[row] = from.offset[at]!;
    this.dataLo[row] = from.dataLo[at]!;
    this.dataHi[row] = from.dataHi[at]!;
    this.tagLo[row] = from.tagLo[at]!;
    this.tagHi[row] = from.tagHi[at]!;
    this.source[row] = from.source[at]!;
    this.error[row] = from.error[at]!;
    this.providerError[row] = from.providerError[at]!;
    this.overflow[row] = from.overflow[at]!;
  }
}
