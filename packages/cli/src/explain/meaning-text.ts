/** A code for people and for scripts. */
import { adviceOf, type Meaning, statusRow } from './code-book.ts';

/** Several lines: what it is, of what, when, what becomes of it, and what to do. */
export function meaningLines(meaning: Meaning): string[] {
  const { transport, table, row } = meaning;
  const lines = [`${row.name}: ${row.text}`];
  const add = (what: string, text: string | undefined) => {
    if (text !== undefined && text !== '') lines.push(`  ${what.padEnd(9)}${text}`);
  };
  add('is', `${table.name}${row.value === undefined ? '' : ` ${numberText(row.value, table.vendorBase)}`}`);
  add('of', transport === undefined ? table.layer : `${table.layer}, ${transport}`);
  add('when', row.cause);
  add('then', row.effect);
  const status = statusRow(row);
  add('status', status === undefined ? undefined : `${status.name} (${status.value}): ${status.text}`);
  add('try', adviceOf(meaning));
  add('see', sectionOf(meaning));
  return lines;
}

/** The same for scripts; what there is not is left out. */
export function meaningDocument(meaning: Meaning): Record<string, unknown> {
  const { transport, table, row } = meaning;
  const { value, name, text, cause, effect } = row;
  const advice = adviceOf(meaning) || undefined;
  return {
    ...{ kind: table.kind, name, value, text, is: table.name, layer: table.layer, transport },
    ...{ cause, effect, status: statusRow(row)?.name, advice, section: sectionOf(meaning) },
  };
}

/** One line of a list: kind, transport, number, name, text. */
export function meaningCells({ transport, table, row }: Meaning): string[] {
  return [table.kind, transport ?? '', row.value === undefined ? '' : String(row.value), row.name, row.text];
}

const sectionOf = ({ table, row }: Meaning): string => row.section ?? table.section;
const hex = (value: number): string => `0x${value.toString(16).padStart(2, '0')}`;
const numberText = (value: number, base = 0): string =>
  `${value} (${hex(value)})${base === 0 ? '' : `; ${hex(base + value)} as the code of a completion`}`;
