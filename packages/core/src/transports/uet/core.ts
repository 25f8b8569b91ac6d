/** What the parts of a UET engine share: services, settings, counters, contexts, timers and what waits to be sent. */
import { assert } from '../../base/assert.ts';
import type { Counters } from '../../base/counters.ts';
import { DeadlineHeap } from '../../base/deadline-heap.ts';
import type { EngineConfig, Services } from '../../engine/engine.ts';
import type { Packet } from '../../engine/packet.ts';
import { resolveSettings } from '../../engine/settings.ts';
import { type Nanos, NEVER } from '../../engine/time.ts';
import { SETTINGS, type Settings } from './attributes.ts';
import { createCounters, DROP, type DropName, EVENT } from './drops.ts';
import { ContextTable } from './pds/context-table.ts';
import type { DeliveryContext } from './pds/delivery-context.ts';
import { Outbox, Post } from './pds/outbox.ts';
import { ReorderBuffer } from './pds/reorder-buffer.ts';
import { StartPsns } from './pds/start-psn.ts';
import { PDC_STATE_NAMES, PdcState, stepAllowed } from './pds/states.ts';
import { SecureStarts } from './tss/secure-starts.ts';

export class Core {
  readonly services: Services;
  readonly config: EngineConfig;
  readonly settings: Settings;
  readonly counters: Counters;
  readonly contexts: ContextTable;
  readonly outbox: Outbox;
  /** Packets of ordered contexts that came too early. */
  readonly reorder: ReorderBuffer;
  /** First PSNs that peers are told to use. */
  readonly starts: StartPsns;
  /** Which starts of protected contexts are taken, and where ours begin. */
  readonly secureStarts: SecureStarts;
  /** Paths whose peer takes no Negotiation. */
  readonly plainPeers = new Set<number>();
  readonly timers: DeadlineHeap;
  /** Time of the step that is being made. */
  now: Nanos = 0;
  /** The engine is shutting down: contexts close as soon as they rest. */
  closing = false;
  // a ring of contexts that may have something to send
  readonly #ready: Int32Array;
  #readyHead = 0;
  #readyTail = 0;
  // contexts with an acknowledgement that is wanted
  readonly #acks: Int32Array;
  #ackHead = 0;
  #ackTail = 0;

  constructor(services: Services, config: EngineConfig) {
    this.services = services;
    this.config = config;
    this.settings = resolveSettings('UET', SETTINGS, config.settings);
    this.counters = createCounters();
    this.outbox = new Outbox(powerOfTwo(this.settings.maxAnswers));
    const { maxContexts, maxTargetContextsPerPeer, windowPackets, defaultMpr, newPdcTime } = this.settings;
    const { reservedContexts, maxCccs, maxBitmaps } = this.settings;
    this.reorder = new ReorderBuffer(this.settings.reorderBuffer, config.payloadMtu);
    this.starts = new StartPsns(services.random, newPdcTime);
    this.secureStarts = new SecureStarts(this.settings.secureStart);
    this.contexts = new ContextTable(
      {
        contexts: maxContexts,
        perPeer: maxTargetContextsPerPeer,
        reserved: reservedContexts,
        cccs: maxCccs,
        bitmaps: maxBitmaps,
        sendSlots: powerOfTwo(windowPackets),
        receiveRange: defaultMpr * 128,
      },
      services.random,
    );
    this.timers = new DeadlineHeap(maxContexts);
    this.#ready = new Int32Array(powerOfTwo(maxContexts));
    this.#acks = new Int32Array(powerOfTwo(maxContexts));
  }

  /** @param event - one of `EVENT` */
  count(event: number, amount = 1): void {
    this.counters.add(event, amount);
  }

  drop(reason: DropName): void {
    this.counters.add(DROP[reason]);
  }

  /** Makes sure that the context is looked at no later than `due`. Looking early is harmless. */
  wake(context: DeliveryContext, due: Nanos): void {
    if (due < this.timers.due(context.slot)) this.timers.set(context.slot, due);
  }

  /** The context may have something to send. */
  makeReady(context: DeliveryContext): void {
    if (context.ready) return;
    context.ready = true;
    this.#ready[this.#readyTail++ & (this.#ready.length - 1)] = context.slot;
  }

  /** The context whose turn it is; undefined when none is ready. */
  firstReady(): DeliveryContext | undefined {
    while (this.#readyHead !== this.#readyTail) {
      const context = this.contexts.at(this.#ready[this.#readyHead & (this.#ready.length - 1)]!)!;
      if (context.ready && context.state !== PdcState.CLOSED) return context;
      this.#readyHead++;
      context.ready = false;
    }
    return undefined;
  }

  /** The first ready context has nothing more to send now. */
  retireFirst(): void {
    this.contexts.at(this.#ready[this.#readyHead++ & (this.#ready.length - 1)]!)!.ready = false;
  }

  /** The first ready context had its turn. */
  rotateReady(): void {
    const slot = this.#ready[this.#readyHead++ & (this.#ready.length - 1)]!;
    this.#ready[this.#readyTail++ & (this.#ready.length - 1)] = slot;
  }

  /** Queues a context for an acknowledgement; once until it was taken. */
  wantAck(context: DeliveryContext): void {
    context.ackWanted = true;
    if (context.ackQueued) return;
    context.ackQueued = true;
    this.#acks[this.#ackTail++ & (this.#acks.length - 1)] = context.slot;
  }

  /** Number of contexts queued for an acknowledgement. */
  get acksWanted(): number {
    return this.#ackTail - this.#ackHead;
  }

  /** Takes the next context from the queue of acknowledgements. It may have lost interest meanwhile. */
  takeAck(): DeliveryContext {
    const context = this.contexts.at(this.#acks[this.#ackHead++ & (this.#acks.length - 1)]!)!;
    context.ackQueued = false;
    return context;
  }

  /** The one door through which the state of a context changes. */
  enter(context: DeliveryContext, state: number, why: string): void {
    const from = context.state;
    assert(
      stepAllowed(context.initiator, from, state),
      `no step ${PDC_STATE_NAMES[from]} -> ${PDC_STATE_NAMES[state]} (${why}) for ${context.initiator ? 'an initiator' : 'a target'}`,
    );
    context.state = state;
  }

  /** A packet names the peer's context, which was unknown so far. */
  learn(context: DeliveryContext, remoteId: number, why: string): void {
    this.contexts.learn(context, remoteId);
    context.negotiating = false;
    if (context.state === PdcState.CREATING) this.enter(context, PdcState.ESTABLISHED, why);
  }

  /** A packet names the context by a number that only an answer can have told: the peer is where it says it is. */
  prove(context: DeliveryContext): void {
    this.contexts.prove(context);
    context.proofDue = NEVER;
    this.makeReady(context);
  }

  /** Refuses a packet: context 0 where this endpoint has none. */
  nack(
    packet: Packet,
    code: number,
    psn: number,
    localId: number,
    remoteId: number,
    payload: number,
    flags: number,
  ): void {
    const i = this.outbox.add(Post.NACK, packet.path, localId, remoteId);
    if (i < 0) {
      this.count(EVENT.outbox_full);
      return;
    }
    this.outbox.code[i] = code;
    this.outbox.psn[i] = psn;
    this.outbox.payload[i] = payload;
    this.outbox.flags[i] = flags;
    this.outbox.entropy[i] = packet.entropy;
  }

  /** Sends a control packet that consumes no PSN. */
  control(context: DeliveryContext, type: number, psn: number, payload: number, flags: number, opaque = 0): void {
    const i = this.outbox.add(Post.CONTROL, context.path, context.localId, context.remoteId);
    if (i < 0) {
      this.count(EVENT.outbox_full);
      return;
    }
    this.outbox.code[i] = type;
    this.outbox.psn[i] = psn;
    this.outbox.payload[i] = payload;
    this.outbox.flags[i] = flags;
    this.outbox.messageId[i] = opaque;
    this.outbox.entropy[i] = context.entropy;
  }
}

function powerOfTwo(least: number): number {
  let size = 1;
  while (size < least) size *= 2;
  return size;
}
