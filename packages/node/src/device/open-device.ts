/** Opens a live device: RDMA over UDP on a local address, no hardware, no root. */
import { webcrypto } from 'node:crypto';
import {
  type DeviceHandle,
  DmaSpace,
  findTransport,
  KernelDevice,
  type KernelPort,
  OpenDevice,
  TRANSPORTS,
  type Transport,
  VerbsError,
} from '@verbena/core';
import { parseAddress } from '@verbena/core/wire';
import { type Libc, loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import type { Faults } from '../wire/fault-wire.ts';
import { notAnAddress } from '../wire/gso-wire.ts';
import { interfaceMtu, payloadFor } from '../wire/interface-mtu.ts';
import { DEFAULT_ENTROPIES, type LocalAddress, MAX_ENTROPIES } from '../wire/live-wire.ts';
import { type IoChoice, ioChoice } from '../wire/open-wire.ts';
import { WireStack, type WireStackOptions } from '../wire/wire-stack.ts';
import { WorkerPort } from '../worker/worker-port.ts';
import { Clock } from './clock.ts';
import { Driver, SPIN_NS } from './driver.ts';
import { LiveHost } from './live-host.ts';
import { LivePort } from './live-port.ts';
import { LiveMemory } from './user-memory.ts';

export interface DeviceOptions {
  /** Default `uet0`. */
  readonly name?: string;
  /** A name of the catalog, default `uet`, or a transport of your own. */
  readonly transport?: string | Transport;
  /** Local IP address in numbers. Default 127.0.0.1. */
  readonly address?: string;
  /** UDP port, 1 to 65535; 0 lets the system choose. Default: the transport's, where peers look for it. */
  readonly port?: number;
  /** Payload bytes of a full packet, the same at both ends. Default 4096 where the interface carries it, else 1024. */
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
  /** Most memory that `allocate` hands out. Default 64 GiB. */
  readonly memoryBytes?: number;
}

/** A device on a live network. */
export interface LiveDeviceHandle extends DeviceHandle {
  /** Address and port that peers use. */
  readonly local: LocalAddress;
  /** Keeps the process alive until `unref`: this program serves peers. A pending wait does that by itself. */
  ref(): void;
  unref(): void;
}

/**
 * Opens a device.
 *
 * @throws VerbsError `EADDRINUSE` another program has the port · `EADDRNOTAVAIL` not an address of this machine ·
 *   `EACCES` · `ENOENT` no such transport · `EOPNOTSUPP` the I/O level does not exist here · `EINVAL` · `EIO`
 */
export async function openDevice(options: DeviceOptions = {}): Promise<LiveDeviceHandle> {
  const plan = planDevice(options);
  const libc = await loadLibc();
  const pool = new MemoryPool(libc, options.memoryBytes);
  return options.mode === 'worker'
    ? await openInWorker(plan, pool, libc, options.transport)
    : await openInline(plan, pool, libc);
}

interface Plan {
  readonly name: string;
  readonly transport: Transport;
  readonly payloadMtu: number;
  readonly seed: number;
  readonly settings: Readonly<Record<string, number>>;
  readonly wire: WireStackOptions;
}

class LiveDevice extends OpenDevice implements LiveDeviceHandle {
  readonly local: LocalAddress;
  readonly #host: HostHooks;
  #kept = false;

  constructor(port: KernelPort, local: LocalAddress, host: HostHooks) {
    super(port, () => host.close());
    this.local = local;
    this.#host = host;
  }

  /** What the device counted, and its wire (`wire_...`). */
  override counters(): Record<string, number> {
    return { ...super.counters(), ...this.#host.counters() };
  }

  ref(): void {
    if (this.#kept) return;
    this.#kept = true;
    this.#host.keep(true);
  }

  unref(): void {
    if (!this.#kept) return;
    this.#kept = false;
    this.#host.keep(false);
  }

  override close(): Promise<void> {
    this.unref();
    return super.close();
  }
}

/** What the live host adds to a device. */
interface HostHooks {
  counters(): Record<string, number>;
  keep(alive: boolean): void;
  close(): Promise<void>;
}

async function openInline(plan: Plan, pool: MemoryPool, libc: Libc | undefined): Promise<LiveDeviceHandle> {
  const dma = new DmaSpace();
  const stack = await WireStack.open(libc, pool, dma, plan.wire);
  try {
    const { name, transport, payloadMtu, settings } = plan;
    let port: LivePort | undefined;
    const host = new LiveHost(stack.live, stack.top, plan.seed, libc, (handle) => port?.wake(handle));
    const kernel = new KernelDevice({ name, transport, host, payloadMtu, settings });
    const clock = new Clock();
    const driver = new Driver(kernel, stack.live, clock, SPIN_NS);
    const memory = new LiveMemory(pool, libc, false);
    const live = new LivePort(kernel, driver, clock, memory, stack.live.polls);
    port = live;
    let last: Record<string, number> = {};
    let closed = false;
    return new LiveDevice(live, stack.live.local, {
      counters: () => (closed ? last : stack.counters()),
      keep: (alive) => (alive ? driver.hold() : driver.release()),
      close: async () => {
        await live.shutdown(CLOSE_NS);
        last = stack.counters();
        closed = true;
        live.close();
        stack.close();
        memory.releaseAll();
      },
    });
  } catch (error) {
    stack.close();
    throw error;
  }
}

async function openInWorker(
  plan: Plan,
  pool: MemoryPool,
  libc: Libc | undefined,
  asked: DeviceOptions['transport'],
): Promise<LiveDeviceHandle> {
  if (typeof asked === 'object' && findTransport(asked.name) !== asked) {
    throw new VerbsError('EOPNOTSUPP', 'openDevice', `transport ${asked.name} cannot be handed to a worker thread`, {
      try: "mode: 'inline', or a transport of the catalog by its name",
    });
  }
  const memory = new LiveMemory(pool, libc, true);
  const port = await WorkerPort.start({ ...plan, transport: plan.transport.name }, memory);
  let last: Record<string, number> = {};
  let closed = false;
  return new LiveDevice(port, port.local, {
    counters: () => (closed ? last : port.wireCounters()),
    keep: (alive) => port.keep(alive),
    close: async () => {
      try {
        last = port.wireCounters();
      } finally {
        closed = true;
        await port.close(CLOSE_NS);
        memory.releaseAll();
      }
    },
  });
}

/** Options with defaults, checked. */
function planDevice(options: DeviceOptions): Plan {
  const transport = transportOf(options.transport ?? 'uet');
  const name = options.name ?? `${transport.name}0`;
  const text = options.address ?? '127.0.0.1';
  const address = parseAddress(text);
  if (address === undefined) throw notAnAddress(text);
  const port = whole('port', options.port ?? transport.udpPort, 0, 65_535);
  const entropies = whole('entropies', options.entropies ?? DEFAULT_ENTROPIES, 1, MAX_ENTROPIES);
  const seed = options.seed ?? webcrypto.getRandomValues(new Uint32Array(1))[0]!;
  const { faults, mode } = options;
  if (mode !== undefined && mode !== 'inline' && mode !== 'worker') {
    throw new VerbsError('EINVAL', 'openDevice', `\`${String(mode)}\` is no mode`, { try: 'inline or worker' });
  }
  if (faults !== undefined) checkFaults(faults);
  return {
    name,
    transport,
    seed,
    payloadMtu: options.payloadMtu ?? payloadFor(interfaceMtu(address), address, transport.headerBytes),
    settings: options.settings ?? {},
    wire: {
      device: name,
      address: text,
      port,
      peerPort: port === 0 ? transport.udpPort : port,
      entropies,
      io: ioChoice(options.io),
      faults: faults === undefined ? undefined : { seed, ...faults },
      capture: options.capture,
      captureLimitBytes: options.captureLimitBytes,
    },
  };
}

function transportOf(asked: string | Transport): Transport {
  if (typeof asked !== 'string') return asked;
  const found = findTransport(asked);
  if (found !== undefined) return found;
  throw new VerbsError('ENOENT', 'openDevice', `there is no transport \`${asked}\``, {
    try: TRANSPORTS.map((one) => one.name).join(', '),
  });
}

function whole(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new VerbsError('EINVAL', 'openDevice', `${name} cannot be ${value}`, {
    try: `a whole number, ${min} to ${max}`,
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

/** How long faults may hold a packet back. */
const MAX_HOLD_NS = 60e9;
/** How long peers get to answer when a device closes. */
const CLOSE_NS = 250e6;
