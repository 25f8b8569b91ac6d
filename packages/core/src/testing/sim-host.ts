/**
 * A host in simulated time: one system with any number of software devices, which can be plugged in and pulled out,
 * and the programs that use them. Several hosts on one fabric reach each other.
 */
import { parseAddress } from '../base/ip-address.ts';
import { SeededRandom } from '../base/random.ts';
import type { Device } from '../device/device.ts';
import type { DeviceRegistration } from '../device/index.ts';
import { ALL_RIGHTS, type Credentials, type Session } from '../device/session.ts';
import { System } from '../device/system.ts';
import { DmaSpace } from '../engine/dma.ts';
import type { Transport } from '../engine/engine.ts';
import { type Nanos, NEVER } from '../engine/time.ts';
import type { KernelHost } from '../soft/kernel-host.ts';
import type { DeviceLimits } from '../soft/limits.ts';
import { SoftDevice } from '../soft/soft-device.ts';
import { Context } from '../verbs/context.ts';
import { InlinePort } from '../verbs/inline-port.ts';
import { MemoryFabric, type MemoryWire } from './memory-wire.ts';
import { SIM_MEMORY, SIM_USER_MEMORY } from './sim-node.ts';

/** One address entry of a device. */
export interface SimLink {
  readonly transport: Transport;
  readonly address: string;
  /** Port that the entry belongs to; default 1. */
  readonly port?: number;
  readonly payloadMtu?: number;
  readonly settings?: Readonly<Record<string, number>>;
}

/** A software device as its host knows it. */
export interface SimDevice {
  readonly kernel: SoftDevice;
  readonly dma: DmaSpace;
  readonly wires: readonly MemoryWire[];
  /** Memory of programs and pages for programs that the host holds for it now. */
  held(): number;
}

export class SimHost {
  readonly fabric: MemoryFabric;
  readonly system: System;
  readonly #random: SeededRandom;
  readonly #devices = new Map<Device, SimDevice>();
  readonly #timers: { due: Nanos; run: () => void }[] = [];
  readonly #soon: (() => void)[] = [];
  now: Nanos = 1000;

  constructor(options: { readonly fabric?: MemoryFabric; readonly seed?: number } = {}) {
    this.fabric = options.fabric ?? new MemoryFabric();
    this.#random = new SeededRandom(options.seed ?? 1);
    this.system = new System((into) => this.#words(into));
  }

  /** A device that is not registered. */
  device(links: readonly SimLink[], limits: Partial<DeviceLimits> = {}): SimDevice {
    const dma = new DmaSpace();
    const held = new Set<unknown>();
    const wires: MemoryWire[] = [];
    const host: KernelHost = {
      dma,
      seed: this.#random.uint32(),
      randomWords: (into) => this.#words(into),
      ...counted(held),
    };
    const options = links.map(({ transport, address, port = 1, payloadMtu = 1024, settings = {} }) => {
      const localAddress = { address: parseAddress(address)!, port: transport.udpPort };
      const wire = this.fabric.connect(localAddress, dma);
      wires.push(wire);
      const fixed = { entropies: 4, receiveBufferBytes: 0, level: 'simulated' };
      return { transport, wire, port, payloadMtu, settings, localAddress, ...fixed };
    });
    return { kernel: new SoftDevice({ links: options, host, limits }), dma, wires, held: () => held.size };
  }

  /** Registers a new device and drives it from now on. */
  plug(name: string, links: readonly SimLink[], options: SimPlugOptions = {}): Device {
    const { deviceLimits, ...registration } = options;
    const made = this.device(links, deviceLimits);
    const device = this.system.register(made.kernel, { name, ...registration });
    this.#devices.set(device, made);
    return device;
  }

  /** Takes a device away at once, with its cables. */
  unplug(device: Device): SimDevice | undefined {
    const made = this.#devices.get(device);
    for (const wire of made?.wires ?? []) this.fabric.pull(wire);
    this.system.remove(device);
    device.whenIdle(() => {
      this.#devices.delete(device);
      made?.kernel.end();
    });
    return made;
  }

  of(device: Device): SimDevice {
    return this.#devices.get(device)!;
  }

  /** A program: a session and what drives devices for it. */
  program(credentials: Partial<Credentials> = {}): SimProgram {
    return new SimProgram(this, credentials, {
      now: () => this.now,
      soon: (run) => void this.#soon.push(run),
      after: (delay, run) => this.#after(delay, run),
      watch: () => {},
    });
  }

  /** Every device once. @returns how much was done */
  step(): number {
    for (const run of this.#soon.splice(0)) run();
    let work = 0;
    for (const { kernel } of [...this.#devices.values()]) work += kernel.step(this.now);
    return work;
  }

  deadline(): Nanos {
    let due = this.#timers.reduce((least, one) => Math.min(least, one.due), NEVER);
    for (const { kernel } of this.#devices.values()) due = Math.min(due, kernel.rung() ? this.now : kernel.deadline());
    return due;
  }

  /** Lets time pass up to `now`. */
  advance(now: Nanos): void {
    this.now = Math.max(this.now, now);
    for (const one of this.#timers.filter(({ due }) => due <= this.now)) {
      this.#timers.splice(this.#timers.indexOf(one), 1);
      one.run();
    }
  }

  #after(delay: Nanos, run: () => void): () => void {
    const timer = { due: this.now + delay, run };
    this.#timers.push(timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  #words(into: Uint32Array): void {
    for (let i = 0; i < into.length; i++) into[i] = this.#random.uint32();
  }
}

export interface SimPlugOptions extends Omit<DeviceRegistration, 'name'> {
  readonly deviceLimits?: Partial<DeviceLimits>;
}

export class SimProgram {
  readonly session: Session;
  readonly port: InlinePort;

  constructor(host: SimHost, credentials: Partial<Credentials>, hooks: ConstructorParameters<typeof InlinePort>[3]) {
    this.session = host.system.session({
      ...{ pid: 1, uid: 0, gid: 0, name: 'program', rights: ALL_RIGHTS },
      ...credentials,
      wake: (number) => this.port?.wake(number),
    });
    const stepped = {
      step: () => host.step(),
      deadline: () => host.deadline(),
      rung: () => host.deadline() <= host.now,
      close: () => {},
      quiet: () => true,
    };
    this.port = new InlinePort(this.session, stepped, SIM_USER_MEMORY, hooks, false);
  }

  /** The verbs API on a device. @throws VerbsError as DEVICE.OPEN says */
  open(device: string): Context {
    return new Context(this.port, device);
  }

  /** The program ends, however it comes. */
  end(): void {
    this.session.close();
  }
}

/** Drives hosts until nothing happens without time passing, and then time, up to `limit` ns or until `holds`. */
export function runHosts(hosts: readonly SimHost[], holds: () => boolean = () => false, limit: Nanos = 0): boolean {
  const end = hosts[0]!.now + limit;
  for (;;) {
    for (let work = 1, turns = 0; work > 0; turns++) {
      if (turns > MAX_TURNS) throw new Error('the hosts never come to rest');
      work = hosts.reduce((sum, host) => sum + host.step(), 0);
    }
    if (holds()) return true;
    const due = hosts.reduce((least, host) => Math.min(least, host.deadline()), NEVER);
    if (due > end) return holds();
    const next = Math.max(hosts[0]!.now + 1, due);
    for (const host of hosts) host.advance(next);
  }
}

/** The memory of simulated hosts, with all that is not given back in a set. */
function counted(held: Set<unknown>): Pick<KernelHost, 'attachMemory' | 'detachMemory' | 'openUmem' | 'mapPage'> {
  const hold = <T>(made: T): T => {
    held.add(made);
    return made;
  };
  return {
    attachMemory: (source) => hold(SIM_MEMORY.attachMemory(source)),
    openUmem: (attachment, identity) => hold(SIM_MEMORY.openUmem(attachment, identity)),
    detachMemory: (target) => void held.delete(target),
    mapPage: (bytes) => {
      const page = SIM_MEMORY.mapPage(bytes);
      held.add(page);
      return {
        ...page,
        release: () => {
          if (!held.delete(page)) throw new Error('a page is released twice');
        },
      };
    },
  };
}

const MAX_TURNS = 100_000;
