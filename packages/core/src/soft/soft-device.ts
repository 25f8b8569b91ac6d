/**
 * The driver of software devices: objects, memory, rings, and the engines of its links. It has no thread and no clock:
 * a host calls `step` to move everything on.
 */
import { DOORBELL_PAGE_BYTES, DoorbellPage } from '../abi/doorbell-page.ts';
import { RingError } from '../abi/ring.ts';
import { Counters } from '../base/counters.ts';
import { formatAddress } from '../base/ip-address.ts';
import { SeededRandom } from '../base/random.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { Call } from '../device/call.ts';
import type { Device } from '../device/device.ts';
import type { DeviceContext } from '../device/device-context.ts';
import type { DeviceObject } from '../device/device-object.ts';
import { DRIVER_NUMBERS, type Driver, type DriverOps } from '../device/driver.ts';
import { EventValue } from '../device/events.ts';
import type { Transport } from '../engine/engine.ts';
import { type Nanos, NEVER } from '../engine/time.ts';
import type { WireHost } from '../engine/wire-host.ts';
import type { Row } from '../uapi/rows.ts';
import { addressOps } from './address-ops.ts';
import { deviceAttributes, gidRows, portAttributes } from './attributes.ts';
import { completionOps, failRing } from './completion-ops.ts';
import { counterOps } from './counter-ops.ts';
import { DataPath } from './data-path.ts';
import { describeObject } from './describe.ts';
import { COUNT, DEVICE_COUNTERS } from './device-counters.ts';
import type { KernelHost } from './kernel-host.ts';
import { type KernelParts, linkOf } from './kernel-parts.ts';
import { type DeviceLimits, deviceLimits } from './limits.ts';
import type { Link, LinkOptions } from './link.ts';
import { memoryOps } from './memory-ops.ts';
import type { SoftContext, SoftQueuePair, SoftSharedQueue } from './objects.ts';
import { Publisher } from './publisher.ts';
import { queueOps } from './queue-ops.ts';
import { failQueuePair } from './queue-pair-states.ts';
import { Registry } from './registry.ts';
import { semanticsOf } from './semantics.ts';
import { sharedReceiveOps } from './shared-receive-ops.ts';
import { wakeReader } from './wake-reader.ts';
import { windowOps } from './window-ops.ts';

export interface SoftDeviceOptions {
  /** Address entries, each with its transport. */
  readonly links: readonly LinkOptions[];
  readonly host: KernelHost;
  readonly limits?: Partial<DeviceLimits>;
}

export class SoftDevice implements Driver {
  readonly number = DRIVER_NUMBERS.SOFT;
  readonly name = 'soft';
  readonly ops: DriverOps;
  readonly host: KernelHost;
  readonly links: readonly Link[];
  readonly limits: DeviceLimits;
  /** Why the device failed; it serves nobody then. */
  failure: unknown;
  readonly #counters = new Counters(DEVICE_COUNTERS);
  /** What engines counted that were replaced by a reset: totals never fall. */
  readonly #history: Record<string, number> = {};
  readonly #registry: Registry;
  readonly #publisher = new Publisher(wakeReader);
  readonly #parts: KernelParts;
  #device: Device | undefined;
  #now: Nanos = 0;
  /** The last step ran out of budget: there is more to send. */
  #unfinished = false;
  #stepping = false;
  #closing = false;

  /** @throws VerbsError EINVAL a setting that the transport does not have, or an MTU that it cannot use */
  constructor(options: SoftDeviceOptions) {
    const { host, links } = options;
    this.host = host;
    for (const link of links) checkLink(link);
    this.limits = deviceLimits(
      links.map((one) => one.transport.attributes.limits),
      options.limits,
    );
    const words = new Uint32Array(1);
    host.randomWords(words);
    this.#registry = new Registry(this.limits, words[0]!);
    const random = new SeededRandom(host.seed);
    this.links = links.map((link, index) => this.#link(link, index, random));
    this.#parts = {
      host,
      registry: this.#registry,
      limits: this.limits,
      links: this.links,
      device: () => this.#device!,
    };
    this.ops = {
      DEVICE: this.#deviceOps(),
      ...memoryOps(this.#parts),
      ...addressOps(this.#parts, this.#publisher),
      ...windowOps(this.#parts),
      ...completionOps(this.#parts, this.#publisher),
      ...counterOps(this.#parts),
      ...sharedReceiveOps(this.#parts),
      ...queueOps(this.#parts, this.#publisher),
    };
  }

  get transports(): readonly string[] {
    return [...new Set(this.links.map((one) => one.transport.name))];
  }

  attached(device: Device): void {
    this.#device = device;
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
      // what was posted leaves before a look for packets costs time
      let work = this.#serveDoorbells(now);
      this.#unfinished = false;
      const { links } = this;
      if (work > 0) for (let i = 0; i < links.length; i++) this.#send(now, links[i]!);
      for (let i = 0; i < links.length; i++) work += this.#drive(now, links[i]!);
      for (let qp = this.#publisher.nextDoomed(); qp !== undefined; qp = this.#publisher.nextDoomed()) {
        failQueuePair(this.#registry, qp, now);
        work++;
      }
      this.#publisher.publish(now);
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
    let earliest = this.#publisher.deadline();
    for (let i = 0; i < this.links.length; i++) {
      const { engine, wire } = this.links[i]!;
      earliest = Math.min(earliest, engine.deadline(), wire.deadline());
    }
    return earliest;
  }

  /** Whether a doorbell was rung that no step has served. */
  rung(): boolean {
    const contexts = this.#registry.openContexts;
    for (let i = 0; i < contexts.length; i++) if (contexts[i]!.page.rung()) return true;
    return false;
  }

  /** Tells programs whether the device sleeps and must be woken after ringing. Look at {@link rung} once more then. */
  setAsleep(asleep: boolean): void {
    for (const { page } of this.#registry.openContexts) page.setAsleep(asleep);
  }

  /** Begins an orderly end: the transports close what peers hold state for. Step on until {@link quiet}. */
  close(now: Nanos): void {
    this.#closing = true;
    if (this.failure === undefined) for (const { engine } of this.links) engine.close(now);
  }

  /** Nothing is left in the transports. */
  quiet(): boolean {
    return this.failure !== undefined || this.links.every(({ engine }) => engine.quiet());
  }

  /** Nobody drives it any more: gives back what the transports hold of the host. */
  end(): void {
    this.failure ??= new Error('the device is gone');
    for (const { engine } of this.links) engine.end?.();
  }

  /**
   * Puts another wire in the place of a link's own, between steps: one that leads to the same peers under the same
   * paths, such as the same wire with something in front of it.
   */
  replaceWire(link: number, wire: WireHost): void {
    this.links[link]!.wire = wire;
  }

  counters(): Record<string, number> {
    const counts: Record<string, number> = { ...this.#counters.toJSON(), ...this.#history };
    for (const link of this.links) addCounters(counts, link);
    return counts;
  }

  maxima(): Record<string, number> {
    const { limits } = this;
    return {
      ...{ pd: limits.protectionDomains, mr: limits.regions, mw: limits.windows, cq: limits.completionQueues },
      ...{ qp: limits.queuePairs, srq: limits.sharedReceiveQueues, ah: limits.addressHandles },
      ...{ counter: limits.counters, job: limits.jobs, job_key: limits.jobKeys },
    };
  }

  objectCounters({ kind, state }: DeviceObject): Readonly<Record<string, number>> {
    if (kind !== 'QP') return {};
    const { sends, receives, srq } = state as SoftQueuePair;
    return { sends_done: sends.done, receives_done: srq === undefined ? receives.done : 0 };
  }

  /** Live objects of the device, and the engines' protocol state under `engine_`. */
  census(): Record<string, number> {
    const counts: Record<string, number> = { dma_regions: this.host.dma.regions };
    for (const { engine } of this.links) {
      for (const [name, count] of Object.entries(engine.census())) {
        counts[`engine_${name}`] = (counts[`engine_${name}`] ?? 0) + count;
      }
    }
    return counts;
  }

  describe(object: DeviceObject): Row {
    return describeObject(object);
  }

  protocolRows(): readonly Row[] {
    return this.links.flatMap(({ engine, index, wire, transport }) =>
      (engine.connections?.() ?? []).map((row) => {
        const { path, ...rest } = row;
        const peer = typeof path === 'number' ? wire.peer(path) : undefined;
        const where = peer === undefined ? {} : { peer: formatAddress(peer.address), peer_port: peer.port };
        return { kind: 'pdc', gid_index: index, transport: transport.name, ...where, ...rest };
      }),
    );
  }

  openContext(context: DeviceContext, call: Call): Record<string, unknown> {
    const page = call.tx.run(
      'doorbell page',
      () => this.host.mapPage(DOORBELL_PAGE_BYTES),
      (made) => made.release(),
    );
    const soft = this.#registry.contexts.add<SoftContext>((handle) => ({
      handle,
      context,
      page: new DoorbellPage(page.bytes),
      slots: [],
      freeSlots: [],
    }));
    if (soft === undefined) {
      throw new VerbsError('ENOSPC', call.name, `${this.limits.contexts} contexts are open`, { try: 'close one' });
    }
    context.state = soft;
    this.#registry.openContexts.push(soft);
    const offset = context.maps.insert(DOORBELL_PAGE_BYTES, page.attachment, () => page.release());
    return { page: offset, pageBytes: DOORBELL_PAGE_BYTES };
  }

  closeContext(context: DeviceContext): void {
    const soft = context.state as SoftContext | undefined;
    if (soft === undefined) return;
    this.#registry.contexts.remove(soft.handle);
    const { openContexts } = this.#registry;
    openContexts.splice(openContexts.indexOf(soft), 1);
  }

  /** Programs' rings are not looked at any more, and say so. */
  disassociate(): void {
    for (const qp of this.#registry.qps.values()) qp.sends.ring.setError(RingError.DEVICE);
    this.#publisher.publish(this.#now);
  }

  detached(): void {
    if (this.failure === undefined && !this.#closing) this.close(this.#now);
  }

  /** All queue pairs fail, and the engines begin anew; contexts, memory and completion queues stay. */
  reset(): void {
    for (const qp of this.#registry.qps.values()) {
      qp.doomed = '';
      failQueuePair(this.#registry, qp, this.#now);
      qp.inEngine = false;
    }
    for (const link of this.links) {
      link.engine.end?.();
      addCounters(this.#history, link);
      link.engine = engineOf(link);
      for (const job of this.#registry.jobs.values()) if (job.link === link && !job.ended) link.engine.addJob(job.id);
    }
    this.failure = undefined;
    this.#publisher.publish(this.#now);
  }

  #link(options: LinkOptions, index: number, random: SeededRandom): Link {
    const data = new DataPath(
      this.#registry,
      this.host.dma,
      random,
      this.#counters,
      () => this.#device,
      this.#publisher,
      options.transport.attributes,
      options,
    );
    const link = { ...options, index, port: options.port ?? 1, data, numbers: new Map() };
    return { ...link, engine: engineOf(link) };
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

  #serve(now: Nanos, context: SoftContext, slot: number): number {
    const queue = context.slots[slot];
    if (queue === undefined) return 0;
    this.#counters.add(COUNT.doorbells);
    if ('users' in queue) this.#serveShared(now, queue);
    else if (queue.receiving) {
      queue.link.engine.doorbell(now, queue.handle);
      if (queue.state === 'SQE') queue.link.data.flushSends(queue);
    } else if (queue.state === 'ERR') queue.link.data.flushRings(queue);
    return 1;
  }

  /** There are receives again: who found none is told. */
  #serveShared(now: Nanos, { waiting }: SoftSharedQueue): void {
    if (waiting.size === 0) return;
    const told = [...waiting];
    waiting.clear();
    for (const { receiving, link, handle } of told) if (receiving) link.engine.doorbell(now, handle);
  }

  #send(now: Nanos, link: Link): number {
    const sent = this.#transmit(now, link);
    link.wire.flush(now);
    return sent;
  }

  #drive(now: Nanos, link: Link): number {
    const { engine, wire } = link;
    const arrived = wire.receive(now, engine);
    // packets that still wait may hold what a timer waits for: after a pause of this process they come first
    const due = engine.deadline();
    if (due <= now && (arrived === 0 || now - due > PATIENCE)) engine.expire(now);
    return arrived + this.#send(now, link);
  }

  #transmit(now: Nanos, { engine, wire }: Link): number {
    for (let sent = 0; sent < TRANSMIT_BUDGET; sent++) {
      const slot = wire.slot();
      if (slot === undefined || !engine.transmit(now, slot)) return sent;
      wire.send(now);
    }
    this.#unfinished = true;
    return TRANSMIT_BUDGET;
  }

  /** A bug was met: the device stops, and everybody who waits for it is told. */
  #fail(thrown: unknown): void {
    this.failure = thrown ?? new Error('unknown');
    for (const qp of this.#registry.qps.values()) {
      qp.state = 'ERR';
      qp.sending = qp.receiving = false;
      qp.sends.ring.setError(RingError.DEVICE);
    }
    for (const cq of this.#registry.cqs.values()) {
      failRing(cq);
      wakeReader(cq);
    }
    this.#device?.raise(EventValue.DEVICE_FATAL, 0);
  }

  #deviceOps(): NonNullable<DriverOps['DEVICE']> {
    return {
      QUERY: ({ device }) => ({ attributes: deviceAttributes(device.name, this.links, this.limits) }),
      QUERY_PORT: ({ input, name }) => ({
        attributes: portAttributes(name, this.links, input.port ?? 1, this.failure === undefined),
      }),
      QUERY_GID_TABLE: () => ({ entries: gidRows(this.links) }),
      QUERY_QP_SEMANTICS: ({ input, name }) => ({
        semantics: semanticsOf(name, linkOf(this.#parts, name, input.sgidIndex), input.type),
      }),
      QUERY_PATH: ({ input, name }) => {
        const peer = linkOf(this.#parts, name, input.sgidIndex).wire.peer(input.path);
        return peer === undefined ? {} : { address: peer.address, port: peer.port };
      },
      COUNTERS: () => ({ counters: this.counters() }),
      KICK: ({ input, context, now }) => {
        const qp = (context.state as SoftContext).slots[input.slot];
        if (qp === undefined) {
          throw new VerbsError('ENOENT', 'DEVICE.KICK', `nothing rings at doorbell ${input.slot}`, {
            try: '`slot` of a queue of this context',
          });
        }
        this.#serve(now, context.state as SoftContext, input.slot);
      },
    };
  }
}

function engineOf(link: Omit<Link, 'engine'>): Link['engine'] {
  const { transport, data, payloadMtu, entropies, receiveBufferBytes, settings = {} } = link;
  const { wire, localAddress: local } = link;
  const peer = (path: number) => wire.peer(path);
  return transport.createEngine(data, { payloadMtu, entropies, receiveBufferBytes, settings, local, peer });
}

/** Adds what a link's engine counted, under names that tell links apart. */
function addCounters(counts: Record<string, number>, { engine, index }: Link): void {
  for (const [name, count] of Object.entries(engine.counters.toJSON())) {
    const key = index > 0 ? `gid${index}_${name}` : name;
    counts[key] = (counts[key] ?? 0) + count;
  }
}

function checkLink({ transport, payloadMtu, settings = {} }: LinkOptions): void {
  const { maxPayloadMtu } = transport.attributes.limits;
  if (!Number.isInteger(payloadMtu) || payloadMtu < MIN_PAYLOAD_MTU || payloadMtu > maxPayloadMtu) {
    throw new VerbsError(
      'EINVAL',
      'openDevice',
      `${transport.name} cannot have packets of ${payloadMtu} payload bytes`,
      {
        try: `a whole number from ${MIN_PAYLOAD_MTU} to ${maxPayloadMtu}, the same at both ends`,
      },
    );
  }
  const { payloadMtus } = transport.attributes;
  if (payloadMtus !== undefined && !payloadMtus.includes(payloadMtu)) {
    throw new VerbsError(
      'EINVAL',
      'openDevice',
      `${transport.name} cannot have packets of ${payloadMtu} payload bytes`,
      { try: payloadMtus.join(', ') },
    );
  }
  for (const [key, value] of Object.entries(settings)) checkSetting(transport, key, value);
}

function checkSetting(transport: Transport, key: string, value: number): void {
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

const MIN_PAYLOAD_MTU = 64;
/** How late a timer may become while packets keep arriving. */
const PATIENCE: Nanos = 5_000_000;
/** Packets that one step sends on a link before it looks at what arrived. */
const TRANSMIT_BUDGET = 1024;
