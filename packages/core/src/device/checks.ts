/** Rules that hold for every driver, checked before it is asked. @spec rdma-core 15 · rdma-core 21 · verbs/5.7 */
import { VerbsError } from '../base/verbs-error.ts';
import { ACCESS_FLAGS } from '../uapi/objects/mr.ts';
import type { Call } from './call.ts';
import { DeviceObject } from './device-object.ts';

type Check = (call: Call) => void;

/** Runs what the core checks of a method, and charges what it costs. */
export function checkCall(call: Call): void {
  CHECKS[call.name]?.(call);
}

const CHECKS: Readonly<Record<string, Check>> = {
  'MR.REG': (call) => {
    const {
      access,
      memory,
      parent,
      offset = 0,
      length,
    } = call.input as unknown as {
      access: number;
      memory?: { length: number };
      parent?: DeviceObject;
      offset?: number;
      length?: number;
    };
    checkAccess(call, access);
    samePd(call);
    if ((memory === undefined) === (parent === undefined)) {
      throw new VerbsError('EINVAL', call.name, 'a region is made of memory, or of a part of another region', {
        missing: memory === undefined ? 'memory, or parent' : '',
        try: 'one of both',
      });
    }
    if (parent !== undefined && (offset < 0 || (length !== undefined && length < 1))) {
      throw new VerbsError('EINVAL', call.name, 'the part lies outside of the parent', {
        try: 'offset from 0, length from 1',
      });
    }
    // one pin, however many regions are derived from it
    if (memory !== undefined) pin(call, memory.length);
  },
  'MR.REREG': (call) => {
    const { access, flags } = call.input as { access?: number; flags: number };
    if (access !== undefined) checkAccess(call, access);
    if (flags === 0)
      throw new VerbsError('EINVAL', call.name, 'nothing is to change', { try: 'TRANSLATION, PD, ACCESS' });
  },
  'QP.CREATE': samePd,
  'QP.ATTACH_MR': samePd,
  'QP.DETACH_MR': samePd,
};

/** @throws VerbsError EINVAL remote writing without local writing */
function checkAccess(call: Call, access: number): void {
  const writes = access & (ACCESS_FLAGS.REMOTE_WRITE | ACCESS_FLAGS.REMOTE_ATOMIC);
  if (writes === 0 || (access & ACCESS_FLAGS.LOCAL_WRITE) !== 0) return;
  throw new VerbsError('EINVAL', call.name, 'memory that peers may write must be writable locally', {
    missing: 'local-write',
    try: "add 'local-write' to `access`",
  });
}

/** All objects of a call that have a protection domain must have the same. */
function samePd(call: Call): void {
  let pd: DeviceObject | undefined;
  for (const value of Object.values(call.input as Readonly<Record<string, unknown>>)) {
    if (!(value instanceof DeviceObject)) continue;
    const own = value.kind === 'PD' ? value : value.pd;
    if (own === undefined) continue;
    pd ??= own;
    if (own === pd) continue;
    throw new VerbsError('EINVAL', call.name, `the ${value.kind} belongs to another protection domain`, {
      object: `${value.kind} 0x${value.handle.toString(16)}`,
      try: `a ${value.kind} made from the same domain`,
    });
  }
}

/** Counts registered memory against the program's and the group's limits, until the object is gone. */
export function pin(call: Call, bytes: number): void {
  const { session } = call.context;
  const { memlockBytes = Number.POSITIVE_INFINITY } = session.credentials;
  call.tx.reach('pin');
  if (session.pinnedBytes + bytes > memlockBytes) {
    throw new VerbsError('ENOMEM', call.name, `${bytes} bytes cannot be registered`, {
      given: `${session.pinnedBytes} of ${memlockBytes} bytes are registered`,
      try: 'deregister memory that is no longer needed, or a larger limit',
    });
  }
  const charge = session.group.charge(call.device.name, 'mr_mem', bytes);
  session.pinnedBytes += bytes;
  let held = true;
  call.object.charges.push({
    release: () => {
      charge.release();
      if (held) session.pinnedBytes -= bytes;
      held = false;
    },
  });
}
