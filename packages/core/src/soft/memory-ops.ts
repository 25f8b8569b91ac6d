/** Protection domains, shared memory and memory regions of a software device. */
import { VerbsError } from '../base/verbs-error.ts';
import type { Call, MemoryValue } from '../device/call.ts';
import { pin } from '../device/checks.ts';
import type { DeviceObject } from '../device/device-object.ts';
import type { DriverOps } from '../device/driver.ts';
import { type DmaTarget, targetLength } from '../engine/dma.ts';
import { Access } from '../engine/status.ts';
import { KEY_FLAGS, REREG_FLAGS } from '../uapi/objects/mr.ts';
import { UMEM_KINDS } from '../uapi/objects/umem.ts';
import { attach, checkReach, type KernelParts, stateOf, tableFull } from './kernel-parts.ts';
import { checkSafeKeys, chosenKey, isSafeRegion, keyOf, randomKey } from './memory-keys.ts';
import type { SoftJobKey, SoftPd, SoftRegion } from './objects.ts';

export function memoryOps(parts: KernelParts): Pick<DriverOps, 'PD' | 'MR' | 'UMEM'> {
  const { host, registry, limits } = parts;

  function addRegion(call: Call, fields: Omit<SoftRegion, 'handle'>): SoftRegion {
    const region = call.tx.run(
      'region',
      () => registry.regions.add<SoftRegion>((handle) => ({ ...fields, handle })),
      (made) => made !== undefined && forget(made),
    );
    if (region === undefined) throw tableFull(call.name, 'memory region', limits.regions);
    registry.keys.set(region.pd.handle, region.keyLo, region.keyHi, region.handle);
    return region;
  }

  function attachDma(call: Call, target: DmaTarget): number {
    const number = call.tx.run(
      'dma',
      () => host.dma.attach(target),
      (made) => host.dma.detach(made),
    );
    if (number === 0) throw tableFull(call.name, 'memory region', host.dma.regions);
    return number;
  }

  /** Its keys mean nothing any more. */
  function forget(region: SoftRegion): void {
    closeKey(region);
    registry.regions.remove(region.handle);
  }

  function closeKey({ pd, keyLo, keyHi, handle }: SoftRegion): void {
    if (registry.keys.get(pd.handle, keyLo, keyHi) === handle) registry.keys.delete(pd.handle, keyLo, keyHi);
  }

  function release(region: SoftRegion): void {
    forget(region);
    for (const qp of region.attached ?? NOBODY) registry.qps.get(qp)?.attached.delete(region);
    if (region.parent === undefined) letGo(region);
  }

  function letGo({ region, target }: SoftRegion): void {
    host.dma.detach(region);
    host.detachMemory(target);
  }

  function checkLength(call: Call, bytes: number): void {
    if (bytes >= 1 && bytes <= limits.regionBytes) return;
    throw new VerbsError('EINVAL', call.name, `a region of ${bytes} bytes cannot be registered`, {
      try: `1 to ${limits.regionBytes} bytes`,
    });
  }

  return {
    PD: {
      ALLOC(call) {
        const pd = registry.pds.add((handle) => ({ handle, pid: -1 }));
        if (pd === undefined) throw tableFull(call.name, 'protection domain', limits.protectionDomains);
        call.object.state = pd;
      },
      DEALLOC({ object }) {
        const pd = stateOf<SoftPd>(object);
        if (pd.pid >= 0) registry.pids.delete(pd.pid);
        registry.pds.remove(pd.handle);
      },
    },
    UMEM: {
      CREATE(call) {
        const { kind, attachment } = call.input;
        if (kind === UMEM_KINDS.FILE && (attachment === undefined || attachment >= call.attachments.length)) {
          throw new VerbsError('EBADF', call.name, 'no memory file came with the call', {
            missing: 'attachment',
            try: 'the position of a sealed memory file among the attachments',
          });
        }
        const given = kind === UMEM_KINDS.FILE ? call.attachments[attachment!] : undefined;
        const target = call.tx.run(
          'umem',
          () => host.openUmem(given, call.context.session.credentials.identity),
          (made) => host.detachMemory(made),
        );
        call.object.state = target;
        return { bytes: targetLength(target) };
      },
      DESTROY({ object }) {
        host.detachMemory(stateOf<DmaTarget>(object));
      },
    },
    MR: {
      REG(call) {
        const { pd: owner, memory, parent, access, jobKey, key, keyFlags = 0, offset = 0, length } = call.input;
        const pd = stateOf<SoftPd>(owner);
        const isSafe = (keyFlags & KEY_FLAGS.IDEMPOTENT_SAFE) !== 0;
        if (isSafe) checkSafeKeys(parts, call);
        const chosen = key === undefined ? randomKey(parts, pd, isSafe) : chosenKey(parts, call, pd, key, isSafe);
        const from = parent === undefined ? undefined : stateOf<SoftRegion>(parent);
        const target = from?.target ?? attach(parts, call, memory!);
        if (from === undefined) checkReach(call, target, access);
        const whole = from?.length ?? targetLength(target);
        const bytes = from === undefined ? whole : (length ?? whole - offset);
        if (from !== undefined && !(offset <= whole && bytes <= whole - offset)) {
          throw new VerbsError('EINVAL', call.name, `a region of ${bytes} bytes at ${offset} cannot be registered`, {
            given: `a parent of ${whole} bytes`,
            try: 'offset + length up to the length of the parent',
          });
        }
        checkLength(call, bytes);
        if (from !== undefined) checkSubset(call, access, from);
        const region = addRegion(call, {
          object: call.object,
          pd,
          region: from?.region ?? attachDma(call, target),
          base: (from?.base ?? 0) + (from === undefined ? 0 : offset),
          target,
          length: bytes,
          rights: access,
          jobKey: jobKey === undefined ? undefined : stateOf<SoftJobKey>(jobKey),
          keyLo: chosen.lo >>> 0,
          keyHi: chosen.hi >>> 0,
          parent: from,
          attached: undefined,
          invalid: false,
          windows: 0,
        });
        call.object.state = region;
        return { lkey: region.handle, rkey: keyOf(region), bytes };
      },
      DEREG({ object }) {
        release(stateOf<SoftRegion>(object));
      },
      REREG(call) {
        const { handle: object, flags, pd: owner, memory, access } = call.input;
        const old = stateOf<SoftRegion>(object);
        checkGiven(call, flags, { TRANSLATION: memory, PD: owner, ACCESS: access });
        checkUnused(call, object, old);
        const pd = owner === undefined ? old.pd : stateOf<SoftPd>(owner);
        if (pd !== old.pd) checkMove(call, old);
        if (memory !== undefined && old.parent !== undefined) {
          throw new VerbsError('EINVAL', call.name, 'the memory of a derived region is that of its parent', {
            try: 'another derived region',
          });
        }
        const rights = access ?? old.rights;
        if (old.parent !== undefined) checkSubset(call, rights, old.parent);
        const held = [...object.needs];
        const charged = object.charges.length;
        const target = memory === undefined ? old.target : attachAgain(call, memory, rights);
        if (memory === undefined) checkReach(call, target, rights);
        const length = memory === undefined ? old.length : targetLength(target);
        checkLength(call, length);
        const key = randomKey(parts, pd, isSafeRegion(old));
        const region = addRegion(call, {
          ...old,
          pd,
          region: memory === undefined ? old.region : attachDma(call, target),
          base: memory === undefined ? old.base : 0,
          target,
          length,
          rights,
          keyLo: key.lo,
          keyHi: key.hi,
          invalid: false,
        });
        // nothing fails from here on: what the old one held goes
        forget(old);
        for (const qp of old.attached ?? NOBODY) {
          const { attached } = registry.qps.get(qp) ?? { attached: undefined };
          attached?.delete(old);
          attached?.add(region);
        }
        if (memory !== undefined) {
          letGo(old);
          for (const one of held) if (one.kind === 'UMEM') object.drop(one);
          // the first charge is that of the object, the ones before `charged` those of the old memory
          for (const charge of object.charges.splice(1, charged - 1)) charge.release();
        }
        if (pd !== old.pd) {
          for (const one of held) if (one.kind === 'PD') object.drop(one);
          object.need(owner!);
        }
        object.state = region;
        return { lkey: region.handle, rkey: keyOf(region), bytes: length };
      },
      INVALIDATE(call) {
        const region = stateOf<SoftRegion>(call.input.handle);
        if (region.windows > 0) {
          throw new VerbsError('EBUSY', call.name, `${region.windows} windows are open on the region`, {
            try: 'close the windows first: BIND_MW with length 0, LOCAL_INV, or MW.DEALLOC',
          });
        }
        region.invalid = true;
        closeKey(region);
      },
    },
  };

  function attachAgain(call: Call, memory: MemoryValue, rights: number): DmaTarget {
    const before = call.object.charges.length;
    call.tx.onUndo(() => {
      for (const charge of call.object.charges.splice(before)) charge.release();
    });
    pin(call, memory.length);
    const target = attach(parts, call, memory);
    checkReach(call, target, rights);
    return target;
  }
}

/** @throws VerbsError EINVAL the flags do not say what is given */
function checkGiven(call: Call, flags: number, given: Readonly<Record<keyof typeof REREG_FLAGS, unknown>>): void {
  for (const [name, bit] of Object.entries(REREG_FLAGS)) {
    const has = given[name as keyof typeof REREG_FLAGS] !== undefined;
    if (has === ((flags & bit) !== 0)) continue;
    throw new VerbsError(
      'EINVAL',
      call.name,
      `${name} ${has ? 'is given and not flagged' : 'is flagged and not given'}`,
      {
        given: `flags 0x${flags.toString(16)}`,
        try: 'a flag for each thing that changes, and the thing itself',
      },
    );
  }
}

/** @throws VerbsError EBUSY others see its memory */
function checkUnused(call: Call, object: DeviceObject, region: SoftRegion): void {
  if (object.uses === 0 && region.windows === 0) return;
  throw new VerbsError('EBUSY', call.name, 'other regions or windows show parts of the region', {
    object: `${object.uses} of them`,
    try: 'deregister derived regions and close windows first',
  });
}

/** @throws VerbsError EINVAL the region is tied to things of its domain */
function checkMove(call: Call, { jobKey, attached, parent }: SoftRegion): void {
  const tie =
    jobKey !== undefined
      ? 'a job key'
      : attached !== undefined
        ? 'queue pairs'
        : parent !== undefined
          ? 'its parent'
          : '';
  if (tie === '') return;
  throw new VerbsError('EINVAL', call.name, `the region cannot leave its protection domain: it is tied to ${tie}`, {
    try: 'register the memory in the other domain',
  });
}

/** @throws VerbsError EINVAL more rights than the parent has */
function checkSubset(call: Call, access: number, parent: SoftRegion): void {
  if ((access & ~parent.rights & ALL_RIGHTS) === 0) return;
  throw new VerbsError('EINVAL', call.name, 'a derived region cannot have rights that its parent lacks', {
    try: 'fewer rights, or a parent with more',
  });
}

const ALL_RIGHTS =
  Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC | Access.MW_BIND;
const NOBODY: ReadonlySet<number> = new Set();
