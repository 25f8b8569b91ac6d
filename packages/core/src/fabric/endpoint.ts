/**
 * An endpoint: talks to every peer of its address vector. It is opened, bound to queues and counters, and enabled; below
 * it is one queue pair, and a second one for remote accesses that may be repeated.
 *
 * @spec uet:ses/7.1 uet:ses/6.2
 */
import { parseAddress } from '../base/ip-address.ts';
import { isVerbsError, VerbsError } from '../base/verbs-error.ts';
import { GRH_BYTES } from '../engine/engine.ts';
import type { MemoryRegion as VerbsRegion } from '../verbs/memory-region.ts';
import type { QueuePair, QueuePairOptions } from '../verbs/queue-pair.ts';
import { encodeAddress, PeerAbility } from './address.ts';
import { AddressVector } from './address-vector.ts';
import { AtomicOperations } from './atomic-operations.ts';
import { CompletionQueue } from './completion-queue.ts';
import type { CountedOperations, Counter } from './counter.ts';
import type { Domain } from './domain.ts';
import { EventQueue } from './event-queue.ts';
import { FabricObject } from './fabric-object.ts';
import { type Capability, type FabricInfo, RECEIVE_RESERVE } from './info.ts';
import { MessageOperations } from './message-operations.ts';
import type { OperationRules, TransmitDefaults } from './operation-options.ts';
import { RmaOperations } from './rma-operations.ts';
import { TaggedOperations } from './tagged-operations.ts';
import { ReceiveTemplate, type VerbsSegment } from './templates.ts';
import { Traffic } from './traffic.ts';

export interface EndpointOptions {
  /** The job that it works for, instead of that of the domain: 4 bytes, big-endian, or a capability. */
  readonly authKey?: Uint8Array;
  /** Identity that peers see, 32 bits. Default: the number of its queue pair. */
  readonly initiator?: number;
  /** Process (bits 11..0) and resource index (23..12) by which peers name it. Default: free ones. */
  readonly number?: number;
  /** What operations in plain form mean. Default: they complete when sent, and visibly unless the queue is selective. */
  readonly defaults?: Partial<TransmitDefaults>;
  /** A receive for many messages ends when less is left. Default 64 bytes. */
  readonly minMultiReceive?: number;
  /** Peers are told to send no messages of more than one packet. */
  readonly singlePacket?: boolean;
  /** Secure domain that protects its packets, by its identifier; the usual one of the address entry when left out. */
  readonly secureDomain?: number;
}

/** What a completion queue is for at an endpoint. */
export interface QueueBinding {
  readonly transmit?: boolean;
  readonly receive?: boolean;
  /** Operations complete visibly only when they ask for it, or fail. */
  readonly selective?: boolean;
}

export class Endpoint extends FabricObject {
  readonly domain: Domain;
  readonly info: FabricInfo;
  /** Free bytes below which a receive for many messages ends; may be changed for those to come. */
  minMultiReceive: number;
  readonly #options: EndpointOptions;
  #vector: AddressVector | undefined;
  #events: EventQueue | undefined;
  #transmitQueue: CompletionQueue | undefined;
  #receiveQueue: CompletionQueue | undefined;
  #selectiveTransmit = false;
  #selectiveReceive = false;
  readonly #counters: { -readonly [K in keyof CountedOperations]?: Counter } = {};
  readonly #held = new Set<FabricObject>();
  #enabled: Enabled | undefined;

  /** For `Domain.openEndpoint`. */
  constructor(domain: Domain, info: FabricInfo, options: EndpointOptions) {
    super();
    const { maxQpWr } = domain.context.attributes;
    checkSize('transmit.size', info.transmit.size, maxQpWr);
    checkSize('receive.size', info.receive.size, maxQpWr - RECEIVE_RESERVE);
    if (info.sgidIndex !== domain.info.sgidIndex) {
      throw new VerbsError('EINVAL', 'openEndpoint', 'the info is of another address entry than the domain', {
        object: domain.describe(),
        try: 'a domain of that info',
      });
    }
    this.domain = domain;
    this.info = info;
    this.#options = options;
    this.minMultiReceive = options.minMultiReceive ?? MIN_MULTI_RECEIVE;
    domain.hold(this);
  }

  get isEnabled(): boolean {
    return this.#enabled !== undefined;
  }

  /** Binds the vector that peers are numbered in. */
  bind(vector: AddressVector): void;
  /** Binds the queue that events go to, instead of to that of the device. */
  bind(events: EventQueue): void;
  /** Binds a queue for completions of operations, of receives, or of both. */
  bind(queue: CompletionQueue, binding: QueueBinding): void;
  /** Binds a counter of operations; each is counted in one counter at most. */
  bind(counter: Counter, counted: CountedOperations): void;
  /** @throws VerbsError `EINVAL` enabled already, of another domain, nothing to bind for · `EBUSY` there is one */
  bind(
    object: AddressVector | CompletionQueue | Counter | EventQueue,
    how: QueueBinding & CountedOperations = {},
  ): void {
    this.check('bind');
    object.check('bind');
    if (this.#enabled !== undefined) {
      throw this.refusal('bind', 'the endpoint is enabled (FI_EOPBADSTATE)', 'bind first, then enable');
    }
    if (object.domain !== this.domain) {
      throw this.refusal('bind', `${object.describe()} is of another domain`, 'one of the same domain');
    }
    if (object instanceof AddressVector) this.#vector = this.#once(this.#vector, object);
    else if (object instanceof EventQueue) this.#events = this.#once(this.#events, object);
    else if (object instanceof CompletionQueue) this.#bindQueue(object, how);
    else this.#bindCounter(object, how);
    this.#held.add(object);
    object.hold(this);
  }

  /**
   * Makes it ready: peers can reach it from now on.
   *
   * @throws VerbsError `EINVAL` no address vector, or nothing that tells of completions, is bound · `ENOSPC` the device
   *   has no more queue pairs · `EEXIST` its number is taken
   */
  enable(): void {
    this.check('enable');
    if (this.#enabled !== undefined) return;
    if (this.#vector === undefined) {
      throw this.refusal('enable', 'no address vector is bound (FI_ENOAV)', 'bind(vector)');
    }
    const { send, receive, read, write } = this.#counters;
    const sends = this.#transmitQueue ?? send ?? read ?? write;
    if (sends === undefined || (this.#receiveQueue ?? receive) === undefined) {
      const what = sends === undefined ? 'transmit' : 'receive';
      throw this.refusal(
        'enable',
        `neither a completion queue nor a counter is bound for ${what} (FI_ENOCQ)`,
        `bind(queue, { ${what}: true })`,
      );
    }
    const { pump } = this.domain;
    const { transmit, receive: receiving } = this.info;
    const expected = transmit.size + receiving.size + RECEIVE_RESERVE;
    pump.expect(expected);
    try {
      this.#enabled = this.#make(expected);
    } catch (thrown) {
      pump.expect(-expected);
      throw thrown;
    }
  }

  /** Its address, 32 bytes, for address vectors of peers. @throws VerbsError EINVAL not enabled */
  getName(): Uint8Array {
    const { qp } = this.#ready('getName').traffic.parts;
    const { address, port } = this.domain.fabric.place(this.info.sgidIndex);
    return encodeAddress({
      fabricAddress: parseAddress(address)!,
      port,
      pidOnFep: qp.qpn & 0xfff,
      startIndex: (qp.qpn >>> 12) & 0xfff,
      indexCount: 1,
      initiator: qp.sourceId,
      isAbsolute: qp.qpn >>> 31 === 1,
      singlePacket: this.#options.singlePacket ?? false,
      abilities: this.#abilities(),
    });
  }

  /** Messages without tags. @throws VerbsError EINVAL not enabled */
  get messages(): MessageOperations {
    return this.#enabled?.messages ?? this.#missing('messages', 'msg');
  }

  /** Messages with tags. @throws VerbsError `EINVAL` not enabled · `EOPNOTSUPP` without caps.tagged */
  get tagged(): TaggedOperations {
    return this.#enabled?.tagged ?? this.#missing('tagged', 'tagged');
  }

  /** Access to memory of peers. @throws VerbsError `EINVAL` not enabled · `EOPNOTSUPP` without caps.rma */
  get rma(): RmaOperations {
    return this.#enabled?.rma ?? this.#missing('rma', 'rma');
  }

  /** Atomics on memory of peers. @throws VerbsError `EINVAL` not enabled · `EOPNOTSUPP` without caps.atomic */
  get atomics(): AtomicOperations {
    return this.#enabled?.atomics ?? this.#missing('atomics', 'atomic');
  }

  /** Operations that can be posted now, when they complete visibly. */
  get transmitSpace(): number {
    return this.#enabled?.traffic.transmitSpace ?? 0;
  }

  /** Receives that can be posted now. */
  get receiveSpace(): number {
    return this.#enabled?.traffic.receiveSpace ?? 0;
  }

  /**
   * Calls a receive back: it completes with ECANCELED, unless a message has taken it already.
   *
   * @param context - what was given along with it; of several with the same, one
   * @returns false when no receive has this context
   * @throws VerbsError `EOPNOTSUPP` without caps.cancel · `EAGAIN` too many are being called back
   */
  cancel(context: unknown): boolean {
    const { traffic, cancelling } = this.#ready('cancel');
    if (!this.info.caps.cancel) this.#missing('cancel', 'cancel');
    return traffic.cancel(cancelling, context);
  }

  describe(): string {
    const { qp } = this.#enabled?.traffic.parts ?? {};
    const { type, protocol } = this.info.endpoint;
    return `the ${type} endpoint over ${protocol}${qp === undefined ? '' : ` (${qp.describe()})`}`;
  }

  /** For memory regions only. */
  attach(region: VerbsRegion): void {
    const { qp, idempotentQp } = this.#ready('bind').traffic.parts;
    qp.attachMemory(region);
    idempotentQp?.attachMemory(region);
  }

  /** Operations under way complete with ECANCELED. */
  protected release(): void {
    const { pump } = this.domain;
    if (this.#enabled !== undefined) {
      const { traffic, expected } = this.#enabled;
      const { qp, idempotentQp, index } = traffic.parts;
      idempotentQp?.close();
      qp.close();
      drain(pump);
      traffic.end();
      pump.remove(index);
      pump.expect(-expected);
      if (this.#enabled.prefix !== undefined) {
        this.#enabled.prefix.region.deregister();
        this.domain.context.release(this.#enabled.prefix.bytes);
      }
      this.#enabled = undefined;
    }
    for (const one of this.#held) one.letGo(this);
    this.#held.clear();
    this.domain.letGo(this);
    pump.wake();
  }

  #make(expected: number): Enabled {
    const { domain, info } = this;
    const { pump } = domain;
    const made: QueuePair[] = [];
    let index = -1;
    try {
      const qp = this.#queuePair();
      made.push(qp);
      const idempotentQp = info.caps.idempotent ? this.#idempotentQueuePair(qp) : undefined;
      if (idempotentQp !== undefined) made.push(idempotentQp);
      const prefix = info.endpoint.type === 'dgram' ? this.#prefix() : undefined;
      const sink = { completed: (batch, row) => traffic.completed(batch, row) } satisfies Parameters<
        typeof pump.add
      >[0];
      index = pump.add(sink);
      for (const one of made) pump.name(one.qpn, sink);
      const { send, receive, read, write } = this.#counters;
      const traffic = new Traffic({
        ...{ info, qp, idempotentQp, index, errors: domain.errors, vector: this.#vector! },
        ...{ transmitQueue: this.#transmitQueue, receiveQueue: this.#receiveQueue },
        ...{ sendCounter: send, receiveCounter: receive, readCounter: read, writeCounter: write },
        name: `the ${info.endpoint.type} endpoint over ${info.endpoint.protocol} (${qp.describe()})`,
      });
      const rules = this.#rules(traffic);
      const { msg, tagged, rma, atomic } = info.caps;
      const cancelling = new ReceiveTemplate();
      cancelling.operation = 'cancel';
      return {
        ...{ traffic, expected, prefix, cancelling },
        messages: msg ? new MessageOperations(rules, prefix) : undefined,
        tagged: tagged ? new TaggedOperations(rules) : undefined,
        rma: rma ? new RmaOperations(rules) : undefined,
        atomics: atomic ? new AtomicOperations(rules) : undefined,
      };
    } catch (thrown) {
      if (index >= 0) pump.remove(index);
      for (const one of made) one.close();
      throw thrown;
    }
  }

  #queuePair(): QueuePair {
    const { domain, info } = this;
    const { authKey, initiator, number } = this.#options;
    const { transmit, receive, caps } = info;
    const isDatagram = info.endpoint.type === 'dgram';
    // an endpoint that receives from every job has no job of its own; requests name that of the peer
    const joined = domain.jobs.join('enable', authKey);
    const isRelative = joined !== undefined && (!domain.isAbsolute || isDatagram);
    const qp = domain.pd.createQueuePair({
      ...this.#common(),
      type: isDatagram ? 'UD' : 'RU',
      ordered: transmit.messageOrder.length + receive.messageOrder.length > 0,
      matching: caps.tagged || caps.directedReceive || caps.multiReceive || caps.cancel,
      receiveDepth: receive.size + RECEIVE_RESERVE,
      ...(isRelative ? { jobKey: joined.jobKey } : {}),
      ...(number === undefined ? {} : { qpn: number }),
      ...(initiator === undefined ? {} : { sourceId: initiator }),
    });
    if (!isDatagram) return qp;
    try {
      qp.modify({ state: 'INIT', pkeyIndex: 0, port: 1, qkey: DATAGRAM_QKEY });
      qp.modify({ state: 'RTR' });
      qp.modify({ state: 'RTS', sqPsn: 0 });
    } catch (thrown) {
      qp.close();
      throw thrown;
    }
    return qp;
  }

  #idempotentQueuePair(qp: QueuePair): QueuePair {
    const joined = this.domain.isAbsolute ? undefined : this.domain.jobs.join('enable', this.#options.authKey);
    return this.domain.pd.createQueuePair({
      ...{ ...this.#common(), type: 'RU', idempotent: true, sourceId: qp.sourceId, receiveDepth: 1 },
      ...(joined === undefined ? {} : { jobKey: joined.jobKey }),
    });
  }

  #common(): Pick<QueuePairOptions, 'sendCq' | 'recvCq' | 'sgidIndex' | 'sendDepth' | 'events' | 'domain'> {
    const { queue } = this.domain.pump;
    const { sgidIndex, transmit } = this.info;
    const events = this.#events?.stream;
    const domain = this.#options.secureDomain;
    return {
      ...{ sendCq: queue, recvCq: queue, sgidIndex, sendDepth: transmit.size },
      ...(events === undefined ? {} : { events }),
      ...(domain === undefined ? {} : { domain }),
    };
  }

  /** Memory for what stands in front of datagrams; nobody looks at it. */
  #prefix(): Prefix {
    const { context, pd } = this.domain;
    const bytes = context.allocate(GRH_BYTES);
    return { region: pd.registerMemory(bytes, { access: ['local-write'] }), offset: 0, length: GRH_BYTES, bytes };
  }

  #rules(traffic: Traffic): OperationRules {
    const { completion, deliveryComplete = false, matchComplete = false } = this.#options.defaults ?? {};
    return {
      traffic,
      selectiveTransmit: this.#selectiveTransmit || this.#transmitQueue === undefined,
      selectiveReceive: this.#selectiveReceive || this.#receiveQueue === undefined,
      defaults: { completion: completion ?? false, deliveryComplete, matchComplete },
      minMultiReceive: () => this.minMultiReceive,
      refusal: (call, problem, advice, code) => this.refusal(call, problem, advice, code),
    };
  }

  #abilities(): number {
    const { profiles, profileGaps } = this.domain.context.attributes;
    const has = (name: string) => profiles.includes(name) && !profileGaps.some((gap) => gap.startsWith(`${name}:`));
    const known = this.domain.fabric.transportAt(this.info.sgidIndex)?.attributes;
    return (
      (has('AI Base') ? PeerAbility.AI_BASE : 0) |
      (has('AI Full') ? PeerAbility.AI_FULL : 0) |
      (has('HPC') ? PeerAbility.HPC : 0) |
      (this.info.caps.tagged ? PeerAbility.TAGGED : 0) |
      (known?.operations.includes('atomic') === true ? PeerAbility.ATOMIC : 0) |
      (known?.idempotent === true ? PeerAbility.IDEMPOTENT : 0)
    );
  }

  #once<T extends FabricObject>(before: T | undefined, object: T): T {
    if (before === undefined || before === object) return object;
    throw this.refusal('bind', `${before.describe()} is bound for that already`, 'one of each kind', 'EBUSY');
  }

  #bindQueue(queue: CompletionQueue, { transmit, receive, selective }: QueueBinding): void {
    if (transmit !== true && receive !== true) {
      throw this.refusal('bind', 'the queue is bound for nothing', '{ transmit: true, receive: true }');
    }
    if (transmit) {
      this.#transmitQueue = this.#once(this.#transmitQueue, queue);
      this.#selectiveTransmit = selective ?? false;
    }
    if (receive) {
      this.#receiveQueue = this.#once(this.#receiveQueue, queue);
      this.#selectiveReceive = selective ?? false;
    }
  }

  #bindCounter(counter: Counter, counted: CountedOperations): void {
    const names = (Object.keys(counted) as (keyof CountedOperations)[]).filter((name) => counted[name] === true);
    const unknown = names.find((name) => !COUNTED.includes(name));
    if (names.length === 0 || unknown !== undefined) {
      throw this.refusal(
        'bind',
        unknown === undefined ? 'nothing is to be counted' : `'${unknown}' cannot be counted here`,
        `{ ${COUNTED.join(', ')} }; what peers do to memory is not counted`,
        unknown === undefined ? 'EINVAL' : 'EOPNOTSUPP',
      );
    }
    for (const name of names) this.#once(this.#counters[name], counter);
    for (const name of names) this.#counters[name] = counter;
  }

  #ready(call: string): Enabled {
    this.check(call);
    if (this.#enabled !== undefined) return this.#enabled;
    throw this.refusal(call, 'the endpoint is not enabled (FI_EOPBADSTATE)', 'endpoint.enable()');
  }

  /** @throws VerbsError always: why there is no such operation */
  #missing(call: string, capability: Capability): never {
    this.#ready(call);
    throw this.refusal(
      call,
      `the endpoint was opened without caps.${capability}`,
      `an info of getInfo({ caps: { ${capability}: true } }), if the device has it`,
      'EOPNOTSUPP',
    );
  }
}

/** What an endpoint consists of while it works. */
interface Enabled {
  readonly traffic: Traffic;
  /** Completions that the pump was told to expect. */
  readonly expected: number;
  readonly prefix: Prefix | undefined;
  readonly cancelling: ReceiveTemplate;
  readonly messages: MessageOperations | undefined;
  readonly tagged: TaggedOperations | undefined;
  readonly rma: RmaOperations | undefined;
  readonly atomics: AtomicOperations | undefined;
}

interface Prefix extends VerbsSegment {
  readonly bytes: Uint8Array;
}

/** Hands out all that is left; a device that is gone has nothing. */
function drain(pump: Domain['pump']): void {
  try {
    while (pump.progress() > 0);
  } catch (thrown) {
    if (!isVerbsError(thrown)) throw thrown;
  }
}

function checkSize(name: string, size: number, most: number): void {
  if (Number.isInteger(size) && size >= 1 && size <= most) return;
  throw new VerbsError('EINVAL', 'openEndpoint', `\`${name}\` cannot be ${size}`, { try: `1 to ${most}` });
}

const COUNTED: readonly (keyof CountedOperations)[] = ['send', 'receive', 'read', 'write'];
const MIN_MULTI_RECEIVE = 64;
/** Of all datagram endpoints: who may talk to whom is the job's business. */
const DATAGRAM_QKEY = 0x0fab_0001;
