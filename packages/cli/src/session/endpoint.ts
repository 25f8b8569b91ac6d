/** One side of a session: a device with everything that a program needs on it. */
import {
  type AddressHandle,
  type Context,
  findTransport,
  type GidEntry,
  isVerbsError,
  type Job,
  type JobKey,
  type MemoryRegion,
  type ProtectionDomain,
  transportOfAddress,
} from '@verbena/core';
import { type DaemonDevice, daemonDevices, daemonSocket, type LiveDeviceHandle, openDevice } from '@verbena/node';
import type { DeviceOptions } from '../device-options.ts';
import { type FaultOptions, faultsOf } from '../device-options.ts';
import { BadInput, refusal } from '../failure.ts';
import { type CarrierStyle, DEFAULT_PORT, DEFAULT_TRANSPORT, peerUdpPort, styleOf, udpPortOf } from './carrier.ts';
import type { Place } from './link.ts';
import { localCandidates } from './local-address.ts';
import { securityOf } from './security.ts';
import { FIRST_DATA_INDEX, SERVICE_JOB } from './session.ts';

export interface EndpointOptions extends DeviceOptions, FaultOptions {
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
  /** Name of its transport. */
  readonly transport: string;
  readonly style: CarrierStyle;
  /** The address entry that it works with. */
  readonly sgidIndex: number;
  readonly address: string;
  /** Where peers find it. */
  readonly place: Place;
  /** The port that services have: its own, and those it looks for. */
  readonly servicePort: number;
  /** False directly over IP, where an address has one device. */
  readonly usesPorts: boolean;
  /** Its address as tools print it. */
  readonly gid: string;
  readonly payloadMtu: number;
  /** Secure domain of its queue pairs; undefined: that of the device. */
  readonly domain: number | undefined;
  /** A peer's write with immediate data takes a receive. */
  readonly immTakesReceive: boolean;
  readonly #endings: (() => Promise<void>)[] = [];
  #nextIndex = FIRST_DATA_INDEX;

  private constructor(device: LiveDeviceHandle, options: EndpointOptions) {
    this.device = device;
    this.context = device.open();
    this.pd = this.context.allocatePd();
    this.job = this.context.createJob({ id: SERVICE_JOB });
    this.jobKey = this.pd.createJobKey(this.job);
    const { activeMtu, gids } = this.context.queryPort();
    const entry = entryOf(gids, options);
    const transport = transportOfAddress(entry?.type ?? '');
    this.transport = transport?.name ?? device.transport;
    this.style = styleOf(this.transport, transport?.attributes.queuePairTypes ?? device.attributes.queuePairTypes);
    this.immTakesReceive = transport?.attributes.noticesTakeReceives ?? false;
    this.payloadMtu = activeMtu;
    this.sgidIndex = entry?.index ?? 0;
    this.address = entry?.gid ?? device.local.text;
    this.place = { address: this.address, port: entry?.udpPort ?? device.local.port };
    this.servicePort = options.port ?? DEFAULT_PORT;
    this.usesPorts = transport?.ipProtocol === undefined;
    this.gid = gidText(this.address);
    this.domain = options.domain;
  }

  /** Opens a device at the address of a service; the daemon's with this address where `VERBENA_SOCKET` names one. */
  static serving(address: string, options: EndpointOptions): Promise<Endpoint> {
    const transport = options.transport ?? sharedTransport(address, options.device) ?? DEFAULT_TRANSPORT;
    return Endpoint.#open({ address, port: udpPortOf(transport, options.port) }, options);
  }

  /** Opens a device that can reach `remote`, at `from` or at the first address that is free. */
  static async reaching(remote: string, from: string | undefined, options: EndpointOptions): Promise<Endpoint> {
    if (daemonSocket() !== undefined) return Endpoint.#open(sharedAddress(remote, from, options), options);
    const transport = options.transport ?? DEFAULT_TRANSPORT;
    const port = udpPortOf(transport, options.port);
    if (from !== undefined) return Endpoint.#open({ address: from, port: from === remote ? 0 : port }, options);
    let lastError: unknown;
    for await (const candidate of localCandidates(remote, peerUdpPort(transport, options.port))) {
      try {
        return await Endpoint.#open(candidate, options);
      } catch (thrown) {
        if (!isVerbsError(thrown) || thrown.code !== 'EADDRINUSE') throw thrown;
        lastError = thrown; // somebody else was faster
      }
    }
    throw lastError;
  }

  static async #open({ name: found, address, port }: At, options: EndpointOptions): Promise<Endpoint> {
    const faults = faultsOf(options);
    const isShared = daemonSocket() !== undefined;
    const { device, transport, keys } = options;
    if (isShared && keys !== undefined) {
      throw new BadInput(
        "keys of a daemon's device are its own",
        '`keys` in its configuration or `verbena secdom add`; --domain names one of its domains',
      );
    }
    if (!isShared && device !== undefined) {
      throw new BadInput(
        '--device names a device of a daemon',
        'VERBENA_SOCKET=1, after `verbena up`; or --from ADDRESS',
      );
    }
    const place = port === undefined ? { address } : { address, port };
    const name = device ?? found;
    const security = isShared ? undefined : securityOf(options);
    const opened = await openDevice({
      ...(name === undefined ? place : { name }),
      ...(transport === undefined || name !== undefined ? {} : { transport }),
      ...(options.mtu === undefined ? {} : { payloadMtu: options.mtu }),
      ...(options.encapsulation === undefined || isShared ? {} : { encapsulation: options.encapsulation }),
      ...(options.linkMtu === undefined ? {} : { linkMtu: options.linkMtu }),
      ...(options.io === undefined ? {} : { io: options.io }),
      ...(options.mode === undefined ? {} : { mode: options.mode }),
      ...(options.entropies === undefined ? {} : { entropies: options.entropies }),
      ...(options.capture === undefined ? {} : { capture: options.capture }),
      ...(options.captureLimitBytes === undefined ? {} : { captureLimitBytes: options.captureLimitBytes }),
      ...(options.seed === undefined || isShared ? {} : { seed: options.seed }),
      ...(security === undefined ? {} : { security }),
      ...(faults === undefined ? {} : { faults: { direction: options.faultDirection ?? 'both', ...faults } }),
    });
    try {
      return new Endpoint(opened, options);
    } catch (thrown) {
      await opened.close();
      throw thrown;
    }
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

  /** The resource index of the next queue pair with a number by choice. */
  takeIndex(): number {
    const index = this.#nextIndex;
    this.#nextIndex = index === LAST_INDEX ? FIRST_DATA_INDEX : index + 1;
    return index;
  }

  addressHandle(to: { address: string; port?: number } | { path: number }, qpn: number): AddressHandle {
    // a zone is of this end, and in the address of the device
    const peer = 'address' in to ? { ...to, address: to.address.replace(/%.*$/, '') } : to;
    return this.pd.createAddressHandle({ ...peer, qpn, sgidIndex: this.sgidIndex });
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
}

interface At {
  /** Of a daemon's device, where it is known. */
  readonly name?: string;
  readonly address: string;
  /** UDP port; undefined: the transport's. */
  readonly port: number | undefined;
}

/** An address as GIDs are printed. */
export function gidText(address: string): string {
  return address.includes(':') ? address : `::ffff:${address}`;
}

/** The address entry to work with: the first one of the protocol that was asked for. */
function entryOf(
  gids: readonly GidEntry[],
  { transport, encapsulation }: Pick<DeviceOptions, 'transport' | 'encapsulation'>,
): GidEntry | undefined {
  if (transport === undefined && encapsulation === undefined) return gids[0];
  const found = findTransport(transport ?? DEFAULT_TRANSPORT);
  const types = [found, found?.overIp].map((form) => form?.attributes.addressType);
  if (encapsulation !== undefined) types.splice(encapsulation === 'ip' ? 0 : 1, 1);
  const entry = gids.find((gid) => types.includes(gid.type));
  if (entry !== undefined) return entry;
  throw refusal('EOPNOTSUPP', 'openDevice', `the device has no address of type ${types[0] ?? transport}`, {
    given: gids.map(({ gid, type: own }) => `${gid} (${own})`).join(', '),
    try: 'another --transport, --encapsulation or --device',
  });
}

/** The protocol of the daemon's device with this address; undefined where programs open devices of their own. */
function sharedTransport(address: string, name: string | undefined): string | undefined {
  if (daemonSocket() === undefined) return undefined;
  const fits = (device: DaemonDevice) =>
    name === undefined ? device.addresses.includes(address) : device.name === name;
  return daemonDevices().find(fits)?.transports[0];
}

/** A device of the daemon: the one that was asked for, else the first of the same protocol that is not the peer itself. */
function sharedAddress(remote: string, from: string | undefined, options: EndpointOptions): At {
  if (from !== undefined || options.device !== undefined) return { address: from ?? '', port: 0 };
  const devices = daemonDevices();
  const transport = options.transport ?? devices.find(({ addresses }) => addresses.includes(remote))?.transports[0];
  const free = devices.find(
    ({ addresses, transports }) =>
      !addresses.includes(remote) && (transport === undefined || transports.includes(transport)),
  );
  if (free?.addresses[0] !== undefined) return { name: free.name, address: free.addresses[0], port: 0 };
  throw refusal('ENXIO', 'openDevice', `the daemon has no device beside that of ${remote}`, {
    ...(transport === undefined ? {} : { given: `transport ${transport}` }),
    try: 'verbena up with a second --device, or unset VERBENA_SOCKET for a device of your own',
  });
}

const LAST_INDEX = 0xfff;
