/** Opens a live device: RDMA over UDP on a local address, no hardware, no root. */
import { type DeviceHandle, findTransport, type KernelPort, OpenDevice, VerbsError } from '@verbena/core';
import { openThroughDaemon } from '../client/open-through-daemon.ts';
import { defaultSocketPath, socketPathFromEnvironment } from '../ipc/socket-path.ts';
import { type Libc, loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import type { LocalAddress } from '../wire/live-wire.ts';
import { WorkerPort } from '../worker/worker-port.ts';
import type { LinkByName } from '../worker/worker-protocol.ts';
import { Clock } from './clock.ts';
import { type DeviceOptions, type DevicePlan, planDevice } from './device-plan.ts';
import { LiveHost } from './live-host.ts';
import { LiveKernel } from './live-kernel.ts';
import { LivePort } from './live-port.ts';
import { localCredentials, localSystem } from './local-system.ts';
import { LiveMemory } from './user-memory.ts';

export type { DeviceOptions, Encapsulation, GidOptions } from './device-plan.ts';

/** A device on a live network. */
export interface LiveDeviceHandle extends DeviceHandle {
  /** Address and port that peers use. */
  readonly local: LocalAddress;
  /** Keeps the process alive until `unref`: this program serves peers. A pending wait does that by itself. */
  ref(): void;
  unref(): void;
}

/**
 * Opens a device: one of this program, or, with the option `socket` or the environment variable `VERBENA_SOCKET`, one of
 * a daemon.
 *
 * @throws VerbsError `EADDRINUSE` another program has the port · `EADDRNOTAVAIL` not an address of this machine ·
 *   `EACCES` · `ENOENT` no such transport · `EOPNOTSUPP` the I/O level does not exist here · `EINVAL` · `EIO`
 */
export async function openDevice(options: DeviceOptions = {}): Promise<LiveDeviceHandle> {
  const socket = socketOf(options);
  if (socket !== undefined) return await openThroughDaemon(socket, options);
  const plan = planDevice(options);
  const libc = await loadLibc();
  const pool = new MemoryPool(libc, options.memoryBytes);
  return options.mode === 'worker' ? await openInWorker(plan, pool, libc) : await openInline(plan, pool, libc);
}

/** Path of the daemon's socket that the device is asked for from. */
function socketOf({ socket }: DeviceOptions): string | undefined {
  if (socket === undefined) return socketPathFromEnvironment();
  if (socket === false) return undefined;
  return socket === true ? (socketPathFromEnvironment() ?? defaultSocketPath()) : socket;
}

class LiveDevice extends OpenDevice implements LiveDeviceHandle {
  readonly local: LocalAddress;
  readonly #host: HostHooks;
  #kept = false;

  constructor(port: KernelPort, name: string, local: LocalAddress, host: HostHooks) {
    super(port, name, () => host.close());
    this.local = local;
    this.#host = host;
  }

  /** What the device counted, and its wire (`wire_...`). */
  override counters(): Record<string, number> {
    const own = this.port.failure === '' && !this.isClosed ? super.counters() : {};
    return { ...own, ...this.#host.counters() };
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

async function openInline(plan: DevicePlan, pool: MemoryPool, libc: Libc | undefined): Promise<LiveDeviceHandle> {
  const system = plan.system ?? localSystem();
  system.secureDomains ??= plan.security?.domains;
  const clock = new Clock();
  const kernel = await LiveKernel.open({
    name: plan.name,
    system,
    links: plan.links,
    libc,
    pool,
    clock,
    host: (dma) => new LiveHost(dma, plan.seed, libc, pool, false),
  });
  let port: LivePort | undefined;
  const session = system.session(localCredentials((number) => port?.wake(number)));
  try {
    const memory = new LiveMemory(pool, libc, false);
    const live = new LivePort(session, kernel.driver, clock, memory, kernel.polls);
    port = live;
    return new LiveDevice(live, kernel.device.name, kernel.stacks[0]!.live.local, {
      counters: () => kernel.wireCounters(),
      keep: (alive) => (alive ? kernel.driver.hold() : kernel.driver.release()),
      close: async () => {
        await kernel.shutdown(CLOSE_NS, () => live.progress());
        session.close();
        live.close();
        kernel.close();
        memory.releaseAll();
      },
    });
  } catch (error) {
    session.close();
    kernel.close();
    throw error;
  }
}

async function openInWorker(plan: DevicePlan, pool: MemoryPool, libc: Libc | undefined): Promise<LiveDeviceHandle> {
  const links = plan.links.map(({ transport, bare, ...rest }): LinkByName => {
    const known = bare ?? transport;
    const found = findTransport(known.name);
    if (found === known || found?.overIp === known)
      return { ...rest, transport: known.name, secured: bare !== undefined };
    throw new VerbsError('EOPNOTSUPP', 'openDevice', `transport ${known.name} cannot be handed to a worker thread`, {
      try: "mode: 'inline', or a transport of the catalog by its name",
    });
  });
  const memory = new LiveMemory(pool, libc, true);
  const { name, seed } = plan;
  const port = await WorkerPort.start({ name, seed, links, security: plan.security }, memory);
  let last: Record<string, number> = {};
  let closed = false;
  return new LiveDevice(port, port.device, port.local, {
    counters: () => (closed || port.failure !== '' ? last : port.wireCounters()),
    keep: (alive) => port.keep(alive),
    close: async () => {
      try {
        if (port.failure === '') last = port.wireCounters();
      } finally {
        closed = true;
        await port.close(CLOSE_NS);
        memory.releaseAll();
      }
    },
  });
}

/** How long peers get to answer when a device closes. */
const CLOSE_NS = 250e6;
