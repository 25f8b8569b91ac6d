/** Jobs: many holders share one job of a device, and one job may be realised on many devices. @spec verbs/5.4 */
import { VerbsError } from '../base/verbs-error.ts';
import type { Call } from './call.ts';
import type { DeviceObject } from './device-object.ts';
import type { Driver } from './driver.ts';
import type { DeviceJob, JobContainer } from './job-registry.ts';
import type { MethodEntry } from './method-table.ts';

type Served = Readonly<Record<string, MethodEntry['serve']>>;
type Realise = (call: Call) => { readonly entries: number };

/** What a JOB object's state is for the core; `job.state` is the driver's. */
export function deviceJobOf(object: DeviceObject): DeviceJob {
  return object.state as DeviceJob;
}

export function jobMethods(driver: Driver): Served {
  const realise = driver.ops.JOB?.ALLOC as Realise | undefined;
  const end = driver.ops.JOB?.DEALLOC as ((call: Call) => unknown) | undefined;
  if (realise === undefined || end === undefined) return {};

  /** The job on this device: the one that is there, or a new one. */
  function join(call: Call, container: JobContainer, id: number): DeviceJob {
    const { device, object, tx } = call;
    const there = container.onDevices.get(device);
    const job = there ?? make(call, container, id);
    object.state = job;
    job.holders.add(object);
    tx.onUndo(() => leave(call, job));
    return job;
  }

  function make(call: Call, container: JobContainer, id: number): DeviceJob {
    const { device, object, input } = call;
    const { sgidIndex = 0 } = input as { sgidIndex?: number };
    if (device.system.jobs.onDevice(device, id) !== undefined) {
      throw new VerbsError('EEXIST', call.name, `job ${id} is alive on ${device.name}`, {
        try: 'another id, or JOB.IMPORT with a capability of that job',
      });
    }
    const own = { ...call, input: { id, sgidIndex, maxAddresses: container.maxAddresses } } as unknown as Call;
    const { entries } = realise!(own);
    const job: DeviceJob = { container, id, state: object.state, entries, sgidIndex, holders: new Set() };
    container.onDevices.set(device, job);
    return job;
  }

  function leave(call: Call, job: DeviceJob): void {
    const { device, object } = call;
    if (!job.holders.delete(object) || job.holders.size > 0) return;
    end!({ ...call, object: Object.assign(Object.create(object), { state: job.state }) as DeviceObject });
    job.container.onDevices.delete(device);
    device.system.jobs.release(job.container, device);
  }

  return {
    'JOB.ALLOC': (call) => {
      const { id, maxAddresses, name } = call.input as { id: number; maxAddresses?: number; name?: string };
      const { session } = call.context;
      const { jobs } = session.system;
      const owner = { pid: session.credentials.pid, uid: session.credentials.uid };
      const container = call.tx.run(
        'job',
        () => jobs.add({ id, name, maxAddresses, namespace: session.namespace, owner }),
        (made) => jobs.remove(made),
      );
      return { entries: join(call, container, id).entries };
    },
    'JOB.IMPORT': (call) => {
      const { token } = call.input as { token: Uint8Array };
      const container = call.device.system.jobs.import(token);
      if (container === undefined) {
        throw new VerbsError('EBADF', call.name, 'this is no capability of a job, or it was revoked', {
          try: 'what JOB.EXPORT gave to a holder of the job',
        });
      }
      return { entries: join(call, container, container.id).entries };
    },
    'JOB.DEALLOC': (call) => {
      // an import that fails before it has joined holds nothing
      if (call.object.state !== undefined) leave(call, deviceJobOf(call.object));
      return undefined;
    },
    'JOB.EXPORT': (call) => ({
      token: call.device.system.jobs.export(deviceJobOf(handleOf(call)).container),
    }),
    'JOB.REVOKE': (call) => {
      const { cut } = call.input as { cut?: number };
      const job = deviceJobOf(handleOf(call));
      call.device.system.jobs.revoke(job.container);
      if (cut === 1) driver.ops.JOB?.REVOKE?.(call as never);
      return undefined;
    },
    'JOB.QUERY': (call) => {
      const job = deviceJobOf(handleOf(call));
      const { container, entries, sgidIndex, holders } = job;
      return {
        attributes: {
          entries,
          sgid_index: sgidIndex,
          holders: holders.size,
          name: container.name,
          // who may use a job need not know its number
          ...(call.context.rights.job ? { id: job.id } : {}),
          ...driver.describe?.(handleOf(call)),
        },
      };
    },
  };
}

const handleOf = (call: Call): DeviceObject => (call.input as unknown as { handle: DeviceObject }).handle;
