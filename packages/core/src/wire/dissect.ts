/** Any declared header as a tree for people and JSON: made from the declaration alone. */
import { type AnyHeader, describe, type FieldInfo } from './header.ts';
import { nameOf } from './names.ts';
import { load } from './record.ts';

/** One field of a dissected header. JSON-safe. */
export interface FieldNode {
  readonly name: string;
  /** The number; a hexadecimal string for raw bytes and for 64-bit values of 2^53 and more. */
  readonly value: number | string;
  /** The value as people read it: name of a code point, unit, address. */
  readonly text: string;
  /** Byte in the buffer where the field begins. */
  readonly offset: number;
  /** Bit in that byte where the field begins; 0 is the most significant one. */
  readonly bit: number;
  /** Width in bits. */
  readonly bits: number;
  readonly doc: string;
}

/** One dissected header. */
export interface HeaderNode {
  readonly header: string;
  readonly section: string;
  readonly offset: number;
  readonly length: number;
  /** In wire order. Reserved fields are listed only where a peer set them. */
  readonly fields: readonly FieldNode[];
}

/**
 * Dissects one header.
 *
 * @throws RangeError when its bytes are not all there: the caller checks `byteLength()` first
 */
export function dissect(declared: AnyHeader, view: DataView, at: number): HeaderNode {
  const { name, section, byteLength, fields } = describe(declared);
  const nodes: FieldNode[] = [];
  for (const info of fields) {
    const node = dissectField(info, view, at);
    if (!info.reserved || node.value !== 0) nodes.push(node);
  }
  return { header: name, section, offset: at, length: byteLength, fields: nodes };
}

function dissectField(info: FieldInfo, view: DataView, at: number): FieldNode {
  const raw = load(info.field, view, at);
  const place = { offset: at + (info.bit >> 3), bit: info.bit & 7, bits: info.bits, doc: info.doc };
  if (raw instanceof Uint8Array) {
    const hex = hexOf(raw);
    return { name: info.name, value: hex, text: info.format?.(raw) ?? hex, ...place };
  }
  const hex = `0x${raw.toString(16)}`;
  const value = typeof raw === 'number' ? raw : raw < TWO_53 ? Number(raw) : hex;
  return { name: info.name, value, text: textOf(info, raw, hex), ...place };
}

function textOf(info: FieldInfo, raw: number | bigint, hex: string): string {
  if (info.names !== undefined) return nameOf(info.names, Number(raw));
  const digits = info.kind === 'u64' ? hex : info.radix === 16 ? `0x${paddedHex(raw, info.bits)}` : String(raw);
  if (info.unit === undefined) return digits;
  return /^\d/.test(info.unit) ? `${digits} × ${info.unit}` : `${digits} ${info.unit}`;
}

function paddedHex(raw: number | bigint, width: number): string {
  return raw.toString(16).padStart(Math.ceil(width / 4), '0');
}

function hexOf(raw: Uint8Array): string {
  return Array.from(raw, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const TWO_53 = 2n ** 53n;
