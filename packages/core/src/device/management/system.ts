/** What holds for all devices: modes, sessions, resource groups. @spec rdma-core 17 · rdma-core 18 */
import { VerbsError } from '../../base/verbs-error.ts';
import { MAX_MESSAGE_BYTES } from '../../uapi/message.ts';
import type { Cell, Row } from '../../uapi/rows.ts';
import { RESOURCES, type Resource, type ResourceGroup } from '../resource-group.ts';
import type { Session } from '../session.ts';
import type { System } from '../system.ts';
import { MAX_DEVICES } from './devices.ts';
import { type Page, pageOf, parsePlace } from './page.ts';
import { deviceToChange, seesAll, seesNamespace } from './visibility.ts';

export function systemRow(session: Session): Row {
  const { system, namespace } = session;
  const seen = [...system.namespaces.values()].filter((one) => seesNamespace(session, one));
  return {
    netns: system.namespaceMode,
    version: MANAGEMENT_VERSION,
    own_netns: namespace.name,
    namespaces: seen.map(({ name }) => name),
    devices: [...system.visible(namespace)].length,
    max_devices: MAX_DEVICES,
    sessions: [...system.sessions].filter((one) => seesNamespace(session, one.namespace)).length,
    jobs: [...system.jobs.containers].filter((one) => seesNamespace(session, one.namespace)).length,
    groups: seesAll(session) ? [...system.root.walk()].length : 1,
    max_groups: MAX_GROUPS,
    max_message_bytes: MAX_MESSAGE_BYTES,
  };
}

/** The programs that are connected. */
export function sessionPage(session: Session, after: string | undefined): Page {
  const [from] = parsePlace(after, 1) as [number];
  const rest = [...session.system.sessions]
    .filter((one) => one.id > from && seesNamespace(session, one.namespace))
    .sort((a, b) => a.id - b.id);
  return pageOf(rest.map((one) => [[one.id], sessionRow(one)] as const));
}

function sessionRow({ id, credentials, namespace, group, contexts, pinnedBytes }: Session): Row {
  const { pid, uid, name, rights, memlockBytes } = credentials;
  return {
    session: id,
    pid,
    uid,
    comm: name,
    netns: namespace.name,
    group: group.path,
    contexts: contexts.size,
    rights: Object.entries(rights).flatMap(([right, has]) => (has === true ? [right] : [])),
    memlock: pinnedBytes,
    memlock_max: memlockBytes ?? 'unlimited',
  };
}

/** Limits and use: a row for each group and device. @throws VerbsError ENOENT no such group */
export function groupPage(session: Session, path: string | undefined, after: string | undefined): Page {
  const { system, namespace } = session;
  const names = new Set([...system.visible(namespace)].map(({ name }) => name));
  const top = path === undefined ? (seesAll(session) ? system.root : session.group) : groupAt(system, path);
  if (!seesAll(session) && !isWithin(top, session.group)) throw noGroup(path ?? top.path);
  const rows = [...top.walk()].flatMap((group) => {
    const devices = group.devices().filter((name) => names.has(name) || seesAll(session));
    if (devices.length === 0) return [{ key: group.path, row: { group: group.path } as Row }];
    return devices.map((dev) => ({ key: `${group.path} ${dev}`, row: usageRow(group, dev) }));
  });
  // groups have no numbers: a part ends at a name
  const rest = rows.sort((a, b) => (a.key < b.key ? -1 : 1)).filter(({ key }) => key > (after ?? ''));
  const page = pageOf(rest.map(({ row }, i) => [[i], row] as const));
  return page.next === '' ? page : { rows: page.rows, next: rest[Number(page.next)]!.key };
}

function usageRow(group: ResourceGroup, dev: string): Row {
  const cells: Record<string, Cell> = { group: group.path, dev };
  for (const resource of RESOURCES) {
    const { current, peak, max, hits, subtreeHits } = group.usage(dev, resource);
    cells[resource] = current;
    cells[`${resource}_peak`] = peak;
    cells[`${resource}_max`] = Number.isFinite(max) ? max : 'max';
    cells[`${resource}_hits`] = hits;
    cells[`${resource}_subtree_hits`] = subtreeHits;
  }
  return cells;
}

export interface GroupChange {
  readonly group: string;
  readonly device?: string | undefined;
  readonly limits?: Row | undefined;
}

/** @throws VerbsError `EINVAL` no path, no resource or no number · `ENODEV` · `ENOSPC` too many groups */
export function setGroup(session: Session, { group: path, device, limits = {} }: GroupChange): void {
  const call = 'SYSTEM.GROUP_SET';
  const wanted = Object.entries(limits).map(([name, value]) => [resourceNamed(call, name), maximum(call, name, value)]);
  if (device === undefined && wanted.length > 0) {
    throw new VerbsError('EINVAL', call, 'limits are those of a device', { missing: 'device: its name or index' });
  }
  const dev = device === undefined ? '' : deviceToChange(session, call, device).name;
  const group = makeGroup(session.system, call, path);
  for (const [resource, max] of wanted as [Resource, number][]) group.limit(dev, resource, max);
}

/** @returns how many sessions of the process there are @throws VerbsError ENOENT no group, or no session */
export function attachToGroup({ system }: Session, path: string, pid: number): number {
  const group = groupAt(system, path);
  const sessions = [...system.sessions].filter(({ credentials }) => credentials.pid === pid);
  if (sessions.length === 0) {
    throw new VerbsError('ENOENT', 'SYSTEM.GROUP_ATTACH', `nobody with pid ${pid} is connected`, {
      try: 'a pid that SYSTEM.SESSIONS lists',
    });
  }
  for (const one of sessions) one.group = group;
  return sessions.length;
}

/** @throws VerbsError `ENOENT` · `EINVAL` the root · `EBUSY` groups or sessions are in it */
export function deleteGroup({ system }: Session, path: string): void {
  const call = 'SYSTEM.GROUP_DELETE';
  const group = groupAt(system, path);
  if (group.parent === undefined) throw new VerbsError('EINVAL', call, 'the first group cannot be deleted');
  const inside = [...system.sessions].filter((one) => one.group === group).length;
  if (group.children.size > 0 || inside > 0) {
    throw new VerbsError('EBUSY', call, `group ${group.path} is not empty`, {
      given: `${group.children.size} groups and ${inside} sessions are in it`,
      try: 'delete the groups, and attach the processes to another one',
    });
  }
  group.parent.children.delete(group.name);
}

function makeGroup(system: System, call: string, path: string): ResourceGroup {
  const names = namesOf(path);
  if (names.length > MAX_DEPTH || names.some((name) => !/^[\w.@-]{1,64}$/.test(name) || /^\.+$/.test(name))) {
    throw new VerbsError('EINVAL', call, `'${path}' is no path of a group`, {
      try: `up to ${MAX_DEPTH} names of letters, digits, dots, hyphens and underscores, such as /tenants/a`,
    });
  }
  let missing = names.length;
  for (let group: ResourceGroup | undefined = system.root; missing > 0; missing--) {
    group = group.children.get(names[names.length - missing]!);
    if (group === undefined) break;
  }
  if (missing > 0 && [...system.root.walk()].length + missing > MAX_GROUPS) {
    throw new VerbsError('ENOSPC', call, `there are ${MAX_GROUPS} groups, the most there can be`, {
      try: 'SYSTEM.GROUP_DELETE',
    });
  }
  return system.groupOf(path);
}

function groupAt(system: System, path: string): ResourceGroup {
  let group: ResourceGroup | undefined = system.root;
  for (const name of namesOf(path)) group = group?.children.get(name);
  if (group === undefined) throw noGroup(path);
  return group;
}

function noGroup(path: string): VerbsError {
  return new VerbsError('ENOENT', 'SYSTEM.GROUP', `there is no group ${path}`, { try: 'SYSTEM.GROUP_SET makes one' });
}

function isWithin(group: ResourceGroup, top: ResourceGroup): boolean {
  for (let one: ResourceGroup | undefined = group; one !== undefined; one = one.parent) if (one === top) return true;
  return false;
}

function resourceNamed(call: string, name: string): Resource {
  const found = RESOURCES.find((one) => one === name);
  if (found !== undefined) return found;
  throw new VerbsError('EINVAL', call, `there is no resource ${name}`, { try: RESOURCES.join(', ') });
}

function maximum(call: string, name: string, value: Cell): number {
  if (value === 'max') return Number.POSITIVE_INFINITY;
  const most = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof most === 'number' && Number.isSafeInteger(most) && most >= 0) return most;
  throw new VerbsError('EINVAL', call, `${name} cannot be limited to ${String(value)}`, {
    try: 'a whole number from 0, or max',
  });
}

const namesOf = (path: string): string[] => path.split('/').filter((part) => part !== '');

/** Grows when methods or attributes are added. */
const MANAGEMENT_VERSION = 1;
const MAX_GROUPS = 1024;
const MAX_DEPTH = 8;
