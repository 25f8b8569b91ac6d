/** Protection domains, shared memory and memory regions of a software device. */

import { VerbsError } from '../base/verbs-error.ts';
import type { Call } from '../device/call.ts';
import type { DriverOps } from '../device/driver.ts';
import { type DmaTarget, targetLength } from '../engine/dma.ts';
import { Access } from '../engine/status.ts';
import { UMEM_KINDS } from '../uapi/objects/umem.ts';
import { attach, type KernelParts, stateOf, tableFull } from './kernel-parts.ts';
import type { SoftJobKey, SoftPd, SoftRegion } from './objects.ts';

export function memoryOps(parts: KernelParts): Pick<DriverOps, 'PD' | 'MR' | 'UMEM'> {
  const { host, registry, limits } = parts;
  const words = new Uint32Array(2);

  /** Finds an unused key, or checks the one that is asked for. */
  function chooseKey(call: Call, pd: SoftPd, key: bigint | undefined): { lo: number; hi: number } {
    if (key === undefined) {
      for (;;) {
        host.randomWords(words);
        const made = { lo: words[0]!, hi: words[1]! & 0xffff };
        if (registry.keys.get(pd.handle, made.lo, made.hi) === 0) return made;
      }
    }
    const given = `key 0x${key.toString(16)}`;
    if (key >> 48n !== 0n) {
      throw new VerbsError('EINVAL', call.name, 'the upper 16 bits of a memory key are reserved', {
        given,
        try: 'a key below 2^48',
        see: 'uet:ses/5.1',
      });
    }
    const chosen = { lo: Number(key & 0xffff_ffffn), hi: Number(key >> 32n) };
    if (registry.keys.get(pd.handle, chosen.lo, chosen.hi) !== 0) {
      throw new VerbsError('EEXIST', call.name, 'this key is taken in the protection domain', {
        given,
        try: 'another key, or leave `key` out',
      });
    }
    return chosen;
  }

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

  function forget(region: SoftRegion): void {
    if (registry.keys.get(region.pd.handle, region.keyLo, region.keyHi) === region.handle) {
      registry.keys.delete(region.pd.handle, region.keyLo, region.keyHi);
    }
    registry.regions.remove(region.handle);
  }

  function release(region: SoftRegion): void {
    forget(region);
    if (region.derived) return;
    host.dma.detach(region.region);
    host.detachMemory(region.target);
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
        const { pd: owner, memory, parent, access, jobKey, key, offset = 0, length } = call.input;
        const pd = stateOf<SoftPd>(owner);
        const chosen = chooseKey(call, pd, key);
        const from = parent === undefined ? undefined : stateOf<SoftRegion>(parent);
        const target = from?.target ?? attach(parts, call, memory!);
        const whole = from?.length ?? targetLength(target);
        const bytes = from === undefined ? whole : (length ?? whole - offset);
        if (!(offset <= whole && bytes <= whole - offset) || bytes < 1 || bytes > limits.regionBytes) {
          throw new VerbsError('EINVAL', call.name, `a region of ${bytes} bytes at ${offset} cannot be registered`, {
            given: from === undefined ? '' : `a parent of ${whole} bytes`,
            try:
              from === undefined
                ? `1 to ${limits.regionBytes} bytes`
                : 'offset + length up to the length of the parent',
          });
        }
        if (from !== undefined && (access & ~from.rights & ALL_RIGHTS) !== 0) {
          throw new VerbsError('EINVAL', call.name, 'a derived region cannot have rights that its parent lacks', {
            try: 'fewer rights, or a parent with more',
          });
        }
        const region = addRegion(call, {
          pd,
          region: from?.region ?? attachDma(call, target),
          base: (from?.base ?? 0) + offset,
          target,
          length: bytes,
          rights: access,
          jobKey: jobKey === undefined ? undefined : stateOf<SoftJobKey>(jobKey),
          keyLo: chosen.lo >>> 0,
          keyHi: chosen.hi >>> 0,
          derived: from !== undefined,
        });
        call.object.state = region;
        return { lkey: region.handle, rkey: keyOf(region), bytes };
      },
      DEREG({ object }) {
        release(stateOf<SoftRegion>(object));
      },
    },
  };
}

export const keyOf = ({ keyLo, keyHi }: SoftRegion): bigint => (BigInt(keyHi) << 32n) | BigInt(keyLo);

const ALL_RIGHTS = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC;
