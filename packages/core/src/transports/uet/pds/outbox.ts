/**
 * Answers that must leave one by one: NACKs, acknowledgements of single PSNs, control packets without a PSN.
 * A bounded ring; what does not fit is dropped, which the peer's retransmission repairs.
 */
export const Post = {
  /** ACK of one PSN with a response header. */
  ACK: 1,
  /** ACK of one PSN without semantic content. */
  ACK_PLAIN: 2,
  /** ACK of one PSN with the response stored for it. */
  ACK_STORED: 3,
  /** ACK_CC that answers a probe. */
  ACK_PROBE: 4,
  NACK: 5,
  CONTROL: 6,
} as const;

export class Outbox {
  readonly #mask: number;
  #head = 0;
  #tail = 0;
  readonly post: Uint8Array;
  /** Local PDCID, 0 for an answer without a context. */
  readonly localId: Uint16Array;
  readonly remoteId: Uint16Array;
  readonly path: Int32Array;
  readonly entropy: Int32Array;
  readonly psn: Uint32Array;
  /** Response opcode, NACK code or control type. */
  readonly code: Uint8Array;
  readonly returnCode: Uint8Array;
  readonly flags: Uint8Array;
  readonly payload: Uint32Array;
  readonly messageId: Uint16Array;
  readonly jobId: Uint32Array;
  /** When the packet came that is answered, for answers that tell how long that took. */
  readonly since: Float64Array;

  /** @param size - entries; a power of two */
  constructor(size: number) {
    this.#mask = size - 1;
    this.post = new Uint8Array(size);
    this.localId = new Uint16Array(size);
    this.remoteId = new Uint16Array(size);
    this.path = new Int32Array(size);
    this.entropy = new Int32Array(size);
    this.psn = new Uint32Array(size);
    this.code = new Uint8Array(size);
    this.returnCode = new Uint8Array(size);
    this.flags = new Uint8Array(size);
    this.payload = new Uint32Array(size);
    this.messageId = new Uint16Array(size);
    this.jobId = new Uint32Array(size);
    this.since = new Float64Array(size);
  }

  get empty(): boolean {
    return this.#head === this.#tail;
  }

  /** Reserves an entry, cleared. @returns its index; -1 when full */
  add(post: number, path: number, localId: number, remoteId: number): number {
    if (this.#tail - this.#head > this.#mask) return -1;
    const i = this.#tail++ & this.#mask;
    this.post[i] = post;
    this.path[i] = path;
    this.localId[i] = localId;
    this.remoteId[i] = remoteId;
    this.entropy[i] = 0;
    this.psn[i] = 0;
    this.code[i] = 0;
    this.returnCode[i] = 0;
    this.flags[i] = 0;
    this.payload[i] = 0;
    this.messageId[i] = 0;
    this.jobId[i] = 0;
    return i;
  }

  /** Takes the oldest entry; its fields stay readable until the next `add`. */
  take(): number {
    return this.#head++ & this.#mask;
  }

  clear(): void {
    this.#head = this.#tail = 0;
  }
}
