/** What the management channel does. Reading is free; changing needs the administrative right. @spec rdma-core 19.2 */
import { VerbsError } from '../base/verbs-error.ts';
import { MANAGEMENT, type ManagementObject } from '../uapi/management/index.ts';
import type { Input, Method } from '../uapi/schema.ts';
import type { Device } from './device.ts';
import type { CallOutput } from './driver.ts';
import type { MethodEntry } from './method-table.ts';
import { type ResourcePage, resourcePage } from './resource-page.ts';
import type { Session } from './session.ts';

/** One method of the management channel. */
export interface ManagementEntry extends Pick<MethodEntry, 'name' | 'method' | 'inputs'> {
  readonly serve: (session: Session, input: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
}

type Serve<M extends Method> = (session: Session, input: Input<M>) => CallOutput<M>;
type Handlers = {
  readonly [O in ManagementObject]: {
    readonly [M in keyof (typeof MANAGEMENT)[O]['methods']]: (typeof MANAGEMENT)[O]['methods'][M] extends Method
      ? Serve<(typeof MANAGEMENT)[O]['methods'][M]>
      : never;
  };
};

const HANDLERS: Handlers = {
  RESOURCE: {
    CENSUS: (session, { device }) => ({ counts: deviceOf(session, 'RESOURCE.CENSUS', device).census() }),
    SHOW: (session, input): ResourcePage => resourcePage(session, input),
  },
  STATISTIC: {
    SHOW: (session, { device }) => ({ counters: countersOf(deviceOf(session, 'STATISTIC.SHOW', device)) }),
  },
};

/** Methods by object and method number. */
export const managementMethods: ReadonlyMap<number, ManagementEntry> = new Map(
  Object.entries(MANAGEMENT).flatMap(([objectName, object]) =>
    Object.entries(object.methods as Readonly<Record<string, Method>>).map(([name, method]) => {
      const inputs = new Map(
        Object.entries(method.attributes)
          .filter(([, { direction }]) => direction === 'in')
          .map(([label, attribute]) => [attribute.id, [label, attribute] as const]),
      );
      const handlers = HANDLERS[objectName as ManagementObject] as unknown as Readonly<
        Record<string, ManagementEntry['serve']>
      >;
      return [
        object.id * 0x1_0000 + method.id,
        { name: `${objectName}.${name}`, method, inputs, serve: handlers[name]! },
      ];
    }),
  ),
);

/** A device that the caller may see. @throws VerbsError ENODEV */
export function deviceOf({ system, namespace }: Session, call: string, name: string): Device {
  const device = system.find(name, namespace);
  if (device !== undefined) return device;
  const names = [...system.visible(namespace)].map((one) => one.name);
  throw new VerbsError('ENODEV', call, `there is no device ${name}`, {
    try: names.length === 0 ? 'add a device first' : names.slice(0, 8).join(', '),
  });
}

function countersOf(device: Device): Record<string, number> {
  return { ...device.driver.counters?.() };
}
