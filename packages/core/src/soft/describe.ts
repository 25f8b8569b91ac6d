/** Named values of a software device's objects, for tools. */
import type { DeviceObject } from '../device/device-object.ts';
import { deviceJobOf } from '../device/job-methods.ts';
import type { Row } from '../uapi/rows.ts';
import type {
  SoftAddressHandle,
  SoftCompletionQueue,
  SoftCounter,
  SoftJob,
  SoftJobKey,
  SoftPd,
  SoftQueuePair,
  SoftRegion,
  SoftSharedQueue,
  SoftWindow,
} from './objects.ts';

export function describeObject(object: DeviceObject): Row {
  return DESCRIBERS[object.kind]?.(object.state, object) ?? {};
}

// biome-ignore lint/suspicious/noExplicitAny: the state of each kind is what this driver put there
const DESCRIBERS: Readonly<Record<string, (state: any, object: DeviceObject) => Row>> = {
  PD: ({ pid }: SoftPd) => (pid < 0 ? {} : { pid_on_fep: pid }),
  MR: ({ handle, length, rights, jobKey, parent, attached, windows, invalid }: SoftRegion) => ({
    lkey: handle,
    length,
    access: rights,
    job: jobKey?.job.id ?? 0,
    derived: parent !== undefined,
    windows,
    ...(attached === undefined ? {} : { attached: attached.size }),
    ...(invalid ? { invalid } : {}),
  }),
  MW: ({ handle, type, region, offset, length }: SoftWindow) => ({
    number: handle,
    type,
    bound: region !== undefined,
    ...(region === undefined ? {} : { mr: region.object.id, offset, length }),
  }),
  SRQ: ({ receives, limit, users }: SoftSharedQueue) => ({
    entries: receives.ring.size,
    limit,
    queue_pairs: users.size,
  }),
  COMP_CNTR: ({ unit, successes, errors }: SoftCounter) => ({ unit, successes, errors }),
  AH: ({ path, qpn, link }: SoftAddressHandle) => ({ path, qpn, gid_index: link.index }),
  CQ: ({ entries, failed }: SoftCompletionQueue) => ({ entries, failed }),
  QP: (qp: SoftQueuePair) => ({
    qpn: qp.qpn,
    port: qp.link.port,
    type: qp.type,
    state: qp.state,
    transport: qp.link.transport.name,
    gid_index: qp.link.index,
    job: qp.jobKey?.job.id ?? 0,
    ordered: qp.ordered,
    send_cq: qp.sendCq.object.id,
    recv_cq: qp.recvCq.object.id,
    sends_in_flight: qp.sends.inFlight,
    receives_in_flight: qp.srq === undefined ? qp.receives.inFlight : 0,
    ...(qp.srq === undefined ? {} : { srq: qp.srq.object.id }),
  }),
  JOB: (_, object) => {
    const { id, state, container } = deviceJobOf(object);
    return { job: id, name: container.name, addresses: (state as SoftJob).addresses.used };
  },
  JKEY: ({ job, handle }: SoftJobKey) => ({ job: job.id, value: handle }),
};
