/**
 * The source of idempotent requests (RUDI): each packet is on its own, is sent until it is answered, and may be executed
 * more than once. There is no context, no order and no window of the peer; a table of packets bounds what is out.
 *
 * @spec uet:pds/6.1 uet:pds/2.14
 */
import type { Packet } from '../../../engine/packet.ts';
import { scatter } from '../../../engine/scatter.ts';
import { Status } from '../../../engine/status.ts';
import { type Nanos, NEVER } from '../../../engine/time.ts';
import { byteLength } from '../../../wire/header.ts';
import { FLAG_M, FLAG_RETX, Nack, NextHeader, PdsType, RudiPacket, sesLength } from '../../../wire/uet/pds.ts';
import { Response, ResponseData, ResponseDataSmall, SesOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import { returnCode } from '../return-codes.ts';
import type { Initiator } from '../ses/initiator.ts';
import type { Message } from '../ses/message.ts';
import { nackRow } from './nacks.ts';
import { ECT } from './packets.ts';
import { Kind } from './send-window.ts';

const { pktId: idField } = RudiPacket;
const State = { FREE: 0, OUT: 1, LOST: 2, REFUSED: 3 } as const;

export class RudiSource {
  readonly #core: Core;
  readonly #initiator: Initiator;
  readonly #size: number;
  readonly #state: Uint8Array;
  readonly #id: Uint32Array;
  readonly #ref: Int32Array;
  readonly #offset: Float64Array;
  readonly #length: Uint16Array;
  readonly #tries: Uint8Array;
  readonly #refusals: Uint8Array;
  readonly #due: Float64Array;
  readonly #free: Int32Array;
  #freeCount: number;
  #lost = 0;
  /** Messages with packets that have not left, as a list through the message table. */
  #head = -1;
  #tail = -1;
  readonly #perPath = new Map<number, number>();
  #nextDue: Nanos = NEVER;
  #nextMessageId = 1;

  constructor(core: Core, initiator: Initiator) {
    this.#core = core;
    this.#initiator = initiator;
    const size = core.settings.rudiPackets;
    this.#size = size;
    this.#state = new Uint8Array(size);
    this.#id = new Uint32Array(size);
    this.#ref = new Int32Array(size);
    this.#offset = new Float64Array(size);
    this.#length = new Uint16Array(size);
    this.#tries = new Uint8Array(size);
    this.#refusals = new Uint8Array(size);
    this.#due = new Float64Array(size);
    this.#free = Int32Array.from({ length: size }, (_, i) => size - 1 - i);
    this.#freeCount = size;
  }

  /** Packets without an answer. */
  get outstanding(): number {
    return this.#size - this.#freeCount;
  }

  get quiet(): boolean {
    return this.#head < 0 && this.outstanding === 0;
  }

  get deadline(): Nanos {
    return this.#nextDue;
  }

  /** Takes a message over: a write without notice, or a read. */
  enqueue(message: Message): void {
    const { messages } = this.#initiator;
    this.#core.count(EVENT.idempotent_requests);
    message.messageId = message.header === NextHeader.REQUEST_STD ? this.#nextMessageId : 0;
    this.#nextMessageId = this.#nextMessageId >= MAX_MESSAGE_ID ? 1 : this.#nextMessageId + 1;
    message.generation = 0;
    message.next = -1;
    if (this.#tail < 0) this.#head = message.index;
    else messages.at(this.#tail).next = message.index;
    this.#tail = message.index;
  }

  /** Fills `out` with the next packet; false when there is none now. */
  transmit(now: Nanos, out: Packet): boolean {
    if (this.#lost > 0) {
      const i = this.#state.indexOf(State.LOST);
      this.#lost--;
      this.#core.count(EVENT.retransmitted_packets);
      this.#write(now, out, i, FLAG_RETX);
      return true;
    }
    if (this.#head < 0 || this.#freeCount === 0) return false;
    const message = this.#next();
    if (message === undefined) return false;
    const i = this.#free[--this.#freeCount]!;
    const { path } = message.work;
    this.#perPath.set(path, (this.#perPath.get(path) ?? 0) + 1);
    // not a sequence number: whoever answers must have seen it
    this.#id[i] = Math.floor(this.#core.services.random() * 0x1_0000) * 0x1_0000 + i;
    this.#ref[i] = message.index;
    this.#offset[i] = message.sent * this.#core.config.payloadMtu;
    this.#length[i] = Math.min(this.#core.config.payloadMtu, message.work.length - this.#offset[i]!);
    this.#tries[i] = this.#refusals[i] = 0;
    message.sent++;
    message.unacked++;
    if (message.sent === message.packets) this.#unlink(message);
    this.#core.count(EVENT.sent_requests);
    this.#write(now, out, i, 0);
    return true;
  }

  /** RUDI_RESP. What matches no packet is an answer to one that was answered before. */
  response(packet: Packet, nextHeader: number, flags: number): void {
    const core = this.#core;
    if (nextHeader < NextHeader.RESPONSE || nextHeader > NextHeader.RESPONSE_DATA_SMALL)
      return core.drop('next_header');
    const header = sesLength(nextHeader);
    if (packet.trimmed) return core.drop('trimmed');
    if (packet.length < RUDI_BYTES + header) return core.drop('next_header');
    const i = this.#find(packet, idField.get(packet.view, packet.at));
    if (i < 0) return core.drop('rudi');
    const { view } = packet;
    const at = packet.at + RUDI_BYTES;
    const message = this.#initiator.messages.at(this.#ref[i]!);
    const row = returnCode(Response.returnCode.get(view, at));
    const isRead = message.sesOpcode === SesOpcode.READ && message.work.length > 0;
    if (row.reaction === 'complete' && isRead) {
      if (!this.#takeData(i, message, packet, at, nextHeader)) return core.drop('response');
    }
    core.count(EVENT.received_acks);
    if ((flags & FLAG_M) !== 0) core.count(EVENT.marks);
    this.#release(i);
    message.unacked--;
    if (row.reaction !== 'complete') this.#fail(message, row.status, Response.returnCode.get(view, at));
    else if (message.status !== Status.SUCCESS) this.#fail(message, message.status, message.vendorStatus);
    else if (message.unacked === 0 && message.sent === message.packets) this.#initiator.finish(message);
  }

  /** NACK with `nt`: an early sign that a packet was lost, or will never do. */
  refusal(now: Nanos, packet: Packet): void {
    const core = this.#core;
    const { view, at } = packet;
    const i = this.#find(packet, Nack.nackPsn.get(view, at));
    if (i < 0) return core.drop('nack_range');
    const code = Nack.nackCode.get(view, at);
    const { reaction } = nackRow(code);
    if (reaction === 'ignore' || reaction === 'later' || reaction === 'repeatRead') return core.drop('nack_code');
    core.count(EVENT.received_nacks);
    const message = this.#initiator.messages.at(this.#ref[i]!);
    if (reaction !== 'resend' && reaction !== 'resendNow') return this.#fail(message, Status.REM_OP_ERR, code);
    if (this.#state[i] !== State.OUT) return;
    const { maxNackRetries, nackRetx } = core.settings;
    const tries = ++this.#refusals[i]!;
    if (tries > maxNackRetries && maxNackRetries < NO_NACK_LIMIT)
      return this.#fail(message, Status.RETRY_EXC_ERR, code);
    if (reaction === 'resendNow') return this.#lose(i);
    this.#state[i] = State.REFUSED;
    this.#setDue(i, now + Math.min(nackRetx * 2 ** (tries - 1), MAX_WAIT));
  }

  expire(now: Nanos): void {
    if (now < this.#nextDue) return;
    const core = this.#core;
    const { maxRtoRetries } = core.settings;
    this.#nextDue = NEVER;
    for (let i = 0; i < this.#size; i++) {
      const state = this.#state[i]!;
      if (state !== State.OUT && state !== State.REFUSED) continue;
      if (this.#due[i]! > now) {
        this.#nextDue = Math.min(this.#nextDue, this.#due[i]!);
        continue;
      }
      if (state === State.OUT) {
        core.count(EVENT.timeouts);
        core.count(EVENT.lost_packets);
        if (this.#tries[i]! >= maxRtoRetries && maxRtoRetries < NO_RTO_LIMIT) {
          this.#fail(this.#initiator.messages.at(this.#ref[i]!), Status.RETRY_EXC_ERR, 0);
          continue;
        }
        if (this.#tries[i]! < 255) this.#tries[i]!++;
      }
      this.#lose(i);
    }
  }

  /** The queue pair goes away: its requests are flushed. */
  removeQueuePair(qp: number): void {
    for (const message of [...this.#initiator.messages.live()].sort((a, b) => a.sequence - b.sequence)) {
      if (message.idempotent && message.qp === qp) this.#fail(message, Status.WR_FLUSH_ERR, 0);
    }
  }

  #write(now: Nanos, out: Packet, i: number, flags: number): void {
    const { settings } = this.#core;
    const message = this.#initiator.messages.at(this.#ref[i]!);
    const { path } = message.work;
    const { view, at } = out;
    this.#state[i] = State.OUT;
    this.#setDue(i, now + Math.min(settings.rtoInit * 2 ** this.#tries[i]!, MAX_RTO));
    out.path = path;
    out.entropy = i % this.#core.config.entropies; // any route will do
    out.ecn = settings.ecn === 1 ? ECT : 0;
    out.control = false;
    view.setUint32(at, ((PdsType.RUDI_REQ << 27) | (message.header << 23) | (flags << 16)) >>> 0);
    idField.set(view, at, this.#id[i]!);
    const offset = this.#offset[i]!;
    const length = this.#length[i]!;
    out.length = RUDI_BYTES + this.#initiator.write(out, at + RUDI_BYTES, Kind.REQUEST, message.index, offset, length);
  }

  #takeData(i: number, message: Message, packet: Packet, at: number, nextHeader: number): boolean {
    if (nextHeader === NextHeader.RESPONSE) return false;
    const small = nextHeader === NextHeader.RESPONSE_DATA_SMALL;
    const { view } = packet;
    const length = small ? ResponseDataSmall.payloadLength.get(view, at) : ResponseData.payloadLength.get(view, at);
    const from = at + sesLength(nextHeader);
    if (length !== this.#length[i] || packet.length !== from - packet.at + length) return false;
    const { dma } = this.#core.services;
    if (!scatter(dma, message.work.segments, this.#offset[i]!, packet, from, length)) {
      message.status = Status.LOC_PROT_ERR;
    }
    return true;
  }

  /** Ends a message. Late answers to its packets fit nothing any more. */
  #fail(message: Message, status: number, vendorStatus: number): void {
    for (let i = 0; message.unacked > 0 && i < this.#size; i++) {
      if (this.#state[i] === State.FREE || this.#ref[i] !== message.index) continue;
      this.#release(i);
      message.unacked--;
    }
    if (message.sent < message.packets) this.#unlink(message);
    message.unacked = 0;
    message.status = status;
    message.vendorStatus = vendorStatus;
    this.#initiator.finish(message);
  }

  /** The packet that an answer is for: its peer must be the one that it went to. */
  #find(packet: Packet, id: number): number {
    const i = id & 0xffff;
    if (i >= this.#size || this.#state[i] === State.FREE || this.#id[i] !== id) return -1;
    return this.#initiator.messages.at(this.#ref[i]!).work.path === packet.path ? i : -1;
  }

  /** The first waiting message to a peer that has room: one that is silent must not hold up the others. */
  #next(): Message | undefined {
    const { messages } = this.#initiator;
    const most = Math.max(1, this.#size >> 2);
    let left = MAX_LOOKED_AT;
    for (let i = this.#head; i >= 0 && left > 0; left--) {
      const message = messages.at(i);
      if ((this.#perPath.get(message.work.path) ?? 0) < most) return message;
      i = message.next;
    }
    return undefined;
  }

  #unlink(message: Message): void {
    const { messages } = this.#initiator;
    let before = -1;
    for (let i = this.#head; i >= 0; before = i, i = messages.at(i).next) {
      if (i !== message.index) continue;
      if (before < 0) this.#head = message.next;
      else messages.at(before).next = message.next;
      if (this.#tail === i) this.#tail = before;
      message.next = -1;
      return;
    }
  }

  #lose(i: number): void {
    if (this.#state[i] === State.LOST) return;
    this.#state[i] = State.LOST;
    this.#lost++;
  }

  #release(i: number): void {
    if (this.#state[i] === State.LOST) this.#lost--;
    this.#state[i] = State.FREE;
    this.#free[this.#freeCount++] = i;
    const { path } = this.#initiator.messages.at(this.#ref[i]!).work;
    const left = (this.#perPath.get(path) ?? 1) - 1;
    if (left > 0) this.#perPath.set(path, left);
    else this.#perPath.delete(path);
    if (this.#freeCount === this.#size) this.#nextDue = NEVER;
  }

  #setDue(i: number, due: Nanos): void {
    this.#due[i] = due;
    if (due < this.#nextDue) this.#nextDue = due;
  }
}

const RUDI_BYTES = byteLength(RudiPacket);
const MAX_MESSAGE_ID = 0xfffe;
const MAX_RTO: Nanos = 8_000_000_000;
const MAX_WAIT: Nanos = 1_000_000_000;
const NO_RTO_LIMIT = 15;
const NO_NACK_LIMIT = 31;
/** Waiting messages that are looked at for one whose peer has room. */
const MAX_LOOKED_AT = 64;
