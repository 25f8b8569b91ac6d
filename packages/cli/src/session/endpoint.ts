/** One side of a session: a device with everything that a program needs on it. */
import {
  type AddressHandle,
  type CompletionQueue,
  type Context,
  type DeviceHandle,
  type Job,
  type JobKey,
  type MemoryRegion,
  type ProtectionDomain,
  type QueuePair,
  isVerbsError,
} from '@verbena/core';
import { openDevice } from '@verbena/node';
import type { DeviceOptions } from '../device-options.ts';
import { faultsOf, type FaultOptions } from '../device-options.ts';
import { localCandidates, type LocalAddress } from './local-address.ts';
import { absoluteQpn, FIRST_DATA_INDEX, SERVICE_JOB } from './session.ts';

export interface EndpointOptions extends DeviceOptions, FaultOptions {
  readonly name?: string;
}

export class Endpoint {
  readonly device: DeviceHandle;
  readonly context: Context;
  readonly pd: ProtectionDomain;
  readonly job: Job;
  readonly jobKey: JobKey;
  readonly address: string;
  readonly payloadMtu: number;
  #nextIndex = FIRST_DATA_INDEX;

  private constructor(device: DeviceHandle, address: string) {
    this.device = device;
    this.address = address;
    this.context = device.open();
    this.pd = this.context.allocatePd();
    this.job = this.context.createJob({ id: SERVICE_JOB });
    this.jobKey = this.pd.createJobKey(this.job);
    this.payloadMtu = this.context.queryPort().activeMtu;
  }

  /** Opens a device at a given address. */
  static async open(at: LocalAddress, options: EndpointOptions): Promise<Endpoint> {
    const faults = faultsOf(options);
    const device = await openDevice({
      name: options.name ?? 'uet0',
      address: at.address,
      port: at.port,
      ...(options.mtu === undefined ? {} : { payloadMtu: options.mtu }),
      ...(options.io === undefined ? {} : { io: options.io }),
      ...(options.mode === undefined ? {} : { mode: options.mode }),
      ...(options.entropies === undefined ? {} : { entropies: options.entropies }),
      ...(options.capture === undefined ? {} : { capture: options.capture }),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      ...(faults === undefined ? {} : { faults }),
    });
    try {
      return new Endpoint(device, at.address);
    } catch (thrown) {
      await device.close();
      throw thrown;
    }
  }

  /** Opens a device that can reach `remote`, at `from` or at the first address that is free. */
  static async reaching(remote: string, from: string | undefined, options: EndpointOptions): Promise<Endpoint> {
    const port = options.port ?? DEFAULT_PORT;
    if (from !== undefined) return Endpoint.open({ address: from, port: from === remote ? 0 : port }, options);
    let lastError: unknown;
    for await (const candidate of localCandidates(remote, port)) {
      try {
        return await Endpoint.open(candidate, options);
      } catch (thrown) {
        if (!isVerbsError(thrown) || thrown.code !== 'EADDRINUSE') throw thrown;
        lastError = thrown; // somebody else was faster
      }
    }
    throw lastError;
  }

  /** Memory that the device reaches without copying, registered. */
  register(bytes: number, access: readonly ('local-write' | 'remote-write' | 'remote-read')[]): MemoryRegion {
    return this.pd.registerMemory(this.context.allocate(Math.max(64, bytes)), { access: [...access] });
  }

  /** Gives memory from {@link register} back. */
  unregister(region: MemoryRegion): void {
    const { bytes } = region;
    region.deregister();
    this.context.release(bytes);
  }

  /** An absolute queue pair of the service, at `index` or at the next free one. */
  createQueuePair(
    cq: CompletionQueue,
    options: {
      index?: number;
      sendDepth?: number;
      receiveDepth?: number;
      ordered?: boolean;
      signalAll?: boolean;
    } = {},
  ): QueuePair {
    return this.pd.createQueuePair({
      type: 'RU',
      sendCq: cq,
      recvCq: cq,
      jobKey: this.jobKey,
      qpn: absoluteQpn(options.index ?? this.#takeIndex()),
      sendDepth: options.sendDepth ?? 256,
      receiveDepth: options.receiveDepth ?? 16,
      ordered: options.ordered ?? false,
      sendSignalAll: options.signalAll ?? true,
    });
  }

  addressHandle(to: { address: string; port?: number } | { path: number }, qpn: number): AddressHandle {
    return this.pd.createAddressHandle({ ...to, qpn });
  }

  /** A counter of the device; 0 where it has none of that name. */
  counter(name: string): number {
    return this.device.counters()[name] ?? 0;
  }

  close(): Promise<void> {
    return this.device.close();
  }

  #takeIndex(): number {
    const index = this.#nextIndex;
    this.#nextIndex = index === LAST_INDEX ? FIRST_DATA_INDEX : index + 1;
    return index;
  }
}

/** UDP port of UET. */
export const DEFAULT_PORT = 4793;
const LAST_INDEX = 0xfff;
