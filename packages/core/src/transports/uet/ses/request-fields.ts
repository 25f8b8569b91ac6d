/** A request header of any size, decoded once into a reused record. @spec uet:ses/2 */
import { byteLength } from '../../../wire/header.ts';
import { NextHeader } from '../../../wire/uet/pds.ts';
import {
  AtomicExtension,
  CompareSwapExtension,
  RendezvousExtension,
  RequestMedium,
  RequestMediumData,
  RequestSmall,
  RequestStd,
  RequestStdNext,
  SesOpcode,
} from '../../../wire/uet/ses.ts';
import { isCompareAmo } from './atomic-codes.ts';

const { opcode, ver, ie, rel, hd, som, messageId, riGeneration, jobId, pidOnFep, resourceIndex } = RequestStd;
const { bufferOffset, initiator, memoryKey, headerData, requestLength } = RequestStd;
const { payloadLength, messageOffset } = RequestStdNext;

/** Atomics on memory that a key names, or on a receive that a tag names. */
export const isAtomic = (opcode: number): boolean =>
  opcode <= SesOpcode.TSEND_FETCH_ATOMIC && ((ATOMICS >>> opcode) & 1) === 1;

/** The target may put the message off. */
export const isDeferrable = (opcode: number): boolean =>
  opcode === SesOpcode.DEFERRABLE_SEND || opcode === SesOpcode.DEFERRABLE_TSEND;

/** The target reads most of the message. */
export const isRendezvous = (opcode: number): boolean =>
  opcode === SesOpcode.RENDEZVOUS_SEND || opcode === SesOpcode.RENDEZVOUS_TSEND;

/** Messages that fill a receive. */
export const isSend = (opcode: number): boolean =>
  opcode === SesOpcode.SEND || opcode === SesOpcode.TAGGED_SEND || isDeferrable(opcode) || isRendezvous(opcode);

/** Accesses under this key may be repeated: bit 63. @param keyHi - its upper half @spec uet:ses/5.1 */
export const isIdempotentSafe = (keyHi: number): boolean => keyHi >>> 31 === 1;

export class RequestFields {
  /** Header bytes; payload follows. */
  headerBytes = 0;
  opcode = 0;
  ver = 0;
  ie = false;
  rel = false;
  hd = false;
  som = false;
  /** 0 for headers without one. */
  messageId = 0;
  generation = 0;
  jobId = 0;
  pid = 0;
  resource = 0;
  offsetHi = 0;
  offsetLo = 0;
  initiator = 0;
  keyHi = 0;
  keyLo = 0;
  immHi = 0;
  immLo = 0;
  /** Bytes of the whole message. */
  length = 0;
  /** Place of this packet in the message. */
  at = 0;
  /** Payload that this packet carries or, for a READ, asks for. */
  piece = 0;
  small = false;
  /** That header was the shortest of all, which names no resource index. */
  isSmallest = false;
  /** What an atomic does, and to elements of which type; as on the wire. */
  amoOpcode = 0;
  amoDatatype = 0;
  /** Where the rest of a rendezvous message can be read. */
  readPid = 0;
  readResource = 0;
  readOffsetHi = 0;
  readOffsetLo = 0;
  readKeyHi = 0;
  readKeyLo = 0;

  /** The packet is a whole message. */
  get single(): boolean {
    return this.som && (this.piece >= this.length || isRendezvous(this.opcode));
  }

  /** The target put the message off, so its sender ends it early. @spec uet:ses/3.5 */
  get isEarlyEnd(): boolean {
    return isDeferrable(this.opcode) && !this.som && this.piece === 0 && this.length > 0;
  }

  /** @returns false when the header does not fit into `room` bytes */
  decode(view: DataView, at: number, room: number, nextHeader: number, mtu: number): boolean {
    this.headerBytes =
      nextHeader === NextHeader.REQUEST_STD
        ? STD_BYTES
        : nextHeader === NextHeader.REQUEST_MEDIUM
          ? MEDIUM_BYTES
          : SMALL_BYTES;
    if (room < this.headerBytes) return false;
    this.opcode = opcode.get(view, at);
    this.ver = ver.get(view, at);
    this.ie = ie.get(view, at) === 1;
    this.rel = rel.get(view, at) === 1;
    this.hd = hd.get(view, at) === 1;
    this.som = som.get(view, at) === 1;
    this.generation = riGeneration.get(view, at);
    this.jobId = jobId.get(view, at);
    this.pid = pidOnFep.get(view, at);
    this.resource = resourceIndex.get(view, at);
    this.small = nextHeader !== NextHeader.REQUEST_STD;
    this.isSmallest = nextHeader === NextHeader.REQUEST_SMALL;
    if (this.small) this.#decodeShort(view, at, nextHeader);
    else this.#decodeStd(view, at, mtu);
    if (isRendezvous(this.opcode)) return this.#decodeRendezvous(view, at + this.headerBytes, room);
    return !isAtomic(this.opcode) || this.#decodeAtomic(view, at + this.headerBytes, room);
  }

  /** The extension of a rendezvous, which counts as header. */
  #decodeRendezvous(view: DataView, from: number, room: number): boolean {
    if (this.small) return true; // it will be refused
    this.headerBytes += RENDEZVOUS_BYTES;
    if (room < this.headerBytes) return false;
    this.piece = eagerLength.get(view, from);
    this.readPid = readPid.get(view, from);
    this.readResource = readResource.get(view, from);
    this.readOffsetHi = readOffset.hi.get(view, from);
    this.readOffsetLo = readOffset.lo.get(view, from);
    this.readKeyHi = readMemoryKey.hi.get(view, from);
    this.readKeyLo = readMemoryKey.lo.get(view, from);
    return true;
  }

  /** The extension of an atomic, which counts as header. */
  #decodeAtomic(view: DataView, from: number, room: number): boolean {
    if (room < this.headerBytes + ATOMIC_BYTES) return false;
    this.amoOpcode = amoOpcode.get(view, from);
    this.amoDatatype = amoDatatype.get(view, from);
    this.headerBytes += isCompareAmo(this.amoOpcode) ? COMPARE_BYTES : ATOMIC_BYTES;
    return room >= this.headerBytes;
  }

  #decodeStd(view: DataView, at: number, mtu: number): void {
    this.messageId = messageId.get(view, at);
    this.offsetHi = bufferOffset.hi.get(view, at);
    this.offsetLo = bufferOffset.lo.get(view, at);
    this.initiator = initiator.get(view, at);
    this.keyHi = memoryKey.hi.get(view, at);
    this.keyLo = memoryKey.lo.get(view, at);
    this.length = requestLength.get(view, at);
    if (this.som) {
      this.immHi = headerData.hi.get(view, at);
      this.immLo = headerData.lo.get(view, at);
      this.at = 0;
      this.piece = Math.min(this.length, mtu);
    } else {
      this.at = messageOffset.get(view, at);
      this.piece = payloadLength.get(view, at);
    }
  }

  #decodeShort(view: DataView, at: number, nextHeader: number): void {
    this.messageId = 0;
    this.som = true;
    this.length = shortLength.get(view, at);
    this.at = 0;
    this.piece = this.length;
    this.initiator = 0;
    this.keyHi = this.keyLo = this.immHi = this.immLo = 0;
    this.offsetHi = smallOffset.hi.get(view, at);
    this.offsetLo = smallOffset.lo.get(view, at);
    if (nextHeader === NextHeader.REQUEST_SMALL) {
      // an optimized key is an index that travels in the place of the resource index
      this.keyHi = OPTIMIZED_HI;
      this.keyLo = this.resource;
      this.hd = false;
      return;
    }
    this.initiator = mediumInitiator.get(view, at);
    this.keyHi = mediumKey.hi.get(view, at);
    this.keyLo = mediumKey.lo.get(view, at);
    if (this.hd) {
      this.immHi = mediumData.hi.get(view, at);
      this.immLo = mediumData.lo.get(view, at);
      this.offsetHi = this.offsetLo = 0;
    }
  }
}

const { requestLength: shortLength, bufferOffset: smallOffset } = RequestSmall;
const { initiator: mediumInitiator, memoryKey: mediumKey } = RequestMedium;
const { headerData: mediumData } = RequestMediumData;
const ATOMICS =
  (1 << SesOpcode.ATOMIC) |
  (1 << SesOpcode.FETCHING_ATOMIC) |
  (1 << SesOpcode.TSEND_ATOMIC) |
  (1 << SesOpcode.TSEND_FETCH_ATOMIC);
const { amoOpcode, amoDatatype } = AtomicExtension;
const { eagerLength, pidOnFep: readPid, resourceIndex: readResource, readOffset, readMemoryKey } = RendezvousExtension;
const RENDEZVOUS_BYTES = byteLength(RendezvousExtension);
const STD_BYTES = byteLength(RequestStd);
const ATOMIC_BYTES = byteLength(AtomicExtension);
const COMPARE_BYTES = byteLength(CompareSwapExtension);
const MEDIUM_BYTES = byteLength(RequestMedium);
const SMALL_BYTES = byteLength(RequestSmall);
/** Bit 62 of a memory key. @spec uet:ses/5.1 */
const OPTIMIZED_HI = 0x4000_0000;
