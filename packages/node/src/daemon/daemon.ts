/**
 * A daemon: devices that many programs share. One system, one thread; each connection to its socket is one session, and
 * each device runs as it would in a program of its own.
 */
import {
  type Credentials,
  type Device,
  type MonitorEvent,
  type Row,
  type Session,
  type SoftDevice,
  System,
  VerbsError,
} from '@verbena/core';
import type { Logger } from 'pino';
import { DomainStore } from '../crypto/domain-store.ts';
import { readKeyFile } from '../crypto/key-file.ts';
import { StateCounters } from '../crypto/state-counters.ts';
import { Clock } from '../device/clock.ts';
import { planDevice } from '../device/device-plan.ts';
import { randomWords } from '../device/live-host.ts';
import { LiveKernel } from '../device/live-kernel.ts';
import type { SeqpacketConnection } from '../ipc/seqpacket.ts';
import { SeqpacketServer } from '../ipc/seqpacket-server.ts';
import { defaultSocketPath, ownUid } from '../ipc/socket-path.ts';
import { type Libc, loadLibc, requireLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import type { MappingBudget } from '../memory/received-file.ts';
import { type DeviceSpec, deviceOptions, parseDeviceSpec } from './config.ts';
import { type ClientOwner, DaemonClient } from './daemon-client.ts';
import { DaemonHost } from './daemon-host.ts';
import { DAEMON_LIMITS, DaemonCounters, type DaemonLimits, type DropReason } from './daemon-limits.ts';
import { daemonLog, LineLimit } from './daemon-log.ts';
import { daemonMetrics } from './daemon-metrics.ts';
import { MetricsServer } from './metrics-server.ts';
import { networkNamespace } from './peer-process.ts';
import { RangeCollector } from './range-collector.ts';

export interface DaemonOptions {
  /** Path of its socket. Default: `verbena/verbena.sock` in `$XDG_RUNTIME_DIR`, else in a folder of the user's in `/tmp`. */
  readonly socket?: string;
  /** Mode of the socket. Default 0o600. */
  readonly mode?: 0o600 | 0o660;
  readonly devices?: readonly DeviceSpec[];
  readonly limits?: Partial<DaemonLimits>;
  /** Key file of secure domains, with their packet counters beside it. Without one those of keys that come later are in the state folder. */
  readonly keys?: string;
  /** `HOST:PORT` on loopback where Prometheus may read figures. Default: nowhere. */
  readonly metrics?: string;
  /** Default: nothing is logged. */
  readonly log?: Logger;
}

export class Daemon implements ClientOwner {
  readonly system = new System(randomWords);
  readonly counters = new DaemonCounters();
  readonly limits: DaemonLimits;
  readonly libc: Libc;
  readonly clock = new Clock();
  readonly ownUid = ownUid();
  readonly mapped: MappingBudget = { mappings: 0, bytes: 0, maxMappings: MAX_MAPPINGS, maxBytes: MAX_MAPPED_BYTES };
  readonly #clients = new Set<DaemonClient>();
  readonly #perUid = new Map<number, number>();
  readonly #kernels = new Map<Device, LiveKernel>();
  /** Devices that were taken away and whose transports still close. */
  readonly #retiring = new Map<Device, Promise<void>>();
  readonly #log: Logger;
  readonly #lines = new LineLimit(LINES_PER_SECOND);
  readonly #pool: MemoryPool;
  readonly #domains: DomainStore;
  readonly #collector = new RangeCollector();
  readonly #ownNamespace = networkNamespace('self');
  #server: SeqpacketServer | undefined;
  #metrics: MetricsServer | undefined;
  #drivenAt = 0;
  #closing: Promise<void> | undefined;
  /** Told when the last client is gone. */
  #onEmpty: (() => void) | undefined;

  /**
   * Starts a daemon: its devices are open and its socket accepts connections when this resolves.
   *
   * @throws VerbsError `EADDRINUSE` another daemon has the path, or a program the port of a device · `EACCES` the path
   *   is not safe · `EINVAL` · `EOPNOTSUPP` no system calls here; nothing is left open then
   */
  static async start(options: DaemonOptions = {}): Promise<Daemon> {
    const daemon = new Daemon(requireLibc(await loadLibc(), 'verbenad'), options);
    try {
      for (const spec of options.devices ?? []) daemon.addDevice(spec);
      if (options.metrics !== undefined) {
        daemon.#metrics = await MetricsServer.start(options.metrics, () => daemonMetrics(daemon));
      }
      daemon.#server = SeqpacketServer.listen(daemon.libc, options.socket ?? defaultSocketPath(), {
        mode: options.mode ?? 0o600,
        onConnection: (connection) => daemon.#accept(connection),
      });
    } catch (thrown) {
      await daemon.close();
      throw thrown;
    }
    const { path } = daemon.#server;
    daemon.#log.info({ socket: path, devices: [...daemon.kernels()].map(({ device }) => device.name) }, 'ready');
    return daemon;
  }

  private constructor(libc: Libc, options: DaemonOptions) {
    this.libc = libc;
    this.limits = { ...DAEMON_LIMITS, ...options.limits };
    this.#log = options.log ?? daemonLog('silent');
    this.#pool = new MemoryPool(libc);
    this.#domains = options.keys === undefined ? new DomainStore(new StateCounters()) : readKeyFile(options.keys);
    this.system.secureDomains = this.#domains;
    this.system.deviceFactory = { add: (row) => this.addDevice(parseDeviceSpec(specOf(row), 'DEV.ADD')) };
    this.system.watch((event) => this.#changed(event));
  }

  /** Path of its socket. */
  get socket(): string {
    return this.#server?.path ?? '';
  }

  /** `HOST:PORT` of the figures; undefined when nobody may read them. */
  get metricsAddress(): string | undefined {
    return this.#metrics?.address;
  }

  get clients(): ReadonlySet<DaemonClient> {
    return this.#clients;
  }

  kernels(): Iterable<LiveKernel> {
    return this.#kernels.values();
  }

  /** Connections that the system could not give a descriptor. */
  get refusedWithoutDescriptor(): number {
    return this.#server?.counters.refusedConnections ?? 0;
  }

  /**
   * Opens a device, which programs see at once.
   *
   * @throws VerbsError as `openDevice` · `EIO` the daemon is closing
   */
  addDevice(spec: DeviceSpec): Device {
    if (this.#closing !== undefined) throw new VerbsError('EIO', 'addDevice', 'the daemon is closing');
    const plan = planDevice(deviceOptions(spec, this.#domains));
    const kernel = LiveKernel.openNow({
      name: plan.name,
      system: this.system,
      links: plan.links,
      libc: this.libc,
      pool: this.#pool,
      clock: this.clock,
      host: (dma) => new DaemonHost(dma, plan.seed, this.libc),
      sleeping,
      spinNs: SPIN_NS,
      removed: (one) => this.#retire(one),
    });
    kernel.driver.hold(); // it spins a little before it sleeps, and its timers count although nobody here waits
    this.#kernels.set(kernel.device, kernel);
    this.counters.devicesAdded++;
    return kernel.device;
  }

  /**
   * Takes a device away from whoever uses it; resolves when its transports are closed.
   *
   * @throws VerbsError ENODEV
   */
  async removeDevice(name: string): Promise<void> {
    const kernel = [...this.#kernels.values()].find(({ device }) => device.name === name);
    if (kernel === undefined) throw new VerbsError('ENODEV', 'removeDevice', `there is no device ${name}`);
    this.system.remove(kernel.device);
    await this.#retiring.get(kernel.device);
  }

  /**
   * Ends in order: no new connections, devices leave and say so to programs and peers, programs get a moment to take
   * note, then their connections end.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  credentialsOf({ connection }: DaemonClient): Pick<Credentials, 'namespace'> {
    const identity = networkNamespace(connection.peer.pid);
    if (identity === this.#ownNamespace) return {};
    return { namespace: this.system.namespaceOf(identity ?? 'unknown') };
  }

  stir(session: Session): void {
    for (const { device } of session.contexts.values()) this.#kernels.get(device)?.driver.schedule();
  }

  driveIfDue(): void {
    const now = performance.now();
    if (now - this.#drivenAt < DUE_MS) return;
    for (const { driver } of this.#kernels.values()) driver.progress();
    this.#drivenAt = performance.now();
  }

  failed({ connection, name }: DaemonClient, thrown: unknown): void {
    this.#note('error', { pid: connection.peer.pid, name, err: thrown }, 'a call failed inside');
  }

  closed(client: DaemonClient, reason: DropReason | undefined): void {
    const { peer } = client.connection;
    this.#clients.delete(client);
    this.#leave(peer.uid);
    this.counters.connectionsClosed++;
    this.#endNamespaceOf(client.session);
    // what its contexts left in the engines is sent, and the state of its peers ends
    for (const { driver } of this.#kernels.values()) driver.schedule();
    this.#collector.look();
    const level = reason === undefined || reason === 'shutdown' ? 'debug' : 'warn';
    this.#note(level, { pid: peer.pid, uid: peer.uid, name: client.name, reason }, 'client gone');
    if (this.#clients.size === 0) this.#onEmpty?.();
  }

  #accept(connection: SeqpacketConnection): void {
    const { pid, uid } = connection.peer;
    const ofUser = this.#perUid.get(uid) ?? 0;
    const { counters, limits } = this;
    const refuse = (counter: 'refusedInvisible' | 'refusedTotal' | 'refusedPerUid') => {
      counters[counter]++;
      connection.close();
      this.#note('warn', { pid, uid, reason: counter }, 'connection refused');
    };
    if (pid === 0) refuse('refusedInvisible');
    else if (this.#clients.size >= limits.connections || this.#closing !== undefined) refuse('refusedTotal');
    else if (ofUser >= limits.connectionsPerUid) refuse('refusedPerUid');
    else {
      counters.connectionsAccepted++;
      this.#perUid.set(uid, ofUser + 1);
      const client = new DaemonClient(this, connection);
      this.#clients.add(client);
      this.#note('debug', { pid, uid, name: client.name }, 'client');
    }
  }

  #leave(uid: number): void {
    const left = (this.#perUid.get(uid) ?? 1) - 1;
    if (left === 0) this.#perUid.delete(uid);
    else this.#perUid.set(uid, left);
  }

  /** Namespaces come with programs, and go with the last one, unless devices are there. */
  #endNamespaceOf(session: Session | undefined): void {
    if (session === undefined || session.namespace.sessions > 0) return;
    for (const device of this.system.devices.values()) if (device.namespace === session.namespace) return;
    this.system.endNamespace(session.namespace);
  }

  #changed({ event, name, before }: MonitorEvent): void {
    this.#note('info', { device: name, before }, event);
  }

  /** The device is gone for programs; its transports tell peers, then its wires close. */
  #retire(kernel: LiveKernel): void {
    const { device } = kernel;
    if (this.#retiring.has(device)) return;
    this.#kernels.delete(device);
    this.counters.devicesRemoved++;
    const retired = async () => {
      await null; // the removal that runs is to finish first
      const orderly = await kernel.shutdown(CLOSE_NS);
      kernel.driver.release();
      kernel.close();
      this.#retiring.delete(device);
      this.#note('info', { device: device.name, orderly }, 'closed');
    };
    this.#retiring.set(device, retired());
  }

  async #close(): Promise<void> {
    this.#server?.close();
    for (const kernel of [...this.#kernels.values()].reverse()) this.system.remove(kernel.device);
    await Promise.all(this.#retiring.values());
    await this.#partings();
    for (const client of [...this.#clients]) client.close('shutdown');
    await this.#metrics?.close();
    this.#collector.close();
    this.#log.info('closed');
  }

  /** A moment for programs to read that their devices are gone, and to leave by themselves. */
  async #partings(): Promise<void> {
    if (this.#clients.size === 0) return;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, PARTING_MS);
      this.#onEmpty = () => {
        clearTimeout(late);
        resolve();
      };
    });
  }

  #note(level: 'debug' | 'info' | 'warn' | 'error', facts: Readonly<Record<string, unknown>>, text: string): void {
    if (!this.#log.isLevelEnabled(level)) return;
    const left = this.#lines.pass(performance.now());
    if (left === undefined) return;
    this.#log[level](left === 0 ? facts : { ...facts, linesLeftOut: left }, text);
  }
}

/** Programs are told that they must send a kick; whoever rang before reading that did not send one. */
function sleeping(soft: SoftDevice, asleep: boolean): boolean {
  soft.setAsleep(asleep);
  return asleep && soft.rung();
}

/** Named values of a call as a device of the configuration: what is a number there may come as text. */
function specOf(row: Row): Record<string, unknown> {
  const spec: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(row)) {
    spec[name] = typeof value === 'string' && NUMBERS.has(name) && /^\d{1,15}$/.test(value) ? Number(value) : value;
  }
  return spec;
}

const NUMBERS = new Set(['port', 'mtu', 'entropies', 'seed', 'captureLimitBytes']);
/** Waking up costs a client more than a program that drives its own device, and the daemon is there for many. */
const SPIN_NS = 200_000;
/** How long devices may wait while clients are served. */
const DUE_MS = 0.5;
/** How long peers get to answer when a device closes. */
const CLOSE_NS = 250e6;
/** How long programs get to leave when the daemon closes. */
const PARTING_MS = 500;
const LINES_PER_SECOND = 50;
/** Memory files of all clients; the system allows 65,530 mappings of one process. */
const MAX_MAPPINGS = 32_768;
const MAX_MAPPED_BYTES = 32 * 2 ** 40;
