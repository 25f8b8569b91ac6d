/**
 * The RoCEv2 engine, without clock, socket or thread.
 *
 *   work requests -> requester -> packets -> responder -> receives, memory
 *   completions   <- completer <- packets <- returns   <-
 *
 * This file ties the parts together: checks that every packet passes, dispatch, whose turn it is to send, timers.
 */
import type { Counters } from '../../base/counters.ts';
import type { Engine, EngineConfig, QueuePairConfig, Services } from '../../engine/engine.ts';
import type { Packet } from '../../engine/packet.ts';
import { Status } from '../../engine/status.ts';
import type { Nanos } from '../../engine/time.ts';
import { BTH_BYTES } from '../../wire/roce/bth.ts';
import {
  ROCE_FLAGS,
  ROCE_HEADER_BYTES,
  ROCE_PAYLOAD,
  ROCE_REQUEST,
  RoceOpcode,
  RoceService,
} from '../../wire/roce/opcodes.ts';
import { Completer } from './completer.ts';
import { Core } from './core.ts';
import { Datagrams } from './datagrams.ts';
import { EVENT } from './drops.ts';
import { completeMessage } from './inbound.ts';
import { BECN, firstWord } from './packets.ts';
import type { QueuePair } from './queue-pair.ts';
import { Requester } from './requester.ts';
import { Responder } from './responder.ts';
import { Returns } from './returns.ts';
import { UnreliableResponder } from './unreliable-responder.ts';

export class RoceEngine implements Engine {
  readonly counters: Counters;
  readonly #core: Core;
  readonly #completer: Completer;
  readonly #requester: Requester;
  readonly #responder: Responder;
  readonly #returns: Returns;
  readonly #datagrams: Datagrams;
  readonly #unreliable: UnreliableResponder;
  readonly #pkey: number;
  /** Packets that one queue pair may send before others get their turn. */
  #quantum = QUANTUM;

  constructor(services: Services, config: EngineConfig) {
    this.#core = new Core(services, config);
    this.counters = this.#core.counters;
    this.#pkey = this.#core.settings.pkey;
    this.#completer = new Completer(this.#core);
    this.#requester = new Requester(this.#core, this.#completer);
    this.#responder = new Responder(this.#core);
    this.#returns = new Returns(this.#core);
    this.#datagrams = new Datagrams(this.#core);
    this.#unreliable = new UnreliableResponder(this.#core);
  }

  receive(now: Nanos, packet: Packet): void {
    const core = this.#core;
    core.count(EVENT.received_packets);
    const { view, at, length } = packet;
    if (packet.damaged) return core.drop('icrc');
    if (packet.trimmed) return core.drop('trimmed');
    if (length < BTH_BYTES) return core.drop('short');
    const first = view.getUint32(at);
    const opcode = first >>> 24;
    const flags = ROCE_FLAGS[opcode]!;
    if ((first & VERSION) !== 0) return core.drop('version');
    if (flags === 0) return core.drop('opcode');
    const header = ROCE_HEADER_BYTES[opcode]!;
    const payload = length - header - ((first >>> 20) & 3);
    if (payload < 0) return core.drop('short');
    if ((length & 3) !== 0 || (payload > 0 && (flags & ROCE_PAYLOAD) === 0)) return core.drop('length');
    if (!this.#isOfPartition(first & 0xffff)) return core.drop('pkey');
    const qp = core.find(view.getUint32(at + 4) & 0xff_ffff);
    if (qp === undefined) return core.drop('qp');
    if (opcode === RoceOpcode.CNP) return this.#congested(now, qp, packet);
    if (opcode >>> 5 !== qp.service) return core.drop('service');
    if (qp.service === RoceService.UD) return this.#datagrams.receive(qp, packet, flags, header, payload);
    if (packet.path !== qp.peerPath) return core.drop('path');
    if (packet.ecn === CONGESTION_EXPERIENCED) this.#notify(now, qp);
    if (qp.service === RoceService.UC) return this.#unreliable.receive(qp, packet, flags, header, payload);
    if ((flags & ROCE_REQUEST) !== 0) this.#responder.receive(now, qp, packet, flags, header, payload);
    else this.#completer.receive(now, qp, packet, opcode, flags, payload);
  }

  doorbell(_now: Nanos, handle: number): void {
    const qp = this.#core.get(handle);
    if (qp !== undefined) this.#core.makeReady(qp);
  }

  expire(now: Nanos): void {
    const { timers } = this.#core;
    while (timers.earliest() <= now) this.#completer.expire(now, this.#core.at(timers.first()));
  }

  transmit(now: Nanos, out: Packet): boolean {
    const core = this.#core;
    if (!core.outbox.isEmpty && core.outbox.take(out)) return this.#left();
    for (;;) {
      const qp = core.firstReady();
      if (qp === undefined) {
        if (core.starved.size === 0 || core.requests.isFull) return false;
        this.#feedStarved();
        continue;
      }
      if (this.#transmitOf(now, qp, out)) {
        if (--this.#quantum <= 0) {
          this.#quantum = QUANTUM;
          core.rotate(qp);
        }
        return this.#left();
      }
      core.retire(qp);
      this.#quantum = QUANTUM;
    }
  }

  deadline(): Nanos {
    return this.#core.timers.earliest();
  }

  addQueuePair(_now: Nanos, config: QueuePairConfig): string {
    return this.#core.add(config);
  }

  modifyQueuePair(_now: Nanos, config: QueuePairConfig): void {
    this.#core.get(config.qp)?.modify(config, this.#core.mtuOf(config));
  }

  removeQueuePair(_now: Nanos, handle: number): void {
    const core = this.#core;
    const qp = core.get(handle);
    if (qp === undefined) return;
    this.#completer.flush(qp);
    if (qp.responder.hasReceive) completeMessage(core, qp, Status.WR_FLUSH_ERR);
    this.#returns.bequeath(qp);
    core.remove(qp);
  }

  addJob(): void {} // a queue pair knows its job
  removeJob(): void {}
  close(): void {} // a peer is not told: RoCEv2 has no words for it below the connection manager

  end(): void {
    this.#core.requests.end();
  }

  quiet(): boolean {
    return this.#core.outbox.isEmpty && this.#core.requests.size === 0 && this.#core.firstReady() === undefined;
  }

  census(): Record<string, number> {
    const core = this.#core;
    let returns = 0;
    for (const qp of core.all()) returns += qp.responder.returns.length;
    return {
      queue_pairs: core.size,
      requests: core.requests.size,
      returns,
      timers: core.timers.size,
      outbox: core.outbox.length,
    };
  }

  connections(): Readonly<Record<string, string | number | boolean>>[] {
    return Array.from(this.#core.all()).filter(isConnected).map(connectionRow);
  }

  #left(): true {
    this.#core.count(EVENT.sent_packets);
    return true;
  }

  #transmitOf(now: Nanos, qp: QueuePair, out: Packet): boolean {
    if (qp.service === RoceService.UD) return this.#datagrams.transmit(qp, out);
    if (qp.returnsFirst) return this.#returns.transmit(now, qp, out) || this.#requester.transmit(now, qp, out);
    return this.#requester.transmit(now, qp, out) || this.#returns.transmit(now, qp, out);
  }

  #feedStarved(): void {
    const { starved } = this.#core;
    for (const qp of starved) this.#core.makeReady(qp);
    starved.clear();
  }

  /** The same partition, and at least one of the two is a full member. @spec IBTA vol. 1 §10.9.1 */
  #isOfPartition(pkey: number): boolean {
    return ((pkey ^ this.#pkey) & PARTITION) === 0 && ((pkey | this.#pkey) & FULL_MEMBER) !== 0;
  }

  /** A packet was marked on its way here: its sender is told, but not too often. @spec IBTA annex A17 */
  #notify(now: Nanos, qp: QueuePair): void {
    const core = this.#core;
    core.count(EVENT.marked_packets);
    if (now < qp.cnpAfter) return;
    const first = firstWord(RoceOpcode.CNP, 0, 0, this.#pkey);
    const length = ROCE_HEADER_BYTES[RoceOpcode.CNP]!;
    if (!core.outbox.add(qp.peerPath, qp.entropy, length, first, qp.peerQpn | BECN, 0))
      return core.count(EVENT.outbox_full);
    qp.cnpAfter = now + core.settings.cnpInterval;
    core.count(EVENT.sent_cnps);
  }

  /** A peer saw marks on packets from here. Only who is the peer of a queue pair can slow it down. @spec threats N33 */
  #congested(now: Nanos, qp: QueuePair, packet: Packet): void {
    const core = this.#core;
    if (!isConnected(qp) || packet.path !== qp.peerPath) return core.drop('cnp');
    core.count(EVENT.received_cnps);
    // however many come, they count as one for a while
    if (now < qp.markedUntil) return;
    qp.markedUntil = now + core.settings.cnpInterval;
    qp.requester.cc.onMark(now);
  }
}

const isConnected = (qp: QueuePair): boolean => qp.service !== RoceService.UD;

/** A connection as tools show it. PSNs: sent from `tx_base` to before `tx_next`, received to before `rx_expected`. */
function connectionRow(qp: QueuePair): Readonly<Record<string, string | number | boolean>> {
  const { requester: tx, responder: rx, config } = qp;
  return {
    ...{ id: qp.qpn, kind: config.type, remote_id: qp.peerQpn, path: qp.peerPath, state: stateOf(qp), mtu: qp.mtu },
    ...{ job: config.jobId, tx_base: tx.base & PSN, tx_next: tx.cursor & PSN, in_flight: tx.cursor - tx.base },
    ...{ requests: tx.requests, reads: tx.reads, window: tx.cc.windowPackets(), retries_left: tx.retriesLeft },
    ...{ limited: tx.cc.isLimited, rx_expected: rx.expected, msn: rx.msn, returns: rx.returns.length },
  };
}

function stateOf({ requester: tx, responder: rx }: QueuePair): string {
  if (tx.hasFailed || rx.hasFailed) return 'failed';
  if (tx.rnrUntil > 0) return 'peer not ready';
  if (tx.isRecovering) return 'recovering';
  if (rx.isNaked) return 'waiting for a repetition';
  return tx.requests > 0 || rx.returns.length > 0 ? 'busy' : 'idle';
}

const QUANTUM = 64;
const VERSION = 0xf_0000;
const PARTITION = 0x7fff;
const FULL_MEMBER = 0x8000;
const CONGESTION_EXPERIENCED = 3;
const PSN = 0xff_ffff;
