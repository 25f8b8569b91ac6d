/**
 * Headers, declared once.
 *
 * `header()` turns a list of fields in wire order into a frozen plain object with one accessor per field. Hot code
 * takes accessors out of it as module constants (`const { psn, dpdcid } = PdsRequest`); cold code walks the metadata
 * that `describe()` gives (dissector, diagrams, property tests). There is no other source of offsets.
 *
 * An accessor cannot fail once the caller has checked that `byteLength(Header)` bytes are there. Whether the values
 * make sense is not its business.
 */
import { type Field, S16, U8, U16, U24, U32, Within8, Within16, Within32 } from '../base/field.ts';
import type { CodePoints } from './names.ts';

/**
 * Declares a field of 1 to 32 bits.
 *
 * It must lie within one aligned 32-bit word, or be 8, 16, 24 or 32 bits wide on a byte boundary.
 */
export function bits(width: number, doc = '', names?: CodePoints): BitsSpec {
  return new BitsSpec(width, { doc, names });
}

/** Declares a 64-bit field on a byte boundary. */
export function u64(doc = ''): Spec<Field64> {
  return new Spec('u64', 64, { doc }, (bit) => new Field64(bit));
}

/**
 * Declares raw bytes that no hot path looks at (addresses, opaque state).
 *
 * @param format - turns the bytes into text for dumps; hexadecimal without it
 */
export function bytes(length: number, doc = '', format?: (value: Uint8Array) => string): Spec<FieldBytes> {
  return new Spec('bytes', length * 8, { doc, format }, (bit) => new FieldBytes(bit >> 3, length));
}

/**
 * Declares a header: its fields in wire order, the first one at bit 0 (most significant bit of byte 0).
 *
 * Names of reserved fields are `_r1`, `_r2` and so on. The result is a frozen plain object whose enumerable
 * properties are exactly the fields. It is not a null-prototype object: those fall into dictionary mode, where a
 * property costs ten times as much.
 *
 * @throws Error at load when the bits do not fill whole bytes, when a field crosses a word, or for a bad name
 */
export function header<const S extends Readonly<Record<string, Spec<AnyField>>>>(
  name: string,
  section: string,
  specs: S,
): Header<S> {
  const infos: FieldInfo[] = [];
  const entries: [string, AnyField][] = [];
  const total = Object.values(specs).reduce((sum, spec) => sum + spec.width, 0);
  const wrong = (text: string) => new Error(`header ${name} (${section}): ${text}`);
  if (total === 0 || total % 8 !== 0) throw wrong(`${total} bits are not whole bytes`);
  let bit = 0;
  for (const [fieldName, spec] of Object.entries(specs)) {
    const reserved = fieldName.startsWith('_');
    if (!(reserved ? RESERVED_NAME : FIELD_NAME).test(fieldName)) throw wrong(`bad field name '${fieldName}'`);
    const field = spec.make(bit, total);
    if (field === undefined) throw wrong(`field '${fieldName}' (${spec.width} bits at bit ${bit}) crosses a word`);
    entries.push([fieldName, Object.freeze(field)]);
    infos.push(
      Object.freeze({ name: fieldName, kind: spec.kind, bit, bits: spec.width, reserved, ...spec.notes, field }),
    );
    bit += spec.width;
  }
  const made = Object.freeze(Object.fromEntries(entries)) as Header<S>;
  INFO.set(made, Object.freeze({ name, section, byteLength: total / 8, fields: Object.freeze(infos) }));
  return made;
}

/** Length of a declared header in bytes. */
export function byteLength(declared: AnyHeader): number {
  return describe(declared).byteLength;
}

/** Everything that is known about a declared header. */
export function describe(declared: AnyHeader): HeaderInfo {
  const info = INFO.get(declared);
  if (info === undefined) throw new TypeError('not a header declared with header()');
  return info;
}

/** The accessors of a declared header, by field name. */
export type Header<S> = { readonly [K in keyof S]: S[K] extends Spec<infer F> ? F : never };
/** Any declared header, where only the metadata matters. */
export type AnyHeader = Readonly<Record<string, AnyField>>;
/** Any accessor. */
export type AnyField = Field | Field64 | FieldBytes;

/** Metadata of a header. */
export interface HeaderInfo {
  readonly name: string;
  /** Where its specification stands. */
  readonly section: string;
  readonly byteLength: number;
  /** In wire order, reserved ones included. */
  readonly fields: readonly FieldInfo[];
}

/** Metadata of a field. */
export interface FieldInfo extends FieldNotes {
  readonly name: string;
  readonly kind: 'bits' | 'u64' | 'bytes';
  /** Distance in bits from the start of the header. */
  readonly bit: number;
  readonly bits: number;
  /** Sent as zero and ignored on receipt. */
  readonly reserved: boolean;
  readonly field: AnyField;
}

/** What a declaration says about a field for people and tools. */
export interface FieldNotes {
  readonly doc: string;
  readonly names?: CodePoints | undefined;
  readonly unit?: string | undefined;
  /** How dumps print the number; decimal unless told. */
  readonly radix?: 10 | 16 | undefined;
  readonly signed?: boolean | undefined;
  readonly format?: ((value: Uint8Array) => string) | undefined;
}

/** A 64-bit field as two words: a `bigint` per packet would cost more than all other fields together. */
export class Field64 {
  declare readonly hi: Field;
  declare readonly lo: Field;

  constructor(bit: number) {
    this.hi = new U32(bit, 32);
    this.lo = new U32(bit + 32, 32);
  }

  /** The value as a double, exact below 2^53; compare the halves where a peer may send more. */
  num(view: DataView, at: number): number {
    return this.hi.get(view, at) * TWO_32 + this.lo.get(view, at);
  }
  set(view: DataView, at: number, hi: number, lo: number): void {
    this.hi.set(view, at, hi);
    this.lo.set(view, at, lo);
  }
  /** Stores a whole number below 2^53. */
  setNum(view: DataView, at: number, value: number): void {
    this.hi.set(view, at, Math.floor(value / TWO_32));
    this.lo.set(view, at, value >>> 0);
  }
  /** The exact value. Cold paths only. */
  big(view: DataView, at: number): bigint {
    return (BigInt(this.hi.get(view, at)) << 32n) | BigInt(this.lo.get(view, at));
  }
  /** Stores the low 64 bits of a `bigint`. Cold paths only. */
  setBig(view: DataView, at: number, value: bigint): void {
    this.hi.set(view, at, Number((value >> 32n) & MASK_32));
    this.lo.set(view, at, Number(value & MASK_32));
  }
}

/** Raw bytes. Cold paths only: reading makes a copy. */
export class FieldBytes {
  declare readonly byte: number;
  declare readonly length: number;

  constructor(byte: number, length: number) {
    this.byte = byte;
    this.length = length;
  }

  get(view: DataView, at: number): Uint8Array {
    return new Uint8Array(view.buffer, view.byteOffset + at + this.byte, this.length).slice();
  }
  /** Stores exactly `length` bytes; a shorter value is followed by zeros, a longer one is cut. */
  set(view: DataView, at: number, value: Uint8Array): void {
    for (let i = 0; i < this.length; i++) view.setUint8(at + this.byte + i, value[i] ?? 0);
  }
}

/** A field as declared, before it has a place. */
export class Spec<F extends AnyField> {
  declare readonly kind: FieldInfo['kind'];
  declare readonly width: number;
  declare readonly notes: FieldNotes;
  readonly #place: (bit: number, total: number) => F | undefined;

  constructor(
    kind: FieldInfo['kind'],
    width: number,
    notes: FieldNotes,
    place: (bit: number, total: number) => F | undefined,
  ) {
    this.kind = kind;
    this.width = width;
    this.notes = notes;
    this.#place = place;
  }

  /** The accessor at a bit offset in a header of `total` bits, or undefined when none of them fits there. */
  make(bit: number, total: number): F | undefined {
    return this.kind !== 'bits' && bit % 8 !== 0 ? undefined : this.#place(bit, total);
  }
}

/** A field of up to 32 bits, with what one may add to its declaration. */
export class BitsSpec extends Spec<Field> {
  constructor(width: number, notes: FieldNotes) {
    super('bits', width, notes, (bit, total) => placeBits(bit, width, total, notes.signed === true));
  }

  /** Two's complement; for 16-bit fields on a byte boundary. */
  signed(): BitsSpec {
    return new BitsSpec(this.width, { ...this.notes, signed: true });
  }
  /** Unit of one step, for documentation and dumps: `'bytes'`, `'128 ns'`. */
  unit(unit: string): BitsSpec {
    return new BitsSpec(this.width, { ...this.notes, unit });
  }
  /** Dumps print the number in hexadecimal. */
  hex(): BitsSpec {
    return new BitsSpec(this.width, { ...this.notes, radix: 16 });
  }
}

/** Picks the narrowest word that holds the field and does not reach beyond the header. */
function placeBits(bit: number, width: number, total: number, signed: boolean): Field | undefined {
  if (!Number.isInteger(width) || width < 1 || width > 32) return undefined;
  const whole = bit % 8 === 0;
  if (signed) return whole && width === 16 ? new S16(bit, width) : undefined;
  if (whole && width === 8) return new U8(bit, width);
  if (whole && width === 16) return new U16(bit, width);
  if (whole && width === 32) return new U32(bit, width);
  const fits = (word: number) =>
    Math.floor(bit / word) === Math.floor((bit + width - 1) / word) && (Math.floor(bit / word) + 1) * word <= total;
  if (fits(8)) return new Within8(bit, width);
  if (fits(16)) return new Within16(bit, width);
  if (fits(32)) return new Within32(bit, width);
  return whole && width === 24 ? new U24(bit, width) : undefined;
}

const TWO_32 = 2 ** 32;
const MASK_32 = 0xffff_ffffn;
const FIELD_NAME = /^[a-z][A-Za-z0-9]*$/;
const RESERVED_NAME = /^_r[1-9][0-9]*$/;
const INFO = new WeakMap<AnyHeader, HeaderInfo>();
