/**
 * The destination of idempotent requests (RUDI): executes each copy of a packet and answers it, and remembers nothing.
 *
 * @spec uet:pds/6.1 uet:pds/2.14
 */
import type { Packet } from '../../../engine/packet.ts';
import { byteLength } from '../../../wire/header.ts';
import {
  FLAG_M,
  FLAG_NT,
  FLAG_RETX,
  isNextHeaderAllowed,
  NackCode,
  NextHeader,
  PdsType,
  RudiPacket,
} from '../../../wire/uet/pds.ts';
import type { Core } from '../core.ts';
import { type DropName, EVENT } from '../drops.ts';
import { returnHeader, writeReturn } from '../ses/return-data.ts';
import type { Target } from '../ses/target.ts';
import { trimCode } from './acceptance.ts';
import { ECT, writeResponse } from './packets.ts';
import { ReturnFields } from './return-queue.ts';

const { pktId: idField } = RudiPacket;

export class RudiDestination {
  readonly #core: Core;
  readonly #target: Target;
  /** Answers that wait to leave, as a ring. What an answer says beside the data of a read: */
  readonly #data = new ReturnFields(SIZE);
  readonly #withData = new Uint8Array(SIZE);
  readonly #opcode = new Uint8Array(SIZE);
  readonly #code = new Uint8Array(SIZE);
  readonly #flags = new Uint8Array(SIZE);
  readonly #id = new Uint32Array(SIZE);
  readonly #path = new Float64Array(SIZE);
  readonly #entropy = new Int32Array(SIZE);
  #head = 0;
  #tail = 0;

  constructor(core: Core, target: Target) {
    this.#core = core;
    this.#target = target;
  }

  get empty(): boolean {
    return this.#head === this.#tail;
  }

  /** RUDI_REQ. */
  request(packet: Packet, nextHeader: number, flags: number): void {
    const core = this.#core;
    const { view, at, length } = packet;
    const id = idField.get(view, at);
    const copied = (flags & FLAG_RETX) | (packet.ecn === 3 ? FLAG_M : 0);
    if (packet.trimmed) return this.#refuse(packet, 'trimmed', trimCode(packet), id, copied);
    if (!isNextHeaderAllowed(PdsType.RUDI_REQ, nextHeader)) {
      return this.#refuse(packet, 'next_header', NackCode.PDC_HDR_MISMATCH, id, copied);
    }
    if (this.#tail - this.#head >= SIZE) return this.#refuse(packet, 'no_resource', NackCode.NO_RESOURCE, id, copied);
    const target = this.#target;
    if (!target.idempotent(packet, at + RUDI_BYTES, length - RUDI_BYTES, nextHeader)) {
      return this.#refuse(packet, 'next_header', NackCode.PDC_HDR_MISMATCH, id, copied);
    }
    core.count(EVENT.received_requests);
    const { answer } = target;
    const i = this.#tail++ & (SIZE - 1);
    this.#opcode[i] = answer.opcode;
    this.#code[i] = answer.code;
    this.#flags[i] = copied;
    this.#id[i] = id;
    this.#path[i] = packet.path;
    this.#entropy[i] = packet.entropy;
    this.#withData[i] = answer.withData ? 1 : 0;
    const data = this.#data;
    data.messageId[i] = answer.messageId;
    data.jobId[i] = answer.jobId;
    data.total[i] = answer.modifiedLength;
    data.region[i] = answer.dataRegion;
    data.offset[i] = answer.dataOffset;
    data.length[i] = answer.dataLength;
    data.messageOffset[i] = answer.messageOffset;
    data.psn[i] = id;
    data.small[i] = answer.small ? 1 : 0;
  }

  /** Fills `out` with the next answer; false when there is none. */
  transmit(out: Packet): boolean {
    if (this.empty) return false;
    const core = this.#core;
    const i = this.#head++ & (SIZE - 1);
    const data = this.#data;
    const withData = this.#withData[i] === 1;
    const { view, at } = out;
    out.path = this.#path[i]!;
    out.entropy = this.#entropy[i]!;
    out.control = !withData;
    const nextHeader = withData ? returnHeader(data, i) : NextHeader.RESPONSE;
    view.setUint32(at, ((PdsType.RUDI_RESP << 27) | (nextHeader << 23) | (this.#flags[i]! << 16)) >>> 0);
    idField.set(view, at, this.#id[i]!);
    const from = at + RUDI_BYTES;
    if (withData) {
      out.ecn = core.settings.ecn === 1 ? ECT : 0;
      out.length = RUDI_BYTES + writeReturn(core.services.dma, data, i, out, from);
    } else {
      const [code, total] = [this.#code[i]!, data.total[i]!];
      out.length =
        RUDI_BYTES + writeResponse(out, from, this.#opcode[i]!, code, data.messageId[i]!, 0, data.jobId[i]!, total);
    }
    core.count(EVENT.sent_acks);
    return true;
  }

  #refuse(packet: Packet, reason: DropName, code: number, id: number, flags: number): void {
    this.#core.drop(reason);
    this.#core.nack(packet, code, id, 0, 0, 0, flags | FLAG_NT);
  }
}

const RUDI_BYTES = byteLength(RudiPacket);
/** Answers that wait to leave at a time; beyond, requests are refused with NO_RESOURCE. */
const SIZE = 1024;
