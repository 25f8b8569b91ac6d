/** Peers, jobs and job keys of a software device. */

import { VerbsError } from '../base/verbs-error.ts';
import type { Call } from '../device/call.ts';
import type { DeviceObject } from '../device/device-object.ts';
import type { DriverOps } from '../device/driver.ts';
import { deviceJobOf } from '../device/job-methods.ts';
import { type KernelParts, linkOf, stateOf, tableFull } from './kernel-parts.ts';
import type { Link } from './link.ts';
import { AddressTable, type SoftAddressHandle, type SoftJob, type SoftJobKey, type SoftPd } from './objects.ts';
import type { Publisher } from './publisher.ts';
import { failQueuePair } from './queue-pair-states.ts';

export interface AddressValue {
  readonly address: Uint8Array;
  readonly port: number;
  readonly sgidIndex: number;
}

export function addressOps(parts: KernelParts, publisher: Publisher): Pick<DriverOps, 'AH' | 'JOB' | 'JKEY'> {
  const { registry, limits } = parts;

  function tableIndex(call: Call, job: SoftJob, index: number): number {
    if (index < job.addresses.size) return index;
    throw new VerbsError('EINVAL', call.name, `the address table has no index ${index}`, {
      object: `job ${job.id} with ${job.addresses.size} entries`,
      try: `0 to ${job.addresses.size - 1}, or a job with a larger \`maxAddresses\``,
    });
  }

  return {
    AH: {
      CREATE(call) {
        const { pd, to, path, qpn = 0, sgidIndex } = call.input;
        const link = linkOf(parts, call.name, to?.sgidIndex ?? sgidIndex);
        if ((to === undefined) === (path === undefined)) {
          throw new VerbsError('EINVAL', call.name, 'the peer is named by an address, or by a path', {
            missing: to === undefined ? 'to, or path' : '',
            try: 'one of both',
          });
        }
        const pathGiven = to === undefined ? path! : pathTo(call.name, link, to);
        const peer = peerOf(call.name, link, pathGiven);
        const owner = stateOf<SoftPd>(pd);
        const made = registry.addresses.add<SoftAddressHandle>((handle) => ({
          handle,
          pd: owner,
          link,
          path: pathGiven,
          qpn,
        }));
        if (made === undefined) throw tableFull(call.name, 'address handle', limits.addressHandles);
        call.object.state = made;
        return { number: made.handle, pathGiven, peer };
      },
      DESTROY({ object }) {
        registry.addresses.remove(stateOf<SoftAddressHandle>(object).handle);
      },
    },
    JOB: {
      ALLOC(call) {
        const { id, maxAddresses, sgidIndex } = call.input;
        const link = linkOf(parts, call.name, sgidIndex);
        const { transport, engine } = link;
        const { maxJobId } = transport.attributes.limits;
        if (maxJobId === 0) throw new VerbsError('EOPNOTSUPP', call.name, `${transport.name} has no jobs`);
        if (id < 1 || id > maxJobId) {
          // larger ids would be cut on the wire and name somebody else's job
          throw new VerbsError('EINVAL', call.name, `${id} is not a job id of ${transport.name}`, {
            try: `1 to ${maxJobId}`,
          });
        }
        const entries = maxAddresses === undefined || maxAddresses === 0 ? DEFAULT_ADDRESSES : maxAddresses;
        if (entries > limits.addresses) {
          throw new VerbsError('EINVAL', call.name, `an address table cannot have ${entries} entries`, {
            try: `1 to ${limits.addresses}`,
          });
        }
        const addresses = new AddressTable(entries);
        const job = registry.jobs.add<SoftJob>((handle) => ({ handle, id, link, addresses, ended: false }));
        if (job === undefined) throw tableFull(call.name, 'job', limits.jobs);
        engine.addJob(id);
        call.object.state = job;
        return { entries };
      },
      DEALLOC({ object }) {
        const job = stateOf<SoftJob>(object);
        if (!job.ended) job.link.engine.removeJob(job.id);
        registry.jobs.remove(job.handle);
      },
      QUERY({ input }) {
        return { attributes: { addresses: jobOf(input.handle).addresses.used } };
      },
      ADDR_INSERT(call) {
        const { handle, index, to, qpn } = call.input;
        const job = jobOf(handle);
        checkHolder(call.name, handle);
        const at = tableIndex(call, job, index);
        job.addresses.paths[at] = pathTo(call.name, job.link, to);
        job.addresses.qpns[at] = qpn;
      },
      ADDR_QUERY(call) {
        const job = jobOf(call.input.handle);
        const at = tableIndex(call, job, call.input.index);
        const path = job.addresses.paths[at]!;
        if (path === 0) {
          throw new VerbsError('ENOENT', call.name, `entry ${at} of the address table is empty`, {
            try: 'JOB.ADDR_INSERT',
          });
        }
        return { to: peerOf(call.name, job.link, path), qpn: job.addresses.qpns[at]! };
      },
      ADDR_REMOVE(call) {
        const job = jobOf(call.input.handle);
        checkHolder(call.name, call.input.handle);
        job.addresses.paths[tableIndex(call, job, call.input.index)] = 0;
      },
      REVOKE({ input, now }) {
        const job = deviceJobOf(input.handle);
        for (const key of registry.jobKeys.values()) {
          if (key.job !== job.state || !job.cut.has(key.holder)) continue;
          key.revoked = true;
          // requests that name it fail from now on
          registry.jobKeys.remove(key.handle);
        }
        for (const qp of registry.qps.values()) if (qp.jobKey?.revoked === true) failQueuePair(registry, qp, now);
        publisher.publish(now);
        const soft = jobOf(input.handle);
        if (soft.ended || [...job.holders].some((one) => !job.cut.has(one))) return;
        soft.ended = true;
        soft.link.engine.removeJob(soft.id);
      },
    },
    JKEY: {
      CREATE(call) {
        const pd = stateOf<SoftPd>(call.input.pd);
        const holder = call.input.job;
        const job = jobOf(holder);
        checkHolder(call.name, holder);
        const key = registry.jobKeys.add<SoftJobKey>((handle) => ({ handle, pd, job, holder, revoked: false }));
        if (key === undefined) throw tableFull(call.name, 'job key', limits.jobKeys);
        call.object.state = key;
        return { value: key.handle };
      },
      DESTROY({ object }) {
        registry.jobKeys.remove(stateOf<SoftJobKey>(object).handle);
      },
    },
  };
}

/** A job as holders share it. */
export const jobOf = (object: DeviceObject): SoftJob => deviceJobOf(object).state as SoftJob;

/** @throws VerbsError EACCES the holder was cut off */
export function checkHolder(call: string, holder: DeviceObject): void {
  if (deviceJobOf(holder).cut.has(holder)) throw cutOff(call);
}

/** The job was taken away from whoever asks. */
export function cutOff(call: string): VerbsError {
  return new VerbsError('EACCES', call, 'the job was taken away from this holder', {
    try: 'a new capability of the job, from who made it',
  });
}

/** The path to an address. @throws VerbsError `EINVAL` no address · `ENOSPC` too many peers */
export function pathTo(call: string, link: Link, { address, port }: AddressValue): number {
  if (port > 0xffff) throw new VerbsError('EINVAL', call, `${port} is not a port`, { try: '1 to 65535' });
  const path = link.wire.path({ address, port: port === 0 ? link.transport.udpPort : port });
  if (path !== 0) return path;
  throw new VerbsError('ENOSPC', call, 'the device cannot remember another peer', { try: 'fewer distinct addresses' });
}

export function peerOf(call: string, link: Link, path: number): AddressValue {
  const peer = link.wire.peer(path);
  if (peer !== undefined) return { address: peer.address, port: peer.port, sgidIndex: link.index };
  throw new VerbsError('ENOENT', call, `there is no path ${path}`, { try: '`path` of a completion of this device' });
}

const DEFAULT_ADDRESSES = 256;
