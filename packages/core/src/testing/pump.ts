/**
 * The pump: nodes, the network between them, and one clock that jumps from event to event. Tests drive it; nothing in
 * here waits. Each packet of each test passes the checks of the wire (size, slices, path) and of the pump (time,
 * liveness, silence after the end), so every test is a test of these as well.
 *
 *   const pump = new Pump({ transport, nodes: 2, seed, faults: { loss: 0.05 } });
 *   ... post work on pump.nodes[0].device ...
 *   pump.drive({ until: () => completions.length === 10 });
 */

import type { Engine, Transport } from '../engine/engine.ts';
import { type Nanos, NEVER, SECOND } from '../engine/time.ts';
import type { PeerAddress } from '../engine/wire-host.ts';
import type { DeviceLimits } from '../soft/limits.ts';
import { Agenda } from './agenda.ts';
import type { LinkFaults } from './faults.ts';
import { type Link, MAX_NODES, Network } from './network.ts';
import { SimNode } from './sim-node.ts';
import { type Attachment, isSame } from './sim-wire.ts';
import { Trace } from './trace.ts';

export interface PumpOptions {
  readonly transport: Transport;
  readonly seed?: number;
  readonly nodes?: number;
  readonly payloadMtu?: number;
  readonly entropies?: number;
  /** Of every link; each can be changed afterwards through `pump.link(from, to).faults`. */
  readonly faults?: Partial<LinkFaults>;
  readonly settings?: Readonly<Record<string, number>>;
  readonly limits?: Partial<DeviceLimits>;
  /** Packets that are kept for a dump. Default 64. */
  readonly keep?: number;
  /** Looks at each packet that is sent; a text is a violation. For rules of one transport. */
  readonly inspect?: (packet: SentPacket) => string | undefined;
}

/** A packet as it goes on the wire. `bytes` are valid during the call only. */
export interface SentPacket {
  readonly now: Nanos;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly engine: Engine;
}

export interface DriveOptions {
  /** Stop as soon as this holds; it must hold within the limit. */
  readonly until?: () => boolean;
  /** Simulated time at most. With `until`, reaching it is a failure; without, it is the end. Default 60 s. */
  readonly limitNs?: Nanos;
  /** What `until` waits for, for the message. */
  readonly what?: string;
}

/** A run that broke a rule or did not come to its end. The message has the seed and the last packets. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError';
}

export class Pump {
  readonly transport: Transport;
  readonly seed: number;
  readonly nodes: readonly SimNode[];
  readonly network: Network;
  readonly trace: Trace;
  now: Nanos = 1_000_000;
  readonly #soon: (() => void)[] = [];
  readonly #timers = new Agenda(MAX_TIMERS);
  readonly #callbacks = new Map<number, () => void>();
  #callbackIds = 0;
  #violation: string | undefined;
  /** Packets sent at the instant `burstAt`. */
  #burst = 0;
  #burstAt: Nanos = 0;

  constructor(options: PumpOptions) {
    const { transport, seed = 1, nodes = 2, payloadMtu = 1024, entropies = 4, faults = {}, keep = 64 } = options;
    if (nodes > MAX_NODES) throw new RangeError(`at most ${MAX_NODES} nodes`);
    this.transport = transport;
    this.seed = seed;
    this.trace = new Trace(keep);
    const mtuBytes = transport.headerBytes + payloadMtu;
    const sealed = transport.seal !== undefined;
    const trimBytes = transport.headerBytes;
    this.network = new Network({ seed, mtuBytes, trimBytes, sealed, faults, trace: this.trace });
    this.nodes = Array.from({ length: nodes }, (_, index) => {
      const { settings = {}, limits = {} } = options;
      const nodeSeed = Math.imul(seed + 1, 0x85ebca6b) ^ index;
      const node = { index, transport, payloadMtu, entropies, settings, limits, seed: nodeSeed };
      return new SimNode(
        { ...node, local: addressOf(index, transport.udpPort) },
        (dma) => this.#attachment(index, dma, mtuBytes, options),
        {
          now: () => this.now,
          soon: (run) => this.#soon.push(run),
          after: (delayNs, run) => this.#after(delayNs, run),
          watch: () => {},
        },
      );
    });
  }

  node(index: number): SimNode {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }

  link(from: number, to: number): Link {
    return this.network.link(from, to);
  }

  /** Changes the faults of all links. */
  setFaults(faults: Partial<LinkFaults>): void {
    for (const { index: from } of this.nodes) {
      for (const { index: to } of this.nodes) if (from !== to) Object.assign(this.link(from, to).faults, faults);
    }
  }

  /**
   * Runs until `until` holds; without it until nothing is left to happen, or for `limitNs`.
   *
   * @throws SimulationError a rule was broken, or `until` does not hold in time
   */
  drive(options: DriveOptions = {}): void {
    const { until, limitNs = 60 * SECOND } = options;
    const end = this.now + limitNs;
    for (;;) {
      this.#settle();
      if (until?.() === true) return;
      if (this.#soon.length > 0) continue;
      const next = this.#next();
      if (next > end) {
        if (until !== undefined)
          this.fail(`${options.what ?? 'what is waited for'} did not come within ${limitNs / 1e6} ms`);
        if (next !== NEVER || limitNs !== 60 * SECOND) this.now = Math.max(this.now, Math.min(end, next));
        return;
      }
      this.now = Math.max(this.now, next);
    }
  }

  /** Drives while asynchronous code runs, and gives its result. */
  async settle<T>(work: Promise<T>, limitNs: Nanos = 120 * SECOND): Promise<T> {
    let state: 'pending' | 'done' = 'pending';
    const done = () => {
      state = 'done';
    };
    work.then(done, done);
    const end = this.now + limitNs;
    for (;;) {
      for (let i = 0; i < MICROTASKS && state === 'pending'; i++) await undefined;
      if ((state as string) === 'done') return work;
      this.#settle();
      if (this.#soon.length > 0) continue;
      for (let i = 0; i < MICROTASKS && state === 'pending'; i++) await undefined;
      if ((state as string) === 'done') return work;
      const next = this.#next();
      if (next > end) this.fail(`asynchronous work did not end within ${limitNs / 1e6} ms`);
      this.now = Math.max(this.now, next);
    }
  }

  /** Closes all devices in order and checks that nothing is left. */
  close(): void {
    for (const { device } of this.nodes) void device.close();
    this.drive({
      until: () => this.nodes.every(({ dead, kernel }) => dead || kernel.quiet()),
      limitNs: 120 * SECOND,
      what: 'the quiet end of all devices',
    });
    for (const node of this.nodes) node.closed = true;
    this.drive({ limitNs: SECOND });
    for (const { registered, dead, index } of this.nodes) {
      if (dead) continue;
      const left = Object.entries(registered.census()).filter(([name, count]) => count !== 0 && !MAY_STAY.has(name));
      if (left.length > 0) this.fail(`node ${index} still holds ${left.map((one) => one.join(' ')).join(', ')}`);
    }
  }

  /** @throws SimulationError always */
  fail(text: string): never {
    const counters = this.nodes.map(({ index, kernel }) => `node ${index}: ${nonZero(kernel.counters())}`);
    const lines = [
      `${text}`,
      `  transport ${this.transport.name}, seed ${this.seed}, at ${this.now / 1e6} ms, ${this.network.inFlight} packets in flight`,
      ...counters.map((line) => `  ${line}`),
      ...this.nodes.map(({ index, registered }) => `  node ${index}: ${nonZero(registered.census())}`),
      this.trace.dump(this.transport.name),
    ];
    throw new SimulationError(lines.join('\n'));
  }

  /** Everything that happens at this instant. */
  #settle(): void {
    for (let rounds = 0; ; rounds++) {
      if (rounds > MAX_ROUNDS) this.fail('the devices never come to rest at one instant');
      let work = this.#deliver() + this.#runCallbacks();
      for (const node of this.nodes) {
        if (node.dead) continue;
        work += node.kernel.step(this.now);
        if (node.kernel.failure !== undefined) this.#failed(node);
        if (this.#violation !== undefined) this.fail(this.#violation);
      }
      if (work === 0) break;
    }
    for (const node of this.nodes) {
      if (node.deadline() <= this.now) this.fail(`node ${node.index} wants to be driven again at once, for nothing`);
    }
  }

  #failed({ index, kernel: { failure } }: SimNode): never {
    this.fail(`node ${index} failed: ${failure instanceof Error ? failure.stack : String(failure)}`);
  }

  #deliver(): number {
    let count = 0;
    for (let one = this.network.arrived(this.now); one !== undefined; one = this.network.arrived(this.now)) {
      const node = this.nodes[one.to];
      // nobody listens there any more
      if (node === undefined || node.dead || node.closed) this.network.release(one);
      else node.wire.put(one);
      count++;
    }
    return count;
  }

  #runCallbacks(): number {
    const due = this.#soon.splice(0);
    while (this.#timers.earliest() <= this.now) {
      const id = this.#timers.take();
      const run = this.#callbacks.get(id);
      this.#callbacks.delete(id);
      if (run !== undefined) due.push(run);
    }
    for (const run of due) run();
    return due.length;
  }

  #after(delayNs: Nanos, run: () => void): () => void {
    const id = this.#callbackIds++;
    this.#callbacks.set(id, run);
    this.#timers.add(this.now + Math.max(0, delayNs), id);
    return () => this.#callbacks.delete(id);
  }

  #next(): Nanos {
    while (this.#timers.size > 0 && this.#timers.earliest() <= this.now) this.#runCallbacks();
    let next = Math.min(this.network.earliest(), this.#timers.earliest());
    for (const node of this.nodes) next = Math.min(next, node.deadline());
    return next;
  }

  #attachment(index: number, dma: Attachment['dma'], mtuBytes: number, { inspect }: PumpOptions): Attachment {
    return {
      dma,
      mtuBytes,
      headerBytes: this.transport.headerBytes,
      nodeAt: (peer) => this.nodes.findIndex(({ local }) => isSame(local, peer)),
      addressOf: (node) => addressOf(node, this.transport.udpPort),
      violation: (text) => {
        this.#violation ??= `node ${index} sent ${text}`;
      },
      release: (one) => this.network.release(one),
      carry: (now, to, bytes, length, packet) => {
        const { engine } = this.node(index).kernel.links[0]!;
        this.#burst = now === this.#burstAt ? this.#burst + 1 : 1;
        this.#burstAt = now;
        if (this.#burst > MAX_BURST)
          this.#violation ??= `node ${index} sent more than ${MAX_BURST} packets at one instant`;
        if (this.node(index).closed) this.#violation ??= `node ${index} sent a packet after its end`;
        const text = inspect?.({ now, from: index, to, bytes, length, engine });
        if (text !== undefined) this.#violation ??= `node ${index} sent ${text}`;
        if (to >= 0) this.network.send(now, index, to, bytes, length, packet.entropy, packet.ecn);
      },
    };
  }
}

function addressOf(index: number, port: number): PeerAddress {
  const address = new Uint8Array(16);
  address.set([0xff, 0xff, 10, 0, 0, index + 1], 10);
  return { address, port };
}

const nonZero = (counts: Record<string, number>): string =>
  Object.entries(counts)
    .filter(([, count]) => count !== 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

/** Rounds of steps at one instant: more is a livelock. */
const MAX_ROUNDS = 20_000;
/** Packets of all devices at one instant: more is a livelock too. */
const MAX_BURST = 65_536;
const MAX_TIMERS = 65_536;
/** Turns of the microtask queue that asynchronous code gets before time goes on. */
const MICROTASKS = 16;
/** What a device keeps to its end: the engine's own memory, and what says nothing about leaks. */
const MAY_STAY = new Set(['dma_regions', 'peers_known']);
