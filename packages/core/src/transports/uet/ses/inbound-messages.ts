/**
 * The messages that are arriving, and the answers to those that fail: what all operations of a target share while it
 * executes one packet. @spec uet:ses/1.4 uet:ses/2.9 uet:ses/8
 */
import { Status } from '../../../engine/status.ts';
import { Reach } from '../../../engine/work.ts';
import { NackCode } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import type { LocalQueuePair } from '../queue-pairs.ts';
import { Answer } from './answer.ts';
import { InboundMessage } from './inbound-message.ts';
import { RequestFields } from './request-fields.ts';

export class InboundMessages {
  readonly answer = new Answer();
  /** The request at hand. */
  readonly request = new RequestFields();
  /** Where its bytes are, once that was checked. */
  readonly reach = new Reach();
  readonly #core: Core;
  readonly #ended: (message: InboundMessage, status: number) => void;
  readonly #pool: InboundMessage[] = [];
  #made = 0;
  #live = 0;
  /** There is room to keep a guaranteed answer. */
  #mayKeep = true;

  /** @param ended - told of a message that fails for the first time, to end its receive */
  constructor(core: Core, ended: (message: InboundMessage, status: number) => void) {
    this.#core = core;
    this.#ended = ended;
  }

  /** Incomplete messages. */
  get size(): number {
    return this.#live;
  }

  /** A new request is at hand. */
  begin(context: DeliveryContext): void {
    this.answer.reset(this.request.messageId, this.request.jobId);
    this.#mayKeep = !context.rx.storeFull;
  }

  /** The message under way that the packet belongs to. What fits one packet needs no id, so 0 is none there. */
  known(context: DeliveryContext): InboundMessage | undefined {
    const { request } = this;
    if (context.inbound === undefined || (request.messageId === 0 && request.single)) return undefined;
    return this.find(context, request.messageId);
  }

  find(context: DeliveryContext, messageId: number): InboundMessage | undefined {
    for (let one = context.inbound; one !== undefined; one = one.next) if (one.messageId === messageId) return one;
    return undefined;
  }

  /** State for a message; without room the packet is refused for now. */
  open(context: DeliveryContext, qp: LocalQueuePair | undefined): InboundMessage | undefined {
    const { request } = this;
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
      message.matching = qp.matching;
    }
    message.next = context.inbound;
    context.inbound = message;
    return message;
  }

  remove(context: DeliveryContext, message: InboundMessage): void {
    if (context.inbound === message) context.inbound = message.next;
    else {
      for (let one = context.inbound; one !== undefined; one = one.next) {
        if (one.next !== message) continue;
        one.next = message.next;
        break;
      }
    }
    this.release(context, message);
  }

  release(context: DeliveryContext, message: InboundMessage): void {
    message.next = undefined;
    this.#live--;
    context.peer.inbound--;
    this.#pool.push(message);
  }

  /** The answer must be kept. Without room for it the packet is refused for now, and nothing may have changed. */
  keeps(): boolean {
    if (this.#mayKeep) return true;
    this.answer.nack = NackCode.NO_GTD_DEL_AVAIL;
    return false;
  }

  /** Refuses a message at its first packet; keeps a mark so that its other packets get the same answer. */
  refuse(context: DeliveryContext, code: number, single: boolean): void {
    const { answer } = this;
    if (!this.keeps()) return;
    this.#core.count(EVENT.refused_requests);
    if (!single) {
      const message = this.open(context, undefined);
      if (message === undefined) return;
      message.failed = code;
      message.generation = answer.generation;
      this.refuseOpen(context, message, code);
      return;
    }
    answer.opcode = SesResponseOpcode.RESPONSE;
    answer.code = code;
    answer.guaranteed = true;
  }

  /** A message under way turns out to be wrong. */
  breakOff(context: DeliveryContext, message: InboundMessage, code: number): void {
    if (!this.keeps()) return;
    this.#core.count(EVENT.refused_requests);
    this.fail(message, code === ReturnCode.UNCOR ? Status.LOC_PROT_ERR : Status.REM_ABORT_ERR);
    message.failed = code;
    this.refuseOpen(context, message, code);
  }

  refuseOpen(context: DeliveryContext, message: InboundMessage, code: number): void {
    const { answer } = this;
    answer.opcode = SesResponseOpcode.RESPONSE;
    answer.code = code;
    answer.guaranteed = true;
    message.answered = true;
    this.#count(context, message, this.request.piece);
  }

  /** A further packet of a message that failed: the same code again. */
  refuseAgain(context: DeliveryContext, message: InboundMessage): void {
    const { answer } = this;
    if (!message.answered && !this.keeps()) return;
    this.#count(context, message, Math.max(this.request.piece, 0));
    answer.opcode = SesResponseOpcode.RESPONSE;
    answer.code = message.failed;
    answer.generation = message.generation;
    // one answer must arrive for certain; a message whose queue pair went away has had none yet
    answer.guaranteed = !message.answered;
    message.answered = true;
  }

  /** Ends a receive in error, if the message had one. */
  fail(message: InboundMessage, status: number): void {
    if (message.qp !== 0 && message.failed === 0) this.#ended(message, status);
  }

  /** Counts payload of a message; says so when all of it is here. */
  arrived(message: InboundMessage, payload: number): boolean {
    const { request, answer } = this;
    if (request.som) {
      // only the first packet says this
      message.hasImm = request.hd;
      message.immLo = request.immLo;
      message.immHi = request.immHi;
    }
    message.received += payload;
    const isComplete = message.complete;
    answer.opcode = isComplete ? SesResponseOpcode.DEFAULT_RESPONSE : SesResponseOpcode.NO_RESPONSE;
    return isComplete;
  }

  /** Counts a packet of a failed message; after the last one nothing needs to be remembered. */
  #count(context: DeliveryContext, message: InboundMessage, piece: number): void {
    message.received += piece;
    if (message.complete) this.remove(context, message);
  }
}
