/**
 * Raw calls of the user API on a simulated host, without the user half: what tests of the dispatcher, and those who
 * write drivers, stand on. Valid inputs for every method come from `call-inputs.ts`.
 */
import { ChannelQueue } from '../device/channel-queue.ts';
import type { Device } from '../device/device.ts';
import type { DeviceContext } from '../device/device-context.ts';
import { RESOURCES } from '../device/resource-group.ts';
import { ALL_RIGHTS, type Credentials, type Session } from '../device/session.ts';
import type { Transport } from '../engine/engine.ts';
import type { DeviceLimits } from '../soft/limits.ts';
import { UAPI, type UapiObject } from '../uapi/index.ts';
import { type CallOptions, decodeAnswer, encodeRequest, type Message } from '../uapi/message.ts';
import type { Input, Method, ObjectSchema, Output } from '../uapi/schema.ts';
import { SimHost } from './sim-host.ts';

export interface CallBenchOptions {
  /** One address entry each, all of one device. */
  readonly transports: readonly Transport[];
  readonly seed?: number;
  readonly limits?: Partial<DeviceLimits>;
}

export class CallBench {
  readonly host: SimHost;
  readonly device: Device;
  /** DMA regions that engines have of their own, by device. */
  readonly #ownRegions = new Map<Device, number>();

  constructor({ transports, seed = 1, limits = {} }: CallBenchOptions) {
    this.host = new SimHost({ seed });
    this.device = this.plug('dev%d', transports, limits);
  }

  get system(): SimHost['system'] {
    return this.host.system;
  }

  /** Another device of the same host. */
  plug(name: string, transports: readonly Transport[], limits: Partial<DeviceLimits> = {}): Device {
    const number = this.system.devices.size + 1;
    const links = transports.map((transport, i) => ({ transport, address: `10.${number}.${i}.1` }));
    const device = this.host.plug(name, links, { deviceLimits: limits });
    this.#ownRegions.set(device, this.host.of(device).dma.regions);
    return device;
  }

  /** A program. Rights are all, unless said otherwise. */
  program(credentials: Partial<Credentials> = {}): Program {
    return new Program(
      this.system.session({
        ...{ pid: 1, uid: 0, gid: 0, name: 'program', rights: ALL_RIGHTS, wake() {} },
        ...credentials,
      }),
    );
  }

  /**
   * All that a call may leave behind, as text: objects with their uses and locks, charges, registered bytes, memory
   * that the host holds, DMA regions, protocol state, mappings, events, jobs and capabilities.
   */
  state(): string {
    const { system } = this;
    const lines: string[] = [];
    for (const device of system.devices.values()) {
      const { held, dma } = this.host.of(device);
      lines.push(`device ${device.name} ${JSON.stringify(device.census())} held ${held()} dma ${dma.regions}`);
      for (const context of device.contexts) lines.push(...contextLines(context));
      for (const group of system.root.walk()) {
        const used = RESOURCES.map((one) => `${one} ${group.usage(device.name, one).current}`);
        lines.push(`group ${group.path} ${used.join(' ')}`);
      }
    }
    for (const session of system.sessions) {
      lines.push(`session pinned ${session.pinnedBytes} contexts ${[...session.contexts.keys()].join(' ')}`);
    }
    for (const job of system.jobs.containers) {
      const holders = [...job.realised].map(
        (one) => `${one.device.index}/${one.sgidIndex}/${one.id}: ${one.holders.size}`,
      );
      lines.push(`job ${job.id} '${job.name}' capabilities ${job.tokens.size} at ${holders.join(', ')}`);
    }
    return lines.join('\n');
  }

  /** What is left when all programs are gone; empty when nothing is. */
  leftovers(): string[] {
    const left: string[] = [];
    const { system } = this;
    const see = (what: string, count: number) => {
      if (count !== 0) left.push(`${what}: ${count}`);
    };
    for (const device of system.devices.values()) {
      const { held, dma } = this.host.of(device);
      see(`memory that the host holds for ${device.name}`, held());
      see(`dma regions of ${device.name}`, dma.regions - (this.#ownRegions.get(device) ?? 0));
      see(`contexts of ${device.name}`, device.contexts.size);
      for (const { name } of device.methods.objects) see(`${name} of ${device.name}`, device.objects(name).size);
      for (const group of system.root.walk()) {
        for (const one of RESOURCES) see(`${one} on ${device.name}`, group.usage(device.name, one).current);
      }
    }
    for (const session of system.sessions) see('registered bytes of a session', session.pinnedBytes);
    see('jobs', [...system.jobs.containers].filter(({ kept }) => !kept).length);
    see('objects leaked by drivers', system.leaked);
    return left;
  }
}

/** One program's connection, and how it calls. */
export class Program {
  readonly session: Session;

  constructor(session: Session) {
    this.session = session;
  }

  /** A call of any object. @throws VerbsError what the answer says */
  invoke<M extends Method>(
    of: ObjectSchema,
    method: M,
    input: Input<M>,
    { attachments = [], ...options }: ProgramCall = {},
  ): { readonly output: Output<M>; readonly attachments: readonly unknown[] } {
    const answer = this.send({ bytes: encodeRequest(of, method, input, options), attachments });
    return { output: decodeAnswer(method, answer.bytes), attachments: answer.attachments };
  }

  send(request: Message): Message {
    return this.session.invoke(request);
  }

  /** Opens a device. @throws VerbsError as DEVICE.OPEN says */
  open(device: string, rights?: number): OpenContext {
    const { output } = this.invoke(UAPI.DEVICE, UAPI.DEVICE.methods.OPEN, { device, rights });
    return new OpenContext(this, output);
  }
}

export interface ProgramCall extends CallOptions {
  readonly attachments?: readonly unknown[];
}

/** A context, and calls in it. */
export class OpenContext {
  readonly program: Program;
  readonly opened: Output<(typeof UAPI)['DEVICE']['methods']['OPEN']>;

  constructor(program: Program, opened: Output<(typeof UAPI)['DEVICE']['methods']['OPEN']>) {
    this.program = program;
    this.opened = opened;
  }

  get number(): number {
    return this.opened.context;
  }

  /** A call of a core object. @throws VerbsError what the answer says */
  call<O extends UapiObject, N extends keyof (typeof UAPI)[O]['methods']>(
    object: O,
    name: N,
    input: (typeof UAPI)[O]['methods'][N] extends Method ? Input<(typeof UAPI)[O]['methods'][N]> : never,
    options: ProgramCall = {},
  ): (typeof UAPI)[O]['methods'][N] extends Method ? Output<(typeof UAPI)[O]['methods'][N]> : never {
    const of: ObjectSchema = UAPI[object];
    const method = of.methods[name as string]!;
    const header = { context: this.number, driver: this.opened.driver };
    return this.program.invoke(of, method, input as never, { ...header, ...options }).output as never;
  }
}

function* contextLines(context: DeviceContext): IterableIterator<string> {
  const { session, objects, maps, eventFiles } = context;
  yield `context ${context.id} of pid ${session.credentials.pid}: maps ${maps.size}, wakes ${context.wakes.size}`;
  for (const object of objects.values()) {
    const needs = object.needs.map((one) => `${one.kind} ${one.id}`).join(', ');
    if (object.state instanceof ChannelQueue) yield `  news of ${object.state.waiting.join(' ')}`;
    yield `  ${object.kind} ${object.id} handle ${object.handle} uses ${object.uses} lock ${object.lock} live ${object.live} needs ${needs} charges ${object.charges.length}`;
  }
  for (const file of eventFiles.values()) yield `  events ${file.waiting}`;
}
