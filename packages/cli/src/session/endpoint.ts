/** One side of a session: a device with everything that a program needs on it. */
import {
  type AddressHandle,
  type CompletionQueue,
  type Context,
  isVerbsError,
  type Job,
  type JobKey,
  type MemoryRegion,
  type ProtectionDomain,
  type QueuePair,
} from '@verbena/core';
import { daemonDevices, daemonSocket, type LiveDeviceHandle, openDevice } from '@verbena/node';
import type { DeviceOptions } from '../device-options.ts';
import { type FaultOptions, faultsOf } from '../device-options.ts';
import { BadInput, refusal } from '../failure.ts';
import { type LocalAddress, localCandidates } from './local-address.ts';
import { absoluteQpn, FIRST_DATA_INDEX, SERVICE_JOB } from './session.ts';

export interface EndpointOptions extends DeviceOptions, FaultOptions {
  readonly name?: string;
  /** The capture stops before it is longer. */
  readonly captureLimitBytes?: number;
  /** `out` where both ends are this process's and have the same faults: a packet is to meet them once. */
  readonly faultDirection?: 'both' | 'out';
}

export class Endpoint {
  readonly device: LiveDeviceHandle;
  readonly context: Context;
  readonly pd: ProtectionDomain;
  readonly job: Job;
  readonly jobKey: JobKey;
  readonly address: string;
  /** Where peers find it. */
  readonly place: { readonly address: string; readonly port: number };
  /** Its address as tools print it. */
  readonly gid: string;
  readonly payloadMtu: number;
  readonly #endings: (() => Promise<void>)[] = [];
  #nextIndex = FIRST_DATA_INDEX;

  private constructor(device: LiveDeviceHandle, address: string) {
    this.device = device;
    this.address = address;
    this.context = device.open();
    this.pd = this.context.allocatePd();
    this.job = this.context.createJob({ id: SERVICE_JOB });
    this.jobKey = this.pd.createJobKey(this.job);
    const { activeMtu, gids } = this.context.queryPort();
    this.payloadMtu = activeMtu;
    this.place = { address, port: device.local.port };
    const gid = gids[0]?.gid ?? address;
    this.gid = gid.includes(':') ? gid : `::ffff:${gid}`;
  }

  /** Opens a device at a given address; the daemon's with this address where `VERBENA_SOCKET` names one. */
  static async open(at: LocalAddress, options: EndpointOptions): Promise<Endpoint> {
    const faults = faultsOf(options);
    const isShared = daemonSocket() !== undefined;
    const name = isShared ? options.device : (options.name ?? 'uet0');
    if (!isShared && options.device !== undefined) {
      throw new BadInput(
        '--device names a device of a daemon',
        'VERBENA_SOCKET=1, after `verbena up`; or --from ADDRESS',
      );
    }
    const device = await openDevice({
      ...(name === undefined ? { address: at.address, port: at.port } : isShared ? { name } : { name, ...at }),
      ...(options.transport === undefined || isShared ? {} : { transport: options.transport }),
      ...(options.mtu === undefined ? {} : { payloadMtu: options.mtu }),
      ...(options.io === undefined ? {} : { io: options.io }),
      ...(options.mode === undefined ? {} : { mode: options.mode }),
      ...(options.entropies === undefined ? {} : { entropies: options.entropies }),
      ...(options.capture === undefined ? {} : { capture: options.capture }),
      ...(options.captureLimitBytes === undefined ? {} : { captureLimitBytes: options.captureLimitBytes }),
      ...(options.seed === undefined || isShared ? {} : { seed: options.seed }),
      ...(faults === undefined ? {} : { faults: { direction: options.faultDirection ?? 'both', ...faults } }),
    });
    try {
      return new Endpoint(device, isShared ? device.local.text : at.address);
    } catch (thrown) {
      await device.close();
      throw thrown;
    }
  }

  /** Opens a device that can reach `remote`, at `from` or at the first address that is free. */
  static async reaching(remote: string, from: string | undefined, options: EndpointOptions): Promise<Endpoint> {
    const port = options.port ?? DEFAULT_PORT;
    if (daemonSocket() !== undefined) return Endpoint.open(sharedAddress(remote, from, options), options);
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

  /** Ends what uses the endpoint, then the device. */
  async close(): Promise<void> {
    for (const end of this.#endings.splice(0)) await end();
    await this.device.close();
  }

  /** Runs something before the device is closed. */
  beforeClose(end: () => Promise<void>): void {
    this.#endings.push(end);
  }

  #takeIndex(): number {
    const index = this.#nextIndex;
    this.#nextIndex = index === LAST_INDEX ? FIRST_DATA_INDEX : index + 1;
    return index;
  }
}

/** A device of the daemon: the one that was asked for, else the first one that is not the peer itself. */
function sharedAddress(remote: string, from: string | undefined, options: EndpointOptions): LocalAddress {
  const port = options.port ?? 0;
  if (from !== undefined || options.device !== undefined) return { address: from ?? '', port };
  const free = daemonDevices().find(({ addresses }) => !addresses.includes(remote));
  if (free?.addresses[0] !== undefined) return { address: free.addresses[0], port };
  throw refusal('ENXIO', 'openDevice', `the daemon has no device beside that of ${remote}`, {
    try: 'verbena up with a second --device, or unset VERBENA_SOCKET for a device of your own',
  });
}

/** UDP port of UET. */
export const DEFAULT_PORT = 4793;
const LAST_INDEX = 0xfff;
