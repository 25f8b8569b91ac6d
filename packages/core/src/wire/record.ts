/**
 * Whole headers as plain records, for tests, tools and control paths.
 *
 * Reserved fields are no part of a record: `emit` sends them as zero and `extract` does not see them. The data path
 * uses the accessors instead; a record per packet would be garbage per packet.
 */
import { Field } from '../base/field.ts';
import { type AnyField, type AnyHeader, describe, Field64, FieldBytes } from './header.ts';

/** Values of a header by field name: `bigint` for 64-bit fields, bytes for raw ones, else numbers. */
export type HeaderRecord<H> = {
  -readonly [K in keyof H as K extends `_${string}` ? never : K]: H[K] extends Field64
    ? bigint
    : H[K] extends FieldBytes
      ? Uint8Array
      : number;
};

/** What `emit` accepts: fields that are left out are zero, and a 64-bit field may be given as a number. */
export type HeaderValues<H> = {
  readonly [K in keyof H as K extends `_${string}` ? never : K]?: H[K] extends Field64
    ? bigint | number
    : H[K] extends FieldBytes
      ? Uint8Array
      : number;
};

/**
 * Writes a whole header; whatever was in its bytes before, reserved bits included, is overwritten.
 *
 * @returns the offset behind the header
 * @throws RangeError for a name that the header does not have, or a value that does not fit its field
 */
export function emit<H extends AnyHeader>(declared: H, view: DataView, at: number, values: HeaderValues<H>): number {
  const info = describe(declared);
  for (const [name, value] of Object.entries(values)) {
    const field = info.fields.find((one) => one.name === name && !one.reserved);
    if (field === undefined) throw new RangeError(`header ${info.name} has no field '${name}'`);
    if (typeof value !== 'object' && value !== undefined && !fits(value as number | bigint, field.bits, field.signed)) {
      throw new RangeError(`header ${info.name}: ${String(value)} does not fit field '${name}' of ${field.bits} bits`);
    }
  }
  for (let i = 0; i < info.byteLength; i++) view.setUint8(at + i, 0);
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) store(declared[name]!, view, at, value as Value);
  }
  return at + info.byteLength;
}

/** Reads a whole header. The caller has checked that its bytes are there. */
export function extract<H extends AnyHeader>(declared: H, view: DataView, at: number): HeaderRecord<H> {
  const { fields } = describe(declared);
  return Object.fromEntries(
    fields.filter((one) => !one.reserved).map((one) => [one.name, load(one.field, view, at)]),
  ) as HeaderRecord<H>;
}

/** Reads one field of any kind. */
export function load(field: AnyField, view: DataView, at: number): Value {
  return field instanceof Field64 ? field.big(view, at) : field.get(view, at);
}

function store(field: AnyField, view: DataView, at: number, value: Value): void {
  if (field instanceof Field64) field.setBig(view, at, BigInt(value as bigint | number));
  else if (field instanceof FieldBytes) field.set(view, at, value as Uint8Array);
  else if (field instanceof Field) field.set(view, at, value as number);
}

function fits(value: number | bigint, width: number, signed = false): boolean {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return false;
  const exact = BigInt(value);
  return exact === (signed ? BigInt.asIntN(width, exact) : BigInt.asUintN(width, exact));
}

type Value = number | bigint | Uint8Array;
