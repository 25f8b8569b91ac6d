/**
 * ATOMIC and FETCHING_ATOMIC at the target: each is executed once, and nothing comes between its reading and its writing.
 * An engine runs in one thread, and so do all engines of a device, whatever their transport: atomics of a device are
 * atomic with respect to each other. Against instructions of the program's own threads nothing is promised.
 *
 * @spec uet:ses/1.4 uet:ses/3.9
 */

import { applyAtomic } from '../../../engine/atomics/arithmetic.ts';
import { reverseEach } from '../../../engine/atomics/byte-order.ts';
import { partBytes } from '../../../engine/atomics/element-kinds.ts';
import { FloatSignal } from '../../../engine/atomics/float-signals.ts';
import { ATOMIC_TYPE_BYTES } from '../../../engine/atomics.ts';
import type { Packet } from '../../../engine/packet.ts';
import { copyIn, copyOut } from '../../../engine/segment-copy.ts';
import { Segments } from '../../../engine/work.ts';
import { NackCode } from '../../../wire/uet/pds.ts';
import { AmoOpcode, ReturnCode, SesOpcode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import { ReturnQueue } from '../pds/return-queue.ts';
import { isCompareAmo, opOfAmo, typeOfAmo } from './atomic-codes.ts';
import type { InboundMessages } from './inbound-messages.ts';
import type { RequestFields } from './request-fields.ts';
import { SlotStore } from './slot-store.ts';

export class AtomicUnit {
  readonly #core: Core;
  readonly #inbound: InboundMessages;
  readonly #isBig: boolean;
  readonly #signals: number;
  readonly #perPeer: number;
  readonly #target: Uint8Array;
  readonly #targetView: DataView;
  readonly #operand: Uint8Array;
  readonly #operandView: DataView;
  readonly #comparand = new Uint8Array(FIELD_BYTES);
  readonly #comparandView = new DataView(this.#comparand.buffer);
  /** A result that rides in the acknowledgement. */
  readonly #short = new Uint8Array(FIELD_BYTES);
  readonly #shortRegion: number;
  /** Results on their way back, and whose they are. */
  readonly #results: SlotStore;
  readonly #owners: (DeliveryContext | undefined)[] = [];
  readonly #where = new Segments();

  constructor(core: Core, inbound: InboundMessages) {
    const { settings, services, config } = core;
    this.#core = core;
    this.#inbound = inbound;
    this.#isBig = settings.amoBigEndian === 1;
    this.#signals = settings.amoSignals;
    this.#perPeer = Math.max(1, settings.atomicResults >> 2);
    this.#target = new Uint8Array(Math.max(config.payloadMtu, FIELD_BYTES));
    this.#targetView = new DataView(this.#target.buffer);
    this.#operand = new Uint8Array(this.#target.length);
    this.#operandView = new DataView(this.#operand.buffer);
    this.#shortRegion = services.dma.attach({ bytes: this.#short, address: 0 });
    this.#results = new SlotStore(services.dma, config.payloadMtu, settings.atomicResults);
  }

  /** Results kept for their way back. */
  get kept(): number {
    return this.#results.used;
  }

  end(): void {
    this.#core.services.dma.detach(this.#shortRegion);
    this.#results.end();
  }

  /** Executes the request at hand, where an access was granted and nothing is wrong with it. */
  execute(context: DeliveryContext, packet: Packet, psn: number, at: number): void {
    const { reach } = this.#inbound;
    const where = this.#where;
    where.clear();
    where.add(reach.region, reach.regionOffset, reach.length);
    this.run(context, packet, psn, at, where, 0, reach.length);
  }

  /**
   * The same on a stretch of any memory.
   * @param at - where the operands would begin in the packet
   * @param skip - where in the segments the stretch begins
   * @returns false when it was not done; the answer says why
   */
  run(
    context: DeliveryContext,
    packet: Packet,
    psn: number,
    at: number,
    where: Segments,
    skip: number,
    length: number,
  ): boolean {
    const inbound = this.#inbound;
    const { request } = inbound;
    const { dma } = this.#core.services;
    const isFetching = request.opcode !== SesOpcode.ATOMIC && request.opcode !== SesOpcode.TSEND_ATOMIC;
    const isShort = length <= this.#core.settings.maxAckData;
    if (isFetching && !this.#hasRoom(context, isShort)) return false;
    const bytes = this.#target;
    if (!copyOut(dma, where, skip, bytes, 0, length)) {
      inbound.refuse(context, ReturnCode.UNCOR, true); // memory of a process that is gone
      return false;
    }
    const isLong = isFetching && !isShort;
    if (isFetching && isShort) for (let i = 0; i < length; i++) this.#short[i] = bytes[i]!;
    const slot = isLong ? this.#keep(context, length) : -1;
    if (isLong && slot < 0) {
      inbound.answer.nack = NackCode.NO_RESOURCE;
      return false;
    }
    let code = this.#change(packet, at, length);
    if (code === 0 && !isIdle(request) && !copyIn(dma, where, skip, bytes, 0, length)) code = ReturnCode.UNCOR;
    if (code !== 0) {
      if (slot >= 0) this.#release(slot);
      inbound.refuse(context, code, true);
      return false;
    }
    this.#core.count(EVENT.messages_received);
    if (isLong) this.#answerLater(context, psn, slot, length);
    else if (isFetching) this.#answerShort(length);
    return true;
  }

  /** A packet of the return direction is acknowledged: if it was a result, nobody needs it any more. */
  returned(region: number, offset: number): void {
    const slot = this.#results.used === 0 ? -1 : this.#results.find(region, offset);
    if (slot >= 0 && this.#owners[slot] !== undefined) this.#release(slot);
  }

  /** Nobody will ask for the results of a context any more. */
  contextClosed(context: DeliveryContext): void {
    if (this.#results.used === 0) return;
    for (let slot = 0; slot < this.#owners.length; slot++) if (this.#owners[slot] === context) this.#release(slot);
  }

  /** An answer must be kept or have a way back, before anything changes. */
  #hasRoom(context: DeliveryContext, isShort: boolean): boolean {
    if (isShort) return this.#inbound.keeps();
    const returns = (context.returns ??= new ReturnQueue(context.rx.range, context.tx.slots));
    const hasSlot = context.peer.results < this.#perPeer && this.#results.used < this.#core.settings.atomicResults;
    if (!returns.full && hasSlot) return true;
    this.#inbound.answer.nack = NackCode.NO_RESOURCE;
    return false;
  }

  /** Keeps what was there, in wire order. @returns its place; -1 when there is no memory for it */
  #keep(context: DeliveryContext, length: number): number {
    const slot = this.#results.take();
    if (slot < 0) return slot;
    this.#owners[slot] = context;
    context.peer.results++;
    const bytes = this.#results.bytes(slot);
    const offset = this.#results.offset(slot);
    for (let i = 0; i < length; i++) bytes[offset + i] = this.#target[i]!;
    if (this.#isBig) reverseEach(bytes, offset, length, this.#partBytes());
    return slot;
  }

  #release(slot: number): void {
    this.#owners[slot]!.peer.results--;
    this.#owners[slot] = undefined;
    this.#results.release(slot);
  }

  /** Reads the operands and changes the elements. @returns a return code, 0 when all is well */
  #change(packet: Packet, at: number, length: number): number {
    const { request } = this.#inbound;
    if (isIdle(request)) return 0;
    const type = typeOfAmo(request.amoDatatype);
    const size = ATOMIC_TYPE_BYTES[type]!;
    if (isCompareAmo(request.amoOpcode)) {
      const inField = this.#isBig ? FIELD_BYTES - size : 0;
      this.#take(packet, at - 2 * FIELD_BYTES + inField, this.#comparand, size);
      this.#take(packet, at - FIELD_BYTES + inField, this.#operand, size);
    } else this.#take(packet, at, this.#operand, length);
    const signals = applyAtomic(
      opOfAmo(request.amoOpcode),
      type,
      length / size,
      this.#targetView,
      this.#operandView,
      this.#comparandView,
      this.#signals,
    );
    return signals === 0 ? 0 : codeOfSignals(signals);
  }

  /** Copies numbers out of a packet, into the byte order of the host. */
  #take(packet: Packet, at: number, into: Uint8Array, length: number): void {
    for (let i = 0; i < length; i++) into[i] = packet.bytes[at + i]!;
    if (this.#isBig) reverseEach(into, 0, length, this.#partBytes());
  }

  #partBytes(): number {
    return partBytes(typeOfAmo(this.#inbound.request.amoDatatype));
  }

  /** The result rides in the acknowledgement, which is kept until the initiator has seen it. */
  #answerShort(length: number): void {
    const { request, answer } = this.#inbound;
    if (this.#isBig) reverseEach(this.#short, 0, length, this.#partBytes());
    answer.opcode = SesResponseOpcode.RESPONSE_W_DATA;
    answer.withData = answer.guaranteed = true;
    answer.small = request.small;
    answer.modifiedLength = length;
    answer.dataRegion = this.#shortRegion;
    answer.dataOffset = 0;
    answer.dataLength = length;
  }

  /** The result goes in a packet of its own. */
  #answerLater(context: DeliveryContext, psn: number, slot: number, length: number): void {
    const { request } = this.#inbound;
    const { fields } = context.returns!;
    const i = context.returns!.add();
    fields.region[i] = this.#results.region(slot);
    fields.offset[i] = this.#results.offset(slot);
    fields.length[i] = length;
    fields.messageOffset[i] = 0;
    fields.messageId[i] = request.messageId;
    fields.total[i] = length;
    fields.jobId[i] = request.jobId;
    fields.psn[i] = psn;
    fields.small[i] = request.small ? 1 : 0;
    this.#core.makeReady(context);
  }
}

/** It changes nothing: READ, and INVAL, as no element is in a cache. */
const isIdle = ({ amoOpcode }: RequestFields): boolean => amoOpcode === AmoOpcode.READ || amoOpcode === AmoOpcode.INVAL;

/** The code of the first signal, in the order of the codes. */
function codeOfSignals(signals: number): number {
  if ((signals & FloatSignal.NAN) !== 0) return ReturnCode.AMO_FP_NAN;
  if ((signals & FloatSignal.UNDERFLOW) !== 0) return ReturnCode.AMO_FP_UNDERFLOW;
  if ((signals & FloatSignal.OVERFLOW) !== 0) return ReturnCode.AMO_FP_OVERFLOW;
  return ReturnCode.AMO_FP_INEXACT;
}

/** Room for one element of any type: compare and swap value on the wire, and read data in an acknowledgement. */
const FIELD_BYTES = 16;
