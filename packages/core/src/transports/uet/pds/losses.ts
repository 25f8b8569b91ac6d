/**
 * What a source concludes to be lost: from bitmaps and answers to probes. @spec uet:pds/4.6 uet:pds/5.3
 */
import { psnAdd } from '../../../base/psn.ts';
import type { Packet } from '../../../engine/packet.ts';
import type { Nanos } from '../../../engine/time.ts';
import { AckCc, AckProbe } from '../../../wire/uet/pds.ts';
import type { Core } from '../core.ts';
import { type DropName, EVENT } from '../drops.ts';
import type { DeliveryContext } from './delivery-context.ts';

const { sackPsnOffset, sackBitmap } = AckCc;

export class Losses {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** SACK bitmap: what arrived out of order, and what is therefore missing. */
  selective(now: Nanos, context: DeliveryContext, packet: Packet, cack: number, probe: boolean): void {
    const { view, at } = packet;
    const { tx } = context;
    // an answer to no probe says what arrived, but buys no time
    const isAnswer = probe && context.probeOpen && AckProbe.probeOpaque.get(view, at) === context.probeOpaque;
    if (isAnswer) context.probeOpen = false;
    const base = psnAdd(cack, sackPsnOffset.get(view, at));
    const lo = sackBitmap.lo.get(view, at);
    const hi = sackBitmap.hi.get(view, at);
    for (let n = 0, bits = lo; bits !== 0; n++, bits >>>= 1) if ((bits & 1) === 1) tx.arrived(psnAdd(base, n));
    for (let n = 32, bits = hi; bits !== 0; n++, bits >>>= 1) if ((bits & 1) === 1) tx.arrived(psnAdd(base, n));
    tx.advance();
    if (context.ordered) {
      if (isAnswer && tx.outstanding > 0 && context.probed) {
        if (tx.serial[tx.base & tx.mask]! <= context.probeSerial) this.seen(context, tx.loseMissing(tx.base));
      }
      if ((lo | hi) !== 0) this.seen(context, tx.inferLosses(this.#core.settings.reorderPackets));
      return;
    }
    let lost = 0;
    if (isAnswer && context.probed) {
      // a bitmap without a bit says that nothing behind the gap arrived either
      lost += tx.loseUnprobed((lo | hi) === 0 ? tx.next : psnAdd(base, 64), context.probeSerial);
      if (context.tailLosses < MAX_TAIL_LOSSES) {
        context.progressAt = now;
        context.probed = tx.lost === 0; // what is sent again may need another probe
        if (tx.lost > 0) context.tailLosses++;
      }
    }
    if ((lo | hi) !== 0) lost += tx.inferLosses(this.#core.settings.reorderPackets);
    if (lost > 0) this.seen(context, lost);
  }

  /**
   * The peer misses a packet of an ordered context, and what came behind it.
   * @returns why the refusal is dropped, or ''
   */
  goBack(now: Nanos, context: DeliveryContext, expected: number): DropName | '' {
    const { tx, srtt } = context;
    if (!context.ordered) return 'nack_code';
    const isOut = tx.holds(expected);
    if (!isOut && expected !== tx.next) return 'nack_range';
    // it speaks of what was there before the last repetition
    const i = expected & tx.mask;
    const trip = (srtt || this.#core.settings.rtoInit / 4) / 2;
    if (isOut && tx.again[i] === 1 && now - tx.sentAt[i]! < trip) return '';
    this.seen(context, tx.loseMissing(expected));
    return '';
  }

  seen(context: DeliveryContext, count: number): void {
    if (count === 0) return;
    this.#core.count(EVENT.lost_packets, count);
    this.congested(context);
  }

  /** The network lost something: once for a round trip. */
  congested(context: DeliveryContext): void {
    if (context.tx.arrivedSerial < context.recoverySerial) return;
    context.recoverySerial = context.tx.serials;
    context.cc.onLoss();
  }
}

/** Probes in a row that may find the same packet missing; afterwards the retransmission time-out decides. */
const MAX_TAIL_LOSSES = 5;
