/**
 * How a destination takes on a new context: which starts it accepts, and what it says to the others.
 *
 * @spec uet:pds/3.3 uet:pds/3.4 uet:pds/3.6
 */
import { psnAdd } from '../../../base/psn.ts';
import type { Packet } from '../../../engine/packet.ts';
import type { Nanos } from '../../../engine/time.ts';
import {
  FLAG_M,
  FLAG_RETX,
  NackCode,
  NextHeader,
  PdsRequest,
  PdsRequestSyn,
  PdsType,
  pdsLength,
  sesLength,
} from '../../../wire/uet/pds.ts';
import type { Core } from '../core.ts';
import { type DropName, EVENT } from '../drops.ts';
import type { DeliveryContext } from './delivery-context.ts';
import { Place } from './receive-window.ts';
import { PdcState } from './states.ts';

const { psn: requestPsn, spdcid: requestSpdcid } = PdsRequest;
const { psnOffset } = PdsRequestSyn;

export class Acceptance {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * The context of a SYN packet, made if need be. The order of the checks matters.
   * @returns undefined when the packet has been refused
   */
  accept(now: Nanos, packet: Packet, ordered: boolean, nextHeader: number, flags: number): DeliveryContext | undefined {
    const core = this.#core;
    const { contexts, settings } = core;
    const { view, at, path } = packet;
    const psn = requestPsn.get(view, at);
    const spdcid = requestSpdcid.get(view, at);
    if (spdcid === 0) {
      core.drop('pdcid_zero');
      return undefined;
    }
    const start = psnAdd(psn, -psnOffset.get(view, at));
    const known = contexts.findSyn(path, spdcid);
    if (packet.trimmed) return this.#refuse(packet, 'trimmed', trimCode(packet), flags, 0, known?.localId);
    if (contexts.findOwn(path, spdcid) !== undefined) return this.#refuse(packet, 'syn', NackCode.INVALID_SYN, flags);
    if (known !== undefined) {
      const { localId } = known;
      if (known.ordered !== ordered) {
        return this.#refuse(packet, 'pdc_mismatch', NackCode.PDC_MODE_MISMATCH, flags, 0, localId);
      }
      if (known.tx.start !== start || known.rx.place(psn) === Place.OUTSIDE) {
        return this.#refuse(packet, 'syn', NackCode.INVALID_SYN, flags, 0, localId);
      }
      known.lastActivity = now;
      return known;
    }
    if (!isWholeRequest(packet, nextHeader)) {
      return this.#refuse(packet, 'next_header', NackCode.PDC_HDR_MISMATCH, flags);
    }
    if (contexts.closedStart(now, path, spdcid) === start) {
      return this.#refuse(packet, 'closing', NackCode.CLOSING, flags);
    }
    const reserved = this.#asksForReserved(packet);
    const shortage = core.closing ? NackCode.NO_PDC_AVAIL : contexts.shortage(path, reserved);
    if (shortage !== 0) return this.#refuse(packet, 'no_context', shortage, flags);
    let proven = false;
    const secured = core.secureStarts.accepts(path, start);
    if (!secured || contexts.unproven >= settings.maxUnproven || now < contexts.forgetfulUntil) {
      // nothing is kept of who is told a number: it proves itself when it comes back
      proven = core.starts.wasOffered(now, path, spdcid, start);
      if (!proven) {
        const expected = secured ? -1 : core.secureStarts.expected(path);
        const offer = expected >= 0 ? expected : core.starts.offer(now, path, spdcid);
        return this.#refuse(packet, 'unproven', NackCode.NEW_START_PSN, flags, offer);
      }
    }
    if (ordered && psn !== start) return this.#refuse(packet, 'out_of_order', NackCode.ROD_OOO, flags, start);
    const context = contexts.allocate(now, path, spdcid, reserved)!;
    context.open(now, false, ordered, path, start, settings.defaultMpr * 128);
    context.remoteId = spdcid;
    if (proven) contexts.prove(context);
    if (ordered) context.entropy = context.localId % core.config.entropies;
    core.enter(context, PdcState.ESTABLISHED, 'SYN');
    core.count(EVENT.contexts_accepted);
    core.wake(context, now + settings.idleTime);
    return context;
  }

  /** The place of the flag is disputed, so by default nothing asks. @spec uet:pds/8 D7 */
  #asksForReserved({ view, at }: Packet): boolean {
    const { reservedFlag } = this.#core.settings;
    return reservedFlag !== 0 && (view.getUint16(at + SYN_FIELD_AT) & RESERVED_FLAGS[reservedFlag]!) !== 0;
  }

  #refuse(packet: Packet, reason: DropName, code: number, flags: number, payload = 0, localId = 0): undefined {
    const { view, at } = packet;
    this.#core.drop(reason);
    const copied = (flags & FLAG_RETX) | (packet.ecn === 3 ? FLAG_M : 0);
    this.#core.nack(packet, code, requestPsn.get(view, at), localId, requestSpdcid.get(view, at), payload, copied);
    return undefined;
  }
}

/** Which of the two NACKs a trimmed packet gets. */
export const trimCode = (packet: Packet): number =>
  packet.trimmedLastHop ? NackCode.TRIMMED_LASTHOP : NackCode.TRIMMED;

/** Nothing is made for a request that is cut short, or is none. */
function isWholeRequest({ view, at, length }: Packet, nextHeader: number): boolean {
  const type = view.getUint16(at) >>> 11;
  if (nextHeader < NextHeader.REQUEST_SMALL || nextHeader > NextHeader.REQUEST_STD) return false;
  return type === PdsType.CP || length >= pdsLength(type) + sesLength(nextHeader);
}

/** Bytes into the header: PDC information and PSN offset of a SYN packet. */
const SYN_FIELD_AT = 10;
/** By the setting `reservedFlag`. */
const RESERVED_FLAGS = [0, 0x1000, 0x8000] as const;
