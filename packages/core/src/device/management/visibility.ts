/**
 * What a reader may see. Devices: as its namespace sees them. What belongs to programs: all of it from the first
 * namespace, else only what is of the reader's own.
 * @spec rdma-core 17 · rdma-core 19.1
 */
import { VerbsError } from '../../base/verbs-error.ts';
import type { Device } from '../device.ts';
import type { Namespace } from '../namespace.ts';
import type { Session } from '../session.ts';

/** Whether the reader sees programs, jobs and events of a namespace. */
export function seesNamespace({ system, namespace }: Session, owner: Namespace): boolean {
  return namespace === system.initialNamespace || namespace === owner;
}

/** Whether the reader sees everything there is. */
export const seesAll = ({ system, namespace }: Session): boolean => namespace === system.initialNamespace;

/** Devices that the reader sees, by index; with a name, that one. @throws VerbsError ENODEV */
export function devicesOf(session: Session, call: string, name: string | undefined): Device[] {
  if (name !== undefined) return [deviceOf(session, call, name)];
  return [...session.system.visible(session.namespace)].sort((a, b) => a.index - b.index);
}

/** A device that the reader sees. @throws VerbsError ENODEV */
export function deviceOf({ system, namespace }: Session, call: string, name: string): Device {
  const device = system.find(name, namespace);
  if (device !== undefined) return device;
  const names = [...system.visible(namespace)].map((one) => one.name);
  throw new VerbsError('ENODEV', call, `there is no device ${name}`, {
    try: names.length === 0 ? 'add a device first' : names.slice(0, 8).join(', '),
  });
}

/** A device to change: from the first namespace also one that was moved away. @throws VerbsError ENODEV */
export function deviceToChange(session: Session, call: string, name: string): Device {
  const { system, namespace } = session;
  const device = system.find(name, namespace) ?? (seesAll(session) ? system.findAnywhere(name) : undefined);
  return device ?? deviceOf(session, call, name);
}
