/**
 * The UET engine: Ultra Ethernet Transport without clock, socket or thread.
 *
 *   work requests -> ses/initiator -> pds/source      -> packets
 *   completions   <- ses/target    <- pds/destination <- packets
 *
 * This file ties the parts together: dispatch of packets, the order in which contexts are served, timers.
 */
import type { Counters } from '../../base/counters.ts';
import type { Engine, EngineConfig, QueuePairConfig, Services } from '../../engine/engine.ts';
import type { Packet } from '../../engine/packet.ts';
import { Status } from '../../engine/status.ts';
import { type Nanos, NEVER } from '../../engine/time.ts';
import { FLAG_NT, PdsType, pdsLength } from '../../wire/uet/pds.ts';
import { Core } from './core.ts';
import { EVENT } from './drops.ts';
import { Answers } from './pds/answers.ts';
import { Datagrams } from './pds/datagrams.ts';
import type { DeliveryContext } from './pds/delivery-context.ts';
import { Destination } from './pds/destination.ts';
import { RudiDestination } from './pds/rudi-destination.ts';
import { RudiSource } from './pds/rudi-source.ts';
import { Source } from './pds/source.ts';
import { PDC_STATE_NAMES, PdcState } from './pds/states.ts';
import { type LocalQueuePair, QueuePairs } from './queue-pairs.ts';
import { flush } from './ses/abandoned-messages.ts';
import { Initiator } from './ses/initiator.ts';
import type { Message } from './ses/message.ts';
import { Target } from './ses/target.ts';

export class UetEngine implements Engine {
  readonly counters: Counters;
  readonly #core: Core;
  readonly #queuePairs = new QueuePairs();
  readonly #initiator: Initiator;
  readonly #target: Target;
  readonly #source: Source;
  readonly #destination: Destination;
  readonly #answers: Answers;
  readonly #rudiSource: RudiSource;
  readonly #rudiDestination: RudiDestination;
  readonly #datagrams: Datagrams;
  /** Messages without a context: none was free. */
  readonly #stranded: Message[] = [];
  #strandedUntil: Nanos = NEVER;
  /** Queue pairs with work that found no room. */
  readonly #starved = new Set<LocalQueuePair>();
  /** Jobs that are gone while contexts of theirs still had something to do. */
  readonly #endedJobs = new Set<number>();
  /** Packets that one context may send before others and acknowledgements get their turn. */
  #quantum = QUANTUM;
  #now: Nanos = 0;

  constructor(services: Services, config: EngineConfig) {
    this.#core = new Core(services, config);
    this.counters = this.#core.counters;
    this.#initiator = new Initiator(this.#core, (message) => this.#submit(this.#now, message));
    this.#target = new Target(this.#core, this.#queuePairs, this.#initiator);
    this.#source = new Source(this.#core, this.#initiator, this.#target, (message) => this.#submit(this.#now, message));
    this.#answers = new Answers(this.#core);
    this.#rudiSource = new RudiSource(this.#core, this.#initiator);
    this.#rudiDestination = new RudiDestination(this.#core, this.#target);
    this.#datagrams = new Datagrams(this.#core, this.#queuePairs);
    this.#destination = new Destination(this.#core, this.#initiator, this.#target, this.#source, this.#answers);
  }

  receive(now: Nanos, packet: Packet): void {
    this.#core.now = this.#now = now;
    const core = this.#core;
    core.count(EVENT.received_packets);
    if (packet.damaged) return core.drop('damaged');
    const { view, at, length } = packet;
    if (length < 2) return core.drop('short');
    const word = view.getUint16(at);
    const type = word >>> 11;
    const nextHeader = (word >>> 7) & 15;
    const flags = word & 0x7f;
    const header = pdsLength(type);
    if (header === 0) return core.drop(type === PdsType.TSS ? 'secured' : 'type');
    if (length < header) return core.drop('short');
    switch (type) {
      case PdsType.RUD_REQ:
      case PdsType.ROD_REQ:
      case PdsType.RUD_CC_REQ:
      case PdsType.ROD_CC_REQ:
        return this.#destination.request(now, packet, type, nextHeader, flags);
      case PdsType.ACK:
      case PdsType.ACK_CC:
      case PdsType.ACK_CCX:
        // of a trimmed one too little is left; the time-out of the request repairs it
        if (packet.trimmed) return core.drop('trimmed');
        return this.#source.acknowledgement(now, packet, type, nextHeader, flags);
      case PdsType.NACK:
      case PdsType.NACK_CCX:
        if ((flags & FLAG_NT) !== 0) return this.#rudiSource.refusal(now, packet);
        return this.#source.refusal(now, packet);
      case PdsType.CP:
        return this.#destination.control(now, packet, nextHeader, flags);
      case PdsType.RUDI_REQ:
        return this.#rudiDestination.request(packet, nextHeader, flags);
      case PdsType.RUDI_RESP:
        return this.#rudiSource.response(packet, nextHeader, flags);
      case PdsType.UUD_REQ:
        return this.#datagrams.receive(packet, nextHeader);
      default:
        return core.drop('type');
    }
  }

  doorbell(now: Nanos, handle: number): void {
    this.#core.now = this.#now = now;
    const qp = this.#queuePairs.get(handle);
    if (qp === undefined) return;
    if (qp.config.type === 'UD') return this.#datagrams.wake(qp);
    this.#target.receivesPosted(qp);
    this.#takeWork(now, qp);
  }

  expire(now: Nanos): void {
    this.#core.now = this.#now = now;
    const { timers, contexts } = this.#core;
    while (timers.earliest() <= now) {
      const context = contexts.at(timers.first())!;
      if (context.state === PdcState.CLOSED) timers.set(context.slot, NEVER);
      else this.#source.expire(now, context);
    }
    this.#rudiSource.expire(now);
    this.#initiator.deferred.expire(now);
    this.#target.deferrals.expire(now);
    this.#initiator.rendezvous.expire(now);
    this.#target.rendezvous.expire(now);
    if (now >= this.#strandedUntil) this.#failStranded();
  }

  transmit(now: Nanos, out: Packet): boolean {
    this.#core.now = this.#now = now;
    const core = this.#core;
    const answers = this.#answers;
    if (this.#quantum > 0 && this.#transmitData(now, out)) return this.#sent();
    if (answers.transmitPost(now, out) || answers.transmitAck(now, out)) return this.#sent();
    if (this.#transmitLoose(now, out)) return this.#sent();
    this.#quantum = QUANTUM;
    if (this.#transmitData(now, out)) return this.#sent();
    if (this.#starved.size > 0 && this.#feedStarved(now) && this.#transmitData(now, out)) return this.#sent();
    if (core.closing || this.#endedJobs.size > 0) this.#closeResting(now);
    // what was tried just now may have asked something of the peer
    return answers.transmitPost(now, out) && this.#sent();
  }

  deadline(): Nanos {
    const put = Math.min(this.#initiator.deferred.deadline, this.#target.deferrals.deadline);
    const read = Math.min(this.#initiator.rendezvous.deadline, this.#target.rendezvous.deadline);
    const loose = Math.min(this.#rudiSource.deadline, put, read);
    return Math.min(this.#core.timers.earliest(), this.#strandedUntil, loose);
  }

  addQueuePair(_now: Nanos, config: QueuePairConfig): string {
    const why = this.#queuePairs.add(config);
    if (why === '' && config.matching === true && config.type !== 'UD')
      this.#queuePairs.get(config.qp)!.matching = this.#target.matching();
    return why;
  }

  removeQueuePair(now: Nanos, handle: number): void {
    this.#core.now = this.#now = now;
    const qp = this.#queuePairs.remove(handle);
    if (qp === undefined) return;
    this.#starved.delete(qp);
    this.#datagrams.remove(qp);
    this.#rudiSource.removeQueuePair(handle);
    this.#initiator.deferred.removeQueuePair(handle);
    this.#initiator.rendezvous.removeQueuePair(handle);
    for (let i = this.#stranded.length - 1; i >= 0; i--) {
      const message = this.#stranded[i]!;
      if (message.qp !== handle) continue;
      this.#stranded.splice(i, 1);
      message.status = Status.WR_FLUSH_ERR;
      this.#initiator.finish(message);
    }
    for (const context of this.#core.contexts.all()) {
      flush(this.#initiator, context, handle);
      this.#core.makeReady(context);
    }
    qp.openRequests = 0;
    for (;;) {
      const message = this.#initiator.take(qp);
      if (message === undefined) break;
      message.status = Status.WR_FLUSH_ERR;
      this.#initiator.finish(message);
    }
    this.#target.queuePairRemoved(this.#core.contexts.all(), qp);
  }

  addJob(jobId: number): void {
    this.#queuePairs.addJob(jobId);
  }

  removeJob(jobId: number): void {
    this.#queuePairs.removeJob(jobId);
    if (this.#queuePairs.hasJob(jobId)) return;
    for (const context of this.#core.contexts.all()) {
      if (context.jobId !== jobId || !context.initiator) continue;
      this.#endedJobs.add(jobId);
      this.#core.makeReady(context);
    }
    this.#closeResting(this.#now);
  }

  close(now: Nanos): void {
    this.#core.now = this.#now = now;
    this.#core.closing = true;
    for (const context of this.#core.contexts.all()) this.#core.makeReady(context);
    this.#closeResting(now);
  }

  end(): void {
    this.#initiator.end();
    this.#target.end();
    this.#datagrams.end();
  }

  quiet(): boolean {
    const { contexts, outbox } = this.#core;
    const isLooseQuiet = this.#rudiSource.quiet && this.#rudiDestination.empty;
    return contexts.size === 0 && outbox.empty && this.#stranded.length === 0 && isLooseQuiet;
  }

  census(): Record<string, number> {
    return {
      contexts: this.#core.contexts.size,
      messages: this.#initiator.messages.size,
      inbound_messages: this.#target.inboundMessages,
      unexpected_messages: this.#target.unexpected.messages,
      unexpected_bytes: this.#target.unexpected.bytes,
      atomic_operands: this.#initiator.keptOperands,
      atomic_results: this.#target.keptResults,
      early_packets: this.#core.reorder.size,
      timers: this.#core.timers.size,
      exposures: this.#initiator.rendezvous.size,
      rendezvous: this.#target.rendezvous.size,
      deferrals: this.#target.deferrals.size,
      deferred_sends: this.#initiator.deferred.size,
      stranded_messages: this.#stranded.length,
      idempotent_packets: this.#rudiSource.outstanding,
      queue_pairs: this.#queuePairs.size,
    };
  }

  connections(): Readonly<Record<string, string | number | boolean>>[] {
    return Array.from(this.#core.contexts.all(), connectionRow);
  }

  /** The delivery contexts, for tests. */
  *describeContexts(): IterableIterator<ContextRow> {
    for (const context of this.#core.contexts.all()) yield describeContext(context);
  }

  #sent(): true {
    this.#core.count(EVENT.sent_packets);
    return true;
  }

  /** What belongs to no context: idempotent requests, answers to them, datagrams. */
  #transmitLoose(now: Nanos, out: Packet): boolean {
    return this.#rudiDestination.transmit(out) || this.#rudiSource.transmit(now, out) || this.#datagrams.transmit(out);
  }

  /** Serves the ready contexts in turn. */
  #transmitData(now: Nanos, out: Packet): boolean {
    const core = this.#core;
    for (;;) {
      const context = core.firstReady();
      if (context === undefined) return false;
      if (this.#source.transmit(now, context, out)) {
        this.#answers.hurryAck(now, context);
        if (--this.#quantum <= 0) {
          core.rotateReady();
          this.#turn(context);
        }
        return true;
      }
      core.retireFirst();
    }
  }

  /** After a long turn an unordered context goes on over another route; short ones would only break up bursts. */
  #turn(context: DeliveryContext): void {
    if (!context.ordered && context.state !== PdcState.CLOSED) {
      context.entropy = context.entropy + 1 >= this.#core.config.entropies ? 0 : context.entropy + 1;
    }
  }

  #takeWork(now: Nanos, qp: LocalQueuePair): boolean {
    let any = false;
    for (;;) {
      const message = this.#initiator.take(qp);
      if (message === undefined) break;
      any = true;
      this.#submit(now, message, qp);
    }
    const isFull = this.#initiator.messages.size >= this.#core.settings.maxMessages;
    if (isFull || qp.fenced !== undefined) this.#starved.add(qp);
    else this.#starved.delete(qp);
    return any;
  }

  #feedStarved(now: Nanos): boolean {
    if (this.#initiator.messages.size >= this.#core.settings.maxMessages) return false;
    let any = false;
    for (const qp of this.#starved) any = this.#takeWork(now, qp) || any;
    return any;
  }

  /** Puts a message on the context of its destination. */
  #submit(now: Nanos, message: Message, qp?: LocalQueuePair): void {
    const core = this.#core;
    const { path, jobId } = message.work;
    if (message.idempotent) return this.#rudiSource.enqueue(message);
    if (message.ordered && this.#overtakes(message)) return this.#strand(now, message);
    let context = qp?.last;
    if (
      context === undefined ||
      !context.initiator ||
      !context.acceptsWork ||
      context.path !== path ||
      context.jobId !== jobId ||
      context.ordered !== message.ordered
    ) {
      context =
        core.contexts.find(path, message.ordered, jobId) ?? this.#openContext(now, path, message.ordered, jobId);
      if (context === undefined) {
        this.#strand(now, message);
        return;
      }
      if (qp !== undefined) qp.last = context;
    }
    this.#initiator.enqueue(context, message);
    core.makeReady(context);
  }

  #openContext(now: Nanos, path: number, ordered: boolean, jobId: number): DeliveryContext | undefined {
    const core = this.#core;
    const context = core.contexts.allocate(now, path, 0);
    if (context === undefined) return undefined;
    // the default keeps PSNs below 2^31 as long as possible: V8 puts larger numbers on the heap
    const random = MIN_START + Math.floor(core.services.random() * (core.settings.startPsnBelow - MIN_START));
    const known = core.secureStarts.start(path);
    const start = known >= 0 ? known : random;
    context.open(now, true, ordered, path, start, core.settings.defaultMpr * 128);
    context.jobId = jobId;
    if (ordered) context.entropy = context.localId % core.config.entropies;
    core.enter(context, PdcState.CREATING, 'work');
    core.count(EVENT.contexts_opened);
    core.wake(context, now + core.settings.idleTime);
    if (core.settings.negotiate !== 0 && !core.plainPeers.has(path)) this.#source.negotiate(now, context);
    return context;
  }

  /** Messages to the same place wait already; an ordered one may not pass them. */
  #overtakes(message: Message): boolean {
    const { path, jobId } = message.work;
    for (const one of this.#stranded) {
      if (one.ordered && one.work.path === path && one.work.jobId === jobId) return true;
    }
    return false;
  }

  /** No context is free: one that rests is asked to go, and the message waits a while. */
  #strand(now: Nanos, message: Message): void {
    this.#stranded.push(message);
    if (this.#strandedUntil === NEVER) this.#strandedUntil = now + STRANDED_POLL;
    for (const context of this.#core.contexts.all()) {
      if (context.initiator && context.resting && context.state === PdcState.ESTABLISHED) {
        this.#source.beginClose(now, context);
        return;
      }
    }
  }

  /** Tries stranded messages again, and gives up on those that have waited too long. */
  #failStranded(): void {
    const waiting = this.#stranded.splice(0);
    this.#strandedUntil = NEVER;
    for (const message of waiting) {
      if (++message.strandings > STRANDED_TRIES) {
        message.status = Status.GENERAL_ERR;
        this.#initiator.finish(message);
      } else this.#submit(this.#now, message);
    }
  }

  /** Closes what has nothing to do: all contexts when the engine closes, else those of jobs that are gone. */
  #closeResting(now: Nanos): void {
    const { closing, contexts } = this.#core;
    if (!closing) this.#endedJobs.clear();
    for (const context of contexts.all()) {
      const { jobId, initiator } = context;
      if (!closing && (!initiator || !context.acceptsWork || this.#queuePairs.hasJob(jobId))) continue;
      if (!closing && !context.resting) this.#endedJobs.add(jobId);
      if (context.resting && context.acceptsWork) {
        this.#source.beginClose(now, context);
        this.#source.rearm(now, context);
      }
    }
  }
}

export interface ContextRow {
  readonly id: number;
  readonly remoteId: number;
  readonly path: number;
  readonly mode: 'rud' | 'rod';
  readonly role: 'initiator' | 'target';
  readonly state: (typeof PDC_STATE_NAMES)[number];
  readonly inFlight: number;
  readonly window: number;
  /** Smoothed round-trip time, ns. */
  readonly srttNs: number;
}

const describeContext = (context: DeliveryContext): ContextRow => ({
  id: context.localId,
  remoteId: context.remoteId,
  path: context.path,
  mode: context.ordered ? 'rod' : 'rud',
  role: context.initiator ? 'initiator' : 'target',
  state: PDC_STATE_NAMES[context.state]!,
  inFlight: context.tx.inFlight,
  window: context.cc.packets,
  srttNs: context.srtt,
});

/** A delivery context as tools show it. PSN windows: sent from `tx_base` to before `tx_next`, received to `rx_cack`. */
function connectionRow(context: DeliveryContext): Readonly<Record<string, string | number | boolean>> {
  const row = describeContext(context);
  const { tx, rx, jobId } = context;
  return {
    ...{ id: row.id, remote_id: row.remoteId, mode: row.mode, role: row.role, state: row.state, path: row.path },
    ...(context.initiator ? { job: jobId } : {}),
    ...{ tx_base: tx.base, tx_next: tx.next, tx_range: tx.range, in_flight: row.inFlight, lost: tx.lost },
    ...{ window: row.window, rx_cack: rx.cack, rx_highest: rx.highest, rx_range: rx.range },
    srtt_ns: Math.round(row.srttNs),
  };
}

const QUANTUM = 64;
const MIN_START = 0x1_0000;
const STRANDED_POLL: Nanos = 20_000_000;
const STRANDED_TRIES = 50;
