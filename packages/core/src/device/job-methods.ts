/** Jobs: many holders share one job of a device, and one job may be realised on many devices. @spec verbs/5.4 */
import { VerbsError } from '../base/verbs-error.ts';
import type { Row } from '../uapi/rows.ts';
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

  /** The job at an address entry of this device: the one that is there, or a new one. */
  function join(call: Call, container: JobContainer, id: number): DeviceJob {
    const { device, object, tx } = call;
    const { sgidIndex } = call.input as { sgidIndex?: number };
    const job = container.on(device, sgidIndex) ?? make(call, container, id, sgidIndex ?? 0);
    object.state = job;
    job.holders.add(object);
    tx.onUndo(() => leave(call, job));
    return job;
  }

  function make(call: Call, container: JobContainer, id: number, sgidIndex: number): DeviceJob {
    const { device, object } = call;
    const { jobs } = device.system;
    if (jobs.at(device, sgidIndex, id) !== undefined) {
      throw new VerbsError('EEXIST', call.name, `job ${id} is alive at address entry ${sgidIndex} of ${device.name}`, {
        try: 'another id, or JOB.IMPORT with a capability of that job',
      });
    }
    const own = { ...call, input: { id, sgidIndex, maxAddresses: container.maxAddresses } } as unknown as Call;
    const { entries } = realise!(own);
    const job: DeviceJob = {
      container,
      device,
      id,
      state: object.state,
      entries,
      sgidIndex,
      holders: new Set(),
      cut: new WeakSet(),
    };
    jobs.realise(job);
    return job;
  }

  function leave(call: Call, job: DeviceJob): void {
    const { device, object } = call;
    if (!job.holders.delete(object) || job.holders.size > 0) return;
    end!({ ...call, object: Object.assign(Object.create(object), { state: job.state }) as DeviceObject });
    device.system.jobs.release(job);
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
      return { entries: join(call, container, container.idOn(call.device)).entries };
    },
    'JOB.DEALLOC': (call) => {
      // an import that fails before it has joined holds nothing
      if (call.object.state !== undefined) leave(call, deviceJobOf(call.object));
      return undefined;
    },
    'JOB.EXPORT': (call) => {
      const { jobs } = call.device.system;
      const { container, cut } = deviceJobOf(handleOf(call));
      if (cut.has(handleOf(call))) {
        throw new VerbsError('EACCES', call.name, 'the job was taken away from this holder', {
          try: 'a new capability of the job, from who made it',
        });
      }
      const token = call.tx.run(
        'capability',
        () => jobs.export(container),
        (made) => jobs.forget(made),
      );
      return { token };
    },
    'JOB.REVOKE': (call) => {
      const { cut } = call.input as { cut?: number };
      const { container } = deviceJobOf(handleOf(call));
      if (cut === 1) {
        // all of them or none
        const revokes = [...container.realised].map((job) => [job, revokeOf(call, job)] as const);
        for (const [job, revoke] of revokes) cutOff(call, job, revoke);
      }
      call.device.system.jobs.revoke(container);
      return undefined;
    },
    'JOB.QUERY': (call) => {
      const job = deviceJobOf(handleOf(call));
      const { container, entries, sgidIndex, holders } = job;
      const more = driver.ops.JOB?.QUERY?.(call as never) as { attributes: Row } | undefined;
      return {
        attributes: {
          entries,
          sgid_index: sgidIndex,
          holders: holders.size,
          name: container.name,
          ...more?.attributes,
          // who may use a job need not know its number
          ...(call.context.rights.job ? { id: job.id } : {}),
        },
      };
    },
  };
}

type Revoke = (call: Call) => unknown;

function revokeOf({ name }: Call, { device: { driver } }: DeviceJob): Revoke {
  const revoke = driver.ops.JOB?.REVOKE as Revoke | undefined;
  if (revoke !== undefined) return revoke;
  throw new VerbsError('EOPNOTSUPP', name, `the driver ${driver.name} cannot cut holders off`, {
    try: 'REVOKE without `cut`: nobody joins any more',
  });
}

/** Fails the queue pairs of a job's other holders, on whatever device it is. */
function cutOff(call: Call, job: DeviceJob, revoke: Revoke): void {
  const own = handleOf(call);
  for (const one of job.holders) if (one.context.session !== own.context.session) job.cut.add(one);
  const [first] = job.holders;
  const handle = own.state === job ? own : first;
  revoke({ ...call, device: job.device, input: { handle, cut: 1 } } as unknown as Call);
}

const handleOf = (call: Call): DeviceObject => (call.input as unknown as { handle: DeviceObject }).handle;
