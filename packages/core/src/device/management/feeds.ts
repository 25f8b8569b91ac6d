/** What a session watches: devices that come and go, and the management channel itself. @spec rdma-core 19.2 */
import { VerbsError } from '../../base/verbs-error.ts';
import type { Row } from '../../uapi/rows.ts';
import { Feed } from '../feed.ts';
import type { Session } from '../session.ts';
import type { MonitorEvent } from '../system.ts';
import type { Transaction } from '../transaction.ts';
import { seesNamespace } from './visibility.ts';

export type FeedName = 'MONITOR' | 'TRACE';

/** Begins, or goes on. @returns what is woken when there is something to read */
export function startFeed(session: Session, name: FeedName): { readonly wake: number } {
  let feed = session.feeds.get(name);
  if (feed === undefined) {
    feed = new Feed(session.nextWake(), (wake) => session.wake(wake));
    feed.start((push) => (name === 'MONITOR' ? watchDevices(session, push) : watchCalls(session, push)));
    session.feeds.set(name, feed);
  }
  return { wake: feed.wake };
}

/** @throws VerbsError EINVAL it was not started */
export function readFeed(
  session: Session,
  name: FeedName,
  tx: Transaction,
): { readonly rows: readonly Row[]; readonly lost: number } {
  const feed = session.feeds.get(name);
  if (feed === undefined) {
    throw new VerbsError('EINVAL', `${name}.READ`, 'nothing is watched', { try: `${name}.START first` });
  }
  return tx.run(
    'take',
    () => feed.take(),
    (taken) => feed.putBack(taken),
  );
}

export function stopFeed(session: Session, name: FeedName): void {
  session.feeds.get(name)?.end();
  session.feeds.delete(name);
}

function watchDevices(session: Session, push: (row: Row) => void): () => void {
  const { system } = session;
  return system.watch((event) => {
    if (system.namespaceMode === 'shared' || seesNamespace(session, event.namespace)) push(eventRow(event));
  });
}

function eventRow({ event, index, name, namespace, before }: MonitorEvent): Row {
  const row = { event, ifindex: index, dev: name, netns: namespace.name };
  return before === undefined ? row : { ...row, before };
}

function watchCalls({ system }: Session, push: (row: Row) => void): () => void {
  system.managementTaps.add(push);
  return () => system.managementTaps.delete(push);
}
