/** A test bed for the fabric API: simulated devices, an endpoint on each, everybody in everybody's address vector. */
import type { Transport } from '../engine/engine.ts';
import { type Nanos, SECOND } from '../engine/time.ts';
import type { AddressVector, AddressVectorOptions } from '../fabric/address-vector.ts';
import type { Completion } from '../fabric/completion.ts';
import type { CompletionQueue } from '../fabric/completion-queue.ts';
import type { Domain, DomainOptions } from '../fabric/domain.ts';
import type { Endpoint, EndpointOptions } from '../fabric/endpoint.ts';
import { Fabric } from '../fabric/fabric.ts';
import type { FabricHints } from '../fabric/hints.ts';
import type { FabricInfo } from '../fabric/info.ts';
import type { MemoryOptions, MemoryRegion } from '../fabric/memory-region.ts';
import { patternByte } from './bed.ts';
import { Pump, type PumpOptions } from './pump.ts';
import type { SimNode } from './sim-node.ts';

export interface FabricEndOptions {
  readonly hints?: FabricHints;
  readonly domain?: DomainOptions;
  readonly vector?: AddressVectorOptions;
  readonly endpoint?: EndpointOptions;
  readonly queueSize?: number;
  /** The queues show only what asks for it. */
  readonly selective?: boolean;
  /** Called before the endpoint is enabled, for what else is to be bound. */
  readonly prepare?: (end: FabricEnd) => void;
}

/** One program with one endpoint. Completions are collected in `sent` and `received` as they come. */
export class FabricEnd {
  readonly node: SimNode;
  readonly fabric: Fabric;
  readonly info: FabricInfo;
  readonly domain: Domain;
  readonly vector: AddressVector;
  readonly sendQueue: CompletionQueue;
  readonly receiveQueue: CompletionQueue;
  readonly endpoint: Endpoint;
  readonly sent: Completion[] = [];
  readonly received: Completion[] = [];
  /** Numbers of the other ends. */
  readonly peers = new Map<FabricEnd, number>();

  constructor(node: SimNode, transport: Transport, options: FabricEndOptions) {
    this.node = node;
    this.fabric = new Fabric(node.device, () => transport);
    this.info = this.fabric.getInfo(options.hints)[0]!;
    this.domain = this.fabric.openDomain(this.info, options.domain);
    this.vector = this.domain.openAddressVector(options.vector);
    const size = options.queueSize === undefined ? {} : { size: options.queueSize };
    this.sendQueue = this.domain.openCompletionQueue(size);
    this.receiveQueue = this.domain.openCompletionQueue(size);
    this.endpoint = this.domain.openEndpoint(this.info, options.endpoint);
    const { selective = false } = options;
    this.endpoint.bind(this.vector);
    this.endpoint.bind(this.sendQueue, { transmit: true, selective });
    this.endpoint.bind(this.receiveQueue, { receive: true, selective });
    options.prepare?.(this);
    this.endpoint.enable();
  }

  /** Number of another end. */
  to(other: FabricEnd): number {
    return this.peers.get(other)!;
  }

  drain(): void {
    if (!this.domain.isOpen) return;
    take(this.sendQueue, this.sent);
    take(this.receiveQueue, this.received);
  }

  /** Memory with a pattern that depends on `salt`; without it empty. */
  memory(length: number, salt?: number, options: MemoryOptions = ALL): MemoryRegion {
    const region = this.domain.allocate(Math.max(1, length), options);
    if (salt !== undefined) for (let i = 0; i < length; i++) region.bytes[i] = patternByte(i, salt);
    return region;
  }
}

export interface FabricBedOptions extends Omit<PumpOptions, 'nodes'>, FabricEndOptions {
  /** So many ends alike, or the options of each. Default 2. */
  readonly ends?: number | readonly FabricEndOptions[];
}

export class FabricBed {
  readonly pump: Pump;
  readonly ends: readonly FabricEnd[];

  constructor(options: FabricBedOptions) {
    const { ends = 2 } = options;
    const list = typeof ends === 'number' ? Array.from({ length: ends }, (): FabricEndOptions => ({})) : ends;
    this.pump = new Pump({ ...options, nodes: list.length });
    this.ends = list.map((one, i) => new FabricEnd(this.pump.node(i), options.transport, { ...options, ...one }));
    for (const end of this.ends) {
      for (const other of this.ends) end.peers.set(other, end.vector.insert(other.endpoint.getName()));
    }
  }

  get a(): FabricEnd {
    return this.ends[0]!;
  }

  get b(): FabricEnd {
    return this.ends[1]!;
  }

  /** Drives until it holds. @throws SimulationError it does not, in time */
  until(what: string, holds: () => boolean, limitNs: Nanos = 60 * SECOND): void {
    this.pump.drive({
      until: () => {
        this.drain();
        return holds();
      },
      limitNs,
      what,
    });
  }

  /** Drives until so much has completed. */
  completed(end: FabricEnd, sends: number, receives: number, limitNs?: Nanos): void {
    const enough = () => end.sent.length >= sends && end.received.length >= receives;
    this.until(`${sends} operations and ${receives} receives to complete on node ${end.node.index}`, enough, limitNs);
  }

  /** Drives for a while. */
  pass(forNs: Nanos): void {
    this.pump.drive({ limitNs: forNs });
    this.drain();
  }

  drain(): void {
    for (const end of this.ends) end.drain();
  }

  /** Closes every end object by object, then the devices; nothing may be left. */
  close(): void {
    for (const { endpoint, sendQueue, receiveQueue, vector } of this.ends) {
      for (const one of [endpoint, sendQueue, receiveQueue, vector]) one.close();
    }
    this.pump.close();
  }
}

function take(queue: CompletionQueue, into: Completion[]): void {
  if (!queue.isOpen) return;
  for (let one = queue.readOne(); one !== undefined; one = queue.readOne()) into.push(one);
}

const ALL: MemoryOptions = { receive: true, read: true, remoteRead: true, remoteWrite: true };
