/** Devices and their ports: looking at them, and changing them. @spec rdma-core 3 · rdma-core 17 · rdma-core 19.3 */
import { VerbsError } from '../../base/verbs-error.ts';
import type { Cell, Row } from '../../uapi/rows.ts';
import type { Call } from '../call.ts';
import type { Device } from '../device.ts';
import type { Namespace } from '../namespace.ts';
import type { Session } from '../session.ts';
import { isVerbsDevice } from '../system.ts';
import { Transaction } from '../transaction.ts';
import { deviceToChange, seesAll } from './visibility.ts';

/** A device, and what it says about itself. */
export function devRow(device: Device): Row {
  const { attributes = {} } = ask<{ attributes: Row }>(device, device.driver.ops.DEVICE?.QUERY, {}) ?? {};
  const { firmwareVersion, nodeGuid, systemImageGuid } = attributes;
  return {
    ifindex: device.index,
    dev: device.name,
    node_type: isVerbsDevice(device) ? 'ca' : 'unspecified',
    ...present({ fw: firmwareVersion, node_guid: nodeGuid, sys_image_guid: systemImageGuid }),
    driver: device.driver.name,
    transports: device.driver.transports,
    state: device.driver.failure === undefined ? 'ACTIVE' : 'FAILED',
    netns: device.namespace.name,
    contexts: device.contexts.size,
    ...present({ parent: device.parent?.name }),
  };
}

/** A row for each port and address entry; for each port where there is no address table. */
export function linkRows(device: Device, only: number | undefined): Row[] {
  const { DEVICE } = device.driver.ops;
  const { entries = [] } = ask<{ entries: readonly Row[] }>(device, DEVICE?.QUERY_GID_TABLE, {}) ?? {};
  const { attributes = {} } = ask<{ attributes: Row }>(device, DEVICE?.QUERY, {}) ?? {};
  const ports = typeof attributes.physicalPorts === 'number' ? attributes.physicalPorts : 1;
  const numbers = new Set([...entries.map((entry) => Number(entry.port)), ...upTo(ports)]);
  return [...numbers]
    .filter((port) => only === undefined || port === only)
    .sort((a, b) => a - b)
    .flatMap((port) => {
      const answer = ask<{ attributes: Row }>(device, DEVICE?.QUERY_PORT, { port });
      if (answer === undefined && !entries.some((entry) => entry.port === port)) return [];
      const { state = 'ACTIVE', activeMtu, transports, linkLayer, level } = answer?.attributes ?? {};
      const isUp = state === 'ACTIVE' && device.driver.failure === undefined;
      const head = {
        ifindex: device.index,
        dev: device.name,
        port,
        state: isUp ? 'ACTIVE' : 'DOWN',
        physical_state: isUp ? 'LINK_UP' : 'DISABLED',
      };
      const tail = present({ mtu: activeMtu, link_layer: linkLayer, transports, io_level: level });
      const own = entries.filter((entry) => entry.port === port);
      if (own.length === 0) return [{ ...head, ...tail }];
      return own.map(({ gid, index, type, udp_port }) => ({
        ...head,
        ...present({ address: gid, gid_index: index, type, udp_port }),
        ...tail,
      }));
    });
}

export interface DeviceChange {
  readonly device: string;
  readonly name?: string | undefined;
  readonly netns?: string | undefined;
}

/**
 * Renames a device, moves it to another namespace, or both.
 *
 * @throws VerbsError `ENODEV` · `EINVAL` nothing to change, or no name · `EEXIST` the name is taken · `ENOENT` no such
 *   namespace · `EPERM` no right there · `EOPNOTSUPP` devices are shared, or the driver cannot let go
 */
export function changeDevice(session: Session, { device: which, name, netns }: DeviceChange): void {
  const call = 'DEV.SET';
  const { system } = session;
  const device = deviceToChange(session, call, which);
  if (name === undefined && netns === undefined) {
    throw new VerbsError('EINVAL', call, 'nothing is to be changed', { missing: 'name, or netns' });
  }
  if (netns === undefined) return system.rename(device, name!);
  const to = namespaceNamed(session, call, netns);
  if (!seesAll(session) && to !== session.namespace) {
    throw new VerbsError('EPERM', call, `the caller has no rights in namespace ${netns}`, {
      try: 'an administrator of the first namespace, or of that one',
    });
  }
  system.move(device, to, name);
}

/** @throws VerbsError `EBUSY` the name is taken · `ENOSPC` too many devices · `EOPNOTSUPP` · what the host says */
export function addDevice({ system, namespace }: Session, options: Row): number {
  const call = 'DEV.ADD';
  const { deviceFactory } = system;
  if (deviceFactory === undefined) {
    throw new VerbsError('EOPNOTSUPP', call, 'this program cannot add devices', {
      try: 'a daemon: verbena up --device NAME=ADDRESS',
    });
  }
  const { name } = options;
  if (typeof name !== 'string' || name === '') {
    throw new VerbsError('EINVAL', call, '`options` has no name', { missing: 'name: such as rdma1, or rdma%d' });
  }
  if (system.devices.size >= MAX_DEVICES) {
    throw new VerbsError('ENOSPC', call, `there are ${MAX_DEVICES} devices, the most there can be`, {
      try: 'DEV.DELETE',
    });
  }
  if (system.find(name, namespace) !== undefined) {
    throw new VerbsError('EBUSY', call, `a device ${name} exists`, { try: 'another name, or one with %d in it' });
  }
  return deviceFactory.add(options).index;
}

function namespaceNamed({ system }: Session, call: string, name: string): Namespace {
  const found = system.namespaces.get(name);
  if (found !== undefined) return found;
  throw new VerbsError('ENOENT', call, `there is no namespace ${name}`, {
    try: [...system.namespaces.keys()].slice(0, 8).join(', '),
  });
}

/** Asks a driver what needs no context. One that needs more is taken to say nothing. */
function ask<T>(device: Device, operation: unknown, input: Readonly<Record<string, unknown>>): T | undefined {
  if (typeof operation !== 'function') return undefined;
  const call = { name: 'SHOW', device, input, tx: new Transaction(), attachments: [], reply: [], reason: undefined };
  try {
    return operation({ ...call, now: device.system.now } as unknown as Call) as T;
  } catch {
    return undefined;
  }
}

const present = (cells: Readonly<Record<string, Cell | undefined>>): Row =>
  Object.fromEntries(Object.entries(cells).filter((entry): entry is [string, Cell] => entry[1] !== undefined));
const upTo = (count: number): number[] => Array.from({ length: Math.min(count, MAX_PORTS) }, (_, i) => i + 1);

export const MAX_DEVICES = 256;
const MAX_PORTS = 255;
