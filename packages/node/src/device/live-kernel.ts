/** The kernel half of a live device: wires, engines, and what drives them. For programs, worker threads and daemons. */
import {
  type CaptureSink,
  type Device,
  DmaSpace,
  type KernelHost,
  type LinkOptions,
  type Nanos,
  SoftDevice,
  type System,
  type Transport,
} from '@verbena/core';
import type { Libc } from '../memory/libc.ts';
import type { MemoryPool } from '../memory/mapped-memory.ts';
import { captureHeader } from '../wire/capture-wire.ts';
import { WireStack, type WireStackOptions } from '../wire/wire-stack.ts';
import type { Clock } from './clock.ts';
import { Driver, SPIN_NS } from './driver.ts';
import { shutDown } from './shut-down.ts';

/** One address entry of a device to be. */
export interface LinkPlan {
  readonly transport: Transport;
  /** The transport without the protection that the device's domains give it; undefined where they give it none. */
  readonly bare?: Transport;
  readonly payloadMtu: number;
  readonly settings: Readonly<Record<string, number>>;
  /** Port that the entry belongs to, from 1. */
  readonly port: number;
  readonly wire: WireStackOptions;
}

export interface LiveKernelOptions {
  readonly name: string;
  readonly system: System;
  readonly links: readonly LinkPlan[];
  readonly libc: Libc | undefined;
  readonly pool: MemoryPool;
  readonly clock: Clock;
  readonly host: (dma: DmaSpace) => KernelHost;
  /** Told true before sleeping, and false after; true as answer to true keeps it awake. */
  readonly sleeping?: (kernel: SoftDevice, asleep: boolean) => boolean;
  /** How long it turns without work before it sleeps, while somebody waits. Default {@link SPIN_NS}. */
  readonly spinNs?: Nanos;
  /** The device was taken away: calls `close` when its transports are done. Without this its wires close at once. */
  readonly removed?: (kernel: LiveKernel) => void;
}

export class LiveKernel {
  readonly soft: SoftDevice;
  readonly device: Device;
  readonly driver: Driver;
  readonly stacks: readonly WireStack[];
  readonly #clock: Clock;
  readonly #unwatch: () => void;
  #lastCounters: Record<string, number> | undefined;

  /** @throws VerbsError what opening a wire or registering the device says; nothing is left open then */
  static async open(options: LiveKernelOptions): Promise<LiveKernel> {
    const dma = new DmaSpace();
    const stacks: WireStack[] = [];
    try {
      for (const plan of options.links)
        stacks.push(await WireStack.open(options.libc, options.pool, dma, wireOf(plan)));
      return new LiveKernel(options, dma, stacks);
    } catch (thrown) {
      for (const stack of stacks) stack.close();
      throw thrown;
    }
  }

  /** As {@link open}, at once; not for I/O level `dgram`. */
  static openNow(options: LiveKernelOptions): LiveKernel {
    const dma = new DmaSpace();
    const stacks: WireStack[] = [];
    try {
      for (const plan of options.links) stacks.push(WireStack.openNow(options.libc, options.pool, dma, wireOf(plan)));
      return new LiveKernel(options, dma, stacks);
    } catch (thrown) {
      for (const stack of stacks) stack.close();
      throw thrown;
    }
  }

  private constructor(options: LiveKernelOptions, dma: DmaSpace, stacks: readonly WireStack[]) {
    const { links, system, name, clock, sleeping } = options;
    this.stacks = stacks;
    this.#clock = clock;
    const wires = () => this.wireCounters();
    this.soft = new LiveDevice(stacks, wires, {
      links: links.map((plan, i) => linkOf(plan, stacks[i]!)),
      host: options.host(dma),
    });
    this.device = system.register(this.soft, { name });
    const { soft } = this;
    const live = stacks.map((one) => one.live);
    this.driver = new Driver(
      soft,
      live,
      clock,
      options.spinNs ?? SPIN_NS,
      sleeping && ((asleep) => sleeping(soft, asleep)),
    );
    // whoever takes the device away, its wires go with it; a move between namespaces is no end
    this.#unwatch = system.watch(({ event, index }) => {
      if (event !== 'unregister' || index !== this.device.index || this.device.state === 'registered') return;
      if (options.removed === undefined) this.close();
      else options.removed(this);
    });
  }

  get polls(): boolean {
    return this.stacks.every((one) => one.live.polls);
  }

  /** What the wires count; the last figures when they are closed. */
  wireCounters(): Record<string, number> {
    if (this.#lastCounters !== undefined) return this.#lastCounters;
    const counts: Record<string, number> = {};
    for (const stack of this.stacks) {
      for (const [name, count] of Object.entries(stack.counters())) counts[name] = (counts[name] ?? 0) + count;
    }
    return counts;
  }

  /**
   * Ends the device in order: the transports close what peers hold state for.
   *
   * @param timeoutNs - how long peers get to answer
   * @param progress - one step of this device, and of others where they wait for each other
   * @returns whether all was closed in time
   */
  shutdown(timeoutNs: Nanos, progress: () => number = () => this.driver.progress()): Promise<boolean> {
    return shutDown(this.soft, this.driver, this.#clock, timeoutNs, progress);
  }

  /** Takes the device from the system and closes its wires. */
  close(): void {
    if (this.#lastCounters !== undefined) return;
    this.#unwatch();
    this.#lastCounters = this.wireCounters();
    this.device.system.remove(this.device);
    this.driver.close();
    for (const stack of this.stacks) stack.close();
  }
}

/** Counts what its wires count, too, and shows what passes on them. */
class LiveDevice extends SoftDevice {
  readonly #stacks: readonly WireStack[];
  readonly #wires: () => Record<string, number>;
  #device: Device | undefined;

  constructor(
    stacks: readonly WireStack[],
    wires: () => Record<string, number>,
    options: ConstructorParameters<typeof SoftDevice>[0],
  ) {
    super(options);
    this.#stacks = stacks;
    this.#wires = wires;
  }

  override attached(device: Device): void {
    super.attached(device);
    this.#device = device;
  }

  capture(sink: CaptureSink): () => void {
    sink.write(captureHeader(this.#device!.name));
    const taps = this.#stacks.map((stack) => stack.tap(sink));
    this.#rewire();
    return () => {
      for (const end of taps) end();
      this.#rewire();
    };
  }

  #rewire(): void {
    for (const [i, { top }] of this.#stacks.entries()) this.replaceWire(i, top);
  }

  override counters(): Record<string, number> {
    return { ...super.counters(), ...this.#wires() };
  }
}

/** The seal is code, which a plan that crosses threads cannot carry. */
function wireOf({ transport, wire, settings }: LinkPlan): WireStackOptions {
  // protected packets have a check value already
  const chosen = transport.protects === true ? undefined : transport.sealFor?.(settings);
  return { ...wire, seal: chosen ?? transport.seal };
}

function linkOf({ transport, payloadMtu, settings, port }: LinkPlan, { top, live }: WireStack): LinkOptions {
  return {
    transport,
    wire: top,
    payloadMtu,
    settings,
    port,
    entropies: live.entropies,
    receiveBufferBytes: live.receiveBufferBytes,
    localAddress: live.local,
    level: live.level,
  };
}
