/**
 * Chaos in simulated time: two hosts under traffic whose devices are pulled out, put back and reset, whose programs
 * close, die, and meet calls that fail half-way. By chance, from a seed: the same seed, the same trace.
 */
import {
  type Context,
  type Device,
  findTransport,
  isVerbsError,
  type Job,
  type MemoryRegion,
  type QueuePair,
  RESOURCES,
  RemoteMemory,
  SeededRandom,
  VerbsError,
} from '@verbena/core';
import { MemoryFabric, SimHost, type SimProgram } from '@verbena/core/testing';

export interface ChaosReport {
  /** What was done, and how it ended. */
  readonly trace: readonly string[];
  /** How often each thing was done. */
  readonly counts: Readonly<Record<string, number>>;
  /** What is left and should not be; empty when all is well. */
  readonly left: readonly string[];
}

export function runChaos(seed: number, rounds: number): ChaosReport {
  return new Chaos(seed).run(rounds);
}

/** One program with one queue pair on one device. */
interface Worker {
  readonly place: Place;
  /** What it opened; by now it may be gone. */
  readonly device: Device;
  readonly program: SimProgram;
  readonly context: Context;
  readonly qp: QueuePair;
  readonly cq: ReturnType<Context['createCompletionQueue']>;
  readonly memory: MemoryRegion;
  readonly pd: ReturnType<Context['allocatePd']>;
  /** What is heard of its device until now. */
  readonly events: string[];
}

/** Where a device is plugged in, or not. */
interface Place {
  readonly host: SimHost;
  readonly name: string;
  readonly address: string;
  readonly transport: string;
  device: Device | undefined;
  /** By which further programs join the job of the first one. */
  token: Uint8Array | undefined;
}

class Chaos {
  readonly #random: SeededRandom;
  readonly #fabric = new MemoryFabric();
  readonly #hosts: readonly SimHost[];
  readonly #places: readonly Place[];
  readonly #workers: Worker[] = [];
  readonly #trace: string[] = [];
  readonly #counts: Record<string, number> = {};
  readonly #left: string[] = [];

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#hosts = [1, 2].map((n) => new SimHost({ fabric: this.#fabric, seed: seed * 2 + n }));
    this.#places = this.#hosts.flatMap((host, h) =>
      ['uet', 'uet', 'loop'].map((transport, i) => ({
        ...{
          host,
          transport,
          name: `${transport}${i}`,
          address: `10.0.${h}.${i + 1}`,
          device: undefined,
          token: undefined,
        },
      })),
    );
    for (const place of this.#places) this.#plug(place);
  }

  run(rounds: number): ChaosReport {
    for (let round = 0; round < rounds; round++) {
      const action = this.#choose();
      this.#counts[action.name] = (this.#counts[action.name] ?? 0) + 1;
      this.#note(`${action.name}: ${outcome(action.run)}`);
      for (let i = 0; i < 3; i++) this.#move(20_000);
      this.#reap();
    }
    this.#end();
    return { trace: this.#trace, counts: this.#counts, left: this.#left };
  }

  #choose(): { readonly name: string; readonly run: () => string } {
    const roll = this.#random.below(100);
    if (this.#workers.length < 6 || roll < 12) return { name: 'begin', run: () => this.#begin() };
    if (roll < 62) return { name: 'traffic', run: () => this.#traffic() };
    if (roll < 68) return { name: 'close', run: () => this.#finish('close') };
    if (roll < 74) return { name: 'die', run: () => this.#finish('die') };
    if (roll < 82) return { name: 'fault', run: () => this.#fault() };
    if (roll < 90) return { name: 'unplug', run: () => this.#unplug() };
    if (roll < 96) return { name: 'reset', run: () => this.#reset() };
    return { name: 'pause', run: () => this.#pause() };
  }

  #begin(): string {
    const place = this.#pick(this.#places)!;
    if (place.device === undefined) this.#plug(place);
    const program = place.host.program({ pid: 100 + this.#trace.length, name: 'chaos' });
    try {
      const context = program.open(place.name);
      const [pd, cq] = [context.allocatePd(), context.createCompletionQueue({ entries: 64 })];
      const jobKey = pd.createJobKey(joinJob(context, place));
      const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 16, receiveDepth: 16 });
      const memory = pd.registerMemory(context.allocate(SLOTS * BYTES), {
        ...{ access: ['local-write', 'remote-write', 'remote-read'] },
      });
      this.#workers.push({ place, device: place.device!, program, context, qp, cq, memory, pd, events: [] });
      return `${place.name} of host ${this.#hosts.indexOf(place.host)}`;
    } catch (thrown) {
      program.end(); // what it has made so far is cleared away with it
      throw thrown;
    }
  }

  /** One worker talks to another one of the same protocol, which may be on a device that is gone. */
  #traffic(): string {
    const alive = this.#workers.filter(({ device, qp }) => device.state === 'registered' && qp.state === 'RTS');
    const from = this.#pick(this.#random.chance(0.8) && alive.length > 0 ? alive : this.#workers)!;
    const others = this.#random.chance(0.8) ? alive : this.#workers;
    const to = this.#pick(others.filter((one) => one.place.transport === from.place.transport)) ?? from;
    const opcode = this.#pick(['send', 'send', 'write', 'read'] as const)!;
    const length = 1 + this.#random.below(BYTES);
    const [mine, theirs] = [this.#random.below(SLOTS) * BYTES, this.#random.below(SLOTS) * BYTES];
    if (to.qp.isOpen) to.qp.tryPostReceive({ region: to.memory, offset: theirs, length: BYTES });
    const address = from.pd.createAddressHandle({ address: to.place.address, qpn: to.qp.qpn });
    const remote = new RemoteMemory(to.memory.rkey, theirs);
    const data = { region: from.memory, offset: mine, length };
    const request = opcode === 'send' ? { opcode, to: address, ...data } : { opcode, to: address, remote, ...data };
    const posted = from.qp.tryPost(request);
    return `${opcode} of ${length} bytes${posted ? '' : ', full'}`;
  }

  #finish(how: 'close' | 'die'): string {
    const worker = this.#pick(this.#workers)!;
    this.#workers.splice(this.#workers.indexOf(worker), 1);
    if (how === 'close') worker.context.close();
    worker.program.end();
    return `${worker.place.name}, ${worker.events.join(' ') || 'no events'}`;
  }

  /** The next call of a new program fails at one of its steps. */
  #fault(): string {
    let steps = this.#random.below(25);
    const systems = this.#hosts.map(({ system }) => system);
    const inject = (step: string) => {
      if (steps-- === 0) throw new VerbsError('ENOMEM', 'chaos', `no memory for '${step}'`);
    };
    for (const system of systems) system.inject = inject;
    try {
      return this.#begin();
    } finally {
      for (const system of systems) system.inject = undefined;
    }
  }

  #unplug(): string {
    const place = this.#pick(this.#places.filter(({ device }) => device !== undefined));
    if (place === undefined) return 'nothing is plugged in';
    this.#pull(place);
    return place.name;
  }

  #reset(): string {
    const place = this.#pick(this.#places.filter(({ device }) => device !== undefined));
    place?.device?.reset();
    return place?.name ?? 'nothing is plugged in';
  }

  #pause(): string {
    for (let i = 0; i < 40; i++) this.#move(1_000_000);
    return '40 ms';
  }

  #plug(place: Place): void {
    const transport = findTransport(place.transport)!;
    place.device = place.host.plug(place.name, [
      { transport, address: place.address, settings: SETTINGS[place.transport] ?? {} },
    ]);
  }

  /** Takes a device away, whoever uses it; at once there may be nothing left of it. */
  #pull(place: Place): void {
    const { host, device, name } = place;
    place.device = undefined;
    const gone = host.unplug(device!)!;
    for (const [what, count] of Object.entries({ memory: gone.held(), regions: gone.dma.regions })) {
      if (count !== 0) this.#left.push(`${count} ${what} of ${name}, which was unplugged`);
    }
    this.#counted(device!);
  }

  #counted(device: Device): void {
    for (const { name } of device.methods.objects) {
      const { size } = device.objects(name);
      if (size !== 0) this.#left.push(`${size} ${name} of ${device.name}`);
    }
    for (const resource of RESOURCES) {
      const { current } = device.system.root.usage(device.name, resource);
      if (current !== 0) this.#left.push(`${current} charged for ${resource} of ${device.name}`);
    }
  }

  #move(ns: number): void {
    for (const host of this.#hosts) for (let i = 0; i < 50 && host.step() > 0; i++);
    for (const host of this.#hosts) host.advance(host.now + ns);
  }

  /** Takes completions and events, as programs do. */
  #reap(): void {
    for (const worker of this.#workers) {
      const result = outcome(() => {
        const done: string[] = [];
        for (let one = worker.cq.take(); one !== undefined; one = worker.cq.take()) done.push(one.status);
        return done.join(' ');
      });
      if (result !== '') this.#note(`  ${worker.place.name} completed ${result}`);
      const { events } = worker.context.call('ASYNC_EVENT', 'READ', {});
      for (let i = 0; i < events.length; i += 2) if (events[i] === FATAL) worker.events.push('DEVICE_FATAL');
    }
  }

  /** Everybody leaves, then the devices; and nothing is left of anything. */
  #end(): void {
    for (const { context, program } of this.#workers.splice(0)) {
      if (this.#random.chance(0.5)) context.close();
      program.end();
      if (program.session.pinnedBytes !== 0) this.#left.push(`${program.session.pinnedBytes} bytes pinned`);
    }
    for (let i = 0; i < 50; i++) this.#move(100_000);
    for (const place of this.#places) {
      if (place.device === undefined) continue;
      this.#counted(place.device);
      if (place.device.contexts.size !== 0) this.#left.push(`${place.device.contexts.size} contexts of ${place.name}`);
      this.#pull(place);
    }
    for (const { system } of this.#hosts) {
      const { devices, sessions, leaked, failures, jobs } = system;
      const left = { devices: devices.size, sessions: sessions.size, leaked, failures, jobs: jobs.containers.size };
      for (const [what, count] of Object.entries(left)) if (count !== 0) this.#left.push(`${count} ${what}`);
    }
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[this.#random.below(Math.max(1, from.length))];
  }

  #note(text: string): void {
    this.#trace.push(text);
  }
}

/** The job of all chaos on a device: made by the first program, joined by others. */
function joinJob(context: Context, place: Place): Job {
  try {
    const made = context.createJob({ id: JOB });
    place.token = made.export();
    return made;
  } catch (thrown) {
    if (!isVerbsError(thrown) || thrown.code !== 'EEXIST') throw thrown;
    return context.importJob(place.token!);
  }
}

/** How something ended. Whatever happens, programs meet errors that explain themselves, and no other ones. */
function outcome(run: () => string): string {
  try {
    return run();
  } catch (thrown) {
    if (isVerbsError(thrown)) return thrown.code;
    throw thrown;
  }
}

/** Small tables make a device cheap. */
const SETTINGS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  uet: { maxContexts: 32, maxMessages: 128, maxInboundMessages: 128 },
};
const JOB = 7;
const FATAL = 8;
const SLOTS = 8;
const BYTES = 3000;
