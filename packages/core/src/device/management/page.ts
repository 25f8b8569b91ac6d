/**
 * Lists in parts. A part ends at a place: the numbers of its last row. The next part begins behind it, so whatever dies
 * or appears meanwhile, each row that is there throughout comes exactly once.
 */
import { encodeRows, type Row } from '../../uapi/rows.ts';

export interface Page {
  readonly rows: readonly Row[];
  /** Where to go on; '' at the end. */
  readonly next: string;
}

/** Numbers that grow along the list, most significant first. */
export type Place = readonly number[];

/**
 * One part of a list.
 *
 * @param entries - all that lies behind `after`, in order of place; undefined for what only moves the place on
 */
export function pageOf(entries: Iterable<readonly [place: Place, row: Row | undefined]>): Page {
  const rows: Row[] = [];
  let bytes = 0;
  let last: Place = [];
  let seen = 0;
  for (const [place, row] of entries) {
    if (row !== undefined) {
      bytes += encodeRows([row]).length;
      if (bytes > PAGE_BYTES && rows.length > 0) return { rows, next: last.join('.') };
      rows.push(row);
    }
    last = place;
    if (++seen >= PAGE_ENTRIES) return { rows, next: last.join('.') };
  }
  return { rows, next: '' };
}

/** The place that a part ended at; nothing is before the first of `length` numbers. */
export function parsePlace(text: string | undefined, length: number): Place {
  const numbers = (text ?? '').split('.').map((part) => (/^\d{1,15}$/.test(part) ? Number(part) : -1));
  return numbers.length === length ? numbers : new Array<number>(length).fill(-1);
}

/** Whether a row has all values of a filter: as text, or within numbers such as `0-6` and `1,4,9`. */
export function matches(row: Row, filter: Row): boolean {
  return Object.entries(filter).every(([name, wanted]) => {
    const cell = row[name];
    if (cell === undefined) return false;
    if (String(cell) === String(wanted)) return true;
    if (Array.isArray(cell) && cell.includes(String(wanted))) return true;
    if (typeof cell !== 'number' || typeof wanted !== 'string') return false;
    return wanted.split(',').some((part) => {
      const [from, to = from] = part.split('-', 2);
      return isNumber(from) && isNumber(to) && cell >= Number(from) && cell <= Number(to);
    });
  });
}

const isNumber = (text: string | undefined): text is string =>
  text !== undefined && /^(0x[0-9a-f]{1,13}|\d{1,16})$/i.test(text);

/** Bytes of rows in one part. */
const PAGE_BYTES = 48_000;
/** Entries that one part looks at. */
const PAGE_ENTRIES = 16_384;
