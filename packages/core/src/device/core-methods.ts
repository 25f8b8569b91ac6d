/**
 * Methods that are the same for every driver: finding and opening devices, what a context has, events, channels,
 * mappings; and jobs, whose sharing is the core's business while their device part is the driver's.
 */
import { VerbsError } from '../base/verbs-error.ts';
import { UAPI } from '../uapi/index.ts';
import { checkRoom, encodeAnswer, type RequestHeader } from '../uapi/message.ts';
import type { Row } from '../uapi/rows.ts';
import { inputsOf, type Method } from '../uapi/schema.ts';
import { callOf } from './call.ts';
import { ChannelQueue } from './channel-queue.ts';
import type { Device } from './device.ts';
import type { DeviceObject } from './device-object.ts';
import type { Driver } from './driver.ts';
import { EventFile } from './event-file.ts';
import { jobMethods } from './job-methods.ts';
import type { MethodEntry } from './method-table.ts';
import type { Rights, Session } from './session.ts';
import { Transaction } from './transaction.ts';

type Served = Readonly<Record<string, MethodEntry['serve']>>;
type SystemMethod = Pick<MethodEntry, 'name' | 'method' | 'inputs'> & {
  readonly list: (session: Session) => Readonly<Record<string, unknown>>;
};

/** Calls without a context, by number. */
export const systemMethods: ReadonlyMap<number, SystemMethod> = new Map(
  (['LIST', 'OPEN'] as const).map((name) => {
    const method: Method = UAPI.DEVICE.methods[name];
    const list = (session: Session) => ({ devices: [...session.system.visible(session.namespace)].map(deviceRow) });
    return [method.id, { name: `DEVICE.${name}`, method, inputs: inputsOf(method), list }];
  }),
);

/** A device, for lists. */
export function deviceRow(device: Device): Row {
  return {
    index: device.index,
    name: device.name,
    driver: device.driver.name,
    transports: device.driver.transports,
    state: device.state,
    netns: device.namespace.name,
    contexts: device.contexts.size,
    ...(device.parent === undefined ? {} : { parent: device.parent.name }),
  };
}

/** DEVICE.OPEN: a context and what its user half needs to begin. */
export function openDevice(
  session: Session,
  entry: Pick<MethodEntry, 'name' | 'method'>,
  input: Readonly<Record<string, unknown>>,
  header: RequestHeader,
  attachments: readonly unknown[],
  reply: unknown[],
): Uint8Array {
  const { device: name, rights } = input as { device?: string; rights?: number };
  const device = chooseDevice(session, name);
  if (header.driver !== 0 && header.driver !== device.driver.number) {
    throw new VerbsError('EINVAL', entry.name, `the caller was made for driver ${header.driver}`, {
      object: `device ${device.name} of driver ${device.driver.number} (${device.driver.name})`,
    });
  }
  return device.guard(() => {
    const tx = new Transaction(session.system.inject);
    try {
      tx.reach('charge');
      const context = session.openContext(device, keep(session.credentials.rights, rights));
      tx.onUndo(() => session.closeContext(context));
      const call = callOf(entry.name, context, input, undefined, tx, attachments, reply);
      const more = device.driver.openContext?.(context, call) ?? {};
      // closing ends what the driver did as well
      tx.join(0, () => session.closeContext(context));
      const output = {
        context: context.number,
        wake: context.defaultEvents.wake,
        page: 0,
        pageBytes: 0,
        driver: device.driver.number,
        features: FEATURES,
        events: context.defaultEventsHandle,
        ...more,
      };
      tx.reach('answer');
      const bytes = encodeAnswer(entry.method, output, header.cookie);
      checkRoom(bytes.length, header, entry.name);
      return bytes;
    } catch (thrown) {
      tx.rollback();
      throw thrown;
    }
  });
}

/** What the core serves itself on a device of this driver. */
export function coreMethods(driver: Driver): Served {
  return {
    'DEVICE.CLOSE': ({ context }) => {
      context.session.closeContext(context);
      return undefined;
    },
    'DEVICE.INFO_HANDLES': ({ context, input }) => {
      const { object } = input as { object: number };
      const all = [...context.objects.values()].filter((one) => one.live && one.schema.id === object);
      const handles = all.sort((a, b) => a.born - b.born).map((one) => one.handle);
      return { handles: handles.slice(0, MAX_HANDLES), more: Math.max(0, handles.length - MAX_HANDLES) };
    },
    'DEVICE.QUERY_METHODS': ({ device }) => ({
      methods: [...device.methods.values()].map(({ name, object, method }) => ({
        name,
        object: object.id,
        method: method.id,
      })),
    }),
    'DEVICE.MAP': ({ context, input, reply }) => {
      const { offset, length } = input as { offset: number; length: number };
      reply.push(context.maps.map(offset, length));
      return undefined;
    },
    'DEVICE.UNMAP': ({ context, input }) => {
      if (!context.dead) context.maps.unmap((input as { offset: number }).offset);
      return undefined;
    },
    'ASYNC_EVENT.ALLOC': ({ context, object, device }) => {
      const file = new EventFile(context.session.nextWake(), device.limits.events);
      object.state = file;
      context.eventFiles.set(object.handle, file);
      return { wake: file.wake };
    },
    'ASYNC_EVENT.READ': ({ context, input, tx }) => {
      const { handle } = input as { handle?: number };
      const file = handle === undefined ? context.defaultEvents : context.eventFiles.get(handle);
      if (file === undefined) {
        throw new VerbsError('ENOENT', 'ASYNC_EVENT.READ', `there is no event file ${handle}`, {
          try: 'ASYNC_EVENT.ALLOC',
        });
      }
      const events = file.take();
      tx.onUndo(() => file.putBack(events));
      return { events, end: file.ended ? 1 : 0 };
    },
    'ASYNC_EVENT.FREE': ({ context, object }) => {
      // a device that goes tells its readers first, and they may read that afterwards
      if (context.dead) return undefined;
      const file = object.state as EventFile;
      context.eventFiles.delete(object.handle);
      if (file.end()) context.session.wake(file.wake);
      return undefined;
    },
    ...(driver.ops.CQ === undefined ? {} : CHANNELS),
    ...jobMethods(driver),
  };
}

const CHANNELS: Served = {
  'COMP_CHANNEL.CREATE': ({ context, object }) => {
    const queue = new ChannelQueue(context.session.nextWake());
    object.state = queue;
    object.wake = queue.wake;
    context.wakes.add(queue.wake);
    return { wake: queue.wake };
  },
  'COMP_CHANNEL.READ': ({ input, tx }) => {
    const channel = (input as unknown as { handle: DeviceObject }).handle.state as ChannelQueue;
    const queues = channel.take();
    tx.onUndo(() => channel.putBack(queues));
    return { queues };
  },
  'COMP_CHANNEL.DESTROY': ({ context, object }) => {
    context.wakes.delete(object.wake);
    context.session.wake(object.wake);
    return undefined;
  },
};

function chooseDevice(session: Session, name: string | undefined): Device {
  const { system, namespace } = session;
  if (name !== undefined) {
    const found = system.find(name, namespace);
    if (found !== undefined) return found;
    if (system.findAnywhere(name) !== undefined) {
      throw new VerbsError('EPERM', 'DEVICE.OPEN', `device ${name} belongs to another namespace`, {
        try: 'a device of this namespace, or shared mode',
      });
    }
    throw new VerbsError('ENXIO', 'DEVICE.OPEN', `there is no device ${name}`, { try: known(session) });
  }
  const [only, second] = system.visible(namespace);
  if (only !== undefined && second === undefined) return only;
  throw new VerbsError(only === undefined ? 'ENXIO' : 'ENOTUNIQ', 'DEVICE.OPEN', 'the call does not say which device', {
    try: known(session),
  });
}

function known({ system, namespace }: Session): string {
  const names = [...system.visible(namespace)].map((one) => one.name);
  return names.length === 0 ? 'add a device first' : names.slice(0, 8).join(', ');
}

/** Rights can only become fewer. */
function keep(all: Rights, bits: number | undefined): Rights {
  if (bits === undefined) return all;
  return { admin: all.admin && (bits & 1) !== 0, job: all.job && (bits & 2) !== 0, raw: all.raw && (bits & 4) !== 0 };
}

/** Bits: 1 hints are ignored when unknown · 2 driver data is checked. */
const FEATURES = 3;
const MAX_HANDLES = 8192;
