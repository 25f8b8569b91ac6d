/**
 * Rows: named, typed values, for everything that is looked at. A reader prints what it does not know, so devices and
 * drivers add values without changing a tool.
 *
 *   row    u32 length of the values, then the values
 *   value  u8 type, u8 length of the name, name in UTF-8, then by type:
 *          0 false · 1 true · 2 u32 · 3 u64 · 4 text (u32 length, UTF-8) · 5 list (u32 count, then texts) · 6 f64
 */
import { decodeUtf8, encodeUtf8 } from '../base/utf8.ts';

export type Cell = string | number | bigint | boolean | readonly string[];
export type Row = Readonly<Record<string, Cell>>;

/** Rows as bytes. */
export function encodeRows(rows: readonly Row[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const row of rows) {
    const values: Uint8Array[] = [];
    for (const [name, cell] of Object.entries(row)) values.push(...encodeCell(name, cell));
    parts.push(u32(values.reduce((sum, part) => sum + part.length, 0)), ...values);
  }
  return join(parts);
}

/** @returns undefined when the bytes are no rows */
export function decodeRows(bytes: Uint8Array): Row[] | undefined {
  const reader = new Reader(bytes);
  const rows: Row[] = [];
  while (!reader.done) {
    const end = reader.u32() + reader.at;
    if (!reader.ok || end > bytes.length) return undefined;
    const cells: [string, Cell][] = [];
    while (reader.ok && reader.at < end) {
      const type = reader.u8();
      const name = reader.text(reader.u8());
      const cell = readCell(reader, type);
      if (cell === undefined || !reader.ok) return undefined;
      cells.push([name, cell]);
    }
    if (reader.at !== end) return undefined;
    rows.push(Object.fromEntries(cells));
  }
  return rows;
}

function encodeCell(name: string, cell: Cell): Uint8Array[] {
  const title = encodeUtf8(name).subarray(0, 255);
  const head = (type: number) => Uint8Array.of(type, title.length);
  if (typeof cell === 'boolean') return [head(cell ? Type.TRUE : Type.FALSE), title];
  if (typeof cell === 'number') {
    if (Number.isInteger(cell) && cell >= 0 && cell <= 0xffff_ffff) return [head(Type.U32), title, u32(cell)];
    if (Number.isSafeInteger(cell) && cell >= 0) return [head(Type.U64), title, u64(BigInt(cell))];
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, cell, true);
    return [head(Type.F64), title, bytes];
  }
  if (typeof cell === 'bigint') return [head(Type.U64), title, u64(cell)];
  if (typeof cell === 'string') return [head(Type.TEXT), title, ...encodeText(cell)];
  return [head(Type.LIST), title, u32(cell.length), ...cell.flatMap(encodeText)];
}

function readCell(reader: Reader, type: number): Cell | undefined {
  switch (type) {
    case Type.FALSE:
      return false;
    case Type.TRUE:
      return true;
    case Type.U32:
      return reader.u32();
    case Type.U64: {
      const value = reader.u64();
      return value <= MAX_SAFE ? Number(value) : value;
    }
    case Type.TEXT:
      return reader.text(reader.u32());
    case Type.F64:
      return reader.f64();
    case Type.LIST: {
      const count = reader.u32();
      const list: string[] = [];
      for (let i = 0; i < count && reader.ok; i++) list.push(reader.text(reader.u32()));
      return list;
    }
    default:
      return undefined;
  }
}

class Reader {
  at = 0;
  /** False after a read beyond the end. */
  ok = true;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.at >= this.#bytes.length;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#view.getUint8(at);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getUint32(at, true);
  }

  u64(): bigint {
    const at = this.#take(8);
    return at < 0 ? 0n : this.#view.getBigUint64(at, true);
  }

  f64(): number {
    const at = this.#take(8);
    return at < 0 ? 0 : this.#view.getFloat64(at, true);
  }

  text(length: number): string {
    const at = this.#take(length);
    return at < 0 ? '' : decodeUtf8(this.#bytes.subarray(at, at + length));
  }

  #take(length: number): number {
    const at = this.at;
    if (length > this.#bytes.length - at) {
      this.ok = false;
      this.at = this.#bytes.length;
      return -1;
    }
    this.at = at + length;
    return at;
  }
}

function encodeText(text: string): [Uint8Array, Uint8Array] {
  const bytes = encodeUtf8(text);
  return [u32(bytes.length), bytes];
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
  return bytes;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const Type = { FALSE: 0, TRUE: 1, U32: 2, U64: 3, TEXT: 4, LIST: 5, F64: 6 } as const;
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
