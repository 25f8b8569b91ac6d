/**
 * Listing objects in parts. A part says where it ended: device, kind and number of the last object, so that whatever
 * dies or appears meanwhile, each object that lives throughout comes exactly once.
 */
import { encodeRows, type Row } from '../uapi/rows.ts';
import type { Device } from './device.ts';
import { contextRow } from './device.ts';
import type { Session } from './session.ts';

export interface ResourcePage {
  readonly rows: readonly Row[];
  readonly next: string;
}

export interface ResourceQuery {
  readonly device?: string | undefined;
  readonly kind?: string | undefined;
  readonly filter?: Row | undefined;
  readonly after?: string | undefined;
}

/** One part of the listing. */
export function resourcePage({ system, namespace }: Session, query: ResourceQuery): ResourcePage {
  const { device: only, kind: kindWanted, filter = {}, after = '' } = query;
  const [fromDevice, fromKind, fromId] = parsePlace(after);
  const rows: Row[] = [];
  let bytes = 0;
  const devices = [...system.visible(namespace)].sort((a, b) => a.index - b.index);
  for (const device of devices) {
    if (device.index < fromDevice || (only !== undefined && device.name !== only && String(device.index) !== only))
      continue;
    for (const [order, kind] of kindsOf(device).entries()) {
      const same = device.index === fromDevice;
      if (same && order < fromKind) continue;
      if (kindWanted !== undefined && kind.short !== kindWanted) continue;
      const skip = same && order === fromKind ? fromId : -1;
      for (const [id, row] of kind.rows(skip)) {
        const full: Row = { dev: device.name, ...row };
        if (!matches(full, filter)) continue;
        bytes += encodeRows([full]).length;
        if (bytes > PAGE_BYTES && rows.length > 0) return { rows, next: lastPlace(device, order, rows) };
        rows.push(full);
        PLACES.set(full, id);
      }
    }
  }
  return { rows, next: '' };
}

interface KindOfRows {
  readonly short: string;
  /** Rows with numbers above `after`, in the order of numbers. */
  rows(after: number): Iterable<readonly [id: number, row: Row]>;
}

function kindsOf(device: Device): KindOfRows[] {
  const contexts: KindOfRows = {
    short: 'ctx',
    rows: (after) =>
      [...device.contexts]
        .filter(({ id }) => id > after)
        .sort((a, b) => a.id - b.id)
        .map((one) => [one.id, contextRow(one)]),
  };
  const objects = device.methods.objects
    .filter(({ name }) => name !== 'DEVICE')
    .map(
      ({ name, short }): KindOfRows => ({
        short,
        rows: (after) =>
          [...device.objects(name).values()]
            .filter(({ id, live }) => live && id > after)
            .sort((a, b) => a.id - b.id)
            .map((one) => [one.id, device.rowOf(one)]),
      }),
    );
  const protocol: KindOfRows = {
    short: 'pdc',
    rows: (after) =>
      (device.driver.protocolRows?.() ?? []).map((row, i) => [i, row] as const).filter(([i]) => i > after),
  };
  return [contexts, ...objects, protocol];
}

function matches(row: Row, filter: Row): boolean {
  return Object.entries(filter).every(([name, value]) => String(row[name]) === String(value));
}

function lastPlace(device: Device, order: number, rows: readonly Row[]): string {
  const last = rows.at(-1)!;
  // the last row may be of a kind before the one that did not fit
  const lastDevice = String(last['dev']) === device.name;
  const kinds = kindsOf(device);
  const lastOrder = lastDevice ? kinds.findIndex(({ short }) => short === last['kind']) : -1;
  if (!lastDevice || lastOrder !== order) return `${device.index}.${order}.-1`;
  return `${device.index}.${order}.${PLACES.get(last) ?? -1}`;
}

function parsePlace(text: string): readonly [number, number, number] {
  const parts = /^(\d{1,10})\.(\d{1,5})\.(-?\d{1,10})$/.exec(text);
  return parts === null ? [0, 0, -1] : [Number(parts[1]), Number(parts[2]), Number(parts[3])];
}

const PLACES = new WeakMap<Row, number>();
/** Bytes of rows in one part. */
const PAGE_BYTES = 48_000;
