/** Jobs for launchers: made, handed on and ended without a device. @spec verbs/5.4 */
import { VerbsError } from '../../base/verbs-error.ts';
import type { Cell, Row } from '../../uapi/rows.ts';
import type { Call } from '../call.ts';
import type { DeviceObject } from '../device-object.ts';
import type { DeviceJob, JobContainer } from '../job-registry.ts';
import type { Session } from '../session.ts';
import { Transaction } from '../transaction.ts';
import { type Page, pageOf, parsePlace } from './page.ts';
import { seesNamespace } from './visibility.ts';

/** The jobs that the reader sees. Capabilities are not among what is shown. */
export function jobPage(session: Session, name: string | undefined, after: string | undefined): Page {
  const [from] = parsePlace(after, 1) as [number];
  const rest = [...session.system.jobs.containers]
    .filter((one) => one.serial > from && (name === undefined || one.name === name))
    .filter(({ namespace }) => seesNamespace(session, namespace))
    .sort((a, b) => a.serial - b.serial);
  return pageOf(rest.map((one) => [[one.serial], jobRow(one)] as const));
}

function jobRow(container: JobContainer): Row {
  const { id, name, namespace, owner, maxAddresses, kept, realised } = container;
  const places = [...realised];
  const endpoints = places.flatMap((job) => endpointsOf(job));
  return {
    job: id,
    name,
    netns: namespace.name,
    pid: owner.pid,
    uid: owner.uid,
    kept,
    ...(maxAddresses === undefined ? {} : { max_addresses: maxAddresses }),
    devices: places.map(({ device, sgidIndex, id: own }) => {
      return `${device.name} gid_index ${sgidIndex}${own === id ? '' : ` job ${own}`}`;
    }),
    holders: places.flatMap(({ holders }) => [...holders].map(holderText)).slice(0, MAX_LISTED),
    addresses: places.reduce((sum, job) => sum + addressesOf(job), 0),
    endpoints: endpoints.slice(0, MAX_LISTED),
    endpoint_count: endpoints.length,
  };
}

export interface NewJob {
  readonly id: number;
  readonly name?: string | undefined;
  readonly maxAddresses?: number | undefined;
}

/** Makes a job that lives until it is deleted. @throws VerbsError `EINVAL` id 0, or a long name · `EEXIST` · `ENOSPC` */
export function addJob(session: Session, { id, name, maxAddresses }: NewJob, tx: Transaction): void {
  const call = 'JOBS.ADD';
  const { jobs } = session.system;
  const { namespace, credentials } = session;
  if (id === 0) throw new VerbsError('EINVAL', call, '0 is no number of a job', { try: 'a number from 1' });
  for (const one of jobs.containers) {
    if (one.id !== id || !one.kept || one.namespace !== namespace) continue;
    throw new VerbsError('EEXIST', call, `job ${id} exists`, { try: 'another number, or JOBS.DELETE' });
  }
  const owner = { pid: credentials.pid, uid: credentials.uid };
  tx.run(
    'job',
    () => jobs.add({ id, name, maxAddresses, namespace, owner, kept: true }),
    (made) => jobs.remove(made),
  );
}

/** @throws VerbsError `ENOENT` · `ENOTUNIQ` · `EPERM` the job is another user's · `ENOSPC` too many capabilities */
export function exportJob(session: Session, id: number, tx: Transaction): Uint8Array {
  const { jobs } = session.system;
  const container = jobToChange(session, 'JOBS.EXPORT', id);
  return tx.run(
    'capability',
    () => jobs.export(container),
    (made) => jobs.forget(made),
  );
}

/**
 * Ends a job everywhere: nobody joins any more, queue pairs of its holders fail, and their job keys are dead.
 *
 * @throws VerbsError `ENOENT` · `ENOTUNIQ` · `EPERM` the job is another user's · `EOPNOTSUPP` a driver cannot cut
 *   holders off; nothing was done
 */
export function deleteJob(session: Session, id: number): void {
  const call = 'JOBS.DELETE';
  const { jobs, now } = session.system;
  const container = jobToChange(session, call, id);
  for (const { device } of container.realised) {
    if (device.driver.ops.JOB?.REVOKE !== undefined) continue;
    throw new VerbsError('EOPNOTSUPP', call, `the driver ${device.driver.name} cannot cut holders off`, {
      object: `job ${id} on ${device.name}`,
      try: 'when its holders have let go',
    });
  }
  jobs.remove(container);
  for (const job of container.realised) {
    const [handle] = job.holders;
    if (handle === undefined) continue;
    for (const holder of job.holders) job.cut.add(holder);
    const { device } = job;
    const { context } = handle;
    const parts = { name: call, device, context, input: { handle, cut: 1 }, object: handle, now };
    const revoke = device.driver.ops.JOB!.REVOKE as (call: Call) => unknown;
    device.contained(() => {
      revoke({ ...parts, tx: new Transaction(), attachments: [], reply: [], reason: undefined } as unknown as Call);
    });
  }
}

function jobToChange(session: Session, call: string, id: number): JobContainer {
  const { rights, uid } = session.credentials;
  const found = [...session.system.jobs.containers].filter(
    (one) => one.id === id && seesNamespace(session, one.namespace),
  );
  const kept = found.filter((one) => one.kept);
  const [container, second] = kept.length > 0 ? kept : found;
  if (container === undefined) {
    throw new VerbsError('ENOENT', call, `there is no job ${id}`, { try: 'a job that JOBS.SHOW lists' });
  }
  if (second !== undefined) {
    throw new VerbsError('ENOTUNIQ', call, `several jobs have number ${id}`, {
      try: 'on the device of the job: JOB.EXPORT, JOB.REVOKE',
    });
  }
  if (rights.admin || container.owner.uid === uid) return container;
  throw new VerbsError('EPERM', call, `job ${id} belongs to user ${container.owner.uid}`, {
    try: 'its owner, or an administrator',
  });
}

/** Queue pairs that work for the job: those that were made with a job key of one of its holders. */
function endpointsOf({ device, sgidIndex, holders }: DeviceJob): string[] {
  const isOfJob = (key: DeviceObject) => key.kind === 'JKEY' && key.needs.some((one) => holders.has(one));
  return [...device.objects('QP').values()]
    .filter((qp) => qp.live && qp.needs.some(isOfJob))
    .map((qp) => {
      const { qpn } = described(qp);
      return `${device.name} gid_index ${sgidIndex} qpn ${String(qpn ?? qp.id)} ${holderText(qp)}`;
    });
}

function addressesOf({ holders }: DeviceJob): number {
  const [first] = holders;
  const used = first === undefined ? undefined : described(first).addresses;
  return typeof used === 'number' ? used : 0;
}

const described = (object: DeviceObject): Readonly<Record<string, Cell>> =>
  object.context.device.driver.describe?.(object) ?? {};

function holderText({ context }: DeviceObject): string {
  const { pid, name } = context.session.credentials;
  return `pid ${pid} comm ${name}`;
}

const MAX_LISTED = 64;
