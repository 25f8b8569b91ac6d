/**
 * The methods of one device: the schema, cut down to what its driver can do, with the driver's own additions. Built
 * once when the device is registered, then only read.
 * @spec rdma-core 10.2 · rdma-core 10.3
 */
import { VerbsError } from '../base/verbs-error.ts';
import { UAPI } from '../uapi/index.ts';
import {
  DRIVER_IDS,
  handlesOf,
  type Inputs,
  inputsOf,
  type Method,
  methodKey,
  type ObjectSchema,
  schemaFaults,
} from '../uapi/schema.ts';
import type { Call } from './call.ts';
import type { Driver } from './driver.ts';

export interface MethodEntry {
  /** `OBJECT.METHOD`. */
  readonly name: string;
  readonly object: ObjectSchema;
  readonly method: Method;
  /** Attributes of the request by number, with their names. */
  readonly inputs: Inputs;
  /** Kind that the call makes. */
  readonly makes: ObjectSchema | undefined;
  /** Name of the attribute that holds what the call makes, destroys or changes. */
  readonly subject: string | undefined;
  readonly destroys: boolean;
  readonly serve: (call: Call) => Readonly<Record<string, unknown>> | undefined;
}

type Serve = MethodEntry['serve'];

export class MethodTable {
  readonly #methods = new Map<number, MethodEntry>();
  readonly #destroyers = new Map<string, MethodEntry>();
  readonly objects: readonly ObjectSchema[];

  /**
   * @param core - what the core serves itself, by `OBJECT.METHOD`
   * @throws VerbsError EINVAL the driver's declarations clash with the core's, or with each other
   */
  constructor(driver: Driver, core: Readonly<Record<string, Serve>>) {
    const served = new Map<string, Serve>();
    for (const [object, methods] of Object.entries(driver.ops)) {
      for (const [name, serve] of Object.entries(methods)) served.set(`${object}.${name}`, serve as Serve);
    }
    for (const { schema, methods } of driver.objects ?? []) {
      for (const [name, serve] of Object.entries(methods)) served.set(`${schema.name}.${name}`, serve as Serve);
    }
    for (const [name, serve] of Object.entries(core)) served.set(name, serve);
    const declared = [
      ...Object.values(UAPI).map((one) => extended(one, driver)),
      ...(driver.objects ?? []).map((one) => one.schema),
    ];
    const faults = [...schemaFaults(declared), ...rangeFaults(driver)];
    if (faults.length > 0) {
      throw new VerbsError('EINVAL', 'register', `the driver ${driver.name} declares what cannot be`, {
        given: faults.join('; '),
        try: 'numbers of objects and attributes from 0x1000, each once',
      });
    }
    const entries = declared.flatMap((object) =>
      Object.entries(object.methods).flatMap(([name, method]) => {
        const serve = served.get(`${object.name}.${name}`);
        return serve === undefined ? [] : [entryOf(object, name, method, serve)];
      }),
    );
    const made = new Set(entries.flatMap(({ makes }) => (makes === undefined ? [] : [makes.name])));
    // a method is of no use when what it must be given cannot be had
    const useful = entries.filter(({ method }) => mandatoryKinds(method).every((kind) => made.has(kind)));
    for (const entry of useful) {
      this.#methods.set(methodKey(entry.object.id, entry.method.id), entry);
      if (entry.destroys) this.#destroyers.set(entry.object.name, entry);
    }
    const alive = new Set(useful.map((entry) => entry.object));
    this.objects = declared.filter((object) => alive.has(object));
  }

  find(object: number, method: number): MethodEntry | undefined {
    return this.#methods.get(methodKey(object, method));
  }

  /** What destroys objects of a kind. */
  destroyer(kind: string): MethodEntry | undefined {
    return this.#destroyers.get(kind);
  }

  values(): IterableIterator<MethodEntry> {
    return this.#methods.values();
  }

  has(name: string): boolean {
    for (const entry of this.#methods.values()) if (entry.name === name) return true;
    return false;
  }
}

function entryOf(object: ObjectSchema, name: string, method: Method, serve: Serve): MethodEntry {
  let subject: string | undefined;
  let makes = false;
  let destroys = false;
  for (const [label, { type }] of Object.entries(method.attributes)) {
    if (type.kind !== 'handle' || type.access === 'read') continue;
    subject = label;
    makes ||= type.access === 'new';
    destroys ||= type.access === 'destroy';
  }
  return {
    name: `${object.name}.${name}`,
    object,
    method,
    inputs: inputsOf(method),
    makes: makes ? object : undefined,
    subject,
    destroys,
    serve,
  };
}

/** A core object with the driver's attributes. */
function extended(object: ObjectSchema, { attributes = {} }: Driver): ObjectSchema {
  const methods = Object.entries(object.methods).map(([name, method]) => {
    const more = attributes[`${object.name}.${name}`];
    return [name, more === undefined ? method : { ...method, attributes: { ...method.attributes, ...more } }] as const;
  });
  return { ...object, methods: Object.fromEntries(methods) };
}

function rangeFaults({ objects = [], attributes = {} }: Driver): string[] {
  const faults = objects
    .filter(({ schema }) => schema.id < DRIVER_IDS)
    .map(({ schema }) => `${schema.name} has a core number`);
  for (const [method, own] of Object.entries(attributes)) {
    const [object = '', name = ''] = method.split('.');
    const core = (UAPI as Readonly<Record<string, ObjectSchema>>)[object]?.methods[name];
    if (core === undefined) faults.push(`${method} is no core method`);
    for (const [label, { id }] of Object.entries(own)) {
      if (id < DRIVER_IDS) faults.push(`${method}.${label} has a core number`);
      if (core !== undefined && label in core.attributes) faults.push(`${method}.${label} has a core name`);
    }
  }
  return faults;
}

function mandatoryKinds(method: Method): string[] {
  const wanted = [...handlesOf(method, 'read'), ...handlesOf(method, 'write'), ...handlesOf(method, 'destroy')];
  return wanted.flatMap(({ type, mandatory }) => (mandatory && type.kind === 'handle' ? [type.object] : []));
}
