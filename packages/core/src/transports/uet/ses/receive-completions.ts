/** How a target reports: receives that end, and writes with completion data. */

import type { Described } from '../../../engine/matching/index.ts';
import { CompletionOpcode, Status } from '../../../engine/status.ts';
import { CompletionRecord, type ReceiveWork } from '../../../engine/work.ts';
import { ReturnCode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import type { InboundMessage } from './inbound-message.ts';
import type { RequestFields } from './request-fields.ts';

/** A message that has a receive. */
type Matched = Pick<InboundMessage, 'initiator' | 'jobId' | 'keyLo' | 'keyHi' | 'multi'>;

export class ReceiveCompletions {
  readonly #core: Core;
  readonly #completion = new CompletionRecord();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Ends a receive without data. */
  end(qp: number, receive: ReceiveWork, status: number, vendorStatus = 0, message?: Matched): void {
    const completion = this.#completion;
    completion.wrIdLo = receive.wrIdLo;
    completion.wrIdHi = receive.wrIdHi;
    completion.status = status;
    completion.vendorStatus = vendorStatus;
    completion.opcode = receive.tagged ? CompletionOpcode.RECV_TAGGED : CompletionOpcode.RECV;
    completion.byteLength = completion.remoteQpn = completion.path = completion.extra = 0;
    completion.hasImm = false;
    completion.sourceId = message?.initiator ?? 0;
    completion.jobId = message?.jobId ?? 0;
    completion.tagLo = receive.tagged ? (message?.keyLo ?? 0) : 0;
    completion.tagHi = receive.tagged ? (message?.keyHi ?? 0) : 0;
    const multi = message?.multi;
    completion.holdsReceive = multi !== undefined && !multi.settle();
    completion.isReleased = receive.multi && !completion.holdsReceive;
    this.#core.services.completeReceive(qp, completion);
  }

  /** A message is whole. */
  received(context: DeliveryContext, message: InboundMessage): void {
    const completion = this.#completion;
    const missing = message.total - message.accepted;
    completion.wrIdLo = message.receive.wrIdLo;
    completion.wrIdHi = message.receive.wrIdHi;
    completion.status = missing > 0 ? Status.LOC_LEN_ERR : Status.SUCCESS;
    completion.vendorStatus = ReturnCode.OK;
    const { tagged } = message.receive;
    completion.opcode = tagged ? CompletionOpcode.RECV_TAGGED : CompletionOpcode.RECV;
    completion.tagLo = tagged ? message.keyLo : 0;
    completion.tagHi = tagged ? message.keyHi : 0;
    const { multi } = message;
    completion.holdsReceive = multi !== undefined && !multi.settle();
    completion.isReleased = multi !== undefined && !completion.holdsReceive;
    completion.byteLength = message.accepted;
    completion.extra = missing > 0 ? missing : message.base;
    completion.hasImm = message.hasImm;
    completion.immLo = message.immLo;
    completion.immHi = message.immHi;
    completion.remoteQpn = 0;
    completion.sourceId = message.initiator;
    completion.jobId = message.jobId;
    completion.path = context.path;
    this.#core.services.completeReceive(message.qp, completion);
  }

  /** A message that was kept is whole, and a receive takes it. @param base - where in the receive it begins */
  delivered(
    qp: number,
    receive: ReceiveWork,
    message: Described,
    status: number,
    accepted: number,
    base: number,
    holds: boolean,
  ): void {
    this.#describe(receive, message, message.tagged ? CompletionOpcode.RECV_TAGGED : CompletionOpcode.RECV);
    const completion = this.#completion;
    const missing = message.total - accepted;
    completion.status = status === Status.SUCCESS && missing > 0 ? Status.LOC_LEN_ERR : status;
    completion.byteLength = accepted;
    completion.extra = missing > 0 ? missing : base;
    completion.holdsReceive = holds;
    completion.isReleased = receive.multi && !holds;
    this.#core.services.completeReceive(qp, completion);
  }

  /** An atomic changed `length` bytes of a receive. */
  changed(context: DeliveryContext, qp: number, receive: ReceiveWork, request: RequestFields, length: number): void {
    const completion = this.#completion;
    completion.wrIdLo = receive.wrIdLo;
    completion.wrIdHi = receive.wrIdHi;
    completion.opcode = CompletionOpcode.RECV_TAGGED;
    completion.status = Status.SUCCESS;
    completion.vendorStatus = ReturnCode.OK;
    completion.byteLength = length;
    completion.extra = completion.remoteQpn = completion.immLo = completion.immHi = 0;
    completion.hasImm = completion.holdsReceive = completion.isReleased = false;
    completion.tagLo = request.keyLo;
    completion.tagHi = request.keyHi;
    completion.sourceId = request.initiator;
    completion.jobId = request.jobId;
    completion.path = context.path;
    this.#core.services.completeReceive(qp, completion);
  }

  /** A receive for many messages is used up, and no message says so: none is named. */
  released(qp: number, receive: ReceiveWork): void {
    this.answered(
      qp,
      receive,
      receive.tagged ? CompletionOpcode.RECV_TAGGED : CompletionOpcode.RECV,
      Status.SUCCESS,
      true,
    );
  }

  /** A look found a message. */
  found(qp: number, look: ReceiveWork, message: Described): void {
    this.#describe(look, message, CompletionOpcode.PEEK);
    this.#completion.byteLength = message.total;
    this.#core.services.completeReceive(qp, this.#completion);
  }

  /** A look, a call back or a claim is done. @param opcode - one of `CompletionOpcode` */
  answered(qp: number, asked: ReceiveWork, opcode: number, status: number, isReleased = false): void {
    const completion = this.#completion;
    completion.wrIdLo = asked.wrIdLo;
    completion.wrIdHi = asked.wrIdHi;
    completion.opcode = opcode;
    completion.status = status;
    completion.vendorStatus = completion.byteLength = completion.remoteQpn = completion.path = completion.extra = 0;
    completion.sourceId = completion.jobId = completion.tagLo = completion.tagHi = 0;
    completion.hasImm = completion.holdsReceive = false;
    completion.isReleased = isReleased;
    this.#core.services.completeReceive(qp, completion);
  }

  #describe(asked: ReceiveWork, message: Described, opcode: number): void {
    const completion = this.#completion;
    completion.wrIdLo = asked.wrIdLo;
    completion.wrIdHi = asked.wrIdHi;
    completion.opcode = opcode;
    completion.status = Status.SUCCESS;
    completion.vendorStatus = ReturnCode.OK;
    completion.hasImm = message.hasImm;
    completion.immLo = message.immLo;
    completion.immHi = message.immHi;
    completion.tagLo = message.tagged ? message.tagLo : 0;
    completion.tagHi = message.tagged ? message.tagHi : 0;
    completion.sourceId = message.sourceId;
    completion.jobId = message.jobId;
    completion.path = message.path;
    completion.remoteQpn = completion.extra = 0;
    completion.holdsReceive = completion.isReleased = false;
  }

  /** @param said - what the first packet said: the packet itself, or the message that remembers it */
  written(context: DeliveryContext, qp: number, said: RequestFields | InboundMessage, length: number): void {
    const completion = this.#completion;
    completion.wrIdLo = completion.wrIdHi = completion.extra = completion.tagLo = completion.tagHi = 0;
    completion.holdsReceive = completion.isReleased = false;
    completion.status = Status.SUCCESS;
    completion.vendorStatus = ReturnCode.OK;
    completion.opcode = CompletionOpcode.RECV_RDMA_WITH_IMM;
    completion.byteLength = length;
    completion.hasImm = true;
    completion.immLo = said.immLo;
    completion.immHi = said.immHi;
    completion.remoteQpn = 0;
    completion.sourceId = said.initiator;
    completion.jobId = said.jobId;
    completion.path = context.path;
    if (qp !== 0) this.#core.services.completeReceive(qp, completion);
  }
}
