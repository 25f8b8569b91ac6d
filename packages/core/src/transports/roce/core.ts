/** What the parts of a RoCEv2 engine share: services, settings, counters, queue pairs, timers, and whose turn it is. */
import type { Counters } from '../../base/counters.ts';
import { DeadlineHeap } from '../../base/deadline-heap.ts';
import type { DcqcnParameters } from '../../cc/dcqcn.ts';
import type { EngineConfig, QueuePairConfig, Services } from '../../engine/engine.ts';
import { resolveSettings } from '../../engine/settings.ts';
import { type Nanos, NEVER } from '../../engine/time.ts';
import { ATTRIBUTES, SETTINGS, type Settings } from './attributes.ts';
import { createCounters, DROP, type DropName } from './drops.ts';
import { Outbox } from './outbox.ts';
import { QueuePair } from './queue-pair.ts';
import { RequestPool } from './request.ts';

export class Core {
  readonly services: Services;
  readonly config: EngineConfig;
  readonly settings: Settings;
  readonly counters: Counters;
  readonly outbox = new Outbox();
  readonly requests: RequestPool;
  readonly timers: DeadlineHeap;
  /** Queue pairs with work for which no request was free. */
  readonly starved = new Set<QueuePair>();
  readonly #dcqcn: DcqcnParameters;
  readonly #bySlot: (QueuePair | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #byHandle = new Map<number, QueuePair>();
  readonly #byNumber = new Map<number, QueuePair>();
  #lastFound: QueuePair | undefined = undefined;
  #firstReady: QueuePair | undefined = undefined;
  #lastReady: QueuePair | undefined = undefined;

  constructor(services: Services, config: EngineConfig) {
    this.services = services;
    this.config = config;
    this.settings = resolveSettings('RoCEv2', SETTINGS, config.settings);
    this.counters = createCounters();
    this.requests = new RequestPool(services.dma, MAX_REQUESTS);
    this.timers = new DeadlineHeap(ATTRIBUTES.limits.maxQueuePairs);
    this.#dcqcn = dcqcnParameters(this.settings);
  }

  /** @param event - one of `EVENT` */
  count(event: number, amount = 1): void {
    this.counters.add(event, amount);
  }

  drop(reason: DropName): void {
    this.counters.add(DROP[reason]);
  }

  get size(): number {
    return this.#byHandle.size;
  }

  all(): IterableIterator<QueuePair> {
    return this.#byHandle.values();
  }

  /** By the device's handle. */
  get(handle: number): QueuePair | undefined {
    return this.#byHandle.get(handle);
  }

  /** By the number that a packet names. */
  find(qpn: number): QueuePair | undefined {
    const last = this.#lastFound;
    if (last !== undefined && last.qpn === qpn) return last;
    const found = this.#byNumber.get(qpn);
    if (found !== undefined) this.#lastFound = found;
    return found;
  }

  /** By the number of its timer. */
  at(slot: number): QueuePair {
    return this.#bySlot[slot]!;
  }

  /** @returns '' or why not */
  add(config: QueuePairConfig): string {
    const qpn = config.qpn & 0xff_ffff;
    if (this.#byNumber.has(qpn)) return `queue pair number 0x${qpn.toString(16)} is taken`;
    if (!ATTRIBUTES.queuePairTypes.includes(config.type)) return `RoCEv2 has no queue pairs of type ${config.type}`;
    if (this.size >= ATTRIBUTES.limits.maxQueuePairs) return `there are ${this.size} queue pairs, and no more may be`;
    if ((config.type === 'RC' || config.type === 'UC') && config.peerPath === undefined) {
      return `a queue pair of type ${config.type} has one peer: it needs its address`;
    }
    const slot = this.#freeSlots.pop() ?? this.#bySlot.length;
    const qp = new QueuePair(slot, config, this.mtuOf(config), this.#dcqcn, this.settings.windowPackets);
    qp.entropy = qpn % Math.max(1, this.config.entropies);
    this.#bySlot[slot] = qp;
    this.#byHandle.set(config.qp, qp);
    this.#byNumber.set(qpn, qp);
    return '';
  }

  remove(qp: QueuePair): void {
    this.retire(qp);
    this.timers.set(qp.slot, NEVER);
    this.starved.delete(qp);
    this.#bySlot[qp.slot] = undefined;
    this.#freeSlots.push(qp.slot);
    this.#byHandle.delete(qp.config.qp);
    this.#byNumber.delete(qp.qpn);
    if (this.#lastFound === qp) this.#lastFound = undefined;
  }

  /** Payload bytes of a full packet: those of the path, or of the port where the kind is told none. */
  mtuOf({ type, attributes }: QueuePairConfig): number {
    const { payloadMtu } = this.config;
    return (type === 'RC' || type === 'UC') && attributes.pathMtu > 0 ? attributes.pathMtu : payloadMtu;
  }

  /** Makes sure that the queue pair is looked at no later than `due`. Looking early is harmless. */
  wake(qp: QueuePair, due: Nanos): void {
    if (due < this.timers.due(qp.slot)) this.timers.set(qp.slot, due);
  }

  /** The queue pair may have something to send. */
  makeReady(qp: QueuePair): void {
    if (qp.isReady) return;
    qp.isReady = true;
    qp.nextReady = undefined;
    qp.lastReady = this.#lastReady;
    if (this.#lastReady === undefined) this.#firstReady = qp;
    else this.#lastReady.nextReady = qp;
    this.#lastReady = qp;
  }

  /** The queue pair whose turn it is; undefined when none has anything to send. */
  firstReady(): QueuePair | undefined {
    return this.#firstReady;
  }

  /** It has nothing more to send now. */
  retire(qp: QueuePair): void {
    if (!qp.isReady) return;
    qp.isReady = false;
    if (qp.lastReady === undefined) this.#firstReady = qp.nextReady;
    else qp.lastReady.nextReady = qp.nextReady;
    if (qp.nextReady === undefined) this.#lastReady = qp.lastReady;
    else qp.nextReady.lastReady = qp.lastReady;
    qp.nextReady = qp.lastReady = undefined;
  }

  /** It had its turn: others first. */
  rotate(qp: QueuePair): void {
    qp.returnsFirst = !qp.returnsFirst;
    if (qp.nextReady === undefined) return;
    this.retire(qp);
    this.makeReady(qp);
  }
}

const MB = 1_000_000;

const dcqcnParameters = (settings: Settings): DcqcnParameters => ({
  lineRate: settings.lineRate * MB,
  minRate: Math.min(settings.minRate, settings.lineRate) * MB,
  additiveRate: settings.additiveRate * MB,
  hyperRate: settings.hyperRate * MB,
  gain: 1 / settings.alphaGain,
  alphaTime: settings.alphaTime,
  increaseTime: settings.increaseTime,
  increaseBytes: settings.increaseBytes,
  recoverySteps: settings.recoverySteps,
});

/** Requests under way at a time, of all queue pairs together. */
const MAX_REQUESTS = 262_144;
