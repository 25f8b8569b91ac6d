/**
 * How the user API is declared: objects, their methods, and flat, typed attributes. One declaration per object gives
 * the codec, the dispatcher's checks, the types of both halves, the C header and the reference page.
 *
 * Numbers are only ever added. The upper four bits name the owner: 0x0xxx core, 0x1xxx the device's driver.
 * @spec rdma-core 10
 */
import { encodeUtf8 } from '../base/utf8.ts';
import type { Layout, LayoutValue, MemberKind } from './layout.ts';
import type { Row } from './rows.ts';

export type Direction = 'in' | 'out';
/** read: shared; write: exclusive; new: made by the call; destroy: ended by the call. */
export type HandleAccess = 'read' | 'write' | 'new' | 'destroy';

export type AttributeType =
  | { readonly kind: 'u32'; readonly max?: number }
  | { readonly kind: 'u64' }
  | { readonly kind: 'size'; readonly max?: number }
  /** Bits by name. Unknown ones are refused, or ignored where the attribute says so. */
  | { readonly kind: 'flags'; readonly bits: Readonly<Record<string, number>>; readonly ignoreUnknown?: boolean }
  | { readonly kind: 'choice'; readonly values: Readonly<Record<string, number>> }
  | { readonly kind: 'text'; readonly max: number }
  | { readonly kind: 'bytes'; readonly min: number; readonly max: number }
  | { readonly kind: 'handle'; readonly object: string; readonly access: HandleAccess }
  | { readonly kind: 'handles'; readonly object: string; readonly access: 'read' | 'write'; readonly max: number }
  | { readonly kind: 'numbers'; readonly max: number }
  /** Longer values are accepted when the rest is zero. */
  | { readonly kind: 'struct'; readonly layout: Layout }
  | { readonly kind: 'row' }
  | { readonly kind: 'rows' };

/** One attribute. `V` is its value in TypeScript; handles are `HandleTo<kind>`. */
export interface Attribute<V = unknown, D extends Direction = Direction, M extends boolean = boolean> {
  readonly id: number;
  readonly text: string;
  readonly type: AttributeType;
  readonly direction: D;
  readonly mandatory: M;
  /** Only a type. */
  readonly value?: V;
}

/** Marks a handle in types: a number for programs, the object itself for the kernel half. */
export interface HandleTo<K extends string> {
  readonly handleTo: K;
}

export type Attributes = Readonly<Record<string, Attribute>>;

export interface Method<A extends Attributes = Attributes> {
  readonly id: number;
  readonly text: string;
  readonly attributes: A;
  /** Needs the right to change the system, or to make jobs. */
  readonly right?: 'admin' | 'job' | 'raw';
  /** Also answered by a device that is gone. */
  readonly shell?: boolean;
}

export interface ObjectSchema<M extends Readonly<Record<string, Method>> = Readonly<Record<string, Method>>> {
  readonly id: number;
  /** In capital letters, as in `UVERBS_OBJECT_*`. */
  readonly name: string;
  readonly text: string;
  /** Name of its count in a census, such as `memory_regions`. */
  readonly plural: string;
  /** Name of its rows in a resource listing, such as `mr`. */
  readonly short: string;
  readonly methods: M;
}

/** What a program passes. */
export type Input<M extends Method> = Given<M['attributes'], 'in', number>;
/** What a program gets. */
export type Output<M extends Method> = Given<M['attributes'], 'out', number>;

type Given<A extends Attributes, D extends Direction, H> = {
  readonly [K in keyof A as A[K] extends Attribute<unknown, D, true> ? K : never]: ValueOf<A[K], H>;
} & {
  readonly [K in keyof A as A[K] extends Attribute<unknown, D, false> ? K : never]?: ValueOf<A[K], H> | undefined;
};
type ValueOf<A, H> =
  A extends Attribute<infer V>
    ? V extends HandleTo<string>
      ? H
      : V extends readonly HandleTo<string>[]
        ? readonly H[]
        : V
    : never;

/** The same for the kernel half: `T` maps kinds to objects. */
export type KernelInput<M extends Method, T> = KernelGiven<M['attributes'], 'in', T>;

type KernelGiven<A extends Attributes, D extends Direction, T> = {
  readonly [K in keyof A as A[K] extends Attribute<unknown, D, true> ? K : never]: KernelValue<A[K], T>;
} & {
  readonly [K in keyof A as A[K] extends Attribute<unknown, D, false> ? K : never]?: KernelValue<A[K], T> | undefined;
};
type KernelValue<A, T> =
  A extends Attribute<infer V>
    ? V extends HandleTo<infer K>
      ? ObjectOf<K, T>
      : V extends readonly HandleTo<infer K>[]
        ? readonly ObjectOf<K, T>[]
        : V
    : never;
type ObjectOf<K extends string, T> = K extends keyof T ? T[K] : never;

export const object = <const M extends Readonly<Record<string, Method>>>(schema: ObjectSchema<M>): ObjectSchema<M> =>
  schema;

export const method = <const A extends Attributes>(
  id: number,
  text: string,
  attributes: A,
  extra: { readonly right?: 'admin' | 'job' | 'raw'; readonly shell?: boolean } = {},
): Method<A> => ({ id, text, attributes, ...extra });

type Make = {
  u32(id: number, text: string, max?: number): Attribute<number, 'in', true>;
  u64(id: number, text: string): Attribute<bigint, 'in', true>;
  /** 64 bits, as a number up to 2^53. */
  size(id: number, text: string, max?: number): Attribute<number, 'in', true>;
  flags(id: number, text: string, bits: Readonly<Record<string, number>>): Attribute<number, 'in', true>;
  /** Unknown bits are ignored. */
  hints(id: number, text: string, bits: Readonly<Record<string, number>>): Attribute<number, 'in', true>;
  choice(id: number, text: string, values: Readonly<Record<string, number>>): Attribute<number, 'in', true>;
  text(id: number, text: string, max: number): Attribute<string, 'in', true>;
  bytes(id: number, text: string, min: number, max: number): Attribute<Uint8Array, 'in', true>;
  struct<const L extends Readonly<Record<string, MemberKind>>>(
    id: number,
    text: string,
    of: Layout<L>,
  ): Attribute<LayoutValue<L>, 'in', true>;
  read<const K extends string>(id: number, object: K, text: string): Attribute<HandleTo<K>, 'in', true>;
  write<const K extends string>(id: number, object: K, text: string): Attribute<HandleTo<K>, 'in', true>;
  destroy<const K extends string>(id: number, object: K, text: string): Attribute<HandleTo<K>, 'in', true>;
  reads<const K extends string>(
    id: number,
    object: K,
    text: string,
    max: number,
  ): Attribute<readonly HandleTo<K>[], 'in', true>;
  row(id: number, text: string): Attribute<Row, 'in', true>;
};

const make = <V>(id: number, text: string, type: AttributeType): Attribute<V, 'in', true> => ({
  id,
  text,
  type,
  direction: 'in',
  mandatory: true,
});

/** Attributes of a request, mandatory; see {@link maybe}. */
export const need: Make = {
  u32: (id, text, max) => make(id, text, max === undefined ? { kind: 'u32' } : { kind: 'u32', max }),
  u64: (id, text) => make(id, text, { kind: 'u64' }),
  size: (id, text, max) => make(id, text, max === undefined ? { kind: 'size' } : { kind: 'size', max }),
  flags: (id, text, bits) => make(id, text, { kind: 'flags', bits }),
  hints: (id, text, bits) => make(id, text, { kind: 'flags', bits, ignoreUnknown: true }),
  choice: (id, text, values) => make(id, text, { kind: 'choice', values }),
  text: (id, text, max) => make(id, text, { kind: 'text', max }),
  bytes: (id, text, min, max) => make(id, text, { kind: 'bytes', min, max }),
  struct: (id, text, of) => make(id, text, { kind: 'struct', layout: of }),
  read: (id, name, text) => make(id, text, { kind: 'handle', object: name, access: 'read' }),
  write: (id, name, text) => make(id, text, { kind: 'handle', object: name, access: 'write' }),
  destroy: (id, name, text) => make(id, text, { kind: 'handle', object: name, access: 'destroy' }),
  reads: (id, name, text, max) => make(id, text, { kind: 'handles', object: name, access: 'read', max }),
  row: (id, text) => make(id, text, { kind: 'row' }),
};

/** The same attribute, optional. */
export const maybe = <V, D extends Direction>(attribute: Attribute<V, D, true>): Attribute<V, D, false> => ({
  ...attribute,
  mandatory: false,
});

const answer = <V>(id: number, text: string, type: AttributeType): Attribute<V, 'out', true> => ({
  id,
  text,
  type,
  direction: 'out',
  mandatory: true,
});

/** Attributes of an answer. */
export const give = {
  u32: (id: number, text: string) => answer<number>(id, text, { kind: 'u32' }),
  u64: (id: number, text: string) => answer<bigint>(id, text, { kind: 'u64' }),
  size: (id: number, text: string) => answer<number>(id, text, { kind: 'size' }),
  text: (id: number, text: string) => answer<string>(id, text, { kind: 'text', max: MAX_TEXT }),
  bytes: (id: number, text: string, max: number) => answer<Uint8Array>(id, text, { kind: 'bytes', min: 0, max }),
  numbers: (id: number, text: string, max: number) => answer<readonly number[]>(id, text, { kind: 'numbers', max }),
  struct: <const L extends Readonly<Record<string, MemberKind>>>(id: number, text: string, of: Layout<L>) =>
    answer<LayoutValue<L>>(id, text, { kind: 'struct', layout: of }),
  row: (id: number, text: string) => answer<Row>(id, text, { kind: 'row' }),
  rows: (id: number, text: string) => answer<readonly Row[]>(id, text, { kind: 'rows' }),
  /** The handle of the object that the call made. */
  handle: <const K extends string>(id: number, name: K, text: string) =>
    answer<HandleTo<K>>(id, text, { kind: 'handle', object: name, access: 'new' }),
};

/** The owner of a number: core or driver. */
export const DRIVER_IDS = 0x1000;

/** What is wrong with a set of declarations; empty when nothing is. */
export function schemaFaults(objects: readonly ObjectSchema[]): string[] {
  const faults: string[] = [];
  const twice = (what: string, ids: readonly number[]) => {
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`${what} uses number ${id} twice`);
  };
  const names = new Set(objects.map((one) => one.name));
  for (const key of ['name', 'plural', 'short'] as const) {
    const used = objects.map((one) => one[key]);
    for (const name of new Set(used)) {
      if (used.indexOf(name) !== used.lastIndexOf(name)) faults.push(`the schema uses the ${key} ${name} twice`);
    }
  }
  twice(
    'the schema',
    objects.map((one) => one.id),
  );
  for (const one of objects) {
    twice(
      one.name,
      Object.values(one.methods).map((m) => m.id),
    );
    const destroyers = Object.values(one.methods).filter((m) => handlesOf(m, 'destroy').length > 0);
    if (destroyers.length > 1) faults.push(`${one.name} has ${destroyers.length} methods that destroy`);
    for (const [name, m] of Object.entries(one.methods)) {
      const where = `${one.name}.${name}`;
      twice(
        where,
        Object.values(m.attributes).map((a) => a.id),
      );
      const owning = [...handlesOf(m, 'new'), ...handlesOf(m, 'destroy')];
      if (owning.length > 1) faults.push(`${where} makes or destroys ${owning.length} objects; one is the most`);
      for (const [label, { id, type, mandatory, text, direction }] of Object.entries(m.attributes)) {
        if (text === '') faults.push(`${where}.${label} has no text`);
        if (!(id >= 0 && id <= 0xffff)) faults.push(`${where}.${label} has the number ${id}, which has not 16 bits`);
        if (!KINDS.includes(type.kind)) faults.push(`${where}.${label} is ${type.kind}; attributes are flat`);
        if (type.kind === 'handle' && (type.access === 'new') !== (direction === 'out')) {
          faults.push(`${where}.${label}: handles of new objects are given, all others are taken`);
        }
        if (
          type.kind === 'handle' &&
          (type.access === 'new' || type.access === 'destroy') &&
          type.object !== one.name
        ) {
          faults.push(`${where}.${label} makes or destroys a ${type.object}, which is no ${one.name}`);
        }
        if ((type.kind === 'handle' || type.kind === 'handles') && !names.has(type.object)) {
          faults.push(`${where}.${label} names the object ${type.object}, which does not exist`);
        }
        if (type.kind === 'handle' && (type.access === 'new' || type.access === 'destroy') && !mandatory) {
          faults.push(`${where}.${label} must be mandatory`);
        }
        if (encodeUtf8(label).length !== label.length) faults.push(`${where}.${label} is not ASCII`);
      }
    }
  }
  return faults;
}

/** Attributes of a method's request by number, with their names. */
export type Inputs = ReadonlyMap<number, readonly [name: string, attribute: Attribute]>;

export function inputsOf(of: Method): Inputs {
  const inputs = new Map<number, readonly [string, Attribute]>();
  for (const [name, attribute] of Object.entries(of.attributes)) {
    if (attribute.direction === 'in') inputs.set(attribute.id, [name, attribute]);
  }
  return inputs;
}

/** One number for a method of an object. */
export const methodKey = (object: number, of: number): number => object * 0x1_0000 + of;

/** Attributes of a method that are handles with this access. */
export function handlesOf(of: Method, access: HandleAccess): Attribute[] {
  return Object.values(of.attributes).filter(({ type }) => type.kind === 'handle' && type.access === access);
}

/** All types that there are: one level, and rows and arrays where there is more to say. */
const KINDS: readonly string[] = [
  ...[
    'u32',
    'u64',
    'size',
    'flags',
    'choice',
    'text',
    'bytes',
    'handle',
    'handles',
    'numbers',
    'struct',
    'row',
    'rows',
  ],
];
const MAX_TEXT = 4096;
