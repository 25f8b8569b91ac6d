/** Test data: the form of worked packets. Imported by tests only. */
import type { AnyHeader } from '../header.ts';
import type { HeaderValues } from '../record.ts';

/** A packet with its bytes and what is in it. */
export interface Worked {
  readonly id: string;
  readonly what: string;
  /** At the IP header, at the PDS or security header, or at the SES header that this `nextHeader` announces. */
  readonly starts: 'ip' | 'uet' | number;
  readonly hex: string;
  /** Headers in order, one behind the other; a CRC stands behind the payload. */
  readonly layers: readonly WorkedLayer[];
  /** Hexadecimal. */
  readonly payload?: string;
  /** The packet has a reserved bit set, so that its bytes are not what we would send. */
  readonly reservedBits?: boolean;
}

/** A header and the values of its fields; a field that is not listed is 0. */
export interface WorkedLayer {
  readonly header: AnyHeader;
  readonly values: HeaderValues<AnyHeader>;
}

/** Ties values to the header that they belong to, so that a wrong field name does not compile. */
export function worked<H extends AnyHeader>(header: H, values: HeaderValues<H>): WorkedLayer {
  return { header, values: values as HeaderValues<AnyHeader> };
}

/** A 128-bit operand, right-aligned in its bytes. */
export function wide(value: number): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, value);
  return bytes;
}

/** Bytes of hexadecimal text; spaces do not matter. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(' ', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Hexadecimal text of bytes, with spaces. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
