/**
 * Rows as lines in the manner of rdma(8): what it is, then names and values. What a line does not know it prints all the
 * same, so devices and drivers add values without a change here.
 */
import type { Cell, Row } from '@verbena/core';

/** A cell to print, and under which name. */
export type Shown = string | readonly [cell: string, title: string];

/** Names and values of some cells, in this order; cells that are not there are left out. */
export function cellsText(row: Row, shown: readonly Shown[]): string {
  const parts = shown.flatMap((one) => {
    const [cell, title] = typeof one === 'string' ? [one, one] : one;
    const value = row[cell];
    return value === undefined ? [] : [`${title} ${valueText(value)}`];
  });
  return parts.join(' ');
}

/** All other cells. */
export function restText(row: Row, without: readonly string[]): string {
  return cellsText(
    row,
    Object.keys(row).filter((cell) => !without.includes(cell)),
  );
}

/** Parts with something in them, on one line. */
export const lineText = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join(' ');

/** Programs choose some of these texts: what would move the cursor or break the line is shown as an escape. */
export function valueText(value: Cell): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(plain).join(',');
  return plain(String(value));
}

function plain(text: string): string {
  if (text === '') return '-';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (one) => {
    return `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
