/** Calls about contexts, protection domains, memory, addresses and jobs. */
import { DOORBELL_PAGE_BYTES, DoorbellPage } from '../abi/doorbell-page.ts';
import { VerbsError } from '../base/verbs-error.ts';
import { Access } from '../engine/status.ts';
import type { RawAddress } from './kernel-calls.ts';
import { attachShared, type Handlers, type KernelParts, refuseWhileUsed, tableFull } from './kernel-parts.ts';
import { AddressTable, type KernelContext, type KernelJob, type KernelRegion } from './objects.ts';

type Names =
  | 'openContext'
  | 'takeEvents'
  | 'allocatePd'
  | 'closePd'
  | 'registerMemory'
  | 'deregisterMemory'
  | 'createAddressHandle'
  | 'destroyAddressHandle'
  | 'createJob'
  | 'destroyJob'
  | 'setAddress'
  | 'getAddress'
  | 'removeAddress'
  | 'createJobKey'
  | 'destroyJobKey'
  | 'peer';

export function objectHandlers(parts: KernelParts): Handlers<Names> {
  const { host, registry, limits, transport, engine } = parts;
  const words = new Uint32Array(2);

  /** Finds an unused key, or checks the one that is asked for. */
  function chooseKey(pd: number, key: { lo: number; hi: number } | undefined): { lo: number; hi: number } {
    if (key === undefined) {
      for (;;) {
        host.randomWords(words);
        const made = { lo: words[0]!, hi: words[1]! & 0xffff };
        if (registry.keys.get(pd, made.lo, made.hi) === 0) return made;
      }
    }
    const given = `key 0x${((BigInt(key.hi >>> 0) << 32n) | BigInt(key.lo >>> 0)).toString(16)}`;
    if (key.hi >>> 0 > 0xffff) {
      throw new VerbsError('EINVAL', 'registerMemory', 'the upper 16 bits of a memory key are reserved', {
        given,
        try: 'a key below 2^48',
        see: 'uet:ses/5.1',
      });
    }
    if (registry.keys.get(pd, key.lo, key.hi) !== 0) {
      throw new VerbsError('EEXIST', 'registerMemory', 'this key is taken in the protection domain', {
        given,
        try: 'another key, or leave `key` out',
      });
    }
    return key;
  }

  function pathTo(call: string, to: RawAddress): number {
    if (to.address.length !== 16 || !(to.port >= 0 && to.port <= 0xffff)) {
      throw new VerbsError('EINVAL', call, 'this is not an address', { try: '16 bytes, and a port below 65536' });
    }
    const path = host.wire.path({ address: to.address.slice(), port: to.port === 0 ? transport.udpPort : to.port });
    if (path !== 0) return path;
    throw new VerbsError('ENOSPC', call, 'the device cannot remember another peer', {
      try: 'fewer distinct addresses',
    });
  }

  function peerOf(call: string, path: number): RawAddress {
    const peer = host.wire.peer(path);
    if (peer !== undefined) return { address: peer.address, port: peer.port };
    throw new VerbsError('ENOENT', call, `there is no path ${path}`, { try: '`path` of a completion of this device' });
  }

  function tableIndex(call: string, job: KernelJob, index: number): number {
    if (Number.isInteger(index) && index >= 0 && index < job.addresses.size) return index;
    throw new VerbsError('EINVAL', call, `the address table has no index ${index}`, {
      object: `job ${job.id} with ${job.addresses.size} entries`,
      try: `0 to ${job.addresses.size - 1}, or a job with a larger \`maxAddresses\``,
    });
  }

  function checkQpn(call: string, qpn: number): void {
    if (Number.isInteger(qpn) && qpn >= 0 && qpn <= 0xffff_ffff) return;
    throw new VerbsError('EINVAL', call, `${qpn} is not a queue pair number`, { try: 'a whole number of 32 bits' });
  }

  return {
    openContext({ page }) {
      const pageTarget = attachShared(host, 'open', 'doorbell page', page, DOORBELL_PAGE_BYTES);
      const context = registry.contexts.add<KernelContext>((handle) => ({
        handle,
        page: new DoorbellPage(pageTarget.bytes),
        pageTarget,
        objects: new Set(),
        slots: [],
        events: [],
        eventsArmed: false,
      }));
      if (context === undefined) {
        host.detachMemory(pageTarget);
        throw tableFull('open', 'context', limits.contexts);
      }
      registry.openContexts.push(context);
      return { context: context.handle };
    },

    takeEvents({ context: handle }) {
      const context = registry.context('events', handle);
      context.eventsArmed = context.events.length === 0;
      return context.events.splice(0, 64);
    },

    peer({ path }) {
      const peer = host.wire.peer(path);
      return peer === undefined ? undefined : { address: peer.address, port: peer.port };
    },

    allocatePd({ context: owner }) {
      const context = registry.context('allocatePd', owner);
      const pd = registry.pds.add((handle) => ({ handle, context, uses: 0, pid: -1 }));
      if (pd === undefined) throw tableFull('allocatePd', 'protection domain', limits.protectionDomains);
      context.objects.add(pd.handle);
      return { pd: pd.handle };
    },

    closePd({ context, pd: handle }) {
      const pd = registry.pd('ProtectionDomain.close', context, handle);
      refuseWhileUsed('ProtectionDomain.close', 'protection domain', pd.uses, 'regions, handles, keys and queue pairs');
      if (pd.pid >= 0) registry.pids.delete(pd.pid);
      registry.pds.remove(handle);
      pd.context.objects.delete(handle);
      return undefined;
    },

    registerMemory({ context, pd: pdHandle, memory, access, jobKey: keyHandle, key }) {
      const call = 'registerMemory';
      const pd = registry.pd(call, context, pdHandle);
      checkAccess(access);
      const jobKey = keyHandle === 0 ? undefined : registry.jobKey(call, context, keyHandle);
      if (jobKey !== undefined && jobKey.pd !== pd) throw foreign(call, 'job key');
      const chosen = chooseKey(pdHandle, key);
      const target = host.attachMemory(memory);
      const { length } = target.bytes;
      const refuse = (error: VerbsError): VerbsError => {
        host.detachMemory(target);
        return error;
      };
      if (length < 1 || length > limits.regionBytes) {
        throw refuse(
          new VerbsError('EINVAL', call, `a region of ${length} bytes cannot be registered`, {
            try: `1 to ${limits.regionBytes} bytes`,
          }),
        );
      }
      const number = host.dma.attach(target);
      if (number === 0) throw refuse(tableFull(call, 'memory region', host.dma.regions));
      const region = registry.regions.add<KernelRegion>((handle) => ({
        handle,
        context: pd.context,
        pd,
        region: number,
        target,
        length,
        rights: access,
        jobKey,
        keyLo: chosen.lo >>> 0,
        keyHi: chosen.hi >>> 0,
      }));
      if (region === undefined) {
        host.dma.detach(number);
        throw refuse(tableFull(call, 'memory region', limits.regions));
      }
      registry.keys.set(pdHandle, region.keyLo, region.keyHi, region.handle);
      pd.uses++;
      if (jobKey !== undefined) jobKey.uses++;
      pd.context.objects.add(region.handle);
      return { region: region.handle, lkey: region.handle, keyLo: region.keyLo, keyHi: region.keyHi };
    },

    deregisterMemory({ context, region: handle }) {
      const region = registry.region('deregister', context, handle);
      registry.keys.delete(region.pd.handle, region.keyLo, region.keyHi);
      host.dma.detach(region.region);
      registry.regions.remove(handle);
      region.pd.uses--;
      if (region.jobKey !== undefined) region.jobKey.uses--;
      region.context.objects.delete(handle);
      host.detachMemory(region.target);
      return undefined;
    },

    createAddressHandle({ context, pd: pdHandle, to, qpn }) {
      const call = 'createAddressHandle';
      const pd = registry.pd(call, context, pdHandle);
      checkQpn(call, qpn);
      const path = 'path' in to ? to.path : pathTo(call, to);
      const peer = peerOf(call, path);
      const made = registry.addresses.add((handle) => ({ handle, context: pd.context, pd, path, qpn: qpn >>> 0 }));
      if (made === undefined) throw tableFull(call, 'address handle', limits.addressHandles);
      pd.uses++;
      pd.context.objects.add(made.handle);
      return { handle: made.handle, path, peer };
    },

    destroyAddressHandle({ context, handle }) {
      const address = registry.address('AddressHandle.destroy', context, handle);
      registry.addresses.remove(handle);
      address.pd.uses--;
      address.context.objects.delete(handle);
      return undefined;
    },

    createJob({ context: owner, id, maxAddresses }) {
      const call = 'createJob';
      const context = registry.context(call, owner);
      const { maxJobId } = transport.attributes.limits;
      if (maxJobId === 0) throw new VerbsError('EOPNOTSUPP', call, `${transport.name} has no jobs`);
      if (!Number.isInteger(id) || id < 1 || id > maxJobId) {
        // larger ids would be cut on the wire and name somebody else's job
        throw new VerbsError('EINVAL', call, `${id} is not a job id of ${transport.name}`, { try: `1 to ${maxJobId}` });
      }
      if (registry.jobIds.has(id)) {
        throw new VerbsError('EEXIST', call, `job ${id} is alive on this device`, { try: 'another id, or that job' });
      }
      const entries = maxAddresses === undefined || maxAddresses === 0 ? DEFAULT_ADDRESSES : maxAddresses;
      if (!Number.isInteger(entries) || entries < 1 || entries > limits.addresses) {
        throw new VerbsError('EINVAL', call, `an address table cannot have ${entries} entries`, {
          try: `1 to ${limits.addresses}`,
        });
      }
      const addresses = new AddressTable(entries);
      const job = registry.jobs.add<KernelJob>((handle) => ({ handle, context, uses: 0, id, addresses }));
      if (job === undefined) throw tableFull(call, 'job', limits.jobs);
      registry.jobIds.add(id);
      engine.addJob(id);
      context.objects.add(job.handle);
      return { job: job.handle, maxAddresses: entries };
    },

    destroyJob({ context, job: handle }) {
      const job = registry.job('Job.destroy', context, handle);
      refuseWhileUsed('Job.destroy', `job ${job.id}`, job.uses, 'job keys');
      engine.removeJob(job.id);
      registry.jobIds.delete(job.id);
      registry.jobs.remove(handle);
      job.context.objects.delete(handle);
      return undefined;
    },

    setAddress({ context, job: handle, index, to, qpn }) {
      const call = 'addresses.set';
      const job = registry.job(call, context, handle);
      const at = tableIndex(call, job, index);
      checkQpn(call, qpn);
      job.addresses.paths[at] = pathTo(call, to);
      job.addresses.qpns[at] = qpn;
      return undefined;
    },

    getAddress({ context, job: handle, index }) {
      const call = 'addresses.get';
      const job = registry.job(call, context, handle);
      const at = tableIndex(call, job, index);
      const path = job.addresses.paths[at]!;
      return path === 0 ? undefined : { peer: peerOf(call, path), qpn: job.addresses.qpns[at]! };
    },

    removeAddress({ context, job: handle, index }) {
      const job = registry.job('addresses.remove', context, handle);
      job.addresses.paths[tableIndex('addresses.remove', job, index)] = 0;
      return undefined;
    },

    createJobKey({ context, pd: pdHandle, job: jobHandle }) {
      const call = 'createJobKey';
      const pd = registry.pd(call, context, pdHandle);
      const job = registry.job(call, context, jobHandle);
      const key = registry.jobKeys.add((handle) => ({ handle, context: pd.context, uses: 0, pd, job }));
      if (key === undefined) throw tableFull(call, 'job key', limits.jobKeys);
      pd.uses++;
      job.uses++;
      pd.context.objects.add(key.handle);
      return { jobKey: key.handle };
    },

    destroyJobKey({ context, jobKey: handle }) {
      const key = registry.jobKey('JobKey.destroy', context, handle);
      refuseWhileUsed('JobKey.destroy', 'job key', key.uses, 'queue pairs and regions');
      registry.jobKeys.remove(handle);
      key.pd.uses--;
      key.job.uses--;
      key.context.objects.delete(handle);
      return undefined;
    },
  };
}

function checkAccess(access: number): void {
  if (!Number.isInteger(access) || access < 0 || access > ALL_RIGHTS) {
    throw new VerbsError('EINVAL', 'registerMemory', `${access} is not a set of access rights`);
  }
  const writes = access & (Access.REMOTE_WRITE | Access.REMOTE_ATOMIC);
  if (writes === 0 || (access & Access.LOCAL_WRITE) !== 0) return;
  throw new VerbsError('EINVAL', 'registerMemory', 'memory that peers may write must be writable locally', {
    missing: 'local-write',
    try: "add 'local-write' to `access`",
  });
}

function foreign(call: string, what: string): VerbsError {
  return new VerbsError('EINVAL', call, `the ${what} belongs to another protection domain`, {
    try: `a ${what} made from this domain`,
  });
}

const DEFAULT_ADDRESSES = 256;
const ALL_RIGHTS = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC;
