/** What devices count, as a whole and for single queue pairs. @spec rdma-core 20 */
import type { Row } from '../../uapi/rows.ts';
import type { Session } from '../session.ts';
import { matches, type Page, type Place, pageOf, parsePlace } from './page.ts';
import { devicesOf, seesNamespace } from './visibility.ts';

export interface StatisticQuery {
  readonly device?: string | undefined;
  readonly filter?: Row | undefined;
  readonly after?: string | undefined;
}

/** Queue pairs whose driver counts for each. @throws VerbsError ENODEV */
export function queuePairPage(session: Session, query: StatisticQuery): Page {
  return pageOf(queuePairRows(session, query));
}

function* queuePairRows(
  session: Session,
  { device: only, filter = {}, after }: StatisticQuery,
): IterableIterator<readonly [Place, Row | undefined]> {
  const [fromDevice, fromId] = parsePlace(after, 2) as [number, number];
  for (const device of devicesOf(session, 'STATISTIC.QP_SHOW', only)) {
    if (device.index < fromDevice || device.driver.objectCounters === undefined) continue;
    const skip = device.index === fromDevice ? fromId : -1;
    const rest = [...device.objects('QP').values()].filter(({ id }) => id > skip);
    for (const object of rest.sort((a, b) => a.id - b.id)) {
      const { session: owner } = object.context;
      if (!object.live || !seesNamespace(session, owner.namespace)) continue;
      const { port, qpn, type } = device.driver.describe?.(object) ?? {};
      const who = { dev: device.name, id: object.id, pid: owner.credentials.pid, comm: owner.credentials.name };
      const named = { ...(port === undefined ? {} : { port }), ...(qpn === undefined ? {} : { qpn }) };
      const row: Row = {
        ...who,
        ...named,
        ...(type === undefined ? {} : { type }),
        ...device.driver.objectCounters(object),
      };
      yield [[device.index, object.id], matches(row, filter) ? row : undefined];
    }
  }
}
