/**
 * Structures in memory that two sides share: declared once, little-endian, made of 16- and 32-bit words.
 *
 * Fields follow each other without gaps; `pad` names the bytes that are skipped. Both sides of a ring are this library,
 * but a later C side reads the same declaration, so sizes are checked when the module loads.
 */
import { assert } from '../base/assert.ts';
import { type Field, U16Le, U32Le } from '../base/field.ts';

/** One line of a declaration. */
export interface Member {
  readonly kind: 'u16' | 'u32' | 'pad';
  readonly bytes: number;
  readonly text: string;
}

type FieldsOf<M extends Readonly<Record<string, Member>>> = {
  readonly [K in keyof M as M[K]['kind'] extends 'pad' ? never : K]: Field;
};

/** A declared structure: its fields by name, bound to module constants by hot code. */
export interface Struct<M extends Readonly<Record<string, Member>>> {
  readonly name: string;
  readonly bytes: number;
  readonly members: M;
  readonly fields: FieldsOf<M>;
}

export const u16 = (text: string) => ({ kind: 'u16', bytes: 2, text }) as const;
export const u32 = (text: string) => ({ kind: 'u32', bytes: 4, text }) as const;
export const pad = (bytes: number, text = 'reserved, zero') => ({ kind: 'pad', bytes, text }) as const;

/** Declares a structure of exactly `bytes` bytes. */
export function struct<const M extends Readonly<Record<string, Member>>>(
  name: string,
  bytes: number,
  members: M,
): Struct<M> {
  const fields: Record<string, Field> = {};
  let at = 0;
  for (const [key, member] of Object.entries(members)) {
    if (member.kind !== 'pad') {
      assert(at % member.bytes === 0, `${name}.${key} is not aligned`);
      fields[key] = member.kind === 'u16' ? new U16Le(at * 8, 16) : new U32Le(at * 8, 32);
    }
    at += member.bytes;
  }
  assert(at === bytes, `${name} has ${at} bytes, not ${bytes}`);
  return { name, bytes, members, fields: Object.freeze(fields) as FieldsOf<M> };
}
