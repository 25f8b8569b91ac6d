/**
 * Read data on its way back: what a target still has to send (a ring), and what each sent PSN of the return
 * direction carries (slots beside those of the send window), so that it can be sent again. @spec uet:pds/4.9
 */
export class ReturnQueue {
  readonly #mask: number;
  readonly #slotMask: number;
  #head = 0;
  #tail = 0;
  readonly #capacity: number;
  readonly fields: ReturnFields;
  readonly slots: ReturnFields;

  constructor(capacity: number, slots: number) {
    let size = 16;
    while (size < capacity) size *= 2;
    this.#mask = size - 1;
    this.#capacity = capacity;
    this.#slotMask = slots - 1;
    this.fields = new ReturnFields(size);
    this.slots = new ReturnFields(slots);
  }

  get count(): number {
    return this.#tail - this.#head;
  }

  get full(): boolean {
    return this.count >= this.#capacity;
  }

  clear(): void {
    this.#head = this.#tail = 0;
  }

  /** Reserves the next entry. @returns its index in `fields` */
  add(): number {
    return this.#tail++ & this.#mask;
  }

  /** Moves the oldest waiting entry to the slot of `psn`. @returns the slot */
  take(psn: number): number {
    const from = this.#head++ & this.#mask;
    const to = psn & this.#slotMask;
    this.slots.copy(to, this.fields, from);
    return to;
  }

  /** Length of the oldest waiting entry, bytes. */
  peekLength(): number {
    return this.fields.length[this.#head & this.#mask]!;
  }
}

export class ReturnFields {
  readonly region: Int32Array;
  readonly offset: Float64Array;
  readonly length: Uint16Array;
  readonly messageOffset: Float64Array;
  readonly messageId: Uint16Array;
  readonly total: Float64Array;
  readonly jobId: Uint32Array;
  /** PSN of the request, for answers to requests without a message id. */
  readonly psn: Uint32Array;
  /** Number of the exposure that the data is of; 0 for memory under a program's key. */
  readonly exposure: Int32Array;
  /** 1: the request had no message id (SMALL, MEDIUM). */
  readonly small: Uint8Array;

  constructor(size: number) {
    this.region = new Int32Array(size);
    this.offset = new Float64Array(size);
    this.length = new Uint16Array(size);
    this.messageOffset = new Float64Array(size);
    this.messageId = new Uint16Array(size);
    this.total = new Float64Array(size);
    this.jobId = new Uint32Array(size);
    this.psn = new Uint32Array(size);
    this.exposure = new Int32Array(size);
    this.small = new Uint8Array(size);
  }

  copy(to: number, from: ReturnFields, at: number): void {
    this.region[to] = from.region[at]!;
    this.offset[to] = from.offset[at]!;
    this.length[to] = from.length[at]!;
    this.messageOffset[to] = from.messageOffset[at]!;
    this.messageId[to] = from.messageId[at]!;
    this.total[to] = from.total[at]!;
    this.jobId[to] = from.jobId[at]!;
    this.psn[to] = from.psn[at]!;
    this.exposure[to] = from.exposure[at]!;
    this.small[to] = from.small[at]!;
  }
}
