/** The receiving side of a queue pair, for transports that bring it one message at a time, part after part. */
import type { Services } from './engine.ts';
import type { Packet } from './packet.ts';
import { scatter } from './scatter.ts';
import { CompletionOpcode, Status, WorkOpcode } from './status.ts';
import { type Nanos, NEVER } from './time.ts';
import { CompletionRecord, ReceiveWork, type RequestPart } from './work.ts';

export class Inbox {
  /** When the message under way is to be given up; NEVER while there is none. */
  due: Nanos = NEVER;
  readonly #services: Services;
  readonly #qp: number;
  readonly #receive = new ReceiveWork();
  /** Of the message under way; its length is what has come. */
  readonly #arrival = new CompletionRecord();
  readonly #notice = new CompletionRecord();

  /** @param qp - the device's handle of the queue pair */
  constructor(services: Services, qp: number) {
    this.#services = services;
    this.#qp = qp;
  }

  /**
   * Takes a part of a SEND, `length` bytes at `at` in the packet. The first part takes a receive, the last one completes
   * it. While another message is under way it is as if there were no receive.
   *
   * @param due - when to give the message up unless more of it comes
   * @returns the status that the requester is to hear
   */
  take(part: RequestPart, packet: Packet, at: number, length: number, due: Nanos): number {
    const arrival = this.#arrival;
    const receive = this.#receive;
    const isOpen = this.due !== NEVER;
    if (part.offset === 0) {
      if (isOpen || !this.#services.takeReceive(this.#qp, receive)) return Status.RNR_RETRY_EXC_ERR;
      describe(arrival, part);
      arrival.wrIdLo = receive.wrIdLo;
      arrival.wrIdHi = receive.wrIdHi;
      arrival.byteLength = 0;
    } else {
      const isSame = arrival.path === part.path && arrival.remoteQpn === part.sourceQpn;
      if (!isOpen || !isSame || arrival.byteLength !== part.offset) return Status.REM_ABORT_ERR;
    }
    if (receive.status !== Status.SUCCESS) return this.#end(receive.status, Status.REM_OP_ERR);
    if (part.length > receive.length) return this.#end(Status.LOC_LEN_ERR, Status.REM_INV_REQ_ERR);
    if (!scatter(this.#services.dma, receive.segments, part.offset, packet, at, length)) {
      return this.#end(Status.LOC_PROT_ERR, Status.REM_OP_ERR);
    }
    arrival.byteLength += length;
    this.due = due;
    return arrival.byteLength < part.length ? Status.SUCCESS : this.#end(Status.SUCCESS, Status.SUCCESS);
  }

  /** Reports the immediate data of a WRITE. */
  notice(part: RequestPart): void {
    describe(this.#notice, part);
    this.#services.completeReceive(this.#qp, this.#notice);
  }

  /** Gives up the message under way, if there is one. */
  close(status: number): void {
    if (this.due !== NEVER) this.#end(status, status);
  }

  #end(status: number, answer: number): number {
    this.due = NEVER;
    this.#arrival.status = this.#arrival.vendorStatus = status;
    this.#services.completeReceive(this.#qp, this.#arrival);
    return answer;
  }
}

function describe(completion: CompletionRecord, part: RequestPart): void {
  const isWrite = part.opcode === WorkOpcode.RDMA_WRITE_WITH_IMM;
  completion.opcode = isWrite ? CompletionOpcode.RECV_RDMA_WITH_IMM : CompletionOpcode.RECV;
  completion.byteLength = part.length;
  completion.hasImm = isWrite || part.opcode === WorkOpcode.SEND_WITH_IMM;
  completion.immLo = part.immLo;
  completion.immHi = part.immHi;
  completion.remoteQpn = part.sourceQpn;
  completion.sourceId = part.sourceId;
  completion.jobId = part.jobId;
  completion.path = part.path;
}
