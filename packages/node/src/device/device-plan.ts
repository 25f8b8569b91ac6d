/** What a device is to be: options with their meaning, checked, and with defaults. */
import { webcrypto } from 'node:crypto';
import { findTransport, type System, TRANSPORTS, type Transport, VerbsError } from '@verbena/core';
import { formatAddress } from '@verbena/core/wire';
import type { DomainStore } from '../crypto/domain-store.ts';
import type { Faults } from '../wire/fault-wire.ts';
import { notAnAddress } from '../wire/gso-wire.ts';
import { bytesAround, interfaceMtu, payloadFor } from '../wire/interface-mtu.ts';
import { DEFAULT_ENTROPIES, MAX_ENTROPIES } from '../wire/live-wire.ts';
import { type IoChoice, ioChoice } from '../wire/open-wire.ts';
import { type TrafficClasses, trafficClasses } from '../wire/traffic-classes.ts';
import { parseZonedAddress, type ZonedAddress } from '../wire/zoned-address.ts';
import type { LinkPlan } from './live-kernel.ts';

export interface DeviceOptions {
  /**
   * The device belongs to a daemon: the path of its socket, or true for the usual one. Then `name`, or `address`, chooses
   * among its devices, and the other options are a matter of whoever starts the daemon. False: never. Default: the
   * environment variable `VERBENA_SOCKET`, if there is one.
   */
  readonly socket?: string | boolean;
  /** A name, or a pattern with `%d` for the lowest free number. Default: that of the transport, such as `uet%d`. */
  readonly name?: string;
  /** Further address entries, each with a transport of its own: the type of an entry chooses the protocol. */
  readonly gids?: readonly GidOptions[];
  /** Where the device is registered. Default: the one of this process. */
  readonly system?: System;
  /** A name of the catalog, default `uet`, or a transport of your own. */
  readonly transport?: string | Transport;
  /** Local IP address in numbers, with a zone where it is link-local: `fe80::1%eth0`. Default 127.0.0.1. */
  readonly address?: string;
  /** What is below the transport. Default `udp`. */
  readonly encapsulation?: Encapsulation;
  /** Number of the IP protocol with encapsulation `ip`, 146 to 254; all endpoints alike. Default: the transport's, 253. */
  readonly ipProtocol?: number;
  /** DSCP of packets, for I/O levels other than `dgram`. */
  readonly dscp?: Partial<TrafficClasses>;
  /**
   * Bytes of a whole IP packet that every route carries. Packets are no longer, and a longer `payloadMtu` is refused.
   * Default: what the interface carries.
   */
  readonly linkMtu?: number;
  /** UDP port, 1 to 65535; 0 lets the system choose. Default: the transport's, where peers look for it. */
  readonly port?: number;
  /**
   * Payload bytes of a full packet, the same at both ends; one of the sizes that the transport allows, where it says which.
   * Default: the largest of them that the interface carries; without a list 4096 where that fits, else 1024.
   */
  readonly payloadMtu?: number;
  /** Default `auto`, or the environment variable `VERBENA_IO`. */
  readonly io?: IoChoice;
  /**
   * `inline`: posting and polling drive the device, and the event loop when they stop. `worker`: a thread of its own
   * drives it all the time; worth a free core, and costs a hand-over. Default `inline`.
   *
   * Inline devices of one thread drive each other: `progress()` of one steps the others too when it has nothing to do
   * itself, and now and then when it has, and returns what all of them did.
   */
  readonly mode?: 'inline' | 'worker';
  /** Routes that packets are spread over, each a UDP source port; 1 to 64. Default 4. */
  readonly entropies?: number;
  /** Misbehave on purpose with packets that go out and that come in. */
  readonly faults?: Faults;
  /** File to write all packets into, as pcapng. */
  readonly capture?: string;
  /** The capture stops before it is longer than this. Default 256 MiB. */
  readonly captureLimitBytes?: number;
  /** Of the engine's chance and of `faults`; not of keys. */
  readonly seed?: number;
  /** The transport's own settings. */
  readonly settings?: Readonly<Record<string, number>>;
  /** Packets are protected; without this they are in the clear. */
  readonly security?: SecurityOptions;
  /** Most memory that `allocate` hands out. Default 64 GiB. */
  readonly memoryBytes?: number;
}

/**
 * `udp`: behind UDP, which everybody may send. `ip`: directly over IP, where the transport has such a form; the process
 * needs the right to raw sockets (CAP_NET_RAW), and one device has all of an address.
 */
export type Encapsulation = 'udp' | 'ip';

/** Which keys protect the packets of a device, of those of its address entries that can be protected. */
export interface SecurityOptions {
  /** From `readKeyFile`, or made by the program. Devices with common keys share one. */
  readonly domains: DomainStore;
  /** Identifier of the domain of queue pairs that name none. */
  readonly domain?: number;
  /** Queue pairs without a domain may send and receive in the clear. Default false. */
  readonly clear?: boolean;
}

/** An address entry beside the first one. */
export interface GidOptions {
  readonly transport: string | Transport;
  /** Local IP address in numbers. Default: that of the device. */
  readonly address?: string;
  /** Default `udp`. */
  readonly encapsulation?: Encapsulation;
  /** UDP port. Default: the transport's. */
  readonly udpPort?: number;
  /** Port of the device that the entry belongs to. Default 1. */
  readonly port?: number;
  readonly payloadMtu?: number;
  readonly settings?: Readonly<Record<string, number>>;
}

/** A device to be. */
export interface DevicePlan {
  readonly name: string;
  readonly seed: number;
  readonly links: readonly LinkPlan[];
  /** Of what the device is protected by. */
  readonly security: SecurityOptions | undefined;
  readonly system: System | undefined;
}

/** @throws VerbsError what is wrong with the options */
export function planDevice(options: DeviceOptions): DevicePlan {
  const transport = transportOf(options.transport ?? 'uet');
  const name = options.name ?? `${transport.name}%d`;
  const text = options.address ?? '127.0.0.1';
  const seed = options.seed ?? webcrypto.getRandomValues(new Uint32Array(1))[0]!;
  const { faults, mode, gids = [], security } = options;
  if (mode !== undefined && mode !== 'inline' && mode !== 'worker') {
    throw new VerbsError('EINVAL', 'openDevice', `\`${String(mode)}\` is no mode`, { try: 'inline or worker' });
  }
  if (faults !== undefined) checkFaults(faults);
  const common = {
    device: name,
    entropies: whole('entropies', options.entropies ?? DEFAULT_ENTROPIES, 1, MAX_ENTROPIES),
    io: ioChoice(options.io),
    faults: faults === undefined ? undefined : { seed, ...faults },
    captureLimitBytes: options.captureLimitBytes,
  };
  const { port: udpPort, payloadMtu, settings, capture, encapsulation } = options;
  const first = { transport, address: text, ...defined({ udpPort, payloadMtu, settings, encapsulation }) };
  const link = (
    of: Required<Pick<GidOptions, 'transport' | 'address'>> & GidOptions,
    capture: string | undefined,
  ): LinkPlan => {
    const bare = formOf(transportOf(of.transport), of.encapsulation);
    // beside an entry that is protected there may be others that cannot be
    const mayStay = of !== first && bare.secured === undefined;
    const carrier = security === undefined || mayStay ? bare : protectedBy(security, bare);
    const zoned = parseZonedAddress(of.address);
    if (zoned === undefined) throw notAnAddress(of.address);
    const { address } = zoned;
    const ipProtocol = bare.ipProtocol === undefined ? undefined : ipProtocolOf(options.ipProtocol, bare.ipProtocol);
    const mayBeAll = carrier.seal === undefined && carrier.protects !== true && ipProtocol === undefined;
    if (!mayBeAll && ALL_ADDRESSES.includes(formatAddress(address))) throw allAddresses(carrier, of.address);
    const port = whole('port', of.udpPort ?? carrier.udpPort, 0, 65_535);
    return {
      transport: carrier,
      ...(carrier === bare ? {} : { bare }),
      payloadMtu: payloadMtuOf(carrier, zoned, of.payloadMtu, options.linkMtu),
      settings: of.settings ?? {},
      port: whole('port', of.port ?? 1, 1, 255),
      wire: {
        ...{ ...common, address: of.address, port, peerPort: port === 0 ? carrier.udpPort : port, capture },
        ...{ ipProtocol, classes: trafficClasses(options.dscp, address), classesAsked: options.dscp !== undefined },
      },
    };
  };
  return {
    name,
    seed,
    security,
    system: options.system,
    links: [link(first, capture), ...gids.map((one) => link({ address: text, ...one }, undefined))],
  };
}

/** An object without the members that are undefined. */
function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

/** @throws VerbsError what is wrong with the options */
export function protectedBy({ domains, ...options }: SecurityOptions, transport: Transport): Transport {
  // directly over IP every byte in front of the packet is known, and protected with it
  const framing = transport.ipProtocol === undefined ? undefined : 'native';
  return domains.protect(transport, { ...defined({ framing }), ...options });
}

function transportOf(asked: string | Transport): Transport {
  if (typeof asked !== 'string') return asked;
  const found = findTransport(asked);
  if (found !== undefined) return found;
  throw new VerbsError('ENOENT', 'openDevice', `there is no transport \`${asked}\``, {
    try: TRANSPORTS.map((one) => one.name).join(', '),
  });
}

/** @throws VerbsError `EOPNOTSUPP` the transport has no such form */
function formOf(transport: Transport, encapsulation: Encapsulation = 'udp'): Transport {
  if (encapsulation === 'udp') return transport;
  if (encapsulation !== 'ip') {
    throw new VerbsError('EINVAL', 'openDevice', `\`${String(encapsulation)}\` is no encapsulation`, {
      try: 'udp or ip',
    });
  }
  if (transport.overIp !== undefined) return transport.overIp;
  throw new VerbsError('EOPNOTSUPP', 'openDevice', `${transport.name} has no form directly over IP`, {
    given: "encapsulation 'ip'",
    try: "encapsulation: 'udp', or transport uet",
  });
}

function ipProtocolOf(asked: number | undefined, usual: number): number {
  const number = asked ?? usual;
  if (Number.isInteger(number) && number >= 146 && number <= 254) return number;
  throw new VerbsError('EINVAL', 'openDevice', `ipProtocol cannot be ${number}`, {
    try: '146 to 252, which nobody has, or 253 and 254, which are for experiments; the same at all endpoints',
  });
}

function whole(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new VerbsError('EINVAL', 'openDevice', `${name} cannot be ${value}`, {
    try: `a whole number, ${min} to ${max}`,
  });
}

/** What was asked for, if packets can have that size; else the best for the interface of a local address. */
function payloadMtuOf(
  transport: Transport,
  { address, zone }: ZonedAddress,
  asked: number | undefined,
  linkMtu: number | undefined,
): number {
  if (linkMtu !== undefined) whole('linkMtu', linkMtu, 576, 65_535);
  const mtu = linkMtu ?? interfaceMtu(address, zone);
  if (asked === undefined) return payloadFor(mtu, address, transport);
  const { payloadMtus } = transport.attributes;
  if (payloadMtus !== undefined && !payloadMtus.includes(asked)) {
    throw new VerbsError('EINVAL', 'openDevice', `packets of ${transport.name} cannot have ${asked} bytes of payload`, {
      given: `payloadMtu ${asked}`,
      try: payloadMtus.join(', '),
    });
  }
  const around = bytesAround(address, transport);
  if (mtu === undefined || asked + around <= mtu) return asked;
  const source = linkMtu === undefined ? `the interface of ${formatAddress(address)} carries` : 'linkMtu is';
  throw new VerbsError('EINVAL', 'openDevice', `packets with ${asked} bytes of payload do not fit: ${source} ${mtu}`, {
    given: `payloadMtu ${asked}, and up to ${around} bytes of headers`,
    try: `payloadMtu: ${payloadFor(mtu, address, transport)} at both ends, or a larger MTU on the way`,
  });
}

function allAddresses({ name }: Transport, text: string): VerbsError {
  return new VerbsError('EINVAL', 'openDevice', `${name} needs an address of its own, and ${text} stands for all`, {
    missing: 'the source address, which each packet proves',
    try: '127.0.0.1, ::1, or an address that `ip address` lists',
  });
}

function checkFaults(faults: Faults): void {
  const { direction } = faults;
  if (direction !== undefined && direction !== 'both' && direction !== 'out' && direction !== 'in') {
    throw new VerbsError('EINVAL', 'openDevice', `faults.direction cannot be \`${String(direction)}\``, {
      try: 'both, out or in',
    });
  }
  for (const name of ['reorderNs', 'delayNs'] as const) {
    const time = faults[name];
    if (time === undefined || (time >= 0 && time <= MAX_HOLD_NS)) continue;
    throw new VerbsError('EINVAL', 'openDevice', `faults.${name} cannot be ${time}`, {
      try: `nanoseconds, 0 to ${MAX_HOLD_NS}`,
    });
  }
  for (const name of ['drop', 'duplicate', 'reorder', 'delay', 'corrupt'] as const) {
    const chance = faults[name];
    if (chance === undefined || (chance >= 0 && chance <= 1)) continue;
    throw new VerbsError('EINVAL', 'openDevice', `faults.${name} is a chance, and cannot be ${chance}`, {
      try: '0 to 1; 0.01 is one packet in a hundred',
    });
  }
}

const ALL_ADDRESSES: readonly string[] = ['0.0.0.0', '::'];
/** How long faults may hold a packet back. */
const MAX_HOLD_NS = 60e9;
