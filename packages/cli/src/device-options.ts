/** Options that every command with a device of its own understands. */
import { TRANSPORTS } from '@verbena/core';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { byteCount, oneOf, probability, wholeNumber } from './option-values.ts';

export interface DeviceOptions {
  /** Name of its protocol. */
  readonly transport?: string;
  readonly port?: number;
  readonly mtu?: number;
  readonly encapsulation?: 'udp' | 'ip';
  readonly linkMtu?: number;
  readonly io?: 'auto' | 'gso' | 'batch' | 'dgram';
  readonly mode?: 'inline' | 'worker';
  readonly entropies?: number;
  readonly capture?: string;
  /** Of a daemon. */
  readonly device?: string;
  /** Key file: packets are protected. */
  readonly keys?: string;
  /** Identifier of the secure domain; needed where there are several. */
  readonly domain?: number;
}

/** Faults on what this side's device sends and receives. */
export interface FaultOptions {
  readonly drop?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  readonly corrupt?: number;
  readonly delay?: number;
  readonly seed?: number;
}

export function addDeviceOptions(command: Command): Command {
  return command
    .addOption(transportOption('protocol of the device'))
    .option(
      '-p, --port <number>',
      'where peers find the service: UDP port of the device, RDMA port with roce (default: 4793)',
      wholeNumber(1, 65_535),
    )
    .option(
      '--mtu <bytes>',
      'payload bytes of a packet; the same on both sides (default: 4096 on loopback)',
      byteCount(256, 9000),
    )
    .option(
      '--encapsulation <kind>',
      'what is below the transport: udp, or ip (needs the right to raw sockets); the same on both sides',
      oneOf(['udp', 'ip']),
    )
    .option(
      '--link-mtu <bytes>',
      'what all routes carry, whole IP packets (default: what the interface carries)',
      byteCount(576, 65_535),
    )
    .option(
      '--io <level>',
      'how packets reach the kernel: auto, gso, batch or dgram',
      oneOf(['auto', 'gso', 'batch', 'dgram']),
    )
    .option('--mode <mode>', 'who drives the device: inline (this thread) or worker', oneOf(['inline', 'worker']))
    .option('--entropies <number>', 'routes through the network (UDP source ports)', wholeNumber(1, 64))
    .option('--capture <file>', 'record the traffic as pcapng')
    .option('--device <name>', 'device of the daemon that VERBENA_SOCKET names (default: by address)')
    .option('--keys <file>', 'protect all packets with the keys of a file, as `verbena keys` makes them')
    .option('--domain <sdi>', 'secure domain; can be left out where the key file has one only', domainIdentifier);
}

/** A secure domain identifier. */
export function domainIdentifier(text: string): number {
  const value = /^(?:0x[0-9a-f]{1,6}|\d{1,8})$/i.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= MAX_SDI) return value;
  throw new InvalidArgumentError(`Give a number from 1 to 0x${MAX_SDI.toString(16)}.`);
}

/** What the other side has to say, too. */
export function sameOptions({ transport, encapsulation }: DeviceOptions): string {
  const kind = encapsulation === undefined ? '' : ` --encapsulation ${encapsulation}`;
  return transport === undefined ? kind : ` --transport ${transport}${kind}`;
}

export function transportOption(text: string): Option {
  return new Option('--transport <name>', `${text}: ${NAMES.join(', ')} (default: uet)`).argParser(oneOf(NAMES));
}

export function addFaultOptions(command: Command): Command {
  return command
    .option('--drop <probability>', 'lose packets that this side sends or receives: 0.01 or 1%', probability)
    .option('--duplicate <probability>', 'let packets arrive twice', probability)
    .option('--reorder <probability>', 'let packets be overtaken by later ones', probability)
    .option(
      '--corrupt <probability>',
      'flip bits in packets; a checksum of the transport finds that (roce), else only an end-to-end check',
      probability,
    )
    .option('--delay <probability>', 'hold packets back for a while', probability)
    .option('--seed <number>', 'seed of the faults: the same seed, the same faults', wholeNumber(0, 0xffff_ffff));
}

/** The faults asked for; undefined when there are none. */
export function faultsOf(options: FaultOptions): Record<string, number> | undefined {
  const asked = FAULTS.flatMap((name) => (options[name] ? [[name, options[name]] as const] : []));
  return asked.length === 0 ? undefined : Object.fromEntries(asked);
}

const NAMES = TRANSPORTS.map(({ name }) => name);
const FAULTS = ['drop', 'duplicate', 'reorder', 'corrupt', 'delay'] as const;
/** Identifiers have 24 bits. */
const MAX_SDI = 0xff_ffff;
