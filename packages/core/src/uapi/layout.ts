/** Fixed structures inside attributes: little-endian, members of 4, 8 or 16 bytes. */

/** `size`: 64 bits, as a number up to 2^53. `address`: 16 bytes. */
export type MemberKind = 'u32' | 'size' | 'address';

export interface Layout<M extends Readonly<Record<string, MemberKind>> = Readonly<Record<string, MemberKind>>> {
  readonly name: string;
  readonly text: string;
  readonly bytes: number;
  readonly members: M;
}

export type LayoutValue<M extends Readonly<Record<string, MemberKind>>> = {
  readonly [K in keyof M]: M[K] extends 'address' ? Uint8Array : number;
};

/** Declares a structure; members follow each other without gaps. */
export function layout<const M extends Readonly<Record<string, MemberKind>>>(
  name: string,
  text: string,
  members: M,
): Layout<M> {
  let bytes = 0;
  for (const kind of Object.values(members)) bytes += MEMBER_BYTES[kind];
  return { name, text, bytes, members };
}

export function writeLayout(view: DataView, at: number, of: Layout, value: Readonly<Record<string, unknown>>): void {
  for (const [name, kind] of Object.entries(of.members)) {
    const member = value[name];
    if (kind === 'u32') view.setUint32(at, member as number, true);
    else if (kind === 'size') writeSize(view, at, member as number);
    else new Uint8Array(view.buffer, view.byteOffset + at, 16).set((member as Uint8Array).subarray(0, 16));
    at += MEMBER_BYTES[kind];
  }
}

/** @returns undefined when a size is above 2^53 */
export function readLayout(view: DataView, at: number, of: Layout): Record<string, unknown> | undefined {
  const value: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(of.members)) {
    if (kind === 'u32') value[name] = view.getUint32(at, true);
    else if (kind === 'size') {
      const size = readSize(view, at);
      if (size > Number.MAX_SAFE_INTEGER) return undefined;
      value[name] = size;
    } else value[name] = new Uint8Array(view.buffer, view.byteOffset + at, 16).slice();
    at += MEMBER_BYTES[kind];
  }
  return value;
}

/** A number of up to 2^53 in 8 bytes. */
export function writeSize(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, (value - (value >>> 0)) / 0x1_0000_0000, true);
}

/** 8 bytes as a number; above 2^53 it is not exact. */
export function readSize(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

export const MEMBER_BYTES: Readonly<Record<MemberKind, number>> = { u32: 4, size: 8, address: 16 };
