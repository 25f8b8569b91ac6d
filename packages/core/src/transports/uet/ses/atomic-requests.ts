/**
 * Atomics as an initiator sends them: operands copied into wire order, which stay until the message is done, and what
 * comes back.
 *
 * @spec uet:ses/2.6 uet:ses/3.9
 */

import { reverseEach } from '../../../engine/atomics/byte-order.ts';
import { partBytes } from '../../../engine/atomics/element-kinds.ts';
import { ATOMIC_TYPE_BYTES, AtomicOp, AtomicType } from '../../../engine/atomics.ts';
import type { DmaSpace } from '../../../engine/dma.ts';
import type { Packet } from '../../../engine/packet.ts';
import { copyIn, copyOut } from '../../../engine/segment-copy.ts';
import { Status, WorkOpcode } from '../../../engine/status.ts';
import { MAX_INLINE, type SendWork } from '../../../engine/work.ts';
import { byteLength } from '../../../wire/header.ts';
import { AMO_CPU_COHERENT, AtomicExtension, CompareSwapExtension } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { amoDatatypeOf, amoOpcodeOf, isAtomicOffered, isBareAmo, isCompareAmo } from './atomic-codes.ts';
import type { AtomicParts } from './atomic-parts.ts';
import type { Message } from './message.ts';
import type { MessageTable } from './message-table.ts';
import { isAtomic } from './request-fields.ts';
import { SlotStore } from './slot-store.ts';

export class AtomicRequests {
  readonly #dma: DmaSpace;
  /** Most bytes of operands in a packet. */
  readonly #longest: number;
  readonly #isBig: boolean;
  readonly #messages: MessageTable;
  readonly #inlineRegion: number;
  readonly #store: SlotStore;
  readonly #scratch: Uint8Array;

  /** @param inlineRegion - the region of the inline bytes of `messages` */
  constructor(core: Core, messages: MessageTable, inlineRegion: number) {
    const { settings, services, config } = core;
    this.#dma = services.dma;
    // a full packet has room for the extension unless it carries a credit target and a CRC as well
    const isTight = settings.ccRequests === 1 && settings.crc === 1;
    this.#longest = config.payloadMtu - (isTight ? EXTENSION_BYTES : 0);
    this.#isBig = settings.amoBigEndian === 1;
    this.#messages = messages;
    this.#inlineRegion = inlineRegion;
    this.#store = new SlotStore(this.#dma, config.payloadMtu, settings.maxMessages);
    this.#scratch = new Uint8Array(Math.max(config.payloadMtu, FIELD_BYTES));
  }

  /** Operands are kept for so many long requests. */
  get kept(): number {
    return this.#store.used;
  }

  end(): void {
    this.#store.end();
  }

  /** Copies the operands; from here on the program's memory is not looked at. @returns a status */
  prepare(message: Message): number {
    const { work, atomic } = message;
    if (isOfVerbs(work)) return this.#prepareOfVerbs(message);
    const { atomicOp, atomicType, length } = work;
    if (!isAtomicOffered(atomicOp, atomicType)) return Status.LOC_QP_OP_ERR;
    const opcode = amoOpcodeOf(atomicOp);
    setWord(atomic, opcode, atomicType);
    if (length > this.#longest) return Status.LOC_LEN_ERR;
    if (isCompareAmo(opcode)) return this.#prepareCompare(message);
    atomic.payload = isBareAmo(opcode) ? 0 : length;
    if (atomic.payload === 0) return Status.SUCCESS;
    let bytes = this.#messages.inlineBytes;
    if (length <= MAX_INLINE) this.#useInline(message);
    else {
      const slot = this.#store.take();
      if (slot < 0) return Status.GENERAL_ERR;
      atomic.slot = slot;
      atomic.region = this.#store.region(slot);
      atomic.offset = this.#store.offset(slot);
      bytes = this.#store.bytes(slot);
    }
    if (!copyOut(this.#dma, work.segments, 0, bytes, atomic.offset, length)) return Status.LOC_PROT_ERR;
    if (this.#isBig) reverseEach(bytes, atomic.offset, length, partBytes(atomicType));
    return Status.SUCCESS;
  }

  /** The message is done. */
  release(message: Message): void {
    // of other messages its parts are not even looked at: they would have to come from memory
    if (!isAtomic(message.sesOpcode)) return;
    const { atomic } = message;
    if (atomic.word === 0) return;
    atomic.word = 0;
    if (atomic.slot >= 0) this.#store.release(atomic.slot);
    atomic.slot = -1;
  }

  /** Writes the extension at `at` and names the operands as payload. @returns bytes of extension */
  write(out: Packet, at: number, { atomic }: Message): number {
    out.view.setUint32(at, atomic.word);
    if (isCompareAmo(atomic.word >>> 24)) {
      const from = this.#messages.inlineBytes;
      for (let i = 0; i < 2 * FIELD_BYTES; i++) out.bytes[at + EXTENSION_BYTES + i] = from[atomic.offset + i]!;
      return COMPARE_BYTES;
    }
    if (atomic.payload > 0) out.gather(atomic.region, atomic.offset, atomic.payload);
    return EXTENSION_BYTES;
  }

  /** Puts what was there where the program wants it. @returns false when its memory is gone */
  returned({ work }: Message, packet: Packet, at: number, length: number): boolean {
    const scratch = this.#scratch;
    for (let i = 0; i < length; i++) scratch[i] = packet.bytes[at + i]!;
    const ofVerbs = isOfVerbs(work);
    if (this.#isBig) reverseEach(scratch, 0, length, ofVerbs ? WORD_BYTES : partBytes(work.atomicType));
    return copyIn(this.#dma, ofVerbs ? work.segments : work.result, 0, scratch, 0, length);
  }

  /** CMP_AND_SWP and FETCH_AND_ADD: the operands are in the request. */
  #prepareOfVerbs(message: Message): number {
    const { work, atomic } = message;
    this.#useInline(message);
    const bytes = this.#messages.inlineBytes;
    const isSwap = work.opcode === WorkOpcode.ATOMIC_CMP_AND_SWP;
    setWord(atomic, amoOpcodeOf(isSwap ? AtomicOp.CSWAP : AtomicOp.SUM), AtomicType.UINT64);
    if (!isSwap) {
      this.#putWord(bytes, atomic.offset, work.compareAddLo, work.compareAddHi);
      atomic.payload = WORD_BYTES;
      return Status.SUCCESS;
    }
    const { offset } = atomic;
    bytes.fill(0, offset, offset + 2 * FIELD_BYTES);
    const inField = this.#isBig ? FIELD_BYTES - WORD_BYTES : 0;
    this.#putWord(bytes, offset + inField, work.compareAddLo, work.compareAddHi);
    this.#putWord(bytes, offset + FIELD_BYTES + inField, work.swapLo, work.swapHi);
    return Status.SUCCESS;
  }

  /** Compare and swap value, as the extension has them: it has room for one element. */
  #prepareCompare(message: Message): number {
    const { work, atomic } = message;
    const size = ATOMIC_TYPE_BYTES[work.atomicType]!;
    if (work.length !== size) return Status.LOC_LEN_ERR;
    const bytes = this.#messages.inlineBytes;
    const scratch = this.#scratch;
    // first out of the program's memory: inline operands stand where the fields go
    if (!copyOut(this.#dma, work.segments, 0, scratch, 0, size)) return Status.LOC_PROT_ERR;
    this.#useInline(message);
    const { offset } = atomic;
    const inField = this.#isBig ? FIELD_BYTES - size : 0;
    bytes.fill(0, offset, offset + 2 * FIELD_BYTES);
    for (let i = 0; i < size; i++) bytes[offset + FIELD_BYTES + inField + i] = scratch[i]!;
    if (!copyOut(this.#dma, work.comparand, 0, bytes, offset + inField, size)) return Status.LOC_PROT_ERR;
    if (!this.#isBig) return Status.SUCCESS;
    reverseEach(bytes, offset + inField, size, partBytes(work.atomicType));
    reverseEach(bytes, offset + FIELD_BYTES + inField, size, partBytes(work.atomicType));
    return Status.SUCCESS;
  }

  #useInline(message: Message): void {
    message.atomic.region = this.#inlineRegion;
    message.atomic.offset = this.#messages.inlineOffset(message);
  }

  #putWord(bytes: Uint8Array, at: number, lo: number, hi: number): void {
    for (let i = 0; i < WORD_BYTES; i++) {
      const byte = ((i < 4 ? lo : hi) >>> (8 * (i & 3))) & 0xff;
      bytes[this.#isBig ? at + WORD_BYTES - 1 - i : at + i] = byte;
    }
  }
}

const isOfVerbs = ({ opcode }: SendWork): boolean =>
  opcode === WorkOpcode.ATOMIC_CMP_AND_SWP || opcode === WorkOpcode.ATOMIC_FETCH_AND_ADD;

/** The host's own atomics are not kept out by this; peers that can, do. */
function setWord(atomic: AtomicParts, opcode: number, type: number): void {
  atomic.word = ((opcode << 24) | (amoDatatypeOf(type) << 16) | (AMO_CPU_COHERENT << 8)) >>> 0;
  atomic.payload = 0;
}

const EXTENSION_BYTES = byteLength(AtomicExtension);
const COMPARE_BYTES = byteLength(CompareSwapExtension);
/** Compare and swap value on the wire; narrower ones stand in the low-order bytes. */
const FIELD_BYTES = 16;
const WORD_BYTES = 8;
