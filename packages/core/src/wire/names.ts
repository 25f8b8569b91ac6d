/**
 * Code points: numbers with names, such as opcodes and status codes.
 *
 * A table is a frozen plain object, so `SesOpcode.SEND` is a constant with a literal type. The reverse direction is
 * for people (dumps, errors) and never fails: a value without a name keeps its number.
 */

/** A table made by `names()`. */
export type CodePoints = Readonly<Record<string, number>>;

/**
 * Declares a table of code points.
 *
 * @throws Error when two names share a value: one of them would never be printed
 */
export function names<const T extends Record<string, number>>(table: T): Readonly<T> {
  const reverse = new Map<number, string>();
  for (const [name, value] of Object.entries(table)) {
    const other = reverse.get(value);
    if (other !== undefined) throw new Error(`code point ${value} has two names: ${other} and ${name}`);
    reverse.set(value, name);
  }
  const frozen = Object.freeze({ ...table });
  REVERSE.set(frozen, reverse);
  return frozen;
}

/** Name of a code point, or its number marked as unknown: `SEND`, `0x1f (unknown)`. */
export function nameOf(table: CodePoints, value: number): string {
  return REVERSE.get(table)?.get(value) ?? `0x${value.toString(16)} (unknown)`;
}

/** Whether the table has a name for the value. */
export function isNamed(table: CodePoints, value: number): boolean {
  return REVERSE.get(table)?.has(value) ?? false;
}

const REVERSE = new WeakMap<CodePoints, ReadonlyMap<number, string>>();
