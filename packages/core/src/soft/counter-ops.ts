/** Completion counters of a software device. @spec verbs/1.5 */
import { VerbsError } from '../base/verbs-error.ts';
import type { DriverOps } from '../device/driver.ts';
import { type KernelParts, stateOf, tableFull } from './kernel-parts.ts';
import type { SoftCounter } from './objects.ts';

export function counterOps({ registry, limits }: KernelParts): Pick<DriverOps, 'COMP_CNTR'> {
  return {
    COMP_CNTR: {
      CREATE(call) {
        const { object } = call;
        const unit = call.input.unit === 1 ? 'bytes' : 'requests';
        const counter = registry.counters.add<SoftCounter>((handle) => ({
          ...{ handle, object, unit, successes: 0, errors: 0 },
        }));
        if (counter === undefined) throw tableFull(call.name, 'completion counter', limits.counters);
        object.state = counter;
      },
      DESTROY({ object }) {
        registry.counters.remove(stateOf<SoftCounter>(object).handle);
      },
      READ({ input }) {
        const { successes, errors } = stateOf<SoftCounter>(input.handle);
        return { successes, errors };
      },
      MODIFY({ name, input }) {
        const counter = stateOf<SoftCounter>(input.handle);
        const base = input.add === 1 ? counter : ZERO;
        const successes = input.successes === undefined ? counter.successes : base.successes + input.successes;
        const errors = input.errors === undefined ? counter.errors : base.errors + input.errors;
        if (!Number.isSafeInteger(successes) || !Number.isSafeInteger(errors)) {
          throw new VerbsError('EINVAL', name, 'a counter cannot be above 2^53', { try: 'smaller values' });
        }
        counter.successes = successes;
        counter.errors = errors;
      },
    },
  };
}

const ZERO = { successes: 0, errors: 0 };
