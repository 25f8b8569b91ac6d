/** Writes the semantic headers of requests: the one that a message goes with, and what each of its packets says. @spec uet:ses/2 */
import type { Packet } from '../../../engine/packet.ts';
import { gather } from '../../../engine/scatter.ts';
import { WorkOpcode } from '../../../engine/status.ts';
import type { SendWork } from '../../../engine/work.ts';
import { byteLength } from '../../../wire/header.ts';
import { NextHeader } from '../../../wire/uet/pds.ts';
import {
  RequestMedium,
  RequestSmall,
  RequestStd,
  SES_DC,
  SES_EOM,
  SES_HD,
  SES_REL,
  SES_SOM,
  SesOpcode,
} from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { Kind } from '../pds/send-window.ts';
import type { AtomicRequests } from './atomic-requests.ts';
import type { Message } from './message.ts';
import type { RendezvousSends } from './rendezvous-sends.ts';
import { isAtomic } from './request-fields.ts';

const { ie, bufferOffset, initiator, memoryKey, headerData, requestLength } = RequestStd;
const { bufferOffset: shortOffset } = RequestSmall;
const { initiator: mediumInitiator, memoryKey: mediumKey } = RequestMedium;

export class RequestWriter {
  readonly #core: Core;
  readonly #atomics: AtomicRequests;
  readonly #rendezvous: RendezvousSends;

  constructor(core: Core, atomics: AtomicRequests, rendezvous: RendezvousSends) {
    this.#rendezvous = rendezvous;
    this.#core = core;
    this.#atomics = atomics;
  }

  /**
   * Writes the semantic header of a packet at `at` and names its payload.
   * @returns bytes of header
   */
  write(out: Packet, at: number, kind: number, message: Message, offset: number, length: number): number {
    const { view } = out;
    const { work } = message;
    const abort = kind === Kind.ABORT;
    const first = offset === 0 && !abort;
    const last = abort || offset + length >= message.bytes;
    const immediate = first && hasImmediate(work);
    let flags = (work.remoteQpn & ABSOLUTE) === 0 ? SES_REL : 0;
    if (last) flags |= SES_EOM;
    if (first) flags |= SES_SOM;
    if (immediate) flags |= SES_HD;
    if (work.deliveryComplete) flags |= SES_DC;
    const header = abort ? NextHeader.REQUEST_STD : message.header;
    const opcode = abort && !message.deferred ? SesOpcode.MSG_ERROR : message.sesOpcode;
    // opcode, flags and message id are one word, and so are generation and job id: two stores instead of nine
    const idOrLength = header === NextHeader.REQUEST_STD ? message.messageId : work.length;
    view.setUint32(at, (opcode << 24) | (flags << 16) | idOrLength);
    view.setUint32(at + 4, (message.generation << 24) | work.jobId);
    view.setUint32(at + 8, ((work.remoteQpn & 0xfff) << 16) | ((work.remoteQpn >>> 12) & 0xfff));
    let bytes = STD_BYTES;
    if (header === NextHeader.REQUEST_STD) this.#rest(view, at, message, first, immediate, offset, length);
    else bytes = short(view, at, message, header, immediate);
    if (isAtomic(message.sesOpcode) && !abort) return bytes + this.#atomics.write(out, at + bytes, message);
    if (message.exposure !== 0 && !abort) bytes += this.#rendezvous.write(view, at + bytes, message);
    if (message.sesOpcode !== SesOpcode.READ && length > 0) {
      if (!gather(this.#core.services.dma, work.segments, offset, out, length)) {
        out.slices = 0;
        ie.set(view, at, 1); // the source memory is gone: the target must not use this packet
      }
    }
    return bytes;
  }

  /** Bytes 12 to 43 of the standard header. */
  #rest(
    view: DataView,
    at: number,
    message: Message,
    first: boolean,
    immediate: boolean,
    offset: number,
    length: number,
  ): void {
    const { work } = message;
    // deferrable sends have their tokens in the place of the offset
    bufferOffset.hi.set(view, at, message.token === 0 ? work.remoteOffsetHi : message.token);
    bufferOffset.lo.set(view, at, message.token === 0 ? work.remoteOffsetLo : message.targetToken);
    initiator.set(view, at, message.sourceId);
    memoryKey.hi.set(view, at, work.rkeyHi);
    memoryKey.lo.set(view, at, work.rkeyLo);
    // the first packet has completion data where later ones have their place in the message
    headerData.hi.set(view, at, first ? (immediate ? work.immHi : 0) : length);
    headerData.lo.set(view, at, first ? (immediate ? work.immLo : 0) : offset);
    requestLength.set(view, at, work.length);
  }
}

/** Bytes 12 to 31 of MEDIUM, 12 to 19 of SMALL. @returns bytes of header */
function short(view: DataView, at: number, { work, sourceId }: Message, header: number, immediate: boolean): number {
  shortOffset.hi.set(view, at, immediate ? work.immHi : work.remoteOffsetHi);
  shortOffset.lo.set(view, at, immediate ? work.immLo : work.remoteOffsetLo);
  if (header === NextHeader.REQUEST_SMALL) {
    // an optimized key is an index that travels in the place of the resource index
    view.setUint16(at + 10, work.rkeyLo & MAX_INDEX);
    return SMALL_BYTES;
  }
  mediumInitiator.set(view, at, sourceId);
  mediumKey.hi.set(view, at, work.rkeyHi);
  mediumKey.lo.set(view, at, work.rkeyLo);
  return MEDIUM_BYTES;
}

/** The shortest header that can say what a message of one packet must say. @spec uet:ses/2.3 uet:ses/2.5 uet:ses/2.7 */
export function shortHeader(work: SendWork, sesOpcode: number): number {
  const isAccess =
    sesOpcode === SesOpcode.WRITE ||
    sesOpcode === SesOpcode.READ ||
    sesOpcode === SesOpcode.ATOMIC ||
    sesOpcode === SesOpcode.FETCHING_ATOMIC;
  const isNotice = hasImmediate(work);
  if (isAccess && !isNotice && work.rkeyHi === OPTIMIZED_HI && work.rkeyLo <= MAX_INDEX)
    return NextHeader.REQUEST_SMALL;
  // completion data takes the place of the offset, which is 0 then
  const hasRoom = !isNotice || !isAccess || (work.remoteOffsetHi === 0 && work.remoteOffsetLo === 0);
  return hasRoom ? NextHeader.REQUEST_MEDIUM : NextHeader.REQUEST_STD;
}

const hasImmediate = ({ opcode }: SendWork): boolean =>
  opcode === WorkOpcode.RDMA_WRITE_WITH_IMM ||
  opcode === WorkOpcode.SEND_WITH_IMM ||
  opcode === WorkOpcode.TAGGED_SEND_WITH_IMM;

const STD_BYTES = byteLength(RequestStd);
const MEDIUM_BYTES = byteLength(RequestMedium);
const SMALL_BYTES = byteLength(RequestSmall);
const ABSOLUTE = 0x8000_0000 | 0;
/** Bit 62 of a memory key: it is an index. @spec uet:ses/5.1 */
const OPTIMIZED_HI = 0x4000_0000;
const MAX_INDEX = 0xfff;
