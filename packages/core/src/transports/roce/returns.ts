/** Sends what responders owe: acknowledgements, read data, results of atomics, NAKs; for each queue pair in order. */
import type { Packet } from '../../engine/packet.ts';
import { Access, AccessFault, QpFault } from '../../engine/status.ts';
import type { Nanos } from '../../engine/time.ts';
import { Reach } from '../../engine/work.ts';
import { BTH_BYTES } from '../../wire/roce/bth.ts';
import { AETH_BYTES, ATOMIC_ACK_ETH_BYTES, AtomicAckEth } from '../../wire/roce/extended.ts';
import { RoceOpcode } from '../../wire/roce/opcodes.ts';
import { AethKind, RoceNak } from '../../wire/roce/syndrome.ts';
import type { Core } from './core.ts';
import { EVENT } from './drops.ts';
import { mustWait, pay } from './pacing.ts';
import { aethWord, ECT, firstWord, writeBth } from './packets.ts';
import { psnAdd } from './psn.ts';
import type { QueuePair } from './queue-pair.ts';
import { Owed, type Return } from './return-queue.ts';

const { original } = AtomicAckEth;

export class Returns {
  readonly #core: Core;
  readonly #reach = new Reach();
  readonly #pkey: number;
  readonly #ecn: number;

  constructor(core: Core) {
    this.#core = core;
    this.#pkey = core.settings.pkey;
    this.#ecn = core.settings.ecn === 1 ? ECT : 0;
  }

  /** Fills `out` with the next packet that a queue pair owes. @returns false when there is none now */
  transmit(now: Nanos, qp: QueuePair, out: Packet): boolean {
    const { returns } = qp.responder;
    if (returns.length === 0) return false;
    const owed = returns.first();
    if (owed.kind === Owed.READ) return this.#transmitData(now, qp, owed, out);
    const isAtomic = owed.kind === Owed.ATOMIC;
    const opcode = isAtomic ? RoceOpcode.RC_ATOMIC_ACKNOWLEDGE : RoceOpcode.RC_ACKNOWLEDGE;
    this.#begin(qp, out, opcode, 0, owed.psn);
    this.#writeAeth(out, owed);
    if (isAtomic) {
      original.set(out.view, out.at + out.length, owed.hi, owed.lo);
      out.length += ATOMIC_ACK_ETH_BYTES;
    }
    this.#count(owed);
    returns.shift();
    return true;
  }

  /** The queue pair goes away: acknowledgements and NAKs leave without it. */
  bequeath(qp: QueuePair): void {
    const core = this.#core;
    const { returns } = qp.responder;
    for (; returns.length > 0; returns.shift()) {
      const owed = returns.first();
      if (owed.kind > Owed.NAK) continue;
      const first = firstWord(RoceOpcode.RC_ACKNOWLEDGE, 0, 0, this.#pkey);
      const aeth = aethWord(owed.syndrome, owed.msn);
      if (!core.outbox.add(qp.peerPath, qp.entropy, BTH_BYTES + AETH_BYTES, first, qp.peerQpn, owed.psn, aeth)) {
        core.count(EVENT.outbox_full);
      } else this.#count(owed);
    }
  }

  #begin(qp: QueuePair, out: Packet, opcode: number, pad: number, psn: number): void {
    writeBth(out, firstWord(opcode, 0, pad, this.#pkey), qp.peerQpn, psn);
    out.path = qp.peerPath;
    out.entropy = qp.entropy;
  }

  #writeAeth(out: Packet, { syndrome, msn }: Return): void {
    out.view.setInt32(out.at + out.length, aethWord(syndrome, msn));
    out.length += AETH_BYTES;
  }

  #transmitData(now: Nanos, qp: QueuePair, owed: Return, out: Packet): boolean {
    const { returns } = qp.responder;
    if (mustWait(this.#core, now, qp)) return false;
    const { mtu } = qp;
    const index = owed.sent;
    const isLast = index === owed.packets - 1;
    const offset = index * mtu;
    const length = Math.min(mtu, owed.length - offset);
    const pad = -length & 3;
    const psn = psnAdd(owed.psn, index);
    let opcode: number = RoceOpcode.RC_READ_RESPONSE_MIDDLE;
    if (isLast) opcode = index === 0 ? RoceOpcode.RC_READ_RESPONSE_ONLY : RoceOpcode.RC_READ_RESPONSE_LAST;
    else if (index === 0) opcode = RoceOpcode.RC_READ_RESPONSE_FIRST;
    this.#begin(qp, out, opcode, pad, psn);
    if (length > 0 && !this.#gather(qp, owed, offset, length, out)) return this.#failRead(qp, owed, psn, out);
    if (opcode !== RoceOpcode.RC_READ_RESPONSE_MIDDLE) this.#writeAeth(out, owed);
    out.padding = pad;
    out.ecn = this.#ecn;
    this.#core.count(EVENT.sent_responses);
    pay(now, qp, out);
    if (isLast) returns.shift();
    else owed.sent = index + 1;
    return true;
  }

  /** Names the payload of a piece of read data, if the peer may still see it. */
  #gather({ config }: QueuePair, owed: Return, offset: number, length: number, out: Packet): boolean {
    const reach = this.#reach;
    const { dma } = this.#core.services;
    reach.qp = config.qp;
    reach.pd = config.pd;
    reach.jobId = config.jobId;
    reach.keyLo = owed.key;
    reach.offset = owed.offset;
    reach.length = owed.length;
    reach.rights = Access.REMOTE_READ;
    reach.isProbe = true;
    if (this.#core.services.reach(reach) !== AccessFault.NONE) return false;
    if (!dma.readable(reach.region, reach.regionOffset + offset, length)) return false;
    out.gather(reach.region, reach.regionOffset + offset, length);
    return true;
  }

  /** The memory went away, or the right to it, while it was being read: the rest is refused. */
  #failRead(qp: QueuePair, owed: Return, psn: number, out: Packet): boolean {
    const { responder: rx, config } = qp;
    out.reset();
    this.#begin(qp, out, RoceOpcode.RC_ACKNOWLEDGE, 0, psn);
    owed.syndrome = (AethKind.NAK << 5) | RoceNak.REMOTE_ACCESS_ERROR;
    this.#writeAeth(out, owed);
    rx.returns.clear();
    rx.hasFailed = true;
    this.#core.count(EVENT.sent_naks);
    this.#core.services.fail(config.qp, QpFault.ACCESS);
    return true;
  }

  #count({ kind, syndrome }: Return): void {
    if (kind !== Owed.NAK) this.#core.count(kind === Owed.ACK ? EVENT.sent_acks : EVENT.sent_responses);
    else this.#core.count(syndrome >>> 5 === AethKind.RNR_NAK ? EVENT.sent_rnr_naks : EVENT.sent_naks);
  }
}
