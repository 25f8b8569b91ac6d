/** Settings of a transport: declared as rows of a table, resolved against what a host gives. */
import type { Setting } from './engine.ts';

/** One row; the name stays a literal type. */
export const setting = <const N extends string>(
  name: N,
  value: number,
  unit: string,
  min: number,
  max: number,
  text: string,
): Setting & { readonly name: N } => ({ name, value, unit, min, max, text });

/** Defaults, overridden by what the host gives. @throws Error for a name or value that is not in the table */
export function resolveSettings<N extends string>(
  transport: string,
  rows: readonly (Setting & { readonly name: N })[],
  given: Readonly<Record<string, number>> = {},
): Readonly<Record<N, number>> {
  const settings = Object.fromEntries(rows.map(({ name, value }) => [name, value])) as Record<N, number>;
  for (const [name, value] of Object.entries(given)) {
    const row = rows.find((one) => one.name === name);
    if (row === undefined) {
      throw new Error(`${transport} has no setting '${name}'; it has ${rows.map((one) => one.name).join(', ')}`);
    }
    if (!(value >= row.min && value <= row.max)) {
      throw new Error(`${transport} setting ${name} = ${value} ${row.unit} is out of range ${row.min}..${row.max}`);
    }
    settings[row.name] = value;
  }
  return settings;
}
