/** The sending side of a queue pair, for transports that send one message at a time, part after part. */
import type { QueuePairConfig, Services } from './engine.ts';
import { CompletionOpcode, Status } from './status.ts';
import { CompletionRecord, MAX_INLINE, RequestPart } from './work.ts';

export class Outbox {
  /** The message, and the part of it that is under way. */
  readonly part = new RequestPart();
  /** There is a message. */
  isBusy = false;
  readonly #services: Services;
  readonly #qp: number;
  readonly #completion = new CompletionRecord();

  constructor(services: Services, { qp, qpn, sourceId }: QueuePairConfig) {
    this.#services = services;
    this.#qp = qp;
    this.part.sourceQpn = qpn;
    this.part.sourceId = sourceId;
    this.part.inlineRegion = services.dma.attach({ bytes: new Uint8Array(MAX_INLINE), address: 0 });
  }

  /** Makes the part ready to be sent; where the message is over, takes the next one. @returns false: there is none */
  next(): boolean {
    const { part } = this;
    for (;;) {
      if (!this.isBusy) {
        if (!this.#services.takeSend(this.#qp, part)) return false;
        this.isBusy = true;
        part.offset = 0;
      }
      if (part.status === Status.SUCCESS && this.#hasMemory()) break;
      this.#finish(part.status === Status.SUCCESS ? Status.LOC_PROT_ERR : part.status);
    }
    part.sequence = (part.sequence + 1) & 0xffff;
    return true;
  }

  /** Whether this answers the part under way. */
  isAnswer(answer: RequestPart): boolean {
    return this.isBusy && answer.sequence === this.part.sequence && answer.path === this.part.path;
  }

  /** `length` bytes are done, or the part has failed. Completes the message where it is over thereby. */
  done(status: number, length = 0): void {
    this.part.offset += length;
    if (status !== Status.SUCCESS || this.part.offset === this.part.length) this.#finish(status);
  }

  /** Completes all that is queued: the queue pair goes away. */
  close(): void {
    while (this.isBusy || this.#services.takeSend(this.#qp, this.part)) this.#finish(Status.WR_FLUSH_ERR);
    this.#services.dma.detach(this.part.inlineRegion);
  }

  #hasMemory(): boolean {
    const { segments } = this.part;
    for (let i = 0; i < segments.count; i++) {
      if (this.#services.dma.target(segments.region[i]!) === undefined) return false;
    }
    return true;
  }

  #finish(status: number): void {
    const completion = this.#completion;
    const { part } = this;
    this.isBusy = false;
    completion.wrIdLo = part.wrIdLo;
    completion.wrIdHi = part.wrIdHi;
    completion.status = completion.vendorStatus = status;
    completion.opcode = COMPLETION_OF[part.opcode]!;
    completion.byteLength = part.length;
    completion.remoteQpn = part.remoteQpn;
    completion.jobId = part.jobId;
    completion.path = part.path;
    this.#services.completeSend(this.#qp, part.signaled, completion);
  }
}

const { SEND, RDMA_WRITE, RDMA_READ } = CompletionOpcode;
/** By `WorkOpcode`. */
const COMPLETION_OF = [RDMA_WRITE, RDMA_WRITE, SEND, SEND, RDMA_READ];
