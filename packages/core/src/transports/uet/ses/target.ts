/**
 * The target's half of the semantic sublayer: checks requests in the order of the specification, places payload,
 * raises completions, and says what to answer.
 *
 * @spec uet:ses/1.4 uet:ses/3 uet:ses/8
 */
import type { Packet } from '../../../engine/packet.ts';
import { scatter } from '../../../engine/scatter.ts';
import { CompletionOpcode, Status } from '../../../engine/status.ts';
import { CompletionRecord, Reach, type ReceiveWork } from '../../../engine/work.ts';
import { NackCode } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesOpcode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import { ReturnQueue } from '../pds/return-queue.ts';
import type { LocalQueuePair, QueuePairs } from '../queue-pairs.ts';
import { InboundMessage } from './inbound-message.ts';
import { RequestChecks } from './request-checks.ts';
import { RequestFields } from './request-fields.ts';

/** What to answer to a request. */
export class Answer {
  /** Not 0: PDS refuses the packet with this NACK; nothing changed and the same packet may succeed later. */
  nack = 0;
  opcode: number = SesResponseOpcode.DEFAULT_RESPONSE;
  code: number = ReturnCode.OK;
  messageId = 0;
  jobId = 0;
  generation = 0;
  modifiedLength = 0;
  /** The response must be kept and repeated until the initiator has seen it. */
  guaranteed = false;
  /** The answer is read data that rides in the acknowledgement. */
  withData = false;
  /** The request had no message id: its PSN names it. */
  small = false;
  dataRegion = 0;
  dataOffset = 0;
  dataLength = 0;
  /** Place of the data in the message. */
  messageOffset = 0;

  reset(messageId: number, jobId: number): void {
    this.nack = 0;
    this.opcode = SesResponseOpcode.DEFAULT_RESPONSE;
    this.code = ReturnCode.OK;
    this.messageId = messageId;
    this.jobId = jobId;
    this.generation = 0;
    this.modifiedLength = 0;
    this.guaranteed = this.withData = this.small = false;
  }
}

export class Target {
  readonly answer = new Answer();
  readonly #core: Core;
  readonly #queuePairs: QueuePairs;
  readonly #mtu: number;
  readonly #request = new RequestFields();
  readonly #reach = new Reach();
  readonly #checks: RequestChecks;
  readonly #completion = new CompletionRecord();
  readonly #pool: InboundMessage[] = [];
  #made = 0;
  #live = 0;
  /** There is room to keep a guaranteed answer. */
  #mayKeep = true;

  constructor(core: Core, queuePairs: QueuePairs) {
    this.#core = core;
    this.#queuePairs = queuePairs;
    this.#mtu = core.config.payloadMtu;
    this.#checks = new RequestChecks(core, queuePairs, this.#request, this.#reach, this.answer);
  }

  /** Incomplete messages. */
  get inboundMessages(): number {
    return this.#live;
  }

  /**
   * Executes one request packet. Called exactly once for each PSN that PDS accepts; when `answer.nack` is set the
   * PSN is refused and the packet will come again.
   * @returns false when the semantic header is cut short
   */
  request(
    context: DeliveryContext,
    packet: Packet,
    psn: number,
    at: number,
    room: number,
    nextHeader: number,
  ): boolean {
    const request = this.#request;
    const { answer } = this;
    if (!request.decode(packet.view, at, room, nextHeader, this.#mtu)) return false;
    answer.reset(request.messageId, request.jobId);
    this.#mayKeep = !context.rx.storeFull;
    const payload = room - request.headerBytes;
    const payloadAt = at + request.headerBytes;
    if (request.opcode === SesOpcode.MSG_ERROR) {
      this.#abort(context, request);
      return true;
    }
    if (request.opcode === SesOpcode.NO_OP) return true;
    const known = this.#known(context);
    if (known !== undefined) this.#continue(context, known, packet, payloadAt, payload);
    else this.#begin(context, packet, psn, payloadAt, payload);
    return true;
  }

  /**
   * Executes one idempotent packet: each copy is judged and executed alone, and nothing is remembered.
   * @returns false when the semantic header is cut short
   */
  idempotent(packet: Packet, at: number, room: number, nextHeader: number): boolean {
    const request = this.#request;
    const { answer } = this;
    if (!request.decode(packet.view, at, room, nextHeader, this.#mtu)) return false;
    answer.reset(request.messageId, request.jobId);
    answer.opcode = SesResponseOpcode.RESPONSE;
    const payload = room - request.headerBytes;
    const isRead = request.opcode === SesOpcode.READ;
    const isIdempotent =
      (isRead && this.#core.settings.rudiReads === 1) || (request.opcode === SesOpcode.WRITE && !request.hd);
    answer.code = isIdempotent ? this.#checks.check(packet.path, payload) || ReturnCode.OK : ReturnCode.UNSUPPORTED_OP;
    if (answer.code !== ReturnCode.OK) {
      this.#core.count(EVENT.refused_requests);
      return true;
    }
    const { dma } = this.#core.services;
    const { region, regionOffset } = this.#reach;
    if (!isRead) {
      if (!dma.place(region, regionOffset + request.at, packet, at + request.headerBytes, payload)) {
        answer.code = ReturnCode.UNCOR; // memory of a process that is gone
      }
      answer.modifiedLength = payload;
      return true;
    }
    if (request.length === 0) return true;
    answer.withData = true;
    answer.small = request.small;
    answer.modifiedLength = request.length;
    answer.dataRegion = region;
    answer.dataOffset = regionOffset + request.at;
    answer.dataLength = request.piece;
    answer.messageOffset = request.at;
    return true;
  }

  /** A context goes away: its incomplete messages end in error. */
  contextClosed(context: DeliveryContext): void {
    for (let one = context.inbound; one !== undefined; ) {
      const next = one.next;
      this.#fail(one, Status.REM_ABORT_ERR);
      this.#release(context, one);
      one = next;
    }
    context.inbound = undefined;
    context.returns?.clear();
  }

  /** A queue pair goes away: its messages in arrival are refused from now on. */
  queuePairRemoved(contexts: Iterable<DeliveryContext>, qp: LocalQueuePair): void {
    const { qp: handle } = qp.config;
    for (const context of contexts) {
      for (let one = context.inbound; one !== undefined; one = one.next) {
        if (one.qp !== handle) continue;
        this.#fail(one, Status.WR_FLUSH_ERR);
        one.qp = 0;
        if (one.failed === 0) one.failed = ReturnCode.DISABLED;
      }
    }
    if (!qp.hasSpare) return;
    qp.hasSpare = false;
    this.#endReceive(handle, qp.spare, Status.WR_FLUSH_ERR, 0, 0);
  }

  /** Ends a receive without data. */
  #endReceive(qp: number, receive: ReceiveWork, status: number, sourceId: number, jobId: number): void {
    const completion = this.#completion;
    completion.wrIdLo = receive.wrIdLo;
    completion.wrIdHi = receive.wrIdHi;
    completion.status = status;
    completion.vendorStatus = 0;
    completion.opcode = CompletionOpcode.RECV;
    completion.byteLength = completion.remoteQpn = completion.path = 0;
    completion.hasImm = false;
    completion.sourceId = sourceId;
    completion.jobId = jobId;
    this.#core.services.completeReceive(qp, completion);
  }

  /** Receives were posted: a disabled resource index opens again, under a new generation. */
  receivesPosted(qp: LocalQueuePair): void {
    if (!qp.disabled) return;
    if (!qp.hasSpare && !this.#core.services.takeReceive(qp.config.qp, qp.spare)) return;
    qp.hasSpare = true;
    qp.disabled = false;
    qp.generation = (qp.generation + 1) & 0xff;
  }

  /** First packet of a message that is not under way. */
  #begin(context: DeliveryContext, packet: Packet, psn: number, at: number, payload: number): void {
    const request = this.#request;
    const { length } = request;
    // the packets of a READ change nothing here: each is judged alone
    const single = request.single || request.opcode === SesOpcode.READ;
    const code = this.#checks.check(context.path, payload);
    if (code !== 0) {
      this.#refuse(context, code, single);
      return;
    }
    const qp = this.#queuePairs.find(request.rel, request.pid, request.resource)!;
    if (request.opcode === SesOpcode.READ) {
      this.#read(context, psn);
      return;
    }
    if (request.opcode === SesOpcode.WRITE) {
      if (single) {
        const { region, regionOffset } = this.#reach;
        if (!this.#core.services.dma.place(region, regionOffset, packet, at, payload)) {
          this.#refuse(context, ReturnCode.UNCOR, single); // memory of a process that is gone
          return;
        }
        this.#core.count(EVENT.messages_received);
        if (request.hd) this.#raiseWrite(context, qp.config.qp, request, length);
        return;
      }
      const message = this.#open(context, qp);
      if (message === undefined) return;
      this.#placeWrite(context, message, packet, at, payload);
      return;
    }
    this.#beginSend(context, qp, packet, at, payload);
  }

  #beginSend(context: DeliveryContext, qp: LocalQueuePair, packet: Packet, at: number, payload: number): void {
    const { single } = this.#request;
    qp.hasSpare ||= this.#core.services.takeReceive(qp.config.qp, qp.spare);
    if (!qp.hasSpare) {
      if (!this.#keeps()) return;
      let code: number = ReturnCode.NO_MATCH;
      if (context.ordered) {
        // later messages must not overtake: the index stays shut until receives come
        qp.disabled = true;
        code = ReturnCode.DISABLED_GEN;
      }
      this.answer.generation = code === ReturnCode.DISABLED_GEN ? qp.generation : 0;
      this.#refuse(context, code, single);
      return;
    }
    const { spare } = qp;
    // an answer that must be kept is certain here: the receive stays while there is no room for it
    const isRefused = spare.status !== Status.SUCCESS || (single && this.#request.length > spare.length);
    if (isRefused && !this.#keeps()) return;
    const message = this.#open(context, qp);
    if (message === undefined) return; // the receive stays for the next message
    qp.hasSpare = false;
    message.receive.copyFrom(qp.spare);
    message.accepted = Math.min(message.total, message.receive.length);
    if (message.receive.status !== Status.SUCCESS) {
      this.#fail(message, message.receive.status);
      message.failed = ReturnCode.UNCOR;
    }
    this.#placeSend(context, message, packet, at, payload);
  }

  /** A further packet of a message under way. */
  #continue(context: DeliveryContext, message: InboundMessage, packet: Packet, at: number, payload: number): void {
    const request = this.#request;
    if (message.failed !== 0) {
      if (!message.answered && !this.#keeps()) return;
      this.#count(context, message, Math.max(request.piece, 0));
      this.answer.opcode = SesResponseOpcode.RESPONSE;
      this.answer.code = message.failed;
      this.answer.generation = message.generation;
      // one answer must arrive for certain; a message whose queue pair went away has had none yet
      this.answer.guaranteed = !message.answered;
      message.answered = true;
      return;
    }
    if (request.ver !== 0) return this.#breakOff(context, message, ReturnCode.UNCOR);
    if (request.opcode !== message.opcode || request.length !== message.total)
      return this.#breakOff(context, message, ReturnCode.OP_VIOLATION);
    if (request.keyLo !== message.keyLo || request.keyHi !== message.keyHi)
      return this.#breakOff(context, message, ReturnCode.PERM_VIOLATION);
    if (request.jobId !== message.jobId || request.resource !== message.resource || request.pid !== message.pid)
      return this.#breakOff(context, message, ReturnCode.PERM_VIOLATION);
    if (message.opcode === SesOpcode.SEND) {
      if (request.ie) return this.#breakOff(context, message, ReturnCode.INITIATOR_ERROR);
      if (!this.#checks.fits(request.length, request.at, request.piece, payload))
        return this.#breakOff(context, message, ReturnCode.OP_VIOLATION);
      this.#placeSend(context, message, packet, at, payload);
      return;
    }
    // the region may have gone since the first packet
    const code = this.#checks.check(context.path, payload);
    if (code !== 0) return this.#breakOff(context, message, code);
    this.#placeWrite(context, message, packet, at, payload);
  }

  #placeWrite(context: DeliveryContext, message: InboundMessage, packet: Packet, at: number, payload: number): void {
    const request = this.#request;
    const { region, regionOffset } = this.#reach;
    if (!this.#core.services.dma.place(region, regionOffset + request.at, packet, at, payload)) {
      this.#breakOff(context, message, ReturnCode.UNCOR);
      return;
    }
    this.#note(message);
    message.received += payload;
    this.answer.opcode = message.complete ? SesResponseOpcode.DEFAULT_RESPONSE : SesResponseOpcode.NO_RESPONSE;
    this.#finishIfComplete(context, message);
  }

  #placeSend(context: DeliveryContext, message: InboundMessage, packet: Packet, at: number, payload: number): void {
    const request = this.#request;
    if (message.failed !== 0) {
      this.#refuseOpen(context, message, message.failed);
      return;
    }
    const isCut = message.accepted < message.total && message.received + payload >= message.total;
    if (isCut && !this.#keeps()) return;
    const fitting = Math.max(0, Math.min(payload, message.accepted - request.at));
    if (fitting > 0 && !scatter(this.#core.services.dma, message.receive.segments, request.at, packet, at, fitting)) {
      this.#breakOff(context, message, ReturnCode.UNCOR);
      return;
    }
    this.#note(message);
    message.received += payload;
    this.answer.opcode = message.complete ? SesResponseOpcode.DEFAULT_RESPONSE : SesResponseOpcode.NO_RESPONSE;
    if (message.complete && message.accepted < message.total) {
      // truncated: the initiator is told how much there was room for
      this.answer.opcode = SesResponseOpcode.RESPONSE;
      this.answer.modifiedLength = message.accepted;
      this.answer.guaranteed = true;
    }
    this.#finishIfComplete(context, message);
  }

  /** Keeps what only the first packet says. */
  #note(message: InboundMessage): void {
    const request = this.#request;
    if (!request.som) return;
    message.hasImm = request.hd;
    message.immLo = request.immLo;
    message.immHi = request.immHi;
  }

  #finishIfComplete(context: DeliveryContext, message: InboundMessage): void {
    if (!message.complete) return;
    this.#core.count(EVENT.messages_received);
    if (message.opcode === SesOpcode.SEND) this.#raiseReceive(context, message);
    else if (message.hasImm) this.#raiseWrite(context, message.qp, message, message.total);
    this.#remove(context, message);
  }

  #raiseReceive(context: DeliveryContext, message: InboundMessage): void {
    const completion = this.#completion;
    const truncated = message.accepted < message.total;
    completion.wrIdLo = message.receive.wrIdLo;
    completion.wrIdHi = message.receive.wrIdHi;
    completion.status = truncated ? Status.LOC_LEN_ERR : Status.SUCCESS;
    completion.vendorStatus = ReturnCode.OK;
    completion.opcode = CompletionOpcode.RECV;
    completion.byteLength = message.accepted;
    completion.hasImm = message.hasImm;
    completion.immLo = message.immLo;
    completion.immHi = message.immHi;
    completion.remoteQpn = 0;
    completion.sourceId = message.initiator;
    completion.jobId = message.jobId;
    completion.path = context.path;
    this.#core.services.completeReceive(message.qp, completion);
  }

  /** @param said - what the first packet said: the packet itself, or the message that remembers it */
  #raiseWrite(context: DeliveryContext, qp: number, said: RequestFields | InboundMessage, length: number): void {
    const completion = this.#completion;
    completion.wrIdLo = completion.wrIdHi = 0;
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

  /** One READ request packet: data inside the answer, or queued for the return direction. */
  #read(context: DeliveryContext, psn: number): void {
    const request = this.#request;
    const { answer } = this;
    if (request.length === 0) return;
    const { region, regionOffset } = this.#reach;
    if (!this.#core.services.dma.readable(region, regionOffset + request.at, request.piece)) {
      this.#refuse(context, ReturnCode.UNCOR, true); // memory of a process that is gone
      return;
    }
    if (request.length <= this.#core.settings.maxAckData) {
      if (!this.#keeps()) return;
      answer.opcode = SesResponseOpcode.RESPONSE_W_DATA;
      answer.withData = answer.guaranteed = true;
      answer.small = request.small;
      answer.modifiedLength = request.length;
      answer.dataRegion = this.#reach.region;
      answer.dataOffset = this.#reach.regionOffset;
      answer.dataLength = request.length;
      return;
    }
    const returns = (context.returns ??= new ReturnQueue(context.rx.range, context.tx.slots));
    if (returns.full) {
      answer.nack = NackCode.NO_RESOURCE;
      return;
    }
    const { fields } = returns;
    const i = returns.add();
    fields.region[i] = this.#reach.region;
    fields.offset[i] = this.#reach.regionOffset + request.at;
    fields.length[i] = request.piece;
    fields.messageOffset[i] = request.at;
    fields.messageId[i] = request.messageId;
    fields.total[i] = request.length;
    fields.jobId[i] = request.jobId;
    fields.psn[i] = psn;
    fields.small[i] = request.small ? 1 : 0;
    this.#core.makeReady(context);
  }

  /** MSG_ERROR: the initiator ends a message early. */
  #abort(context: DeliveryContext, request: RequestFields): void {
    // it says how much was sent: packets that it has overtaken belong to this message and not to a new one
    let message = this.#find(context, request.messageId);
    if (message === undefined) {
      if (request.at === 0) return;
      message = this.#open(context, undefined);
      if (message === undefined) return;
    }
    if (message.failed === 0) {
      this.#fail(message, Status.REM_ABORT_ERR);
      message.failed = ReturnCode.CANCELLED;
    }
    message.total = Math.min(message.total, request.at);
    if (message.complete) this.#remove(context, message);
  }

  /** Refuses a message at its first packet; keeps a mark so that its other packets get the same answer. */
  #refuse(context: DeliveryContext, code: number, single: boolean): void {
    const { answer } = this;
    if (!this.#keeps()) return;
    this.#core.count(EVENT.refused_requests);
    if (!single) {
      const message = this.#open(context, undefined);
      if (message === undefined) return;
      message.failed = code;
      message.generation = answer.generation;
      this.#refuseOpen(context, message, code);
      return;
    }
    answer.opcode = SesResponseOpcode.RESPONSE;
    answer.code = code;
    answer.guaranteed = true;
  }

  /** A message under way turns out to be wrong. */
  #breakOff(context: DeliveryContext, message: InboundMessage, code: number): void {
    if (!this.#keeps()) return;
    this.#core.count(EVENT.refused_requests);
    this.#fail(message, code === ReturnCode.UNCOR ? Status.LOC_PROT_ERR : Status.REM_ABORT_ERR);
    message.failed = code;
    this.#refuseOpen(context, message, code);
  }

  #refuseOpen(context: DeliveryContext, message: InboundMessage, code: number): void {
    const { answer } = this;
    answer.opcode = SesResponseOpcode.RESPONSE;
    answer.code = code;
    answer.guaranteed = true;
    message.answered = true;
    this.#count(context, message, this.#request.piece);
  }

  /** Counts a packet of a failed message; after the last one nothing needs to be remembered. */
  #count(context: DeliveryContext, message: InboundMessage, piece: number): void {
    message.received += piece;
    if (message.complete) this.#remove(context, message);
  }

  /** Ends a receive in error, if the message had one. */
  #fail(message: InboundMessage, status: number): void {
    if (message.opcode !== SesOpcode.SEND || message.qp === 0 || message.failed !== 0) return;
    this.#endReceive(message.qp, message.receive, status, message.initiator, message.jobId);
  }

  /** The message under way that the packet belongs to. What fits one packet needs no id, so 0 is none there. */
  #known(context: DeliveryContext): InboundMessage | undefined {
    const request = this.#request;
    if (context.inbound === undefined || (request.messageId === 0 && request.single)) return undefined;
    return this.#find(context, request.messageId);
  }

  #find(context: DeliveryContext, messageId: number): InboundMessage | undefined {
    for (let one = context.inbound; one !== undefined; one = one.next) if (one.messageId === messageId) return one;
    return undefined;
  }

  /** The answer must be kept. Without room for it the packet is refused for now, and nothing may have changed. */
  #keeps(): boolean {
    if (this.#mayKeep) return true;
    this.answer.nack = NackCode.NO_GTD_DEL_AVAIL;
    return false;
  }

  /** State for a message; without room the packet is refused for now. */
  #open(context: DeliveryContext, qp: LocalQueuePair | undefined): InboundMessage | undefined {
    const request = this.#request;
    const { peer } = context;
    const { maxInboundPerPeer } = this.#core.settings;
    let message = peer.inbound < maxInboundPerPeer ? this.#pool.pop() : undefined;
    if (message === undefined) {
      if (peer.inbound >= maxInboundPerPeer || this.#made >= this.#core.settings.maxInboundMessages) {
        this.answer.nack = NackCode.NO_SES_MSG_AVAIL;
        return undefined;
      }
      this.#made++;
      message = new InboundMessage();
    }
    this.#live++;
    peer.inbound++;
    message.open(request.messageId, request.opcode, request.length);
    message.keyLo = request.keyLo;
    message.keyHi = request.keyHi;
    message.jobId = request.jobId;
    message.initiator = request.initiator;
    message.resource = request.resource;
    message.pid = request.pid;
    if (qp !== undefined) {
      message.qp = qp.config.qp;
    }
    message.next = context.inbound;
    context.inbound = message;
    return message;
  }

  #remove(context: DeliveryContext, message: InboundMessage): void {
    if (context.inbound === message) context.inbound = message.next;
    else {
      for (let one = context.inbound; one !== undefined; one = one.next) {
        if (one.next !== message) continue;
        one.next = message.next;
        break;
      }
    }
    this.#release(context, message);
  }

  #release(context: DeliveryContext, message: InboundMessage): void {
    message.next = undefined;
    this.#live--;
    context.peer.inbound--;
    this.#pool.push(message);
  }
}
