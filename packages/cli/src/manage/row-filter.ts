/** Filters of rows that the daemon gives whole; long lists are filtered there. */
import type { Row } from '@verbena/core';

export function rowsMatching(rows: readonly Row[], filter: Row): readonly Row[] {
  const wanted = Object.entries(filter);
  return rows.filter((row) => wanted.every(([cell, value]) => String(row[cell]) === String(value)));
}
