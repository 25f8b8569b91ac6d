/** WRITE, with and without completion data. @spec uet:ses/3.7 */
import type { Packet } from '../../../engine/packet.ts';
import { ReturnCode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import type { LocalQueuePair } from '../queue-pairs.ts';
import type { InboundMessage } from './inbound-message.ts';
import type { InboundMessages } from './inbound-messages.ts';
import type { ReceiveCompletions } from './receive-completions.ts';

export class Writes {
  readonly #core: Core;
  readonly #inbound: InboundMessages;
  readonly #completions: ReceiveCompletions;

  constructor(core: Core, inbound: InboundMessages, completions: ReceiveCompletions) {
    this.#core = core;
    this.#inbound = inbound;
    this.#completions = completions;
  }

  /** The first packet of a message that is seen; what it may reach was checked. */
  begin(context: DeliveryContext, qp: LocalQueuePair, packet: Packet, at: number, payload: number): void {
    const inbound = this.#inbound;
    const { request, reach } = inbound;
    if (request.single) {
      if (!this.#core.services.dma.place(reach.region, reach.regionOffset, packet, at, payload)) {
        inbound.refuse(context, ReturnCode.UNCOR, true); // memory of a process that is gone
        return;
      }
      this.#core.count(EVENT.messages_received);
      if (request.hd) this.#completions.written(context, qp.config.qp, request, request.length);
      return;
    }
    const message = inbound.open(context, qp);
    if (message !== undefined) this.place(context, message, packet, at, payload);
  }

  /** Any packet of a message under way; what it may reach was checked. */
  place(context: DeliveryContext, message: InboundMessage, packet: Packet, at: number, payload: number): void {
    const inbound = this.#inbound;
    const { region, regionOffset } = inbound.reach;
    if (!this.#core.services.dma.place(region, regionOffset + inbound.request.at, packet, at, payload)) {
      inbound.breakOff(context, message, ReturnCode.UNCOR);
      return;
    }
    if (!inbound.arrived(message, payload)) return;
    this.#core.count(EVENT.messages_received);
    if (message.hasImm) this.#completions.written(context, message.qp, message, message.total);
    inbound.remove(context, message);
  }
}
