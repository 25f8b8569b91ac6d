/**
 * The kernel half of a driver. Its operations are the methods of the user API that it can do; what is not there is
 * absent, and programs are told so. A driver adds objects, methods and attributes of its own in its range of numbers.
 * @spec rdma-core 2 · rdma-core 10.3
 */
import type { UAPI, UapiObject } from '../uapi/index.ts';
import type { Row } from '../uapi/rows.ts';
import type { Attribute, Attributes, HandleTo, KernelInput, Method, ObjectSchema } from '../uapi/schema.ts';
import type { Call } from './call.ts';
import type { CaptureSink } from './capture.ts';
import type { Device } from './device.ts';
import type { DeviceContext } from './device-context.ts';
import type { DeviceObject } from './device-object.ts';

export interface Driver {
  /** Number of the driver family; the user half must know it. From {@link DRIVER_NUMBERS}, or above 0x1000. */
  readonly number: number;
  readonly name: string;
  readonly ops: DriverOps;
  /** Objects of its own, numbers from 0x1000. */
  readonly objects?: readonly DriverObject[];
  /** Further attributes of core methods by `OBJECT.METHOD`, numbers from 0x1000. */
  readonly attributes?: Readonly<Record<string, Attributes>>;
  /** Only one context at a time: the device cannot keep processes apart. */
  readonly exclusive?: boolean;
  /** Names of the transports on its ports. */
  readonly transports: readonly string[];

  /** Why the device failed, if it did: then only what looks or gives back is served. */
  readonly failure?: unknown;

  /** The device is registered: from now on events may be raised. */
  attached?(device: Device): void;
  openContext?(context: DeviceContext, call: Call): Readonly<Record<string, unknown>> | undefined;
  /** Everything of the context is destroyed. */
  closeContext?(context: DeviceContext): void;
  /** Stops touching what programs gave; contexts are closed next. Without it the device cannot be removed under use. */
  disassociate?(): void;
  /** Starts anew: queue pairs fail, contexts stay and can be used again. */
  reset?(): void;
  /** The device is gone for good. */
  detached?(): void;
  /** Further named values of an object, for tools. */
  describe?(object: DeviceObject): Row;
  /** Most objects of each kind that there can be, by the short name of the kind. */
  maxima?(): Readonly<Record<string, number>>;
  /** What was counted for one object. When it ends, the device keeps the sums. */
  objectCounters?(object: DeviceObject): Readonly<Record<string, number>>;
  /** What was counted so far; never less than before. */
  counters?(): Readonly<Record<string, number>>;
  /** Live protocol state, for tools and leak checks: name to count. */
  census?(): Readonly<Record<string, number>>;
  /** Rows of protocol state that no handle names, such as delivery contexts. */
  protocolRows?(): readonly Row[];
  /** Gives a sink the header of a capture, and then each frame that leaves or arrives. @returns what ends that */
  capture?(sink: CaptureSink): () => void;
}

/** An object of a driver, and how it is done. */
export interface DriverObject {
  readonly schema: ObjectSchema;
  // biome-ignore lint/suspicious/noExplicitAny: each method has its own attributes
  readonly methods: Readonly<Record<string, (call: Call<any>) => unknown>>;
}

/** The kernel half of an object is always this, also of a driver's own. */
export type ObjectMap = Readonly<Record<string, DeviceObject>>;

/** What a method is given, with handles resolved. */
export type CallInput<M extends Method> = KernelInput<M, ObjectMap>;

/** What a method gives back; the handle of a new object is the core's business. */
export type CallOutput<M extends Method> = {
  readonly [K in keyof M['attributes'] as M['attributes'][K] extends Attribute<infer V, 'out', true>
    ? V extends HandleTo<string>
      ? never
      : K
    : never]: M['attributes'][K] extends Attribute<infer V> ? V : never;
} & {
  readonly [K in keyof M['attributes'] as M['attributes'][K] extends Attribute<unknown, 'out', false>
    ? K
    : never]?: M['attributes'][K] extends Attribute<infer V> ? V | undefined : never;
};

/** Operations by object and method. A method that gives nothing may return nothing. */
export type DriverOps = {
  readonly [O in UapiObject]?: {
    readonly [M in keyof (typeof UAPI)[O]['methods']]?: (typeof UAPI)[O]['methods'][M] extends Method
      ? Operation<(typeof UAPI)[O]['methods'][M]>
      : never;
  };
};

type Operation<M extends Method> = (call: Call<M>) => keyof CallOutput<M> extends never ? unknown : CallOutput<M>;

/** Numbers of the drivers of this project; others take theirs from 0x1000. */
export const DRIVER_NUMBERS = { SOFT: 1 } as const;
