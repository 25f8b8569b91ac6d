/**
 * The receiving half of unreliable connections: whatever arrives whole and in order is delivered, the rest is lost, and
 * nobody is told.
 *
 * @spec IBTA vol. 1 §9.8.2
 */
import type { Packet } from '../../engine/packet.ts';
import { scatter } from '../../engine/scatter.ts';
import { Access, AccessFault, Status } from '../../engine/status.ts';
import { Reach } from '../../engine/work.ts';
import { IMM_DT_BYTES } from '../../wire/roce/extended.ts';
import { ROCE_ENDS, ROCE_IMMEDIATE, ROCE_SEND, ROCE_STARTS } from '../../wire/roce/opcodes.ts';
import type { Core } from './core.ts';
import { EVENT } from './drops.ts';
import { completeMessage, isSolicited } from './inbound.ts';
import { PSN_MASK, psnAdd } from './psn.ts';
import { Inbound, type QueuePair } from './queue-pair.ts';

export class UnreliableResponder {
  readonly #core: Core;
  readonly #reach = new Reach();

  constructor(core: Core) {
    this.#core = core;
    this.#reach.isProbe = true;
  }

  /** A packet of a message. @param header - bytes of headers @param payload - bytes behind them, without padding */
  receive(qp: QueuePair, packet: Packet, flags: number, header: number, payload: number): void {
    const core = this.#core;
    const rx = qp.responder;
    if (rx.hasFailed) return core.drop('state');
    const psn = packet.view.getUint32(packet.at + 8) & PSN_MASK;
    const starts = (flags & ROCE_STARTS) !== 0;
    const ends = (flags & ROCE_ENDS) !== 0;
    const inbound = (flags & ROCE_SEND) !== 0 ? Inbound.SEND : Inbound.WRITE;
    const isNext = psn === rx.expected;
    rx.hasReceived = true;
    rx.expected = psnAdd(psn, 1);
    if (starts) rx.inbound = Inbound.NONE;
    else if (!isNext || rx.inbound !== inbound) return this.#giveUp(qp, isNext ? 'message' : 'sequence');
    if (ends ? payload > qp.mtu || (!starts && payload === 0) : payload !== qp.mtu) return this.#giveUp(qp, 'length');
    if (inbound === Inbound.SEND) this.#send(qp, packet, flags, header, payload);
    else this.#writeData(qp, packet, flags, header, payload);
  }

  /** What has come of the message is forgotten; the receive waits for the next one. */
  #giveUp(qp: QueuePair, why: 'message' | 'sequence' | 'length' | 'no_receive'): void {
    qp.responder.inbound = Inbound.NONE;
    this.#core.drop(why);
  }

  #send(qp: QueuePair, packet: Packet, flags: number, header: number, payload: number): void {
    const core = this.#core;
    const rx = qp.responder;
    const { services } = core;
    if ((flags & ROCE_STARTS) !== 0) {
      if (!rx.hasReceive && !services.takeReceive(qp.config.qp, rx.receive)) return this.#giveUp(qp, 'no_receive');
      rx.hasReceive = true;
      rx.arrived = 0;
    }
    const { receive } = rx;
    let { status } = receive;
    if (status === Status.SUCCESS && rx.arrived + payload > receive.length) status = Status.LOC_LEN_ERR;
    if (
      status === Status.SUCCESS &&
      !scatter(services.dma, receive.segments, rx.arrived, packet, packet.at + header, payload)
    ) {
      status = Status.LOC_PROT_ERR;
    }
    if (status !== Status.SUCCESS) {
      core.drop('message');
      rx.hasFailed = true;
      return completeMessage(core, qp, status);
    }
    rx.arrived += payload;
    rx.inbound = Inbound.SEND;
    core.count(EVENT.received_requests);
    if ((flags & ROCE_ENDS) !== 0) this.#finishMessage(qp, packet, flags, header, false);
  }

  #writeData(qp: QueuePair, packet: Packet, flags: number, header: number, payload: number): void {
    const core = this.#core;
    const rx = qp.responder;
    const { services } = core;
    const { view, at } = packet;
    const ends = (flags & ROCE_ENDS) !== 0;
    const hasImmediate = (flags & ROCE_IMMEDIATE) !== 0;
    if ((flags & ROCE_STARTS) !== 0) rx.beginWrite(view, at);
    const arrived = rx.arrived + payload;
    if (ends ? arrived !== rx.total : arrived >= rx.total) return this.#giveUp(qp, 'length');
    if (hasImmediate && !rx.hasReceive) {
      if (!services.takeReceive(qp.config.qp, rx.receive)) return this.#giveUp(qp, 'no_receive');
      rx.hasReceive = true;
    }
    if (payload > 0 && !this.#place(qp, packet, at + header, payload)) return this.#giveUp(qp, 'message');
    rx.arrived = arrived;
    rx.inbound = Inbound.WRITE;
    if (ends && hasImmediate && rx.receive.status !== Status.SUCCESS) {
      core.drop('message');
      rx.hasFailed = true;
      return completeMessage(core, qp, rx.receive.status);
    }
    core.count(EVENT.received_requests);
    if (!ends) return;
    this.#finishMessage(qp, packet, flags, header, true);
  }

  /** Nobody is told of a WRITE that is not allowed, so it has no consequences but that. */
  #place(qp: QueuePair, packet: Packet, from: number, payload: number): boolean {
    const reach = this.#reach;
    const { config, responder: rx } = qp;
    const { services } = this.#core;
    reach.qp = config.qp;
    reach.pd = config.pd;
    reach.jobId = config.jobId;
    reach.keyLo = rx.key;
    reach.offset = rx.offset;
    reach.length = rx.total;
    reach.rights = Access.REMOTE_WRITE;
    if (!(rx.offset <= Number.MAX_SAFE_INTEGER) || services.reach(reach) !== AccessFault.NONE) return false;
    return services.dma.place(reach.region, reach.regionOffset + rx.arrived, packet, from, payload);
  }

  #finishMessage(qp: QueuePair, packet: Packet, flags: number, header: number, isWrite: boolean): void {
    const { completion } = qp.responder;
    const hasImmediate = (flags & ROCE_IMMEDIATE) !== 0;
    this.#core.count(EVENT.messages_received);
    qp.responder.inbound = Inbound.NONE;
    if (isWrite && !hasImmediate) return;
    completion.hasImm = hasImmediate;
    completion.immLo = hasImmediate ? packet.view.getUint32(packet.at + header - IMM_DT_BYTES) : 0;
    completion.solicited = isSolicited(packet);
    completeMessage(this.#core, qp, Status.SUCCESS, isWrite);
  }
}
