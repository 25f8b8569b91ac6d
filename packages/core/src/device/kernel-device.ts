/**
 * The kernel half of a device: objects, memory, rings, and the engine of its transport. It has no thread and no clock:
 * a host calls `step` to move everything on, and `call` for what programs ask.
 *
 * One port, one address and one engine for now; `raise` and the address table are written so that more can follow.
 */
import { Counters } from '../base/counters.ts';
import { SeededRandom } from '../base/random.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { Engine, Transport } from '../engine/engine.ts';
import { type Nanos, NEVER } from '../engine/time.ts';
import { type DeviceAttributes, FIRMWARE_VERSION, guidOf, VENDOR_ID, VENDOR_PART_ID } from './attributes.ts';
import { DataPath } from './data-path.ts';
import { COUNT, DEVICE_COUNTERS } from './device-counters.ts';
import type { CallIn, CallOut, KernelCallName, ResourceRow } from './kernel-calls.ts';
import type { KernelHost } from './kernel-host.ts';
import type { Handlers, KernelParts } from './kernel-parts.ts';
import { type DeviceLimits, deviceLimits } from './limits.ts';
import { objectHandlers } from './object-handlers.ts';
import { type KernelContext, Kind } from './objects.ts';
import { failQueuePair, queueHandlers } from './queue-handlers.ts';
import { Registry } from './registry.ts';

export interface KernelDeviceOptions {
  readonly name: string;
  readonly transport: Transport;
  readonly host: KernelHost;
  /** Payload bytes of a full packet; the same at both ends. */
  readonly payloadMtu: number;
  /** The transport's own settings by name. */
  readonly settings?: Readonly<Record<string, number>>;
  readonly limits?: Partial<DeviceLimits>;
}

export class KernelDevice {
  readonly name: string;
  readonly transport: Transport;
  readonly host: KernelHost;
  readonly engine: Engine;
  readonly limits: DeviceLimits;
  readonly payloadMtu: number;
  /** Why the device failed; it serves nobody then. */
  failure: unknown;
  readonly #counters = new Counters(DEVICE_COUNTERS);
  readonly #registry: Registry;
  readonly #data: DataPath;
  readonly #parts: KernelParts;
  readonly #handlers: Handlers<KernelCallName>;
  #now: Nanos = 0;
  /** The last step ran out of budget: there is more to send. */
  #unfinished = false;
  #stepping = false;

  /** @throws VerbsError EINVAL a setting that the transport does not have, or an MTU that it cannot use */
  constructor(options: KernelDeviceOptions) {
    const { name, transport, host, payloadMtu, settings = {} } = options;
    this.name = name;
    this.transport = transport;
    this.host = host;
    this.payloadMtu = payloadMtu;
    this.limits = deviceLimits(transport.attributes.limits, options.limits);
    const words = new Uint32Array(1);
    host.randomWords(words);
    this.#registry = new Registry(this.limits, words[0]!);
    this.#data = new DataPath(
      this.#registry,
      host.dma,
      new SeededRandom(host.seed),
      this.#counters,
      (handle) => host.wake(handle),
      transport.attributes,
    );
    checkOptions(options);
    this.engine = transport.createEngine(this.#data, {
      payloadMtu,
      entropies: host.entropies,
      receiveBufferBytes: host.receiveBufferBytes,
      settings,
    });
    this.#parts = {
      host,
      transport,
      engine: this.engine,
      registry: this.#registry,
      data: this.#data,
      limits: this.limits,
      now: () => this.#now,
    };
    this.#handlers = Object.freeze({
      ...objectHandlers(this.#parts),
      ...queueHandlers(this.#parts),
      ...this.#ownHandlers(),
    });
  }

  /**
   * One step of progress: doorbells, packets in, timers, packets out.
   *
   * @returns how much was done; 0 means that nothing will happen before {@link deadline} or the next packet or doorbell
   */
  step(now: Nanos): number {
    if (this.failure !== undefined || this.#stepping) return 0;
    this.#stepping = true;
    this.#now = now;
    this.#counters.add(COUNT.steps);
    try {
      const { engine, host } = this;
      // what was posted leaves before a look for packets costs time
      let work = this.#serveDoorbells(now);
      if (work > 0) {
        this.#transmit(now);
        host.wire.flush(now);
      }
      const arrived = host.wire.receive(now, engine);
      // packets that still wait may hold what a timer waits for: after a pause of this process they come first
      const due = engine.deadline();
      if (due <= now && (arrived === 0 || now - due > PATIENCE)) engine.expire(now);
      work += arrived + this.#transmit(now);
      host.wire.flush(now);
      for (let qp = this.#data.nextDoomed(); qp !== undefined; qp = this.#data.nextDoomed()) {
        failQueuePair(this.#parts, qp);
        work++;
      }
      this.#data.publish();
      return work;
    } catch (thrown) {
      this.#fail(thrown);
      return 1;
    } finally {
      this.#stepping = false;
    }
  }

  /** When `step` must run although no packet came and no doorbell rang. */
  deadline(): Nanos {
    if (this.failure !== undefined) return NEVER;
    if (this.#unfinished) return this.#now;
    return Math.min(this.engine.deadline(), this.host.wire.deadline());
  }

  /** Whether a doorbell was rung that no step has served. */
  rung(): boolean {
    for (const { page } of this.#registry.openContexts) if (page.rung()) return true;
    return false;
  }

  /** Tells programs whether the device sleeps and must be woken after ringing. Look at {@link rung} once more then. */
  setAsleep(asleep: boolean): void {
    for (const { page } of this.#registry.openContexts) page.setAsleep(asleep);
  }

  /**
   * A call of the control path.
   *
   * @param now - time; the time of the last step when left out
   * @throws VerbsError as the call says; `EIO` when the device failed
   */
  call<N extends KernelCallName>(name: N, args: CallIn<N>, now: Nanos = this.#now): CallOut<N> {
    if (!Object.hasOwn(this.#handlers, name)) {
      throw new VerbsError('EOPNOTSUPP', String(name), 'the device has no such call');
    }
    if (this.failure !== undefined && !WITHOUT_ENGINE.has(name)) throw this.#failed(name);
    this.#now = Math.max(now, this.#now);
    const handler = this.#handlers[name] as (args: CallIn<N>) => CallOut<N>;
    try {
      return handler(args);
    } finally {
      this.#data.publish();
    }
  }

  /** Begins an orderly end: the transport closes what peers hold state for. Step on until {@link quiet}. */
  close(now: Nanos): void {
    if (this.failure === undefined) this.engine.close(now);
  }

  /** Nothing is left in the transport. */
  quiet(): boolean {
    return this.failure !== undefined || this.engine.quiet();
  }

  /** Reports an asynchronous event on behalf of the host, such as PORT_ERR. */
  raise(event: number, object: number): void {
    this.#data.raise(event, object);
  }

  counters(): Record<string, number> {
    return { ...this.#counters.toJSON(), ...this.engine.counters.toJSON() };
  }

  /** Live objects, and the engine's protocol state under `engine_`. */
  census(): Record<string, number> {
    const inside = Object.entries(this.engine.census()).map(([name, count]) => [`engine_${name}`, count]);
    return { ...this.#registry.census(), dma_regions: this.host.dma.regions, ...Object.fromEntries(inside) };
  }

  resources(): ResourceRow[] {
    return [...this.#registry.rows()];
  }

  #serveDoorbells(now: Nanos): number {
    let served = 0;
    const contexts = this.#registry.openContexts;
    for (let i = 0; i < contexts.length; i++) {
      const context = contexts[i]!;
      if (!context.page.rung()) continue;
      context.page.accept();
      const groups = (context.slots.length + 31) >> 5;
      for (let group = 0; group < groups; group++) {
        for (let bits = context.page.take(group); bits !== 0; bits &= bits - 1) {
          served += this.#serve(now, context, (group << 5) + 31 - Math.clz32(bits & -bits));
        }
      }
    }
    return served;
  }

  #serve(now: Nanos, context: KernelContext, slot: number): number {
    const qp = context.slots[slot];
    if (qp === undefined) return 0;
    this.#counters.add(COUNT.doorbells);
    if (qp.state === 'RTS') this.engine.doorbell(now, qp.handle);
    else this.#data.flushRings(qp);
    return 1;
  }

  #transmit(now: Nanos): number {
    const { engine, host } = this;
    for (let sent = 0; sent < TRANSMIT_BUDGET; sent++) {
      const slot = host.wire.slot();
      if (slot === undefined || !engine.transmit(now, slot)) {
        this.#unfinished = false;
        return sent;
      }
      host.wire.send(now);
    }
    this.#unfinished = true;
    return TRANSMIT_BUDGET;
  }

  /** A bug was met: the device stops, and everybody who waits for it is told. */
  #fail(thrown: unknown): void {
    this.failure = thrown ?? new Error('unknown');
    this.#data.fail();
  }

  #failed(call: string): VerbsError {
    const text = this.failure instanceof Error ? this.failure.message : String(this.failure);
    return new VerbsError('EIO', call, `device ${this.name} failed: ${text}`, {
      object: `device ${this.name}`,
      try: 'close the device and open it again; the failure is a bug, please report it',
    });
  }

  #closeContext(handle: number): undefined {
    const context = this.#registry.context('Context.close', handle);
    const handlers = this.#handlers;
    // newest first: what uses an object was made after it
    for (const object of [...context.objects].reverse()) {
      const own = { context: handle };
      switch ((object >>> 16) & 15) {
        case Kind.PD:
          handlers.closePd({ ...own, pd: object });
          break;
        case Kind.REGION:
          handlers.deregisterMemory({ ...own, region: object });
          break;
        case Kind.ADDRESS:
          handlers.destroyAddressHandle({ ...own, handle: object });
          break;
        case Kind.JOB:
          handlers.destroyJob({ ...own, job: object });
          break;
        case Kind.JOB_KEY:
          handlers.destroyJobKey({ ...own, jobKey: object });
          break;
        case Kind.CQ:
          handlers.destroyCompletionQueue({ ...own, cq: object });
          break;
        default:
          handlers.destroyQueuePair({ ...own, qp: object });
      }
    }
    this.#registry.contexts.remove(handle);
    const { openContexts } = this.#registry;
    openContexts.splice(openContexts.indexOf(context), 1);
    this.host.detachMemory(context.pageTarget);
    this.host.wake(handle);
    return undefined;
  }

  #ownHandlers(): Handlers<OwnCalls> {
    const { host, transport } = this;
    return {
      closeContext: ({ context }) => this.#closeContext(context),
      counters: () => this.counters(),
      census: () => this.census(),
      resources: () => this.resources(),
      queryDevice: () => this.#attributes(),
      queryPort: () => ({
        port: 1,
        state: this.failure === undefined ? 'ACTIVE' : 'DOWN',
        maxMtu: this.payloadMtu,
        activeMtu: this.payloadMtu,
        maxMessageBytes: transport.attributes.limits.maxMessageBytes,
        linkLayer: 'Ethernet',
        udpPort: host.localAddress.port,
        level: host.level,
        gids: [{ index: 0, address: host.localAddress.address.slice(), type: transport.attributes.addressType }],
      }),
    };
  }

  #attributes(): DeviceAttributes {
    const { limits, transport, host } = this;
    const { attributes } = transport;
    const guid = guidOf(host.localAddress.address, host.localAddress.port);
    return {
      name: this.name,
      transport: transport.name,
      firmwareVersion: FIRMWARE_VERSION,
      nodeGuid: guid,
      systemImageGuid: guid,
      vendorId: VENDOR_ID,
      vendorPartId: VENDOR_PART_ID,
      hardwareVersion: 1,
      physicalPorts: 1,
      maxQp: limits.queuePairs,
      maxQpWr: limits.workRequests,
      maxSge: attributes.limits.maxSegments,
      maxSgeRd: attributes.limits.maxSegments,
      maxInline: attributes.limits.maxInlineBytes,
      maxCq: limits.completionQueues,
      maxCqe: limits.completionEntries,
      maxMr: limits.regions,
      maxMrSize: limits.regionBytes,
      maxMw: 0,
      maxPd: limits.protectionDomains,
      maxAh: limits.addressHandles,
      maxSrq: 0,
      maxPkeys: 1,
      atomicCap: 'NONE',
      maxJobIds: attributes.limits.maxJobId === 0 ? 0 : limits.jobs,
      maxJobKeys: attributes.limits.maxJobId === 0 ? 0 : limits.jobKeys,
      maxAddrEntries: attributes.limits.maxJobId === 0 ? 0 : limits.addresses,
      maxJobId: attributes.limits.maxJobId,
      maxMessageBytes: attributes.limits.maxMessageBytes,
      queuePairTypes: attributes.queuePairTypes,
      operations: attributes.operations,
      ordering: attributes.ordering,
      reliable: attributes.reliable,
    };
  }
}

type OwnCalls = 'closeContext' | 'counters' | 'census' | 'resources' | 'queryDevice' | 'queryPort';

function checkOptions({ name, transport, payloadMtu, settings = {} }: KernelDeviceOptions): void {
  const { maxPayloadMtu } = transport.attributes.limits;
  if (!Number.isInteger(payloadMtu) || payloadMtu < MIN_PAYLOAD_MTU || payloadMtu > maxPayloadMtu) {
    throw new VerbsError('EINVAL', 'openDevice', `device ${name} cannot have packets of ${payloadMtu} payload bytes`, {
      try: `a whole number from ${MIN_PAYLOAD_MTU} to ${maxPayloadMtu}, the same at both ends`,
    });
  }
  for (const [key, value] of Object.entries(settings)) {
    const row = transport.attributes.settings.find((one) => one.name === key);
    if (row === undefined) {
      throw new VerbsError('EINVAL', 'openDevice', `${transport.name} has no setting '${key}'`, {
        try: transport.attributes.settings.map((one) => one.name).join(', '),
      });
    }
    if (!(value >= row.min && value <= row.max)) {
      throw new VerbsError('EINVAL', 'openDevice', `setting ${key} = ${value} ${row.unit} is out of range`, {
        try: `${row.min} to ${row.max}; the default is ${row.value}`,
      });
    }
  }
}

/** Calls that also work on a device that failed: looking, and giving back. */
const WITHOUT_ENGINE: ReadonlySet<string> = new Set([
  'queryDevice',
  'queryPort',
  'counters',
  'census',
  'resources',
  'peer',
  'takeEvents',
  'closeContext',
  'closePd',
  'deregisterMemory',
  'destroyAddressHandle',
  'destroyJob',
  'destroyJobKey',
  'destroyCompletionQueue',
  'destroyQueuePair',
]);
const MIN_PAYLOAD_MTU = 64;
/** How late a timer may become while packets keep arriving. */
const PATIENCE: Nanos = 5_000_000;
/** Packets that one step sends before it looks at what arrived. */
const TRANSMIT_BUDGET = 1024;
