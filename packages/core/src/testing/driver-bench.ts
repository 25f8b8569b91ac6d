/**
 * What the conformance suite of drivers runs on: a system with two devices of the driver, and programs that call the
 * user API by name. Nothing crosses from a program to a driver but the bytes of requests, shared memory, and bells.
 */
import type { Device } from '../device/device.ts';
import type { DeviceObject } from '../device/device-object.ts';
import type { Driver } from '../device/driver.ts';
import type { MethodEntry } from '../device/method-table.ts';
import { ALL_RIGHTS, type Credentials, type Session } from '../device/session.ts';
import { System } from '../device/system.ts';
import { UAPI } from '../uapi/index.ts';
import { decodeAnswer, encodeRequest } from '../uapi/message.ts';
import { handlesOf, type Method, type ObjectSchema } from '../uapi/schema.ts';
import { check, checkEqual } from './suite-case.ts';

/** A driver, and what the suite must know to use it. */
export interface DriverUnderTest {
  readonly name: string;
  /** Two devices of the driver that reach each other, not registered yet, and their hardware. */
  plug(): PluggedPair;
}

export interface PluggedPair {
  readonly drivers: readonly [Driver, Driver];
  /** Moves the hardware on until nothing is left to do. */
  run(): void;
  /** What DEVICE.OPEN needs beside the name. */
  readonly opening?: (which: number) => Given;
  /** What each method that makes an object is given, by `OBJECT.METHOD`. */
  readonly recipes: Readonly<Record<string, Recipe>>;
  /** Memory and pages that the host holds for the devices; 0 when nobody uses them. */
  held(): number;
  /** The driver's own user half at work: two ends that talk, one on each device. */
  talk?(a: DriverProgram, b: DriverProgram): readonly [Endpoint, Endpoint];
  /** The first device once more, as if it were plugged in again. */
  again?(): Driver;
  /** Tries to reach memory of another protection domain of `b`. @returns whether a byte moved */
  trespass?(a: DriverProgram, b: DriverProgram): boolean;
}

/** One end of a conversation, as the driver's user half offers it. */
export interface Endpoint {
  send(bytes: Uint8Array): void;
  /** The next message; undefined while there is none. */
  receive(): Uint8Array | undefined;
  /** Writes to the doorbell, whatever has become of the device. Must never throw. */
  ring(): void;
}

export interface Given {
  readonly input: Readonly<Record<string, unknown>>;
  readonly attachments?: readonly unknown[];
}

export type Recipe = (program: DriverProgram) => Given;

export class DriverBench {
  readonly system: System;
  readonly pair: PluggedPair;
  readonly devices: [Device, Device];
  readonly programs: DriverProgram[] = [];
  /** Numbers for recipes that must differ. */
  #serial = 0;

  constructor(driver: DriverUnderTest) {
    let word = 0x1234_5678;
    this.system = new System((into) => {
      for (let i = 0; i < into.length; i++) into[i] = word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    });
    this.pair = driver.plug();
    const [first, second] = this.pair.drivers;
    this.devices = [this.system.register(first, { name: 'dut0' }), this.system.register(second, { name: 'dut1' })];
  }

  /** The device that most cases are about. */
  get device(): Device {
    return this.devices[0];
  }

  /** Registers a device in place of the first one, which is gone. */
  adopt(driver: Driver): Device {
    this.devices[0] = this.system.register(driver, { name: 'dut0' });
    return this.devices[0];
  }

  /** A program with a context on a device. */
  program(which = 0, credentials: Partial<Credentials> = {}): DriverProgram {
    const program = new DriverProgram(this, which, credentials);
    this.programs.push(program);
    program.open();
    return program;
  }

  nextSerial(): number {
    return ++this.#serial;
  }

  /** Methods that make an object, in an order in which each finds what it needs. */
  makers(): MethodEntry[] {
    return [...this.device.methods.values()].filter(({ makes }) => makes !== undefined);
  }

  /**
   * Ends all programs, then the devices. Nothing may be left: no object, no charge, no memory, no mapping.
   *
   * @throws Error what is left
   */
  end(): void {
    for (const { session } of this.programs) session.close();
    for (const device of this.devices) {
      for (const [what, count] of Object.entries(device.census())) {
        // what the protocol does, and what it holds of its host, is its own affair: see `held`
        if (!what.startsWith('engine_') && what !== 'dma_regions') checkEqual(count, 0, `${what} of ${device.name}`);
      }
      for (const resource of ['hca_handle', 'hca_object', 'mr_mem'] as const) {
        checkEqual(this.system.root.usage(device.name, resource).current, 0, `charge of ${resource} at the end`);
      }
      this.system.remove(device);
    }
    for (const { session } of this.programs) checkEqual(session.pinnedBytes, 0, 'bytes pinned at the end');
    checkEqual(this.pair.held(), 0, 'memory and pages held at the end');
    checkEqual(this.system.leaked, 0, 'objects that the driver refused to end');
    checkEqual(this.system.devices.size, 0, 'devices left');
  }
}

/** A program that uses one device by calls of the user API. */
export class DriverProgram {
  readonly bench: DriverBench;
  readonly which: number;
  readonly session: Session;
  /** Numbers that were woken, oldest first. */
  readonly woken: number[] = [];
  /** Answer of DEVICE.OPEN. */
  opened: Readonly<Record<string, unknown>> = {};

  constructor(bench: DriverBench, which: number, credentials: Partial<Credentials>) {
    this.bench = bench;
    this.which = which;
    this.session = bench.system.session({
      ...{ pid: 1000 + which, uid: 0, gid: 0, name: 'suite', rights: ALL_RIGHTS },
      ...credentials,
      wake: (number) => void this.woken.push(number),
    });
  }

  get device(): Device {
    return this.bench.devices[this.which]!;
  }

  /** Number of its context; 0 before it is open. */
  get context(): number {
    return Number(this.opened.context ?? 0);
  }

  open(): void {
    const { input = {}, attachments = [] } = this.bench.pair.opening?.(this.which) ?? {};
    this.opened = this.#invoke(0, UAPI.DEVICE, UAPI.DEVICE.methods.OPEN, { ...input, device: this.device.name }, [
      ...attachments,
    ]).output;
  }

  /** A call by `OBJECT.METHOD`. @throws VerbsError what it says */
  call(
    name: string,
    input: Readonly<Record<string, unknown>> = {},
    attachments: readonly unknown[] = [],
  ): Record<string, unknown> {
    const [object, method] = this.#named(name);
    return this.#invoke(this.context, object, method, input, attachments).output;
  }

  /** Maps what the device offers. @throws VerbsError EINVAL nothing of this length is there */
  map(offset: number, length: number): Uint8Array {
    const { DEVICE } = UAPI;
    const { attachments } = this.#invoke(this.context, DEVICE, DEVICE.methods.MAP, { offset, length }, []);
    return attachments[0] as Uint8Array;
  }

  /** Makes an object by its recipe. @returns its handle */
  make(name: string): number {
    const given = this.given(name);
    return this.madeBy(name, this.call(name, given.input, given.attachments));
  }

  /** What a method that makes something is given. */
  given(name: string): Given {
    const recipe = this.bench.pair.recipes[name] ?? CORE_RECIPES[name];
    check(recipe !== undefined, `there is no recipe for ${name}: the suite cannot make one`);
    return recipe(this);
  }

  /** The handle in an answer of a method that makes something. */
  madeBy(name: string, output: Readonly<Record<string, unknown>>): number {
    const [, method] = this.#named(name);
    const [label] = Object.entries(method.attributes).find(([, one]) => handlesOf(method, 'new').includes(one))!;
    return Number(output[label]);
  }

  destroy(kind: string, handle: number): void {
    const { name, subject } = this.device.methods.destroyer(kind)!;
    this.call(name, { [subject!]: handle });
  }

  /** The core's side of a handle. */
  object(handle: number): DeviceObject | undefined {
    return this.session.contexts.get(this.context)?.objects.get(handle);
  }

  /** Live handles of a kind. */
  handles(schema: ObjectSchema): readonly number[] {
    return this.call('DEVICE.INFO_HANDLES', { object: schema.id }).handles as readonly number[];
  }

  #named(name: string): readonly [ObjectSchema, Method] {
    for (const entry of this.device.methods.values()) if (entry.name === name) return [entry.object, entry.method];
    const [object = '', method = ''] = name.split('.');
    const schema = (UAPI as Readonly<Record<string, ObjectSchema>>)[object];
    const found = schema?.methods[method];
    check(schema !== undefined && found !== undefined, `there is no method ${name}`);
    return [schema, found];
  }

  #invoke(
    context: number,
    object: ObjectSchema,
    method: Method,
    input: Readonly<Record<string, unknown>>,
    attachments: readonly unknown[],
  ): { readonly output: Record<string, unknown>; readonly attachments: readonly unknown[] } {
    const driver = context === 0 ? 0 : this.device.driver.number;
    const bytes = encodeRequest(object, method, input as never, { context, driver });
    const answer = this.session.invoke({ bytes, attachments });
    return { output: decodeAnswer(method, answer.bytes) as Record<string, unknown>, attachments: answer.attachments };
  }
}

/** Of objects that are the same on every device. */
const CORE_RECIPES: Readonly<Record<string, Recipe>> = {
  'ASYNC_EVENT.ALLOC': () => ({ input: {} }),
  'COMP_CHANNEL.CREATE': () => ({ input: {} }),
  'PD.ALLOC': () => ({ input: {} }),
  'COMP_CNTR.CREATE': () => ({ input: {} }),
  'JOB.IMPORT': (program) => ({
    input: { token: program.call('JOB.EXPORT', { handle: program.make('JOB.ALLOC') }).token },
  }),
};
