/**
 * Datagrams (UUD): one packet, which arrives or does not. Nothing is acknowledged, repeated or remembered; a request is
 * complete when its packet has left, and what nobody takes is dropped and counted.
 *
 * Verbs programs know datagrams of kind UD, which have a queue key and tell the sender's queue pair. Both travel in the
 * match bits, which a datagram has no other use for: key in the low half, number in the high one.
 *
 * @spec uet:pds/6.2 uet:ses/3
 */
import { GRH_BYTES } from '../../../engine/engine.ts';
import { Packet } from '../../../engine/packet.ts';
import { gather, scatter } from '../../../engine/scatter.ts';
import { CompletionOpcode, Status, WorkOpcode } from '../../../engine/status.ts';
import { CompletionRecord, MAX_INLINE, SendWork } from '../../../engine/work.ts';
import { byteLength } from '../../../wire/header.ts';
import { NextHeader, PdsType, UudRequest } from '../../../wire/uet/pds.ts';
import { RequestMedium, RequestStd, SES_EOM, SES_HD, SES_REL, SES_SOM, SesOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { LocalQueuePair, QueuePairs } from '../queue-pairs.ts';
import { RequestFields } from '../ses/request-fields.ts';
import { domainOf } from '../tss/paths.ts';
import { ECT } from './packets.ts';

const { bufferOffset, initiator, memoryKey, headerData, requestLength } = RequestStd;

export class Datagrams {
  readonly #core: Core;
  readonly #queuePairs: QueuePairs;
  readonly #work = new SendWork();
  readonly #request = new RequestFields();
  readonly #completion = new CompletionRecord();
  readonly #grh = new Packet(new Uint8Array(GRH_BYTES));
  /** Queue pairs that may have something to send. */
  readonly #ready: LocalQueuePair[] = [];
  /** Memory for inline data; taken when the first datagram leaves. */
  #inlineRegion = 0;
  #inlinePlace = 0;

  constructor(core: Core, queuePairs: QueuePairs) {
    this.#core = core;
    this.#queuePairs = queuePairs;
  }

  end(): void {
    if (this.#inlineRegion !== 0) this.#core.services.dma.detach(this.#inlineRegion);
  }

  wake(qp: LocalQueuePair): void {
    if (qp.queued) return;
    qp.queued = true;
    this.#ready.push(qp);
  }

  remove(qp: LocalQueuePair): void {
    const i = this.#ready.indexOf(qp);
    if (i >= 0) this.#ready.splice(i, 1);
    qp.queued = false;
  }

  /** Fills `out` with the next datagram; false when there is none. */
  transmit(out: Packet): boolean {
    while (this.#ready.length > 0) {
      this.#inlineRegion ||= this.#core.services.dma.attach({
        bytes: new Uint8Array(INLINE_PLACES * MAX_INLINE),
        address: 0,
      });
      const qp = this.#ready[0]!;
      for (;;) {
        const work = this.#work;
        work.inlineRegion = this.#inlineRegion;
        // hosts gather up to a batch of packets later: the bytes of the last ones must stay
        work.inlineOffset = this.#inlinePlace * MAX_INLINE;
        if (!this.#core.services.takeSend(qp.config.qp, work)) break;
        this.#inlinePlace = (this.#inlinePlace + 1) % INLINE_PLACES;
        const status = this.#write(qp, out);
        this.#finish(qp, status);
        if (status === Status.SUCCESS) return true;
        out.reset();
      }
      this.#ready.shift();
      qp.queued = false;
    }
    return false;
  }

  /** UUD_REQ. */
  receive(packet: Packet, nextHeader: number): void {
    const core = this.#core;
    const { services, config } = core;
    const request = this.#request;
    const { view, at } = packet;
    if (packet.trimmed) return core.drop('trimmed');
    if (nextHeader !== NextHeader.REQUEST_STD && nextHeader !== NextHeader.REQUEST_MEDIUM)
      return core.drop('next_header');
    const room = packet.length - UUD_BYTES;
    if (!request.decode(view, at + UUD_BYTES, room, nextHeader, config.payloadMtu)) return core.drop('next_header');
    const payload = room - request.headerBytes;
    const { ver, opcode, ie, som, length } = request;
    if (ver !== 0 || !isDatagram(opcode) || ie || !som || length !== payload) return core.drop('datagram');
    if (payload > config.payloadMtu) return core.drop('datagram');
    const qp = this.#queuePairs.find(request.rel, request.pid, request.resource);
    if (qp === undefined || qp.config.type !== 'UD') return core.drop('datagram');
    const { jobId, domain = 0 } = qp.config;
    if (domain !== domainOf(packet.path) || (jobId !== 0 && jobId !== request.jobId)) return core.drop('datagram');
    if (request.keyLo !== qp.config.attributes.qkey >>> 0) return core.drop('qkey');
    qp.hasSpare ||= services.takeReceive(qp.config.qp, qp.spare);
    if (!qp.hasSpare) return core.drop('no_receive');
    const { spare } = qp;
    const total = GRH_BYTES + payload;
    // what does not fit is lost; the receive waits for the next one
    if (spare.status === Status.SUCCESS && total > spare.length) return core.drop('datagram');
    let { status } = spare;
    if (status === Status.SUCCESS && !this.#place(qp, packet, at + packet.length - payload, payload)) {
      status = Status.LOC_PROT_ERR;
    }
    qp.hasSpare = false;
    this.#received(qp, packet, status, total);
  }

  #place(qp: LocalQueuePair, packet: Packet, from: number, payload: number): boolean {
    const { services } = this.#core;
    services.route(packet.path, this.#grh.bytes);
    return (
      scatter(services.dma, qp.spare.segments, 0, this.#grh, 0, GRH_BYTES) &&
      scatter(services.dma, qp.spare.segments, GRH_BYTES, packet, from, payload)
    );
  }

  #received(qp: LocalQueuePair, packet: Packet, status: number, total: number): void {
    const core = this.#core;
    const request = this.#request;
    const completion = this.#completion;
    const isWhole = status === Status.SUCCESS;
    if (isWhole) {
      core.count(EVENT.received_requests);
      core.count(EVENT.messages_received);
    }
    completion.wrIdLo = qp.spare.wrIdLo;
    completion.wrIdHi = qp.spare.wrIdHi;
    completion.status = status;
    completion.vendorStatus = 0;
    completion.opcode = CompletionOpcode.RECV;
    completion.byteLength = isWhole ? total : 0;
    completion.hasGrh = isWhole;
    completion.hasImm = isWhole && request.hd;
    completion.immLo = request.immLo;
    completion.immHi = request.immHi;
    completion.remoteQpn = request.keyHi;
    completion.sourceId = request.initiator;
    completion.jobId = request.jobId;
    completion.path = packet.path;
    core.services.completeReceive(qp.config.qp, completion);
  }

  /** @returns a status */
  #write({ config }: LocalQueuePair, out: Packet): number {
    const core = this.#core;
    const work = this.#work;
    const { status, opcode, length, remoteQpn } = work;
    if (status !== Status.SUCCESS) return status;
    const hasImm = opcode === WorkOpcode.SEND_WITH_IMM;
    if (!hasImm && opcode !== WorkOpcode.SEND) return Status.LOC_QP_OP_ERR;
    if (work.jobId === 0) return Status.LOC_ACCESS_ERR;
    if (length > core.config.payloadMtu) return Status.LOC_LEN_ERR;
    const { view } = out;
    const at = out.at + UUD_BYTES;
    const isShort = core.settings.shortHeaders === 1;
    const header = isShort ? NextHeader.REQUEST_MEDIUM : NextHeader.REQUEST_STD;
    view.setUint32(out.at, ((PdsType.UUD_REQ << 27) | (header << 23)) >>> 0);
    const flags = SES_EOM | SES_SOM | (hasImm ? SES_HD : 0) | ((remoteQpn & ABSOLUTE) === 0 ? SES_REL : 0);
    view.setUint32(at, (SesOpcode.DATAGRAM_SEND << 24) | (flags << 16) | (isShort ? length : 0));
    view.setUint32(at + 4, work.jobId);
    view.setUint32(at + 8, ((remoteQpn & 0xfff) << 16) | ((remoteQpn >>> 12) & 0xfff));
    // MEDIUM has completion data where STD has the offset, and ends behind the match bits
    bufferOffset.hi.set(view, at, isShort && hasImm ? work.immHi : 0);
    bufferOffset.lo.set(view, at, isShort && hasImm ? work.immLo : 0);
    initiator.set(view, at, config.sourceId);
    // a key with the top bit set is privileged: it stands for the one of the queue pair
    const key = work.qkey >>> 31 === 1 ? config.attributes.qkey : work.qkey;
    memoryKey.hi.set(view, at, config.qpn >>> 0);
    memoryKey.lo.set(view, at, key >>> 0);
    if (!isShort) {
      headerData.hi.set(view, at, hasImm ? work.immHi : 0);
      headerData.lo.set(view, at, hasImm ? work.immLo : 0);
      requestLength.set(view, at, length);
    }
    out.length = UUD_BYTES + (isShort ? MEDIUM_BYTES : STD_BYTES);
    out.path = work.path;
    out.entropy = config.qp % core.config.entropies;
    out.ecn = core.settings.ecn === 1 ? ECT : 0;
    core.count(EVENT.sent_requests);
    return length === 0 || gather(core.services.dma, work.segments, 0, out, length)
      ? Status.SUCCESS
      : Status.LOC_PROT_ERR;
  }

  #finish({ config }: LocalQueuePair, status: number): void {
    const core = this.#core;
    const work = this.#work;
    const completion = this.#completion;
    completion.wrIdLo = work.wrIdLo;
    completion.wrIdHi = work.wrIdHi;
    completion.status = status;
    completion.vendorStatus = 0;
    completion.opcode = CompletionOpcode.SEND;
    completion.byteLength = status === Status.SUCCESS ? work.length : 0;
    completion.hasImm = completion.hasGrh = false;
    completion.remoteQpn = work.remoteQpn;
    completion.sourceId = 0;
    completion.jobId = work.jobId;
    completion.path = work.path;
    if (status === Status.SUCCESS) core.count(EVENT.messages_sent);
    core.services.completeSend(config.qp, work.signaled, completion);
  }
}

/** SEND is what some senders put there. @spec uet:ses/9 D-14 */
const isDatagram = (opcode: number): boolean => opcode === SesOpcode.DATAGRAM_SEND || opcode === SesOpcode.SEND;

const UUD_BYTES = byteLength(UudRequest);
const STD_BYTES = byteLength(RequestStd);
const MEDIUM_BYTES = byteLength(RequestMedium);
const ABSOLUTE = 0x8000_0000 | 0;
/** Inline data of this many datagrams stays until hosts have gathered it; more than the batch of any host. */
const INLINE_PLACES = 1024;
