/** Completions in columns: made once, filled again and again by `CompletionQueue.poll`. */
export class CompletionBatch {
  readonly capacity: number;
  /** Rows that the last poll filled. */
  count = 0;
  /** The program's number of the request, low 53 bits. */
  readonly id: Float64Array;
  readonly idLo: Uint32Array;
  readonly idHi: Uint32Array;
  /** One of `Status`. */
  readonly status: Uint16Array;
  /** One of `CompletionOpcode`. */
  readonly opcode: Uint16Array;
  readonly byteLength: Float64Array;
  /** 1 where immediate data came. */
  readonly hasImm: Uint8Array;
  /** Bits of `CompletionFlag`. */
  readonly flags: Uint8Array;
  /** Immediate data, or the key that the peer ended. */
  readonly immLo: Uint32Array;
  readonly immHi: Uint32Array;
  /** Number of the local queue pair. */
  readonly qpn: Uint32Array;
  readonly remoteQpn: Uint32Array;
  readonly sourceId: Uint32Array;
  readonly jobId: Uint32Array;
  readonly path: Int32Array;
  readonly vendorStatus: Uint32Array;
  /** Of a tagged message. */
  readonly tagLo: Uint32Array;
  readonly tagHi: Uint32Array;
  /** LOC_LEN_ERR: bytes for which there was no room. Else, of a receive for many messages: where in it this one begins. */
  readonly extra: Uint32Array;

  /** @param capacity - rows, at least 1 */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.id = new Float64Array(capacity);
    this.idLo = new Uint32Array(capacity);
    this.idHi = new Uint32Array(capacity);
    this.status = new Uint16Array(capacity);
    this.opcode = new Uint16Array(capacity);
    this.byteLength = new Float64Array(capacity);
    this.hasImm = new Uint8Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.immLo = new Uint32Array(capacity);
    this.immHi = new Uint32Array(capacity);
    this.qpn = new Uint32Array(capacity);
    this.remoteQpn = new Uint32Array(capacity);
    this.sourceId = new Uint32Array(capacity);
    this.jobId = new Uint32Array(capacity);
    this.path = new Int32Array(capacity);
    this.vendorStatus = new Uint32Array(capacity);
    this.tagLo = new Uint32Array(capacity);
    this.tagHi = new Uint32Array(capacity);
    this.extra = new Uint32Array(capacity);
  }
}
