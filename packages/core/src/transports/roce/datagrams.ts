/** UD and GSI queue pairs: datagrams of one packet, to and from anybody who knows the queue key. @spec IBTA vol. 1 §9.8.3 */
import { GRH_BYTES } from '../../engine/engine.ts';
import { Packet } from '../../engine/packet.ts';
import { gather, scatter } from '../../engine/scatter.ts';
import { CompletionOpcode, Status, WorkOpcode } from '../../engine/status.ts';
import { CompletionRecord } from '../../engine/work.ts';
import { BTH_BYTES } from '../../wire/roce/bth.ts';
import { DETH_BYTES, Deth, IMM_DT_BYTES } from '../../wire/roce/extended.ts';
import { ROCE_IMMEDIATE, RoceOpcode } from '../../wire/roce/opcodes.ts';
import type { Core } from './core.ts';
import { EVENT } from './drops.ts';
import { isSolicited } from './inbound.ts';
import { ECT, firstWord, SOLICITED, writeBth } from './packets.ts';
import { PSN_MASK } from './psn.ts';
import type { QueuePair } from './queue-pair.ts';
import type { Request } from './request.ts';

const { qkey, sourceQp } = Deth;

export class Datagrams {
  readonly #core: Core;
  readonly #grh = new Packet(new Uint8Array(GRH_BYTES));
  readonly #completion = new CompletionRecord();
  readonly #pkey: number;
  readonly #ecn: number;

  constructor(core: Core) {
    this.#core = core;
    this.#pkey = core.settings.pkey;
    this.#ecn = core.settings.ecn === 1 ? ECT : 0;
  }

  /** Sends the next datagram of a queue pair; it is complete when it has left. @returns false when there is none */
  transmit(qp: QueuePair, out: Packet): boolean {
    const core = this.#core;
    const tx = qp.requester;
    for (;;) {
      const request = core.requests.take();
      if (request === undefined) {
        core.starved.add(qp);
        return false;
      }
      if (!core.services.takeSend(qp.config.qp, request)) {
        core.requests.give(request);
        return false;
      }
      tx.hasSent = true;
      const status = this.#write(qp, request, out);
      this.#finish(qp, request, status);
      if (status === Status.SUCCESS) {
        tx.base = tx.cursor = tx.top = (tx.cursor + 1) & PSN_MASK;
        core.count(EVENT.sent_requests);
        return true;
      }
      out.reset();
    }
  }

  /** @returns a status */
  #write(qp: QueuePair, request: Request, out: Packet): number {
    const { status, opcode, length, path } = request;
    if (status !== Status.SUCCESS) return status;
    const hasImmediate = opcode === WorkOpcode.SEND_WITH_IMM;
    if (!hasImmediate && opcode !== WorkOpcode.SEND) return Status.LOC_QP_OP_ERR;
    if (length > qp.mtu) return Status.LOC_LEN_ERR;
    const pad = -length & 3;
    const code = hasImmediate ? RoceOpcode.UD_SEND_ONLY_IMMEDIATE : RoceOpcode.UD_SEND_ONLY;
    const first = firstWord(code, request.solicited ? SOLICITED : 0, pad, this.#pkey);
    writeBth(out, first, request.remoteQpn & PSN_MASK, qp.requester.cursor & PSN_MASK);
    const { view } = out;
    // a key with the top bit set is privileged: it stands for the one of the queue pair
    const key = request.qkey >>> 31 === 1 ? qkeyOf(qp) : request.qkey;
    qkey.set(view, out.at + BTH_BYTES, key);
    view.setUint32(out.at + BTH_BYTES + 4, qp.qpn);
    out.length += DETH_BYTES;
    if (hasImmediate) {
      view.setUint32(out.at + out.length, request.immLo);
      out.length += IMM_DT_BYTES;
    }
    out.path = path;
    out.entropy = qp.entropy;
    out.padding = pad;
    out.ecn = this.#ecn;
    return length === 0 || gather(this.#core.services.dma, request.segments, 0, out, length)
      ? Status.SUCCESS
      : Status.LOC_PROT_ERR;
  }

  #finish({ config }: QueuePair, request: Request, status: number): void {
    const core = this.#core;
    const completion = this.#completion;
    completion.wrIdLo = request.wrIdLo;
    completion.wrIdHi = request.wrIdHi;
    completion.status = status;
    completion.opcode = CompletionOpcode.SEND;
    completion.byteLength = request.length;
    completion.remoteQpn = request.remoteQpn;
    completion.path = request.path;
    completion.jobId = config.jobId;
    const { signaled } = request;
    core.requests.give(request);
    if (status === Status.SUCCESS) core.count(EVENT.messages_sent);
    core.services.completeSend(config.qp, signaled, completion);
  }

  /** A datagram arrived. */
  receive(qp: QueuePair, packet: Packet, flags: number, header: number, payload: number): void {
    const core = this.#core;
    const rx = qp.responder;
    const { services } = core;
    const { view, at } = packet;
    const source = sourceQp.get(view, at + BTH_BYTES);
    if (qkey.get(view, at + BTH_BYTES) !== qkeyOf(qp)) return core.drop('qkey');
    if (payload > qp.mtu) return core.drop('length');
    if (!rx.hasReceive && !services.takeReceive(qp.config.qp, rx.receive)) return core.drop('no_receive');
    const { receive, completion } = rx;
    rx.hasReceive = true;
    const total = GRH_BYTES + payload;
    // what does not fit is lost; the receive waits for the next one
    if (receive.status === Status.SUCCESS && total > receive.length) return core.drop('length');
    let { status } = receive;
    if (status === Status.SUCCESS) {
      const grh = this.#grh;
      services.route(packet.path, grh.bytes);
      const fits =
        scatter(services.dma, receive.segments, 0, grh, 0, GRH_BYTES) &&
        scatter(services.dma, receive.segments, GRH_BYTES, packet, at + header, payload);
      if (!fits) status = Status.LOC_PROT_ERR;
    }
    const isWhole = status === Status.SUCCESS;
    rx.hasReceive = false;
    completion.wrIdLo = receive.wrIdLo;
    completion.wrIdHi = receive.wrIdHi;
    completion.status = status;
    completion.opcode = CompletionOpcode.RECV;
    completion.byteLength = isWhole ? total : 0;
    completion.hasGrh = isWhole;
    completion.hasImm = isWhole && (flags & ROCE_IMMEDIATE) !== 0;
    completion.immLo = completion.hasImm ? view.getUint32(at + header - IMM_DT_BYTES) : 0;
    completion.solicited = isWhole && isSolicited(packet);
    completion.remoteQpn = source;
    completion.path = packet.path;
    completion.jobId = qp.config.jobId;
    if (isWhole) {
      core.count(EVENT.received_requests);
      core.count(EVENT.messages_received);
    } else core.drop('message');
    services.completeReceive(qp.config.qp, completion);
  }
}

/** Datagrams must name it. The general services queue pair has one that all know. */
const qkeyOf = ({ config }: QueuePair): number => (config.type === 'GSI' ? GSI_QKEY : config.attributes.qkey >>> 0);

/** @spec IBTA vol. 1 §10.2.5 */
const GSI_QKEY = 0x8001_0000;
