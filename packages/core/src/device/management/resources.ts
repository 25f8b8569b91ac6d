/** Objects of all programs, as rows. @spec rdma-core 19.1 */
import type { Row } from '../../uapi/rows.ts';
import { contextRow, type Device } from '../device.ts';
import type { DeviceContext } from '../device-context.ts';
import type { Session } from '../session.ts';
import { matches, type Page, type Place, pageOf, parsePlace } from './page.ts';
import { devicesOf, seesAll, seesNamespace } from './visibility.ts';

export interface ResourceQuery {
  readonly device?: string | undefined;
  readonly kind?: string | undefined;
  readonly filter?: Row | undefined;
  readonly after?: string | undefined;
}

/** One part of the list. @throws VerbsError ENODEV */
export function resourcePage(session: Session, query: ResourceQuery): Page {
  return pageOf(objectRows(session, query));
}

/** Counts for each kind, and the most that there can be. */
export function summaryRow(session: Session, device: Device): Row {
  const counts: Record<string, number> = {};
  for (const kind of kindsOf(session, device)) counts[kind.short] = kind.count();
  const maxima = Object.entries({ ctx: device.limits.contexts, ...device.driver.maxima?.() });
  const known = maxima.filter(([short]) => counts[short] !== undefined);
  return {
    ifindex: device.index,
    dev: device.name,
    ...counts,
    ...Object.fromEntries(known.map(([short, most]) => [`max_${short}`, most])),
  };
}

/** Counts of what the reader sees; of everything, with the driver's own, from the first namespace. */
export function censusOf(session: Session, device: Device): Record<string, number> {
  if (seesAll(session)) return device.census();
  const counts: Record<string, number> = {};
  for (const { plural, count } of kindsOf(session, device)) if (plural !== '') counts[plural] = count();
  return counts;
}

function* objectRows(
  session: Session,
  { device: only, kind: wanted, filter = {}, after }: ResourceQuery,
): IterableIterator<readonly [Place, Row | undefined]> {
  const [fromDevice, fromKind, fromId] = parsePlace(after, 3) as [number, number, number];
  for (const device of devicesOf(session, 'RESOURCE.SHOW', only)) {
    if (device.index < fromDevice) continue;
    for (const [order, kind] of kindsOf(session, device).entries()) {
      const isThere = device.index === fromDevice;
      if ((isThere && order < fromKind) || (wanted !== undefined && kind.short !== wanted)) continue;
      const skip = isThere && order === fromKind ? fromId : -1;
      for (const [id, row] of kind.rows(skip)) {
        const full = { dev: device.name, ...row };
        yield [[device.index, order, id], matches(full, filter) ? full : undefined];
      }
    }
  }
}

interface KindOfRows {
  readonly short: string;
  /** In a census; '' for what the driver counts. */
  readonly plural: string;
  count(): number;
  /** Rows with numbers above `after`, in the order of numbers. */
  rows(after: number): Iterable<readonly [id: number, row: Row]>;
}

function kindsOf(session: Session, device: Device): KindOfRows[] {
  const isSeen = (context: DeviceContext) => seesNamespace(session, context.session.namespace);
  const contexts = listed('ctx', 'contexts', () => [...device.contexts].filter(isSeen), contextRow);
  const objects = device.methods.objects
    .filter(({ name }) => name !== 'DEVICE')
    .map(({ name, short, plural }) =>
      listed(
        short,
        plural,
        // two phases: what is being made or ended is not there
        () => [...device.objects(name).values()].filter(({ live, context }) => live && isSeen(context)),
        (object) => device.rowOf(object),
      ),
    );
  const protocol: KindOfRows = {
    short: 'pdc',
    plural: '',
    count: () => protocolRows(session, device).length,
    rows: (after) => protocolRows(session, device).filter(([id]) => id > after),
  };
  return [contexts, ...objects, protocol];
}

function listed<T extends { readonly id: number }>(
  short: string,
  plural: string,
  all: () => T[],
  rowOf: (one: T) => Row,
): KindOfRows {
  return {
    short,
    plural,
    count: () => all().length,
    *rows(after) {
      const rest = all().filter(({ id }) => id > after);
      for (const one of rest.sort((a, b) => a.id - b.id)) yield [one.id, rowOf(one)];
    },
  };
}

/** State that belongs to the device, not to a program: of devices of the reader's own namespace. */
function protocolRows(session: Session, { namespace, driver }: Device): (readonly [id: number, row: Row])[] {
  if (!seesNamespace(session, namespace)) return [];
  const rows = (driver.protocolRows?.() ?? []).map((row, i): [number, Row] => {
    const { id, gid_index: entry } = row;
    return [typeof id === 'number' ? (typeof entry === 'number' ? entry : 0) * 0x1_0000_0000 + id : i, row];
  });
  return rows.sort(([a], [b]) => a - b);
}
