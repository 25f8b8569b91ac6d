/** SEND to queue pairs that give their receives out in turn. @spec uet:ses/3.2 uet:ses/3.4 */
import type { Packet } from '../../../engine/packet.ts';
import { scatter } from '../../../engine/scatter.ts';
import { Status } from '../../../engine/status.ts';
import { ReturnCode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import type { LocalQueuePair } from '../queue-pairs.ts';
import type { InboundMessage } from './inbound-message.ts';
import type { InboundMessages } from './inbound-messages.ts';
import type { ReceiveCompletions } from './receive-completions.ts';

export class Sends {
  readonly #core: Core;
  readonly #inbound: InboundMessages;
  readonly #completions: ReceiveCompletions;

  constructor(core: Core, inbound: InboundMessages, completions: ReceiveCompletions) {
    this.#core = core;
    this.#inbound = inbound;
    this.#completions = completions;
  }

  /** The first packet of a message that is seen. */
  begin(context: DeliveryContext, qp: LocalQueuePair, packet: Packet, at: number, payload: number): void {
    const inbound = this.#inbound;
    const { request, answer } = inbound;
    const { single } = request;
    qp.hasSpare ||= this.#core.services.takeReceive(qp.config.qp, qp.spare);
    if (!qp.hasSpare) {
      if (!inbound.keeps()) return;
      let code: number = ReturnCode.NO_MATCH;
      if (context.ordered) {
        // later messages must not overtake: the index stays shut until receives come
        qp.disabled = true;
        code = ReturnCode.DISABLED_GEN;
      }
      answer.generation = code === ReturnCode.DISABLED_GEN ? qp.generation : 0;
      inbound.refuse(context, code, single);
      return;
    }
    const { spare } = qp;
    // an answer that must be kept is certain here: the receive stays while there is no room for it
    const isRefused = spare.status !== Status.SUCCESS || (single && request.length > spare.length);
    if (isRefused && !inbound.keeps()) return;
    const message = inbound.open(context, qp);
    if (message === undefined) return; // the receive stays for the next message
    qp.hasSpare = false;
    message.receive.copyPlace(qp.spare);
    message.accepted = Math.min(message.total, message.receive.length);
    if (message.receive.status !== Status.SUCCESS) {
      inbound.fail(message, message.receive.status);
      message.failed = ReturnCode.UNCOR;
    }
    this.place(context, message, packet, at, payload);
  }

  /** Any packet of a message that has its receive. */
  place(context: DeliveryContext, message: InboundMessage, packet: Packet, at: number, payload: number): void {
    const inbound = this.#inbound;
    const { request, answer } = inbound;
    if (message.failed !== 0) {
      inbound.refuseOpen(context, message, message.failed);
      return;
    }
    const isCut = message.accepted < message.total && message.received + payload >= message.total;
    if (isCut && !inbound.keeps()) return;
    const fitting = Math.max(0, Math.min(payload, message.accepted - request.at));
    const { segments } = message.receive;
    if (fitting > 0 && !scatter(this.#core.services.dma, segments, message.base + request.at, packet, at, fitting)) {
      inbound.breakOff(context, message, ReturnCode.UNCOR);
      return;
    }
    if (!inbound.arrived(message, payload)) return;
    if (message.accepted < message.total) {
      // truncated: the initiator is told how much there was room for
      answer.opcode = SesResponseOpcode.RESPONSE;
      answer.modifiedLength = message.accepted;
      answer.guaranteed = true;
    }
    this.#core.count(EVENT.messages_received);
    this.#completions.received(context, message);
    inbound.remove(context, message);
  }

  /** Receives were posted: a disabled resource index opens again, under a new generation. */
  receivesPosted(qp: LocalQueuePair): void {
    if (!qp.disabled) return;
    if (!qp.hasSpare && !this.#core.services.takeReceive(qp.config.qp, qp.spare)) return;
    qp.hasSpare = true;
    qp.disabled = false;
    qp.generation = (qp.generation + 1) & 0xff;
  }

  /** The queue pair goes away. */
  removed(qp: LocalQueuePair): void {
    if (!qp.hasSpare) return;
    qp.hasSpare = false;
    this.#completions.end(qp.config.qp, qp.spare, Status.WR_FLUSH_ERR);
  }
}
