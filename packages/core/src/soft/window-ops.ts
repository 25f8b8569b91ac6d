/** Memory windows of a software device; what opens and closes them is work, see `windows.ts`. */
import type { DriverOps } from '../device/driver.ts';
import { type KernelParts, stateOf, tableFull } from './kernel-parts.ts';
import { keyOf, randomKey } from './memory-keys.ts';
import type { SoftPd, SoftWindow } from './objects.ts';
import { closeWindow } from './windows.ts';

export function windowOps(parts: KernelParts): Pick<DriverOps, 'MW'> {
  const { registry, limits } = parts;
  return {
    MW: {
      ALLOC(call) {
        const pd = stateOf<SoftPd>(call.input.pd);
        const { lo, hi } = randomKey(parts, pd);
        const { object } = call;
        const type = call.input.type === 2 ? 2 : 1;
        const mw = registry.windows.add<SoftWindow>((handle) => ({
          ...{ handle, object, pd, type, keyLo: lo, keyHi: hi },
          ...{ region: undefined, offset: 0, length: 0, rights: 0, qp: 0 },
        }));
        if (mw === undefined) throw tableFull(call.name, 'memory window', limits.windows);
        object.state = mw;
        return { number: mw.handle, rkey: keyOf(mw) };
      },
      DEALLOC({ object }) {
        const mw = stateOf<SoftWindow>(object);
        closeWindow(registry, mw);
        registry.windows.remove(mw.handle);
      },
    },
  };
}
