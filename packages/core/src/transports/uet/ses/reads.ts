/** READ: data inside the answer, or queued for the return direction. @spec uet:ses/3.8 */
import { NackCode } from '../../../wire/uet/pds.ts';
import { ReturnCode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import { ReturnQueue } from '../pds/return-queue.ts';
import type { InboundMessages } from './inbound-messages.ts';

export class Reads {
  readonly #core: Core;
  readonly #inbound: InboundMessages;

  constructor(core: Core, inbound: InboundMessages) {
    this.#core = core;
    this.#inbound = inbound;
  }

  /**
   * One request packet: each is judged and answered alone.
   * @param exposure - of the memory, where that is open for one message only: then it counts when the data has arrived
   */
  execute(context: DeliveryContext, psn: number, exposure = 0): void {
    const { request, answer, reach } = this.#inbound;
    if (request.length === 0) return;
    const { region, regionOffset } = reach;
    if (!this.#core.services.dma.readable(region, regionOffset + request.at, request.piece)) {
      this.#inbound.refuse(context, ReturnCode.UNCOR, true); // memory of a process that is gone
      return;
    }
    if (request.length <= this.#core.settings.maxAckData && exposure === 0) {
      if (!this.#inbound.keeps()) return;
      answer.opcode = SesResponseOpcode.RESPONSE_W_DATA;
      answer.withData = answer.guaranteed = true;
      answer.small = request.small;
      answer.modifiedLength = request.length;
      answer.dataRegion = region;
      answer.dataOffset = regionOffset;
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
    fields.region[i] = region;
    fields.offset[i] = regionOffset + request.at;
    fields.length[i] = request.piece;
    fields.messageOffset[i] = request.at;
    fields.messageId[i] = request.messageId;
    fields.total[i] = request.length;
    fields.jobId[i] = request.jobId;
    fields.psn[i] = psn;
    fields.exposure[i] = exposure;
    fields.small[i] = request.small ? 1 : 0;
    this.#core.makeReady(context);
  }
}
